import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hyena_glt.evaluation import weighted
from hyena_glt.evaluation.metrics import check_predictions, compute_metrics

MEASURES = {
    "single_label": weighted.single_label,
    "multi_label": weighted.multi_label,
    "regression": weighted.regression,
}


def example(task, seed, size, columns):
    """Predictions with ties, on labels of which some may not occur."""
    rng = np.random.default_rng(seed)
    if task == "single_label":
        labels = rng.integers(columns, size=size)
        scores = rng.integers(1, 5, size=(size, columns)).astype(float)
        return labels, scores / scores.sum(axis=1, keepdims=True)
    if task == "multi_label":
        return rng.integers(2, size=(size, columns)), rng.integers(5, size=(size, columns)) / 4
    return rng.integers(4, size=(size, columns)), rng.integers(4, size=(size, columns)).astype(
        float
    )


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(MEASURES)), st.integers(0, 10**6), st.integers(2, 25), st.integers(2, 4)
)
def test_whole_weights_are_the_metrics_of_the_copy(task, seed, size, columns):
    labels, scores = check_predictions(task, *example(task, seed, size, columns))
    weights = np.random.default_rng(seed + 1).integers(3, size=(4, size)).astype(float)
    weights[:, 0] += 1  # no copy is empty
    found = MEASURES[task](labels, scores, weights)
    for number, copies in enumerate(weights.astype(int)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = np.repeat(np.arange(size), copies)
            expected = compute_metrics(task, labels[rows], scores[rows])
        own = {name: values[number] for name, values in found.items()}
        assert own == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_fractions_weigh_as_in_scikit_learn():
    rng = np.random.default_rng(3)
    labels = rng.integers(3, size=80)
    scores = rng.integers(1, 9, size=(80, 3)).astype(float)
    scores /= scores.sum(axis=1, keepdims=True)
    weight = rng.random(80)
    options = {"sample_weight": weight}
    truth, predicted = (own[:, None] == np.arange(3) for own in (labels, scores.argmax(axis=1)))
    found = weighted.class_curves(truth, predicted, scores, weight[None])
    for c in range(3):
        own = truth[:, c], predicted[:, c]
        assert found.precision[0, c] == pytest.approx(oracle.precision_score(*own, **options))
        assert found.recall[0, c] == pytest.approx(oracle.recall_score(*own, **options))
        assert found.f1[0, c] == pytest.approx(oracle.f1_score(*own, **options))
        chance = truth[:, c], scores[:, c]
        assert found.auroc[0, c] == pytest.approx(oracle.roc_auc_score(*chance, **options))
        auprc = oracle.average_precision_score(*chance, **options)
        assert found.auprc[0, c] == pytest.approx(auprc)
    whole = weighted.single_label(labels, scores, weight[None])
    best = labels, scores.argmax(axis=1)
    assert whole["mcc"][0] == pytest.approx(oracle.matthews_corrcoef(*best, **options))
    assert whole["accuracy"][0] == pytest.approx(oracle.accuracy_score(*best, **options))
    values = rng.normal(size=(2, 80, 1))
    r2 = weighted.regression(*values, weight[None])["r2"][0]
    assert r2 == pytest.approx(oracle.r2_score(*values[..., 0], **options))


def test_one_class_alone_has_no_value_and_not_zero():
    scores = np.array([[0.2, 0.8], [0.7, 0.3]])
    found = weighted.single_label(np.array([1, 1]), scores, np.ones((1, 2)))
    assert np.isnan(found["mcc"][0])
    assert np.isnan(found["auroc"][0])
    assert found["auprc"][0] == 1
    assert found["accuracy"][0] == 0.5


def test_all_one_answer_is_a_correlation_of_zero():
    scores = np.array([[0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    found = weighted.single_label(np.array([1, 0, 1]), scores, np.ones((1, 3)))
    assert found["mcc"][0] == 0
