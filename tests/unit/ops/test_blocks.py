import torch
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.ops.blocks import in_stretches, stretches
from hyena_glt.ops.convolution import short_convolution


@given(st.integers(1, 3), st.integers(1, 5000), st.integers(1, 9), st.booleans())
def test_stretches_of_neighbours_give_what_the_whole_row_gives(rows, length, taps, causal):
    taps += 1 - taps % 2
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(rows, length, 4, generator=generator)
    weight = torch.randn(4, taps, generator=generator)

    def convolve(part):
        return short_convolution(part, weight, causal=causal)

    with torch.no_grad():
        found = in_stretches(convolve, x, before=taps - 1, behind=0 if causal else taps - 1)
    torch.testing.assert_close(found, convolve(x))


def test_they_cover_every_step_once_and_are_one_where_gradients_are_wanted():
    x = torch.zeros(2, 5000, 1)
    with torch.no_grad():
        parts = list(stretches(x))
    assert len(parts) > 2
    assert [i for part in parts for i in range(5000)[part]] == list(range(5000))
    assert list(stretches(x)) == [slice(0, 5000)]
