"""Metrics of many copies of a test set at once, in which each sample counts more or less often.

One row of weights is one copy.  With whole numbers it is the copy in which sample i stands that
many times, which makes a bootstrap of 1,000 draws a few matrix products; the numbers are those that
:func:`~hyena_glt.evaluation.metrics.compute_metrics` gives for the copy, nan where it gives nan.

Axes::

    r  copies          n  samples          c  classes, labels or values
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class ClassCurves(NamedTuple):
    """Each class against the rest, (r, c); nan where a figure is not defined.

    Attributes:
        present: Weight of the samples of the class.
        given: Weight of the samples that were given the class.
        right: Weight of the samples of both.
        precision: Right over given.
        recall: Right over present.
        f1: Harmonic mean of the two.
        auroc: Area under the ROC curve.
        auprc: Area under the precision-recall curve, as average precision.
    """

    present: Floats
    given: Floats
    right: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    auroc: Floats
    auprc: Floats


def class_curves(truth: Bools, predicted: Bools, scores: Floats, weights: Floats) -> ClassCurves:
    """Compare each class with the rest.

    Args:
        truth: (n, c) who belongs to the class.
        predicted: (n, c) who was said to.
        scores: (n, c) probabilities of belonging to it.
        weights: (r, n).
    """
    present, given, right = counts(truth, predicted, weights)
    auroc, auprc = _areas(truth, scores, weights)
    return ClassCurves(
        present,
        given,
        right,
        precision=ratio(right, given),
        recall=ratio(right, present),
        f1=ratio(2 * right, present + given),
        auroc=auroc,
        auprc=auprc,
    )


def counts(truth: Bools, predicted: Bools, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Weight of the samples of each class, of those given it, and of those of both; (r, c) each.

    Args:
        truth: (n, c) who belongs to the class.
        predicted: (n, c) who was said to.
        weights: (r, n).
    """
    of_truth, of_given, of_both = (
        weights @ table.astype(np.float64) for table in (truth, predicted, truth & predicted)
    )
    return of_truth, of_given, of_both


def single_label(labels: NDArray[Any], scores: Floats, weights: Floats) -> dict[str, Floats]:
    """``accuracy``, ``mcc``, ``f1_macro``, ``auroc``, ``auprc`` of each copy, (r,).

    Args:
        labels: (n,) class numbers.
        scores: (n, c) probabilities.
        weights: (r, n).
    """
    numbers = np.arange(scores.shape[1])
    truth, predicted = (picked[:, None] == numbers for picked in (labels, scores.argmax(axis=1)))
    present, given, right = counts(truth, predicted, weights)
    # Two classes are one question; a class that is neither there nor predicted does not count.
    chosen = slice(1, 2) if len(numbers) == 2 else slice(None)
    auroc, auprc = _areas(truth[:, chosen], scores[:, chosen], weights)
    return {
        "accuracy": ratio(right.sum(axis=1), weights.sum(axis=1)),
        "mcc": correlation(present, given, right),
        "f1_macro": mean_of_defined(ratio(2 * right, present + given)),
        "auroc": mean_of_defined(auroc),
        "auprc": mean_of_defined(auprc),
    }


def multi_label(labels: NDArray[Any], scores: Floats, weights: Floats) -> dict[str, Floats]:
    """``subset_accuracy``, ``f1_micro``, ``f1_macro``, ``auroc``, ``auprc`` of each copy, (r,).

    Args:
        labels: (n, c) of 0 and 1.
        scores: (n, c) probabilities.
        weights: (r, n).
    """
    truth, predicted = labels.astype(np.bool_), scores >= 0.5
    curves = class_curves(truth, predicted, scores, weights)
    whole = (truth == predicted).all(axis=1).astype(np.float64)
    counted = curves.present.sum(axis=1) + curves.given.sum(axis=1)
    return {
        "subset_accuracy": ratio(weights @ whole, weights.sum(axis=1)),
        "f1_micro": ratio(2 * curves.right.sum(axis=1), counted),
        "f1_macro": mean_of_defined(curves.f1),
        "auroc": mean_of_defined(curves.auroc),
        "auprc": mean_of_defined(curves.auprc),
    }


def regression(labels: Floats, scores: Floats, weights: Floats) -> dict[str, Floats]:
    """``pearson``, ``spearman``, ``r2``, ``rmse``, ``mae`` of each copy, (r,).

    Args:
        labels: (n, c) values.
        scores: (n, c) values.
        weights: (r, n).
    """
    total = weights.sum(axis=1)
    squares = ratio(weights @ (scores - labels) ** 2, total[:, None])
    found: dict[str, list[Floats]] = {"pearson": [], "spearman": [], "r2": []}
    for i in range(labels.shape[1]):
        truth, said = labels[:, i], scores[:, i]
        truth_varies, said_varies = _varies(truth, weights), _varies(said, weights)
        both = truth_varies & said_varies
        spread = _variance(truth, weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = 1 - squares[:, i] / spread
        ranks = _correlation(_midranks(truth, weights), _midranks(said, weights), weights)
        found["pearson"].append(np.where(both, _correlation(truth, said, weights), np.nan))
        found["spearman"].append(np.where(both, ranks, np.nan))
        found["r2"].append(np.where(truth_varies, r2, np.nan))
    return {
        **{name: mean_of_defined(np.stack(values, axis=1)) for name, values in found.items()},
        "rmse": np.sqrt(squares).mean(axis=1),
        "mae": ratio(weights @ np.abs(scores - labels).mean(axis=1), total),
    }


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divide; nan where there is nothing to divide by.

    Args:
        part: Any shape.
        whole: A shape that fits.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def correlation(present: Floats, given: Floats, right: Floats) -> Floats:
    """Matthews' correlation coefficient for any number of classes.

    Args:
        present: (r, c) weight of each true class.
        given: (r, c) weight of each predicted class.
        right: (r, c) weight of both.

    Returns:
        (r,); nan where there is one true class only, 0 where there is one predicted class only.

    Source:
        Gorodkin 2004, Computational Biology and Chemistry 28:367.
    """
    total = present.sum(axis=1)
    covariance = right.sum(axis=1) * total - (present * given).sum(axis=1)
    # As sums of what is off the diagonal: exactly 0 where there is one class.
    of_truth, of_given = (
        (table * (total[:, None] - table)).sum(axis=1) for table in (present, given)
    )
    one_class = np.count_nonzero(present, axis=1) < 2
    one_answer = np.count_nonzero(given, axis=1) < 2
    with np.errstate(divide="ignore", invalid="ignore"):
        value = covariance / (np.sqrt(of_truth) * np.sqrt(of_given))
    return np.where(one_class, np.nan, np.where(one_answer, 0.0, value))


def _areas(truth: Bools, scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Areas under the ROC and the precision-recall curves, (r, c) each."""
    areas = [_areas_of_one(truth[:, i], scores[:, i], weights) for i in range(truth.shape[1])]
    return np.stack([roc for roc, _ in areas], axis=1), np.stack([pr for _, pr in areas], axis=1)


def _areas_of_one(truth: Bools, scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(-scores, kind="stable")
    # Samples with one score are one step of the curves.
    first = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    sorted_weights = weights[:, order]
    positive = np.add.reduceat(sorted_weights * truth[order], first, axis=1)
    negative = np.add.reduceat(sorted_weights * ~truth[order], first, axis=1)
    right, wrong = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    positives, negatives = right[:, -1], wrong[:, -1]
    pairs = (negative * (right - positive / 2)).sum(axis=1)
    precision = np.nan_to_num(ratio(right, right + wrong))
    steps = (precision * positive).sum(axis=1)
    return ratio(pairs, positives * negatives), ratio(steps, positives)


def _midranks(values: Floats, weights: Floats) -> Floats:
    """Rank of each sample in each copy, (r, n); equal values share the mean of their ranks."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0])
    sizes = np.add.reduceat(weights[:, order], first, axis=1)
    return (np.cumsum(sizes, axis=1) - (sizes - 1) / 2)[:, group]


def _correlation(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Pearson's correlation in each copy; ``x`` and ``y`` are (n,) or (r, n)."""
    total = weights.sum(axis=1, keepdims=True)
    x, y = (
        values - ratio((weights * values).sum(axis=1, keepdims=True), total) for values in (x, y)
    )
    covariance = (weights * x * y).sum(axis=1)
    scale = np.sqrt((weights * x**2).sum(axis=1)) * np.sqrt((weights * y**2).sum(axis=1))
    return np.clip(ratio(covariance, scale), -1, 1)


def _variance(values: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1)
    mean = ratio(weights @ values, total)
    return ratio((weights * (values - mean[:, None]) ** 2).sum(axis=1), total)


def _varies(values: Floats, weights: Floats) -> Bools:
    there = weights > 0
    largest = np.where(there, values, -np.inf).max(axis=1)
    return largest > np.where(there, values, np.inf).min(axis=1)


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the second axis of what is not nan; nan where all is.

    Args:
        values: (r, c).
    """
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(float))
