"""``hyena-glt pretrain`` as a newcomer uses it: killed, resumed, and with bad input."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.cli import main as command_line
from hyena_glt.data.simulation import simulate_genome
from hyena_glt.io.fasta import read_fasta, write_fasta
from hyena_glt.io.records import SequenceRecord

TINY = (
    "--set", "model.hidden_size=32", "--set", "model.num_attention_heads=4",
    "--set", "model.filter_size=32", "--set", "model.local_hidden_size=32",
    "--set", "model.num_layers=2", "--set", "pretraining.batch_size=4",
)  # fmt: skip
SHORT = (
    "--steps", 30, "--window", 64, "--set", "pretraining.evaluate_every=10",
    "--set", "pretraining.checkpoint_every=5", "--set", "pretraining.generate=60",
    "--set", "pretraining.learning_rate=5e-3", "--set", "pretraining.weight_average=0.9",
)  # fmt: skip


@pytest.fixture
def program(monkeypatch, capsys):
    """The command line in this process: exit code and what it said."""

    def run(*arguments):
        words = ["hyena-glt", "pretrain", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setenv("COLUMNS", "200")
        try:
            command_line.main()
        except SystemExit as done:
            code = done.code
        else:
            code = 0
        return code, capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fna.gz"
    chromosome = simulate_genome(40_000, num_genes=15, num_islands=0, seed=3, id_="chr")
    write_fasta(path, [SequenceRecord("chr", chromosome.sequence)])
    return path


def refused(answer, *words):
    """One clear line, exit code 2."""
    code, said = answer
    assert code == 2, said
    lines = [line for line in said.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0], lines[0]


def test_a_killed_run_resumed_is_a_run_left_alone(genome, program, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    code, said = program("--fasta", genome, "--output", whole, *TINY, *SHORT)
    assert code == 0, said

    command = [sys.executable, "-m", "hyena_glt", "pretrain", "--fasta", str(genome)]
    command += ["--output", str(killed), *map(str, TINY), *map(str, SHORT)]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    with subprocess.Popen(
        command, env={**os.environ, **threads}, stderr=subprocess.DEVNULL
    ) as process:
        started = time.monotonic()
        while not list(killed.glob("checkpoints/step-*")) and time.monotonic() < started + 100:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (killed / "metrics.json").exists()

    code, said = program("--output", killed, "--resume", "--steps", 30)
    assert code == 0, said
    assert sorted(path.name for path in killed.iterdir()) == sorted(
        path.name for path in whole.iterdir()
    )
    for name in ("model.safetensors", "generated.fa"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (killed, whole))
    del ours["train_seconds"], theirs["train_seconds"]
    assert ours == theirs
    refused(program("--output", killed, "--resume"), "finished")

    for name in (
        "config.json", "config.yaml", "generated.fa", "log.jsonl", "metrics.json",
        "model.safetensors", "tokenizer_config.json",
    ):  # fmt: skip
        assert (whole / name).stat().st_size > 0, name
    assert not (whole / "checkpoints").exists()
    assert theirs["test"]["bits_per_base"] < 2.1
    assert theirs["baseline"]["name"] == "interpolated Markov, order 12"
    assert 1.8 < theirs["baseline"]["bits_per_base"] < 2.1
    assert theirs["regions"]["test"] == ["chr:36000-40000"]
    assert theirs["parameters"] > 10_000
    assert f"{theirs['test']['bits_per_base']:.4f}" in said
    assert f"{theirs['baseline']['bits_per_base']:.4f}" in said
    assert "period-3 signal" in said
    (sampled,) = read_fasta(whole / "generated.fa")
    assert len(sampled.sequence) == theirs["generated"]["bases"] == 60
    assert set(sampled.sequence) <= set("ACGT")


def test_masked_models_are_pretrained_and_loaded(genome, program, tmp_path):
    from transformers import AutoModelForMaskedLM

    import hyena_glt.model  # noqa: F401 - makes the classes known

    code, said = program(
        "--fasta", genome, "--objective", "mlm", "--output", tmp_path / "out", *TINY,
        "--steps", 3, "--window", 64, "--set", "pretraining.repeat_weight=0.1",
    )  # fmt: skip
    assert code == 0, said
    assert "bits per hidden base" in said
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["objective"] == "mlm"
    assert "generated" not in metrics
    assert "from the left alone" in metrics["baseline"]["name"]
    assert not AutoModelForMaskedLM.from_pretrained(tmp_path / "out").config.causal


def test_mistakes_end_in_one_line_and_leave_nothing(genome, program, tmp_path):
    output = tmp_path / "out"
    short, cut, rna = tmp_path / "short.fa", tmp_path / "cut.fna.gz", tmp_path / "rna.fa"
    short.write_text(">plasmid\n" + "ACGT" * 200 + "\n")
    cut.write_bytes(genome.read_bytes()[:-50])
    rna.write_text(">x\nACGU\n")
    twice = tmp_path / "twice.fa"
    twice.write_text(gzip.decompress(genome.read_bytes()).decode())

    def try_(*arguments):
        answer = program("--output", output, *TINY, *arguments)
        assert not output.exists()
        return answer

    refused(try_("--fasta", short), str(short), "less than one window of 1,024", "window=1024")
    refused(try_("--fasta", cut), str(cut), "cut short")
    refused(try_("--fasta", rna), str(rna), "'U'")
    refused(try_("--fasta", tmp_path / "no.fa"), "no.fa", "no such file")
    refused(try_("--fasta", genome, "--fasta", twice), str(twice), "two contigs")
    refused(try_(), "--fasta")
    refused(try_("--fasta", genome, "--window", 8), "pretraining.window", "16")
    refused(
        try_("--fasta", genome, "--set", "pretraining.step=5"), "did you mean pretraining.steps"
    )
    refused(try_("--fasta", genome, "--set", "model.causal=false"), "causal=True")
    refused(
        try_("--fasta", genome, "--set", "model.max_position_embeddings=1200"),
        "375 that are sampled",
        "1200",
    )
    refused(try_("--resume"), "no run to resume")
    output.mkdir()
    refused(program("--fasta", genome, "--output", output), "exists")


def test_a_resumed_run_keeps_its_settings(genome, program, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "config.yaml").write_text(f"pretraining:\n  fasta: ['{genome}']\n  steps: 5\n")
    refused(program("--output", output, "--resume", "--steps", 6), "pretraining.steps=5, not 6")
    changed = ("--set", "model.num_layers=1")
    refused(program("--output", output, "--resume", *changed), "model.num_layers=None, not 1")


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 300)
)
def test_samples_start_behind_windows_spread_over_the_held_out_regions(sizes, count, window):
    from hyena_glt.cli.pretraining import _places
    from hyena_glt.data.genome import Region

    regions = [Region(f"c{i}", 100, 100 + size) for i, size in enumerate(sizes)]
    prompts = _places(regions, count, window)
    assert len(prompts) == count
    for prompt in prompts:
        (home,) = [region for region in regions if region.contig == prompt.contig]
        assert home.start <= prompt.start < prompt.end <= home.end
        assert prompt.bases == min(window, home.bases)
    halves = [Region("a", 0, 500), Region("b", 500, 1000)]
    assert [prompt.end for prompt in _places(halves, 4, 100)] == [125, 375, 625, 875]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_e_coli_is_told_from_chance(shared_data, program, tmp_path):
    """Minutes instead of the hour that beats the Markov model."""
    fasta = shared_data / "genomes/ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.fna.gz"
    code, said = program("--fasta", fasta, "--output", tmp_path / "out", "--steps", 300)
    assert code == 0, said
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["baseline"]["bits_per_base"] == pytest.approx(1.914, abs=0.002)
    assert metrics["test"]["bits_per_base"] < 1.95
    assert metrics["generated"]["gc"] == pytest.approx(metrics["generated"]["genome_gc"], abs=0.03)
