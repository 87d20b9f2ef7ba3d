import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.interpretability.attention import analyze_attention_patterns
from hyena_glt.interpretability.attention_profile import attention_profiles
from hyena_glt.layers.hyena import HyenaOperator
from hyena_glt.model import HyenaGLT

STRIPE = ("SE", "MR", "LI", "attention")


def small(causal=False, stripe=STRIPE, **settings):
    torch.manual_seed(0)
    fields = {
        "genomic_vocab_size": 12, "hidden_size": 32, "num_layers": 4, "num_attention_heads": 4,
        "merge_threshold": 0.02, "max_patch_size": 6,
    }  # fmt: skip
    return HyenaGLT(HyenaGLTConfig(stripe=stripe, causal=causal, **{**fields, **settings}))


def letters(length, seed=0):
    return torch.randint(8, 12, (length,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["SE", "MR", "LI"])
@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_single_rows_are_those_of_the_matrix(kind, causal):
    torch.manual_seed(0)
    operator = HyenaOperator(
        8, kind, causal=causal, short_filter_order=3, filter_length=5, filter_size=4,
        filter_modes=4, longest=16.0,
    )  # fmt: skip
    x, mask = torch.randn(2, 13, 8), torch.ones(2, 13, dtype=torch.bool)
    mask[1, 9:] = False
    whole = operator.implicit_attention(x, mask)
    rows = torch.tensor([8, 0, 5, 3])
    found = operator.implicit_attention_rows(x, mask, rows)
    torch.testing.assert_close(found, whole[:, rows], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [True, False])
def test_rows_of_plain_attention_are_those_it_mixes_with(causal, monkeypatch):
    """Values that say which patch they are from: the output is then the row itself."""
    operator = small(causal, attention_window=3).layers[3].operator
    mask = torch.ones(1, 8, dtype=torch.bool)
    mask[0, 7:] = causal  # padding stands behind
    x = torch.randn(1, 8, 32)
    monkeypatch.setattr(operator, "project_out", torch.nn.Identity())
    with torch.no_grad():
        found = operator.attention_rows(x, mask, torch.arange(7))[0]
        for patch in range(8):

            def mark(_module, _inputs, output, patch=patch):
                output[..., 64:] = 0.0
                output[:, patch, 64:] = 1.0
                return output

            handle = operator.project_in.register_forward_hook(mark)
            mixed = operator(x, mask)[0, :7].mean(dim=-1)
            handle.remove()
            torch.testing.assert_close(found[:, patch], mixed, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [True, False])
def test_what_bases_receive_is_the_mean_of_the_whole_matrix(causal):
    model, ids = small(causal), letters(90)
    pattern = analyze_attention_patterns(model, [ids])[0]
    profile = attention_profiles(model, [ids])[0]
    assert profile.queries == 90
    sizes = torch.bincount(pattern.patch_index)
    for block in (0, 1, 2):
        between = pattern.between_tokens(block) / sizes[pattern.patch_index]
        found = profile.blocks[block]
        assert found.kind == STRIPE[block]
        np.testing.assert_allclose(found.received, between.mean(dim=0).numpy(), atol=1e-5)
        distance = (torch.arange(90).unsqueeze(1) - torch.arange(90)).abs()
        for far in (0, 1, 7, 40):
            here = between[distance == far]
            assert found.by_distance[far] == pytest.approx(float(here.sum()) / 90, abs=1e-5)
            assert found.mean_weight[far] == pytest.approx(float(here.mean()), abs=1e-5)
        np.testing.assert_allclose(found.map, between.numpy(), atol=1e-5)


def test_few_queries_see_nearly_what_all_see():
    model, ids = small(), letters(900)
    every = attention_profiles(model, [ids], queries=900)[0]
    some = attention_profiles(model, [ids], queries=120)[0]
    assert (every.queries, some.queries) == (900, 120)
    for block in range(4):
        one, other = every.blocks[block], some.blocks[block]
        assert np.abs(one.by_distance.cumsum() - other.by_distance.cumsum()).max() < 0.05
        assert one.received.sum() == pytest.approx(1.0)
        assert other.map.shape == (96, 96)


def test_reach_is_the_distance_that_holds_the_share():
    found = attention_profiles(small(), [letters(200)])[0].blocks[0]
    far = found.reach(0.9)
    assert found.by_distance[: far + 1].sum() >= 0.9 > found.by_distance[:far].sum()
    assert found.reach(1.0) <= 199


def test_a_short_filter_looks_less_far_than_plain_attention():
    profile = attention_profiles(small(), [letters(600)])[0]
    assert profile.blocks[0].reach(0.9) < 60 < profile.blocks[3].reach(0.9)


def test_bridge_weights_are_relative_to_an_even_share():
    model, ids = small(), letters(120)
    pattern = analyze_attention_patterns(model, [ids])[0]
    profile = attention_profiles(model, [ids])[0]
    size = torch.bincount(pattern.patch_index)[pattern.patch_index]
    expected = pattern.token_to_patch.mean(dim=1) * size
    np.testing.assert_allclose(profile.bridge, expected.numpy(), rtol=1e-4)
    assert profile.bridge.mean() == pytest.approx(1.0, rel=1e-5)
    assert profile.window.sum() == pytest.approx(1.0, rel=1e-5)
    for weights in profile.look_down.values():
        assert weights.mean() == pytest.approx(1.0, rel=1e-5)


def test_tokens_of_several_bases_are_spread_over_their_bases():
    model = small(genomic_vocab_size=80, kmer_size=3)
    ids = torch.tensor([20, 30, 9, 40, 50, 2, 60])  # one single base, one special token
    profile = attention_profiles(model, [ids])[0]
    assert len(profile.bridge) == len(profile.blocks[0].received) == 16
    received = profile.blocks[0].received
    assert received.sum() == pytest.approx(1.0)
    assert received[0] == received[1] == received[2]


def test_the_model_is_left_as_it_was():
    model = small().train()
    attention_profiles(model, [letters(30)])
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
