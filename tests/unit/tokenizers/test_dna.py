import pytest

from hyena_glt.config import N_TOKEN_ID, NUM_SPECIAL_TOKENS
from hyena_glt.errors import AlphabetError
from hyena_glt.tokenizers import DNATokenizer


def test_the_guides_ids():
    tokenizer = DNATokenizer(vocab_size=1000, kmer_size=3)
    assert tokenizer.special_tokens == {
        "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3,
        "[MASK]": 4, "[N]": 5, "[START]": 6, "[END]": 7,
    }  # fmt: skip
    assert len(tokenizer) == 8 + 4 + 64
    # ATG is 0·16 + 3·4 + 2 among the 3-mers.
    assert tokenizer.encode("ATG") == [12 + 14]


def test_the_configuration_counts_on_this_layout():
    tokenizer = DNATokenizer(kmer_size=1)
    assert tokenizer.first_letter_id == NUM_SPECIAL_TOKENS
    assert tokenizer.encode("N") == [N_TOKEN_ID]


@pytest.mark.parametrize(
    ("k", "stride", "tokens"),
    [
        (1, None, "A T G G N G T"),
        (3, None, "ATG G N G T"),
        (3, 1, "ATG TGG G G N G T"),
    ],
)
def test_written_out_by_hand(k, stride, tokens):
    tokenizer = DNATokenizer(kmer_size=k, stride=stride)
    expected = tokens.replace("N", "[N]").split()
    assert tokenizer.tokenize("ATGGNGT") == expected


def test_ambiguity_letters_become_n_or_are_refused():
    assert DNATokenizer(kmer_size=1).decode(DNATokenizer(kmer_size=1).encode("ACRyT")) == "ACNNT"
    with pytest.raises(AlphabetError, match="2 foreign letters, the first is 'R' at position 2"):
        DNATokenizer(ambiguous="error").encode("ACRyT")


def test_uracil_is_foreign():
    with pytest.warns(UserWarning, match="'U' at position 1"):
        assert DNATokenizer(kmer_size=1).encode("AU") == [8, 1]
