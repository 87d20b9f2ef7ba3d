import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import DataError
from hyena_glt.interpretability.inputs import token_ids, tokenizer_for
from hyena_glt.model import HyenaGLT, HyenaGLTForSequenceClassification
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer, RNATokenizer


def config(**settings):
    return HyenaGLTConfig(
        **{"genomic_vocab_size": 76, "hidden_size": 32, "num_layers": 1, "num_attention_heads": 4,
           **settings}
    )  # fmt: skip


def test_the_trunk_is_found_in_every_face():
    bare = HyenaGLT(config())
    assert trunk_of(bare) is bare
    face = HyenaGLTForSequenceClassification(config())
    assert trunk_of(face) is face.model


@pytest.mark.parametrize("sequence", ["ACGTTNGCA", "acguun", "GGU", "A"])
@pytest.mark.parametrize(("kmer_size", "stride"), [(1, None), (3, None), (3, 1)])
def test_letters_are_read_as_the_tokenizer_of_the_model_would(sequence, kmer_size, stride):
    kind = RNATokenizer if "u" in sequence.lower() else DNATokenizer
    tokenizer = kind(kmer_size=kmer_size, stride=stride)
    model = HyenaGLT(HyenaGLTConfig.for_tokenizer(tokenizer, hidden_size=32, num_layers=1,
                                                  num_attention_heads=4))  # fmt: skip
    assert token_ids(model, sequence).tolist() == [tokenizer.encode(sequence)]


def test_proteins_have_their_own_letters():
    protein = ProteinTokenizer()
    model = HyenaGLT(
        HyenaGLTConfig.for_tokenizer(protein, hidden_size=32, num_layers=1, num_attention_heads=4)
    )
    assert token_ids(model, "MKN*").tolist() == [protein.encode("MKN*")]
    assert tokenizer_for(model.config).alphabet_size == 20


def test_a_tokenizer_that_is_given_is_used():
    codons = DNATokenizer(kmer_size=3)
    assert token_ids(HyenaGLT(config()), "ACG", codons).tolist() == [codons.encode("ACG")]


@pytest.mark.parametrize("ids", [torch.tensor([8, 9]), torch.tensor([[8, 9]], dtype=torch.int32)])
def test_ids_may_be_given(ids):
    found = token_ids(HyenaGLT(config()), ids)
    assert found.tolist() == [[8, 9]]
    assert found.dtype == torch.int64


@pytest.mark.parametrize("nothing", ["", torch.tensor([], dtype=torch.long)])
def test_there_must_be_something_to_analyse(nothing):
    with pytest.raises(DataError, match="the sequence is empty: there is nothing to analyse"):
        token_ids(HyenaGLT(config()), nothing)


def test_two_sequences_are_not_joined_in_silence():
    with pytest.raises(DataError, match=r"shape \(l,\) or \(1, l\) is wanted, got \(2, 3\)"):
        token_ids(HyenaGLT(config()), torch.full((2, 3), 8))
