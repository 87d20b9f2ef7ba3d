import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.interpretability.report_testing import (
    MAX_DOTS,
    assess,
    assess_bases,
    split_labels,
)
from hyena_glt.interpretability.run_folder import read_run
from hyena_glt.interpretability.run_records import ClassFigures, Metrics, Predictions


def binary(truth, positive):
    """Predictions of the classes "no" and "yes" from the probabilities of "yes"."""
    return Predictions(
        ["yes" if value else "no" for value in truth],
        ["yes" if p > 0.5 else "no" for p in positive],
        {"no": [1 - p for p in positive], "yes": list(positive)},
    )


def titles(found):
    return [figure.title for figure in found.figures]


def figure(found, title):
    return next(item for item in found.figures if item.title == title)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20).map(lambda n: n / 20)), min_size=2).filter(
        lambda rows: {truth for truth, _ in rows} == {True, False}
    )
)
def test_auroc_is_the_chance_to_rank_a_pair_right(rows):
    truth, positive = zip(*rows, strict=True)
    found = assess(binary(truth, positive), None)
    yes = [p for t, p in rows if t]
    no = [p for t, p in rows if not t]
    wins = sum((p > q) + 0.5 * (p == q) for p in yes for q in no) / (len(yes) * len(no))
    assert found.classes[1].auroc == pytest.approx(wins)
    assert found.classes[0].auroc == pytest.approx(wins)
    assert f"AUROC {wins:.3f}"[:-1] in figure(found, "ROC").svg
    assert found.problems == []


def test_counts_of_two_classes():
    found = assess(binary([1, 1, 1, 0, 0], [0.9, 0.8, 0.3, 0.6, 0.1]), None)
    assert titles(found) == ["ROC", "Precision and recall", "Confusion matrix", "Calibration"]
    no, yes = found.classes
    assert (no.sequences, yes.sequences) == (2, 3)
    assert yes.sensitivity == no.specificity == pytest.approx(2 / 3)
    assert yes.specificity == no.sensitivity == pytest.approx(1 / 2)
    cells = re.findall(r'cell-count"[^>]*>(\d+)<', figure(found, "Confusion matrix").svg)
    assert cells == ["1", "1", "1", "2"]
    assert [series.name for series in figure(found, "ROC").legend] == ["yes", "chance"]


def test_calibration_error_is_the_mean_gap():
    found = assess(binary([1, 0, 1, 1], [0.25, 0.25, 0.85, 0.85]), None)
    # two bins: 0.25 said against 0.5 seen, 0.85 against 1
    error = 0.5 * 0.25 + 0.5 * 0.15
    assert f"Expected calibration error {error:.3f}" in figure(found, "Calibration").caption


def test_one_class_alone_has_no_curve_and_no_warning():
    found = assess(binary([1, 1], [0.9, 0.2]), None)
    assert "ROC" not in titles(found)
    assert math.isnan(found.classes[1].auroc)
    assert math.isnan(found.classes[0].sensitivity)


def test_more_classes_are_drawn_one_against_the_rest(run_folder):
    run = read_run(run_folder("single_label", ("none", "donor", "acceptor")))
    assert run.predictions is not None
    found = assess(run.predictions, run.metrics)
    assert [series.name for series in figure(found, "ROC").legend] == [
        "none",
        "donor",
        "acceptor",
        "chance",
    ]
    assert sum(row.sequences for row in found.classes) == found.sequences == 600


def test_many_classes_are_cut_to_the_largest():
    labels = [f"c{index}" for index in range(25)]
    truth = [label for index, label in enumerate(labels) for _ in range(index + 1)]
    p = {name: [0.9 if t == name else 0.1 / 24 for t in truth] for name in labels}
    found = assess(Predictions(truth, truth, p), None)
    assert [s.name for s in figure(found, "ROC").legend] == [*labels[-8:], "chance"]
    matrix = figure(found, "Confusion matrix")
    assert matrix.svg.count("<rect") == 400
    assert "20 classes" in matrix.caption
    assert len(found.classes) == 25


def test_several_labels_of_one_sequence():
    metrics = Metrics(task="multi_label", labels=["H3K4me3", "CTCF"])
    predictions = Predictions(
        ["H3K4me3;CTCF", "", "CTCF", "H3K4me3"],
        ["H3K4me3", "", "CTCF", "H3K4me3, CTCF"],
        {"H3K4me3": [0.9, 0.2, 0.1, 0.8], "CTCF": [0.4, 0.1, 0.7, 0.6]},
    )
    found = assess(predictions, metrics)
    assert "Confusion matrix" not in titles(found)
    histone, factor = found.classes
    assert (histone.sensitivity, histone.specificity, histone.auroc) == (1.0, 1.0, 1.0)
    assert (factor.sensitivity, factor.specificity, factor.auroc) == (0.5, 0.5, 0.75)


def test_labels_are_split_at_commas_and_semicolons():
    assert split_labels(" a, b;c ;;") == {"a", "b", "c"}
    assert split_labels("") == set()


def test_an_unknown_class_is_a_problem():
    found = assess(Predictions(["maybe"], ["a"], {"a": [0.5], "b": [0.5]}), None)
    assert found.figures == []
    assert "the class 'maybe'" in found.problems[0]


def test_undefined_probabilities_are_left_out():
    found = assess(binary([1, 0, 1], [0.9, 0.2, math.nan]), None)
    assert found.problems[0].startswith("Left out of the test-set plots: 1 of 3")
    assert [row.sequences for row in found.classes] == [1, 1]


def test_scores_that_are_no_probabilities_have_no_calibration():
    found = assess(binary([1, 0], [3.0, -2.0]), None)
    assert titles(found) == ["ROC", "Precision and recall", "Confusion matrix"]
    assert "outside 0 to 1" in found.problems[0]


def test_classes_without_probabilities_are_still_counted():
    metrics = Metrics(task="single_label", labels=["a", "b"])
    found = assess(Predictions(["a", "b"], ["a", "a"], {}), metrics)
    assert titles(found) == ["Confusion matrix"]


def test_regression_is_a_scatter():
    found = assess(Predictions(["1.0", "2", "x"][:2], ["1.5", "1.8"], {}), None)
    assert titles(found) == ["Predicted against true"]
    assert found.figures[0].svg.count("h0") == 2 + 1  # two dots and the pen of the dashed line
    wrong = assess(Predictions(["1.0", "high"], ["1.5", "1.8"], {}), None)
    assert "not a number" in wrong.problems[0]
    nothing = assess(Predictions(["nan"], ["1.5"], {}), None)
    assert nothing.figures == []


def test_a_large_scatter_is_a_sample_that_says_so():
    values = [str(index) for index in range(MAX_DOTS + 500)]
    found = assess(Predictions(values, values, {}), None)
    assert "2,000 of 2,500 sequences are drawn" in found.figures[0].caption
    assert found.figures[0].svg.count("h0") == MAX_DOTS + 1


def test_classes_of_bases_are_drawn_from_the_metrics():
    names = ("other", "CDS+")
    classes = [ClassFigures(name=name, bases=100) for name in names]
    metrics = Metrics(task="token", classes=classes, confusion=[[90, 10], [25, 75]])
    found = assess_bases(metrics)
    assert found.sequences == 200
    (figure,) = found.figures
    assert "true CDS+, predicted other: 25 (25.0% of true CDS+)" in figure.svg
    torn = assess_bases(metrics.model_copy(update={"confusion": [[1], [2]]}))
    assert torn.figures == []
    assert "does not fit" in torn.problems[0]


def test_an_empty_table_is_told():
    assert "holds no sequence" in assess(Predictions([], [], {}), None).problems[0]
