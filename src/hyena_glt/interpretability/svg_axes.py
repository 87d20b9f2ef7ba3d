"""Axes for drawings in SVG: ranges, round ticks, grid lines, titles with units.

Colours and strokes are CSS classes, so that one drawing serves light and dark pages.  Every text
that comes from a user passes through ``Markup.format``, which escapes it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

from hyena_glt.interpretability.readable import MINUS, TIMES, power_of_ten

WIDTH = 440.0
HEIGHT = 270.0


@dataclass(frozen=True)
class Axis:
    """One direction of a plot.

    Attributes:
        label: Title with its unit, such as ``step`` or ``patch length (nucleotides)``.
        low: Value at the left or bottom edge.
        high: Value at the right or top edge; greater than ``low``.
    """

    label: str
    low: float
    high: float

    @property
    def exponent(self) -> int:
        """Power of ten that small values are written in; 0 from 0.01 on."""
        size = max(abs(self.low), abs(self.high))
        return math.floor(math.log10(size)) if 0 < size < 0.01 else 0

    @property
    def title(self) -> str:
        """The label, with the power of ten the ticks are written in."""
        if self.exponent == 0:
            return self.label
        return f"{self.label} ({TIMES}{power_of_ten(self.exponent)})"

    def ticks(self) -> list[float]:
        """Give three to seven round values inside the axis."""
        step = _round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]

    def tick_label(self, value: float) -> str:
        """Write a tick with the decimals that its spacing needs."""
        unit = 10.0**self.exponent
        value, step = value / unit, _round_step((self.high - self.low) / 5) / unit
        if abs(value) < step / 2:
            return "0"
        if step >= 1e6:
            return f"{value / 1e6:g}M".replace("-", MINUS)
        if step >= 1000:
            return f"{value / 1000:g}k".replace("-", MINUS)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        decimals += not math.isclose(round(step, decimals), step)  # steps of 2.5
        return f"{value:.{decimals}f}".replace("-", MINUS)


def axis_over(label: str, values: Iterable[float], *, from_zero: bool = False) -> Axis:
    """Make an axis that holds all finite values with a small margin.

    Args:
        label: Title with its unit.
        values: Data on this axis; NaN and infinities do not count.
        from_zero: Start at zero; for counts and other lengths of bars.

    Returns:
        The axis; from 0 to 1 if there is no finite value.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Axis(label, 0.0, 1.0)
    low, high = min(finite), max(finite)
    if from_zero:
        low = min(low, 0.0)
    size = max(abs(low), abs(high))
    # Noise in the last digits of a constant is not worth a plot of its own.
    margin = 0.04 * (high - low) if high - low > 1e-3 * size else 0.5 * size or 0.5
    return Axis(label, low if from_zero else low - margin, high + margin)


@dataclass(frozen=True)
class Frame:
    """A plot's area on the page, in SVG units (about one CSS pixel on a wide screen)."""

    x: Axis
    y: Axis
    width: float = WIDTH
    height: float = HEIGHT

    left: float = 54.0
    right: float = 14.0
    top: float = 10.0
    bottom: float = 46.0

    def at_x(self, value: float) -> float:
        """Place a value on the horizontal axis."""
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return self.left + share * (self.width - self.left - self.right)

    def at_y(self, value: float) -> float:
        """Place a value on the vertical axis; greater values are higher on the page."""
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)

    def svg(self, content: Markup, description: str) -> Markup:
        """Wrap drawn content in an SVG with grid, ticks and axis titles.

        Args:
            content: What to draw inside the frame.
            description: What a reader who cannot see the plot should know.

        Returns:
            The SVG element.
        """
        right, bottom = self.width - self.right, self.height - self.bottom
        middle = (self.left + right) / 2, (self.top + bottom) / 2
        # The script turns pixels back into values with these eight numbers.
        across = (self.left, right, self.x.low, self.x.high)
        up = (bottom, self.top, self.y.low, self.y.high)
        return Markup(
            '<svg viewBox="0 0 {w:g} {h:g}" role="img" aria-label="{description}" '
            'data-scale="{scale}" data-axes="{x_label}|{y_label}">{grid}'
            '<line class="axis" x1="{left:g}" y1="{bottom:g}" x2="{right:g}" y2="{bottom:g}"/>'
            '<text class="axis-title" x="{mx:g}" y="{ty:g}">{x_title}</text>'
            '<text class="axis-title" transform="translate(13 {my:g}) rotate(-90)">{y_title}</text>'
            "{content}</svg>"
        ).format(
            w=self.width,
            h=self.height,
            description=description,
            scale=" ".join(f"{value:.10g}" for value in (*across, *up)),
            x_label=self.x.label,
            y_label=self.y.label,
            x_title=self.x.title,
            y_title=self.y.title,
            grid=self._grid(right, bottom),
            left=self.left,
            right=right,
            bottom=bottom,
            mx=middle[0],
            my=middle[1],
            ty=self.height - 8,
            content=content,
        )

    def _grid(self, right: float, bottom: float) -> Markup:
        pieces = []
        for value in self.y.ticks():
            y = self.at_y(value)
            pieces.append(
                f'<line class="grid" x1="{self.left:g}" y1="{y:.1f}" x2="{right:g}" y2="{y:.1f}"/>'
                f'<text class="tick y" x="{self.left - 7:g}" y="{y + 4:.1f}">'
                f"{escape(self.y.tick_label(value))}</text>"
            )
        for value in self.x.ticks():
            x = self.at_x(value)
            pieces.append(
                f'<path class="tick-mark" d="M{x:.1f} {bottom:g}v4"/>'
                f'<text class="tick x" x="{x:.1f}" y="{bottom + 17:g}">'
                f"{escape(self.x.tick_label(value))}</text>"
            )
        return Markup("").join(Markup(piece) for piece in pieces)


def _round_step(rough: float) -> float:
    """Give the smallest of 1, 2, 2.5, 5 times a power of ten that is at least ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * (1 - 1e-9))
