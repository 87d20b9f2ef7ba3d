"""Two processes that train one model together, on the CPU: DDP and FSDP2 over gloo."""

import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hyena_glt.training.checkpoints import newest

SCRIPT = Path(__file__).with_name("together.py")
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
# Sums are taken in another order; nothing else differs.
TOLERANCE = 1e-4
# Threshold and spread are means of those of two halves of a batch, and patches are cut by them.
TOLERANCE_WITH_A_THRESHOLD = 0.02


def torchrun(*arguments, processes=2, timeout=200):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--master-port", str(port), *map(str, arguments)]
    return subprocess.run(
        command, env=ONE_THREAD, timeout=timeout, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    alone = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), "auto"], env=ONE_THREAD, timeout=200,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    together = torchrun(SCRIPT, folder, "ddp", "fsdp")
    assert together.returncode == 0, together.stderr
    return folder


def read(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_two_processes_train_as_one(runs, way):
    alone, first, second = (read(runs, name) for name in ("auto-alone", f"{way}-0", f"{way}-1"))
    assert len(alone["losses"]) == 9
    assert first["losses"] == pytest.approx(alone["losses"], rel=TOLERANCE)
    assert first["pretraining"] == pytest.approx(
        alone["pretraining"], rel=TOLERANCE_WITH_A_THRESHOLD
    )
    assert first["bits"] == second["bits"] == pytest.approx(alone["bits"], rel=0.01)
    assert first["running"] == second["running"]
    assert first["running"][2] == alone["running"][2]
    ours, theirs = (load_file(runs / f"{way}-{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_two_processes_stop_together_and_go_on_alike(runs, way):
    assert read(runs, f"{way}-0")["alike"]
    assert newest(runs / f"{way}-stopped").name == "step-000000009.safetensors"


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_a_checkpoint_of_two_processes_is_one_of_one(runs, way):
    together = runpy.run_path(str(SCRIPT))
    two, one = (load_file(newest(runs / f"{name}-whole")) for name in (way, "auto"))
    assert {k: v.shape for k, v in two.items()} == {k: v.shape for k, v in one.items()}
    # One process goes on where two have ended.
    trainer = together["labelled"]("auto")
    together["train"](trainer, runs / f"{way}-whole")
    saved = load_file(runs / f"{way}-0.safetensors")
    assert all(
        torch.equal(value, saved[name]) for name, value in trainer.model.state_dict().items()
    )


def test_the_command_line_writes_and_prints_once(tmp_path):
    rows = "".join(f"{'ACGTAC' * 4}{letters},{n % 2}\n" for n, letters in enumerate(
        ["ACGT", "TTTT", "GACC", "TATA", "CCAT", "TTAA", "GGCA", "ATAT"] * 5))  # fmt: skip
    (tmp_path / "train.csv").write_text("sequence,label\n" + rows)
    settings = [
        "model.hidden_size=32", "model.num_attention_heads=4", "model.local_hidden_size=32",
        "model.num_layers=2", "model.filter_size=32", "training.batch_size=8",
        "training.tensorboard=false", "training.parallel=fsdp",
    ]  # fmt: skip
    done = torchrun(
        "-m", "hyena_glt.cli.main", "train", "--train", tmp_path / "train.csv", "--epochs", 1,
        "--output", tmp_path / "run", *(word for one in settings for word in ("--set", one)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch   1") == 1
    assert done.stderr.count("report:") == 1
    assert (tmp_path / "run" / "report.html").exists()
    events = [
        json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    ]
    steps = [event["step"] for event in events if event["event"] == "step"]
    assert steps == list(range(1, len(steps) + 1))
