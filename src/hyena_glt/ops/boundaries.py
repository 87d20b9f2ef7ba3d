"""Patch starts, found exactly and without a loop over the sequence.

The rule, left to right: *the next patch starts at the first candidate that lies at least
``min_size`` tokens after the last start, and at most ``max_size`` after it*.  Read as a function,
position i has one successor,

    f(i) = min(first candidate >= i + min_size, i + max_size),

and the starts are the orbit of 0 under f.  Pointer doubling finds that orbit in log2(length)
gathers: after k rounds every position that f reaches from 0 in fewer than 2**k steps is marked,
and ``f`` has been replaced by f applied 2**k times.

Axes::

    b  aligned rows (one sequence each, first token in column 0)
    l  tokens per row, padding behind

Units: tokens.  Source: the rule is that of the design's AdaptiveTokenMerger; pointer doubling is
the classic list-ranking technique (Wyllie 1979).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class Patches(NamedTuple):
    """Where the patches of every row lie.

    Attributes:
        starts: True on the first token of a patch; False on padding.
        index: Number of the patch each token belongs to, from 0; 0 on padding.
        first: Column of each patch's first token; 0 on absent patches.
        length: Tokens in each patch; 0 on absent patches.
        mask: True on patches that exist.
        token_mask: True on tokens, False on padding.
    """

    starts: Bool[Tensor, "b l"]
    index: Int[Tensor, "b l"]  # type: ignore[assignment]  # hides the tuple's method
    first: Int[Tensor, "b p"]
    length: Int[Tensor, "b p"]
    mask: Bool[Tensor, "b p"]
    token_mask: Bool[Tensor, "b l"]

    @property
    def flat_index(self) -> Int[Tensor, " bl"]:
        """Patch of each token over the whole batch: row * p + patch, row by row.

        Padding gets b * p, one behind the last patch, so that sums over it can be dropped.
        """
        rows, count = self.mask.shape
        row = torch.arange(rows, device=self.index.device).unsqueeze(1)
        return (row * count + self.index).masked_fill(~self.token_mask, rows * count).flatten()


def greedy_starts(
    candidates: Bool[Tensor, "b l"],
    token_mask: Bool[Tensor, "b l"],
    *,
    min_size: int,
    max_size: int,
) -> Bool[Tensor, "b l"]:
    """Apply the left-to-right rule to every row at once.

    Column 0 always starts a patch.  All patches but the last of a row have between ``min_size``
    and ``max_size`` tokens; the last may be shorter.

    Args:
        candidates: True where a patch may start.
        token_mask: True on tokens, which fill a row from column 0.
        min_size: Fewest tokens in a patch.
        max_size: Most tokens in a patch.

    Returns:
        True where a patch starts.
    """
    rows, length = candidates.shape
    column = torch.arange(length + 1, device=candidates.device)
    # One column more stands for "past the end"; it is its own successor.
    blocked = torch.where(candidates, column[:length], length)
    next_candidate = torch.cat([blocked, blocked.new_full((rows, 1), length)], dim=1)
    next_candidate = next_candidate.flip(1).cummin(dim=1).values.flip(1)
    earliest = (column + min_size).clamp(max=length)
    jump = next_candidate[:, earliest].minimum(column + max_size).clamp(max=length)

    reached = torch.zeros(rows, length + 1, dtype=torch.int32, device=candidates.device)
    reached[:, 0] = 1
    for _ in range(max(1, -(-length // min_size)).bit_length()):
        reached = reached.scatter_reduce(1, jump, reached, "amax", include_self=True)
        jump = jump.gather(1, jump)
    return reached[:, :length].bool() & token_mask


def continued_starts(
    candidates: Bool[Tensor, "b l"], since: Int[Tensor, " b"], *, min_size: int, max_size: int
) -> Bool[Tensor, "b l"]:
    """Apply the rule to tokens that follow earlier ones: to one row, or to one token per row.

    Args:
        candidates: True where a patch may start.
        since: Tokens in the patch that is open; 0 where there are none yet.
        min_size: Fewest tokens in a patch.
        max_size: Most tokens in a patch.

    Returns:
        True where a patch starts.
    """
    if candidates.shape[1] == 1:
        open_for = since.unsqueeze(1)
        due = candidates & (open_for >= min_size)
        return due | (open_for >= max_size) | (open_for == 0)
    # The open patch stands before the new tokens, as a row that starts one patch and no other.
    earlier = int(since)
    row = torch.cat([candidates.new_zeros(1, earlier), candidates], dim=1)
    whole = greedy_starts(row, torch.ones_like(row), min_size=min_size, max_size=max_size)
    return whole[:, earlier:]


def tokens_since(starts: Bool[Tensor, "b l"], since: Int[Tensor, " b"]) -> Int[Tensor, "b l"]:
    """Tokens of its patch before each token.

    Args:
        starts: True where a patch starts.
        since: Tokens in the patch that is open before the first column.
    """
    column = torch.arange(starts.shape[1], device=starts.device).expand_as(starts)
    last = torch.where(starts, column, -1).cummax(dim=1).values
    return torch.where(last >= 0, column - last, column + since.unsqueeze(1))


def patches_from_starts(starts: Bool[Tensor, "b l"], token_mask: Bool[Tensor, "b l"]) -> Patches:
    """Turn patch starts into numbered patches.

    Args:
        starts: True where a patch starts; column 0 must be True.
        token_mask: True on tokens, which fill a row from column 0.
    """
    starts = starts & token_mask
    rows, length = starts.shape
    column = torch.arange(length, device=starts.device)
    running = starts.long().cumsum(dim=1) - 1
    count = int(running[:, -1].max()) + 1
    index = running.masked_fill(~token_mask, 0)
    sizes = torch.zeros(rows, count, dtype=torch.long, device=starts.device)
    sizes = sizes.scatter_add(1, index, token_mask.long())
    first = torch.zeros_like(sizes).scatter_add(1, index, column.expand_as(index) * starts)
    return Patches(starts, index, first, sizes, sizes > 0, token_mask)
