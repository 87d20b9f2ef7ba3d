"""Rows of a batch moved so that every sequence starts at column 0.

Batches arrive padded on the right or on the left, or with several sequences packed in one row
(``segment_ids``).  The model works on *aligned* rows: one sequence a row, first token in column 0,
padding behind.  This file finds the aligned rows and brings results back.

Axes::

    b  rows of the batch as the caller made it
    l  columns of the batch
    r  aligned rows, one per sequence (equal to b unless rows are packed)
    m  columns of the aligned batch, the longest sequence
    d  channels
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hyena_glt.errors import DataError


class Layout(NamedTuple):
    """Where each aligned token sits in the caller's batch.

    Attributes:
        source: Flat index (row * l + column) of each aligned token; 0 on padding.
        mask: True on tokens, False on padding.
        flat_target: Flat index (row * m + column) of each of the caller's tokens in the aligned
            batch; 0 on padding.
        caller_mask: The caller's mask.
        is_identity: True if the caller's batch is already aligned.
    """

    source: Int[Tensor, "r m"]
    mask: Bool[Tensor, "r m"]
    flat_target: Int[Tensor, "b l"]
    caller_mask: Bool[Tensor, "b l"]
    is_identity: bool


def aligned_layout(
    mask: Bool[Tensor, "b l"], segment_ids: Int[Tensor, "b l"] | None = None
) -> Layout:
    """Find the aligned rows of a batch.

    Args:
        mask: True on tokens, False on padding; padding may sit left or right.
        segment_ids: Number of the sequence each token belongs to, in packed rows.

    Raises:
        DataError: If a row has no token, or padding lies between the tokens of one sequence.
    """
    if not bool(mask.any(dim=1).all()):
        row = int((~mask.any(dim=1)).nonzero()[0])
        raise DataError(f"attention_mask: row {row} has no real token; drop the empty sequence")
    columns = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    opens = mask.clone()
    opens[:, 1:] &= ~mask[:, :-1]
    if segment_ids is not None:
        changes = torch.zeros_like(mask)
        changes[:, 1:] = segment_ids[:, 1:] != segment_ids[:, :-1]
        opens |= mask & changes
    elif bool((opens.sum(dim=1) > 1).any()):
        row = int((opens.sum(dim=1) > 1).nonzero()[0])
        raise DataError(
            f"attention_mask: row {row} has padding between its tokens; padding may only stand "
            "before or behind a sequence (pass segment_ids for packed rows)"
        )
    if segment_ids is None and bool(mask[:, 0].all()):
        flat = torch.arange(mask.numel(), device=mask.device).view_as(mask)
        return Layout(flat, mask, flat, mask, is_identity=True)

    first = columns.masked_fill(~opens, 0).cummax(dim=1).values
    offset = columns - first
    row_of = (opens.flatten().long().cumsum(0) - 1).view_as(mask)
    rows = int(opens.sum())
    width = int(offset.masked_fill(~mask, 0).max()) + 1
    target = (row_of * width + offset).masked_fill(~mask, 0)
    source = torch.zeros(rows * width, dtype=torch.long, device=mask.device)
    aligned = torch.zeros(rows * width, dtype=torch.bool, device=mask.device)
    flat = torch.arange(mask.numel(), device=mask.device).view_as(mask)
    source[target[mask]] = flat[mask]
    aligned[target[mask]] = True
    return Layout(
        source.view(rows, width), aligned.view(rows, width), target, mask, is_identity=False
    )


def to_aligned(values: Tensor, layout: Layout, fill: int = 0) -> Tensor:
    """Move per-token values into the aligned rows.

    Args:
        values: Tensor of shape (b, l) or (b, l, d).
        layout: See :func:`aligned_layout`.
        fill: Value on padding.

    Returns:
        Tensor of shape (r, m) or (r, m, d).
    """
    if layout.is_identity:
        return values
    moved = values.flatten(0, 1)[layout.source]
    mask = layout.mask if values.dim() == 2 else layout.mask.unsqueeze(-1)
    return torch.where(mask, moved, torch.as_tensor(fill, dtype=moved.dtype, device=moved.device))


def from_aligned(values: Tensor, layout: Layout) -> Tensor:
    """Move per-token values of the aligned rows back to where the caller had the tokens.

    Args:
        values: Tensor of shape (r, m) or (r, m, d).
        layout: See :func:`aligned_layout`.

    Returns:
        Tensor of shape (b, l) or (b, l, d), zero on padding.
    """
    if layout.is_identity:
        return values
    moved = values.flatten(0, 1)[layout.flat_target]
    mask = layout.caller_mask if values.dim() == 2 else layout.caller_mask.unsqueeze(-1)
    return moved * mask.to(moved.dtype)


def mirrored(values: Float[Tensor, "r m d"], mask: Bool[Tensor, "r m"]) -> Float[Tensor, "r m d"]:
    """Reverse every aligned row within its own length; padding stays behind.

    Args:
        values: Per-token values.
        mask: True on tokens; tokens fill the row from column 0.
    """
    index = mirror_index(mask)
    return values.gather(1, index.unsqueeze(-1).expand_as(values))


def mirror_index(mask: Bool[Tensor, "r m"]) -> Int[Tensor, "r m"]:
    """Column from which the reversal of an aligned row takes each of its tokens.

    Args:
        mask: True on tokens; tokens fill the row from column 0.
    """
    columns = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - columns, columns)
