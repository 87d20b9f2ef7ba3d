from hypothesis import assume, given
from hypothesis import strategies as st

from hyena_glt.biology.alleles import allele_windows, first_place, minimal_alleles
from hyena_glt.biology.sequences import reverse_complement

bases = st.text("ACGT", max_size=8)
# Two letters only: repeats, in which an indel may stand in many places, come up often.
genomes = st.one_of(st.text("ACGT", min_size=1, max_size=60), st.text("AC", min_size=1))


@st.composite
def variants(draw):
    genome = draw(genomes)
    at = draw(st.integers(0, len(genome)))
    end = draw(st.integers(at, min(len(genome), at + 8)))
    return genome, at, genome[at:end], draw(bases)


def haplotype(genome, at, reference, alternative):
    return genome[:at] + alternative + genome[at + len(reference) :]


@given(variants())
def test_alleles_stripped_or_moved_mean_the_same(variant):
    genome, at, reference, alternative = variant
    minimal = minimal_alleles(at, reference, alternative)
    assert haplotype(genome, *minimal) == haplotype(genome, at, reference, alternative)
    assert genome[minimal[0] : minimal[0] + len(minimal[1])] == minimal[1]
    moved = first_place(genome, *minimal, most=len(genome))
    assert haplotype(genome, *moved) == haplotype(genome, *minimal)
    assert genome[moved[0] : moved[0] + len(moved[1])] == moved[1]
    assert moved[0] <= minimal[0]


@given(variants(), st.data())
def test_however_an_indel_is_written_its_first_place_is_one(variant, data):
    """All deletions or insertions of as many letters that give the same sequence are one."""
    genome, at, reference, alternative = variant
    at, reference, alternative = minimal_alleles(at, reference, alternative)
    assume(bool(reference) != bool(alternative))
    mutant = haplotype(genome, at, reference, alternative)
    same = []
    for place in range(len(genome) + 1):
        if reference:
            other = (place, genome[place : place + len(reference)], "")
        else:
            other = (place, "", mutant[place : place + len(alternative)])
        if haplotype(genome, *other) == mutant and len(other[1]) == len(reference):
            same.append(other)
    first = {first_place(genome, *other, most=len(genome)) for other in same}
    assert first == {min(same)}


@given(variants(), st.integers(1, 40))
def test_windows_are_equally_long_and_begin_at_the_same_base(variant, size):
    genome, at, reference, alternative = variant
    mutant = haplotype(genome, at, reference, alternative)
    found = allele_windows(genome, at, reference, alternative, size)
    minimal = minimal_alleles(at, reference, alternative)
    longest = max(map(len, minimal[1:]))
    if found is None:
        shorter = min(len(genome), len(mutant))
        nothing_behind = first_place(genome, *minimal, most=size // 2)[0] >= shorter
        assert mutant == genome or longest > min(size, shorter) // 2 or nothing_behind
        return
    assert len(found.reference) == len(found.alternative) == min(size, len(genome), len(mutant))
    places = [
        start
        for start in range(len(genome))
        if genome.startswith(found.reference, start) and mutant.startswith(found.alternative, start)
    ]
    assert places
    assert found.reference[: found.offset] == found.alternative[: found.offset]
    own = slice(found.offset, found.offset + found.changed)
    assert 1 <= len(found.reference[own]) <= longest
    if len(reference) == len(alternative):
        assert found.reference[own.stop :] == found.alternative[own.stop :]


@given(variants(), st.integers(4, 40))
def test_shared_letters_of_the_alleles_change_nothing(variant, size):
    genome, at, reference, alternative = variant
    found = allele_windows(genome, at, reference, alternative, size)
    left, right = max(0, at - 3), min(len(genome), at + len(reference) + 2)
    padded = (
        left,
        genome[left:right],
        genome[left:at] + alternative + genome[at + len(reference) : right],
    )
    # Within a repeat that is longer than half a window there is no first place.
    for one in ((at, reference, alternative), padded):
        minimal = minimal_alleles(*one)
        first = first_place(genome, *minimal, most=len(genome))
        assume(first == first_place(genome, *minimal, most=size // 2))
    assert allele_windows(genome, *padded, size) == found


@given(st.text("ACGT", min_size=80, max_size=80), st.integers(30, 50), bases, st.integers(0, 8))
def test_what_lies_beyond_two_windows_has_no_effect(genome, at, alternative, length):
    reference = genome[at : at + length]
    size = 10
    near = slice(at - 2 * size, at + length + 2 * size)
    found = allele_windows(genome, at, reference, alternative, size)
    assert allele_windows(genome[near], 2 * size, reference, alternative, size) == found


def test_both_strands_know_the_base_in_the_middle():
    genome = "ACGTTGCAAC" * 4
    found = allele_windows(genome, 20, "A", "T", 11)
    other = allele_windows(reverse_complement(genome), 19, "T", "A", 11)
    assert found is not None
    assert other is not None
    assert found.offset == other.offset == 5
    assert reverse_complement(found.reference) == other.reference
    assert reverse_complement(found.alternative) == other.alternative
