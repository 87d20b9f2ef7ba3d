import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.ops import convolution, reference

AWKWARD = [1, 2, 3, 63, 100]


def gradients(function, *inputs, **options):
    """Output of a function and the gradient of a random projection of it, input by input."""
    leaves = [None if x is None else x.detach().clone().requires_grad_() for x in inputs]
    out = function(*leaves, **options)
    weight = torch.linspace(-1, 1, out.numel()).view_as(out)
    (out * weight).sum().backward()
    return out, [leaf.grad for leaf in leaves if leaf is not None]


def assert_twins(fast, slow, *inputs, tolerance=1e-4, **options):
    out, grads = gradients(fast, *inputs, **options)
    expected, expected_grads = gradients(slow, *inputs, **options)
    torch.testing.assert_close(out, expected, atol=tolerance, rtol=tolerance)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("steps", AWKWARD)
@pytest.mark.parametrize("causal", [True, False])
def test_short_convolution_equals_its_slow_twin(steps, causal):
    x, taps, bias = torch.randn(2, steps, 6), torch.randn(6, 7), torch.randn(6)
    fast, slow = convolution.short_convolution, reference.short_convolution
    assert_twins(fast, slow, x, taps, causal=causal)
    assert_twins(fast, slow, x, taps, bias, causal=causal)


@pytest.mark.parametrize("steps", AWKWARD)
@pytest.mark.parametrize("two_sided", [True, False])
def test_long_convolution_equals_its_slow_twin(steps, two_sided):
    x, after = torch.randn(2, steps, 6), torch.randn(3, steps)
    before = torch.randn(3, max(steps - 1, 1)) if two_sided else None
    if two_sided and steps == 1:
        before = None  # nothing lies before the only step
    assert_twins(convolution.long_convolution, reference.long_convolution, x, after, before)


def test_long_convolution_with_fewer_taps_than_steps():
    x, after, before = torch.randn(1, 50, 4), torch.randn(4, 9), torch.randn(4, 5)
    assert_twins(convolution.long_convolution, reference.long_convolution, x, after, before)


def test_long_convolution_under_autocast_runs_in_fp32():
    x, after = torch.randn(1, 64, 4), torch.randn(4, 64)
    exact = convolution.long_convolution(x.bfloat16().float(), after)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = convolution.long_convolution(x.bfloat16(), after)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, atol=0.1, rtol=0.01)


@pytest.mark.parametrize("steps", AWKWARD)
def test_modal_filter_equals_its_slow_twin(steps):
    decay, frequency = torch.rand(3, 5) * 0.2 + 0.001, torch.rand(3, 5) * 3
    cosine, sine = torch.randn(3, 5), torch.randn(3, 5)
    assert_twins(
        convolution.modal_filter,
        reference.modal_filter,
        decay,
        frequency,
        cosine,
        sine,
        steps=steps,
        tolerance=2e-3,  # the twin computes far angles in fp32
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 300), st.integers(1, 300))
def test_a_filter_is_the_same_function_at_every_length(short, long):
    short, long = sorted((short, long))
    generator = torch.Generator().manual_seed(short * 1000 + long)
    decay, frequency, cosine, sine = torch.rand(4, 2, 4, generator=generator)
    whole = convolution.modal_filter(decay, frequency, cosine, sine, long)
    part = convolution.modal_filter(decay, frequency, cosine, sine, short)
    torch.testing.assert_close(part, whole[:, :short], atol=1e-5, rtol=1e-5)


@given(st.integers(1, 10_000))
def test_fft_length_is_the_next_power_of_two(minimum):
    length = convolution.fft_length(minimum)
    assert length >= max(minimum, 2)
    assert length & (length - 1) == 0
    assert length // 2 < max(minimum, 2)
