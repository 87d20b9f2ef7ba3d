from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.evaluation import kmers
from hyena_glt.evaluation.kmers import kmer_counts, one_hot_positions, sequence_features

SEQUENCES = st.lists(st.text("ACGTNacgt", max_size=30), min_size=1, max_size=6)


def words(k):
    return ["".join(letters) for letters in product("ACGT", repeat=k)]


def count_by_hand(sequence, word):
    sequence = sequence.upper()
    return sum(sequence.startswith(word, at) for at in range(len(sequence)))


@given(SEQUENCES, st.integers(1, 4))
@settings(deadline=None)
def test_counts_are_those_by_hand(sequences, k):
    expected = [[count_by_hand(sequence, word) for word in words(k)] for sequence in sequences]
    np.testing.assert_array_equal(kmer_counts(sequences, k, both_strands=False).toarray(), expected)


@given(SEQUENCES, st.integers(1, 4))
@settings(deadline=None)
def test_counts_of_both_strands_are_those_of_the_sequence_and_its_reverse_complement(sequences, k):
    canonical = [word for word in words(k) if word <= reverse_complement(word)]
    expected = [
        [
            count_by_hand(sequence, word) + count_by_hand(reverse_complement(sequence), word)
            for word in canonical
        ]
        for sequence in sequences
    ]
    np.testing.assert_array_equal(kmer_counts(sequences, k, both_strands=True).toarray(), expected)


def test_blocks_of_sequences_give_the_same_counts(monkeypatch):
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGTN"), size)) for size in rng.integers(0, 40, 30)]
    whole = kmer_counts(sequences, 3, both_strands=True).toarray()
    monkeypatch.setattr(kmers, "_LETTERS_AT_ONCE", 50)
    np.testing.assert_array_equal(kmer_counts(sequences, 3, both_strands=True).toarray(), whole)


def test_rna_counts_as_dna():
    np.testing.assert_array_equal(
        kmer_counts(["ACGUU"], 2, both_strands=False).toarray(),
        kmer_counts(["ACGTT"], 2, both_strands=False).toarray(),
    )


def test_positions():
    expected = [[1, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1, 0]]
    np.testing.assert_array_equal(one_hot_positions(["AT", "NG"]).toarray(), expected)
    with pytest.raises(ValueError, match="got 1 to 3 bases"):
        one_hot_positions(["A", "ACG"])


def test_features_lie_side_by_side():
    sequences = ["ACGTAC", "GGGTTT"]
    parts = [
        kmer_counts(sequences, 3, both_strands=False).log1p(),
        kmer_counts(sequences, 4, both_strands=False).log1p(),
        one_hot_positions(sequences),
    ]
    found = sequence_features(sequences, kmer_size=4, both_strands=False, positional=True)
    np.testing.assert_array_equal(found.toarray(), np.hstack([part.toarray() for part in parts]))
    short = sequence_features(sequences, kmer_size=2, both_strands=False, positional=False)
    assert short.shape == (2, 16)
