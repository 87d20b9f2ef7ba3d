"""From a genome and its annotation to called features, on the command line."""

import csv
import gzip
import json
import os
import subprocess
import sys

import pytest

from hyena_glt.data.simulation import simulate_genome
from hyena_glt.data.simulation.features import write_gff3
from hyena_glt.io.fasta import write_fasta
from hyena_glt.io.gff import iter_gff
from hyena_glt.io.records import SequenceRecord

TINY = (
    "--set", "model.hidden_size=32", "--set", "model.num_attention_heads=4",
    "--set", "model.filter_size=32", "--set", "model.local_hidden_size=32",
    "--set", "model.num_layers=2",
)  # fmt: skip


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "hyena_glt", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )


def simulated(folder, name, seed, length=60_000):
    chromosome = simulate_genome(
        length, num_genes=40, num_islands=0, num_tandem_repeats=2, num_dispersed_repeats=2,
        seed=seed, id_=name,
    )  # fmt: skip
    fasta, gff = folder / f"{name}.fa.gz", folder / f"{name}.gff"
    write_fasta(fasta, [SequenceRecord(name, chromosome.sequence)])
    write_gff3(gff, [chromosome])
    return fasta, gff


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genome")
    fasta, gff = simulated(folder, "chr1", 1)
    output = folder / "run"
    result = run(
        "train", "--fasta", fasta, "--annotation", gff, "--output", output, "--epochs", 16, *TINY,
        "--set", "data.window=256", "--set", "training.batch_size=16",
        "--set", "training.learning_rate=5e-3", "--set", "training.weight_average=0.9",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return output, result


def test_a_training_on_an_annotated_genome(trained):
    output, result = trained
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["labels"] == ["other", "CDS+", "CDS-"]
    assert metrics["strand"]["strand"] == "both"
    assert {"accuracy", "mcc", "f1_macro", "auroc", "auprc"} == set(metrics["test"])
    assert set(metrics["baseline"]["test"]) == set(metrics["test"])
    assert metrics["test"]["auroc"] > 0.6
    # 20 % of 60,000; bases of genes on both strands there are none.
    assert sum(one["bases"] for one in metrics["classes"]) == 12_000
    assert metrics["regions"]["test"] == ["chr1:48000-60000"]
    features = list(iter_gff(output / "predictions.gff3"))
    assert features
    assert all(48_000 <= one.start < one.end <= 60_000 for one in features)
    assert all(one.kind == "CDS" and one.strand in "+-" for one in features)
    with gzip.open(output / "bases.tsv.gz", "rt", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert [int(row["position"]) for row in rows] == list(range(48_000, 60_000))
    right = sum(row["label"] == row["prediction"] for row in rows) / len(rows)
    assert right == pytest.approx(metrics["test"]["accuracy"])
    page = (output / "report.html").read_text()
    assert "test bases" in page
    assert "Confusion matrix, in bases" in page
    assert "is missing" not in page
    assert "k-mer logistic regression around each base" in result.stderr


def test_the_model_annotates_another_genome(trained):
    output, _ = trained
    folder = output.parent
    fasta, gff = simulated(folder, "chr2", 2, 40_000)
    scores = folder / "scores.json"
    result = run("evaluate", "--model", output, "--test", fasta, "--annotation", gff,
                 "--output", scores)  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = json.loads(scores.read_text())
    assert [one["name"] for one in found["classes"]] == ["other", "CDS+", "CDS-"]
    assert sum(one["bases"] for one in found["classes"]) == 40_000
    assert "CDS+" in result.stdout
    rows = (folder / "scores_classes.tsv").read_text().splitlines()
    assert rows[0].split("\t")[:3] == ["name", "bases", "precision"]
    assert len(rows) == 4
    low, high = found["intervals"]["accuracy"]
    assert low <= found["accuracy"] <= high
    result = run("predict", "--model", output, "--input", fasta, "--threshold", "auto")
    assert result.returncode == 2
    assert "--threshold is for models of two classes" in result.stderr

    result = run("predict", "--model", output, "--input", fasta, "--output", folder / "new.gff3",
                 "--per-base", folder / "new.tsv")  # fmt: skip
    assert result.returncode == 0, result.stderr
    features = list(iter_gff(folder / "new.gff3"))
    assert {one.contig for one in features} == {"chr2"}
    with (folder / "new.tsv").open(newline="") as handle:
        assert sum(1 for _ in handle) == 40_001

    result = run("predict", "--model", output, "--input", fasta, "--output", folder / "new.bed")
    assert result.returncode == 0, result.stderr
    lines = [line.split("\t") for line in (folder / "new.bed").read_text().splitlines()]
    assert [(int(line[1]), int(line[2])) for line in lines] == [
        (one.start, one.end) for one in features
    ]


class TestMistakes:
    """Each ends in one line and code 2, with nothing written."""

    def refused(self, tmp_path, *arguments):
        result = run("train", *arguments, "--output", tmp_path / "out")
        assert result.returncode == 2, result.stderr
        assert not (tmp_path / "out").exists()
        lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
        assert len(lines) == 1
        return lines[0]

    def test_half_of_what_is_needed(self, tmp_path):
        fasta, _ = simulated(tmp_path, "chr1", 0, 50_000)
        assert "belong together" in self.refused(tmp_path, "--fasta", fasta)

    def test_a_kind_that_is_not_there(self, tmp_path):
        fasta, gff = simulated(tmp_path, "chr1", 0, 50_000)
        found = self.refused(
            tmp_path, "--fasta", fasta, "--annotation", gff, "--set", "data.kinds=CDS,tRNA"
        )
        assert "'tRNA'" in found
        assert "CDS (40)" in found

    def test_an_annotation_of_another_genome(self, tmp_path):
        fasta, _ = simulated(tmp_path, "chr1", 0, 50_000)
        _, gff = simulated(tmp_path, "II", 0, 50_000)
        found = self.refused(tmp_path, "--fasta", fasta, "--annotation", gff)
        assert "II.gff" in found
        assert "the features are on II, the contigs are chr1" in found
