"""How a language model reads a genome, and what it writes: bits per base, sampled sequence."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from hyena_glt.interpretability import readable
from hyena_glt.interpretability.run_folder import RunFolder
from hyena_glt.interpretability.run_records import PretrainingMetrics, Sample
from hyena_glt.interpretability.svg_axes import Axis, Frame, axis_over
from hyena_glt.interpretability.svg_plots import Figure, Series, describe, plot

_BITS = "bits_per_base"


class SampleRow(NamedTuple):
    """One property of sampled sequence beside the same of the genome.

    Attributes:
        name: The property.
        sampled: Of what the model wrote.
        genome: Of the genome.
        shuffled: Of the sampled bases in random order.
    """

    name: str
    sampled: str
    genome: str
    shuffled: str


def bits_figure(run: RunFolder, step_axis: Axis) -> Figure | None:
    """Draw the bits per base of each evaluation beside those of the Markov model.

    Args:
        run: A pretraining as far as it got.
        step_axis: Horizontal axis of all curves.

    Returns:
        The figure; None if nothing was evaluated.
    """
    seen = [event for event in run.evaluations if event.split == "validation"]
    seen = [event for event in seen if math.isfinite(event.metrics.get(_BITS, math.nan))]
    if not seen:
        return None
    x, y = [float(event.step) for event in seen], [event.metrics[_BITS] for event in seen]
    lines = [Series("validation", x, y, 1, marks=True)]
    reference = baseline_of(run)
    caption = "2 bits are chance. Dots mark evaluations on the validation regions"
    if reference is not None and math.isfinite(reference[1]):
        name, bits = reference
        ends = [step_axis.low, step_axis.high]
        note = f"{readable.score(bits, 4)} on the test regions"
        lines.append(Series(name, ends, [bits, bits], 7, "reference", note=note))
        caption += "; the dotted line is the Markov model, on the test regions"
    final = run.final
    if isinstance(final, PretrainingMetrics) and math.isfinite(final.test.bits_per_base):
        step = float(final.best_step or x[-1])
        bits = final.test.bits_per_base
        lines.append(Series("test", [step], [bits], 0, "dots", note=readable.score(bits, 4)))
    frame = Frame(step_axis, axis_over("bits per base", _of(lines)))
    words = "Bits per base by step: " + "; ".join(describe(line, "step") for line in lines)
    return Figure("Bits per base", plot(frame, lines, words), lines, f"{caption}.")


def baseline_of(run: RunFolder) -> tuple[str, float] | None:
    """Name and bits per base of the Markov model.

    Args:
        run: Names it at the end, or in the log before the training.
    """
    if isinstance(run.final, PretrainingMetrics) and run.final.baseline is not None:
        return run.final.baseline.name, run.final.baseline.bits_per_base
    if run.reference is not None and _BITS in run.reference.test:
        return run.reference.name, run.reference.test[_BITS]
    return None


def sample_rows(sample: Sample) -> list[SampleRow]:
    """Lay out what was sampled beside the genome.

    Args:
        sample: Figures of the sampled sequence.
    """
    deviation = readable.number(sample.periodicity_shuffled_sd, 2)
    return [
        SampleRow("GC content", _percent(sample.gc), _percent(sample.genome_gc), ""),
        SampleRow(
            "Period-3 signal",
            readable.number(sample.periodicity),
            readable.number(sample.genome_periodicity),
            f"{readable.number(sample.periodicity_shuffled)} ± {deviation}",
        ),
    ]


def _percent(share: float) -> str:
    return readable.DASH if math.isnan(share) else f"{share:.1%}"


def _of(lines: Sequence[Series]) -> list[float]:
    return [value for line in lines for value in line.y]
