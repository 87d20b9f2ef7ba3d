"""How far a figure could be off because the test set is small: bootstrap confidence intervals.

The test set is drawn anew, with replacement, as often as it has samples; the spread of a figure
over many such draws is the interval.  It says nothing of how a model would vary with another
training run.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.evaluation import weighted
from hyena_glt.evaluation.metrics import IGNORED_LABEL, MetricTask, check_predictions

RESAMPLES = 1000
"""Draws, where nobody says otherwise."""

_WEIGHTS_AT_ONCE = 4_000_000  # bounds the memory, not the result

Floats = NDArray[np.float64]
Figures = Callable[[Floats], dict[str, Floats]]


class Interval(NamedTuple):
    """Range that holds the true value with the chosen confidence."""

    low: float
    high: float


def bootstrap_interval(
    task: MetricTask,
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Say how far each metric could be off because the test set is small.

    For ``single_label`` each class is drawn from by itself, so that every draw has all classes in
    the proportions of the test set; otherwise rows are drawn whatever their labels are, for tokens
    whole sequences, if the labels are (N, L).

    Args:
        task: As for :func:`~hyena_glt.evaluation.metrics.compute_metrics`.
        labels: As there; rows are drawn along the first axis.
        scores: As there.
        resamples: How many times to draw.
        confidence: Share of the results inside the interval, between 0 and 1.
        seed: Seed of the draws.

    Returns:
        An interval for each metric; nan where no draw had a value.

    Raises:
        DataError: As :func:`~hyena_glt.evaluation.metrics.compute_metrics` does.
        ValueError: If ``resamples`` or ``confidence`` is out of range.

    Source:
        Efron 1979, Annals of Statistics 7:1 (percentile bootstrap).
    """
    groups = None
    truth = np.asarray(labels)
    if task == "token" and truth.ndim == 2:
        rows = np.broadcast_to(np.arange(len(truth))[:, None], truth.shape)
        groups = rows[truth != IGNORED_LABEL]
    truth, predicted = check_predictions(task, labels, scores)
    weights = draws(
        len(truth), resamples, seed, strata=truth if task == "single_label" else None, groups=groups
    )
    return intervals(weights, metrics_of_copies(task, truth, predicted), confidence)


def metrics_of_copies(task: MetricTask, truth: NDArray[Any], predicted: Floats) -> Figures:
    """The metrics of a task as a function of the weights of the samples.

    Args:
        task: As for :func:`~hyena_glt.evaluation.metrics.compute_metrics`.
        truth: What :func:`~hyena_glt.evaluation.metrics.check_predictions` gave.
        predicted: Likewise.
    """
    measure: dict[str, Callable[..., dict[str, Floats]]] = {
        "single_label": weighted.single_label,
        "token": weighted.single_label,
        "multi_label": weighted.multi_label,
        "regression": weighted.regression,
    }
    return lambda weights: measure[task](truth, predicted, weights)


def draws(
    count: int,
    resamples: int,
    seed: int,
    *,
    strata: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
) -> Iterator[Floats]:
    """Say how often each sample stands in each draw, some draws at a time.

    Args:
        count: Samples, n.
        resamples: Draws in all.
        seed: Of the draws.
        strata: (n,) kind of each sample; the draws hold as many of each as there are.  None: one.
        groups: (n,) samples that are not independent, such as the tokens of a sequence, share a
            number; they are drawn together.

    Yields:
        (r, n) whole numbers.

    Raises:
        ValueError: If ``resamples`` is less than 1.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    rng = np.random.default_rng(seed)
    member = None
    units = count
    if groups is not None:
        _, member = np.unique(groups, return_inverse=True)
        units = int(member.max()) + 1 if count else 0
    kinds = [np.arange(units)]
    if strata is not None and member is None:
        kinds = [np.flatnonzero(strata == kind) for kind in np.unique(strata)]
    at_once = max(1, _WEIGHTS_AT_ONCE // max(1, count))
    for start in range(0, resamples, at_once):
        some = min(at_once, resamples - start)
        weights = np.zeros((some, units))
        for rows in kinds:
            drawn = rng.integers(len(rows), size=(some, len(rows)))
            drawn += np.arange(some)[:, None] * len(rows)
            counts = np.bincount(drawn.ravel(), minlength=some * len(rows))
            weights[:, rows] = counts.reshape(some, len(rows))
        yield weights if member is None else weights[:, member]


def intervals(
    weights: Iterator[Floats], figures: Figures, confidence: float = 0.95
) -> dict[str, Interval]:
    """The central part of each figure over all draws.

    Args:
        weights: What :func:`draws` gave.
        figures: Gives (r,) values by name from (r, n) weights.
        confidence: Share of the values inside the interval, between 0 and 1.

    Returns:
        An interval for each figure; nan where no draw had a value.

    Raises:
        ValueError: If ``confidence`` is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    parts = [figures(some) for some in weights]
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: _central(all_, confidence) for name, all_ in values.items()}


def _central(values: Floats, confidence: float) -> Interval:
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(math.nan, math.nan)
    low, high = np.quantile(known, ((1 - confidence) / 2, (1 + confidence) / 2))
    return Interval(float(low), float(high))
