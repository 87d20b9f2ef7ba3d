"""Weights in main memory: the same sequences, every matrix fetched for its product."""

import contextlib

import pytest
import torch
from torch import nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.inference import generation
from hyena_glt.inference.generation import generate_sequences
from hyena_glt.inference.offload import offloaded
from hyena_glt.inference.scoring import score_sequence
from hyena_glt.model import HyenaGLTForCausalLM

CPU = torch.device("cpu")
STRIPES = [["SE", "LI"], ["MR", "attention"]]


@contextlib.contextmanager
def poisoned(model):
    """As on a GPU: a matrix that is used without being fetched is of no use."""
    with offloaded(model, CPU) as names:
        kept = {name: model.get_submodule(name).weight.data for name in names}
        for name, value in kept.items():
            model.get_submodule(name).weight.data = torch.full_like(value, float("nan"))
        yield names


@pytest.mark.parametrize("stripe", STRIPES, ids="-".join)
def test_generation_and_scores_are_the_same(build, tokenizer, monkeypatch, stripe):
    model = build(tokenizer, stripe=stripe)
    prompts = ["ATGGCGTTAGCC", "", "CCG"]
    expected = generate_sequences(model, tokenizer, prompts, length=30, n=2, seed=3)
    monkeypatch.setattr(generation, "offloaded", poisoned)
    assert (
        generate_sequences(model, tokenizer, prompts, length=30, n=2, seed=3, offload=True)
        == expected
    )
    ids = torch.tensor(tokenizer.encode("ATGGCGTTAGCCAAAGGTCCA"))
    before = score_sequence(model, ids)
    with poisoned(model):
        assert score_sequence(model, ids) == before
    with poisoned(model), torch.no_grad():
        offloaded_logits = model(input_ids=ids[None]).logits
    with torch.no_grad():
        assert torch.equal(offloaded_logits, model(input_ids=ids[None]).logits)


def test_the_matrices_wait_and_everything_is_put_back():
    model = HyenaGLTForCausalLM(HyenaGLTConfig()).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with offloaded(model, CPU) as names:
        waiting = sum(model.get_submodule(name).weight.numel() for name in names)
        layers = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
        assert names == layers
        assert waiting > 0.9 * model.num_parameters()  # docs/generation.md says so
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_mistake_inside_leaves_the_model_usable(model, tokenizer):
    with pytest.raises(ConfigError), offloaded(model, CPU):
        raise ConfigError("stop")
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert generate_sequences(model, tokenizer, "ATG", length=5, offload=True) == (
        generate_sequences(model, tokenizer, "ATG", length=5)
    )


def test_shared_weights_stay_with_the_other_layer(model):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(5, 4)
            self.out = nn.Linear(4, 5, bias=False)
            self.hidden = nn.Linear(4, 4)
            self.out.weight = self.table.weight

    with offloaded(Tied(), CPU) as names:
        assert names == ["hidden"]


@pytest.mark.gpu
@pytest.mark.parametrize("stripe", STRIPES, ids="-".join)
def test_the_gpu_holds_one_matrix_at_a_time(build, tokenizer, stripe):
    model = build(tokenizer, stripe=stripe)
    expected = generate_sequences(model.cuda(), tokenizer, "ATGGCG", length=30, greedy=True)
    model.cpu()
    made = generate_sequences(model, tokenizer, "ATGGCG", length=30, greedy=True, offload=True)
    assert made[0].sequence == expected[0].sequence
    assert made[0].log_likelihood == pytest.approx(expected[0].log_likelihood, abs=1e-3)
    assert model.device.type == "cpu"
    with offloaded(model) as names:
        assert model.device.type == "cuda"
        assert {model.get_submodule(name).weight.device.type for name in names} == {"cpu"}
