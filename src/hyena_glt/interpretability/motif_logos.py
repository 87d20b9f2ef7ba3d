"""Sequence logos: stacks of letters, each as tall as the information it carries.

The height of a stack is its information content in bits (0 to 2), the share of a letter its
probability; the most probable letter stands on top.

Source: Schneider and Stephens 1990, Nucleic Acids Research 18:6097.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from hyena_glt.biology.motifs import Motif
from hyena_glt.io.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMN = 22.0
_HEIGHT = 84.0
_TOP = 8.0
_LEFT = 30.0
_BOTTOM = 18.0
MOST_BITS = 2.0
"""Information of a position that always shows the same letter."""

_LEAST_DRAWN = 0.01  # bits
_PRINTED = {"A": "#00795a", "C": "#0b5fae", "G": "#8a5a00", "T": "#b3246b", "U": "#b3246b"}


def _round(opening: float, bar: str) -> str:
    """A ring in the box of 100 by 100, open to the right by this angle to either side."""
    cos, sin = math.cos(opening), math.sin(opening)
    wide = 100 / (50 + 50 * cos)
    outer = [((50 + 50 * cos) * wide, 50 + sign * 50 * sin) for sign in (-1, 1)]
    inner = [((50 + 28 * cos) * wide, 50 + sign * 33 * sin) for sign in (1, -1)]
    return (
        f"M{outer[0][0]:.1f} {outer[0][1]:.1f}A{50 * wide:.1f} 50 0 1 0 "
        f"{outer[1][0]:.1f} {outer[1][1]:.1f}L{inner[0][0]:.1f} {inner[0][1]:.1f}"
        f"A{28 * wide:.1f} 33 0 1 1 {inner[1][0]:.1f} {inner[1][1]:.1f}Z{bar}"
    )


# In a box of 100 by 100; drawn and not typed, so that heights are true in every font.
_SHAPES = {
    "A": "M0 100L37 0H63L100 100H77L70 79H30L23 100ZM36 60H64L50 18Z",
    "C": _round(0.7, ""),
    "G": _round(0.7, "M54 50H100V93H80V67H54Z"),
    "T": "M0 0H100V19H61V100H39V19H0Z",
    "U": "M0 0H22V60A28 22 0 0 0 78 60V0H100V60A50 40 0 0 1 0 60Z",
}


def logo_svg(
    motif: Motif, *, letters: str = "ACGT", indent: int = 0, most_bits: float = MOST_BITS
) -> Markup:
    """Draw a logo for a page.

    Args:
        motif: What to draw.
        letters: Names of the four columns; ``ACGU`` for RNA.
        indent: Empty columns before the motif, to lay one logo under another.
        most_bits: Top of the axis; less than 2 makes small differences visible.

    Returns:
        An SVG element.  Colours are the CSS variables ``--a``, ``--c``, ``--g``, ``--t`` where the
        page has them.  Positions count from 1, as logos do.
    """
    left = _LEFT + _COLUMN * indent
    width = left + _COLUMN * len(motif) + 4
    shapes = []
    for column, stack in enumerate(_stacks(motif)):
        base = 0.0
        for letter, bits in stack:
            tall = bits / most_bits * _HEIGHT
            top = _TOP + _HEIGHT - base - tall
            name = letters[letter]
            shapes.append(
                f'<path fill-rule="evenodd" d="{_SHAPES[name]}" '
                f'style="fill:var(--{"acgt"[letter]}, {_PRINTED[name]});stroke:none" '
                f'transform="translate({left + column * _COLUMN + 1:.1f} {top:.2f}) '
                f'scale({(_COLUMN - 2) / 100:.3f} {tall / 100:.5f})"/>'
            )
            base += tall
    floor = _TOP + _HEIGHT
    for tick in (0.0, most_bits / 2, most_bits):
        y = floor - tick / most_bits * _HEIGHT
        shapes.append(
            f'<path class="tick-mark" d="M{left - 4:g} {y:g}h4"/>'
            f'<text class="tick y" x="{left - 7:g}" y="{y + 4:g}">{tick:g}</text>'
        )
    for column in range(0, len(motif), 1 if len(motif) <= 12 else 2):
        x = left + (column + 0.5) * _COLUMN
        shapes.append(f'<text class="tick x" x="{x:g}" y="{floor + 14:g}">{column + 1}</text>')
    consensus = motif.consensus().replace("T", letters[3])
    return Markup(
        '<svg class="logo" viewBox="0 0 {width:g} {height:g}" style="max-width:{width:g}px" '
        'role="img" aria-label="{label}">'
        '<path class="axis" d="M{left:g} {top:g}V{floor:g}H{right:g}" fill="none"/>{shapes}</svg>'
    ).format(
        width=width,
        height=floor + _BOTTOM,
        label=f"Logo of {motif.name}, consensus {consensus}; height in bits",
        left=left,
        top=_TOP,
        floor=floor,
        right=width - 2,
        shapes=Markup("").join(Markup(shape) for shape in shapes),
    )


def logo_figure(motif: Motif, *, letters: str = "ACGT") -> "Figure":
    """Draw a logo with logomaker.

    Args:
        motif: What to draw.
        letters: Names of the four columns; ``ACGU`` for RNA.

    Returns:
        The figure; positions count from 1.
    """
    import logomaker
    import pandas as pd
    from matplotlib.figure import Figure

    heights = motif.probabilities * motif.information_content()[:, None]
    table = pd.DataFrame(heights, columns=list(letters), index=range(1, len(motif) + 1))
    figure = Figure(figsize=(0.35 * len(motif) + 1, 1.9), layout="constrained")
    axes = figure.subplots()
    colours = {letter: _PRINTED[letter] for letter in letters}
    logomaker.Logo(table, ax=axes, color_scheme=colours, show_spines=False)
    axes.spines[["left", "bottom"]].set_visible(True)
    axes.set(ylim=(0, MOST_BITS), ylabel="bits", title=motif.name)
    axes.set_xticks(range(1, len(motif) + 1), [str(at) for at in range(1, len(motif) + 1)])
    return figure


def write_logo(path: str | Path, motif: Motif, *, letters: str = "ACGT") -> None:
    """Write a logo as a PNG.

    Args:
        path: Where to.
        motif: What to draw.
        letters: Names of the four columns; ``ACGU`` for RNA.

    Raises:
        OutputError: If the file cannot be written there.
    """
    figure = logo_figure(motif, letters=letters)
    with atomic_write(path) as unfinished:
        figure.savefig(unfinished, dpi=150, format="png")


def _stacks(motif: Motif) -> list[list[tuple[int, float]]]:
    """For each position the letters (0 to 3) and their bits, the least probable first."""
    bits = motif.probabilities * motif.information_content()[:, None]
    return [
        [(int(one), float(row[one])) for one in np.argsort(row) if row[one] >= _LEAST_DRAWN]
        for row in bits
    ]
