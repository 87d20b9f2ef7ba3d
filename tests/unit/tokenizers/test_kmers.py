import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.tokenizers.kmers import KmerCodec, vocabulary_size


@pytest.mark.parametrize(("k", "size"), [(1, 8 + 5), (2, 8 + 5 + 9), (5, 8 + 5 + 243)])
def test_size_is_known_before_the_vocabulary_is_built(k, size):
    codec = KmerCodec(letters="abcxy".upper(), alphabet_size=3, kmer_size=k, stride=k)
    assert vocabulary_size("ABCXY", 3, k) == size == len(codec.tokens)


@given(st.text("ABCXY?", max_size=30), st.sampled_from([(2, 1), (2, 2), (4, 1), (4, 4)]))
def test_foreign_positions_are_where_unk_comes_out(sequence, k_and_stride):
    k, stride = k_and_stride
    codec = KmerCodec(letters="ABCXY", alphabet_size=3, kmer_size=k, stride=stride)
    positions = codec.foreign_positions(sequence).tolist()
    assert positions == [i for i, letter in enumerate(sequence) if letter == "?"]
    text = codec.decode(codec.encode(sequence))
    assert text == sequence.replace("?", "[UNK]")
