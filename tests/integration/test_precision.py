"""Number formats on the command line: what is asked for, what is refused, what is chosen."""

import json
import sys

import numpy as np
import pytest
import torch
import yaml

from hyena_glt.cli.main import main
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLTForCausalLM
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.precision import has_fast_bf16

TINY = {"hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "filter_size": 32}
SHORT = [
    *(f"--set=model.{name}={value}" for name, value in TINY.items()),
    "--set=training.num_epochs=1", "--set=training.strand=forward",
]  # fmt: skip
BEST = "bf16" if has_fast_bf16(torch.device("cpu")) else "fp32"

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has formats of its own")


@pytest.fixture
def program(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["hyena-glt", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            main()
        except SystemExit as done:
            code = done.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def table(tmp_path):
    random = np.random.default_rng(0)
    rows = [f"{''.join(random.choice(list('ACGT'), 40))},{number % 2}\n" for number in range(60)]
    path = tmp_path / "train.csv"
    path.write_text("sequence,label\n" + "".join(rows))
    return path


@pytest.mark.parametrize("mode", ["fp8", "fp16"])
def test_a_format_that_the_cpu_lacks_is_refused_and_nothing_is_written(
    program, table, tmp_path, mode
):
    output = tmp_path / "run"
    setting = f"--set=training.precision={mode}"
    code, out, error = program("train", "--train", table, "--output", output, setting)
    assert (code, out) == (2, "")
    assert error.startswith(f"error: training.precision={mode}: ")
    assert f"use {BEST}, or set training.precision_fallback=true" in error
    assert len(error.splitlines()) == 1
    assert not output.exists()


def test_the_fallback_trains_and_says_so(program, table, tmp_path):
    output = tmp_path / "run"
    code, _, error = program(
        "train", "--train", table, "--output", output, *SHORT,
        "--set=training.precision=fp8", "--set=training.precision_fallback=true",
    )  # fmt: skip
    assert code == 0, error
    events = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    notes = [event["message"] for event in events if event["event"] == "note"]
    assert [note for note in notes if note.startswith(f"precision: {BEST} in place of fp8 (")]
    assert yaml.safe_load((output / "config.yaml").read_text())["training"]["precision"] == "fp8"


def test_a_task_chooses_what_the_machine_has(program, table, tmp_path):
    output = tmp_path / "run"
    code, _, error = program(
        "train", "--train", table, "--output", output, *SHORT,
        "--precision-for", "genome_annotation",
    )  # fmt: skip
    assert code == 0, error
    training = yaml.safe_load((output / "config.yaml").read_text())["training"]
    assert (training["precision"], training["max_grad_norm"]) == (BEST, 0.5)
    code, _, error = program(
        "train", "--train", table, "--output", tmp_path / "other", "--precision-for", "annotation"
    )
    assert code == 2
    assert "did you mean genome_annotation?" in error


def test_weights_in_main_memory_generate_the_same(program, tmp_path):
    torch.manual_seed(0)
    tokenizer = DNATokenizer(kmer_size=1)
    config = HyenaGLTConfig.for_tokenizer(tokenizer, causal=True, **TINY)
    HyenaGLTForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    command = ["generate", "--model", tmp_path, "--prompt", "ATG", "--length", 60, "--seed", 3]
    _, expected, _ = program(*command)
    code, out, error = program(*command, "--offload", "cpu")
    assert code == 0, error
    assert out == expected
    code, _, error = program(*command, "--offload", "disk")
    assert code == 2
    assert "Traceback" not in error
