import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.errors import DataError
from hyena_glt.ops.layout import aligned_layout, from_aligned, mirrored, to_aligned


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=4))
def test_left_and_right_padding_come_back_where_they_were(rows):
    width = max(left + length for left, length in rows) + 1
    column = torch.arange(width)
    left = torch.tensor([[left] for left, _ in rows])
    length = torch.tensor([[length] for _, length in rows])
    mask = (column >= left) & (column < left + length)
    values = torch.arange(len(rows) * width).view(len(rows), width) + 1
    layout = aligned_layout(mask)
    aligned = to_aligned(values, layout)
    for row, (offset, size) in enumerate(rows):
        assert aligned[row, :size].tolist() == values[row, offset : offset + size].tolist()
    assert torch.equal(from_aligned(aligned, layout)[mask], values[mask])


def test_packed_rows_come_apart_and_together():
    mask = torch.tensor([[1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1]]).bool()
    segments = torch.tensor([[0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 7, 7]])
    values = torch.arange(12).view(2, 6)
    layout = aligned_layout(mask, segments)
    assert to_aligned(values, layout, fill=-1).tolist() == [
        [0, 1, -1],
        [2, 3, 4],
        [7, 8, 9],
        [10, 11, -1],
    ]
    back = from_aligned(to_aligned(values, layout), layout)
    assert torch.equal(back[mask], values[mask])


def test_a_row_without_tokens_is_named():
    with pytest.raises(DataError, match="row 1 has no real token"):
        aligned_layout(torch.tensor([[True], [False]]))


def test_a_hole_in_a_row_is_named():
    with pytest.raises(DataError, match="row 0 has padding between"):
        aligned_layout(torch.tensor([[True, False, True]]))


def test_mirrored_reverses_each_row_within_its_length():
    mask = torch.tensor([[True, True, True], [True, True, False]])
    values = torch.tensor([[1.0, 2, 3], [4, 5, 0]]).unsqueeze(-1)
    assert mirrored(values, mask).squeeze(-1).tolist() == [[3, 2, 1], [5, 4, 0]]
