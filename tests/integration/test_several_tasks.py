"""Several tasks from the command line to their predictions, and what is refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

PROGRAM = [sys.executable, "-m", "hyena_glt"]
MODEL = {
    "hidden_size": 32, "num_attention_heads": 4, "filter_size": 32, "local_hidden_size": 32,
    "num_layers": 2, "intermediate_size": 32,
}  # fmt: skip
WORDS = {"tata": "TATAAATA", "gata": "GATTACAG"}


def run(*arguments):
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"},
    )  # fmt: skip


def refused(result, *words):
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0], lines[0]


def write_csv(path, word, count, seed, alphabet="ACGT"):
    random = np.random.default_rng(seed)
    lines = ["sequence,label"]
    for number in range(count):
        letters = "".join(random.choice(list(alphabet), 60))
        if number % 2:
            at = int(random.integers(0, 60 - len(word)))
            letters = letters[:at] + word + letters[at + len(word) :]
        lines.append(f"{letters},{number % 2}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def write_config(folder, tasks, **training):
    training = {"num_epochs": 2, "batch_size": 16, "learning_rate": 3e-3, **training}
    path = folder / "multi.yaml"
    path.write_text(yaml.safe_dump({"tasks": tasks, "model": MODEL, "training": training}))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    tasks = {
        name: {
            "train": write_csv(folder / f"{name}.csv", word, 300, seed),
            "test": write_csv(folder / f"{name}_test.csv", word, 80, 10 + seed),
            "strand": "forward",
        }
        for seed, (name, word) in enumerate(WORDS.items())
    }  # fmt: skip
    output = folder / "out"
    result = run("train", "--config", write_config(folder, tasks), "--output", output)
    assert result.returncode == 0, result.stderr
    return output, tasks, result


def test_the_folder_holds_figures_and_predictions_of_each_task(trained):
    output, _, result = trained
    metrics = json.loads((output / "metrics.json").read_text())
    assert set(metrics["tasks"]) == set(WORDS)
    headlines = []
    for name, figures in metrics["tasks"].items():
        assert {"test", "validation", "baseline", "labels"} <= set(figures)
        headlines.append(figures["test"]["auroc"])
        rows = (output / "predictions" / f"{name}.tsv").read_text().splitlines()
        assert rows[0].split("\t") == ["id", "label", "prediction", "p_0", "p_1"]
        assert len(rows) == 81
        assert f"{name}: k-mer logistic regression" in result.stderr
    assert metrics["mean_headline"] == pytest.approx(np.mean(headlines))
    assert min(headlines) > 0.8


def test_evaluate_and_predict_repeat_the_figures_of_the_task(trained, tmp_path):
    output, tasks, _ = trained
    for name in WORDS:
        again = tmp_path / f"{name}.json"
        result = run("evaluate", "--model", output, "--test", tasks[name]["test"], "--task", name,
                     "--output", again)  # fmt: skip
        assert result.returncode == 0, result.stderr
        expected = json.loads((output / "metrics.json").read_text())["tasks"][name]["test"]
        measured = json.loads(again.read_text())
        # Whatever else is measured by then.
        assert {k: measured[k] for k in expected} == pytest.approx(expected, abs=1e-6)
    result = run("predict", "--model", output, "--input", tasks["gata"]["test"], "--task", "gata")
    mine = [line.split("\t") for line in result.stdout.splitlines()[1:]]
    written = (output / "predictions" / "gata.tsv").read_text().splitlines()[1:]
    for own, line in zip(mine, written, strict=True):
        assert float(own[2]) == pytest.approx(float(line.split("\t")[3]), abs=1e-5)


def test_a_run_is_repeated_from_its_own_settings(trained, tmp_path):
    output, _, _ = trained
    result = run("train", "--config", output / "config.yaml", "--output", tmp_path / "again")
    assert result.returncode == 0, result.stderr
    for name in WORDS:
        one, other = (
            folder / "predictions" / f"{name}.tsv" for folder in (output, tmp_path / "again")
        )
        assert one.read_text() == other.read_text()


def test_a_task_must_be_named_and_known(trained):
    output, tasks, _ = trained
    test = tasks["tata"]["test"]
    refused(
        run("predict", "--model", output, "--input", test), "name one with --task", "gata, tata"
    )
    refused(run("predict", "--model", output, "--input", test, "--task", "gat"),
            "no task 'gat'", "did you mean gata?")  # fmt: skip
    refused(run("evaluate", "--model", output, "--test", test, "--task", "x"), "no task 'x'")


def test_dna_and_protein_in_one_model(tmp_path):
    tasks = {
        "boxes": {"train": write_csv(tmp_path / "a.csv", "TATAAATA", 120, 0), "test_fraction": 0.3},
        "domains": {
            "train": write_csv(tmp_path / "b.csv", "WWHHWWHH", 120, 1, "ACDEFGHIKLMNPQRSTVWY"),
            "test_fraction": 0.3, "molecule": "protein",
        },
    }  # fmt: skip
    output = tmp_path / "out"
    config = write_config(tmp_path, tasks, num_epochs=1, curriculum="length")
    result = run("train", "--config", config, "--output", output)
    assert result.returncode == 0, result.stderr
    assert json.loads((output / "config.json").read_text())["joint_vocabulary"] is True
    result = run("predict", "--model", output, "--input", tmp_path / "b.csv", "--task", "domains")
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 121
    refused(
        run("predict", "--model", output, "--input", tmp_path / "b.csv", "--task", "boxes"), "b.csv"
    )


def test_bad_input_is_refused_in_one_line_before_anything_is_written(tmp_path):
    good = {"train": write_csv(tmp_path / "a.csv", "TATAAATA", 40, 0)}
    bare = tmp_path / "bare.csv"
    bare.write_text("sequence\nACGT\nACGT\n")
    output = tmp_path / "out"

    def train(tasks, *more, **training):
        config = write_config(tmp_path, tasks, **training)
        return run("train", "--config", config, "--output", output, *more)

    refused(train({"a": good, "b": {"train": str(bare)}}), "task b", "bare.csv")
    refused(train({"a": good, "b": {}}), "task b: there are no training data")
    misnamed = train({"a": good, "b c": good})
    refused(misnamed, "'b c'")
    assert len(misnamed.stderr.splitlines()) == 1  # no data were read before
    refused(train({"a": {**good, "trains": "x"}}), "tasks.a.trains", "did you mean tasks.a.train?")
    refused(train({"a": {**good, "weight": 0}}), "tasks.a.weight=0")
    refused(train({"a": {**good, "molecule": "mixed"}}), "tasks.a.molecule")
    refused(train({"a": good, "b": {**good, "kmer_size": 3}}), "kmer_size", "a: 1, b: 3")
    refused(train({"a": good}, "--train", tmp_path / "a.csv"), "either data or tasks")
    refused(train({"a": good}, curriculum="hard"), "training.curriculum='hard'")
    refused(train({"a": good}, freeze="backbone"), "training.freeze=backbone")
    twice = tmp_path / "twice.yaml"
    twice.write_text("tasks:\n  a: {train: a.csv}\n  a: {train: b.csv}\n")
    refused(
        run("train", "--config", twice, "--output", output), "'a' comes a second time in line 3"
    )
    assert not output.exists()


def test_a_curriculum_of_the_command_line(tmp_path):
    random = np.random.default_rng(0)
    rows = []
    for number in range(80):
        letters = "".join(random.choice(list("ACGT"), int(random.integers(20, 120))))
        rows.append(f"{letters},{number % 2}")
    train = tmp_path / "train.csv"
    train.write_text("sequence,label\n" + "\n".join(rows) + "\n")
    model = [word for name, value in MODEL.items() for word in ("--set", f"model.{name}={value}")]
    more = ["--epochs", 2, "--strand", "forward", *model]
    for kind in ("length", "difficulty"):
        result = run("train", "--train", train, "--output", tmp_path / kind,
                     "--set", f"training.curriculum={kind}", *more)  # fmt: skip
        assert result.returncode == 0, result.stderr
    equal = write_csv(tmp_path / "equal.csv", "TATAAATA", 40, 0)
    result = run("train", "--train", equal, "--output", tmp_path / "equal",
                 "--set", "training.curriculum=length", *more)  # fmt: skip
    refused(result, "all sequences have 60 tokens", "curriculum=difficulty")
    assert not (tmp_path / "equal").exists()
