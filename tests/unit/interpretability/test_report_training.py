import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.interpretability.report_training import (
    compression_figure,
    smooth,
    training_figures,
)
from hyena_glt.interpretability.run_folder import read_run
from hyena_glt.interpretability.run_records import Evaluation, Step, Weights


def step(number, loss=0.5, **values):
    return Step(event="step", step=number, loss=loss, **values)


def evaluation(number, split="validation", **metrics):
    return Evaluation(event="evaluation", split=split, step=number, loss=0.4, metrics=metrics)


def test_a_run_gives_its_curves_in_order(run_folder):
    run = read_run(run_folder())
    figures = training_figures(run.steps, run.evaluations)
    assert [figure.title for figure in figures] == [
        "Loss",
        "Validation metrics",
        "Learning rate",
        "Gradient norm",
    ]
    loss, metrics, *_ = figures
    assert [series.name for series in loss.legend] == [
        "train, each logged step",
        "train, smoothed",
        "validation",
    ]
    assert [series.name for series in metrics.legend] == ["MCC", "AUROC", "accuracy"]
    compression = compression_figure(run.steps)
    assert compression is not None
    assert "nucleotides per patch" in compression.svg


def test_nothing_logged_gives_nothing():
    assert training_figures([], []) == []
    assert compression_figure([]) is None
    assert compression_figure([step(1)]) is None


def test_a_short_run_is_drawn_as_it_is():
    (loss,) = training_figures([step(1, 0.9), step(2, 0.7)], [])
    assert [series.name for series in loss.legend] == ["train, each logged step"]


def test_the_test_set_is_not_a_point_of_the_validation_curve():
    figures = training_figures([step(10)], [evaluation(10, split="test", mcc=0.9)])
    assert [figure.title for figure in figures] == ["Loss"]
    assert [series.name for series in figures[0].legend] == ["train, each logged step"]


def test_errors_and_scores_do_not_share_an_axis():
    events = [evaluation(10, pearson=0.5, rmse=12.0), evaluation(20, pearson=0.6, rmse=9.0)]
    titles = {figure.title: figure for figure in training_figures([], events)}
    assert [s.name for s in titles["Validation metrics"].legend] == ["pearson"]
    assert [s.name for s in titles["Validation errors"].legend] == ["RMSE"]


def test_a_metric_that_is_never_defined_is_not_drawn():
    events = [evaluation(10, mcc=math.nan, accuracy=0.5)]
    (_, metrics) = training_figures([], events)
    assert [series.name for series in metrics.legend] == ["accuracy"]


def test_one_wild_loss_does_not_flatten_the_curve():
    steps = [step(number, 0.5 + 0.1 * (number % 2)) for number in range(1, 200)] + [step(200, 9e9)]
    (loss,) = training_figures(steps, [])
    numbers = re.search(r'data-scale="([^"]*)"', loss.svg)
    assert numbers is not None
    assert float(numbers.group(1).split()[-1]) > 1e6  # the smoothed line is never cut
    steps[-1] = step(200, 90.0)
    smoothed = max(smooth([s.loss for s in steps], 10))
    (loss,) = training_figures(steps, [])
    numbers = re.search(r'data-scale="([^"]*)"', loss.svg)
    assert numbers is not None
    assert smoothed < float(numbers.group(1).split()[-1]) < 20


def test_a_diverged_loss_leaves_a_gap():
    steps = [step(number, math.nan if number > 5 else 0.5) for number in range(1, 11)]
    (loss,) = training_figures(steps, [])
    assert "nan" not in loss.svg
    assert training_figures([step(1, math.nan)], []) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(2, 20))
def test_smoothing_agrees_with_the_weighted_mean(values, span):
    keep = 1 - 2 / (span + 1)
    for end, average in enumerate(smooth(values, span)):
        weights = [keep ** (end - index) for index in range(end + 1)]
        expected = math.fsum(w * v for w, v in zip(weights, values[: end + 1], strict=True))
        assert average == pytest.approx(expected / math.fsum(weights), rel=1e-9, abs=1e-6)


def test_smoothing_steps_over_what_is_not_finite():
    first, second, third = smooth([1.0, math.nan, 1.0], 5)
    assert first == third == 1.0
    assert math.isnan(second)


def test_speed_is_that_of_the_training_without_evaluations():
    seconds = [1.0, 2.0, 30.0, 31.0]
    steps = [step(n, tokens=100 * n, seconds=at) for n, at in enumerate(seconds, start=1)]
    figures = training_figures(steps, [evaluation(2)])
    (speed,) = [figure for figure in figures if figure.title == "Speed"]
    (line,) = speed.legend
    assert (list(line.x), list(line.y)) == ([2, 4], [200, 400])
    assert not [f for f in training_figures([step(1), step(2)], []) if f.title == "Speed"]


def test_each_of_several_tasks_has_curves_of_its_own():
    events = [
        Evaluation(event="evaluation", split="validation", task=task, step=n, loss=n / 10,
                   metrics={"mcc": 0.1 * n})
        for n in (1, 2) for task in ("tf_0", "tf_1")
    ]  # fmt: skip
    losses = [0.7, 0.01, 0.6, 0.02]
    steps = [step(n, loss, task=f"tf_{1 - n % 2}") for n, loss in enumerate(losses, start=1)]
    figures = training_figures(steps, events)
    assert [figure.title for figure in figures] == [
        "Loss of tf_0", "Loss of tf_1", "Validation metrics of tf_0", "Validation metrics of tf_1",
    ]  # fmt: skip
    trained = (([1, 3], [0.7, 0.6]), ([2, 4], [0.01, 0.02]))
    for figure, train in zip(figures[:2], trained, strict=True):
        drawn, validation = figure.legend
        assert (list(drawn.x), list(drawn.y)) == train
        assert (validation.name, list(validation.y)) == ("validation", [0.1, 0.2])


def test_learned_weights_of_the_tasks_are_drawn():
    events = [Weights(event="weights", step=n, weights={"a": 1.0, "b": 0.5 * n}) for n in (1, 2)]
    (figure,) = [f for f in training_figures([step(2)], [], events) if "Weights" in f.title]
    assert [(line.name, list(line.y)) for line in figure.legend] == [
        ("a", [1.0, 1.0]), ("b", [0.5, 1.0]),
    ]  # fmt: skip
