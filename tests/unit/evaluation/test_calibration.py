import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from hyena_glt.errors import DataError
from hyena_glt.evaluation.calibration import at_temperature, calibration, fit_temperature


def drawn(seed, size, classes, temperature=1.0):
    """Labels drawn from probabilities, and the probabilities a model that is too sure would say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=1.5, size=(size, classes))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random((size, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return labels, at_temperature(honest, 1 / temperature)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 300))
def test_two_classes_as_in_scikit_learn(seed, size):
    labels, chances = drawn(seed, size, 2)
    found = calibration(labels, chances, resamples=3)
    assert found.brier == pytest.approx(brier_score_loss(labels, chances[:, 1], labels=[0, 1]))
    assert found.nll == pytest.approx(log_loss(labels, chances, labels=[0, 1]))
    filled = [one for one in found.bins if one.size]
    shares, means = calibration_curve(labels, chances[:, 1], n_bins=10)
    assert [one.share for one in filled] == pytest.approx(shares.tolist())
    assert [one.probability for one in filled] == pytest.approx(means.tolist())
    assert sum(one.size for one in found.bins) == size
    error = sum(one.size * abs(one.share - one.probability) for one in filled) / size
    assert found.ece == pytest.approx(error)


def test_more_classes_ask_for_the_most_probable_one():
    labels, chances = drawn(1, 500, 4)
    found = calibration(labels, chances)
    right, top = chances.argmax(axis=1) == labels, chances.max(axis=1)
    error = sum(
        abs(right[rows].sum() - top[rows].sum())
        for edge in np.arange(10) / 10
        if (rows := (top > edge) & (top <= edge + 0.1)).any()
    )
    assert found.ece == pytest.approx(error / 500)
    one_hot = np.eye(4)[labels]
    assert found.brier == pytest.approx(((chances - one_hot) ** 2).sum(axis=1).mean())
    assert found.nll == pytest.approx(log_loss(labels, chances))
    for name, interval in found.intervals.items():
        assert interval.low < interval.high, name
    assert found.intervals["brier"].low < found.brier < found.intervals["brier"].high


def test_several_labels_are_questions_of_their_own():
    labels = np.array([[0, 1], [1, 1]])
    chances = np.array([[0.25, 1.0], [0.85, 0.35]])
    found = calibration(labels, chances, resamples=5)
    assert found.ece == pytest.approx((0.25 + 0.0 + 0.15 + 0.65) / 4)
    assert found.brier == pytest.approx((0.25**2 + 0 + 0.15**2 + 0.65**2) / 4)
    flat = log_loss(labels.ravel(), chances.ravel())
    assert found.nll == pytest.approx(flat, rel=1e-5)


def test_edges_belong_to_the_lower_bin_and_empty_bins_have_no_share():
    labels, said = np.array([0, 1, 1]), np.array([0.0, 0.1, 1.0])
    found = calibration(labels, np.stack([1 - said, said], axis=1), resamples=3)
    assert [one.size for one in found.bins] == [2, *[0] * 8, 1]
    assert found.bins[0].share == 0.5
    assert math.isnan(found.bins[1].share)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_that_was_put_on_is_found(temperature, classes):
    labels, chances = drawn(0, 6000, classes, temperature)
    found = fit_temperature(labels, chances)
    assert found == pytest.approx(temperature, rel=0.08)
    before, after = (
        calibration(labels, some, resamples=3) for some in (chances, at_temperature(chances, found))
    )
    assert after.nll <= before.nll + 1e-9
    if temperature != 1:
        assert after.ece < before.ece / 2


def test_the_temperature_of_several_labels():
    rng = np.random.default_rng(0)
    honest = rng.uniform(0.05, 0.95, size=(3000, 3))
    labels = (rng.random((3000, 3)) < honest).astype(int)
    said = at_temperature(honest, 0.5, several=True)
    assert fit_temperature(labels, said) == pytest.approx(2, rel=0.08)


@given(st.integers(0, 10**6), st.floats(0.5, 2))
def test_a_temperature_changes_no_ranking_and_can_be_taken_back(seed, temperature):
    _, chances = drawn(seed, 20, 3)
    changed = at_temperature(chances, temperature)
    assert (changed.argmax(axis=1) == chances.argmax(axis=1)).all()
    np.testing.assert_allclose(changed.sum(axis=1), 1)
    np.testing.assert_allclose(at_temperature(changed, 1 / temperature), chances, atol=1e-6)
    several = at_temperature(at_temperature(chances, temperature, True), 1 / temperature, True)
    np.testing.assert_allclose(several, chances, atol=1e-6)


def test_probabilities_of_zero_and_one_are_no_trouble():
    chances = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = calibration(np.array([0, 1, 1]), chances, resamples=3)
    assert math.isfinite(found.nll)
    assert np.isfinite(at_temperature(chances, 0.05)).all()
    assert np.isfinite(at_temperature(chances, 0.05, several=True)).all()


def test_predictions_that_are_all_right_set_no_limit():
    labels = np.array([0, 1])
    with pytest.warns(RuntimeWarning, match=r"temperature: .* so it is 0\.05"):
        assert fit_temperature(labels, np.array([[0.9, 0.1], [0.1, 0.9]])) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("labels", "chances", "message"),
    [
        ([0, 1], [[0.5, 0.5]], "got shapes"),
        ([[0, 1]], [[0.5, 0.5, 0.5]], "got shapes"),
        ([0], [0.5], "got shapes"),
        (np.zeros(0), np.zeros((0, 2)), "empty"),
        ([0], [[1.5, -0.5]], r"\[0, 1\]"),
        ([0], [[math.nan, 0.5]], r"\[0, 1\]"),
        ([2], [[0.5, 0.5]], r"labels must lie in \[0, 2\)"),
        ([[2, 0]], [[0.5, 0.5]], r"labels must lie in \[0, 2\)"),
    ],
)
def test_faults_are_named(labels, chances, message):
    with pytest.raises(DataError, match=message):
        calibration(np.array(labels), np.array(chances))
