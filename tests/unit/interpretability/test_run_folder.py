import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.errors import DataError
from hyena_glt.interpretability.run_folder import read_run


def write_log(folder, *events):
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text("command: hyena-glt train\n")
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


def test_a_finished_run_is_read_without_complaint(run_folder):
    run = read_run(run_folder())
    assert run.problems == []
    assert run.command.startswith("hyena-glt train")
    assert "command" not in run.config
    assert len(run.steps) == 300
    assert [event.step for event in run.evaluations] == [50, 100, 150, 200, 250, 300]
    assert run.notes == ["causal was switched off for this task"]
    assert run.metrics is not None
    assert run.metrics.test["mcc"] == 0.812
    assert math.isnan(run.metrics.validation["loss"])
    assert run.predictions is not None
    assert list(run.predictions.probabilities) == ["other", "promoter"]
    assert run.examples is not None
    assert run.examples.examples[0].id == "chr1:1000-1120"


def test_a_cut_last_line_is_left_out_and_named(run_folder):
    folder = run_folder()
    whole = (folder / "log.jsonl").read_text().splitlines()
    (folder / "log.jsonl").write_text("\n".join(whole[:9]) + "\n" + whole[9][:40])
    run = read_run(folder)
    assert len(run.steps) == 8
    assert run.problems[0].startswith("The last line of log.jsonl (line 10) is cut off")


def test_broken_lines_inside_the_log_are_counted(tmp_path):
    folder = write_log(
        tmp_path / "run",
        {"event": "step"},
        {"event": "step", "step": 2, "loss": None},
        {"event": "surprise"},
        {"event": "note", "message": "resumed\u2028twice"},
    )
    run = read_run(folder)
    assert "2 lines of log.jsonl could not be read; the first is line 1." in run.problems
    assert [step.step for step in run.steps] == [2]
    assert math.isnan(run.steps[0].loss)
    assert run.notes == ["resumed\u2028twice"]


def test_steps_repeated_by_a_resumed_run_count_once(tmp_path):
    losses = [(1, 0.9), (2, 0.8), (3, 0.7), (2, 0.6), (3, 0.5)]
    events = [{"event": "step", "step": step, "loss": loss} for step, loss in losses]
    run = read_run(write_log(tmp_path / "run", *events))
    assert [(step.step, step.loss) for step in run.steps] == [(1, 0.9), (2, 0.6), (3, 0.5)]


@pytest.mark.parametrize("name", ["metrics.json", "predictions.tsv", "examples.json"])
def test_a_missing_file_is_a_problem_and_no_error(run_folder, name):
    folder = run_folder()
    (folder / name).unlink()
    assert read_run(folder).problems == [f"{name} is missing."]


def test_without_a_log_it_is_no_run(run_folder):
    folder = run_folder()
    (folder / "log.jsonl").unlink()
    with pytest.raises(DataError, match=f"{folder}: holds no log.jsonl"):
        read_run(folder)


def test_without_settings_it_is_a_loop_of_ones_own(run_folder):
    folder = run_folder()
    whole = read_run(folder)
    for name in ("config.yaml", "metrics.json", "predictions.tsv", "examples.json"):
        (folder / name).unlink()
    run = read_run(folder)
    assert run.steps == whole.steps != []
    assert (run.has_settings, run.config, run.final, run.problems) == (False, {}, None, [])


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "\x00"])
def test_a_configuration_must_be_a_mapping(run_folder, text):
    folder = run_folder()
    (folder / "config.yaml").write_text(text)
    with pytest.raises(DataError, match=r"config\.yaml"):
        read_run(folder)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("metrics.json", '{"task": "single_label"', "metrics.json is not valid JSON"),
        ("metrics.json", '{"task": "origami"}', "metrics.json could not be used: task:"),
        ("examples.json", "[]", "examples.json could not be used: the file:"),
        ("predictions.tsv", "", "predictions.tsv could not be used: it has no column id."),
        ("predictions.tsv", "id\tlabel\nx\ty\n", "it has no column prediction."),
    ],
)
def test_unusable_files_are_problems(run_folder, name, text, problem):
    folder = run_folder()
    (folder / name).write_text(text)
    assert any(problem in line for line in read_run(folder).problems)


def test_rows_cut_off_or_without_numbers_are_left_out(run_folder):
    folder = run_folder()
    (folder / "predictions.tsv").write_text(
        'id\tlabel\tprediction\tp_a\tp_b\n"""x"\ta\ta\t0.9\t0.1\ny\ta\tb\tmany\t0.1\n'
        "z\ta\tb\t\t0.2\nw\ta\n"
    )
    run = read_run(folder)
    assert run.predictions is not None
    assert run.predictions.labels == ["a", "a"]
    assert run.predictions.probabilities["b"] == [0.1, 0.2]
    assert math.isnan(run.predictions.probabilities["a"][1])
    assert run.problems == ["predictions.tsv: 2 rows are cut off or hold no numbers; left out."]


def test_numbers_are_taken_as_names(run_folder):
    folder = run_folder()
    examples = {"examples": [{"id": 7, "sequence": "ACGT", "label": ["a", "b"], "prediction": 0.5}]}
    (folder / "examples.json").write_text(json.dumps(examples))
    read = read_run(folder).examples
    assert read is not None
    (example,) = read.examples
    assert (example.id, example.label, example.prediction) == ("7", "a, b", "0.5")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(blob=st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8")))
def test_rubbish_in_any_result_file_never_stops_the_reading(run_folder, blob):
    folder = run_folder()
    for name in ("log.jsonl", "metrics.json", "predictions.tsv", "examples.json"):
        (folder / name).write_bytes(blob)
    run = read_run(folder)
    assert run.metrics is None
    assert run.examples is None or run.examples.examples == []
    assert len(run.problems) >= 2


def test_a_run_on_several_tasks_keeps_the_figures_of_each(multi_task_folder):
    run = read_run(multi_task_folder())
    assert run.problems == []
    assert run.metrics is None
    assert len(run.evaluations) == 12
    assert {event.task for event in run.evaluations} == {"tf_0", "tf_1"}
    assert run.weights[-1].weights == {"tf_0": 1.1, "tf_1": 0.9}


def test_figures_of_another_kind_of_run_are_a_problem(pretraining_folder):
    folder = pretraining_folder()
    (folder / "metrics.json").write_text('{"task": "single_label"}')
    run = read_run(folder)
    assert run.final is None
    assert run.problems == ["metrics.json could not be used: objective: Field required."]
