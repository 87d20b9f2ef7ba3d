import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn import metrics as oracle

from hyena_glt.errors import DataError
from hyena_glt.evaluation import detailed
from hyena_glt.evaluation.calibration import at_temperature, fit_temperature
from hyena_glt.evaluation.detailed import evaluate_predictions, length_bins
from hyena_glt.evaluation.metrics import compute_metrics


def predictions(seed, size, classes, sharpness=1.5, shares=None):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size, p=shares)
    logits = rng.normal(size=(size, classes))
    logits[np.arange(size), labels] += sharpness
    chances = np.exp(logits)
    return labels, chances / chances.sum(axis=1, keepdims=True)


def test_every_class_has_its_figures_and_they_lie_inside_their_intervals():
    labels, chances = predictions(0, 300, 3)
    found = evaluate_predictions("single_label", labels, chances, names=["a", "b", "c"])
    assert found.metrics == compute_metrics("single_label", labels, chances)
    assert (found.task, found.samples, found.resamples) == ("single_label", 300, 1000)
    best = chances.argmax(axis=1)
    table = oracle.classification_report(labels, best, output_dict=True)
    for number, row in enumerate(found.classes):
        expected = table[str(number)]
        assert (row.name, row.support) == ("abc"[number], expected["support"])
        assert row.figures["precision"] == pytest.approx(expected["precision"])
        assert row.figures["recall"] == pytest.approx(expected["recall"])
        assert row.figures["f1"] == pytest.approx(expected["f1-score"])
        own = labels == number, chances[:, number]
        assert row.figures["auroc"] == pytest.approx(oracle.roc_auc_score(*own))
        assert row.figures["auprc"] == pytest.approx(oracle.average_precision_score(*own))
        for name, value in row.figures.items():
            assert row.intervals[name].low < value < row.intervals[name].high
    assert found.at_threshold is None  # not two classes
    assert found.lengths == []


def test_lengths_stand_in_rows_from_short_to_long():
    labels, chances = predictions(1, 200, 2)
    lengths = np.repeat([100, 200, 300, 400], 50)[np.random.default_rng(0).permutation(200)]
    chances[lengths == 400] = [0.5, 0.5]  # long ones are not understood
    found = evaluate_predictions("single_label", labels, chances, lengths=lengths)
    assert [(row.shortest, row.longest, row.sequences) for row in found.lengths] == [
        (length, length, 50) for length in (100, 200, 300, 400)
    ]
    for row in found.lengths:
        rows = lengths == row.shortest
        expected = compute_metrics("single_label", labels[rows], chances[rows])
        assert row.figures == pytest.approx(expected)
    assert found.lengths[-1].intervals["auroc"] == (0.5, 0.5)
    assert found.lengths[0].intervals["auroc"].low > 0.6
    one_length = evaluate_predictions(
        "single_label", labels, chances, lengths=np.full(200, 9), resamples=5
    )
    assert one_length.lengths == []


@given(npst.arrays(np.int64, st.integers(1, 60), elements=st.integers(1, 30)), st.integers(1, 5))
def test_parts_by_length_hold_every_sample_once_and_do_not_overlap(lengths, count):
    parts = length_bins(lengths, count)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))
    assert 1 <= len(parts) <= count
    for shorter, longer in pairwise(parts):
        assert lengths[shorter].max() < lengths[longer].min()


def test_threshold_and_temperature_come_from_the_validation_data_alone():
    shares = [0.93, 0.07]
    validation = predictions(2, 1500, 2, 1.2, shares)
    labels, chances = predictions(3, 1500, 2, 1.2, shares)
    found = evaluate_predictions("single_label", labels, chances, validation=validation)
    assert found.at_threshold is not None
    at = found.at_threshold
    calls = chances[:, 1] >= at.threshold
    assert at.figures["mcc"] == pytest.approx(oracle.matthews_corrcoef(labels, calls))
    own = validation[0], validation[1][:, 1] >= at.threshold
    assert oracle.matthews_corrcoef(*own) >= oracle.matthews_corrcoef(
        validation[0], validation[1].argmax(axis=1)
    )
    assert found.temperature == pytest.approx(fit_temperature(*validation))
    assert found.calibration is not None
    assert found.calibration_at_temperature is not None
    changed = at_temperature(chances, found.temperature)
    after = oracle.log_loss(labels, changed)
    assert found.calibration_at_temperature.nll == pytest.approx(after)
    # As chosen earlier and handed in.
    again = evaluate_predictions(
        "single_label", labels, chances, threshold=at.threshold, temperature=found.temperature
    )
    assert again == found


def test_values_have_no_classes_and_no_calibration():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=120)
    found = evaluate_predictions("regression", truth, truth + rng.normal(size=120))
    assert found.classes == []
    assert found.calibration is None
    assert found.temperature is None
    for name, value in found.metrics.items():
        assert found.intervals[name].low < value < found.intervals[name].high


def test_tokens_of_one_sequence_are_not_independent():
    rng = np.random.default_rng(0)
    sequence = np.repeat(np.arange(40), 25)
    labels = rng.integers(2, size=1000)
    # A sequence is understood or it is not.
    right = np.repeat(rng.random(40) < 0.7, 25)
    chance = np.where(right == (labels == 1), 0.8, 0.2)
    together, apart = (
        evaluate_predictions(
            "token", labels, np.stack([1 - chance, chance], axis=1), groups=groups
        ).intervals["accuracy"]
        for groups in (sequence, None)
    )
    assert together.high - together.low > 3 * (apart.high - apart.low)


def test_several_labels_have_a_row_each():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=(100, 2))
    chances = np.clip(labels * 0.3 + rng.random((100, 2)) * 0.7, 0, 1)
    found = evaluate_predictions(
        "multi_label", labels, chances, names=["x", "y"], validation=(labels, chances)
    )
    row = found.classes[1]
    assert row.support == labels[:, 1].sum()
    calls = chances[:, 1] >= 0.5
    assert row.figures["f1"] == pytest.approx(oracle.f1_score(labels[:, 1], calls))
    assert found.at_threshold is None
    assert found.temperature is not None


def test_a_class_that_is_missing_is_nan_and_said():
    labels, chances = predictions(0, 60, 2)
    padded = np.concatenate([chances * 0.9, np.full((60, 1), 0.1)], axis=1)
    with pytest.warns(RuntimeWarning, match="column 2"):
        found = evaluate_predictions("single_label", labels, padded, names=["a", "b", "c"])
    row = found.classes[2]
    assert row.support == 0
    assert all(math.isnan(value) for value in row.figures.values())
    assert all(math.isnan(edge) for pair in row.intervals.values() for edge in pair)


def test_the_tree_is_plain():
    labels, chances = predictions(0, 80, 2)
    lengths = np.arange(80)
    found = evaluate_predictions(
        "single_label", labels, chances, lengths=lengths, validation=(labels, chances), resamples=20
    )
    tree = json.loads(json.dumps(found.as_tree()))
    assert "metrics" not in tree
    assert tree["intervals"]["mcc"] == list(found.intervals["mcc"])
    assert tree["classes"][1]["figures"]["recall"] == found.classes[1].figures["recall"]
    assert len(tree["lengths"]) == 4
    assert len(tree["calibration"]["bins"]) == 10
    assert tree["at_threshold"]["figures"]["mcc"] == found.at_threshold.figures["mcc"]


@pytest.mark.parametrize(("numbers", "expected"), [(100_000, 500), (1000, 100), (10**9, 1000)])
def test_very_large_sets_are_drawn_less_often(monkeypatch, numbers, expected):
    monkeypatch.setattr(detailed, "_MOST_NUMBERS", numbers)
    found = evaluate_predictions("single_label", *predictions(0, 100, 2))
    assert found.resamples == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a"]}, "names: 1 for 2 columns"),
        ({"lengths": [3]}, "lengths: 1 for 2 samples"),
    ],
)
def test_faults_are_named(options, message):
    with pytest.raises(DataError, match=message):
        evaluate_predictions("single_label", [0, 1], [0.2, 0.9], resamples=2, **options)
