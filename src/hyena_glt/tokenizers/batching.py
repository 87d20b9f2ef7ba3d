"""Batches of token ids: cut off, filled up and marked.

A row is the ids of one sequence, a (tokens,) array.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transformers.utils.generic import PaddingStrategy

Row = NDArray[np.int64]


def truncate(row: Row, max_length: int, *, side: str) -> Row:
    """Cut a row off.

    Args:
        row: The ids.
        max_length: Most tokens to keep, at least 1.
        side: Where to cut: ``"right"`` keeps the first tokens, ``"left"`` the last.

    Returns:
        The tokens kept.
    """
    return row[:max_length] if side == "right" else row[-max_length:]


def padded_length(
    rows: Sequence[Row], padding: PaddingStrategy, max_length: int | None, multiple: int | None
) -> int:
    """Work out how many tokens every row of a batch shall have at least.

    Args:
        rows: The batch, not empty.
        padding: Up to the longest row, up to ``max_length``, or not at all.
        max_length: See ``padding``.
        multiple: Round the length up to a multiple of this many tokens.

    Returns:
        Tokens; 0 if nothing is to be padded.
    """
    if padding is PaddingStrategy.DO_NOT_PAD:
        return 0
    longest = max(len(row) for row in rows)
    length = longest if padding is PaddingStrategy.LONGEST else max_length or 0
    return -(-length // multiple) * multiple if multiple else length


def pad(row: Row, length: int, *, side: str, value: int) -> Row:
    """Fill a row up.

    Args:
        row: The ids, or what goes with them token by token.
        length: Tokens to have at least; a longer row stays as it is.
        side: Where the padding goes, ``"right"`` or ``"left"``.
        value: What to fill up with.

    Returns:
        The row, not copied if it is long enough.
    """
    missing = length - len(row)
    if missing <= 0:
        return row
    return np.pad(row, (0, missing) if side == "right" else (missing, 0), constant_values=value)
