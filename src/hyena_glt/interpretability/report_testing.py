"""How the model does on the test set: ROC, precision-recall, confusion, calibration, scatter.

Probabilities come from ``predictions.tsv``.  Two classes are one question, so the curves of the
second class are drawn; more classes are drawn one against the rest.  scikit-learn computes the
curves; it is imported on first use.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.interpretability.readable import score
from hyena_glt.interpretability.run_records import Metrics, Predictions
from hyena_glt.interpretability.svg_axes import Axis, Frame, axis_over
from hyena_glt.interpretability.svg_plots import (
    Figure,
    Series,
    bars_markup,
    confusion_matrix,
    plot,
    series_markup,
    unit_axis,
)

MAX_CURVES = 8
MAX_MATRIX = 20
MAX_DOTS = 2000
CALIBRATION_BINS = 10
SQUARE = 400.0

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class ClassScores(NamedTuple):
    """Scores of one class against the rest; NaN where the test set does not define them.

    Attributes:
        label: Name of the class.
        sequences: Test sequences that belong to it.
        sensitivity: Share of its sequences that were predicted to belong to it.
        specificity: Share of the other sequences that were not.
        auroc: Area under the ROC curve.
        average_precision: Area under the precision-recall curve, as average precision.
    """

    label: str
    sequences: int
    sensitivity: float
    specificity: float
    auroc: float
    average_precision: float


@dataclass
class Assessment:
    """What the report shows of the test set.

    Attributes:
        figures: Drawings in order.
        classes: One row per class; empty for a regression.
        problems: Sentences on what could not be drawn, and why.
        sequences: Test sequences in the file.
    """

    figures: list[Figure] = field(default_factory=list)
    classes: list[ClassScores] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sequences: int = 0


class _Classified(NamedTuple):
    """Test sequences as yes/no per class (rows are sequences) and probabilities, if any."""

    labels: list[str]
    truth: Bools
    predicted: Bools
    probability: Floats | None


def assess(predictions: Predictions, metrics: Metrics | None) -> Assessment:
    """Draw and count what the predictions on the test set are worth.

    Args:
        predictions: The rows of ``predictions.tsv``.
        metrics: Names the task; None makes a guess from the columns of probabilities.

    Returns:
        Figures, scores per class, and what was left out.
    """
    found = Assessment(sequences=len(predictions.labels))
    guess = "single_label" if predictions.probabilities else "regression"
    task = guess if metrics is None else metrics.task
    if not predictions.labels:
        found.problems.append("predictions.tsv holds no sequence.")
    elif task == "regression":
        _assess_regression(predictions, found)
    else:
        labels = list(predictions.probabilities) or ([] if metrics is None else metrics.labels)
        _assess_classes(predictions, labels, found, several=task == "multi_label")
    return found


def assess_bases(metrics: Metrics) -> Assessment:
    """Draw what the classes of single bases are worth.

    Args:
        metrics: Final figures, with classes and a confusion matrix.

    Returns:
        The confusion matrix; the figures of each class stand in ``metrics``.
    """
    found = Assessment(sequences=sum(one.bases for one in metrics.classes))
    names = [one.name for one in metrics.classes]
    square = len(metrics.confusion) == len(names) and all(
        len(row) == len(names) for row in metrics.confusion
    )
    if names and square and len(names) <= MAX_MATRIX:
        found.figures.append(
            Figure(
                "Confusion matrix, in bases",
                confusion_matrix(metrics.confusion, names),
                [],
                "Rows are true classes, columns predicted ones; shades show shares of a row.",
            )
        )
    elif names and not square:
        found.problems.append("metrics.json: the confusion matrix does not fit the classes.")
    return found


def split_labels(text: str) -> set[str]:
    """Read the labels of one multi-label sequence, separated by ``,`` or ``;``.

    Args:
        text: The cell; empty if the sequence has no label.

    Returns:
        The labels.
    """
    return {part.strip() for part in re.split("[,;]", text) if part.strip()}


def _assess_classes(
    predictions: Predictions, labels: list[str], found: Assessment, *, several: bool
) -> None:
    data = _classified(predictions, labels, found, several=several)
    if data is None:
        return
    found.classes = [_class_scores(data, column) for column in range(len(data.labels))]
    if data.probability is not None:
        for figure in (_roc_figure, _precision_recall_figure):
            drawn = figure(data, found.classes, several=several)
            if drawn is not None:
                found.figures.append(drawn)
    if not several:
        found.figures.append(_confusion_figure(data))
    if data.probability is not None:
        if (data.probability < 0).any() or (data.probability > 1).any():
            found.problems.append(
                "Some probabilities in predictions.tsv lie outside 0 to 1; "
                "the calibration plot was left out."
            )
        else:
            found.figures.append(_calibration_figure(data, data.probability, several=several))


def _classified(
    predictions: Predictions, labels: list[str], found: Assessment, *, several: bool
) -> _Classified | None:
    def sets(cells: Sequence[str]) -> list[set[str]]:
        return [split_labels(cell) if several else {cell} for cell in cells]

    truths, guesses = sets(predictions.labels), sets(predictions.predictions)
    known = set(labels)
    strange = next((name for cell in (*truths, *guesses) for name in cell - known), None)
    if strange is not None:
        found.problems.append(
            f"predictions.tsv has the class {strange!r}, but its columns of probabilities are for "
            f"{', '.join(labels) or 'none'}; the test-set plots were left out."
        )
        return None
    probability = None
    usable: Bools = np.ones(len(truths), dtype=bool)
    if predictions.probabilities:
        probability = np.array(list(predictions.probabilities.values()), dtype=np.float64).T
        usable = np.logical_and.reduce(np.isfinite(probability), axis=1)
        probability = probability[usable]
        if not usable.all():
            found.problems.append(
                f"Left out of the test-set plots: {np.count_nonzero(~usable):,} of "
                f"{len(usable):,} sequences, whose probabilities are not numbers."
            )
        if not usable.any():
            return None
    return _Classified(
        labels,
        np.array([[label in cell for label in labels] for cell in truths])[usable],
        np.array([[label in cell for label in labels] for cell in guesses])[usable],
        probability,
    )


def _class_scores(data: _Classified, column: int) -> ClassScores:
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth, predicted = data.truth[:, column], data.predicted[:, column]
    auroc = precision = math.nan
    if data.probability is not None and truth.any():
        precision = float(average_precision_score(truth, data.probability[:, column]))
        if not truth.all():
            auroc = float(roc_auc_score(truth, data.probability[:, column]))
    return ClassScores(
        label=data.labels[column],
        sequences=int(truth.sum()),
        sensitivity=float(predicted[truth].mean()) if truth.any() else math.nan,
        specificity=float((~predicted[~truth]).mean()) if not truth.all() else math.nan,
        auroc=auroc,
        average_precision=precision,
    )


def _drawn_classes(
    data: _Classified, areas: Sequence[float], *, several: bool
) -> tuple[list[int], str]:
    """Pick the classes whose curves are drawn, and say so if there are others."""
    defined = [column for column in range(len(data.labels)) if math.isfinite(areas[column])]
    if len(data.labels) == 2 and not several:
        return [column for column in defined if column == 1], ""
    if len(defined) <= MAX_CURVES:
        return defined, ""
    largest = sorted(defined, key=lambda column: -int(data.truth[:, column].sum()))[:MAX_CURVES]
    return sorted(largest), f" Drawn: the {MAX_CURVES} classes with most sequences."


def _roc_figure(
    data: _Classified, scores: Sequence[ClassScores], *, several: bool
) -> Figure | None:
    from sklearn.metrics import roc_curve

    columns, left_out = _drawn_classes(data, [row.auroc for row in scores], several=several)
    if data.probability is None or not columns:
        return None
    lines = []
    for index, column in enumerate(columns):
        x, y, _ = roc_curve(data.truth[:, column], data.probability[:, column])
        note = f"AUROC {score(scores[column].auroc)}"
        lines.append(Series(data.labels[column], x.tolist(), y.tolist(), index, note=note))
    chance = Series("chance", [0.0, 1.0], [0.0, 1.0], 7, "reference")
    frame = Frame(
        unit_axis("false positive rate (1 \N{MINUS SIGN} specificity)"),
        unit_axis("true positive rate (sensitivity)"),
        height=SQUARE,
    )
    words = "ROC curves: " + "; ".join(line.legend_text for line in lines)
    return Figure(
        "ROC",
        plot(frame, [chance, *lines], words),
        [*lines, chance],
        "AUROC is the chance that a sequence of the class gets a higher probability than a "
        f"sequence outside it; 0.5 is guessing.{left_out}",
    )


def _precision_recall_figure(
    data: _Classified, scores: Sequence[ClassScores], *, several: bool
) -> Figure | None:
    from sklearn.metrics import precision_recall_curve

    areas = [row.average_precision for row in scores]
    columns, left_out = _drawn_classes(data, areas, several=several)
    if data.probability is None or not columns:
        return None
    lines = []
    for index, column in enumerate(columns):
        y, x, _ = precision_recall_curve(data.truth[:, column], data.probability[:, column])
        note = f"average precision {score(areas[column])}"
        points = x[::-1].tolist(), y[::-1].tolist()
        lines.append(Series(data.labels[column], *points, index, note=note))
    series, legend = list(lines), list(lines)
    if len(lines) == 1:
        share = float(data.truth[:, columns[0]].mean())
        ends = [0.0, 1.0], [share, share]
        chance = Series("chance", *ends, 7, "reference", note=score(share))
        series, legend = [chance, *lines], [*lines, chance]
    frame = Frame(unit_axis("recall (sensitivity)"), unit_axis("precision"), height=SQUARE)
    words = "Precision-recall curves: " + "; ".join(line.legend_text for line in lines)
    return Figure(
        "Precision and recall",
        plot(frame, series, words),
        legend,
        f"Precision is the share of calls that are right; guessing gives the share of the class "
        f"in the test set.{left_out}",
    )


def _confusion_figure(data: _Classified) -> Figure:
    from sklearn.metrics import confusion_matrix as count_pairs

    truth, predicted = data.truth.argmax(axis=1), data.predicted.argmax(axis=1)
    columns, caption = list(range(len(data.labels))), "Shade and percentages are shares of the row."
    if len(columns) > MAX_MATRIX:
        sizes = np.bincount(truth, minlength=len(columns))
        columns = sorted(np.argsort(-sizes, kind="stable")[:MAX_MATRIX].tolist())
        caption += f" Drawn: the {MAX_MATRIX} classes with most sequences."
    pairs = count_pairs(truth, predicted, labels=columns).tolist()
    labels = [data.labels[column] for column in columns]
    return Figure("Confusion matrix", confusion_matrix(pairs, labels), (), caption)


def _calibration_figure(data: _Classified, probability: Floats, *, several: bool) -> Figure:
    from sklearn.calibration import calibration_curve

    if several:
        said, came = probability.ravel(), data.truth.ravel()
        x_label, y_label = "predicted probability", "share that has the label"
    elif len(data.labels) == 2:
        said, came = probability[:, 1], data.truth[:, 1]
        x_label = f"predicted probability of {data.labels[1]}"
        y_label = f"share that is {data.labels[1]}"
    else:
        top = probability.argmax(axis=1)
        rows = np.arange(len(top))
        said, came = probability[rows, top], data.truth[rows, top]
        x_label, y_label = "probability of the predicted class", "share that is right"
    shares, means = calibration_curve(came, said, n_bins=CALIBRATION_BINS, strategy="uniform")
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    sizes = np.bincount(np.searchsorted(edges[1:-1], said), minlength=CALIBRATION_BINS)
    filled = sizes[sizes > 0]
    error = float(np.sum(filled * np.abs(shares - means)) / filled.sum())
    frame = Frame(unit_axis(x_label), unit_axis(y_label), height=SQUARE)
    bars = [
        (left, left + 1 / CALIBRATION_BINS, 0.18 * size / sizes.max(), tip)
        for left, size in zip(edges[:-1].tolist(), sizes.tolist(), strict=True)
        if (tip := f"{size:,} predictions from {left:.1f} to {left + 0.1:.1f}") and size
    ]
    ideal = Series("perfectly calibrated", [0.0, 1.0], [0.0, 1.0], 7, "reference")
    line = Series("model", means.tolist(), shares.tolist(), 0, marks=True)
    words = f"Reliability of the probabilities; expected calibration error {score(error)}"
    content = bars_markup(frame, bars, css="bar pale") + series_markup(frame, [ideal, line])
    return Figure(
        "Calibration",
        frame.svg(content, words),
        [line, ideal],
        "Below the dashed line the probabilities are too high, above it too low. Expected "
        f"calibration error {score(error)}; bars show how many predictions fall in each bin.",
    )


def _assess_regression(predictions: Predictions, found: Assessment) -> None:
    try:
        pairs = np.array([predictions.labels, predictions.predictions], dtype=np.str_).astype(
            np.float64
        )
    except ValueError as error:
        found.problems.append(f"predictions.tsv holds a value that is not a number: {error}.")
        return
    usable: Bools = np.logical_and.reduce(np.isfinite(pairs), axis=0)
    if not usable.all():
        found.problems.append(
            f"Left out of the scatter plot: {np.count_nonzero(~usable):,} of {len(usable):,} "
            "sequences, whose values are not finite."
        )
    true, predicted = pairs[:, usable]
    if not len(true):
        return
    caption = "Dots on the dashed line are predicted exactly."
    if len(true) > MAX_DOTS:
        picked = np.random.default_rng(0).choice(len(true), MAX_DOTS, replace=False)
        caption += f" {MAX_DOTS:,} of {len(true):,} sequences are drawn, picked at random."
        true, predicted = true[picked], predicted[picked]
    both = axis_over("", [*true.tolist(), *predicted.tolist()])
    frame = Frame(
        Axis("true value", both.low, both.high),
        Axis("predicted value", both.low, both.high),
        height=SQUARE,
    )
    ends = [both.low, both.high]
    ideal = Series("exact", ends, ends, 7, "reference")
    dots = Series("test sequences", true.tolist(), predicted.tolist(), 0, "dots")
    words = f"Predicted against true value of {len(true):,} test sequences"
    found.figures.append(
        Figure("Predicted against true", plot(frame, [ideal, dots], words), [dots, ideal], caption)
    )
