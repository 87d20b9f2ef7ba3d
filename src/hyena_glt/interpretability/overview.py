"""One picture of how a model treats a few sequences."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import DataError
from hyena_glt.interpretability.attention import analyze_attention_patterns
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.interpretability.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def visualize_model_behavior(
    model: PreTrainedModel,
    sequences: Sequence[str | Tensor],
    save_path: str | Path | None = None,
    *,
    tokenizer: Any | None = None,
) -> "Figure":
    """Create comprehensive model analysis visualizations.

    Four panels: patches of every sequence; histogram of patch lengths; boundary score along the
    first sequence; implicit attention between the patches of the first sequence.

    Args:
        model: Any model of the package.
        sequences: Letters or token ids.
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
    attention = analyze_attention_patterns(model, sequences[:1], tokenizer=tokenizer)[0]
    figure = Figure(figsize=(11, 7), layout="constrained")
    (where, histogram), (score, matrix) = figure.subplots(2, 2)

    for row, one in enumerate(statistics.sequences):
        spans = list(zip(one.starts, one.lengths, strict=True))
        shades = ["#3b6ea5" if i % 2 else "#9dbfe0" for i in range(len(spans))]
        where.broken_barh(spans, (row - 0.4, 0.8), facecolors=shades)
    where.invert_yaxis()
    where.set(title="Patches", xlabel="position (nucleotides)", ylabel="sequence")

    lengths = statistics.length_histogram
    histogram.bar(list(lengths), list(lengths.values()), color="#3b6ea5")
    ratio = f"{statistics.compression_ratio:.2f} nucleotides per patch"
    histogram.set(title=ratio, xlabel="patch length (nucleotides)", ylabel="patches")

    first = statistics.sequences[0]
    score.plot(first.scores, color="#444444", linewidth=0.8)
    score.set(title="Boundary score, sequence 0", xlabel="position (tokens)", ylabel="score")

    if attention.hyena:
        block = max(attention.hyena)
        image = matrix.imshow(attention.hyena[block].cpu().numpy(), cmap="viridis", aspect="auto")
        figure.colorbar(image, ax=matrix, label="share")
        matrix.set(title=f"Implicit attention, block {block}", xlabel="heard patch", ylabel="patch")
    else:
        matrix.set_axis_off()
    if save_path is not None:
        save_figure(figure, Path(save_path))
    return figure
