"""Seqlets: the short stretches of sequence on which predictions rest.

attribution of every base -> sums over windows -> threshold by shuffling -> windows that stand out

A window stands out if the attributions in it add up to more than those of shuffled positions do:
single great values are as frequent after shuffling, runs of them are not.  The threshold lets in
windows at a rate of false discoveries that the caller names.  Positions are 0-based and half-open,
in bases.

Source:
    The idea: Shrikumar et al. 2018, arXiv:1811.00416 (TF-MoDISco).  The null by shuffling is ours.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import ConfigError

Floats = NDArray[np.float64]
Evidence = Literal["for", "against"]

_SHUFFLED_WINDOWS = 200_000  # at least; bounds the noise of the threshold
_MOST_SHUFFLES = 20


class Seqlet(NamedTuple):
    """A stretch of one sequence that stands out.

    Attributes:
        sequence: Number of the sequence.
        start: First base of the window.
        stop: Behind its last base.
        score: Sum of the attributions in it; below 0 if it speaks against the prediction.
    """

    sequence: int
    start: int
    stop: int
    score: float


def call_seqlets(
    attributions: Sequence[Floats],
    evidence: Evidence = "for",
    *,
    width: int = 8,
    false_discovery_rate: float = 0.05,
    seed: int = 0,
) -> list[Seqlet]:
    """Find the windows that speak for, or against, a prediction.

    Args:
        attributions: Of each sequence (l,) what every base is worth.
        evidence: ``for`` looks at sums above 0, ``against`` at those below.
        width: Bases of a window; about those of the shortest motif.
        false_discovery_rate: Share of the windows that may stand out by chance.
        seed: Of the shuffles.

    Returns:
        Windows that do not overlap, those with the greatest sums first.

    Raises:
        ConfigError: If ``width`` is below 1, or the rate is not in (0, 1).

    Example:
        >>> track = np.zeros(60)
        >>> track[20:28] = 1.0
        >>> call_seqlets([track] * 50)[0]
        Seqlet(sequence=0, start=20, stop=28, score=8.0)
    """
    if width < 1:
        raise ConfigError(f"width must be at least 1 base, got {width}")
    if not 0 < false_discovery_rate < 1:
        raise ConfigError(f"false_discovery_rate must be in (0, 1), got {false_discovery_rate!r}")
    sign = 1.0 if evidence == "for" else -1.0
    tracks = [np.nan_to_num(np.asarray(one, dtype=np.float64)) for one in attributions]
    even = [sign * track for track in _evened(tracks)]
    sums = [_window_sums(track, width) for track in even]
    observed = np.concatenate([np.empty(0), *sums])
    if not (observed > 0).any():
        return []
    null = _shuffled_sums(even, width, len(observed), np.random.default_rng(seed))
    threshold = _threshold(observed, null, false_discovery_rate)
    found = [
        Seqlet(number, start, start + width, float(tracks[number][start : start + width].sum()))
        for number, own in enumerate(sums)
        for start in _peaks(own, threshold, width)
    ]
    return sorted(found, key=lambda seqlet: (-abs(seqlet.score), seqlet[:2]))


def _evened(tracks: Sequence[Floats]) -> list[Floats]:
    """Bring strong sequences down to the others; weak ones stay weak.

    Otherwise the few with the greatest attributions rule the threshold: any of their positions,
    shuffled, is worth more than a whole motif elsewhere.
    """
    spreads = np.array([np.sqrt((track**2).mean()) if len(track) else 0.0 for track in tracks])
    usual = float(np.median(spreads[spreads > 0])) if (spreads > 0).any() else 1.0
    return [track / np.hypot(spread, usual) for track, spread in zip(tracks, spreads, strict=True)]


def _window_sums(track: Floats, width: int) -> Floats:
    if len(track) < width:
        return np.empty(0)
    summed = np.concatenate([[0.0], np.cumsum(track)])
    return summed[width:] - summed[:-width]


def _shuffled_sums(
    tracks: Sequence[Floats], width: int, windows: int, random: np.random.Generator
) -> Floats:
    """Sums of the same windows after shuffling the positions within each sequence."""
    turns = min(max(1, -(-_SHUFFLED_WINDOWS // windows)), _MOST_SHUFFLES)
    return np.concatenate(
        [_window_sums(random.permutation(track), width) for _ in range(turns) for track in tracks]
    )


def _threshold(observed: Floats, null: Floats, rate: float) -> float:
    """Smallest sum from which on the share of false discoveries stays below the rate."""
    values = np.sort(observed[observed > 0])
    above = np.arange(len(values), 0, -1)
    by_chance = len(null) - np.searchsorted(np.sort(null), values)
    false = by_chance * (len(observed) / len(null)) / above
    within = np.flatnonzero(false <= rate)
    return float(values[within[0]]) if within.size else np.inf


def _peaks(sums: Floats, threshold: float, width: int) -> list[int]:
    """Starts of the windows above the threshold, greatest first, no two of which overlap."""
    free = np.ones(len(sums), dtype=np.bool_)
    chosen: list[int] = []
    candidates = np.flatnonzero(sums >= threshold)
    for start in candidates[np.argsort(-sums[candidates], kind="stable")].tolist():
        if free[start]:
            chosen.append(start)
            free[max(start - width + 1, 0) : start + width] = False
    return chosen
