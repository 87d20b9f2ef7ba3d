import re

import numpy as np
import pytest

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.interpretability.motif_boundaries import boundary_motifs

RANDOM = np.random.default_rng(0)
SEQUENCES = ["".join(RANDOM.choice(list("ACGT"), 400)) for _ in range(30)]
ANYWHERE = [[0, *sorted(RANDOM.integers(1, 400, 20).tolist())] for _ in SEQUENCES]


def test_what_stands_at_patch_starts_comes_out():
    starts = [
        [0, *(found.start() for found in re.finditer("TATA", one)), *RANDOM.integers(0, 400, 4)]
        for one in SEQUENCES
    ]
    found = boundary_motifs(SEQUENCES, starts)
    first = found.kmers[0]
    assert (first.kmer, first.offset) == ("TATA", 0)
    assert first.q_value < 1e-10
    inside = [
        (one, at)
        for one, own in zip(SEQUENCES, starts, strict=True)
        for at in own
        if 8 <= at <= len(one) - 8
    ]
    assert found.boundaries == len(inside)
    assert first.seen == sum(one[at : at + 4] == "TATA" for one, at in inside)
    assert first.expected == pytest.approx(len(inside) / 256, rel=1.5)
    # Row 8 is the first base of the patch.
    assert found.counts[8, 3] == sum(one[at] == "T" for one, at in inside)
    assert set(np.argsort(found.bits)[-4:]) == {8, 9, 10, 11}


def test_random_positions_have_nothing_in_common():
    found = boundary_motifs(SEQUENCES, ANYWHERE)
    assert found.kmers == []
    assert found.bits.max() < 0.05


def test_few_starts_anywhere_give_false_discoveries_as_rarely_as_asked_for():
    random = np.random.default_rng(7)
    wrong = 0
    for seed in range(20):
        letters = ["".join(random.choice(list("ACGT"), 400)) for _ in range(30)]
        starts = [sorted(random.choice(400, 40, replace=False).tolist()) for _ in letters]
        wrong += bool(boundary_motifs(letters, starts, k=6, most_q=0.05, seed=seed).kmers)
    assert wrong <= 2


def test_composition_alone_is_not_enrichment():
    random = np.random.default_rng(1)
    rich = ["".join(random.choice(list("ACGT"), 400, p=[0.1, 0.4, 0.4, 0.1])) for _ in range(30)]
    found = boundary_motifs(rich, ANYWHERE)
    assert found.kmers == []
    np.testing.assert_allclose(found.shuffled, [0.1, 0.4, 0.4, 0.1], atol=0.02)


def test_unknown_letters_and_rna():
    starts = [[match.start() for match in re.finditer("TATA", one)] for one in SEQUENCES]
    dna = boundary_motifs(SEQUENCES, starts)
    rna = boundary_motifs([one.lower().replace("t", "u") for one in SEQUENCES], starts)
    np.testing.assert_array_equal(dna.counts, rna.counts)
    hidden = [one.replace("TATA", "NNNN") for one in SEQUENCES]
    assert all(one.kmer != "TATA" for one in boundary_motifs(hidden, starts).kmers)


@pytest.mark.parametrize(
    ("sequences", "starts", "options", "error", "message"),
    [
        (["ACGT"], [[0]], {}, DataError, "8 bases or more from both ends"),
        (["A" * 40], [[40]], {}, DataError, r"sequence 1: patch starts must lie in \[0, 40\)"),
        (["A" * 40], [], {}, DataError, "1 sequences and 0 lists"),
        (["A" * 40], [[20]], {"k": 0}, ConfigError, "k must be"),
        (["A" * 40], [[20]], {"k": 9, "flank": 8}, ConfigError, "flank must be at least k = 9"),
    ],
)
def test_faults(sequences, starts, options, error, message):
    with pytest.raises(error, match=message):
        boundary_motifs(sequences, starts, **options)
