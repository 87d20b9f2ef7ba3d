"""The command line as a newcomer uses it, mistakes included."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TINY = (
    "--set", "model.hidden_size=32", "--set", "model.num_attention_heads=4",
    "--set", "model.filter_size=32", "--set", "model.local_hidden_size=32",
)  # fmt: skip
PROGRAM = [sys.executable, "-m", "hyena_glt"]


def run(*arguments, folder=None):
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )


def refused(result, *words):
    """One clear line, exit code 2, no traceback."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0], lines[0]


def planted(count, seed):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        letters = "".join(random.choice(list("ACGT"), 60))
        label = number % 2
        if label:
            at = int(random.integers(0, 50))
            letters = letters[:at] + "TATAAATATA" + letters[at + 10 :]
        rows.append((letters, label))
    return rows


def write_csv(path, rows, header="sequence,label"):
    text = header + "\n" + "".join(f"{sequence},{label}\n" for sequence, label in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on planted TATA boxes, and its files."""
    folder = tmp_path_factory.mktemp("run")
    train = write_csv(folder / "train.csv.gz", planted(400, 1))
    test = write_csv(folder / "test.csv", planted(100, 2))
    output = folder / "out"
    result = run(
        "train", "--train", train, "--test", test, "--output", output, "--epochs", 3, *TINY,
        "--set", "training.batch_size=16", "--set", "training.learning_rate=3e-3",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return output, test, result


def test_train_writes_the_whole_folder(trained):
    output, _, result = trained
    for name in (
        "config.json", "config.yaml", "log.jsonl", "metrics.json", "model.safetensors",
        "predictions.tsv", "report.html", "tokenizer_config.json",
    ):  # fmt: skip
        assert (output / name).stat().st_size > 0, name
    metrics = json.loads((output / "metrics.json").read_text())
    assert {"mcc", "accuracy", "auroc"} <= set(metrics["test"])
    assert {"validation", "train_seconds", "parameters", "baseline"} <= set(metrics)
    assert metrics["test"]["auroc"] > 0.8
    assert "strand: " in result.stderr
    assert "k-mer logistic regression" in result.stderr
    rows = (output / "predictions.tsv").read_text().splitlines()
    assert rows[0].split("\t") == ["id", "label", "prediction", "p_0", "p_1"]
    assert len(rows) == 101
    assert "<html" in (output / "report.html").read_text()


def test_evaluate_repeats_the_test_metrics(trained):
    output, test, _ = trained
    again = output.parent / "again.json"
    result = run("evaluate", "--model", output, "--test", test, "--output", again)
    assert result.returncode == 0, result.stderr
    expected = json.loads((output / "metrics.json").read_text())["test"]
    measured = json.loads(again.read_text())
    assert {name: measured[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    for name, (low, high) in measured["intervals"].items():
        assert low <= measured[name] <= high
        assert f"{low:.4f}–{high:.4f}" in result.stdout
    assert [row["support"] for row in measured["classes"]] == [50, 50]
    assert measured["lengths"] == []  # all sequences have 60 nt
    kept = json.loads((output / "metrics.json").read_text())
    assert measured["at_threshold"]["figures"] == pytest.approx(kept["test_at_threshold"])
    assert measured["temperature"] == pytest.approx(kept["temperature"])
    assert measured["calibration"]["ece"] == pytest.approx(kept["evaluation"]["calibration"]["ece"])
    classes = (output.parent / "again_classes.tsv").read_text().splitlines()
    assert classes[0].split("\t")[:4] == ["class", "support", "precision", "precision_low"]
    assert len((output.parent / "again_calibration.tsv").read_text().splitlines()) == 21


def test_the_threshold_of_the_training_calls_the_class(trained):
    output, test, _ = trained
    threshold = json.loads((output / "metrics.json").read_text())["threshold"]

    def called(*options):
        result = run("predict", "--model", output, "--input", test, *options)
        assert result.returncode == 0, result.stderr
        rows = [line.split("\t") for line in result.stdout.splitlines()[1:]]
        return [row[1] for row in rows], [float(row[3]) for row in rows]

    names, chances = called("--threshold", "auto")
    assert names == [str(int(chance >= threshold)) for chance in chances]
    names, again = called("--threshold", "0")
    assert set(names) == {"1"}
    assert again == chances
    words = ("--threshold must be auto or a number", "'high'")
    refused(run("predict", "--model", output, "--input", test, "--threshold", "high"), *words)


def test_predict_repeats_the_predictions(trained):
    output, test, _ = trained
    fasta = output.parent / "new.fa"
    rows = [line.split(",")[0] for line in test.read_text().splitlines()[1:]]
    fasta.write_text("".join(f">s{i}\n{row}\n" for i, row in enumerate(rows)))
    result = run("predict", "--model", output, "--input", fasta)
    assert result.returncode == 0, result.stderr
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines[0] == ["id", "prediction", "p_0", "p_1"]
    expected = [line.split("\t") for line in (output / "predictions.tsv").read_text().splitlines()]
    assert [line[0] for line in lines[1:]] == [f"s{i}" for i in range(100)]
    for mine, theirs in zip(lines[1:], expected[1:], strict=True):
        assert float(mine[2]) == pytest.approx(float(theirs[3]), abs=1e-5)


def test_inspect_with_a_trained_merger(trained):
    output, _, _ = trained
    result = run("inspect", "ATGGCGTTAGCCAAAGGTCCA" * 3, "--model", output, "--rows", 2)
    assert result.returncode == 0, result.stderr
    assert "patches from 63 nucleotides" in result.stdout


def test_inspect_prints_the_guides_table():
    result = run("inspect", "ATGGCGTTAGCCAAAGGTCCA", "--boundaries", "0,3,6,9,15,18")
    assert result.returncode == 0
    rows = [
        tuple(cell.strip() for cell in line.strip("│|").replace("|", "│").split("│"))
        for line in result.stdout.splitlines()
    ]
    for row in (
        ("0", "A", "ATG", "0.000", "0.000", "0.143"),
        ("1", "T", "ATG", "0.048", "0.500", "0.143"),
        ("2", "G", "ATG", "0.095", "1.000", "0.143"),
        ("10", "C", "GCCAAA", "0.476", "0.200", "0.286"),
    ):
        assert row in rows


def test_help_teaches_by_example():
    for command in ("demo", "train", "pretrain", "evaluate", "predict", "inspect"):
        result = run(command, "--help")
        assert result.returncode == 0
        assert f"hyena-glt {command}" in result.stdout


def test_two_fasta_files_one_per_class(tmp_path):
    for label, name in enumerate(("negative.fa", "positive.fa.gz")):
        text = "".join(
            f">{name}_{i}\n{sequence}\n"
            for i, (sequence, own) in enumerate(planted(80, 3))
            if own == label
        )
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    result = run(
        "train", "--positive", tmp_path / "positive.fa.gz", "--negative", tmp_path / "negative.fa",
        "--output", tmp_path / "out", "--epochs", 1, *TINY,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "58 train, 6 validation, 16 test" in result.stderr


@pytest.mark.parametrize(
    ("labels", "options", "metric"),
    [
        ([f"{i / 7:.3f}" for i in range(60)], ["--label-column", "label"], "spearman"),
        ([f"{i % 2},{(i // 2) % 2}" for i in range(60)], ["--label-column", "a,b"], "f1_micro"),
    ],
)
def test_other_tasks(tmp_path, labels, options, metric):
    rows = [(s, label) for (s, _), label in zip(planted(60, 4), labels, strict=True)]
    header = "sequence," + options[1]
    train = write_csv(tmp_path / "train.csv", rows, header)
    result = run(
        "train", "--train", train, "--output", tmp_path / "out", *options, "--epochs", 1, *TINY,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metric in metrics["test"]
    if metric == "f1_micro":
        assert metrics["labels"] == ["a", "b"]


def test_several_values_at_once(tmp_path):
    rows = [(s, f"{i / 7:.3f},{i / 3:.3f}") for i, (s, _) in enumerate(planted(60, 4))]
    train = write_csv(tmp_path / "train.csv", rows, "sequence,a,b")
    result = run(
        "train", "--train", train, "--output", tmp_path / "out", "--label-column", "a,b",
        "--set", "data.task=regression", "--epochs", 1, *TINY,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "not decided for several values" in result.stderr


@pytest.mark.parametrize(("molecule", "letters"), [("rna", "ACGT"), ("protein", "MKVLA")])
def test_other_molecules(tmp_path, molecule, letters):
    random = np.random.default_rng(0)
    rows = [("".join(random.choice(list(letters), 30)), "ab"[i % 2]) for i in range(60)]
    train = write_csv(tmp_path / "train.csv", rows)
    result = run(
        "train", "--train", train, "--output", tmp_path / "out", "--molecule", molecule,
        "--epochs", 1, *TINY,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["baseline"]["test"].keys() == metrics["test"].keys()


def write_rna(path, seed, also=()):
    """Three classes by their composition, in the second word of the header; lines end in CRLF."""
    random = np.random.default_rng(seed)
    weights = {"5S": (5, 1, 1, 1), "leader": (1, 5, 1, 1), "IRES": (1, 1, 5, 1)}
    records = list(also)
    for number in range(90):
        label = list(weights)[number % 3]
        chances = np.array(weights[label]) / 8
        letters = "".join(random.choice(list("ACGU"), 30 + number % 5, p=chances))
        records.append((f"r{number} {label} x", letters + "R"))
    text = "".join(f">{header}\r\n{letters}\r\n" for header, letters in records)
    path.write_bytes(gzip.compress(text.encode()))
    return records


@pytest.mark.parametrize("drop", [False, True])
def test_labels_in_the_headers_and_what_test_and_training_share(tmp_path, drop):
    shared = write_rna(tmp_path / "test.fa.gz", 1)[:6]
    also = [(f"again_{header}", letters.replace("U", "t")) for header, letters in shared]
    write_rna(tmp_path / "train.fa.gz", 2, also)
    result = run(
        "train", "--molecule", "rna", "--train", tmp_path / "train.fa.gz",
        "--test", tmp_path / "test.fa.gz", "--label-column", "word:2",
        "--output", tmp_path / "out", "--epochs", 1, *TINY, *(["--drop-leaked"] if drop else []),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "6 of 90 test sequences are in the training or validation data too" in result.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["labels"] == ["5S", "IRES", "leader"]
    assert metrics["leaks"] == {"test": 6, "training": 6, "dropped": drop}
    assert metrics["baseline"]["test"]["accuracy"] > 0.9


def test_test_files_of_one_class_each(tmp_path):
    random = np.random.default_rng(0)
    for name, letters in (("amp", "KRLWIG"), ("other", "DESTNG")):
        for part, count in (("train", 40), ("test", 12)):
            text = "".join(
                f">{name}{number}\n{''.join(random.choice(list(letters), 2 + number % 20))}\n"
                for number in range(count)
            )
            (tmp_path / f"{name}_{part}.fa").write_text(text)
    files = ("--positive", tmp_path / "amp_train.fa", "--negative", tmp_path / "other_train.fa")
    common = ("train", "--molecule", "protein", *files, "--epochs", 1, *TINY)
    result = run(
        *common, "--test-positive", tmp_path / "amp_test.fa",
        "--test-negative", tmp_path / "other_test.fa", "--output", tmp_path / "out",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "72 train, 8 validation, 24 test sequences" in result.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["baseline"]["test"]["accuracy"] > 0.8
    result = run(*common, "--test-positive", tmp_path / "amp_test.fa", "--output", tmp_path / "no")
    refused(result, "--test-positive", "--test-negative")


class TestMistakes:
    """Each ends in one line and code 2, with nothing written."""

    def train(self, tmp_path, train, *more):
        output = tmp_path / "out"
        result = run("train", "--train", train, "--output", output, *more)
        if result.returncode:
            assert not output.exists()
        return result

    def test_columns_missing(self, tmp_path):
        bad = write_csv(tmp_path / "x.csv", planted(4, 0), header="read,answer")
        refused(self.train(tmp_path, bad), "x.csv", "sequence", "read, answer")

    def test_empty_file(self, tmp_path):
        bad = tmp_path / "x.csv"
        bad.write_text("")
        refused(self.train(tmp_path, bad), "x.csv", "empty")

    def test_no_file(self, tmp_path):
        refused(self.train(tmp_path, tmp_path / "none.csv"), "none.csv")

    def test_fasta_without_header(self, tmp_path):
        for name in ("p.fa", "n.fa"):
            (tmp_path / name).write_text("ACGT\n")
        result = run(
            "train", "--positive", tmp_path / "p.fa", "--negative", tmp_path / "n.fa",
            "--output", tmp_path / "out",
        )  # fmt: skip
        refused(result, "n.fa", ">")
        assert not (tmp_path / "out").exists()

    def test_foreign_letters(self, tmp_path):
        rows = [*planted(10, 0), ("ACGTXXJ", 1)]
        bad = write_csv(tmp_path / "x.csv", rows)
        refused(self.train(tmp_path, bad), "x.csv", "3 foreign letters", "'X'", "position 4")

    def test_a_label_that_training_never_saw(self, tmp_path):
        train = write_csv(tmp_path / "x.csv", planted(40, 0))
        test = write_csv(tmp_path / "y.csv", [("ACGT", "2"), ("ACGT", "1")])
        refused(self.train(tmp_path, train, "--test", test), "y.csv", "'2'", "'0', '1'")

    def test_a_sequence_that_is_too_long(self, tmp_path):
        rows = [*planted(40, 0), ("A" * 9000, 1)]
        train = write_csv(tmp_path / "x.csv", rows)
        refused(
            self.train(tmp_path, train),
            "row_41", "9000", "max_position_embeddings=1024",
        )  # fmt: skip

    def test_an_output_folder_that_exists(self, tmp_path):
        train = write_csv(tmp_path / "x.csv", planted(40, 0))
        keep = tmp_path / "out" / "precious.txt"
        keep.parent.mkdir()
        keep.write_text("mine")
        result = run("train", "--train", train, "--output", tmp_path / "out")
        refused(result, "out exists")
        assert [p.name for p in keep.parent.iterdir()] == ["precious.txt"]

    def test_a_misspelt_setting(self, tmp_path):
        train = write_csv(tmp_path / "x.csv", planted(40, 0))
        refused(
            self.train(tmp_path, train, "--set", "training.learning_rat=1"),
            "training.learning_rat", "training.learning_rate",
        )  # fmt: skip
        refused(
            self.train(tmp_path, train, "--set", "model.hiden_size=64"), "hiden_size", "hidden_size"
        )

    def test_one_class_only(self, tmp_path):
        rows = [(sequence, "yes") for sequence, _ in planted(10, 0)]
        refused(self.train(tmp_path, write_csv(tmp_path / "x.csv", rows)), "'yes'", "two")

    def test_a_model_folder_that_is_none(self, tmp_path):
        fasta = tmp_path / "x.fa"
        fasta.write_text(">a\nACGT\n")
        refused(run("predict", "--model", tmp_path, "--input", fasta), "config.json")

    def test_boundaries_that_are_no_numbers(self):
        refused(run("inspect", "ACGT", "--boundaries", "0,x"), "0,x")


def test_a_warning_is_a_sentence():
    program = (
        "import warnings; from hyena_glt.cli import main\n"
        "main.app = lambda **options: warnings.warn('mcc: [2] classes')\nmain.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == "warning: mcc: [2] classes\n"


def test_the_program_is_installed():
    program = Path(sys.executable).with_name("hyena-glt")
    result = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("hyena-glt ")
