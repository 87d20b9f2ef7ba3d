import math
import time

import numpy as np
import pytest

from hyena_glt.evaluation.bootstrap import bootstrap_interval, draws, intervals
from hyena_glt.evaluation.metrics import compute_metrics


def test_every_draw_has_as_many_samples_of_each_kind():
    strata = np.array(["a", "b", "a", "a", "b", "c"])
    (weights,) = draws(6, 50, 0, strata=strata)
    assert weights.shape == (50, 6)
    for kind, size in (("a", 3), ("b", 2), ("c", 1)):
        assert (weights[:, strata == kind].sum(axis=1) == size).all()
    assert len(np.unique(weights, axis=0)) > 10


def test_without_kinds_every_sample_is_drawn_about_once():
    (weights,) = draws(5, 4000, 0)
    assert (weights.sum(axis=1) == 5).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.07)
    # Binomial of 5 draws with chance 1 / 5.
    np.testing.assert_allclose(weights.var(axis=0), 0.8, atol=0.07)


def test_tokens_of_a_sequence_are_drawn_together():
    (weights,) = draws(5, 30, 0, groups=np.array([7, 7, 9, 9, 9]))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    assert (weights[:, 0] + weights[:, 2] == 2).all()


def test_the_memory_is_bounded_and_the_draws_are_not():
    parts = list(draws(3_000_000, 3, 0))
    assert [part.shape for part in parts] == [(1, 3_000_000)] * 3


def test_the_interval_of_a_mean_is_that_of_theory():
    rng = np.random.default_rng(0)
    labels = np.zeros(400)
    scores = rng.normal(size=400)
    error = np.abs(scores)
    found = bootstrap_interval("regression", labels + rng.normal(size=400) * 1e-9, scores)["mae"]
    width = 1.96 * error.std() / math.sqrt(400)
    assert found.low == pytest.approx(error.mean() - width, abs=width / 8)
    assert found.high == pytest.approx(error.mean() + width, abs=width / 8)


def test_it_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        labels = rng.integers(2, size=150)
        right = rng.random(150) < 0.8
        scores = np.where(right, labels, 1 - labels) * 0.8 + 0.1
        interval = bootstrap_interval("single_label", labels, scores, confidence=0.8)
        hits += interval["accuracy"].low <= 0.8 <= interval["accuracy"].high
        if trial == 0:
            again = bootstrap_interval("single_label", labels, scores, confidence=0.8)
            assert again == interval
            other = bootstrap_interval("single_label", labels, scores, confidence=0.8, seed=1)
            assert other != interval
    assert 143 <= hits <= 177  # 80 % of 200 is 160, standard deviation 5.7


def test_the_value_lies_inside():
    rng = np.random.default_rng(4)
    labels = rng.integers(3, size=200)
    scores = rng.dirichlet(np.ones(3), size=200)
    scores[np.arange(200), labels] += 0.5
    scores /= scores.sum(axis=1, keepdims=True)
    values = compute_metrics("single_label", labels, scores)
    for name, interval in bootstrap_interval("single_label", labels, scores).items():
        assert interval.low < values[name] < interval.high


def test_draws_without_a_value_are_passed_over():
    labels = np.array([[-100, -100], [0, 1], [1, 0]])
    scores = np.full((3, 2, 2), 0.5)
    interval = bootstrap_interval("token", labels, scores, resamples=50)["accuracy"]
    assert interval.low == interval.high == 0.5
    alone = bootstrap_interval("single_label", [1, 1], [0.9, 0.9], resamples=5)
    assert math.isnan(alone["auroc"].low)


@pytest.mark.parametrize("options", [{"resamples": 0}, {"confidence": 0}, {"confidence": 1}])
def test_options_are_checked(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        bootstrap_interval("single_label", [0, 1], [0.1, 0.9], **options)


def test_a_thousand_draws_of_two_thousand_sequences_take_a_moment():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(2, size=2000), rng.random(2000)
    start = time.process_time()
    bootstrap_interval("single_label", labels, scores)
    assert time.process_time() - start < 5


def test_a_figure_may_be_any_function_of_the_weights():
    found = intervals(draws(3, 100, 0), lambda weights: {"total": weights.sum(axis=1)})
    assert found == {"total": (3, 3)}
