import json
import math

import pytest

from hyena_glt.interpretability.report_headlines import headlines, tokens_per_second, verdict
from hyena_glt.interpretability.run_folder import read_run


def edit(folder, **changes):
    path = folder / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_fewer_bits_than_the_markov_model_are_a_success(pretraining_folder):
    folder = pretraining_folder()
    found = headlines(read_run(folder))
    assert [(one.title, one.value) for one in found] == [
        ("Test bits per base", 1.9254), ("Validation bits per base", 1.9231),
    ]  # fmt: skip
    assert verdict(found) == (
        "On the held-out regions the model needs 1.9254 bits per base, 0.0243 fewer than the "
        "interpolated Markov, order 12 (1.9497)."
    )
    edit(folder, test={"bits_per_base": 1.96})
    assert verdict(headlines(read_run(folder))) == (
        "On the held-out regions the model needs 1.9600 bits per base, 0.0103 more than the "
        "interpolated Markov, order 12 (1.9497). The model has not learned more than it."
    )
    edit(folder, test={"bits_per_base": 1.94972})
    assert "the same as the interpolated Markov" in verdict(headlines(read_run(folder)))


def test_hidden_bases_are_named(pretraining_folder):
    found = headlines(read_run(pretraining_folder("mlm")))
    assert found[0].name == "bits per hidden base"


def test_a_run_that_goes_on_shows_its_last_evaluation_and_what_to_beat(pretraining_folder):
    folder = pretraining_folder()
    (folder / "metrics.json").unlink()
    latest, to_beat = headlines(read_run(folder))
    assert latest.title == "Validation bits per base"
    assert latest.value == pytest.approx(1.92 + 0.08 * math.exp(-300 / 90))
    assert latest.remark == "after step 300"
    assert (to_beat.title, to_beat.value) == ("To beat: test bits per base", 1.9497)
    assert to_beat.remark == "interpolated Markov, order 12"


def test_of_several_tasks_each_shows_its_leading_metric(multi_task_folder):
    folder = multi_task_folder()
    (mean,) = headlines(read_run(folder))
    assert (mean.value, mean.remark) == (0.885, "headline metric of 2 tasks")
    (folder / "metrics.json").unlink()
    assert [one.title for one in headlines(read_run(folder))] == [
        "Validation tf_0 MCC", "Validation tf_1 MCC",
    ]  # fmt: skip


def test_speed_leaves_evaluations_out(tmp_path):
    (tmp_path / "config.yaml").write_text("")
    events = [
        {"event": "step", "step": 1, "tokens": 100, "seconds": 1.0},
        {"event": "step", "step": 2, "tokens": 100, "seconds": 2.0},
        {"event": "evaluation", "split": "validation", "step": 2},
        {"event": "step", "step": 3, "tokens": 100, "seconds": 60.0},
        {"event": "step", "step": 4, "tokens": 300, "seconds": 61.0},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert tokens_per_second(read_run(tmp_path)) == 200
    log.write_text(json.dumps(events[0]) + "\n")
    assert math.isnan(tokens_per_second(read_run(tmp_path)))


def test_a_run_without_a_single_evaluation_has_no_headline(tmp_path):
    (tmp_path / "config.yaml").write_text("")
    (tmp_path / "log.jsonl").write_text("")
    assert headlines(read_run(tmp_path)) == []
    assert verdict([]) == ""
