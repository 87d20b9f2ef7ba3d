"""Example sequences for the report: bases, the patches under them, attributions above them.

Positions are 0-based and counted in bases.  A base's letter stands in a track above the sequence,
as tall as its attribution: above the line it speaks for the prediction, below the line against
it.  The page lets the browser wrap the bases, so the view fits a phone and a wall.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from hyena_glt.errors import DataError
from hyena_glt.interpretability.patch_view import patch_bounds
from hyena_glt.interpretability.run_records import Example, PatchLengths
from hyena_glt.interpretability.svg_axes import Axis, Frame
from hyena_glt.interpretability.svg_plots import Figure, bars_markup

MAX_BASES = 480
MAX_BARS = 48
RULER_STEP = 10


class SequenceView(NamedTuple):
    """One example, ready for the page.

    Attributes:
        example: What is shown.
        bases: The drawn bases.
        summary: Length, patches and compression in one line.
        remarks: What is not shown or not as it should be, one sentence each.
    """

    example: Example
    bases: Markup
    summary: str
    remarks: list[str]


def view_sequence(example: Example) -> SequenceView:
    """Draw a sequence with its patches and attributions.

    Patch starts that do not cut the sequence, or attributions that do not match it in length,
    are left out with a remark.  Of a long sequence, ``MAX_BASES`` around the base with the
    greatest attribution are drawn.

    Args:
        example: Sequence, patch starts and attributions.

    Returns:
        The view.
    """
    sequence, remarks = example.sequence, []
    bounds: list[tuple[int, int]] = []
    if not sequence:
        return SequenceView(example, Markup(""), "0 bases", ["The sequence is empty."])
    if example.patch_starts:
        try:
            bounds = patch_bounds(sequence, example.patch_starts)
        except DataError as error:
            remarks.append(f"Patches are not drawn: {error}.")
    attribution = example.attribution
    if attribution and len(attribution) != len(sequence):
        remarks.append(
            f"Attributions are not drawn: {len(attribution)} values for {len(sequence)} bases."
        )
        attribution = []
    start, stop = _window(len(sequence), attribution)
    if stop - start < len(sequence):
        remarks.append(
            f"Positions {start:,} to {stop - 1:,} of {len(sequence):,} are shown, around the "
            "base with the greatest attribution."
            if attribution
            else f"The first {stop:,} of {len(sequence):,} positions are shown."
        )
    summary = f"{len(sequence):,} bases"
    if bounds:
        patches = "patch" if len(bounds) == 1 else "patches"
        summary += f" in {len(bounds):,} {patches}, {len(sequence) / len(bounds):.1f} bases each"
    return SequenceView(
        example, _bases(example, bounds, attribution, (start, stop)), summary, remarks
    )


def patch_length_figure(lengths: PatchLengths) -> Figure | None:
    """Draw how many patches have which length.

    Args:
        lengths: Counts by length.

    Returns:
        The figure, or None if nothing was counted.
    """
    counts = {length: size for length, size in sorted(lengths.counts.items()) if size > 0}
    if not counts:
        return None
    low, high = min(counts), max(counts)
    width = math.ceil((high - low + 1) / MAX_BARS)
    total = sum(counts.values())
    mean = sum(length * size for length, size in counts.items()) / total
    bars = []
    for left in range(low, high + 1, width):
        size = sum(counts.get(length, 0) for length in range(left, left + width))
        if size:
            span = f"{left}" if width == 1 else f"{left} to {left + width - 1}"
            tip = f"{span} {lengths.unit}: {size:,} patches ({size / total:.1%})"
            bars.append((left - 0.5, left + width - 0.5, float(size), tip))
    tallest = max(height for _, _, height, _ in bars)
    frame = Frame(
        Axis(f"patch length ({lengths.unit})", low - 0.75, bars[-1][1] + 0.25),
        Axis("patches", 0.0, 1.05 * tallest),
    )
    summary = f"{total:,} patches; mean {mean:.1f}, shortest {low}, longest {high} {lengths.unit}."
    return Figure("Patch lengths", frame.svg(bars_markup(frame, bars), summary), (), summary)


def _window(length: int, attribution: Sequence[float]) -> tuple[int, int]:
    """Choose the stretch of a long sequence that is drawn, half-open, on a tick of the ruler."""
    if length <= MAX_BASES:
        return 0, length
    if not attribution:
        return 0, MAX_BASES
    size = [abs(value) if math.isfinite(value) else 0.0 for value in attribution]
    start = size.index(max(size)) - MAX_BASES // 2
    start = min(max(start - start % RULER_STEP, 0), length - MAX_BASES)
    return start, start + MAX_BASES


def _bases(
    example: Example,
    bounds: Sequence[tuple[int, int]],
    attribution: Sequence[float],
    window: tuple[int, int],
) -> Markup:
    start, stop = window
    greatest = max((abs(v) for v in attribution[start:stop] if math.isfinite(v)), default=0.0)
    below = any(value < 0 for value in attribution[start:stop])
    kind = "flat" if greatest == 0 else "signed" if below else "rising"
    pieces = []
    for patch, (left, right) in enumerate(bounds or [(0, len(example.sequence))], start=1):
        if left >= stop or right <= start:
            continue
        cells = Markup("").join(
            _base(
                example.sequence[position],
                position,
                attribution[position] / greatest if greatest else 0.0,
            )
            for position in range(max(left, start), min(right, stop))
        )
        pieces.append(
            Markup(
                '<span class="p{}" data-patch="{}" data-start="{}" data-size="{}">{}</span>'
            ).format(patch % 2, patch if bounds else "", max(left, start), right - left, cells)
        )
    label = f"Sequence {example.id}, positions {start} to {stop - 1}"
    return Markup(
        '<div class="bases {}" tabindex="0" role="group" aria-label="{}" data-max="{:.6g}">{}</div>'
    ).format(kind, label, greatest, Markup("").join(pieces))


def _base(letter: str, position: int, height: float) -> Markup:
    """Draw one base; ``height`` is its attribution over the greatest one shown, in [-1, 1]."""
    known = letter.upper() if letter.isascii() and letter.isalpha() else "other"
    ruler = Markup(' data-n="{}"').format(position) if position % RULER_STEP == 0 else ""
    style = Markup("")
    if not math.isfinite(height):
        known += " x"
    elif abs(height) >= 0.0005:
        style = Markup(' style="--h:{}"').format(f"{abs(height):.3f}".replace("0.", "."))
        known += " n" if height < 0 else ""
    return Markup('<i class="{}"{}{}>{}</i>').format(known, style, ruler, letter)
