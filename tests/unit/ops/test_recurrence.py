import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.ops import recurrence, reference
from hyena_glt.ops.convolution import Modes, long_convolution, modal_filter, short_convolution


def modes(filters, count=5, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high):
        return low + (high - low) * torch.rand(filters, count, generator=generator)

    return Modes(draw(0.001, 0.8), draw(0.0, 3.0), draw(-1, 1), draw(-1, 1))


def close(one, other, tolerance=1e-5):
    return float((one - other).abs().max()) <= tolerance * max(1e-6, float(other.abs().max()))


@pytest.mark.parametrize("steps", [1, 2, 63, 64, 65, 200, 1000])
@pytest.mark.parametrize("filters", [1, 3, 6])
def test_three_evaluations_are_one_function_forward_and_backward(steps, filters):
    leaves = [torch.randn(2, steps, 6), *modes(filters)]
    results = []
    for evaluate in (
        lambda x, *m: long_convolution(x, modal_filter(*m, steps)),
        lambda x, *m: recurrence.modal_scan(x, Modes(*m))[0],
        lambda x, *m: reference.modal_scan(x, m)[0],
    ):
        inputs = [leaf.clone().requires_grad_() for leaf in leaves]
        y = evaluate(*inputs)
        (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        results.append([y.detach(), *(leaf.grad for leaf in inputs)])
    # The Fourier transform rounds its sums over all lags, hence the looser bound of gradients.
    for result in results[:2]:
        assert close(result[0], results[2][0])
        assert all(close(a, b, 1e-4) for a, b in zip(result[1:], results[2][1:], strict=True))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.booleans())
def test_a_scan_may_be_cut_anywhere(pieces, own_step):
    x, filters = torch.randn(2, sum(pieces), 4), modes(2)
    whole, last = recurrence.modal_scan(x, filters, own_step=own_step)
    state, parts = None, []
    for piece in x.split(pieces, dim=1):
        y, state = recurrence.modal_scan(piece, filters, state, own_step=own_step)
        parts.append(y)
    assert close(torch.cat(parts, dim=1), whole)
    assert close(state, last)
    assert close(whole, reference.modal_scan(x, filters, own_step=own_step)[0])


def test_kept_tables_give_the_same():
    x, filters = torch.randn(1, 150, 4), modes(4)
    tables = recurrence.modal_tables(filters, recurrence.CHUNK)
    for piece in (x, x[:, :1], x[:, :64], x[:, :70]):
        kept = recurrence.modal_scan(piece, filters, tables=tables)[0]
        torch.testing.assert_close(kept, recurrence.modal_scan(piece, filters)[0])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=4), st.integers(1, 20), st.booleans())
def test_explicit_filters_may_be_cut_anywhere(pieces, length, long):
    x, taps = torch.randn(2, sum(pieces), 4), torch.randn(2 if long else 4, length)
    if long:
        whole = long_convolution(x, taps)
        history = None
    else:
        whole = short_convolution(x, taps, causal=True)
        history = x.new_zeros(2, length - 1, 4)
    scan = recurrence.explicit_scan if long else recurrence.short_scan
    parts = []
    for piece in x.split(pieces, dim=1):
        y, history = scan(piece, taps, history)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-4, rtol=1e-4)


def test_an_explicit_filter_longer_than_one_transform():
    x, taps = torch.randn(1, 5000, 2), torch.randn(2, 128)
    y, history = recurrence.explicit_scan(x, taps)
    torch.testing.assert_close(y, long_convolution(x, taps), atol=1e-3, rtol=1e-3)
    assert torch.equal(history, x[:, -127:])


def test_chunk_products_run_in_bf16_under_autocast_and_states_stay_in_fp32():
    x, filters = torch.randn(1, 300, 4), modes(4)
    exact, _ = recurrence.modal_scan(x, filters)
    with torch.autocast("cpu", torch.bfloat16):
        coarse, state = recurrence.modal_scan(x, filters)
    assert state.dtype == torch.float32
    error = float((coarse - exact).abs().max() / exact.abs().max())
    assert 1e-5 < error < 3e-2
