"""All that a test set says of a model: figures with their intervals, by class and by length.

predictions on the test data -> metrics, classes, lengths, calibration
predictions on the validation data -> threshold and temperature, tried on the test data
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.errors import DataError
from hyena_glt.evaluation import weighted
from hyena_glt.evaluation.bootstrap import (
    RESAMPLES,
    Interval,
    draws,
    intervals,
    metrics_of_copies,
)
from hyena_glt.evaluation.calibration import (
    Calibration,
    at_temperature,
    calibration,
    fit_temperature,
)
from hyena_glt.evaluation.metrics import MetricTask, check_predictions, compute_metrics
from hyena_glt.evaluation.thresholds import ThresholdFigures, best_threshold, figures_at

_LENGTH_BINS = 4
_FEWEST_RESAMPLES = 100
# Some ten seconds of one core.
_MOST_NUMBERS = 100_000_000

Floats = NDArray[np.float64]


class ClassRow(NamedTuple):
    """One class, or label, against the rest.

    Attributes:
        name: Of the class.
        support: Samples that have it.
        figures: ``precision``, ``recall``, ``f1``, ``auroc``, ``auprc``; nan where one is not
            defined.
        intervals: Their confidence intervals, by name.
    """

    name: str
    support: int
    figures: dict[str, float]
    intervals: dict[str, Interval]


class LengthRow(NamedTuple):
    """Sequences of similar length.

    Attributes:
        shortest: Letters of the shortest sequence among them.
        longest: Letters of the longest one.
        sequences: How many they are; tokens, where tokens have the labels.
        figures: The metrics of the task; nan where one is not defined.
        intervals: Their confidence intervals, by name.
    """

    shortest: int
    longest: int
    sequences: int
    figures: dict[str, float]
    intervals: dict[str, Interval]


class DetailedEvaluation(NamedTuple):
    """What a test set says of a model.

    Attributes:
        task: ``single_label``, ``multi_label``, ``regression`` or ``token``.
        samples: Sequences; tokens, where tokens have the labels.
        resamples: Bootstrap draws behind each interval.
        metrics: Those of :func:`~hyena_glt.evaluation.metrics.compute_metrics`.
        intervals: Their confidence intervals (95 %), by name.
        classes: A row for each class or label; empty for values.
        lengths: A row for each quarter of the sequences, from short to long; empty if all have one
            length.
        calibration: Of the probabilities; None for values.
        temperature: Fitted on the validation data; None without those, and for values.
        calibration_at_temperature: Of the probabilities at that temperature.
        at_threshold: Figures at the threshold that was best on the validation data; None without
            those, and where there are not two classes.
    """

    task: str
    samples: int
    resamples: int
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    classes: list[ClassRow]
    lengths: list[LengthRow]
    calibration: Calibration | None
    temperature: float | None
    calibration_at_temperature: Calibration | None
    at_threshold: ThresholdFigures | None

    def as_tree(self) -> dict[str, Any]:
        """All of it but the metrics as dictionaries and lists, for a JSON file."""
        tree: dict[str, Any] = _plain(self)
        del tree["metrics"]
        return tree


def evaluate_predictions(
    task: MetricTask,
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    names: list[str] | None = None,
    lengths: ArrayLike | None = None,
    groups: NDArray[Any] | None = None,
    validation: tuple[NDArray[Any], Floats] | None = None,
    threshold: float | None = None,
    temperature: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> DetailedEvaluation:
    """Say all that predictions on a test set say of a model.

    Args:
        task: As for :func:`~hyena_glt.evaluation.metrics.compute_metrics`.
        labels: As there.
        scores: As there.
        names: Of the classes or labels; None takes their numbers.
        lengths: (n,) letters of the sequence of each sample; None leaves out the rows by length.
        groups: (n,) number of the sequence that each token is of: tokens of one sequence are drawn
            together in the bootstrap.  None: samples are independent.
        validation: Labels and scores of the validation data, which choose threshold and
            temperature.
        threshold: Of two classes, chosen earlier; in place of ``validation``.
        temperature: Fitted earlier, likewise.
        resamples: Bootstrap draws.  Fewer, but not below 100, are made of very large test sets.
        seed: Of the draws.

    Raises:
        DataError: If shapes do not fit together, there is nothing to compare, a score is not
            finite, or a label is no class.

    Example:
        >>> truth, chance = [0, 1, 1, 0, 1, 0], [0.1, 0.9, 0.4, 0.2, 0.8, 0.3]
        >>> found = evaluate_predictions("single_label", truth, chance, names=["no", "yes"])
        >>> found.metrics["auroc"], found.classes[1].figures["recall"].__round__(2)
        (1.0, 0.67)
    """
    metrics = compute_metrics(task, labels, scores)
    truth, predicted = check_predictions(task, labels, scores)
    columns = predicted.shape[1]
    named = list(map(str, range(columns))) if names is None else names
    if len(named) != columns:
        raise DataError(f"names: {len(named)} for {columns} columns of scores")
    fewer = _MOST_NUMBERS // max(1, predicted.size)
    resamples = min(resamples, max(_FEWEST_RESAMPLES, fewer))
    strata = truth if task == "single_label" and groups is None else None
    figures = metrics_of_copies(task, truth, predicted)

    def drawn() -> Any:
        return draws(len(truth), resamples, seed, strata=strata, groups=groups)

    own: Calibration | None = None
    tempered: Calibration | None = None
    at_threshold: ThresholdFigures | None = None
    if task != "regression" and _are_probabilities(predicted):
        options: dict[str, Any] = {"groups": groups, "resamples": resamples, "seed": seed}
        numbers = truth.astype(np.int64)
        own = calibration(numbers, predicted, **options)
        if validation is not None:
            threshold, temperature = _chosen(task, *validation)
        if temperature is not None:
            changed = at_temperature(predicted, temperature, several=task == "multi_label")
            tempered = calibration(numbers, changed, **options)
        if threshold is not None and task == "single_label" and columns == 2:
            at_threshold = figures_at(
                numbers, predicted[:, 1], threshold, resamples=resamples, seed=seed
            )
    return DetailedEvaluation(
        task=task,
        samples=len(truth),
        resamples=resamples,
        metrics=metrics,
        intervals=intervals(drawn(), figures),
        classes=[] if task == "regression" else _classes(task, truth, predicted, named, drawn()),
        lengths=[] if lengths is None else _by_length(
            task, truth, predicted, np.asarray(lengths), groups, resamples, seed
        ),
        calibration=own,
        temperature=None if tempered is None else temperature,
        calibration_at_temperature=tempered,
        at_threshold=at_threshold,
    )  # fmt: skip


def length_bins(lengths: NDArray[np.integer], count: int = _LENGTH_BINS) -> list[NDArray[np.int64]]:
    """Divide samples by their length into parts of about one size, equal lengths together.

    Args:
        lengths: (n,) of each sample.
        count: Most parts.

    Returns:
        The samples of each part, from short to long.

    Example:
        >>> [rows.tolist() for rows in length_bins(np.array([50, 20, 20, 90]), 2)]
        [[1, 2], [0, 3]]
    """
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, count + 1)[1:-1], method="lower"))
    place = np.searchsorted(edges, lengths)
    parts = [np.flatnonzero(place == number) for number in range(len(edges) + 1)]
    return [part for part in parts if len(part)]


def _chosen(
    task: MetricTask, labels: NDArray[Any], scores: Floats
) -> tuple[float | None, float | None]:
    """Threshold and temperature that the validation data choose, where they can."""
    truth, predicted = check_predictions(task, labels, scores)
    truth = truth.astype(np.int64)
    threshold = None
    if task == "single_label" and predicted.shape[1] == 2:
        value = best_threshold(truth, predicted[:, 1]).value
        threshold = None if math.isnan(value) else value
    return threshold, fit_temperature(truth, predicted)


def _classes(
    task: MetricTask, truth: NDArray[Any], predicted: Floats, names: list[str], weights: Any
) -> list[ClassRow]:
    if task == "multi_label":
        has, given = truth.astype(np.bool_), predicted >= 0.5
    else:
        numbers = np.arange(predicted.shape[1])
        has, given = (own[:, None] == numbers for own in (truth, predicted.argmax(axis=1)))

    def curves(weights: Floats) -> dict[str, Floats]:
        found = weighted.class_curves(has, given, predicted, weights)
        shown = ("precision", "recall", "f1", "auroc", "auprc")
        return {
            f"{number} {name}": getattr(found, name)[:, number]
            for number in range(len(names))
            for name in shown
        }

    def of_class(table: dict[str, Any], number: int) -> dict[str, Any]:
        start = f"{number} "
        return {key.removeprefix(start): v for key, v in table.items() if key.startswith(start)}

    values = {name: float(v[0]) for name, v in curves(np.ones((1, len(truth)))).items()}
    ranges = intervals(weights, curves)
    return [
        ClassRow(
            name, int(has[:, number].sum()), of_class(values, number), of_class(ranges, number)
        )
        for number, name in enumerate(names)
    ]


def _by_length(
    task: MetricTask,
    truth: NDArray[Any],
    predicted: Floats,
    lengths: NDArray[Any],
    groups: NDArray[Any] | None,
    resamples: int,
    seed: int,
) -> list[LengthRow]:
    if len(lengths) != len(truth):
        raise DataError(f"lengths: {len(lengths)} for {len(truth)} samples")
    parts = length_bins(lengths)
    if len(parts) < 2:
        return []
    table = []
    for rows in parts:
        own, said = truth[rows], predicted[rows]
        figures = metrics_of_copies(task, own, said)
        weights = draws(
            len(rows),
            resamples,
            seed,
            strata=own if task == "single_label" and groups is None else None,
            groups=None if groups is None else groups[rows],
        )
        with warnings.catch_warnings():
            # A part need not have all classes; what has no value is nan in its row.
            warnings.simplefilter("ignore", RuntimeWarning)
            metrics = compute_metrics(task, own, said)
        table.append(
            LengthRow(
                int(lengths[rows].min()),
                int(lengths[rows].max()),
                len(rows),
                metrics,
                intervals(weights, figures),
            )
        )
    return table


def _are_probabilities(scores: Floats) -> bool:
    return bool(((scores >= 0) & (scores <= 1)).all())


def _plain(value: Any) -> Any:
    """Named tuples become dictionaries, intervals pairs, at any depth."""
    if isinstance(value, Interval):
        return list(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
