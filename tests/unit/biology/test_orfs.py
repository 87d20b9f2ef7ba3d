import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.genetic_codes import genetic_code
from hyena_glt.biology.orfs import find_frames, longest_orfs
from hyena_glt.biology.sequences import reverse_complement

CODE = genetic_code(11)


def codes_of(letters):
    return np.array(["ACGTN".index(base) for base in letters], dtype=np.uint8)


def one_strand(letters, min_codons, open_5, open_3):
    """All frames of one strand, the slow way: (start, end, start codon or None, has a stop)."""
    found = set()
    for frame in range(3):
        begins = [(frame, None)] if open_5 else []
        at = frame
        while at + 3 <= len(letters):
            codon = letters[at : at + 3]
            if codon in CODE.stops or codon == "NNN":
                if codon in CODE.stops:
                    found |= {(start, at + 3, start_codon, True) for start, start_codon in begins
                              if at + 3 - start >= 3 * min_codons}  # fmt: skip
                begins = []
            elif codon in CODE.starts:
                begins.append((at, codon))
            at += 3
        if open_3:
            found |= {(start, at, start_codon, False) for start, start_codon in begins
                      if at - start >= 3 * min_codons}  # fmt: skip
    return found


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet="ACGTN", max_size=80) | st.text(alphabet="ATG", max_size=80),
    st.integers(1, 4), st.booleans(), st.booleans(),
)  # fmt: skip
def test_frames_are_those_of_a_plain_loop_on_both_strands(letters, least, left, right):
    frames = find_frames(
        codes_of(letters), CODE, min_codons=least, open_left=left, open_right=right
    )
    found = [
        (start, end, None if codon < 0 else CODE.starts[codon], complete, forward)
        for start, end, codon, complete, forward in zip(
            frames.start.tolist(), frames.end.tolist(), frames.codon.tolist(),
            frames.complete.tolist(), frames.forward.tolist(), strict=True,
        )
    ]  # fmt: skip
    size = len(letters)
    turned = one_strand(reverse_complement(letters), least, right, left)
    expected = {(*row, True) for row in one_strand(letters, least, left, right)}
    expected |= {(size - end, size - start, *rest, False) for start, end, *rest in turned}
    # At the very edge a start codon and a frame that runs off the sequence are two readings.
    assert len(found) == len(set(found))
    assert set(found) == expected


@pytest.mark.parametrize(("site", "bases"), [("AGGAGG", 6), ("TGGAGT", 4), ("CCCCCC", 0)])
@pytest.mark.parametrize("spacer", [3, 7, 11])
def test_ribosome_binding_sites_are_found_before_the_start(site, bases, spacer):
    letters = "CC" + site + "C" * spacer + "ATGCCCTAA"
    frames = find_frames(codes_of(letters), CODE, min_codons=2)
    assert frames.binding.tolist() == [bases]
    far = find_frames(codes_of("CC" + site + "C" * 30 + "ATGCCCTAA"), CODE, min_codons=2)
    assert far.binding.tolist() == [0]


def test_the_baseline_takes_the_longest_and_leaves_what_overlaps_it():
    body = "GCC" * 60
    long = "ATG" + body + "ATG" + body + "TAA"  # 366 bases; its inner ATG is no gene of its own
    genes = longest_orfs(codes_of("CC" + long + "CCC"), CODE, min_codons=50)
    assert [(gene.start, gene.end, gene.strand) for gene in genes] == [(2, 2 + len(long), "+")]
    turned = reverse_complement("CC" + long + "CCC")
    assert [(gene.start, gene.end, gene.strand) for gene in longest_orfs(codes_of(turned), CODE)] \
        == [(3, 3 + len(long), "-")]  # fmt: skip
    # GTG begins no frame of the baseline.
    assert longest_orfs(codes_of("GTG" + body + "TAA"), CODE, min_codons=50) == []
