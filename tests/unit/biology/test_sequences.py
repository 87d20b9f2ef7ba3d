import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.alphabet import DNA, PROTEIN, RNA
from hyena_glt.biology.sequences import (
    clean_sequence,
    clean_sequences,
    gc_content,
    reverse_complement,
)
from hyena_glt.errors import AlphabetError, ConfigError

IUPAC_DNA = "ACGTRYSWKMBDHVNacgtryswkmbdhvn"


def test_reverse_complement_of_every_letter():
    assert reverse_complement("ACGTRYSWKMBDHVN") == "NBDHVKMWSRYACGT"
    assert reverse_complement("aaCg") == "cGtt"


@given(st.text(IUPAC_DNA))
def test_reverse_complement_matches_a_loop_and_undoes_itself(sequence):
    def pair(letter):
        paired = DNA.complement[letter.upper()]
        return paired.lower() if letter.islower() else paired

    result = reverse_complement(sequence)
    assert result == "".join(pair(letter) for letter in reversed(sequence))
    assert reverse_complement(result) == sequence


def test_reverse_complement_of_rna():
    assert reverse_complement("AUGGc", RNA) == "gCCAU"


def test_reverse_complement_refuses_what_has_none():
    with pytest.raises(AlphabetError, match="'U' at position 1"):
        reverse_complement("AUG")
    with pytest.raises(ConfigError, match="protein"):
        reverse_complement("MKL", PROTEIN)


@pytest.mark.parametrize(
    ("sequence", "fraction"),
    [("GC", 1.0), ("at", 0.0), ("GATC", 0.5), ("GNNNA", 0.5), ("SWWW", 0.25), ("GCU", 2 / 3)],
)
def test_gc_content(sequence, fraction):
    assert gc_content(sequence) == fraction


@pytest.mark.parametrize("sequence", ["", "NNN"])
def test_gc_content_of_nothing_is_undefined(sequence):
    assert math.isnan(gc_content(sequence))


@given(st.text() | st.text("ACGTNacgtn xX1\n", max_size=50))
def test_clean_sequence_is_the_guides(sequence):
    valid_chars = set("ATGCN")
    assert clean_sequence(sequence) == "".join(c for c in sequence.upper() if c in valid_chars)


@given(st.lists(st.text() | st.text("ACGTNacgtnU-1\n", max_size=20), max_size=6))
def test_what_cleaning_removes_is_counted(sequences):
    cleaned = clean_sequences(sequences)
    assert cleaned.sequences == [clean_sequence(sequence) for sequence in sequences]
    letters = Counter("".join(sequence.upper() for sequence in sequences))
    assert cleaned.removed == {a: n for a, n in letters.items() if a not in "ACGTN"}
    assert list(cleaned.removed.values()) == sorted(cleaned.removed.values(), reverse=True)
    pairs = list(zip(sequences, cleaned.sequences, strict=True))
    assert cleaned.changed == sum(before.upper() != after for before, after in pairs)
    assert cleaned.emptied == sum(before != "" and after == "" for before, after in pairs)


def test_cleaning_says_what_it_removed():
    assert clean_sequences(["ACGT", "n"]).summary() == "2 sequences, nothing removed"
    assert clean_sequences(["1 ACGT", "UU", "A"]).summary() == (
        "2 of 3 sequences changed, 1 of them emptied; removed: 'U' 2 times, '1' 1 times, "
        "' ' 1 times"
    )
