import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from hyena_glt.errors import DataError
from hyena_glt.evaluation.metrics import (
    compute_metrics,
    language_modeling_metrics,
)

PROBABILITIES = st.integers(0, 8).map(lambda eighths: eighths / 8)  # ties happen


def both_classes(data, n):
    labels = data.draw(npst.arrays(np.int64, n, elements=st.integers(0, 1)))
    labels[:2] = 0, 1
    return labels


def pairwise_auroc(labels, scores):
    """How often a positive scores above a negative; ties count half."""
    wins = [
        1.0 if positive > negative else 0.5 if positive == negative else 0.0
        for positive in scores[labels == 1]
        for negative in scores[labels == 0]
    ]
    return sum(wins) / len(wins)


def stepwise_auprc(labels, scores):
    """Precision at each threshold, weighted by the recall gained there."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = labels[scores >= threshold]
        recall = chosen.sum() / labels.sum()
        total += (recall - before) * chosen.mean()
        before = recall
    return total


@given(st.data(), st.integers(2, 30))
@settings(deadline=None)
def test_two_classes_against_definitions(data, n):
    labels = both_classes(data, n)
    scores = data.draw(npst.arrays(np.float64, n, elements=PROBABILITIES))
    found = compute_metrics("single_label", labels, scores)
    predicted = (scores > 0.5).astype(int)  # class 0 wins a tie, as argmax does
    assert found["accuracy"] == pytest.approx((predicted == labels).mean())
    if len(set(predicted)) > 1:
        assert found["mcc"] == pytest.approx(np.corrcoef(predicted, labels)[0, 1], abs=1e-12)
    else:
        assert found["mcc"] == 0
    assert found["auroc"] == pytest.approx(pairwise_auroc(labels, scores))
    assert found["auprc"] == pytest.approx(stepwise_auprc(labels, scores))
    f1 = [
        2
        * ((predicted == c) & (labels == c)).sum()
        / ((predicted == c).sum() + (labels == c).sum())
        for c in (0, 1)
    ]
    assert found["f1_macro"] == pytest.approx(np.mean(f1))
    two_columns = compute_metrics("single_label", labels, np.stack([1 - scores, scores], axis=1))
    assert two_columns == pytest.approx(found)


def test_many_classes_average_each_against_the_rest():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=60)
    scores = rng.dirichlet(np.ones(3), size=60)
    found = compute_metrics("single_label", labels, scores)
    one_against_rest = [(labels == c).astype(int) for c in range(3)]
    for name, oracle in (("auroc", pairwise_auroc), ("auprc", stepwise_auprc)):
        expected = np.mean([oracle(one_against_rest[c], scores[:, c]) for c in range(3)])
        assert found[name] == pytest.approx(expected)


def test_a_perfect_prediction_is_one_everywhere():
    labels = np.array([0, 1, 2, 1])
    assert set(compute_metrics("single_label", labels, np.eye(3)[labels]).values()) == {1.0}
    several = np.array([[0, 1], [1, 0], [1, 1]])
    assert set(compute_metrics("multi_label", several, several.astype(float)).values()) == {1.0}


def test_one_class_alone_is_undefined_and_not_zero():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = compute_metrics("single_label", [1, 1, 1], [0.9, 0.8, 0.2])
    assert math.isnan(found["mcc"])
    assert math.isnan(found["auroc"])
    assert found["auprc"] == 1
    assert [str(w.message).split(":")[0] for w in caught] == ["mcc", "auroc"]
    assert {w.category for w in caught} == {RuntimeWarning}
    assert {w.filename for w in caught} == {__file__}


def test_a_class_without_samples_leaves_the_mean_with_a_warning():
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1], [0.5, 0.4, 0.1]])
    with pytest.warns(RuntimeWarning, match="column 2; the mean is over the others"):
        found = compute_metrics("single_label", [0, 1, 0, 1], scores)
    labels = np.array([0, 1, 0, 1])
    expected = (pairwise_auroc(1 - labels, scores[:, 0]) + pairwise_auroc(labels, scores[:, 1])) / 2
    assert found["auroc"] == pytest.approx(expected)


def test_several_labels():
    labels = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1]])
    scores = np.array([[0.2, 0.9, 0.6], [0.6, 0.4, 0.4], [0.7, 0.3, 0.1], [0.8, 0.1, 0.9]])
    found = compute_metrics("multi_label", labels, scores)
    predicted = np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0], [1, 0, 1]])
    assert found["subset_accuracy"] == 0.25
    assert found["f1_micro"] == pytest.approx(2 * 5 / (7 + 6))
    expected = [
        2 * (predicted * labels)[:, t].sum() / (predicted + labels)[:, t].sum() for t in range(3)
    ]
    assert found["f1_macro"] == pytest.approx(np.mean(expected))
    aurocs = [pairwise_auroc(labels[:, t], scores[:, t]) for t in range(3)]
    assert found["auroc"] == pytest.approx(np.mean(aurocs))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_label_at_all_is_undefined():
    found = compute_metrics("multi_label", np.zeros((3, 2)), np.zeros((3, 2)))
    assert found.pop("subset_accuracy") == 1
    assert all(math.isnan(value) for value in found.values())


@given(npst.arrays(np.float64, (12, 2), elements=st.integers(-20, 20)))
@settings(deadline=None)
def test_values_against_definitions(table):
    truth, scores = table.T
    truth[:2], scores[:2] = (0, 1), (1, 0)  # both vary
    found = compute_metrics("regression", truth, scores)
    assert found["rmse"] == pytest.approx(math.sqrt(((truth - scores) ** 2).mean()))
    assert found["mae"] == pytest.approx(abs(truth - scores).mean())
    assert found["pearson"] == pytest.approx(np.corrcoef(truth, scores)[0, 1], abs=1e-9)
    r2 = 1 - ((truth - scores) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert found["r2"] == pytest.approx(r2)
    stretched = compute_metrics("regression", truth, scores**3 + 5 * scores)
    assert stretched["spearman"] == pytest.approx(found["spearman"])
    doubled = compute_metrics(
        "regression", np.stack([truth, truth], 1), np.stack([scores, truth], 1)
    )
    assert doubled["pearson"] == pytest.approx((found["pearson"] + 1) / 2)
    assert doubled["rmse"] == pytest.approx(found["rmse"] / 2)


def test_values_that_do_not_vary_have_no_correlation():
    with pytest.warns(RuntimeWarning, match="pearson|spearman"):
        found = compute_metrics("regression", [1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    assert math.isnan(found["pearson"])
    assert math.isnan(found["spearman"])
    assert found["r2"] == 0
    with pytest.warns(RuntimeWarning, match="r2|pearson|spearman"):
        assert math.isnan(compute_metrics("regression", [1.0, 1.0], [1.0, 2.0])["r2"])


def test_ignored_tokens_count_for_nothing():
    labels = np.array([[0, 1, -100], [1, -100, -100]])
    scores = np.zeros((2, 3, 2))
    scores[..., 0], scores[..., 1] = 0.3, 0.7
    scores[0, 0] = 0.9, 0.1
    found = compute_metrics("token", labels, scores)
    assert found == compute_metrics("single_label", [0, 1, 1], scores[[0, 0, 1], [0, 1, 0]])
    scores[0, 2] = 1, 0
    assert compute_metrics("token", labels, scores) == found


@pytest.mark.parametrize(
    ("task", "labels", "scores", "message"),
    [
        ("single_label", [], [], "empty"),
        ("single_label", [0, 1], [0.5], r"one row for each sample, got shapes \(2,\) and \(1,\)"),
        ("single_label", [0, 2], [0.5, 0.5], r"\[0, 2\), row 1 \(0-based\) is 2"),
        ("single_label", [0, -1], [0.5, 0.5], "row 1"),
        ("single_label", [0, 0.5], [0.5, 0.5], "row 1"),
        ("single_label", [0, 1], [[0.5], [0.5]], "at least 2 classes"),
        ("single_label", [0, 1], [0.5, math.nan], r"finite, row 1 \(0-based\) is nan"),
        ("multi_label", [0, 1], [0.5, 0.5], r"both be \(N, T\)"),
        ("multi_label", [[0, 2]], [[0.5, 0.5]], "0 or 1"),
        ("regression", [[1.0, 2.0]], [[1.0]], "both be"),
        ("regression", [math.inf, 1], [1, 2], "labels must be finite"),
        ("token", [0, 1], [0.5, 0.5], r"scores \(N, L, C\)"),
        ("token", [-100], [[0.5, 0.5]], "nothing to compare"),
    ],
)
def test_faults_are_named(task, labels, scores, message):
    with pytest.raises(DataError, match=message):
        compute_metrics(task, labels, scores)


def test_a_uniform_guess_is_two_bits_per_base_for_any_tokenizer():
    bases = 3000
    single = language_modeling_metrics(bases * math.log(4), bases, bases)
    triplets = language_modeling_metrics(bases / 3 * math.log(64), bases // 3, bases)
    assert single == pytest.approx({"bits_per_base": 2, "perplexity": 4})
    assert triplets == pytest.approx({"bits_per_base": 2, "perplexity": 64})
    assert language_modeling_metrics(1e6, 1, 1)["perplexity"] == math.inf


@pytest.mark.parametrize("values", [(1.0, 0, 5), (1.0, 5, 0), (math.nan, 5, 5)])
def test_no_tokens_have_no_perplexity(values):
    with pytest.raises(DataError):
        language_modeling_metrics(*values)
