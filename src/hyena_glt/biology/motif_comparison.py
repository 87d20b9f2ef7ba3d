"""Which known motif a motif looks like: comparison with a collection, column by column.

motif + collection -> distances between columns -> best alignment on either strand -> p, q

Two columns are as alike as their Euclidean distance is small, seen from the median distance of the
column to all columns of the collection.  What chance gives is not sampled but computed: were the
columns of the known motifs shuffled among all of them, the summed score of an alignment would be
distributed as the convolution of the distributions of its columns.  The p-value of a known motif is
that of its best alignment, corrected for the number of alignments.

Source: Gupta, Stamatoyannopoulos, Bailey and Noble 2007, Genome Biology 8:R24 (TOMTOM).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SCORE_STEPS = 100  # into which the range of one column's scores is divided
_LEAST_OVERLAP = 5  # columns; of shorter motifs all


class MotifMatch(NamedTuple):
    """A known motif beside the one it was compared with.

    Attributes:
        target: The known motif.
        p_value: Probability that a motif of shuffled columns aligns as well anywhere.
        q_value: Smallest rate of false discoveries at which this match counts, over all pairs that
            were compared together.
        offset: Column of the query at which the known motif begins; may be negative.
        overlap: Columns that face each other.
        strand: ``-`` if the known motif aligns as its reverse complement.
    """

    target: Motif
    p_value: float
    q_value: float
    offset: int
    overlap: int
    strand: Literal["+", "-"]


class Alignments(NamedTuple):
    """The best alignment of every query with every known motif.

    Attributes:
        p_values: (queries, targets), each corrected for the number of alignments.
        offsets: (queries, targets) column of the query at which the known motif begins.
        overlaps: (queries, targets) columns that face each other.
        minus: (queries, targets) whether the known motif is turned to the other strand.
    """

    p_values: Floats
    offsets: Integers
    overlaps: Integers
    minus: NDArray[np.bool_]


def match_motifs(
    queries: Sequence[Motif],
    database: Sequence[Motif],
    *,
    both_strands: bool = True,
    most: int = 10,
) -> list[list[MotifMatch]]:
    """Find the known motifs that each motif looks like.

    Args:
        queries: Motifs to name.
        database: Known motifs.  Their columns say what chance gives, so a collection of a few
            motifs tells less than a whole one.
        both_strands: Whether a known motif may be turned to the other strand.
        most: Matches given for each query.

    Returns:
        For each query the matches, best first.

    Raises:
        DataError: If the database holds no motif.

    Example:
        >>> known = [Motif.from_consensus(name, name) for name in ("TATAAA", "AGATAAG")]
        >>> (matches,) = match_motifs([Motif.from_consensus("found", "CTTATC")], known)
        >>> matches[0].target.name, matches[0].strand, matches[0].offset
        ('AGATAAG', '-', 0)
    """
    if not queries:
        return []
    aligned = align_motifs(queries, database, both_strands=both_strands)
    return best_matches(aligned, database, most=most)


def best_matches(
    aligned: Alignments, database: Sequence[Motif], *, most: int = 10
) -> list[list[MotifMatch]]:
    """Sort the known motifs for each query.

    Args:
        aligned: All alignments, with p-values from wherever.
        database: The known motifs, in the order of the columns.
        most: Matches given for each query.

    Returns:
        For each query the matches, best first; equal ones in the order of the database.
    """
    q_values = false_discovery_rates(aligned.p_values)
    return [
        [
            MotifMatch(
                database[at], float(aligned.p_values[row, at]), float(q_values[row, at]),
                int(aligned.offsets[row, at]), int(aligned.overlaps[row, at]),
                "-" if aligned.minus[row, at] else "+",
            )
            for at in order[:most]
        ]
        for row, order in enumerate(np.argsort(aligned.p_values, axis=1, kind="stable").tolist())
    ]  # fmt: skip


def align_motifs(
    queries: Sequence[Motif], database: Sequence[Motif], *, both_strands: bool = True
) -> Alignments:
    """Align every query with every known motif.

    Args:
        queries: Motifs to name; at least one.
        database: Known motifs.
        both_strands: Whether a known motif may be turned to the other strand.

    Returns:
        The best alignments.

    Raises:
        DataError: If the database holds no motif.
    """
    if not database:
        raise DataError("there is no known motif to compare with")
    strands = [[motif.probabilities for motif in database]]
    if both_strands:
        strands.append([motif.probabilities[::-1, ::-1] for motif in database])
    rows = [_align(query.probabilities, strands) for query in queries]
    return Alignments(*(np.stack(parts) for parts in zip(*rows, strict=True)))


def false_discovery_rates(p_values: Floats) -> Floats:
    """Turn p-values into q-values by the procedure of Benjamini and Hochberg.

    Args:
        p_values: Of all tests that count together, in any shape.

    Returns:
        The q-values, in the same shape.

    Source:
        Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57:289.

    Example:
        >>> false_discovery_rates(np.array([0.04, 0.01, 0.5])).round(3).tolist()
        [0.06, 0.03, 0.5]
    """
    flat = p_values.ravel()
    order = np.argsort(flat)[::-1]
    count = len(flat)
    raised = flat[order] * count / np.arange(count, 0, -1)
    found = np.empty(count)
    found[order] = np.minimum.accumulate(raised).clip(max=1.0)
    return found.reshape(p_values.shape)


def _align(query: Floats, strands: Sequence[Sequence[Floats]]) -> tuple[Floats, ...]:
    """P-value, offset, overlap and strand of the best alignment with each known motif."""
    scores = _scores(query, np.concatenate([np.concatenate(motifs) for motifs in strands]))
    tails = _Tails(scores)
    widths = np.array([len(motif) for motif in strands[0]])
    found = []
    at = 0
    for motifs in strands:
        size = int(widths.sum())
        found.append(_slide(scores[:, at : at + size], widths, tails))
        at += size
        assert len(motifs) == len(widths)
    turned = np.argmin([p for p, _, _ in found], axis=0)
    p, offset, overlap = (np.choose(turned, [one[part] for one in found]) for part in range(3))
    tried = (widths + len(query) - 1) * len(strands)
    # 1 - (1 - p)^n, without losing the small ones.
    corrected = -np.expm1(tried * np.log1p(-np.minimum(p, 1 - 1e-16)))
    return corrected, offset, overlap, turned == 1


def _scores(query: Floats, columns: Floats) -> Integers:
    """(W, n) how alike the columns are, in whole steps; the median of a row is 0."""
    squared = ((query[:, None, :] - columns[None, :, :]) ** 2).sum(axis=2)
    alike = -np.sqrt(squared)
    alike -= np.median(alike, axis=1, keepdims=True)
    spread = max(float(np.ptp(alike)), 1e-9)
    return np.rint(alike * (_SCORE_STEPS / spread)).astype(np.int64)


def _slide(
    scores: Integers, widths: NDArray[np.int64], tails: "_Tails"
) -> tuple[Floats, Integers, Integers]:
    """Best p-value, its offset and its overlap for each motif, all offsets at once.

    The motifs lie end to end with gaps of zeros, one column narrower than the query, between them.
    """
    width = len(scores)
    gap = width - 1
    starts = gap + np.concatenate([[0], np.cumsum(widths[:-1] + gap)])
    spread = np.zeros((width, int(starts[-1] + widths[-1]) + gap), dtype=np.int64)
    inside = np.repeat(starts - np.concatenate([[0], np.cumsum(widths[:-1])]), widths)
    spread[:, inside + np.arange(len(inside))] = scores
    places = spread.shape[1] - gap
    summed = np.zeros(places, dtype=np.int64)
    for row in range(width):
        summed += spread[row, row : row + places]
    # The first query column stands at each place; those of one motif are in a row.
    tried = widths + gap
    first = np.concatenate([[0], np.cumsum(tried[:-1])])
    offset = np.repeat(starts, tried) - np.arange(places)
    begin = np.maximum(offset, 0)
    end = np.minimum(offset + np.repeat(widths, tried), width)
    p = tails(begin, end, summed)
    p[end - begin < np.minimum(np.repeat(np.minimum(widths, width), tried), _LEAST_OVERLAP)] = 1.0
    best = np.minimum.reduceat(p, first)
    # Of equally good alignments the one with the highest score.
    rank = np.where(p == np.repeat(best, tried), summed, np.iinfo(np.int64).min)
    top = np.repeat(np.maximum.reduceat(rank, first), tried)
    chosen = np.minimum.reduceat(np.where(rank == top, np.arange(places), places), first)
    return best, offset[chosen], (end - begin)[chosen]


class _Tails:
    """How likely shuffled columns score at least so much against a stretch of the query."""

    def __init__(self, scores: Integers) -> None:
        width = len(scores)
        lowest = scores.min(axis=1)
        columns = [
            np.bincount(row - low) / scores.shape[1]
            for row, low in zip(scores, lowest, strict=True)
        ]
        self._base = np.zeros((width, width + 1), dtype=np.int64)
        self._lowest = np.zeros((width, width + 1), dtype=np.int64)
        self._size = np.zeros((width, width + 1), dtype=np.int64)
        tables: list[Floats] = []
        at = 0
        for begin in range(width):
            chances = np.ones(1)
            for end in range(begin + 1, width + 1):
                chances = np.convolve(chances, columns[end - 1])
                self._base[begin, end] = at
                self._lowest[begin, end] = lowest[begin:end].sum()
                self._size[begin, end] = len(chances)
                tables.append(chances[::-1].cumsum()[::-1])
                at += len(chances)
        self._tables = np.concatenate(tables)

    def __call__(self, begin: Integers, end: Integers, score: Integers) -> Floats:
        step = score - self._lowest[begin, end]
        assert (step >= 0).all() and (step < self._size[begin, end]).all()  # noqa: PT018
        found: Floats = self._tables[self._base[begin, end] + step]
        return found
