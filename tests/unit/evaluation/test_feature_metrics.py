import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Feature
from hyena_glt.evaluation.feature_metrics import Span, compare_features

PLACES = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 15), st.sampled_from("+-")), max_size=8
)


def features(places):
    return [
        Feature("chr", start, start + length, "CDS", strand) for start, length, strand in places
    ]


@settings(max_examples=150, deadline=None)
@given(PLACES, PLACES, st.integers(0, 20), st.integers(21, 70), st.booleans())
def test_bases_are_those_of_a_painted_genome(truth, calls, start, end, stranded):
    span = Span("chr", start, end, 70)
    found = compare_features(features(truth), features(calls), [span], stranded=stranded)

    def painted(places):
        genome = np.zeros((2, 70), dtype=bool)
        for first, length, strand in places:
            genome["+-".index(strand) if stranded else 0, first : first + length] = True
        return genome[:, start:end]

    true, called = painted(truth), painted(calls)
    both = np.count_nonzero(true & called)

    def share(part, whole):
        return part / whole if whole else math.nan

    expected = (share(both, called.sum()), share(both, true.sum()))
    assert (found.base_precision, found.base_recall) == pytest.approx(expected, nan_ok=True)
    assert found.base_f1 == pytest.approx(share(2 * both, true.sum() + called.sum()), nan_ok=True)


def test_starts_count_behind_a_right_stop_only():
    truth = features([(10, 30, "+"), (50, 30, "-"), (90, 9, "+")])
    calls = features([(10, 30, "+"), (50, 24, "-"), (88, 8, "+"), (120, 9, "-")])
    found = compare_features(truth, calls, [Span("chr", 0, 200, 200)])
    assert (found.annotated, found.called, found.same_stop) == (3, 4, 2)
    assert (found.precision, found.recall, found.start_accuracy) == (1 / 4, 1 / 3, 1 / 2)
    assert found.f1 == pytest.approx(2 / 7)
    loose = compare_features(truth, calls, [Span("chr", 0, 200, 200)], stranded=False)
    assert (loose.same_stop, loose.f1) == (0, found.f1)
    assert math.isnan(loose.start_accuracy)


def test_what_the_end_of_a_span_cuts_counts_as_bases_only():
    truth = features([(0, 30, "+"), (90, 30, "+"), (40, 9, "+")])
    calls = features([(0, 30, "+"), (90, 10, "+"), (40, 9, "+")])
    inner = compare_features(truth, calls, [Span("chr", 0, 100, 300)])
    # The first ends with the contig and counts; the second runs out of the span.
    assert (inner.annotated, inner.called, inner.f1) == (2, 2, 1.0)
    assert (inner.base_precision, inner.base_recall) == (1.0, 1.0)
    later = compare_features(truth, calls, [Span("chr", 20, 100, 300)])
    assert (later.annotated, later.called) == (1, 1)


def test_a_feature_of_several_transcripts_counts_once():
    truth = features([(10, 30, "+")]) * 3
    found = compare_features(truth, features([(10, 30, "+")]), [Span("chr", 0, 100, 100)])
    assert (found.annotated, found.f1, found.base_f1) == (1, 1.0, 1.0)
