import pytest

from hyena_glt.tokenizers import ProteinTokenizer


def test_letters_stand_in_the_promised_order():
    tokenizer = ProteinTokenizer()
    letters = "ACDEFGHIKLMNPQRSTVWYBJOUXZ*"
    assert tokenizer.encode(letters) == list(range(8, 8 + 27))
    assert len(tokenizer) == 35


def test_asparagine_is_no_unknown_base():
    tokenizer = ProteinTokenizer()
    assert tokenizer.tokenize("NX") == ["N", "X"]
    assert tokenizer.encode("[N]") == [5]
    assert tokenizer.decode([5]) == "[N]"


def test_kmers_hold_the_twenty_only():
    tokenizer = ProteinTokenizer(kmer_size=2)
    assert tokenizer.tokenize("MKXLV*A") == ["MK", "X", "L", "V", "*", "A"]
    assert tokenizer.encode("AA") == [35]
    assert tokenizer.encode("YY") == [35 + 399]


def test_gaps_are_foreign():
    with pytest.warns(UserWarning, match="'-' at position 1"):
        assert ProteinTokenizer().decode(ProteinTokenizer().encode("M-K")) == "M[UNK]K"
