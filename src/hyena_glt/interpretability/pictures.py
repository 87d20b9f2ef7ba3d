"""Pictures of explanations for papers and slides, with matplotlib.

Logo of an attribution, heat map of variants, patches, attention map, distance profile; each on
axes of the caller's, and one figure that puts them together.  Positions on the axes are 1-based, as
genome browsers have them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import DataError
from hyena_glt.interpretability.attention_profile import AttentionProfile
from hyena_glt.interpretability.explanation import Explanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS_UP_TO = 150
"""Longer stretches are drawn as bars: letters would be too narrow to read."""

Values = NDArray[np.float64]

_COLOURS = {"A": "#00795a", "C": "#0b5fae", "G": "#8a5a00", "T": "#b3246b", "U": "#b3246b"}
_OTHER = "#565f68"
_UP, _DOWN = "#0b6aa8", "#c04a00"
_PATCHES = ("#e3eef6", "#f4ead8")
_EDGES = ("#0b6aa8", "#b0731a")


def draw_logo(axes: "Axes", heights: Values, alphabet: str, *, start: int = 0) -> None:
    """Draw letters as tall as their values: those above zero upwards, the others downwards.

    At each position the smallest letter stands next to the line.

    Args:
        axes: Where to.
        heights: (l, letters), 0 for letters that are not drawn.
        alphabet: The letters, in the order of the columns.
        start: Position of the first letter, 0-based.

    Raises:
        DataError: If there is another number of columns than letters.
    """
    from matplotlib.patches import PathPatch

    if heights.ndim != 2 or heights.shape[1] != len(alphabet):
        raise DataError(
            f"a logo of {len(alphabet)} letters needs as many columns, got {heights.shape}"
        )
    shapes = {letter: _letter(letter) for letter in alphabet}
    for position, row in enumerate(heights):
        for sign in (1, -1):
            base = 0.0
            for column in np.argsort(np.abs(row), kind="stable"):
                height = float(row[column])
                if height * sign <= 0:
                    continue
                letter = alphabet[column]
                low = min(base, base + height)
                path = shapes[letter]
                placed = path.vertices * (0.92, abs(height)) + (start + position + 0.54, low)
                axes.add_patch(
                    PathPatch(
                        type(path)(placed, path.codes), lw=0,
                        fc=_COLOURS.get(letter, _OTHER), alpha=1.0 if sign > 0 else 0.6,
                    )
                )  # fmt: skip
                base += height
    stacked = [np.where(heights > 0, heights, 0).sum(axis=1), np.where(heights < 0, heights, 0)]
    low, high = float(stacked[1].sum(axis=1).min()), float(stacked[0].max())
    axes.set_xlim(start + 0.5, start + len(heights) + 0.5)
    margin = 0.05 * (high - low) or 0.5
    axes.set_ylim(low - margin if low < 0 else 0.0, high + margin)
    axes.axhline(0, color="#b8b5ad", lw=0.8, zorder=0)


def draw_attribution(axes: "Axes", explanation: Explanation) -> None:
    """Draw the attribution as letters, or as bars along a long stretch.

    Args:
        axes: Where to.
        explanation: With an attribution.

    Raises:
        DataError: If there is none.
    """
    scores = _scores(explanation)
    if len(scores) <= LETTERS_UP_TO:
        alphabet = "".join(dict.fromkeys(explanation.alphabet + explanation.sequence))
        own = np.array([list(alphabet)]) == np.array([list(explanation.sequence)]).T
        draw_logo(axes, scores[:, None] * own, alphabet, start=explanation.start)
    else:
        place = explanation.start + np.arange(len(scores)) + 1
        axes.bar(place, scores, width=1.0, color=np.where(scores > 0, _UP, _DOWN))
        axes.set_xlim(place[0] - 0.5, place[-1] + 0.5)
    axes.set_ylabel("attribution")


def draw_variants(axes: "Axes", explanation: Explanation) -> Any:
    """Draw the change by every substitution: position by alternative letter.

    Args:
        axes: Where to.
        explanation: With an attribution.

    Returns:
        The image, for a colour bar.

    Raises:
        DataError: If there is none.
    """
    from matplotlib.colors import LinearSegmentedColormap

    _scores(explanation)
    assert explanation.attribution is not None
    effects = explanation.attribution.effects.double().cpu().numpy().T
    most = float(np.abs(effects).max()) or 1.0
    colours = LinearSegmentedColormap.from_list("effects", [_DOWN, "#ffffff", _UP])
    first = explanation.start + 0.5
    image = axes.imshow(
        effects, aspect="auto", cmap=colours, vmin=-most, vmax=most, interpolation="nearest",
        extent=(first, first + effects.shape[1], len(effects) - 0.5, -0.5),
    )  # fmt: skip
    axes.set_yticks(range(len(explanation.alphabet)), list(explanation.alphabet))
    axes.set_ylabel("becomes")
    return image


def draw_patches(axes: "Axes", explanation: Explanation) -> None:
    """Draw the patches and the score of a patch start.

    Args:
        axes: Where to.
        explanation: Of any task.
    """
    patches, length = explanation.patches, len(explanation.sequence)
    first = explanation.start + 0.5
    for number, (start, size) in enumerate(zip(patches.starts, patches.lengths, strict=True)):
        axes.axvspan(first + start, first + start + size, color=_PATCHES[number % 2], lw=0)
    scores = np.array(patches.scores)
    axes.stairs(scores, first + np.arange(length + 1), color=_EDGES[0], baseline=None)
    axes.set_xlim(first, first + length)
    axes.set_ylabel("boundary score")


def draw_annotation(axes: "Axes", explanation: Explanation) -> None:
    """Draw annotated features as bars with their names.

    Args:
        axes: Where to.
        explanation: With features.
    """
    ends: list[int] = []
    first, last = explanation.start, explanation.start + len(explanation.sequence)
    for one in sorted(explanation.features, key=lambda f: f.start):
        lane = next((n for n, end in enumerate(ends) if end <= one.start), len(ends))
        ends[lane : lane + 1] = [one.end]
        left, right = max(first, one.start), min(last, one.end)
        axes.barh(lane, right - left, 0.7, left + 0.5, color="#5b54b5", alpha=0.35)
        arrow = {"+": " ▸", "-": " ◂"}.get(one.strand, "")
        name = one.attributes.get("gene") or one.attributes.get("Name") or ""
        axes.text(
            left + 0.5, lane, _plain(f" {one.kind} {name}{arrow}"), va="center", fontsize=7,
            clip_on=True,
        )  # fmt: skip
    axes.set_ylim(len(ends) - 0.5, -0.5)
    axes.set_xlim(first + 0.5, last + 0.5)
    axes.set_yticks([])


def draw_attention_map(axes: "Axes", attention: AttentionProfile, block: int) -> None:
    """Draw where the stretches of a sequence look.

    Args:
        axes: Where to.
        attention: Of one sequence.
        block: Which block.
    """
    one = attention.blocks[block]
    length = len(one.received)
    axes.imshow(
        np.sqrt(one.map), cmap="Blues", interpolation="nearest",
        extent=(0.5, length + 0.5, length + 0.5, 0.5),
    )  # fmt: skip
    axes.set(title=f"block {block}, {one.kind}", xlabel="looked at (base)", ylabel="looking (base)")


def draw_distances(axes: "Axes", attention: AttentionProfile) -> None:
    """Draw the share of the attention that lies within a distance, for every block.

    Args:
        axes: Where to.
        attention: Of one sequence.
    """
    for block, one in attention.blocks.items():
        far = np.arange(len(one.by_distance))
        axes.plot(far + 1, np.cumsum(one.by_distance), label=f"block {block}, {one.kind}")
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="distance + 1 (bases)")
    axes.set_ylabel("attention within")
    axes.legend(frameon=False, fontsize=8)


def explanation_figure(explanation: Explanation) -> "Figure":
    """Put all that is known of a stretch into one figure.

    Args:
        explanation: Of any task.

    Returns:
        A figure to save as PNG, PDF or SVG.
    """
    from matplotlib.figure import Figure

    rows: list[tuple[float, str]] = []
    if explanation.features:
        rows.append((0.7, "annotation"))
    if explanation.classes:
        rows.append((1.3, "classes"))
    if explanation.attribution is not None:
        rows += [(2.0, "attribution"), (0.25 * len(explanation.alphabet), "variants")]
    if explanation.likelihood:
        rows.append((1.3, "likelihood"))
    rows.append((1.0, "patches"))
    if explanation.attention is not None:
        rows.append((1.2, "attention"))
    figure = Figure(figsize=(12, 1.3 + sum(h for h, _ in rows)), layout="constrained")
    panels: Any = figure.subplots(
        len(rows), 1, squeeze=False, sharex=True, height_ratios=[height for height, _ in rows]
    )[:, 0]
    for axes, (_, kind) in zip(panels, rows, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        if kind == "annotation":
            draw_annotation(axes, explanation)
        elif kind == "attribution":
            draw_attribution(axes, explanation)
        elif kind == "variants":
            draw_variants(axes, explanation)
        elif kind == "patches":
            draw_patches(axes, explanation)
        elif kind == "attention":
            _draw_received(axes, explanation)
        else:
            columns = explanation.classes if kind == "classes" else explanation.likelihood
            _draw_columns(axes, explanation.start, columns)
    panels[-1].set_xlabel(f"position on {_plain(explanation.contig)} (1-based)")
    panels[-1].ticklabel_format(axis="x", useOffset=False, style="plain")
    title = _plain(f"{explanation.place}: {explanation.verdict}")
    figure.suptitle(title, fontsize=10, wrap=True)
    return figure


def _draw_columns(axes: "Axes", start: int, columns: Sequence[Any]) -> None:
    for column in columns:
        edges = start + 0.5 + np.arange(len(column.values) + 1)
        axes.stairs(column.values, edges, baseline=None, label=_plain(column.label))
    axes.legend(frameon=False, fontsize=8, ncols=len(columns), loc="upper right")


def _draw_received(axes: "Axes", explanation: Explanation) -> None:
    assert explanation.attention is not None
    length = len(explanation.sequence)
    edges = explanation.start + 0.5 + np.arange(length + 1)
    for block, one in explanation.attention.blocks.items():
        axes.stairs(one.received * length, edges, baseline=None, label=f"block {block}, {one.kind}")
    axes.set_ylabel("attention\nreceived")
    axes.legend(frameon=False, fontsize=8, ncols=len(explanation.attention.blocks))


def _scores(explanation: Explanation) -> Values:
    if explanation.attribution is None:
        raise DataError(f"{explanation.name}: there is no attribution to draw")
    return np.asarray(explanation.attribution.scores.double().cpu().numpy())


def _plain(text: str) -> str:
    """Names as they are: matplotlib reads ``$`` as formulas, and hides labels that begin with _."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _letter(letter: str) -> Any:
    """Outline of a letter, one wide and one high."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), letter, size=1, prop=FontProperties(family="sans-serif", weight="bold"))
    box = path.get_extents()
    width = max(box.width, 0.35)  # an I is not to fill its place
    shift = (box.x0 - (width - box.width) / 2, box.y0)
    return type(path.cleaned())((path.vertices - shift) / (width, box.height), path.codes)
