import pytest
import torch

from hyena_glt.ops import entropy, reference, scan, segments


def both_gradients(fast, slow, x, *rest):
    results = []
    for function in (fast, slow):
        leaf = x.clone().requires_grad_()
        out = function(leaf, *rest)
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        results.append((out.detach(), leaf.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.fixture
def index():
    return torch.tensor([0, 0, 0, 2, 2, 3, 4, 4])  # segment 1 is empty, 4 is padding


def test_segment_sum(index):
    both_gradients(segments.segment_sum, reference.segment_sum, torch.randn(8, 5), index, 4)


def test_segment_mean(index):
    lengths = torch.tensor([3, 0, 2, 1])
    both_gradients(segments.segment_mean, reference.segment_mean, torch.randn(8, 5), index, lengths)


def test_segment_softmax(index):
    logits = 30 * torch.randn(8, 3)
    both_gradients(segments.segment_softmax, reference.segment_softmax, logits, index, 4)


@pytest.mark.parametrize("steps", [1, 2, 3, 64, 65])
def test_moving_average(steps):
    weight = torch.rand(2, steps)
    both_gradients(scan.moving_average, reference.moving_average, torch.randn(2, steps, 3), weight)


def test_moving_average_is_exact_at_weights_of_zero_and_one():
    x = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    weight = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    assert scan.moving_average(x, weight).flatten().tolist() == [1.0, 1.0, 3.0, 3.0]


def test_entropy():
    both_gradients(entropy.entropy, reference.entropy, torch.randn(4, 7, 5))


def test_entropy_of_four_equal_letters_is_ln_4():
    torch.testing.assert_close(entropy.entropy(torch.zeros(4)), torch.tensor(4.0).log())
