import pytest
import torch
import torch.nn.functional as F

from hyena_glt.layers.linear import Linear, _by_onednn


@pytest.mark.parametrize("shape", [(64, 24), (2, 100, 24), (3, 24), (1, 70, 24), (0, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_both_libraries_give_the_same(shape, bias):
    torch.manual_seed(0)
    layer, x = Linear(24, 7, bias=bias), torch.randn(shape)
    with torch.no_grad():
        found = layer(x)
        assert _by_onednn(x) == (x.numel() >= 64 * 24)
        # Not contiguous, as a stretch of a longer row is.
        apart = torch.stack([x, x], dim=-1)[..., 0]
        torch.testing.assert_close(layer(apart), found)
    expected = F.linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(found, expected.detach())
    assert layer(x).requires_grad
    with torch.no_grad():
        in_half = F.linear(x.bfloat16(), layer.weight.bfloat16(), None)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == in_half.dtype


def test_a_recorded_graph_holds_ordinary_operations():
    layer, x = Linear(24, 7), torch.randn(64, 24)
    with torch.no_grad():
        graph = str(torch.export.export(layer, (x,)).graph)
    assert "aten.linear" in graph
    assert "mkldnn" not in graph
