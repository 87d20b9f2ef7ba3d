import json
import math
import re

import pytest

from hyena_glt.interpretability import write_report
from hyena_glt.interpretability.report_pretraining import baseline_of, bits_figure, sample_rows
from hyena_glt.interpretability.report_training import step_axis_of
from hyena_glt.interpretability.run_folder import read_run
from hyena_glt.interpretability.run_records import Sample


def figure_of(folder):
    run = read_run(folder)
    return bits_figure(run, step_axis_of(run.steps))


def text_of(folder):
    html = write_report(folder).read_text()
    html = re.sub(r"<(script|style).*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_bits_stand_beside_the_markov_model_and_the_test(pretraining_folder):
    figure = figure_of(pretraining_folder())
    validation, markov, test = figure.legend
    assert list(validation.x) == [50, 100, 150, 200, 250, 300]
    assert list(markov.y) == [1.9497, 1.9497]
    assert (list(test.x), list(test.y)) == ([250], [1.9254])


def test_before_the_end_the_log_names_the_markov_model(pretraining_folder):
    folder = pretraining_folder()
    (folder / "metrics.json").unlink()
    assert baseline_of(read_run(folder)) == ("interpolated Markov, order 12", 1.9497)
    assert [line.name for line in figure_of(folder).legend] == [
        "validation", "interpolated Markov, order 12",
    ]  # fmt: skip


def test_without_an_evaluation_there_is_no_figure(run_folder):
    assert figure_of(run_folder()) is None


def test_bits_are_drawn_once(pretraining_folder):
    text = text_of(pretraining_folder())
    assert text.count("Bits per base") == 1
    assert "Validation metrics" not in text


def test_the_sample_stands_beside_the_genome(pretraining_folder):
    text = text_of(pretraining_folder())
    assert "24,000 bases sampled from the model, behind 64 held-out places" in text
    assert "GC content 51.4% 50.8%" in text
    assert "Period-3 signal 3.42 4.05 1.01 ± 0.21" in text
    assert "held out: c:950-1000" in text


def test_what_was_not_measured_is_a_dash():
    gc, period = sample_rows(Sample(bases=10))
    assert (gc.sampled, gc.genome) == ("–", "–")
    assert period.shuffled == "– ± –"


def test_nothing_is_missing_from_a_pretraining_that_lacks_predictions(pretraining_folder):
    folder = pretraining_folder("mlm")
    assert read_run(folder).problems == []
    text = text_of(folder)
    assert "could not show" not in text
    assert "sampled from the model" not in text
    assert "Language model: hidden bases from both sides" in text


@pytest.mark.parametrize("cut", [0.02, 0.5, 0.97])
def test_a_pretraining_that_crashed_has_a_page(pretraining_folder, cut):
    folder = pretraining_folder()
    (folder / "metrics.json").unlink()
    log = (folder / "log.jsonl").read_text()
    (folder / "log.jsonl").write_text(log[: int(cut * len(log))])
    text = text_of(folder)
    assert "This run has not finished." in text
    assert "metrics.json is missing." in text
    assert "To beat: test bits per base 1.9497" in text


def test_figures_that_are_null_are_dashes(pretraining_folder):
    folder = pretraining_folder()
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"] = {"bits_per_base": None}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert math.isnan(read_run(folder).final.test.bits_per_base)
    assert "Test bits per base –" in text_of(folder)
