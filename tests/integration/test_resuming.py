"""``hyena-glt train`` killed, told to end, and gone on with; and what may not change meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from hyena_glt.cli import experiment, resuming
from hyena_glt.cli import main as command_line

MODEL = (
    "--epochs", "4",
    *(word for one in (
        "model.hidden_size=32", "model.num_attention_heads=4", "model.filter_size=32",
        "model.local_hidden_size=32", "model.num_layers=2", "training.batch_size=8",
        "training.checkpoint_every=3", "training.tensorboard=false",
    ) for word in ("--set", one)),
)  # fmt: skip
SETTINGS = ("--strand", "auto", *MODEL)
SAME = ("model.safetensors", "predictions.tsv")


@pytest.fixture
def program(monkeypatch, capsys):
    """The command line in this process: exit code and what it said."""

    def run(*arguments, command="train"):
        monkeypatch.setattr(sys, "argv", ["hyena-glt", command, *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        try:
            command_line.main()
        except SystemExit as done:
            code = done.code
        else:
            code = 0
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def table(tmp_path):
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        letters = "".join(random.choice(list("ACGT"), 30))
        rows.append(f"{'TATAAA' * (number % 2)}{letters[: 30 - 6 * (number % 2)]},{number % 2}\n")
    path = tmp_path / "train.csv"
    path.write_text("sequence,label\n" + "".join(rows))
    return path


def started(*arguments, output):
    """A run that has written its first checkpoint."""
    command = [sys.executable, "-m", "hyena_glt", "train", *map(str, arguments)]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(
        [*command, "--output", str(output)], env={**os.environ, **threads},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    waited = time.monotonic()
    while not list(output.glob("checkpoints/step-*")) and time.monotonic() < waited + 100:
        time.sleep(0.01)
    return process


def check_alike(ours, theirs, files):
    """Two runs are one, but for the time they took; the figures of both."""
    for name in files:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    found = [json.loads((folder / "metrics.json").read_text()) for folder in (ours, theirs)]
    logs = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (ours, theirs)
    ]
    for figures in found:
        figures.pop("train_seconds")
    for event in logs[0] + logs[1]:
        event.pop("seconds")
    assert found[0] == found[1]
    assert logs[0] == logs[1]
    return found[0]


def refused(answer, *words):
    """One clear line, exit code 2."""
    code, said = answer
    assert code == 2, said
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    for word in words:
        assert word in line, line


def test_a_killed_run_resumed_is_a_run_left_alone(table, program, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    test = tmp_path / "test.csv"
    test.write_text(table.read_text().replace("A,", "T,"))
    code, said = program("--train", table, "--test", test, "--output", whole, *SETTINGS)
    assert code == 0, said
    assert not (whole / "checkpoints").exists()

    process = started("--train", table, "--test", test, *SETTINGS, output=killed)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    refused(program("--output", killed, "--resume", "--epochs", 5), "num_epochs=4, not 5")
    for path, words in (
        (table, ("on other data", "53 sequences")), (test, ("other test data", "59 sequences")),
    ):  # fmt: skip
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:-1]))
        refused(program("--output", killed, "--resume"), *words)
        path.write_text("".join(lines))

    kept = killed / "checkpoints" / "decisions.json"
    decisions = kept.read_text()
    older = json.loads(decisions)
    del older["test_data"]
    kept.write_text(json.dumps(older))
    refused(program("--output", killed, "--resume"), "other test data: not known which")
    kept.write_text(decisions)

    code, said = program("--output", killed, "--resume", "--epochs", 4)
    assert code == 0, said
    assert "going on from" in said
    assert "checkpoints/step-0000000" in said.replace("\n", "")
    assert "strand" in check_alike(killed, whole, SAME)
    refused(program("--output", killed, "--resume"), "finished")


def test_several_tasks_are_gone_on_with(table, program, tmp_path):
    lines = table.read_text().splitlines()
    values = [f"{line.split(',')[0]},{line.count('G') / 10}" for line in lines[1:]]
    (tmp_path / "values.csv").write_text("sequence,label\n" + "\n".join(values) + "\n")
    tasks = {
        "boxes": {"train": str(table)},
        "content": {"train": str(tmp_path / "values.csv"), "strand": "both"},
    }
    config = tmp_path / "tasks.yaml"
    training = {"curriculum": "length", "task_weighting": "uncertainty"}
    config.write_text(yaml.safe_dump({"tasks": tasks, "training": training}))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    code, said = program("--config", config, "--output", whole, *MODEL)
    assert code == 0, said
    assert not (whole / "checkpoints").exists()

    process = started("--config", config, *MODEL, output=killed)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    code, said = program(killed, command="report")
    assert code == 0, said
    assert "boxes" in (killed / "report.html").read_text()
    text = (tmp_path / "values.csv").read_text()
    (tmp_path / "values.csv").write_text(text.replace("0.", "1."))
    refused(program("--output", killed, "--resume"), "task content: ", "other test data")
    (tmp_path / "values.csv").write_text(text)

    code, said = program("--output", killed, "--resume")
    assert code == 0, said
    assert "going on from" in said
    same = ["model.safetensors", *(f"predictions/{name}.tsv" for name in tasks)]
    figures = check_alike(killed, whole, same)["tasks"]
    assert "strand" in figures["boxes"]
    assert "baseline" in figures["boxes"]


def test_a_run_told_to_end_says_how_to_go_on(table, program, tmp_path):
    output = tmp_path / "run"
    process = started("--train", table, *SETTINGS, output=output)
    process.terminate()
    _, said = process.communicate(timeout=100)
    assert process.returncode == 143
    last = said.strip().splitlines()[-1]
    assert last.startswith("stopped after step ")
    assert last.endswith(f"go on with: hyena-glt train --resume --output {output}")
    code, said = program("--output", output, "--resume")
    assert code == 0, said


def test_there_must_be_a_run(table, program, tmp_path):
    refused(program("--output", tmp_path / "none", "--resume"), "holds no run to resume")


def test_a_run_that_dies_behind_its_training_is_tested_again(table, program, tmp_path, monkeypatch):
    """Whatever it was about to write: table, figures, report."""

    def dies(*_):
        sys.exit(137)

    whole = tmp_path / "whole"
    arguments = ("--train", table, *SETTINGS)
    assert program(*arguments, "--output", whole)[0] == 0
    writers = (
        (experiment, "write_predictions"), (experiment, "finish"), (resuming, "write_report"),
        (resuming, "shutil"),
    )  # fmt: skip
    for number, (module, writer) in enumerate(writers):
        output = tmp_path / str(number)
        with monkeypatch.context() as patched:
            stub = SimpleNamespace(rmtree=dies) if writer == "shutil" else dies
            patched.setattr(module, writer, stub)
            assert program(*arguments, "--output", output)[0] == 137
        (output / ".0a1b2c3d.predictions.tsv").write_text("half")
        code, said = program("--output", output, "--resume")
        assert code == 0, said
        assert f"report: {output / 'report.html'}" in said
        check_alike(output, whole, SAME)
        assert {path.name for path in output.iterdir()} == {path.name for path in whole.iterdir()}
        refused(program("--output", output, "--resume"), "finished")
        with monkeypatch.context() as patched:
            patched.setenv("RANK", "1")  # comes when the first process has finished
            assert program("--output", output, "--resume") == (0, "")


def test_the_same_command_line_goes_on(table, program, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump({"data": {"train": str(table)}}))
    output = tmp_path / "run"
    arguments = ("--config", config, *SETTINGS, "--output", output)
    process = started(*arguments[:-2], output=output)
    process.kill()
    process.communicate()
    config.write_text(yaml.safe_dump({"data": {"train": str(table)}, "training": {"seed": 2}}))
    refused(program(*arguments, "--resume"), "training.seed=0, not 2")
    config.write_text(yaml.safe_dump({"data": {"train": str(table)}}))
    code, said = program(*arguments, "--resume")
    assert code == 0, said
    assert "going on from" in said


def test_ctrl_c_is_no_success(table, program, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run_training", interrupted)
    code, said = program("--train", table, "--output", tmp_path / "run")
    assert (code, said) == (130, "stopped\n")
