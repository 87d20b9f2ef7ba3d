import numpy as np
import pytest
from transformers.utils.generic import PaddingStrategy

from hyena_glt.tokenizers.batching import pad, padded_length, truncate

ROWS = [np.array([8, 9, 10]), np.array([11])]


@pytest.mark.parametrize(
    ("strategy", "max_length", "multiple", "length"),
    [
        (PaddingStrategy.DO_NOT_PAD, 7, 4, 0),
        (PaddingStrategy.LONGEST, None, None, 3),
        (PaddingStrategy.LONGEST, 7, 4, 4),
        (PaddingStrategy.MAX_LENGTH, 7, None, 7),
        (PaddingStrategy.MAX_LENGTH, 7, 4, 8),
        (PaddingStrategy.MAX_LENGTH, 8, 4, 8),
    ],
)
def test_padded_length(strategy, max_length, multiple, length):
    assert padded_length(ROWS, strategy, max_length, multiple) == length


@pytest.mark.parametrize(
    ("length", "side", "expected"),
    [(5, "right", [8, 9, 10, 7, 7]), (5, "left", [7, 7, 8, 9, 10]), (2, "left", [8, 9, 10])],
)
def test_padding(length, side, expected):
    assert pad(ROWS[0], length, side=side, value=7).tolist() == expected


def test_truncation_keeps_the_other_side():
    assert truncate(ROWS[0], 2, side="right").tolist() == [8, 9]
    assert truncate(ROWS[0], 2, side="left").tolist() == [9, 10]
    assert truncate(ROWS[0], 9, side="left").tolist() == [8, 9, 10]
