"""The annotations of tensor shapes are checked while the tests run."""

import jaxtyping
import pytest
import torch

from hyena_glt.ops.segments import segment_sum


def test_right_shapes_pass():
    total = segment_sum(torch.ones(3, 2), torch.tensor([0, 1, 1]), 2)
    assert total.tolist() == [[1, 1], [2, 2]]


def test_shapes_at_odds_are_caught_by_the_annotations():
    with pytest.raises(jaxtyping.TypeCheckError, match="index"):
        segment_sum(torch.ones(3, 2), torch.tensor([0, 1]), 2)
