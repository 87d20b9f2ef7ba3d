import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.interpretability.attribution import in_silico_mutagenesis
from hyena_glt.interpretability.objectives import ClassOfStretch, StretchLikelihood
from hyena_glt.model import HyenaGLTForCausalLM, HyenaGLTForTokenClassification

SMALL = {
    "genomic_vocab_size": 12, "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4,
    "merge_threshold": 0.02,
}  # fmt: skip


def ids_of(length, seed=0):
    return torch.randint(8, 12, (length,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("left", [0, 7])
@torch.no_grad()
def test_the_likelihood_is_that_of_the_stretch_and_what_follows(left):
    torch.manual_seed(0)
    model = HyenaGLTForCausalLM(HyenaGLTConfig(causal=True, **SMALL)).eval()
    whole = ids_of(left + 9 + 5)
    objective = StretchLikelihood(model, whole[:left], whole[left + 9 :]).eval()
    found = float(objective(whole[None, left : left + 9]).logits)
    log = model(whole[None]).logits[0].log_softmax(dim=-1)
    expected = sum(float(log[at - 1, whole[at]]) for at in range(max(left, 1), len(whole)))
    assert found == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def test_the_class_is_its_mean_log_odds_over_the_stretch():
    torch.manual_seed(0)
    config = HyenaGLTConfig(causal=False, num_labels=3, **SMALL)
    model = HyenaGLTForTokenClassification(config).eval()
    whole = ids_of(30)
    objective = ClassOfStretch(model, 1, whole[:10], whole[20:]).eval()
    found = float(objective(whole[None, 10:20]).logits)
    chance = model(whole[None]).logits[0, 10:20].softmax(dim=-1)[:, 1]
    assert found == pytest.approx(float((chance / (1 - chance)).log().mean()), abs=1e-4)


def test_mutagenesis_changes_the_stretch_and_nothing_around_it():
    torch.manual_seed(0)
    config = HyenaGLTConfig(causal=False, num_labels=3, **SMALL)
    model = HyenaGLTForTokenClassification(config).eval()
    whole = ids_of(20)
    objective = ClassOfStretch(model, 2, whole[:8], whole[12:]).eval()
    found = in_silico_mutagenesis(objective, whole[None, 8:12], 0)
    assert found.effects.shape == (4, 4)
    mutant = whole.clone()
    mutant[9] = 8 if whole[9] != 8 else 9
    with torch.no_grad():
        changed = float(objective(mutant[None, 8:12]).logits)
    assert float(found.effects[1, mutant[9] - 8]) == pytest.approx(
        changed - found.prediction, abs=1e-5
    )
