import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from hyena_glt.cli.evaluation import (
    asked_threshold,
    called_at,
    chosen_by_validation,
    say_evaluation,
    write_evaluation,
)
from hyena_glt.errors import ConfigError
from hyena_glt.evaluation.detailed import evaluate_predictions
from hyena_glt.inference.predictor import Predictions


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    labels = (rng.random(200) < 0.2).astype(int)
    chance = np.clip(0.3 * labels + 0.5 * rng.random(200), 0, 1)
    scores = np.stack([1 - chance, chance], axis=1)
    return evaluate_predictions(
        "single_label", labels, scores, names=["no", "yes"], lengths=rng.integers(50, 90, 200),
        validation=(labels, scores), resamples=50,
    )  # fmt: skip


def rows_of(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_what_is_printed_is_what_was_found(found):
    text = io.StringIO()
    say_evaluation(Console(file=text, width=120), found, "200 sequences")
    said = text.getvalue()
    low, high = found.intervals["auroc"]
    assert f"{found.metrics['auroc']:.4f}" in said
    assert f"{low:.4f}–{high:.4f}" in said
    assert f"yes from a probability of {found.at_threshold.threshold:.3g} on" in said
    assert f"mcc {found.at_threshold.figures['mcc']:.4f}" in said
    for row in found.classes:
        assert f"{row.figures['recall']:.4f}" in said
    assert f"at temperature {found.temperature:.3g}" in said
    assert f"{found.calibration.ece:.4f}" in said


def test_no_figure_is_cut_in_a_terminal_of_80_columns(found):
    long = found._replace(
        classes=[row._replace(name=f"{row.name}_transcription_start_site") for row in found.classes]
    )
    text = io.StringIO()
    say_evaluation(Console(file=text, width=80), long, "200 sequences")
    said = text.getvalue()
    assert "…" not in said
    for row in found.classes:
        for low, high in row.intervals.values():
            assert f"{low:.2f}–{high:.2f}" in said


def test_files_hold_all_of_it(found, tmp_path):
    files = write_evaluation(tmp_path / "evaluation.json", found, {})
    assert [file.name for file in files] == [
        "evaluation.json",
        "evaluation_classes.tsv",
        "evaluation_lengths.tsv",
        "evaluation_calibration.tsv",
    ]
    tree = json.loads(files[0].read_text())
    assert tree["mcc"] == found.metrics["mcc"]
    assert tree["intervals"]["mcc"] == list(found.intervals["mcc"])
    classes = rows_of(files[1])
    assert [row["class"] for row in classes] == ["no", "yes"]
    assert float(classes[1]["recall"]) == pytest.approx(found.classes[1].figures["recall"], 1e-5)
    low = found.classes[1].intervals["recall"].low
    assert float(classes[1]["recall_low"]) == pytest.approx(low, rel=1e-5)
    assert sum(int(row["sequences"]) for row in rows_of(files[2])) == 200
    bins = rows_of(files[3])
    assert [row["probabilities"] for row in bins] == ["as predicted"] * 10 + ["at temperature"] * 10
    assert sum(int(row["size"]) for row in bins[:10]) == 200
    empty = next(row for row in bins if row["size"] == "0")
    assert empty["share"] == ""


def test_values_have_metrics_only(tmp_path):
    truth = np.random.default_rng(0).normal(size=(2, 30))
    found = evaluate_predictions("regression", *truth, resamples=5)
    files = write_evaluation(tmp_path / "e.json", found, {"dna": {"mae": 1.0}})
    assert [file.name for file in files] == ["e.json"]
    assert json.loads(files[0].read_text())["by_modality"] == {"dna": {"mae": 1.0}}
    text = io.StringIO()
    say_evaluation(Console(file=text, width=100), found, "30 sequences")
    assert "calibration" not in text.getvalue()


def test_the_threshold_is_that_of_the_run_or_a_number(tmp_path):
    two = SimpleNamespace(task="classification", labels=["no", "yes"])
    (tmp_path / "metrics.json").write_text('{"threshold": 0.2, "temperature": 1.5}')
    assert chosen_by_validation(tmp_path) == (0.2, 1.5)
    assert asked_threshold("auto", two, 0.2, tmp_path) == 0.2
    assert asked_threshold("0.7", two, 0.2, tmp_path) == 0.7
    (tmp_path / "metrics.json").write_text('{"tasks": {"tata": {"threshold": 0.3}}}')
    assert chosen_by_validation(tmp_path, "tata") == (0.3, None)
    assert chosen_by_validation(tmp_path, "gata") == (None, None)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"threshold": null}', '{"threshold": "x"}'])
def test_a_run_without_a_threshold_says_so(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    assert chosen_by_validation(tmp_path) == (None, None)
    two = SimpleNamespace(task="classification", labels=["no", "yes"])
    with pytest.raises(ConfigError, match=r"auto: .*metrics\.json holds no threshold"):
        asked_threshold("auto", two, None, tmp_path)


@pytest.mark.parametrize("text", ["best", "1.5", "-0.1", "nan"])
def test_other_thresholds_are_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"auto or a number in \[0, 1\], got"):
        asked_threshold(
            text, SimpleNamespace(task="classification", labels=["a", "b"]), None, tmp_path
        )


@pytest.mark.parametrize(
    ("labels", "task"), [(["a", "b", "c"], "classification"), (["a", "b"], "multi_label")]
)
def test_a_threshold_is_for_two_classes(tmp_path, labels, task):
    with pytest.raises(ConfigError, match="two classes"):
        asked_threshold("0.5", SimpleNamespace(task=task, labels=labels), None, tmp_path)


def test_calls_at_a_threshold():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8]])
    predictions = Predictions(["no", "no", "yes"], scores, ["no", "yes"], "classification")
    assert called_at(predictions, 0.2).names == ["no", "yes", "yes"]
