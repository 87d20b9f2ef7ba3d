"""How well called features agree with annotated ones: bases, whole features, start codons.

annotated features, called features -> bases in both -> features in both -> starts behind one stop

Positions are 0-based and half-open, on the strand of the file.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from hyena_glt.biology.intervals import Feature


class Span(NamedTuple):
    """The part of a contig in which features are compared.

    Attributes:
        contig: Its name.
        start: First base.
        end: Behind the last base.
        length: Bases of the whole contig.
    """

    contig: str
    start: int
    end: int
    length: int


class FeatureMetrics(NamedTuple):
    """Agreement of called and annotated features; nan where a figure is not defined.

    Attributes:
        annotated: Annotated features that lie wholly in the part that is compared.
        called: Called features.
        base_precision: Share of the bases called that are annotated, each strand for itself.
        base_recall: Share of the bases annotated that are called.
        base_f1: Harmonic mean of the two.
        precision: Share of the called features that are annotated with the same first and last
            base.
        recall: Share of the annotated features that are called so.
        f1: Harmonic mean of the two.
        same_stop: Called features whose 3′ end (that of the stop codon) is one of an annotated one.
        start_accuracy: Of those, the share whose 5′ end (that of the start codon) is right too.
    """

    annotated: int
    called: int
    base_precision: float
    base_recall: float
    base_f1: float
    precision: float
    recall: float
    f1: float
    same_stop: int
    start_accuracy: float


def compare_features(
    annotated: Iterable[Feature],
    called: Iterable[Feature],
    spans: Sequence[Span],
    *,
    stranded: bool = True,
) -> FeatureMetrics:
    """Compare called with annotated features of one kind.

    Features count once, however often they are annotated (as exons of several transcripts).  For
    bases, features are cut where a span ends.  As whole features, those that reach beyond a span,
    and those called that touch an end of it within the contig, count on neither side: nobody
    could have called them right.

    Args:
        annotated: The truth; features outside of the spans are left aside.
        called: What was found.
        spans: What was searched.
        stranded: Strands must agree; False: they are left aside, and so are start codons.

    Example:
        >>> gene = Feature("chr", 10, 40, "CDS", "+")
        >>> short = Feature("chr", 16, 40, "CDS", "+")
        >>> found = compare_features([gene], [short], [Span("chr", 0, 100, 100)])
        >>> found.base_precision, found.base_recall, found.f1, found.same_stop, found.start_accuracy
        (1.0, 0.8, 0.0, 1, 0.0)
    """
    truth, calls = (_places(features, stranded) for features in (annotated, called))
    bases = np.zeros(3, dtype=np.int64)  # annotated, called, both
    wholes: tuple[set[_Place], set[_Place]] = (set(), set())
    for span in spans:
        for strand in "+-" if stranded else ".":
            own = [_within(places[span.contig, strand], span) for places in (truth, calls)]
            bases += _lengths(own[0], own[1])
        for found, places in zip(wholes, (truth, calls), strict=True):
            found |= {
                (span.contig, start, end, strand)
                for (contig, strand), stretches in places.items()
                if contig == span.contig
                for start, end in stretches
                if _lies_in(start, end, span)
            }
    return _metrics(bases.tolist(), *wholes, stranded=stranded)


_Place = tuple[str, int, int, str]
_Stretches = list[tuple[int, int]]


def _places(features: Iterable[Feature], stranded: bool) -> dict[tuple[str, str], _Stretches]:
    found: dict[tuple[str, str], _Stretches] = defaultdict(list)
    for feature in features:
        strand = feature.strand if stranded else "."
        found[feature.contig, strand].append((feature.start, feature.end))
    return found


def _within(stretches: _Stretches, span: Span) -> _Stretches:
    """Stretches cut to a span and joined where they touch, by position."""
    joined: list[list[int]] = []
    for first, last in sorted(stretches):
        start, end = max(first, span.start), min(last, span.end)
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return [(start, end) for start, end in joined]


def _lengths(first: _Stretches, second: _Stretches) -> tuple[int, int, int]:
    """Bases of each, and of both."""
    both, at = 0, 0
    for start, end in first:
        while at < len(second) and second[at][1] <= start:
            at += 1
        for other_start, other_end in second[at:]:
            if other_start >= end:
                break
            both += min(end, other_end) - max(start, other_start)
    return (
        sum(end - start for start, end in first), sum(end - start for start, end in second), both,
    )  # fmt: skip


def _lies_in(start: int, end: int, span: Span) -> bool:
    left = start >= span.start and (start > span.start + 2 or span.start == 0)
    right = end <= span.end and (end < span.end - 2 or span.end == span.length)
    return left and right


def _metrics(
    bases: list[int], truth: set[_Place], calls: set[_Place], *, stranded: bool
) -> FeatureMetrics:
    base_precision, base_recall = _share(bases[2], bases[1]), _share(bases[2], bases[0])
    exact = len(truth & calls)
    precision, recall = _share(exact, len(calls)), _share(exact, len(truth))
    stops = {_stop(place) for place in truth}
    same_stop = [place for place in calls if _stop(place) in stops] if stranded else []
    return FeatureMetrics(
        len(truth), len(calls),
        base_precision, base_recall, _share(2 * bases[2], bases[0] + bases[1]),
        precision, recall, _share(2 * exact, len(truth) + len(calls)),
        len(same_stop), _share(sum(place in truth for place in same_stop), len(same_stop)),
    )  # fmt: skip


def _stop(place: _Place) -> tuple[str, int, str]:
    contig, start, end, strand = place
    return contig, start if strand == "-" else end, strand


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
