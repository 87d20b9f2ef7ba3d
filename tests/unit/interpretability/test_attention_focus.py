import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Feature, Interval
from hyena_glt.errors import DataError
from hyena_glt.interpretability.attention_focus import (
    annotated_bases,
    compare_tracks,
    enrichment,
    enrichment_by_kind,
)


def test_intervals_are_marked_where_they_meet_the_stretch():
    intervals = [
        Interval("c", 95, 103),
        Feature("c", 108, 200, "CDS"),
        Interval("other", 100, 110),
        Interval("c", 0, 50),
    ]
    mask = annotated_bases(intervals, "c", 100, 10)
    assert np.flatnonzero(mask).tolist() == [0, 1, 2, 8, 9]


def track_with_peak(length=2000, start=700, size=20, height=3.0, seed=0):
    draw = np.random.default_rng(seed)
    smooth = np.convolve(draw.normal(size=length), np.ones(15) / 15, mode="same") + 5
    smooth[start : start + size] += height
    mask = np.zeros(length, dtype=bool)
    mask[start : start + size] = True
    return smooth, mask


def test_a_peak_is_found_and_a_random_place_is_not():
    track, mask = track_with_peak()
    found = enrichment([track], [mask])
    assert found.p_value < 0.01
    assert found.bases == 20
    assert found.inside == pytest.approx(track[mask].mean())
    assert found.outside == pytest.approx(track[~mask].mean())
    assert found.fold == pytest.approx(found.inside / found.outside)
    assert enrichment([-track], [mask]).p_value > 0.95


def test_p_values_of_chance_are_even_also_on_smooth_tracks():
    """A test that takes the bases for independent would call far more than a tenth."""
    values = []
    for seed in range(200):
        track, _ = track_with_peak(600, height=0.0, seed=seed)
        mask = np.zeros(600, dtype=bool)
        start = int(np.random.default_rng(seed + 1000).integers(0, 540))
        mask[start : start + 60] = True
        values.append(enrichment([track], [mask], permutations=199, seed=seed).p_value)
    assert 0.05 < np.mean(np.array(values) <= 0.1) < 0.16


@given(st.integers(2, 40), st.integers(0, 39), st.integers(0, 10**6))
def test_shifts_are_those_of_the_rolled_mask(length, shift, seed):
    from hyena_glt.interpretability.attention_focus import _sums_of_shifts

    draw = np.random.default_rng(seed)
    track, mask = draw.normal(size=length), draw.random(length) < 0.4
    sums = _sums_of_shifts(track, mask)
    rolled = np.roll(mask, shift % length)
    assert sums[shift % length] == pytest.approx(track[rolled].sum(), abs=1e-9)


def test_an_even_track_has_no_focus():
    mask = np.arange(50) < 10
    found = enrichment([np.ones(50)], [mask])
    assert (found.fold, found.p_value) == (pytest.approx(1.0), 1.0)


def test_several_sequences_count_together():
    pairs = [track_with_peak(300, 40 + 20 * n, height=0.3, seed=n) for n in range(8)]
    tracks, masks = zip(*pairs, strict=True)
    together = enrichment(tracks, masks).p_value
    alone = [enrichment([track], [mask]).p_value for track, mask in pairs]
    assert together < 0.005 < np.median(alone)


def test_kinds_that_cannot_be_tested_are_left_out():
    track, mask = track_with_peak()
    masks = {"peak": [mask], "none": [mask & False], "all": [mask | True]}
    assert list(enrichment_by_kind([track], masks)) == ["peak"]


def test_what_cannot_be_compared_is_refused():
    track = np.arange(10.0)
    with pytest.raises(DataError, match=r"no base of 10 is annotated.*names and positions"):
        enrichment([track], [np.zeros(10, dtype=bool)])
    with pytest.raises(DataError, match="every base of 10"):
        enrichment([track], [np.ones(10, dtype=bool)])
    with pytest.raises(DataError, match="a mask of 9 bases for a track of 10"):
        enrichment([track], [np.ones(9, dtype=bool)])
    with pytest.raises(DataError, match="at least 2 tracks, got 1"):
        compare_tracks([track])
    with pytest.raises(DataError, match="10 bases, fewer than bins=50"):
        compare_tracks([track, track])


def test_alike_sequences_of_different_length_come_together():
    draw = np.random.default_rng(0)

    def bump(length, centre):
        place = np.linspace(0, 1, length)
        return np.exp(-(((place - centre) / 0.05) ** 2)) + 0.02 * draw.normal(size=length)

    tracks = [bump(300, 0.2), bump(450, 0.8), bump(500, 0.2), bump(290, 0.8), bump(310, 0.2)]
    found = compare_tracks(tracks)
    assert found.tracks.shape == (5, 50)
    assert len(set(found.cluster.tolist())) == 2
    assert found.cluster[0] == found.cluster[2] == found.cluster[4] != found.cluster[1]
    assert found.correlation[0, 2] > 0.9 > 0.2 > found.correlation[0, 1]
    assert {*found.order[:2]} == {1, 3} or {*found.order[-2:]} == {1, 3}


def test_a_constant_track_is_like_none():
    found = compare_tracks([np.ones(60), np.arange(60.0), np.arange(60.0) ** 1.1])
    assert np.isnan(found.correlation[0]).all()
    assert found.cluster[1] == found.cluster[2] != found.cluster[0]
