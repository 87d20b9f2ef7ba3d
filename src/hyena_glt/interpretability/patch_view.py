"""How a sequence is cut into patches, shown in the terminal.

Plain functions over plain data: a sequence (a string of bases) and the starts of its patches.
Positions are 0-based and counted in bases from the first letter given; patch ``p`` covers the
half-open range from its start to the start of the next patch, the last one to the end of the
sequence.  The letters are drawn as given; the strand is that of the caller.

``python -m hyena_glt.interpretability.patch_view`` draws the worked example of the guide.
"""

import math
import operator
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from hyena_glt.errors import DataError

POSITION_COLUMNS = (
    "Position",
    "Token",
    "Patch",
    "Global Position",
    "Position in Patch",
    "Patch Length",
)
RULER_STEP = 10
PATCH_STYLES = ("cyan", "bold magenta")
SPARKS = "▁▂▃▄▅▆▇█"
ASCII_SPARKS = "01234567"


class PositionRow(NamedTuple):
    """Where one base sits in its sequence and in its patch.

    Attributes:
        position: 0-based position of the base.
        token: The base.
        patch: The bases of the patch it belongs to.
        global_position: ``i / L``: position over sequence length, 0 at the first base.
        position_in_patch: ``(i - s) / (n - 1)``: 0 at the first base of the patch and 1 at its
            last; 0 in a patch of one base.
        patch_length: ``n / L``: length of the patch over the length of the sequence.
    """

    position: int
    token: str
    patch: str
    global_position: float
    position_in_patch: float
    patch_length: float

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """Give the row as printed: fractions with three decimals."""
        fractions = (self.global_position, self.position_in_patch, self.patch_length)
        first, second, third = (f"{fraction:.3f}" for fraction in fractions)
        return str(self.position), self.token, self.patch, first, second, third


def patch_bounds(sequence: str, patch_starts: Sequence[int]) -> list[tuple[int, int]]:
    """Turn patch starts into patches, and refuse starts that do not cut the sequence.

    Args:
        sequence: The bases.
        patch_starts: 0-based positions of the first base of each patch, increasing from 0.

    Returns:
        One half-open range ``(start, stop)`` per patch; together they cover the sequence.

    Raises:
        DataError: If the sequence is empty, or the starts are not whole numbers that begin at 0,
            increase and stay inside the sequence.

    Example:
        >>> patch_bounds("ATGGCG", [0, 3])
        [(0, 3), (3, 6)]
    """
    if not sequence:
        raise DataError("sequence is empty; patches need at least one base")
    try:
        starts = [operator.index(start) for start in patch_starts]
    except TypeError:
        raise DataError(f"patch starts must be whole numbers, got {list(patch_starts)!r}") from None
    if not starts:
        raise DataError(f"no patch starts given for a sequence of {len(sequence)} bases")
    if starts[0] != 0:
        raise DataError(f"the first patch must start at position 0, got {starts[0]}")
    for left, right in pairwise(starts):
        if right <= left:
            raise DataError(f"patch starts must increase, but {right} follows {left}")
    if starts[-1] >= len(sequence):
        raise DataError(
            f"patch start {starts[-1]} is past the end: the sequence has {len(sequence)} bases, "
            f"so the last position is {len(sequence) - 1}"
        )
    return list(pairwise([*starts, len(sequence)]))


def position_table(sequence: str, patch_starts: Sequence[int]) -> list[PositionRow]:
    """List where every base sits in its sequence and in its patch.

    Args:
        sequence: The bases.
        patch_starts: 0-based positions of the first base of each patch, increasing from 0.

    Returns:
        One row per base, in order.

    Raises:
        DataError: If the starts do not cut the sequence; see :func:`patch_bounds`.

    Source:
        The table of step 3 in the Technical Guide, "Token Merging Process".

    Example:
        >>> row = position_table("ATGGCGTTAGCCAAAGGTCCA", [0, 3, 6, 9, 15, 18])[10]
        >>> row.cells()
        ('10', 'C', 'GCCAAA', '0.476', '0.200', '0.286')
    """
    length = len(sequence)
    return [
        PositionRow(
            position=position,
            token=sequence[position],
            patch=sequence[start:stop],
            global_position=position / length,
            position_in_patch=(position - start) / max(stop - start - 1, 1),
            patch_length=(stop - start) / length,
        )
        for start, stop in patch_bounds(sequence, patch_starts)
        for position in range(start, stop)
    ]


def render_position_table(rows: Sequence[PositionRow], limit: int | None = None) -> Table:
    """Lay the rows of :func:`position_table` out as a table for the terminal.

    Args:
        rows: The rows to show.
        limit: Greatest number of rows shown; the caption counts the rest.  None shows all.

    Returns:
        A rich table.
    """
    shown = rows if limit is None else rows[: max(limit, 0)]
    hidden = len(rows) - len(shown)
    caption = f"{hidden:,} more {'row' if hidden == 1 else 'rows'}" if hidden else None
    table = Table(caption=caption, pad_edge=False)
    for column in POSITION_COLUMNS:
        table.add_column(column, justify="left" if column in {"Token", "Patch"} else "right")
    for row in shown:
        table.add_row(*(Text(cell) for cell in row.cells()))
    return table


def render_patches(
    sequence: str,
    patch_starts: Sequence[int],
    scores: Sequence[float] | None = None,
    width: int | None = None,
) -> RenderableType:
    """Draw a sequence with a bracket under every patch.

    Patches alternate in colour; the brackets and patch numbers say the same without colour.  A
    terminal that only knows ASCII gets ASCII brackets.

    Args:
        sequence: The bases.
        patch_starts: 0-based positions of the first base of each patch, increasing from 0.
        scores: One number per base, drawn above the letters as bars from the least to the
            greatest score; a score that is not a number leaves a gap.
        width: Columns to wrap at.  None takes the width of the console that prints.

    Returns:
        Something a rich console prints.

    Raises:
        DataError: If the starts do not cut the sequence (see :func:`patch_bounds`), or there is
            not one score per base.
    """
    bounds = patch_bounds(sequence, patch_starts)
    if scores is not None and len(scores) != len(sequence):
        raise DataError(
            f"scores must hold one number per base: {len(scores)} scores for {len(sequence)} bases"
        )
    return _PatchDrawing(sequence, bounds, scores, width)


@dataclass(frozen=True)
class _PatchDrawing:
    """A drawing that learns its width and its alphabet of symbols when printed."""

    sequence: str
    bounds: list[tuple[int, int]]
    scores: Sequence[float] | None
    width: int | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        length = len(self.sequence)
        gutter = len(str(length - 1)) + 2
        room = max((self.width or options.max_width) - gutter, 1)
        per_line = room - room % RULER_STEP or room
        bars = None
        if self.scores is not None:
            bars = _spark_bars(self.scores, ascii_only=options.ascii_only)
        for start in range(0, length, per_line):
            stop = min(start + per_line, length)
            letters, brackets = self._line(start, stop, ascii_only=options.ascii_only)
            yield _with_gutter(gutter, _ruler(start, stop))
            if bars is not None:
                yield _with_gutter(gutter, Text(bars[start:stop]))
            yield _with_gutter(gutter, letters, label=str(start))
            yield _with_gutter(gutter, Text(brackets, style="dim"))
        yield Text(self._summary())
        if self.scores is not None:
            yield Text(_score_summary(self.scores, ascii_only=options.ascii_only))

    def _line(self, start: int, stop: int, *, ascii_only: bool) -> tuple[Text, str]:
        """Draw the letters of one line and the brackets below them."""
        opening, fill, closing, single = "[_]|" if ascii_only else "└─┘╵"
        letters, brackets = Text(), []
        number = bisect_right(self.bounds, start, key=lambda bound: bound[0]) - 1
        for patch, (left, right) in enumerate(self.bounds[number:], start=number):
            if left >= stop:
                break
            begin, end = max(left, start), min(right, stop)
            letters.append(self.sequence[begin:end], style=PATCH_STYLES[patch % len(PATCH_STYLES)])
            if right - left == 1:
                brackets.append(single)
                continue
            first = opening if begin == left else ""
            last = closing if end == right else ""
            inside = end - begin - len(first) - len(last)
            label = str(patch + 1)
            label = label if len(label) <= inside else ""
            brackets.append(first + label.center(inside, fill) + last)
        return letters, "".join(brackets)

    def _summary(self) -> str:
        lengths = [stop - start for start, stop in self.bounds]
        mean = len(self.sequence) / len(lengths)
        patches = "patch" if len(lengths) == 1 else "patches"
        return (
            f"{len(lengths):,} {patches} from {len(self.sequence):,} nucleotides; length mean "
            f"{mean:.1f}, min {min(lengths)}, max {max(lengths)} nt; compression ratio {mean:.2f}"
        )


def _with_gutter(gutter: int, content: Text, label: str = "") -> Text:
    return Text.assemble(label.rjust(gutter - 2) + "  ", content, no_wrap=True, overflow="crop")


def _ruler(start: int, stop: int) -> Text:
    """Number every tenth base; the first digit of a number stands above its base."""
    marks = [" "] * (stop - start)
    first = start + -start % RULER_STEP
    for position in range(first, stop, RULER_STEP):
        label = str(position)
        column = position - start
        # A number cut off at the end of the line would read as another position.
        marks[column : column + len(label)] = label if column + len(label) <= len(marks) else "|"
    return Text("".join(marks)[: stop - start], style="dim")


def _score_range(scores: Sequence[float]) -> tuple[float, float] | None:
    finite = [score for score in scores if math.isfinite(score)]
    return (min(finite), max(finite)) if finite else None


def _spark_bars(scores: Sequence[float], *, ascii_only: bool) -> str:
    span = _score_range(scores)
    if span is None:
        return " " * len(scores)
    low, high = span
    symbols = ASCII_SPARKS if ascii_only else SPARKS
    scale = (len(symbols) - 1) / (high - low) if high > low else 0.0
    return "".join(
        symbols[round((score - low) * scale)] if math.isfinite(score) else " " for score in scores
    )


def _score_summary(scores: Sequence[float], *, ascii_only: bool) -> str:
    span = _score_range(scores)
    if span is None:
        return "scores: none is a finite number"
    symbols = ASCII_SPARKS if ascii_only else SPARKS
    return f"scores: {symbols[0]} = {span[0]:.3g}, {symbols[-1]} = {span[1]:.3g}"


def guide_example() -> RenderableType:
    """Draw the worked example of the guide: 21 bases in 6 patches, and their positions."""
    sequence, starts = "ATGGCGTTAGCCAAAGGTCCA", [0, 3, 6, 9, 15, 18]
    table = render_position_table(position_table(sequence, starts))
    return Group(render_patches(sequence, starts), Text(), table)


if __name__ == "__main__":
    Console().print(guide_example())
