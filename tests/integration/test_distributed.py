"""Two processes that train one model together, on the CPU: DDP and FSDP2 over gloo."""

import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
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
def test_two_processes_train_several_tasks_as_one(runs, way):
    alone, first, second = (read(runs, name) for name in ("auto-alone", f"{way}-0", f"{way}-1"))
    assert len(alone["tasks"]) == 15
    assert first["tasks"] == pytest.approx(alone["tasks"], rel=TOLERANCE)
    assert first["score"] == second["score"] == pytest.approx(alone["score"], rel=0.01)
    assert first["tasks_alike"]
    one, other, whole = (
        load_file(runs / f"{name}-tasks.safetensors") for name in (f"{way}-0", f"{way}-1",
                                                                   "auto-alone")
    )  # fmt: skip
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    weights = "task_weights.log_variances"
    assert torch.allclose(one[weights], whole[weights], rtol=1e-3)


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


MODEL = (
    "model.hidden_size=32", "model.num_attention_heads=4", "model.local_hidden_size=32",
    "model.num_layers=2", "model.filter_size=32",
)  # fmt: skip


def trained(folder, command, settings, *arguments):
    """What two processes of the command line said, and their log."""
    words = (word for one in (*MODEL, *settings) for word in ("--set", one))
    done = torchrun("-m", "hyena_glt", command, "--output", folder / "run", *arguments, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("parameters, ") == 1
    assert (folder / "run" / "report.html").exists()
    assert not (folder / "run" / "checkpoints").exists()
    lines = (folder / "run" / "log.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    steps = [event["step"] for event in events if event["event"] == "step"]
    assert steps == list(range(1, len(steps) + 1))
    return done.stderr, events


def write_table(path):
    rows = "".join(f"{'ACGTAC' * 4}{letters},{n % 2}\n" for n, letters in enumerate(
        ["ACGT", "TTTT", "GACC", "TATA", "CCAT", "TTAA", "GGCA", "ATAT"] * 5))  # fmt: skip
    path.write_text("sequence,label\n" + rows)
    return path


def write_genome(folder):
    """A genome, and the features of every third stretch of 300 bases."""
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 9000))
    (folder / "genome.fa").write_text(f">chr\n{letters}\n")
    rows = [
        f"chr\t.\tCDS\t{start + 1}\t{start + 300}\t.\t{'+-'[start % 1800 > 0]}\t0\tID=f{start}\n"
        for start in range(0, 9000, 900)
    ]
    (folder / "genes.gff").write_text("##gff-version 3\n" + "".join(rows))
    return folder / "genome.fa", folder / "genes.gff"


BRIEF = ("training.batch_size=8", "training.tensorboard=false")


def test_the_command_line_writes_and_prints_once(tmp_path):
    settings = (*BRIEF, "training.parallel=fsdp")
    table = write_table(tmp_path / "train.csv")
    said, _ = trained(tmp_path, "train", settings, "--train", table, "--epochs", 1)
    assert said.count("epoch   1") == 1
    assert said.count("report:") == 1


BROKEN = """
import hyena_glt.training.pipeline
from hyena_glt.cli.main import main
from hyena_glt.errors import DataError

def evaluate(*_, **__):
    raise DataError("validation cannot go on")

hyena_glt.training.pipeline.evaluate = evaluate
main()
"""


@pytest.mark.parametrize("where", ["all", "first"])
def test_an_error_is_told_once_and_ends_all(tmp_path, where):
    table = write_table(tmp_path / "train.csv")
    program = ["-m", "hyena_glt"]
    if where == "all":
        table.write_text(table.read_text() + "ACGX,1\n")
    else:
        (tmp_path / "broken.py").write_text(BROKEN)
        program = [tmp_path / "broken.py"]
    words = [word for one in (*MODEL, *BRIEF) for word in ("--set", one)]
    done = torchrun(*program, "train", "--train", table, "--output", tmp_path / "run", *words)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert ("foreign letter" if where == "all" else "validation cannot go on") in lines[0]
    assert "[rank1]" not in done.stderr


def test_several_tasks_from_the_command_line(tmp_path):
    table = str(write_table(tmp_path / "train.csv"))
    (tmp_path / "tasks.yaml").write_text(
        f"tasks:\n  a: {{train: {table}, strand: both}}\n  b: {{train: {table}}}\n"
    )
    said, events = trained(
        tmp_path, "train", BRIEF, "--config", tmp_path / "tasks.yaml", "--epochs", 1
    )
    assert said.count("epoch   1  mean") == 1
    assert said.count("a: k-mer logistic regression") == 1
    assert {event["task"] for event in events if event["event"] == "step"} == {"a", "b"}
    assert len((tmp_path / "run" / "predictions" / "b.tsv").read_text().splitlines()) > 1


def test_an_annotated_genome_from_the_command_line(tmp_path):
    fasta, genes = write_genome(tmp_path)
    said, _ = trained(
        tmp_path, "train", (*BRIEF, "data.window=128"), "--fasta", fasta, "--annotation", genes,
        "--epochs", 1,
    )  # fmt: skip
    assert said.count("features called") == 1
    assert (tmp_path / "run" / "predictions.gff3").exists()


def test_a_pretraining_from_the_command_line(tmp_path):
    fasta, _ = write_genome(tmp_path)
    settings = (
        "pretraining.batch_size=3", "pretraining.evaluate_every=3", "pretraining.generate=60",
        "pretraining.tensorboard=false",
    )  # fmt: skip
    said, events = trained(
        tmp_path, "pretrain", settings, "--fasta", fasta, "--steps", 6, "--window", 64
    )
    assert said.count("sampling 60 bases") == 1
    # The windows of both processes together.
    assert {event["tokens"] for event in events if event["event"] == "step"} == {3 * 64}
