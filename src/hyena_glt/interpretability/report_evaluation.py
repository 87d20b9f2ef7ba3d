"""On which sequences a model is worse, and whether its probabilities can be taken at their word.

The figures were computed when the run was tested, with their confidence intervals, and stand in
``metrics.json``; here they are drawn.
"""

import math

from hyena_glt.interpretability.readable import metric_name, score
from hyena_glt.interpretability.run_records import Calibration, LengthRow, Metrics
from hyena_glt.interpretability.svg_axes import Frame, axis_over
from hyena_glt.interpretability.svg_plots import Figure, Series, plot, unit_axis

_HEADLINE = {"single_label": "mcc", "multi_label": "f1_macro", "regression": "spearman"}
_SQUARE = 400.0


def evaluation_figures(metrics: Metrics) -> list[Figure]:
    """Draw the headline metric by length, and the probabilities at the fitted temperature.

    Args:
        metrics: Final figures; those of older runs lack what is drawn here.

    Returns:
        None, one or two figures.
    """
    found = metrics.evaluation
    if found is None:
        return []
    figures = []
    name = _HEADLINE.get(metrics.task, "")
    rows = [row for row in found.lengths if math.isfinite(row.figures.get(name, math.nan))]
    if len(rows) > 1:
        figures.append(_length_figure(rows, name))
    before, after = found.calibration, found.calibration_at_temperature
    if before is not None and after is not None:
        figures.append(_temperature_figure(before, after, metrics.temperature))
    return figures


def _length_figure(rows: list[LengthRow], name: str) -> Figure:
    middles = [(row.shortest + row.longest) / 2 for row in rows]
    values = [row.figures[name] for row in rows]
    ranges = [row.intervals.get(name, (math.nan, math.nan)) for row in rows]
    title = metric_name(name)
    line = Series(title, middles, values, 0, marks=True)
    bars = [
        Series("95 % interval", [x, x], list(ends), 0, "faint")
        for x, ends in zip(middles, ranges, strict=True)
    ]
    frame = Frame(
        axis_over("length of the sequence (letters)", middles),
        axis_over(title, [*values, *(end for ends in ranges for end in ends)]),
    )
    words = f"{title} by length: " + "; ".join(
        f"{row.shortest:,} to {row.longest:,} letters: {score(value)}"
        for row, value in zip(rows, values, strict=True)
    )
    sizes = ", ".join(f"{row.sequences:,}" for row in rows)
    return Figure(
        "By length",
        plot(frame, [*bars, line], words),
        (),
        f"Parts of the test set from short to long, {sizes} sequences; upright lines are 95 % "
        "confidence intervals.",
    )


def _temperature_figure(before: Calibration, after: Calibration, temperature: float) -> Figure:
    def line(own: Calibration, name: str, colour: int) -> Series:
        filled = [one for one in own.bins if one.size]
        return Series(
            name,
            [one.probability for one in filled],
            [one.share for one in filled],
            colour,
            marks=True,
            note=f"error {score(own.ece)}",
        )

    ideal = Series("perfectly calibrated", [0.0, 1.0], [0.0, 1.0], 7, "reference")
    lines = [line(before, "as predicted", 0), line(after, f"at temperature {temperature:.3g}", 1)]
    frame = Frame(unit_axis("predicted probability"), unit_axis("share that came true"),
                  height=_SQUARE)  # fmt: skip
    words = "Reliability of the probabilities: " + "; ".join(own.legend_text for own in lines)
    return Figure(
        "Calibration at the fitted temperature",
        plot(frame, [ideal, *lines], words),
        [*lines, ideal],
        "The temperature divides the log-odds of all predictions and was fitted to the validation "
        "data; more than 1 takes sureness back. Error: expected calibration error, lower is "
        "better.",
    )
