import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hyena_glt.biology import motif_comparison
from hyena_glt.biology.motif_comparison import (
    align_motifs,
    false_discovery_rates,
    match_motifs,
)
from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import DataError

RANDOM = np.random.default_rng(0)


def random_motif(name, width, random=RANDOM):
    return Motif(name, random.dirichlet([0.4] * 4, size=width))


DATABASE = [random_motif(f"known_{number}", 6 + number % 9) for number in range(60)]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("number", [0, 13, 44])
def test_a_motif_counted_from_few_sites_finds_itself(number, turned):
    known = DATABASE[number]
    sites = known.sample(np.random.default_rng(1), 40)
    counts = [[column.count(base) for base in "ACGT"] for column in zip(*sites, strict=True)]
    query = Motif.from_counts("found", [[10, 10, 10, 10], [10, 10, 10, 10], *counts])
    query = query.reverse_complement() if turned else query
    (matches,) = match_motifs([query], DATABASE)
    best, second = matches[:2]
    assert best.target is known
    assert best.q_value < 0.01 < second.q_value
    assert best.strand == ("-" if turned else "+")
    assert (best.offset, best.overlap) == (0 if turned else 2, len(known))


def test_without_the_other_strand_a_turned_motif_is_not_found():
    query = DATABASE[13].reverse_complement()
    (both,) = match_motifs([query], DATABASE)
    (forward,) = match_motifs([query], DATABASE, both_strands=False)
    assert both[0].target is DATABASE[13]
    assert forward[0].p_value > both[0].p_value
    assert {match.strand for match in forward} == {"+"}


def test_shuffled_columns_are_not_significant_and_their_p_values_are_fair():
    random = np.random.default_rng(2)
    columns = np.concatenate([motif.probabilities for motif in DATABASE])
    queries = [
        Motif(f"shuffled_{number}", columns[random.choice(len(columns), 10)])
        for number in range(30)
    ]
    p = align_motifs(queries, DATABASE).p_values
    # The correction for the number of alignments is for independent ones and so too strict.
    for level in (0.3, 0.1, 0.01):
        assert (p < level).mean() < 1.3 * level
    assert (p < 0.5).mean() > 0.1
    assert false_discovery_rates(p).min() > 0.01


def slow_best(query, target):
    """Best p-value over all alignments, each distribution by enumeration of the columns."""
    turned = Motif("", target.probabilities[::-1, ::-1])
    pool = np.concatenate([target.probabilities, turned.probabilities])
    distance = np.sqrt(((query.probabilities[:, None] - pool[None]) ** 2).sum(axis=2))
    alike = -distance
    alike -= np.median(alike, axis=1, keepdims=True)
    scores = np.rint(alike * (motif_comparison._SCORE_STEPS / max(np.ptp(alike), 1e-9)))
    least = min(len(query), len(target), motif_comparison._LEAST_OVERLAP)
    best, width = 1.0, len(target)
    for strand, offset in itertools.product(range(2), range(1 - width, len(query))):
        rows = range(max(offset, 0), min(offset + width, len(query)))
        if len(rows) < least:
            continue
        own = sum(scores[row, strand * width + row - offset] for row in rows)
        sums = [sum(s) for s in itertools.product(*(scores[row] for row in rows))]
        best = min(best, float(np.mean(np.array(sums) >= own - 1e-9)))
    return 1 - (1 - best) ** (2 * (len(query) + width - 1))


def matrices(most):
    widths = st.integers(1, most)
    counts = st.integers(0, 20)
    return widths.flatmap(lambda width: arrays(np.int64, (width, 4), elements=counts))


@settings(max_examples=60, deadline=None)
@given(matrices(4), matrices(3))
def test_p_values_equal_those_of_enumeration(first, second):
    query, target = Motif.from_counts("q", first), Motif.from_counts("t", second)
    found = align_motifs([query], [target])
    assert found.p_values[0, 0] == pytest.approx(slow_best(query, target), rel=1e-6, abs=1e-12)
    assert 1 <= found.overlaps[0, 0] <= min(len(query), len(target))
    assert -len(target) < found.offsets[0, 0] < len(query)


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_q_values_are_those_of_benjamini_and_hochberg(p):
    q = false_discovery_rates(p)
    slow = [
        min(1.0, *(value * len(p) / (p <= value).sum() for value in p if value >= own), 1.0)
        for own in p
    ]
    np.testing.assert_allclose(q, slow, rtol=1e-9)


def test_faults():
    with pytest.raises(DataError, match="no known motif"):
        match_motifs(DATABASE[:1], [])
    assert match_motifs([], DATABASE) == []
