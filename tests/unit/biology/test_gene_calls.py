from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.gene_calls import GeneStream, choose_genes
from hyena_glt.biology.genetic_codes import genetic_code
from hyena_glt.biology.intervals import Feature
from hyena_glt.biology.orfs import Gene, find_frames, longest_orfs
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.genome import Genome, Region
from hyena_glt.evaluation.feature_metrics import Span, compare_features
from hyena_glt.io.gff import iter_gff

CODE = genetic_code(11)


def codes_of(letters):
    return np.array(["ACGTN".index(base) for base in letters], dtype=np.uint8)


def random_letters(length, seed):
    return "".join("ACGT"[i] for i in np.random.default_rng(seed).integers(0, 4, length))


def coding(codons, seed):
    """Random codons without stops."""
    letters = random_letters(3 * codons, seed)
    triplets = [letters[i : i + 3] for i in range(0, len(letters), 3)]
    return "".join("GCC" if one in {*CODE.stops, *CODE.starts} else one for one in triplets)


def evidence_for(length, *stretches, low=-4.0, high=4.0):
    evidence = np.full((length, 2), low)
    for start, end, column in stretches:
        evidence[start:end, column] = high
    return evidence


def places(genes):
    return [(gene.start, gene.end, gene.strand) for gene in genes]


def test_a_gene_is_called_where_the_evidence_is_and_nowhere_else():
    gene = "ATG" + coding(80, 1) + "TAA"
    letters = random_letters(200, 2) + gene + random_letters(200, 3)
    codes = codes_of(letters)
    place = (200, 200 + len(gene))
    sure = evidence_for(len(codes), (*place, 0))
    assert places(choose_genes(codes, sure, CODE)) == [(*place, "+")]
    assert choose_genes(codes, evidence_for(len(codes)), CODE) == []
    # The other strand reads the same.
    turned = codes_of(reverse_complement(letters))
    assert places(choose_genes(turned, sure[::-1, ::-1], CODE)) == [(*place, "-")]


@pytest.mark.parametrize(("spoken_for", "expected"), [(0, 100), (60, 160)])
def test_evidence_chooses_between_two_starts(spoken_for, expected):
    gene = "ATG" + "GCC" * 19 + "ATG" + coding(120, 5) + "TAA"  # starts at 100 and at 160
    codes = codes_of("C" * 100 + gene + "C" * 100)
    evidence = evidence_for(len(codes), (100 + spoken_for, 100 + len(gene), 0), low=-7, high=7)
    assert [one.start for one in choose_genes(codes, evidence, CODE)] == [expected]


def test_a_binding_site_decides_where_the_evidence_does_not():
    inner = "GCCGCCAGGAGGCGCCGCC"
    gene = "ATG" + inner + "CC" + "ATG" + coding(120, 6) + "TAA"
    codes = codes_of("C" * 100 + gene + "C" * 100)
    flat = np.zeros((len(codes), 2))
    flat[:, 0] = 2.0
    assert [one.start for one in choose_genes(codes, flat, CODE)] == [100 + 3 + len(inner) + 2]
    # Codes without such sites know nothing of them.
    assert [one.start for one in choose_genes(codes, flat, genetic_code(1))] == [100]


def test_neighbours_may_share_start_and_stop_but_not_much_more():
    first = "ATG" + coding(90, 7) + "GCATGA"[:-4]
    second = "ATGA" + coding(90, 8)[:-1] + "TAA"  # the stop TGA of the first lies in its ATGA
    letters = "C" * 60 + first + second + "C" * 60
    codes = codes_of(letters)
    whole = evidence_for(len(codes), (60, 60 + len(first) + len(second), 0))
    found = choose_genes(codes, whole, CODE)
    frames = find_frames(codes, CODE, min_codons=30)
    possible = set(zip(frames.start.tolist(), frames.end.tolist(), strict=True))
    assert {(gene.start, gene.end) for gene in found} <= possible
    for left, right in pairwise(found):
        assert left.start < right.start
        assert left.end - right.start <= 60


def test_genes_that_run_off_the_sequence_are_marked():
    gap = "TAACTAACTAACTTACTTACTTAC" + "C" * 26  # stops in all frames of both strands
    codes = codes_of(coding(60, 9) + "TAA" + gap + "ATG" + coding(60, 10))
    sure = evidence_for(len(codes), (0, 183, 0), (233, len(codes), 0))
    found = choose_genes(codes, sure, CODE, open_left=True, open_right=True)
    assert [(one.start, one.whole_start, one.whole_end) for one in found] == [
        (0, False, True), (233, True, False),
    ]  # fmt: skip
    assert found[0].end == 183
    assert choose_genes(codes, sure, CODE) == []


def by_letters(codes, evidence, left, right):
    """A chooser whose answer depends on the bases alone: runs of A between other letters."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], codes == 0, [0]])))
    return [Gene(int(a), int(b), "+", whole_start=a > 0 or not left, whole_end=b < len(codes))
            for a, b in edges.reshape(-1, 2) if right or b < len(codes)]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), max_size=30), st.integers(1, 15))
def test_what_comes_in_blocks_is_found_once_and_whole(runs, block):
    letters = "".join("C" * gap + "A" * length for gap, length in runs)
    codes = codes_of(letters)
    stream = GeneStream(by_letters, stretch=40, margin=10)
    found = []
    for start in range(0, len(codes), block):
        found += stream.add(codes[start : start + block])
        assert stream._kept < 40 + block
    found += stream.finish()
    expected = by_letters(codes, None, True, True)
    assert places(one.gene for one in found) == places(expected)
    assert all(np.isnan(one.probability) for one in found)


def test_a_gene_close_behind_another_keeps_the_binding_site_in_it():
    alone = "ATG" + coding(60, 1) + "TAA"
    first = "ATG" + coding(60, 2) + "AGGAGG" + "CCCTAA"
    # Without that site the second start codon, which has a weaker one, would win.
    second = "ATG" + "GCCGCCAGGACCGCCGCC" + "ATG" + coding(80, 3) + "TAA"
    gap = "C" * 100
    letters = gap + alone + gap + first + "C" + second + gap
    codes = codes_of(letters)
    expected = [(at, at + len(gene)) for gene in (alone, first, second)
                for at in [letters.index(gene)]]  # fmt: skip
    evidence = evidence_for(len(codes), *((*place, 0) for place in expected))

    def choose(codes, evidence, left, right):
        return choose_genes(codes, evidence, CODE, open_left=left, open_right=right)

    # What is settled at first could end between the two.
    stream = GeneStream(choose, stretch=1, margin=200)
    found = [*stream.add(codes, evidence), *stream.finish()]
    assert [(one.gene.start, one.gene.end) for one in found] == expected


def test_the_stream_calls_what_the_whole_sequence_gives():
    parts, sure, at = [], [], 0
    for number in range(40):
        gene = "ATG" + coding(60 + number, number) + "TAA"
        gap = random_letters(90, 100 + number)
        if number % 2:
            gene = reverse_complement(gene)
        parts += [gap, gene]
        sure.append((at + 90, at + 90 + len(gene), number % 2))
        at += 90 + len(gene)
    codes = codes_of("".join(parts))
    evidence = evidence_for(len(codes), *sure)

    def choose(codes, evidence, left, right):
        return choose_genes(codes, evidence, CODE, open_left=left, open_right=right)

    stream = GeneStream(choose, stretch=3000, margin=800)
    found = []
    for start in range(0, len(codes), 500):
        found += stream.add(codes[start : start + 500], evidence[start : start + 500])
    found += stream.finish()
    assert places(one.gene for one in found) == places(choose(codes, evidence, True, True))
    assert len(found) == 40
    assert min(one.probability for one in found) > 0.8


def test_starts_of_escherichia_coli_are_found_better_than_by_length(shared_data):
    """On bases that no constant was chosen on, and without a model."""
    folder = shared_data / "genomes" / "ecoli_k12_mg1655"
    (fasta,), (gff,) = folder.glob("*_genomic.fna.gz"), folder.glob("*_genomic.gff.gz")
    span = Span("NC_000913.3", 4_000_000, 4_100_000, 4_641_652)
    codes = Genome.read([fasta]).codes(Region(*span[:3]))
    truth = [one for one in iter_gff(gff) if one.kind == "CDS"]

    def figures(genes):
        called = [Feature(span.contig, one.start + span.start, one.end + span.start, "CDS",
                          one.strand) for one in genes]  # fmt: skip
        return compare_features(truth, called, [span])

    rules, longest = figures(choose_genes(codes, None, CODE)), figures(longest_orfs(codes, CODE))
    assert rules.start_accuracy > longest.start_accuracy + 0.08
    assert rules.precision > longest.precision + 0.1
