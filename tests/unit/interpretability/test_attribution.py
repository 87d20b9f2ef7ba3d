from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.interpretability.attribution import in_silico_mutagenesis
from hyena_glt.model import HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import GenomicTokenizer

LENGTH = 7


class Additive(nn.Module):
    """Adds up one whole number per letter and place: every effect is known exactly."""

    def __init__(self, kmer_size=1, alphabet_size=4):
        super().__init__()
        self.config = SimpleNamespace(
            kmer_size=kmer_size,
            alphabets=((8, alphabet_size),),
            joint_vocabulary=False,
            tasks=None,
        )
        generator = torch.Generator().manual_seed(0)
        self.worth = torch.randint(
            -9, 10, (2, LENGTH, 8 + alphabet_size), generator=generator
        ).float()
        self.dropout = nn.Dropout(0.9)
        self.sizes: list[int] = []

    def forward(self, input_ids):
        self.sizes.append(len(input_ids))
        place = torch.arange(LENGTH)
        logits = self.worth[:, place, input_ids].sum(dim=-1).T
        return SimpleNamespace(logits=self.dropout(logits))


@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize("batch_size", [1, 5, 64])
@pytest.mark.parametrize("alphabet_size", [4, 20])
def test_known_effects_are_found_exactly(output, batch_size, alphabet_size):
    model = Additive(alphabet_size=alphabet_size)
    ids = torch.tensor([[8, 9, 10, 11, 8, 8, 11]])
    found = in_silico_mutagenesis(model, ids, output, batch_size=batch_size)  # type: ignore[arg-type]
    worth = model.worth[output]
    own = worth[torch.arange(LENGTH), ids[0]]
    assert found.prediction == float(own.sum())
    assert torch.equal(found.effects, worth[:, 8:] - own.unsqueeze(1))
    others = (worth[:, 8:].sum(dim=1) - own) / (alphabet_size - 1)
    torch.testing.assert_close(found.scores, own - others)
    assert max(model.sizes) <= batch_size


def test_an_unknown_base_is_compared_with_all_four():
    model = Additive()
    ids = torch.tensor([[8, 5, 10, 11, 8, 8, 11]])  # N at 1
    found = in_silico_mutagenesis(model, ids, 0)  # type: ignore[arg-type]
    worth = model.worth[0, 1]
    torch.testing.assert_close(found.effects[1], worth[8:] - worth[5])
    torch.testing.assert_close(found.scores[1], worth[5] - worth[8:].mean())


def test_the_mode_is_restored():
    model = Additive().train()
    model.dropout.train()
    ids = torch.full((1, LENGTH), 9)
    in_silico_mutagenesis(model, ids, 0)  # type: ignore[arg-type]
    assert model.training
    assert model.dropout.training
    with pytest.raises(ConfigError, match=r"output must be in \[0, 2\), got 7"):
        in_silico_mutagenesis(model, ids, 7)  # type: ignore[arg-type]
    assert model.dropout.training


def test_kmers_are_refused():
    with pytest.raises(ConfigError, match="works on single-letter tokens; kmer_size is 3"):
        in_silico_mutagenesis(Additive(kmer_size=3), torch.full((1, LENGTH), 9), 0)  # type: ignore[arg-type]


def test_the_real_model_is_asked_mutant_by_mutant():
    torch.manual_seed(0)
    model = HyenaGLTForSequenceClassification(
        HyenaGLTConfig(
            genomic_vocab_size=12, hidden_size=32, num_layers=2, num_attention_heads=4,
            causal=False, merge_threshold=0.02,
        )
    ).eval()  # fmt: skip
    ids = torch.randint(8, 12, (1, 12))
    found = in_silico_mutagenesis(model, ids, 1, batch_size=7)
    assert not found.effects.requires_grad
    with torch.no_grad():
        for place in range(12):
            for letter in range(4):
                mutant = ids.clone()
                mutant[0, place] = 8 + letter
                change = float(model(mutant).logits[0, 1]) - found.prediction
                assert float(found.effects[place, letter]) == pytest.approx(change, abs=1e-5)
    assert float(found.effects.abs().max()) > 1e-3


def test_in_a_joint_vocabulary_letters_are_those_of_the_molecule():
    tokenizer = GenomicTokenizer()
    torch.manual_seed(0)
    model = HyenaGLTForSequenceClassification(
        HyenaGLTConfig.for_tokenizer(
            tokenizer, hidden_size=16, num_layers=1, num_attention_heads=2, causal=False,
            num_labels=2,
        )
    ).eval()  # fmt: skip
    for modality, letters in {"rna": 4, "protein": 20}.items():
        ids = tokenizer("ACG", modality=modality, return_tensors="pt")["input_ids"]
        found = in_silico_mutagenesis(model, ids, 1)
        assert found.effects.shape == (3, letters)
        other = tokenizer("ACA", modality=modality, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            change = float(model(other).logits[0, 1]) - found.prediction
        assert float(found.effects[2, 0]) == pytest.approx(change, abs=1e-5)
    joint = tokenizer.encode_joint({"rna": "A", "protein": "M"}, return_tensors="pt")["input_ids"]
    with pytest.raises(ConfigError, match="one molecule at a time; there are 2"):
        in_silico_mutagenesis(model, joint, 1)
