"""How good the labels of single bases are, counted batch after batch.

A genome has millions of labelled bases; what is kept of them here does not grow with their number:
a confusion matrix, and for each class a histogram of the log-odds of its probabilities, from which
the areas under the curves follow to about four digits.
"""

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import DataError
from hyena_glt.evaluation import weighted
from hyena_glt.evaluation.bootstrap import RESAMPLES, Interval, draws, intervals

_FEWEST_PARTS = 8
_BINS = 8192
_LARGEST_LOG_ODDS = 20.0

Counts = NDArray[np.int64]


class ClassFigures(NamedTuple):
    """One class against the rest; nan where a figure is not defined.

    Attributes:
        name: Of the class.
        bases: That have it.
        precision: Share of the bases given this class that have it.
        recall: Share of the bases that have it that were given it.
        f1: Harmonic mean of the two.
        mcc: Matthews' correlation coefficient.
        auroc: Area under the ROC curve.
        auprc: Area under the precision-recall curve, as average precision.
    """

    name: str
    bases: int
    precision: float
    recall: float
    f1: float
    mcc: float
    auroc: float
    auprc: float


class TokenCounts:
    """Count how predicted and true classes of bases agree.

    Args:
        num_classes: At least 2.

    Attributes:
        confusion: (C, C); row: true class, column: most probable class.

    Example:
        >>> counts = TokenCounts(2)
        >>> counts.add(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
        >>> counts.confusion.tolist()
        [[1, 0], [1, 1]]
    """

    def __init__(self, num_classes: int) -> None:
        self.confusion: Counts = np.zeros((num_classes, num_classes), dtype=np.int64)
        # (class, has it or not, bin)
        self._histogram: Counts = np.zeros((num_classes, 2, _BINS), dtype=np.int64)
        self._parts: list[Counts] = []

    def add(self, labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> None:
        """Count some bases.

        Args:
            labels: (n,) true classes; bases with a negative one are left out.
            probabilities: (n, C).

        Raises:
            DataError: If the shapes do not fit, a class does not exist, or a probability is not
                finite.
        """
        size = len(self.confusion)
        if probabilities.shape != (len(labels), size):
            raise DataError(
                f"labels of shape {labels.shape} and probabilities of shape {probabilities.shape} "
                f"do not fit {size} classes"
            )
        known = labels >= 0
        truth, chances = labels[known].astype(np.int64), probabilities[known].astype(np.float64)
        if not len(truth):
            return
        if truth.max() >= size:
            raise DataError(f"labels: class {truth.max()} does not exist; expected [0, {size})")
        if not np.isfinite(chances).all():
            raise DataError("probabilities must be finite")
        pairs = truth * size + chances.argmax(axis=1)
        part = np.bincount(pairs, minlength=size * size).reshape(size, size)
        self.confusion += part
        self._parts.append(part)
        bins = _bins(chances)
        for number in range(size):
            has = (truth == number).astype(np.int64)
            place = has * _BINS + bins[:, number]
            self._histogram[number] += np.bincount(place, minlength=2 * _BINS).reshape(2, _BINS)

    def metrics(self) -> dict[str, float]:
        """All classes in one: ``accuracy``, ``mcc``, ``f1_macro``, ``auroc``, ``auprc``.

        They mean what those of :func:`~hyena_glt.evaluation.metrics.compute_metrics` mean.

        Returns:
            The metrics by name; nan, with a warning, where one is not defined.

        Raises:
            DataError: If no base was counted.
        """
        total = int(self.confusion.sum())
        if not total:
            raise DataError("no base has a label: there is nothing to compare")
        chosen = [1] if len(self.confusion) == 2 else range(len(self.confusion))
        seen = (self.confusion.sum(axis=0) + self.confusion.sum(axis=1)) > 0
        f1 = [self._f1(number) if seen[number] else 0.0 for number in range(len(self.confusion))]
        return {
            "accuracy": float(np.trace(self.confusion) / total),
            "mcc": self._mcc(),
            "f1_macro": float(np.mean([value for value, there in zip(f1, seen, strict=True)
                                       if there])),
            "auroc": _mean("auroc", _area_roc, [self._histogram[number] for number in chosen]),
            "auprc": _mean("auprc", _area_pr, [self._histogram[number] for number in chosen]),
        }  # fmt: skip

    def classes(self, names: list[str]) -> list[ClassFigures]:
        """Each class against the rest.

        Args:
            names: Of the classes, in the order of their numbers.
        """
        return [self._figures(number, name) for number, name in enumerate(names)]

    def intervals(
        self, *, resamples: int = RESAMPLES, seed: int = 0
    ) -> tuple[dict[str, Interval], list[dict[str, Interval]]]:
        """Confidence intervals (95 %) of the figures that follow from the confusion matrix.

        Neighbouring bases are not independent, so the bases of each call of :meth:`add` are drawn
        together; what is added at once should be longer than a gene.

        Args:
            resamples: Bootstrap draws.
            seed: Of the draws.

        Returns:
            ``accuracy``, ``mcc``, ``f1_macro`` over all classes; ``precision``, ``recall``, ``f1``
            of each class.  Nan where fewer than 8 parts were added.
        """
        parts = np.array(self._parts, dtype=np.float64).reshape(-1, *self.confusion.shape)
        size = len(self.confusion)

        def figures(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
            tables = np.tensordot(weights, parts, axes=1)
            present, given = tables.sum(axis=2), tables.sum(axis=1)
            right = np.diagonal(tables, axis1=1, axis2=2)
            ratio = weighted.ratio
            f1 = ratio(2 * right, present + given)
            found = {
                "accuracy": ratio(right.sum(axis=1), present.sum(axis=1)),
                "mcc": weighted.correlation(present, given, right),
                "f1_macro": weighted.mean_of_defined(f1),
            }
            own = {"precision": ratio(right, given), "recall": ratio(right, present), "f1": f1}
            return found | {f"{n} {name}": own[name][:, n] for n in range(size) for name in own}

        if len(parts) < _FEWEST_PARTS:
            nothing = figures(np.ones((1, len(parts))))
            found = dict.fromkeys(nothing, Interval(math.nan, math.nan))
        else:
            found = intervals(draws(len(parts), resamples, seed), figures)
        return (
            {name: found[name] for name in ("accuracy", "mcc", "f1_macro")},
            [{name: found[f"{n} {name}"] for name in ("precision", "recall", "f1")}
             for n in range(size)],
        )  # fmt: skip

    def _figures(self, number: int, name: str) -> ClassFigures:
        right = int(self.confusion[number, number])
        has, given = int(self.confusion[number].sum()), int(self.confusion[:, number].sum())
        absent = int(self.confusion.sum()) - has
        neither = absent - (given - right)
        scale = (
            math.sqrt(has) * math.sqrt(given) * math.sqrt(absent) * math.sqrt(absent + has - given)
        )
        covariance = right * neither - (given - right) * (has - right)
        mcc = math.nan if not has or not absent else covariance / scale if scale else 0.0
        return ClassFigures(
            name=name,
            bases=has,
            precision=right / given if given else math.nan,
            recall=right / has if has else math.nan,
            f1=self._f1(number),
            mcc=mcc,
            auroc=_area_roc(self._histogram[number]),
            auprc=_area_pr(self._histogram[number]),
        )

    def _f1(self, number: int) -> float:
        counted = int(self.confusion[number].sum() + self.confusion[:, number].sum())
        return 2 * int(self.confusion[number, number]) / counted if counted else math.nan

    def _mcc(self) -> float:
        """For any number of classes (Gorodkin 2004); 0 where all predictions are equal."""
        truth = self.confusion.sum(axis=1).astype(np.float64)
        given = self.confusion.sum(axis=0).astype(np.float64)
        total = truth.sum()
        if np.count_nonzero(truth) < 2:
            _warn("mcc", "all labels are of one class")
            return math.nan
        covariance = np.trace(self.confusion) * total - (truth * given).sum()
        spread = math.sqrt(total**2 - (given**2).sum()) * math.sqrt(total**2 - (truth**2).sum())
        return float(covariance / spread) if spread else 0.0


def _bins(chances: NDArray[np.float64]) -> Counts:
    edge = 1 / (1 + math.exp(_LARGEST_LOG_ODDS))
    clipped = np.clip(chances, edge, 1 - edge)
    share = (np.log(clipped / (1 - clipped)) + _LARGEST_LOG_ODDS) / (2 * _LARGEST_LOG_ODDS)
    return np.clip((share * _BINS).astype(np.int64), 0, _BINS - 1)


def _area_roc(histogram: Counts) -> float:
    absent, present = histogram.astype(np.float64)
    pairs = absent.sum() * present.sum()
    if not pairs:
        return math.nan
    above = present.sum() - np.cumsum(present)
    return float((absent * (above + present / 2)).sum() / pairs)


def _area_pr(histogram: Counts) -> float:
    absent, present = histogram[:, ::-1].astype(np.float64)
    if not present.sum():
        return math.nan
    right = np.cumsum(present)
    precision = right / np.maximum(right + np.cumsum(absent), 1)
    return float((precision * present).sum() / present.sum())


def _mean(name: str, area: Callable[[Counts], float], histograms: list[Counts]) -> float:
    values = np.array([area(histogram) for histogram in histograms])
    missing = np.isnan(values)
    if missing.all():
        _warn(name, "the labels do not vary")
        return math.nan
    if missing.any():
        absent = np.count_nonzero(missing)
        _warn(
            name,
            f"{absent} of {len(values)} classes missing from the labels; the mean is of the others",
            end="",
        )
    return float(values[~missing].mean())


def _warn(name: str, reason: str, *, end: str = " and so it is nan") -> None:
    warnings.warn(f"{name}: {reason}{end}", RuntimeWarning, stacklevel=4)
