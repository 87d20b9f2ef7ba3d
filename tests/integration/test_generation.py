"""``hyena-glt generate`` and ``score`` as a user calls them, mistakes included."""

import gzip
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from hyena_glt.biology.codons import translate
from hyena_glt.biology.sequences import gc_content
from hyena_glt.cli.main import main
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.io.fasta import read_fasta
from hyena_glt.model import (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
)
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer

TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "filter_size": 32,
    "max_position_embeddings": 128,
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a causal model, a two-sided one, a classifier, and a causal one for proteins."""
    folder = tmp_path_factory.mktemp("models")
    faces = {
        "clm": (HyenaGLTForCausalLM, DNATokenizer(kmer_size=1), True),
        "mlm": (HyenaGLTForMaskedLM, DNATokenizer(kmer_size=1), False),
        "classifier": (HyenaGLTForSequenceClassification, DNATokenizer(kmer_size=1), False),
        "protein": (HyenaGLTForCausalLM, ProteinTokenizer(kmer_size=1), True),
    }
    for name, (face, tokenizer, causal) in faces.items():
        torch.manual_seed(0)
        model = face(HyenaGLTConfig.for_tokenizer(tokenizer, causal=causal, **TINY))
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


@pytest.fixture
def program(monkeypatch, capsys):
    """Run the program in this process: exit code, standard output, standard error."""

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


def refused(result, *words):
    """One clear line, exit code 2, nothing on standard output."""
    code, out, error = result
    assert code == 2, error
    assert out == ""
    assert len(error.splitlines()) == 1
    assert error.startswith("error:")
    for word in words:
        assert word in error, error


def fields_of(header):
    return {key: float(value) for key, value in re.findall(r"(\w+)=(\S+)", header)}


def sequence(length, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def test_generate_writes_what_score_says(models, program, tmp_path):
    fasta, table = tmp_path / "new.fa.gz", tmp_path / "scores.tsv"
    code, out, error = program(
        "generate", "--model", models / "clm", "--length", 120, "--n", 3, "--seed", 5,
        "--output", fasta,
    )  # fmt: skip
    assert (code, out) == (0, "")
    for word in ("period-3 signal", "±", "GC", "3 sequences"):
        assert word in error
    records = read_fasta(fasta)
    assert [record.id for record in records] == ["generated_1", "generated_2", "generated_3"]
    code, out, error = program("score", "--model", models / "clm", "--fasta", fasta,
                               "--output", table)  # fmt: skip
    assert (code, out) == (0, "")
    assert "3 records, 360 letters scored" in error
    header, *rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert header == ["id", "length", "scored_bases", "log_likelihood", "bits_per_base"]
    for record, row in zip(records, rows, strict=True):
        assert row[:3] == [record.id, "120", "120"]
        fields = fields_of(record.description)
        assert fields["log_likelihood"] == pytest.approx(float(row[3]), abs=1e-3)
        assert fields["bits_per_base"] == pytest.approx(float(row[4]), abs=1e-4)
        assert fields["gc"] == pytest.approx(gc_content(record.sequence), abs=1e-4)


def test_letters_go_on_in_the_wanted_range_and_frame(models, program):
    code, out, error = program(
        "generate", "--model", models / "clm", "--prompt", "atggcg", "--length", 90, "--n", 2,
        "--gc", "0.6-0.62", "--orf", "--temperature", 0.9, "--top-k", 4, "--top-p", 0.99,
    )  # fmt: skip
    assert code == 0, error
    headers = [line for line in out.splitlines() if line.startswith(">")]
    assert [header.split()[0] for header in headers] == [">prompt_1", ">prompt_2"]
    for text in out.split(">")[1:]:
        header, *lines = text.splitlines()
        letters = "".join(lines)
        assert letters.startswith("ATGGCG")
        assert len(letters) == 96
        assert "*" not in translate(letters)
        assert 0.6 <= gc_content(letters[6:]) <= 0.62
        assert fields_of(header)["gc"] == pytest.approx(gc_content(letters[6:]), abs=1e-4)


def test_prompts_from_a_file_keep_their_names(models, program, tmp_path):
    prompts = tmp_path / "prompts.fa"
    prompts.write_text(">lacZ gene\nATGACC\nATG\n>recA\nATGG\n")
    code, out, error = program(
        "generate", "--model", models / "clm", "--prompt", prompts, "--length", 9, "--beams", 2,
        "--n", 2,
    )  # fmt: skip
    assert code == 0, error
    lines = out.splitlines()
    names = [line.split()[0] for line in lines if line.startswith(">")]
    assert names == [">lacZ_1", ">lacZ_2", ">recA_1", ">recA_2"]
    assert [line[:4] for line in lines if not line.startswith(">")] == ["ATGA"] * 2 + ["ATGG"] * 2


def test_long_letters_are_no_file_name(models, program):
    prompt = sequence(118)
    code, out, _ = program("generate", "--model", models / "clm", "--prompt", prompt * 3,
                           "--length", 5)  # fmt: skip
    assert code == 2  # longer than the model takes, and more than a file may be called
    code, out, _ = program("generate", "--model", models / "clm", "--prompt", prompt,
                           "--length", 5, "--greedy")  # fmt: skip
    assert code == 0
    assert out.splitlines()[1] == prompt[:60]


def test_proteins_have_no_gc_and_no_codons(models, program):
    code, out, error = program("generate", "--model", models / "protein", "--length", 120)
    assert code == 0
    assert "gc=" not in out
    assert "GC" not in error
    assert "period-3" not in error


def test_score_reads_records_of_any_length(models, program, tmp_path):
    fasta, track = tmp_path / "x.fa", tmp_path / "bits.bedgraph.gz"
    long = sequence(500)
    fasta.write_text(f">short\nacgNNt\n>long some words\n{long}\n")
    code, out, _ = program("score", "--model", models / "clm", "--fasta", fasta,
                           "--per-base", track)  # fmt: skip
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()[1:]]
    assert [row[:3] for row in rows] == [["short", "6", "4"], ["long", "500", "500"]]
    intervals = [
        line.split("\t") for line in gzip.decompress(track.read_bytes()).decode().split("\n")
    ]
    assert intervals.pop() == [""]
    assert [row[:3] for row in intervals[:5]] == [
        ["short", "0", "1"], ["short", "1", "2"], ["short", "2", "3"], ["short", "5", "6"],
        ["long", "0", "1"],
    ]  # fmt: skip
    assert [int(row[2]) for row in intervals[4:]] == list(range(1, 501))
    assert intervals[0][3] == "2.0000"
    for row in rows:
        bits = [float(b) for name, *_, b in intervals if name == row[0]]
        assert np.mean(bits) == pytest.approx(float(row[4]), abs=1e-3)
        assert sum(bits) * math.log(2) == pytest.approx(-float(row[3]), abs=0.05)


def test_score_reads_a_pipe(models):
    result = subprocess.run(
        [sys.executable, "-m", "hyena_glt", "score", "--model", models / "clm",
         "--fasta", "-"],
        input=gzip.compress(b">x\nACGT\n"), capture_output=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert result.stdout.splitlines()[1].startswith(b"x\t4\t4\t-")


def test_score_of_a_two_sided_model_is_called_what_it_is(models, program, tmp_path):
    fasta = tmp_path / "x.fa"
    fasta.write_text(">x\nACGTACGTAC\n")
    code, out, error = program("score", "--model", models / "mlm", "--fasta", fasta)
    assert code == 0
    assert "pseudo-log-likelihood" in error
    assert out.splitlines()[1].startswith("x\t10\t10\t-")


@pytest.mark.parametrize("command", ["generate", "score"])
def test_help_teaches_by_example(program, command):
    code, out, _ = program(command, "--help")
    assert code == 0
    assert f"hyena-glt {command} --model runs/ecoli" in out


class TestMistakes:
    """Each ends in one line and code 2, with nothing written."""

    def generate(self, program, model, tmp_path, *arguments):
        given = ["--length", 10, *arguments] if "--length" not in arguments else arguments
        result = program("generate", "--model", model, "--output", tmp_path / "out.fa", *given)
        assert not (tmp_path / "out.fa").exists()
        assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
        return result

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--length", 0], ["length", "0"]),
            (["--length", -5], ["length", "-5"]),
            (["--n", 0], ["n must be", "0"]),
            (["--prompt", "ACGXX"], ["the prompt", "2 foreign letters", "'X'", "position 3"]),
            (["--prompt", "ACG T"], ["the prompt", "' '", "position 3"]),
            (["--prompt", "none.fa"], ["none.fa", "no such file"]),
            (["--prompt", "A" * 300], ["300 tokens", "128", "max_position_embeddings"]),
            (["--prompt", "ATGTAAC", "--orf"], ["TAA at position 3", "stop codon"]),
            (["--gc", "0.5"], ["--gc '0.5'", "0.4-0.6"]),
            (["--gc", "0.7-0.6"], ["0.7-0.6"]),
            (["--gc", "0.41-0.42"], ["among 10 bases"]),
            (["--temperature", 0], ["temperature", "got 0"]),
            (["--top-p", 2], ["top_p", "got 2"]),
            (["--top-k", 0], ["top_k", "got 0"]),
            (["--beams", 0], ["beams", "got 0"]),
            (["--greedy", "--beams", 3], ["greedy"]),
            (["--greedy", "--top-k", 3], ["top_k is for sampling"]),
            (["--beams", 2, "--n", 5], ["n=5", "beams=2"]),
        ],
    )  # fmt: skip
    def test_arguments(self, models, program, tmp_path, arguments, words):
        refused(self.generate(program, models / "clm", tmp_path, *arguments), *words)

    def test_a_two_sided_model(self, models, program, tmp_path):
        result = self.generate(program, models / "mlm", tmp_path)
        refused(result, "both ways", "causal=False", "--objective clm")

    def test_a_classifier(self, models, program, tmp_path):
        words = ["classifier", "HyenaGLTForSequenceClassification", "HyenaGLTForCausalLM"]
        refused(self.generate(program, models / "classifier", tmp_path), *words)
        fasta = tmp_path / "x.fa"
        fasta.write_text(">x\nACGT\n")
        refused(program("score", "--model", models / "classifier", "--fasta", fasta), *words)

    def test_a_folder_that_holds_no_model(self, program, tmp_path):
        refused(self.generate(program, tmp_path, tmp_path), "config.json", str(tmp_path))

    def test_an_orf_of_protein(self, models, program, tmp_path):
        refused(self.generate(program, models / "protein", tmp_path, "--orf"), "reads protein")

    def test_an_output_that_is_a_folder(self, models, program, tmp_path):
        refused(
            program("generate", "--model", models / "clm", "--length", 5, "--output", tmp_path),
            "this is a folder",
        )

    def score(self, program, models, fasta, tmp_path):
        table, track = tmp_path / "out.tsv", tmp_path / "out.bedgraph"
        result = program("score", "--model", models / "clm", "--fasta", fasta,
                         "--output", table, "--per-base", track)  # fmt: skip
        assert sorted(path.name for path in tmp_path.iterdir()) == [fasta.name] * fasta.exists()
        return result

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("x.fa", b">a\nACGT\n>b\nACXT\n", ["b: 1 foreign letter", "'X'", "position 2"]),
            ("x.fa", b"", ["empty"]),
            ("x.fa", b"ACGT\n", ["starts with '>'"]),
            ("x.fa", b">a\n>b\nACGT\n", ["x.fa:1", "'a' has no sequence"]),
            ("x.fa.gz", gzip.compress(b">a\n" + b"ACGT" * 9999, mtime=0)[:-20], ["cut short"]),
        ],
    )
    def test_files(self, models, program, tmp_path, name, content, words):
        fasta = tmp_path / name
        fasta.write_bytes(content)
        refused(self.score(program, models, fasta, tmp_path), name, *words)

    def test_no_file(self, models, program, tmp_path):
        refused(self.score(program, models, tmp_path / "none.fa", tmp_path), "no such file")
