"""From which probability on a sequence is called positive.

Of two classes the more probable one is the usual answer, which is a threshold of one half.  Where
one class is rare another threshold may find more of it for fewer false calls; it is chosen on the
validation data, so that the test data stay unseen.
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import DataError
from hyena_glt.evaluation import weighted
from hyena_glt.evaluation.bootstrap import RESAMPLES, Interval, draws, intervals

Floats = NDArray[np.float64]


class Threshold(NamedTuple):
    """A threshold and what it is worth where it was chosen.

    Attributes:
        value: Probability of the second class; from it on a sequence is called that class.
        mcc: Matthews' correlation coefficient on the data that chose it.
    """

    value: float
    mcc: float


class ThresholdFigures(NamedTuple):
    """How good calls at a threshold are.

    Attributes:
        threshold: Probability of the second class from which on a sequence is called that class.
        figures: ``accuracy``, ``mcc``, ``f1``, ``precision``, ``recall`` of the second class; nan
            where one is not defined.
        intervals: Confidence intervals, by name.
    """

    threshold: float
    figures: dict[str, float]
    intervals: dict[str, Interval]


def best_threshold(labels: NDArray[Any], probabilities: Floats) -> Threshold:
    """Choose the threshold with the highest MCC, among those that call some and not all.

    It lies halfway between two neighbouring probabilities; of several equally good ones the one
    nearest to one half.

    Args:
        labels: (n,) 0 or 1, of the validation data.
        probabilities: (n,) of class 1.

    Returns:
        The threshold; nan, with a warning, where all labels or all probabilities are equal.

    Raises:
        DataError: If shapes do not fit, there is nothing to compare, or a label is not 0 or 1.
    """
    _check(labels, probabilities)
    values, group = np.unique(probabilities, return_inverse=True)
    positives = np.bincount(group, weights=labels)
    sizes = np.bincount(group)
    total, truth = sizes.sum(), positives.sum()
    if len(values) < 2 or truth in {0, total}:
        what = "labels" if truth in {0, total} else "probabilities"
        warnings.warn(
            f"threshold: all {what} are equal and so it is nan", RuntimeWarning, stacklevel=2
        )
        return Threshold(math.nan, math.nan)
    # Above the threshold that lies behind value i, and above it and positive.
    given = total - np.cumsum(sizes)[:-1]
    right = truth - np.cumsum(positives)[:-1]
    covariance = right * total - truth * given
    mcc = covariance / np.sqrt(truth * (total - truth) * given * (total - given))
    middle = (values[:-1] + values[1:]) / 2
    # Two neighbours in floating point have nothing between them.
    middle = np.where(middle > values[:-1], middle, values[1:])
    best = np.flatnonzero(mcc >= mcc.max() - 1e-12)
    chosen = best[np.argmin(np.abs(middle[best] - 0.5))]
    return Threshold(float(middle[chosen]), float(mcc[chosen]))


def figures_at(
    labels: NDArray[Any],
    probabilities: Floats,
    threshold: float,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ThresholdFigures:
    """Score the calls at a threshold.

    Args:
        labels: (n,) 0 or 1.
        probabilities: (n,) of class 1.
        threshold: From this probability on a sequence is called class 1.
        resamples: Draws of the confidence intervals; each class is drawn from by itself.
        seed: Of the draws.

    Raises:
        DataError: As :func:`best_threshold` does.
    """
    _check(labels, probabilities)
    numbers = np.arange(2)
    truth = labels[:, None] == numbers
    predicted = (probabilities >= threshold).astype(np.int64)[:, None] == numbers

    def figures(weights: Floats) -> dict[str, Floats]:
        present, given, right = weighted.counts(truth, predicted, weights)
        return {
            "accuracy": weighted.ratio(right.sum(axis=1), weights.sum(axis=1)),
            "mcc": weighted.correlation(present, given, right),
            "f1": weighted.ratio(2 * right, present + given)[:, 1],
            "precision": weighted.ratio(right, given)[:, 1],
            "recall": weighted.ratio(right, present)[:, 1],
        }

    values = figures(np.ones((1, len(labels))))
    return ThresholdFigures(
        threshold,
        {name: float(value[0]) for name, value in values.items()},
        intervals(draws(len(labels), resamples, seed, strata=labels), figures),
    )


def _check(labels: NDArray[Any], probabilities: Floats) -> None:
    if labels.ndim != 1 or labels.shape != probabilities.shape:
        raise DataError(
            f"labels and probabilities must both be (N,), got shapes {labels.shape} and "
            f"{probabilities.shape}"
        )
    if not labels.size:
        raise DataError("labels are empty: there is nothing to compare")
    if not np.isin(labels, (0, 1)).all():
        raise DataError("labels must be 0 or 1")
