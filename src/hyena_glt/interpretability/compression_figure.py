"""A picture of how sequences are merged into patches."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import DataError
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.interpretability.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SEQUENCES = 12


def visualize_compression_patterns(
    model: PreTrainedModel,
    sequences: Sequence[str | Tensor],
    save_path: str | Path | None = None,
    *,
    tokenizer: Any | None = None,
) -> "Figure":
    """Understand how sequences are compressed during merging.

    One row per sequence shows its patches as a strip, shaded by their length (dark: many
    nucleotides in one patch), and the score of a patch start at every token; a last panel counts
    the patches of all sequences by length.

    Args:
        model: Any model of the package; its mode is restored.
        sequences: Letters or token ids; the first 12 are drawn, all are counted.
        save_path: File to write (its ending decides the format); None writes nothing.
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.

    Returns:
        The figure.

    Raises:
        DataError: If there is no sequence, or one is empty.
        OutputError: If the file cannot be written, or its ending names no format.
    """
    from matplotlib.figure import Figure

    if not sequences:
        raise DataError("there is no sequence: give at least one")
    statistics = compute_compression_statistics(model, sequences, tokenizer=tokenizer)
    drawn = statistics.sequences[:MOST_SEQUENCES]
    longest = max(statistics.length_histogram)
    figure = Figure(figsize=(11, 1.1 * len(drawn) + 2.6), layout="constrained")
    panels = figure.subplots(
        len(drawn) + 1, 1, squeeze=False, height_ratios=[*[1.0] * len(drawn), 1.8]
    )[:, 0]
    for number, (panel, one) in enumerate(zip(panels, drawn, strict=False)):
        ends = [start + length for start, length in zip(one.starts, one.lengths, strict=True)]
        strip = panel.pcolormesh(
            [*one.starts, ends[-1]], [0, 1], [one.lengths], cmap="Blues", vmin=0, vmax=longest,
            edgecolor="white", linewidth=0.4, alpha=0.6,
        )  # fmt: skip
        # Scores belong to tokens, drawn at their middle.
        width = ends[-1] / len(one.scores)
        line = panel.twinx()
        line.plot(
            [(token + 0.5) * width for token in range(len(one.scores))],
            one.scores, color="#c44e00", linewidth=0.8,
        )  # fmt: skip
        line.tick_params(labelsize=7, colors="#c44e00")
        panel.set(xlim=(0, ends[-1]), yticks=[])
        panel.set_ylabel(str(number), rotation=0, labelpad=10, va="center")
        panel.set_title(
            f"{len(one.lengths)} patches, {one.compression_ratio:.2f} nucleotides per patch",
            fontsize=8, loc="right",
        )  # fmt: skip
    panels[len(drawn) - 1].set_xlabel("position (nucleotides)")
    figure.colorbar(strip, ax=list(panels[: len(drawn)]), label="nucleotides in the patch")
    figure.suptitle("Patches (blue) and boundary score (orange) of each sequence", fontsize=10)
    histogram = panels[-1]
    lengths = statistics.length_histogram
    histogram.bar(list(lengths), list(lengths.values()), color="#3b6ea5")
    histogram.set(
        title=f"All sequences: {statistics.compression_ratio:.2f} nucleotides per patch",
        xlabel="patch length (nucleotides)", ylabel="patches",
    )  # fmt: skip
    if save_path is not None:
        save_figure(figure, Path(save_path))
    return figure
