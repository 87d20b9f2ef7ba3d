import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hyena_glt.errors import ConfigError
from hyena_glt.interpretability.seqlets import call_seqlets


def tracks(count=60, length=120, seed=0, height=1.0):
    """Noise with a stretch of 10 bases in every other track that stands out."""
    random = np.random.default_rng(seed)
    found, planted = [], []
    for number in range(count):
        track = random.normal(0, 0.3, length)
        if number % 2 == 0:
            start = int(random.integers(0, length - 10))
            track[start : start + 10] += height
            planted.append((number, start))
        found.append(track)
    return found, planted


@pytest.mark.parametrize(("evidence", "height"), [("for", 1.0), ("against", -1.0)])
def test_planted_stretches_are_found_and_little_else(evidence, height):
    made, planted = tracks(height=height)
    found = call_seqlets(made, evidence, width=8)
    hit = {
        (number, start)
        for number, start in planted
        for one in found
        if one.sequence == number and abs(one.start - start - 1) <= 3
    }
    assert len(hit) >= 0.95 * len(planted)
    assert len(found) <= 1.15 * len(planted)
    assert all((one.score > 0) == (evidence == "for") for one in found)
    other = call_seqlets(made, "against" if evidence == "for" else "for", width=8)
    assert len(other) <= 0.1 * len(planted)


def test_noise_gives_next_to_nothing_however_great_its_single_values():
    random = np.random.default_rng(1)
    noise = [random.standard_t(2, 150) for _ in range(80)]
    assert len(call_seqlets(noise)) <= 4


@given(
    st.lists(arrays(np.float64, st.integers(0, 40), elements=st.floats(-5, 5)), max_size=6),
    st.integers(1, 12),
)
def test_windows_lie_inside_and_do_not_overlap(made, width):
    found = call_seqlets(made, width=width, false_discovery_rate=0.9)
    for one in found:
        assert 0 <= one.start < one.stop == one.start + width <= len(made[one.sequence])
        assert one.score == pytest.approx(made[one.sequence][one.start : one.stop].sum(), abs=1e-9)
    covered = [(one.sequence, base) for one in found for base in range(one.start, one.stop)]
    assert len(covered) == len(set(covered))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_the_seed_decides():
    made, _ = tracks(height=0.4)
    assert call_seqlets(made, seed=3) == call_seqlets(made, seed=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"width": 0}, "width"), ({"false_discovery_rate": 1.0}, "false_discovery_rate")],
)
def test_faults(options, message):
    with pytest.raises(ConfigError, match=message):
        call_seqlets([np.ones(9)], **options)
