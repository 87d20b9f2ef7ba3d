import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.alphabet import DNA, PROTEIN, RNA, letter_bytes
from hyena_glt.errors import AlphabetError

ALPHABETS = [DNA, RNA, PROTEIN]


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda alphabet: alphabet.name)
@given(text=st.text(max_size=30) | st.text("ACGTUNRYacgtun*-", max_size=30))
def test_check_letters_agrees_with_a_loop(alphabet, text):
    legal = set(alphabet.all_letters + alphabet.all_letters.lower())
    foreign = [position for position, letter in enumerate(text) if letter not in legal]
    if not foreign:
        alphabet.check_letters(text)
        return
    with pytest.raises(AlphabetError) as error:
        alphabet.check_letters(text)
    count = f"{len(foreign)} foreign letter"
    place = f"{text[foreign[0]]!r} at position {foreign[0]} (0-based)"
    assert str(error.value).startswith(count)
    assert place in str(error.value)


def test_uracil_is_foreign_to_dna_and_thymine_to_rna():
    DNA.check_letters("ACGTN")
    RNA.check_letters("acgun")
    with pytest.raises(AlphabetError, match="'U' at position 2"):
        DNA.check_letters("ACUG")
    with pytest.raises(AlphabetError, match="'T' at position 2"):
        RNA.check_letters("ACTG")


def test_protein_letters():
    PROTEIN.check_letters("ACDEFGHIKLMNPQRSTVWYBJOUXZ*")
    with pytest.raises(AlphabetError, match="1 foreign letter, the first is '-'"):
        PROTEIN.check_letters("MK-L")


@pytest.mark.parametrize("alphabet", [DNA, RNA], ids=lambda alphabet: alphabet.name)
def test_complement_is_its_own_inverse_and_respects_ambiguity(alphabet):
    pairs = alphabet.complement
    for letter, paired in pairs.items():
        assert pairs[paired] == letter
        stands_for = alphabet.ambiguity.get(letter, letter)
        assert {pairs[base] for base in stands_for} == set(alphabet.ambiguity.get(paired, paired))


@given(st.text(max_size=20))
def test_letter_bytes_keeps_positions(text):
    codes = letter_bytes(text)
    assert codes.tolist() == [ord(c) if c.isascii() else ord("?") for c in text]
