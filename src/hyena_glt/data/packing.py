"""Many short texts in little memory: packed one after the other, shown as a list."""

from array import array
from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class PackedBytes:
    """Byte strings one after the other in one piece of memory, with 8 bytes more for each."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q")

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ends)

    def append(self, item: bytes) -> None:
        """Add one.

        Args:
            item: The bytes.
        """
        self._bytes += item
        self._ends.append(len(self._bytes))

    def get(self, index: int, limit: int | None = None) -> bytes:
        """One of them.

        Args:
            index: Which.
            limit: Most bytes of it, from its start; None gives all.
        """
        start, end = self._ends[index - 1] if index else 0, self._ends[index]
        return bytes(self._bytes[start : end if limit is None else min(end, start + limit)])


class TextView(Sequence[str]):
    """Texts that are looked up when they are asked for, and otherwise behave like a list.

    Args:
        get: Gives the text of a row.
        rows: Which rows, in which order.
    """

    def __init__(self, get: Callable[[int], str], rows: NDArray[np.int64]) -> None:
        self._get = get
        self._rows = rows

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """One text, or a list of them."""
        if isinstance(index, slice):
            return [self._get(row) for row in self._rows[index].tolist()]
        return self._get(int(self._rows[index]))

    def __eq__(self, other: object) -> bool:
        """Compare text by text, with a list too."""
        if not isinstance(other, list | tuple | TextView):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Sequence[str]) -> list[str]:
        """Join to a list."""
        return [*self, *other]

    def __repr__(self) -> str:
        """The first few, as of a list."""
        more = ", ..." if len(self) > 5 else ""
        return f"[{', '.join(map(repr, self[:5]))}{more}]"
