"""Plots in SVG for a self-contained page: lines, dots, bars and a confusion matrix.

Each function returns a :class:`Figure`, ready for the page.  Series differ in colour and in
dashes, so that they can be told apart without colour; thousands of points are thinned before they
are drawn, never before anything is computed from them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from hyena_glt.interpretability.readable import number
from hyena_glt.interpretability.svg_axes import Axis, Frame

MAX_DRAWN = 400
DOT_LAYERS = 20
MAX_ROW_NAME = 24
LETTER_WIDTH = 7.0


@dataclass(frozen=True)
class Series:
    """One line or cloud of dots.

    Attributes:
        name: What the legend and the tooltip call it.
        x: Positions on the horizontal axis.
        y: Positions on the vertical axis; NaN leaves a gap.
        colour: Index into the page's palette of eight, with its dash pattern.
        style: A line, a thin line in the background, a dashed reference, or dots.
        marks: Whether each point of a line gets a dot.
        note: What the legend adds to the name, such as an area under the curve.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    style: Literal["line", "faint", "reference", "dots"] = "line"
    marks: bool = False
    note: str = ""

    @property
    def legend_text(self) -> str:
        """Name and note, as the legend has them."""
        return f"{shorten(self.name, 40)}, {self.note}" if self.note else shorten(self.name, 60)

    def css(self) -> str:
        """Give the CSS classes of the series."""
        return f"{self.style} c{self.colour % 8}"


@dataclass(frozen=True)
class Figure:
    """A drawing with everything around it.

    Attributes:
        title: Heading.
        svg: The drawing.
        legend: Series named in the legend, in order; empty if there is nothing to tell apart.
        caption: A sentence or two on how to read it.
    """

    title: str
    svg: Markup
    legend: Sequence[Series] = ()
    caption: str = ""


def plot(frame: Frame, series: Sequence[Series], description: str) -> Markup:
    """Draw lines and dots on common axes.

    Args:
        frame: The axes.
        series: What to draw, the last one on top.
        description: What a reader who cannot see the plot should know.

    Returns:
        The SVG element.
    """
    return frame.svg(series_markup(frame, series), description)


def series_markup(frame: Frame, series: Sequence[Series]) -> Markup:
    """Draw lines and dots without axes, to share a frame with other drawings.

    Args:
        frame: The axes.
        series: What to draw, the last one on top.

    Returns:
        SVG paths.
    """
    return Markup("").join(_series(frame, item) for item in series)


def bars_markup(
    frame: Frame, bars: Sequence[tuple[float, float, float, str]], css: str = "bar"
) -> Markup:
    """Draw bars from zero without axes, to share a frame with other drawings.

    Args:
        frame: The axes.
        bars: Left edge, right edge, height and tooltip of each bar, in data units.
        css: Classes; ``bar pale`` stays in the background.

    Returns:
        SVG rectangles.
    """
    rectangles = []
    for left, right, height, tip in bars:
        x, y = frame.at_x(left), frame.at_y(height)
        width = max(frame.at_x(right) - x - 1, 0.5)
        rectangles.append(
            Markup(
                '<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" '
                'data-tip="{}"/>'
            ).format(css, x, y, width, frame.at_y(0) - y, tip)
        )
    return Markup("").join(rectangles)


def confusion_matrix(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Markup:
    """Draw a confusion matrix; each row is shaded by its own shares.

    Args:
        counts: ``counts[i][j]`` sequences of class ``i`` were predicted as class ``j``.
        labels: Names of the classes, in that order.

    Returns:
        The SVG element.
    """
    side = max(min(320 / len(labels), 130.0), 26.0)
    rows = [shorten(label, MAX_ROW_NAME) for label in labels]
    columns: Sequence[str] = rows
    if max(map(len, columns)) * LETTER_WIDTH > side - 6:
        columns = [str(index) for index in range(1, len(labels) + 1)]
        rows = [f"{name} · {index}" for name, index in zip(rows, columns, strict=True)]
    left = 34 + LETTER_WIDTH * max(map(len, rows))
    top, extent = 44.0, side * len(labels)
    pieces = [
        Markup(
            '<text class="axis-title" x="{0:g}" y="14">predicted class</text>'
            '<text class="axis-title" transform="translate(13 {1:g}) rotate(-90)">true class</text>'
        ).format(left + extent / 2, top + extent / 2)
    ]
    for i, (row_name, column_name) in enumerate(zip(rows, columns, strict=True)):
        centre = (i + 0.5) * side
        pieces.append(
            Markup(
                '<text class="tick y" x="{:.1f}" y="{:.1f}">{}</text>'
                '<text class="tick x" x="{:.1f}" y="{:.1f}">{}</text>'
            ).format(left - 8, top + centre + 4, row_name, left + centre, top - 8, column_name)
        )
    names = [shorten(label, 60) for label in labels]
    for i, row in enumerate(counts):
        for j, value in enumerate(row):
            share = value / total if (total := sum(row)) else 0.0
            tip = (
                f"true {names[i]}, predicted {names[j]}: {value:,} ({share:.1%} of true {names[i]})"
            )
            pieces.append(_cell(left + j * side, top + i * side, side, (value, share), tip))
    right, total = sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))
    return Markup('<svg viewBox="0 0 {:.1f} {:.1f}" role="img" aria-label="{}">{}</svg>').format(
        max(left + extent + 14, 440),
        top + extent + 6,
        f"Confusion matrix of {len(labels)} classes: {right:,} of {total:,} sequences lie on the "
        "diagonal",
        Markup("").join(pieces),
    )


def _cell(x: float, y: float, side: float, content: tuple[int, float], tip: str) -> Markup:
    """Draw one cell: a shaded square, with its count and its share of the row if they fit."""
    value, share = content
    size = side - 2
    square = Markup(
        '<rect class="cell" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" '
        'style="--share:{:.3f}" data-tip="{}"/>'
    ).format(x, y, size, size, share, tip)
    if side < 34:
        return square
    middle, centre = x + size / 2, y + side / 2
    if side < 56:
        text = Markup('<text class="cell-count" x="{:.1f}" y="{:.1f}">{:,}</text>')
        return square + text.format(middle, centre + 4, value)
    return square + Markup(
        '<text class="cell-count" x="{0:.1f}" y="{1:.1f}">{2:,}</text>'
        '<text class="cell-share" x="{0:.1f}" y="{3:.1f}">{4:.0%}</text>'
    ).format(middle, centre - 2, value, centre + 15, share)


def shorten(text: str, length: int) -> str:
    """Cut a text that is too long for its place and mark the cut.

    Args:
        text: Any text.
        length: Greatest number of letters.

    Returns:
        The text, or its beginning and an ellipsis.
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def thin(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Keep the least and the greatest value of every stretch of a long line.

    Unlike taking every n-th point, this shows each spike.

    Args:
        x: Positions, increasing.
        y: Values; NaN is kept where a whole stretch is NaN.

    Returns:
        At most ``2 * MAX_DRAWN`` points, first and last included.
    """
    size = len(x)
    if size <= 2 * MAX_DRAWN:
        return list(x), list(y)
    kept = {0, size - 1}
    for bucket in range(MAX_DRAWN - 1):
        start, stop = bucket * size // (MAX_DRAWN - 1), (bucket + 1) * size // (MAX_DRAWN - 1)
        finite = [index for index in range(start, stop) if math.isfinite(y[index])]
        if finite:
            kept |= {min(finite, key=y.__getitem__), max(finite, key=y.__getitem__)}
        else:
            kept.add(start)
    order = sorted(kept)
    return [x[index] for index in order], [y[index] for index in order]


def describe(series: Series, x_name: str) -> str:
    """Say in words where a line begins and ends.

    Args:
        series: The line.
        x_name: What the horizontal axis counts.

    Returns:
        For example ``validation goes from 0.69 at step 50 to 0.31 at step 900``.
    """
    points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if math.isfinite(y)]
    if not points:
        return f"{series.name} has no finite value"
    (x0, y0), (x1, y1) = points[0], points[-1]
    return (
        f"{series.name} goes from {number(y0)} at {x_name} {number(x0)} "
        f"to {number(y1)} at {x_name} {number(x1)}"
    )


def unit_axis(label: str) -> Axis:
    """Make an axis from 0 to 1 for rates and probabilities.

    Args:
        label: Title.

    Returns:
        The axis.
    """
    return Axis(label, 0.0, 1.0)


def _series(frame: Frame, series: Series) -> Markup:
    if series.style == "dots":
        points = list(_visible(frame, series.x, series.y))
        # A path paints its own overlaps once; dealing the dots to several paths shows density.
        layers = [points[layer::DOT_LAYERS] for layer in range(DOT_LAYERS)]
        return Markup("").join(_path(series, _dots(layer)) for layer in layers if layer)
    x, y = thin(series.x, series.y)
    pieces, pen = [], "M"
    for px, py in _visible(frame, x, y, gaps=True):
        if math.isnan(py):
            pen = "M"
        else:
            # The zero-length stroke shows a point that has no neighbour to draw a line to.
            pieces.append(f"{pen}{px:.2f} {py:.2f}" + ("h0" if pen == "M" else ""))
            pen = "L"
    line = _path(series, "".join(pieces))
    if not series.marks:
        return line
    return line + Markup('<path class="marks c{:d}" d="{}"/>').format(
        series.colour % 8, _dots(list(_visible(frame, x, y)))
    )


def _visible(
    frame: Frame, x: Sequence[float], y: Sequence[float], *, gaps: bool = False
) -> Iterator[tuple[float, float]]:
    """Place points on the page; those above or below the axes lie on the edge."""
    for a, b in zip(x, y, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            yield frame.at_x(a), frame.at_y(min(max(b, frame.y.low), frame.y.high))
        elif gaps:
            yield math.nan, math.nan


def _dots(points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"M{x:.2f} {y:.2f}h0" for x, y in points)


def _path(series: Series, d: str) -> Markup:
    return Markup('<path class="{}" data-name="{}" d="{}"/>').format(series.css(), series.name, d)
