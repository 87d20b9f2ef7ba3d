"""A codon, a base: the shortest sequences are sequences too."""

import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLTForCausalLM, HyenaGLTForTokenClassification

SCORERS = ["entropy", "pattern", "entropy_pattern", "router", "fixed"]


def settings(scorer, **more):
    return {
        "genomic_vocab_size": 12, "hidden_size": 32, "num_layers": 4, "num_attention_heads": 4,
        "stripe": ("SE", "MR", "LI", "attention"), "boundary_scorer": scorer, **more,
    }  # fmt: skip


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_a_short_sequence_is_the_start_of_a_longer_one(scorer, length):
    torch.manual_seed(0)
    model = HyenaGLTForCausalLM(HyenaGLTConfig(**settings(scorer))).eval()
    ids = torch.tensor([[8, 11, 9, 10, 10, 8, 9]])
    with torch.no_grad():
        torch.testing.assert_close(
            model(ids[:, :length]).logits, model(ids).logits[:, :length], atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("target", [None, 4.0])
def test_a_short_batch_trains(scorer, length, target):
    torch.manual_seed(0)
    model = HyenaGLTForTokenClassification(
        HyenaGLTConfig(**settings(scorer, causal=False, target_compression=target))
    ).train()
    ids = torch.tensor([[8, 11]])[:, :length]
    for _ in range(2):
        output = model(ids, labels=torch.zeros_like(ids))
        output.loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert float(torch.stack([gradient.abs().max() for gradient in gradients]).max()) > 0
    assert all(bool(buffer.isfinite().all()) for buffer in model.buffers())


def test_generation_starts_from_one_base():
    model = HyenaGLTForCausalLM(HyenaGLTConfig(**settings("entropy_pattern"))).eval()
    generated = model.generate(
        torch.tensor([[8]]), max_new_tokens=5, do_sample=False, pad_token_id=0, use_cache=False
    )
    ids = torch.tensor([[8]])
    for _ in range(5):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(dim=-1)], dim=1)
    assert torch.equal(generated, ids)
