"""Whether a probability of 0.8 comes true 8 times out of 10.

Two classes are one question, answered by the probability of the second class; of more classes the
most probable one is asked whether it was right; of several labels each is a question of its own.

A temperature T divides the log-odds of all predictions and is fitted on validation data.  It
changes no ranking and no most probable class: T > 1 takes back what is too sure.
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import DataError
from hyena_glt.evaluation.bootstrap import RESAMPLES, Interval, draws, intervals

BINS = 10
"""Equal bins of the probabilities."""

_TEMPERATURES = (0.05, 20.0)
# Of a probability: fp32 knows none that is smaller, and none between 1 and that much less than 1.
_SMALLEST, _SMALLEST_STEP = 1e-38, 1e-7

Floats = NDArray[np.float64]


class ReliabilityBin(NamedTuple):
    """Predictions of about one probability.

    Attributes:
        low: Smallest probability of the bin, which is not part of it (0 is of the first).
        high: Largest probability of the bin, which is.
        size: Predictions in it.
        probability: Their mean; nan where there are none.
        share: How many of them came true, from 0 to 1; nan where there are none.
    """

    low: float
    high: float
    size: int
    probability: float
    share: float


class Calibration(NamedTuple):
    """How far probabilities can be taken at their word.

    Attributes:
        ece: Expected calibration error: distance between probability and share, mean over the
            predictions.  Even perfect probabilities have one, which is larger in smaller sets.
        brier: Brier score: mean squared distance between probability and what came; of more than
            two classes, summed over the classes (0 to 2).
        nll: Mean negative log-likelihood, in nats.
        bins: Data of the reliability diagram, from low to high.
        intervals: Confidence intervals of the three figures, by name.
    """

    ece: float
    brier: float
    nll: float
    bins: list[ReliabilityBin]
    intervals: dict[str, Interval]


def calibration(
    labels: NDArray[Any],
    probabilities: Floats,
    *,
    groups: NDArray[Any] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Calibration:
    """Compare probabilities with what came.

    Args:
        labels: (n,) class numbers, or (n, t) of 0 and 1 for several labels.
        probabilities: (n, c), or (n, t).
        groups: (n,) samples that are not independent share a number and are drawn together.
        resamples: Draws of the confidence intervals.
        seed: Of the draws.

    Raises:
        DataError: If there is nothing to compare, shapes do not fit, or something lies outside
            0 to 1.

    Source:
        Expected calibration error: Naeini, Cooper and Hauskrecht 2015, AAAI; Brier 1950, Monthly
        Weather Review 78:1.
    """
    _check(labels, probabilities)
    said, came = _questions(labels, probabilities)
    edges = np.linspace(0, 1, BINS + 1)
    place = np.searchsorted(edges[1:-1], said)
    in_bin = place[..., None] == np.arange(BINS)
    # Per sample: how many answers fall into each bin, what they say, how many come true.
    size, probability, hits = (
        (in_bin * value[..., None]).sum(axis=1) for value in (np.ones_like(said), said, came)
    )
    brier, nll = _brier(labels, probabilities), -_log_likelihood(labels, probabilities)

    def figures(weights: Floats) -> dict[str, Floats]:
        gap = np.abs(weights @ probability - weights @ hits).sum(axis=1)
        total = weights.sum(axis=1)
        return {
            "ece": gap / (total * said.shape[1]),
            "brier": weights @ brier / total,
            "nll": weights @ nll / total,
        }

    values = figures(np.ones((1, len(labels))))
    strata = labels if labels.ndim == 1 else None
    sizes = size.sum(axis=0)
    with np.errstate(invalid="ignore"):
        means, shares = probability.sum(axis=0) / sizes, hits.sum(axis=0) / sizes
    return Calibration(
        ece=float(values["ece"][0]),
        brier=float(values["brier"][0]),
        nll=float(values["nll"][0]),
        bins=[
            ReliabilityBin(float(low), float(high), int(count), float(mean), float(share))
            for low, high, count, mean, share in zip(
                edges[:-1], edges[1:], sizes, means, shares, strict=True
            )
        ],
        intervals=intervals(
            draws(len(labels), resamples, seed, strata=strata, groups=groups), figures
        ),
    )


def fit_temperature(labels: NDArray[Any], probabilities: Floats) -> float:
    """Find the temperature under which the labels are most likely.

    Args:
        labels: Of the validation data; as for :func:`calibration`.
        probabilities: Likewise.

    Returns:
        Temperature, from 0.05 to 20; the ends are reached, with a warning, by predictions that are
        all right, or no better than chance.

    Raises:
        DataError: As :func:`calibration` does.

    Source:
        Guo et al. 2017, arXiv:1706.04599.
    """
    from scipy.optimize import minimize_scalar

    _check(labels, probabilities)

    def loss(log_temperature: float) -> float:
        tempered = at_temperature(probabilities, math.exp(log_temperature), labels.ndim == 2)
        return float(-_log_likelihood(labels, tempered).mean())

    low, high = map(math.log, _TEMPERATURES)
    found = float(minimize_scalar(loss, bounds=(low, high), method="bounded").x)
    end = min((low, high), key=loss)
    if loss(end) <= loss(found):
        found = end
        warnings.warn(
            f"temperature: the validation data set no limit, so it is {math.exp(found):.3g}",
            RuntimeWarning,
            stacklevel=2,
        )
    return math.exp(found)


def at_temperature(probabilities: Floats, temperature: float, several: bool = False) -> Floats:
    """Divide the log-odds of predictions by a temperature.

    Args:
        probabilities: (n, c).
        temperature: More than 0; 1 changes nothing.
        several: Columns are labels of which any number may hold, not classes.

    Example:
        >>> at_temperature(np.array([[0.1, 0.9]]), 2.0).round(2).tolist()
        [[0.25, 0.75]]
    """
    if several:
        clipped = np.clip(probabilities, _SMALLEST_STEP, 1 - _SMALLEST_STEP)
        log_odds = np.log(clipped / (1 - clipped)) / temperature
        return 1 / (1 + np.exp(-log_odds))
    logits = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _questions(labels: NDArray[Any], probabilities: Floats) -> tuple[Floats, Floats]:
    """Probabilities and what came, (n, 1), or (n, t) for several labels."""
    if labels.ndim == 2:
        return probabilities, labels.astype(np.float64)
    if probabilities.shape[1] == 2:
        return probabilities[:, 1:], (labels == 1).astype(np.float64)[:, None]
    best = probabilities.argmax(axis=1)
    top = np.take_along_axis(probabilities, best[:, None], axis=1)
    return top, (best == labels).astype(np.float64)[:, None]


def _brier(labels: NDArray[Any], probabilities: Floats) -> Floats:
    """Of each sample, (n,)."""
    if labels.ndim == 2:
        return ((probabilities - labels) ** 2).mean(axis=1)
    came = labels[:, None] == np.arange(probabilities.shape[1])
    total = ((probabilities - came) ** 2).sum(axis=1)
    return total / 2 if probabilities.shape[1] == 2 else total


def _log_likelihood(labels: NDArray[Any], probabilities: Floats) -> Floats:
    """Of each sample, (n,), in nats; mean over several labels."""
    if labels.ndim == 2:
        own = np.where(labels == 1, probabilities, 1 - probabilities)
        return np.log(np.maximum(own, _SMALLEST_STEP)).mean(axis=1)
    own = np.take_along_axis(probabilities, labels[:, None].astype(np.int64), axis=1)[:, 0]
    return np.log(np.maximum(own, _SMALLEST))


def _check(labels: NDArray[Any], probabilities: Floats) -> None:
    fits = labels.shape == probabilities.shape if labels.ndim == 2 else labels.ndim == 1
    if not fits or probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise DataError(
            "labels must be (N,) with probabilities (N, C), or both (N, T); got shapes "
            f"{labels.shape} and {probabilities.shape}"
        )
    if not labels.size:
        raise DataError("labels are empty: there is nothing to compare")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise DataError("probabilities must lie in [0, 1]")
    limit = 2 if labels.ndim == 2 else probabilities.shape[1]
    if not ((labels >= 0) & (labels < limit)).all():
        raise DataError(f"labels must lie in [0, {limit})")
