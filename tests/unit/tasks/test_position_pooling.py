import torch

from hyena_glt.tasks.heads import PositionPooling


def pooling_of_three():
    """Three stretches; the single channel is kept as it is."""
    pooling = PositionPooling(1, stretches=3, channels=1)
    with torch.no_grad():
        pooling.reduce.weight.fill_(1.0)
        pooling.reduce.bias.zero_()
    return pooling


@torch.no_grad()
def test_stretches_are_weighted_by_their_distance():
    x = torch.tensor([[[1.0], [2.0], [4.0], [8.0], [16.0]]])
    pooled = pooling_of_three()(x, torch.ones(1, 5, dtype=torch.bool))
    first, middle, last = (1 + 2 / 2) / 1.5, (2 / 2 + 4 + 8 / 2) / 2, (8 / 2 + 16) / 1.5
    torch.testing.assert_close(pooled, torch.tensor([[first, middle, last]]))


@torch.no_grad()
def test_padding_moves_nothing():
    torch.manual_seed(0)
    pooling, x = PositionPooling(4), torch.randn(1, 30, 4)
    padded = torch.cat([x, torch.full((1, 13, 4), 9.0)], dim=1)
    mask = torch.arange(43).unsqueeze(0) < 30
    torch.testing.assert_close(pooling(padded, mask), pooling(x, mask[:, :30]))


@torch.no_grad()
def test_the_order_of_the_bases_is_kept():
    torch.manual_seed(0)
    pooling, x = PositionPooling(4), torch.randn(1, 64, 4)
    mask = torch.ones(1, 64, dtype=torch.bool)
    forward, backward = pooling(x, mask), pooling(x.flip(1), mask)
    torch.testing.assert_close(backward.view(16, 16), forward.view(16, 16).flip(0))
    assert not torch.allclose(backward, forward)


@torch.no_grad()
def test_one_base_fills_the_first_stretch():
    pooled = pooling_of_three()(torch.tensor([[[5.0]]]), torch.ones(1, 1, dtype=torch.bool))
    assert pooled.tolist() == [[5.0, 0.0, 0.0]]
