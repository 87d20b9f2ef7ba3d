"""``hyena-glt train`` killed, told to end, and gone on with; and what may not change meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from hyena_glt.cli import main as command_line

SETTINGS = (
    "--strand", "auto", "--epochs", "4",
    *(word for one in (
        "model.hidden_size=32", "model.num_attention_heads=4", "model.filter_size=32",
        "model.local_hidden_size=32", "model.num_layers=2", "training.batch_size=8",
        "training.checkpoint_every=3", "training.tensorboard=false",
    ) for word in ("--set", one)),
)  # fmt: skip
SAME = ("model.safetensors", "predictions.tsv")


@pytest.fixture
def program(monkeypatch, capsys):
    """The command line in this process: exit code and what it said."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["hyena-glt", "train", *map(str, arguments)])
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


def started(table, output):
    command = [sys.executable, "-m", "hyena_glt.cli.main", "train", "--train", str(table)]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(
        [*command, "--output", str(output), *SETTINGS], env={**os.environ, **threads},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    waited = time.monotonic()
    while not list(output.glob("checkpoints/step-*")) and time.monotonic() < waited + 100:
        time.sleep(0.01)
    return process


def refused(answer, *words):
    """One clear line, exit code 2."""
    code, said = answer
    assert code == 2, said
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    for word in words:
        assert word in line, line


def test_a_killed_run_resumed_is_a_run_left_alone(table, program, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    code, said = program("--train", table, "--output", whole, *SETTINGS)
    assert code == 0, said
    assert not (whole / "checkpoints").exists()

    process = started(table, killed)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    refused(program("--output", killed, "--resume", "--epochs", 5), "num_epochs=4, not 5")
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))
    refused(program("--output", killed, "--resume"), "on other data", "43 sequences")
    table.write_text("".join(lines))

    code, said = program("--output", killed, "--resume", "--epochs", 4)
    assert code == 0, said
    assert "going on from" in said
    assert "checkpoints/step-0000000" in said.replace("\n", "")
    for name in SAME:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (killed, whole))
    del ours["train_seconds"], theirs["train_seconds"]
    assert ours == theirs
    assert "strand" in ours
    logs = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (killed, whole)
    ]
    for event in logs[0] + logs[1]:
        event.pop("seconds")
    assert logs[0] == logs[1]
    refused(program("--output", killed, "--resume"), "finished")


def test_a_run_told_to_end_says_how_to_go_on(table, program, tmp_path):
    output = tmp_path / "run"
    process = started(table, output)
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
