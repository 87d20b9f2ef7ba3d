"""Sums, means and softmaxes over the tokens of each patch.

Tokens of all rows lie one after the other (axis n); ``index`` names the segment of each.  Padding
is given the segment number ``count``, one behind the last, and is dropped.

Axes::

    n  tokens of all rows, row after row
    s  segments (patches of all rows), row after row
    h  attention heads
    d  channels

``index_add`` and ``index_select`` are each other's derivative and the fastest pair on the CPU
(measured against ``segment_reduce``, sparse products and padded gathers).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def segment_sum(
    values: Float[Tensor, "n d"], index: Int[Tensor, " n"], count: int
) -> Float[Tensor, "s d"]:
    """Add up the tokens of each segment.

    Args:
        values: One row per token.
        index: Segment of each token, in [0, count]; ``count`` means padding.
        count: Number of segments.
    """
    total = values.new_zeros(count + 1, values.shape[1])
    return total.index_add(0, index, values)[:count]


def segment_mean(
    values: Float[Tensor, "n d"], index: Int[Tensor, " n"], lengths: Int[Tensor, " s"]
) -> Float[Tensor, "s d"]:
    """Average the tokens of each segment; zero for a segment without tokens.

    Args:
        values: One row per token.
        index: Segment of each token; the number of segments means padding.
        lengths: Tokens in each segment.
    """
    total = segment_sum(values, index, lengths.shape[0])
    return total / lengths.clamp(min=1).unsqueeze(1).to(values.dtype)


def segment_softmax(
    logits: Float[Tensor, "n h"], index: Int[Tensor, " n"], count: int
) -> Float[Tensor, "n h"]:
    """Softmax over the tokens of each segment, in fp32.

    Args:
        logits: One row per token.
        index: Segment of each token; ``count`` means padding.
        count: Number of segments.

    Returns:
        Weights that add up to 1 over each segment (over the padding too, which nobody reads).
    """
    logits = logits.float()
    peak = logits.new_full((count + 1, logits.shape[1]), -torch.inf)
    wide = index.unsqueeze(1).expand_as(logits)
    peak = peak.scatter_reduce(0, wide, logits.detach(), "amax")
    exponential = (logits - peak.index_select(0, index)).exp()
    total = torch.zeros_like(peak).index_add(0, index, exponential)
    return exponential / total.index_select(0, index)
