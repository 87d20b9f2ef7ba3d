import pytest
import torch
from torch import nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import DataError
from hyena_glt.interpretability.attention import analyze_attention_patterns
from hyena_glt.layers.hyena import HyenaOperator
from hyena_glt.model import HyenaGLT, HyenaGLTForSequenceClassification

KINDS = ["SE", "MR", "LI"]


def operator_of(kind, causal):
    torch.manual_seed(0)
    return HyenaOperator(
        8, kind, causal=causal, short_filter_order=3, filter_length=5, filter_size=4,
        filter_modes=4, longest=16.0,
    )  # fmt: skip


def by_jacobian(operator, x, mask, monkeypatch):
    """How far each value moves each output, from the forward pass itself."""
    query, key, value = operator._featurise(x, mask)
    monkeypatch.setattr(operator, "project_out", nn.Identity())

    def output(values):
        monkeypatch.setattr(operator, "_featurise", lambda *_: (query, key, values))
        return operator(x, mask)

    jacobian = torch.autograd.functional.jacobian(output, value)[0, :, :, 0]  # (i, d, j, d')
    same = torch.diagonal(jacobian, dim1=1, dim2=3)  # (i, j, d)
    assert float((jacobian.square().sum() - same.square().sum()).abs()) < 1e-4
    weight = same.norm(dim=-1)
    monkeypatch.undo()
    return weight / weight.sum(dim=-1, keepdim=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("absent", [0, 3])
def test_implicit_attention_is_the_sensitivity_of_the_outputs(kind, causal, absent, monkeypatch):
    """Perturb the value of step j and see step i: the operator is linear in its values."""
    operator = operator_of(kind, causal)
    x = torch.randn(1, 12, 8)
    mask = torch.ones(1, 12, dtype=torch.bool)
    mask[0, 12 - absent :] = False
    with torch.no_grad():
        found = operator.implicit_attention(x, mask)[0]
    expected = by_jacobian(operator, x, mask, monkeypatch)
    there = 12 - absent
    torch.testing.assert_close(found[:there], expected[:there], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[:there].sum(dim=-1), torch.ones(there))
    assert float(found[:, there:].abs().sum()) == 0


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_implicit_attention_of_one_channel_is_written_out(kind):
    """q[i] * h[i - j] * k[j] with the filter read off an impulse."""
    operator = operator_of(kind, causal=True)
    x, mask = torch.randn(1, 9, 8), torch.ones(1, 9, dtype=torch.bool)
    query, key, _ = operator._featurise(x, mask)
    impulse = torch.zeros(1, 9, 8)
    impulse[0, 0] = 1.0
    taps = operator.convolve(impulse)[0]
    taps[0] += operator.skip
    weight = torch.zeros(9, 9)
    for i in range(9):
        for j in range(i + 1):
            weight[i, j] = (query[0, i] * taps[i - j] * key[0, j]).norm()
    expected = weight / weight.sum(dim=-1, keepdim=True)
    torch.testing.assert_close(
        operator.implicit_attention(x, mask)[0], expected, atol=1e-5, rtol=1e-4
    )


def small(causal, stripe=("SE", "MR", "LI", "attention"), **settings):
    torch.manual_seed(0)
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=32, num_layers=4, num_attention_heads=4, stripe=stripe,
        causal=causal, merge_threshold=0.02, max_patch_size=6, **settings,
    )  # fmt: skip
    return HyenaGLT(config)


SEQUENCES = ["ACGTTAGGCATCGACTTGCAAGCTAGCTTATAAA", "TTAGGG" * 6]


@pytest.mark.parametrize("causal", [True, False])
def test_every_hyena_block_has_a_matrix_whose_rows_add_up_to_one(causal):
    for pattern in analyze_attention_patterns(small(causal), SEQUENCES):
        count = int(pattern.patch_index.max()) + 1
        assert count > 4
        assert sorted(pattern.hyena) == [0, 1, 2]  # block 3 is plain attention
        for matrix in pattern.hyena.values():
            assert matrix.shape == (count, count)
            assert bool((matrix >= 0).all())
            torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(count))
            ahead = float(matrix.triu(1).abs().max())
            assert (ahead < 1e-5) is causal


@pytest.mark.parametrize("causal", [True, False])
def test_the_bridges_weights_add_up_to_one(causal):
    pattern = analyze_attention_patterns(small(causal), SEQUENCES)[0]
    length, count = len(SEQUENCES[0]), int(pattern.patch_index.max()) + 1
    assert pattern.token_to_patch.shape == (length, 4)
    per_patch = torch.zeros(count, 4).index_add(0, pattern.patch_index, pattern.token_to_patch)
    torch.testing.assert_close(per_patch, torch.ones(count, 4))
    read = pattern.patch_to_token.sum(dim=1)
    closed = (pattern.patch_index > 0) | (not causal)  # a causal first patch has none before it
    torch.testing.assert_close(read, closed.float().unsqueeze(1).expand(-1, 4))


def test_patches_are_spread_over_their_tokens():
    pattern = analyze_attention_patterns(small(causal=True), SEQUENCES)[1]
    between = pattern.between_tokens(2)
    for i, j in ((0, 0), (35, 3), (20, 19), (3, 35)):
        patch_i, patch_j = int(pattern.patch_index[i]), int(pattern.patch_index[j])
        assert between[i, j] == pattern.hyena[2][patch_i, patch_j]


def test_a_model_of_plain_attention_has_no_implicit_one():
    patterns = analyze_attention_patterns(small(causal=True, stripe=("attention",)), SEQUENCES[:1])
    assert patterns[0].hyena == {}


def test_the_model_is_left_as_it_was():
    face = HyenaGLTForSequenceClassification(small(causal=False).config).train()
    face.model.layers[1].eval()
    analyze_attention_patterns(face, SEQUENCES)
    with pytest.raises(DataError, match="empty"):
        analyze_attention_patterns(face, [""])
    assert face.training
    assert face.model.training
    assert face.model.layers[0].training
    assert not face.model.layers[1].training
    assert not any(module._forward_hooks for module in face.modules())


def test_hooks_go_even_if_the_model_fails():
    model = small(causal=True, max_position_embeddings=10)
    with pytest.raises(DataError, match="longer than max_position_embeddings=10"):
        analyze_attention_patterns(model, SEQUENCES)
    assert not any(module._forward_hooks for module in model.modules())
