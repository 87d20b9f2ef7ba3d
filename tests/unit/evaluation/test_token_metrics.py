import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score

from hyena_glt.errors import DataError
from hyena_glt.evaluation.metrics import compute_metrics
from hyena_glt.evaluation.token_metrics import TokenCounts, _bins


def made_up(seed, size, classes, sharpness=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size, p=rng.dirichlet([2.0] * classes))
    logits = rng.normal(size=(size, classes))
    logits[np.arange(size), labels] += sharpness
    chances = np.exp(logits)
    return labels, chances / chances.sum(axis=1, keepdims=True)


def counted(labels, chances, parts=3):
    counts = TokenCounts(chances.shape[1])
    for some, own in zip(
        np.array_split(labels, parts), np.array_split(chances, parts), strict=True
    ):
        counts.add(some, own)
    return counts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(20, 400))
def test_counts_give_the_metrics_of_all_bases_at_once(seed, classes, size):
    labels, chances = made_up(seed, size, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = compute_metrics("token", labels, chances)
        found = counted(labels, chances).metrics()
    for name in ("accuracy", "mcc", "f1_macro"):
        assert found[name] == pytest.approx(expected[name], nan_ok=True), name
    # Areas know chances by their bins alone; how fine these are is the next test's.
    bins, chosen = _bins(chances), [1] if classes == 2 else range(classes)
    for name, area, most in (("auroc", roc_auc_score, size - 1),
                             ("auprc", average_precision_score, size)):  # fmt: skip
        each = [area(labels == number, bins[:, number]) for number in chosen
                if 0 < np.sum(labels == number) <= most]  # fmt: skip
        assert found[name] == pytest.approx(np.mean(each) if each else np.nan, nan_ok=True), name


def test_areas_of_many_bases_are_right_to_four_digits():
    labels, chances = made_up(1, 50_000, 3, sharpness=4.0)
    expected, found = compute_metrics("token", labels, chances), counted(labels, chances).metrics()
    assert found["auroc"] == pytest.approx(expected["auroc"], abs=1e-4)
    assert found["auprc"] == pytest.approx(expected["auprc"], abs=5e-4)
    for number, figures in enumerate(counted(labels, chances).classes(["a", "b", "c"])):
        has, own = labels == number, chances[:, number]
        assert figures.bases == has.sum()
        assert figures.auroc == pytest.approx(roc_auc_score(has, own), abs=1e-4)
        assert figures.auprc == pytest.approx(average_precision_score(has, own), abs=5e-4)
        given_ = chances.argmax(axis=1) == number
        assert figures.mcc == pytest.approx(matthews_corrcoef(has, given_))
        assert figures.precision == pytest.approx((has & given_).sum() / given_.sum())
        assert figures.recall == pytest.approx((has & given_).sum() / has.sum())


def test_bases_without_a_label_do_not_count():
    labels, chances = made_up(2, 200, 3)
    hidden = labels.copy()
    hidden[::3] = -100
    kept = hidden >= 0
    first, second = counted(hidden, chances), counted(labels[kept], chances[kept])
    assert np.array_equal(first.confusion, second.confusion)
    assert first.metrics() == second.metrics()


def test_what_is_not_defined_is_nan_and_said():
    counts = TokenCounts(3)
    counts.add(np.array([0, 0]), np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = counts.metrics()
    assert [str(one.message).split(":")[0] for one in said] == ["mcc", "auroc", "auprc"]
    assert np.isnan(found["mcc"])
    assert np.isnan(found["auroc"])
    assert found["accuracy"] == 0.5
    assert np.isnan(counts.classes(["a", "b", "c"])[2].recall)


def test_faults_are_named():
    counts = TokenCounts(2)
    with pytest.raises(DataError, match="no base has a label"):
        counts.metrics()
    with pytest.raises(DataError, match="do not fit 2 classes"):
        counts.add(np.array([0]), np.array([[0.1, 0.2, 0.7]]))
    with pytest.raises(DataError, match=r"class 2 does not exist; expected \[0, 2\)"):
        counts.add(np.array([2]), np.array([[0.5, 0.5]]))
    with pytest.raises(DataError, match="finite"):
        counts.add(np.array([1]), np.array([[0.5, np.nan]]))


def test_intervals_are_those_of_parts_drawn_together():
    rng = np.random.default_rng(0)
    counts = TokenCounts(2)
    right_of_part = rng.random(60) < 0.7
    for right in right_of_part:  # 200 bases that are understood or are not
        labels = rng.integers(2, size=200)
        chance = np.where(right == (labels == 1), 0.8, 0.2)
        counts.add(labels, np.stack([1 - chance, chance], axis=1))
    overall, classes = counts.intervals()
    share, width = right_of_part.mean(), 1.96 * right_of_part.std() / np.sqrt(60)
    assert overall["accuracy"].low == pytest.approx(share - width, abs=width / 4)
    assert overall["accuracy"].high == pytest.approx(share + width, abs=width / 4)
    for figures, ranges in zip(counts.classes(["a", "b"]), classes, strict=True):
        for name, interval in ranges.items():
            assert interval.low < getattr(figures, name) < interval.high
    assert overall["mcc"].low < counts.metrics()["mcc"] < overall["mcc"].high
    assert counts.intervals() == counts.intervals(seed=0) != counts.intervals(seed=1)


def test_few_parts_say_nothing_of_the_spread():
    labels, chances = made_up(0, 300, 3)
    overall, classes = counted(labels, chances, parts=7).intervals()
    assert np.isnan(overall["accuracy"]).all()
    assert np.isnan(classes[2]["recall"]).all()
