"""Which annotated elements a model attends to, and how alike sequences look to it.

A track is one number per base, such as the attention that each base receives.  Chance is what the
same annotation gives when it is shifted along the sequence, its ends joined: that keeps the
lengths of the elements, their distances, and how smooth the track is.

Positions are 0-based and half-open, counted from the first base of the track.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.intervals import Feature, Interval
from hyena_glt.errors import DataError

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Enrichment(NamedTuple):
    """How much more of a track lies on annotated bases than beside them.

    Attributes:
        fold: Mean of the track on annotated bases over the mean on the others.
        inside: Mean on annotated bases.
        outside: Mean on the other bases.
        bases: Annotated bases.
        p_value: Share of the shifted annotations, the true one among them, whose mean is at least
            as high.
    """

    fold: float
    inside: float
    outside: float
    bases: int
    p_value: float


def annotated_bases(
    intervals: Iterable[Interval | Feature], contig: str, start: int, length: int
) -> Mask:
    """Mark the bases of a stretch of a contig that lie in intervals.

    Args:
        intervals: Any order, any contig.
        contig: Name of the contig.
        start: First base of the stretch on the contig.
        length: Bases of the stretch.

    Returns:
        (length,) True on bases that lie in an interval.
    """
    mask = np.zeros(length, dtype=bool)
    for one in intervals:
        if one.contig == contig:
            mask[max(0, one.start - start) : max(0, one.end - start)] = True
    return mask


def enrichment(
    tracks: Sequence[Values], masks: Sequence[Mask], *, permutations: int = 9999, seed: int = 0
) -> Enrichment:
    """Test whether a track is higher on annotated bases than chance would have it.

    Args:
        tracks: One per sequence.
        masks: The annotated bases of each sequence.
        permutations: Random shifts, each sequence by its own.
        seed: Of the shifts.

    Raises:
        DataError: If a mask does not fit its track, or no base, or every base, is annotated.

    Source:
        Circular permutation: Cabrera et al. 2012, G3 2:1067.
    """
    for track, mask in zip(tracks, masks, strict=True):
        if len(track) != len(mask):
            raise DataError(f"a mask of {len(mask)} bases for a track of {len(track)}")
    annotated = sum(int(mask.sum()) for mask in masks)
    total = sum(len(track) for track in tracks)
    if not 0 < annotated < total:
        which = "every" if annotated else "no"
        raise DataError(
            f"{which} base of {total:,} is annotated: there is nothing to compare "
            "(are names and positions those of the sequences?)"
        )
    draw = np.random.default_rng(seed)
    sums = np.zeros(permutations + 1)
    for track, mask in zip(tracks, masks, strict=True):
        shifted = _sums_of_shifts(track, mask)
        chosen = draw.integers(0, len(track), permutations)
        sums += shifted[np.concatenate([[0], chosen])]
    # Shifts that give the annotation back must count as equal, whatever the rounding.
    as_high = int((sums[1:] >= sums[0] - 1e-9 * abs(sums[0])).sum())
    inside = float(sums[0]) / annotated
    whole = float(sum(track.sum() for track in tracks))
    outside = (whole - float(sums[0])) / (total - annotated)
    fold = inside / outside if outside else float("inf")
    return Enrichment(fold, inside, outside, annotated, (as_high + 1) / (permutations + 1))


def enrichment_by_kind(
    tracks: Sequence[Values],
    masks: Mapping[str, Sequence[Mask]],
    *,
    permutations: int = 9999,
    seed: int = 0,
) -> dict[str, Enrichment]:
    """Test several kinds of elements; those that cannot be tested are left out.

    Args:
        tracks: One per sequence.
        masks: The annotated bases of each sequence, by kind of element.
        permutations: Random shifts.
        seed: Of the shifts.
    """
    found = {}
    for kind, own in masks.items():
        annotated = sum(int(mask.sum()) for mask in own)
        if 0 < annotated < sum(map(len, own)):
            found[kind] = enrichment(tracks, own, permutations=permutations, seed=seed)
    return found


class Comparison(NamedTuple):
    """How alike n sequences look.

    Attributes:
        correlation: (n, n) Pearson correlation of the tracks; nan where one is constant.
        order: Numbers of the sequences, the alike beside each other.
        cluster: (n,) number of each sequence's cluster, from 0.
        tracks: (n, bins) the tracks, brought to one length.
    """

    correlation: Values
    order: list[int]
    cluster: NDArray[np.int64]
    tracks: Values


def compare_tracks(tracks: Sequence[Values], *, bins: int = 50, alike: float = 0.5) -> Comparison:
    """Compare the tracks of several sequences, and put the alike together.

    Tracks of different length are brought to one by the mean of equal parts: what is compared is
    where along the sequence something lies, not at which base.

    Args:
        tracks: One per sequence, at least two, none shorter than ``bins``.
        bins: Parts that each track is cut into.
        alike: Sequences are one cluster while the mean correlation within it is above this.

    Raises:
        DataError: If there are fewer than two tracks, or one is shorter than ``bins``.
    """
    if len(tracks) < 2:
        raise DataError(f"a comparison needs at least 2 tracks, got {len(tracks)}")
    shortest = min(map(len, tracks))
    if shortest < bins:
        raise DataError(f"a track has {shortest} bases, fewer than bins={bins}")
    parts = np.array([_means_of_parts(track, bins) for track in tracks])
    centred = parts - parts.mean(axis=1, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = centred / np.where(size > 1e-12 * np.abs(parts).max(), size, np.nan)
    correlation = unit @ unit.T
    order, cluster = _clustered(1 - np.nan_to_num(correlation, nan=0.0), 1 - alike)
    return Comparison(correlation, order, cluster, parts)


def _sums_of_shifts(track: Values, mask: Mask) -> Values:
    """Sum of the track over the mask moved to the right by 0, 1, 2, ... bases."""
    spectrum = np.fft.rfft(track) * np.conj(np.fft.rfft(mask.astype(np.float64)))
    return np.asarray(np.fft.irfft(spectrum, n=len(track)))


def _means_of_parts(track: Values, bins: int) -> Values:
    edges = np.arange(bins) * len(track) // bins
    counts = np.diff(np.append(edges, len(track)))
    return np.asarray(np.add.reduceat(track, edges) / counts)


def _clustered(distance: Values, limit: float) -> tuple[list[int], NDArray[np.int64]]:
    """Order and number of cluster by average linkage."""
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    np.fill_diagonal(distance, 0.0)
    condensed = squareform((distance + distance.T) / 2, checks=False)
    tree: Any = linkage(np.maximum(condensed, 0.0), "average", optimal_ordering=len(distance) < 500)
    numbers = fcluster(tree, limit, "distance")
    return leaves_list(tree).tolist(), np.asarray(numbers - 1, dtype=np.int64)
