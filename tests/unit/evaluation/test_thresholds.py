import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hyena_glt.errors import DataError
from hyena_glt.evaluation.thresholds import best_threshold, figures_at


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 40))
def test_no_other_threshold_is_better(seed, size):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=size)
    labels[:2] = 0, 1
    chances = rng.integers(6, size=size) / 5
    chances[:2] = 0, 1
    found = best_threshold(labels, chances)
    mcc = oracle.matthews_corrcoef(labels, chances >= found.value)
    assert found.mcc == pytest.approx(mcc)
    for other in np.linspace(0.01, 1, 12):  # all of them call some and not all
        assert oracle.matthews_corrcoef(labels, chances >= other) <= found.mcc + 1e-9


def test_a_rare_class_is_called_from_a_low_probability():
    labels = np.array([0] * 18 + [1, 1])
    chances = np.array([0.02] * 17 + [0.1, 0.2, 0.3])
    assert best_threshold(labels, chances) == pytest.approx((0.15, 1.0))
    assert oracle.matthews_corrcoef(labels, chances >= 0.5) == 0


def test_of_equally_good_ones_the_one_nearest_to_one_half():
    labels, chances = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.6, 0.9])
    assert best_threshold(labels, chances).value == pytest.approx(0.75)
    neighbours = np.array([0.5, np.nextafter(0.5, 1)])
    found = best_threshold(np.array([0, 1]), neighbours)
    assert ((neighbours >= found.value) == [False, True]).all()


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_threshold(labels):
    with pytest.warns(RuntimeWarning, match="all labels are equal and so it is nan"):
        assert math.isnan(best_threshold(np.array(labels), np.array([0.1, 0.5, 0.9])).value)


def test_equal_probabilities_have_no_threshold():
    with pytest.warns(RuntimeWarning, match="all probabilities are equal"):
        assert math.isnan(best_threshold(np.array([0, 1]), np.array([0.5, 0.5])).value)


def test_figures_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = (rng.random(300) < 0.1).astype(int)
    chances = np.clip(0.2 * labels + 0.3 * rng.random(300), 0, 1)
    found = figures_at(labels, chances, 0.21)
    calls = chances >= 0.21
    assert found.figures == pytest.approx(
        {
            "accuracy": oracle.accuracy_score(labels, calls),
            "mcc": oracle.matthews_corrcoef(labels, calls),
            "f1": oracle.f1_score(labels, calls),
            "precision": oracle.precision_score(labels, calls),
            "recall": oracle.recall_score(labels, calls),
        }
    )
    for name, interval in found.intervals.items():
        assert interval.low < found.figures[name] < interval.high


def test_no_call_has_no_precision():
    found = figures_at(np.array([0, 1]), np.array([0.1, 0.2]), 0.9, resamples=5)
    assert math.isnan(found.figures["precision"])
    assert found.figures["recall"] == 0


@pytest.mark.parametrize(
    ("labels", "chances", "message"),
    [
        ([0, 1], [0.5], "got shapes"),
        ([0, 2], [0.5, 0.5], "0 or 1"),
        ([], [], "empty"),
    ],
)
def test_faults_are_named(labels, chances, message):
    with pytest.raises(DataError, match=message):
        best_threshold(np.array(labels), np.array(chances))
