"""Folders of training runs as the training pipeline writes them, filled with made-up results."""

import json
import math
import random

import pytest
import yaml

CONFIG = {
    "command": "hyena-glt train --data promoters.csv --output runs/promoters --epochs 3",
    "version": "0.1.0",
    "model": {"hidden_size": 256, "num_layers": 6, "stripe": ["SE", "MR", "LI"], "causal": False},
    "data": {"train": "promoters.csv", "max_length": 512, "kmer_size": 1, "cache": None},
    "training": {"epochs": 3, "learning_rate": 3e-4, "optimizer": {"name": "adamw", "decay": 0.1}},
}


def log_events(steps=300, seed=0):
    """Yield the events of a run whose loss falls and whose validation loss follows it."""
    draw = random.Random(seed)
    for step in range(1, steps + 1):
        falling = 0.25 + 0.45 * math.exp(-step / 90)
        yield {
            "event": "step",
            "step": step,
            "epoch": 3 * step / steps,
            "loss": falling * math.exp(draw.gauss(0, 0.16)),
            "learning_rate": 3e-4 * min(step / 30, 0.5 + 0.5 * math.cos(math.pi * step / steps)),
            "grad_norm": 0.8 * math.exp(draw.gauss(0, 0.3)),
            "compression_ratio": 8 + 8 * (1 - math.exp(-step / 40)) + draw.gauss(0, 0.3),
            "seconds": 0.8 * step,
        }
        if step % 50 == 0:
            rise = 1 - math.exp(-step / 80)
            yield {
                "event": "evaluation",
                "split": "validation",
                "epoch": 3 * step / steps,
                "step": step,
                "loss": falling + 0.05 + draw.gauss(0, 0.01),
                "metrics": {
                    "mcc": 0.8 * rise + draw.gauss(0, 0.01),
                    "accuracy": 0.5 + 0.4 * rise,
                    "auroc": 0.5 + 0.45 * rise,
                },
            }


def predictions_table(task, labels, size=600, seed=0):
    """Lay out predictions.tsv for a model that is right most of the time."""
    draw = random.Random(seed)
    if task == "regression":
        lines = ["id\tlabel\tprediction"]
        for index in range(size):
            value = draw.gauss(0, 2)
            lines.append(f"seq{index}\t{value:.4f}\t{0.8 * value + draw.gauss(0, 0.7):.4f}")
        return "\n".join(lines) + "\n"
    lines = ["\t".join(["id", "label", "prediction", *(f"p_{label}" for label in labels)])]
    for index in range(size):
        if task == "multi_label":
            true = [label for label in labels if draw.random() < 0.4]
            p = [
                1 / (1 + math.exp(-(2 * (label in true) - 1) - draw.gauss(0, 1.2)))
                for label in labels
            ]
            guess = [label for label, value in zip(labels, p, strict=True) if value > 0.5]
        else:
            true = [draw.choice(labels)]
            raw = [math.exp(1.9 * (label in true) + draw.gauss(0, 1.1)) for label in labels]
            p = [value / sum(raw) for value in raw]
            guess = [labels[p.index(max(p))]]
        cells = [f"seq{index}", ";".join(true), ";".join(guess), *(f"{value:.5f}" for value in p)]
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def example(name="chr1:1000-1120", length=120, seed=0, signed=True):
    """Make up one example sequence with patches and a strongly attributed TATAAA box."""
    draw = random.Random(seed)
    sequence = "".join(draw.choice("ACGT") for _ in range(length))
    starts = [0]
    while (start := starts[-1] + draw.choice([3, 6, 8, 12, 16])) < length:
        starts.append(start)
    attribution = [draw.gauss(0, 0.06) if signed else abs(draw.gauss(0, 0.06)) for _ in sequence]
    if length >= 40:
        sequence = sequence[:30] + "TATAAA" + sequence[36:]
        attribution[30:36] = [0.5, 0.9, 0.8, 1.0, 0.7, 0.4]
    return {
        "id": name,
        "sequence": sequence,
        "label": "promoter",
        "prediction": "promoter",
        "probability": 0.93,
        "patch_starts": starts,
        "attribution": attribution,
    }


def finished_run(folder, task="single_label", labels=("other", "promoter")):
    """Write all five files of a finished run into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    events = [{"event": "note", "message": "causal was switched off for this task"}, *log_events()]
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    scores = {"mcc": 0.812, "accuracy": 0.906, "auroc": 0.958, "f1_macro": 0.905}
    if task == "regression":
        scores = {"pearson": 0.91, "spearman": 0.9, "r2": 0.82, "mse": 0.61}
    below = {name: value - 0.041 for name, value in scores.items()}
    metrics = {
        "task": task,
        "labels": list(labels),
        "test": scores,
        "validation": {**scores, "loss": None},
        "train_seconds": 754.2,
        "parameters": 12_150_016,
        "baseline": {"name": "6-mer logistic regression", "test": below},
        "strand": {"strand": "both", "reason": "the labels do not depend on the strand"},
        "compression_ratio": 15.8,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "predictions.tsv").write_text(predictions_table(task, labels))
    draw = random.Random(1)
    lengths: dict[int, int] = {}
    for _ in range(4000):
        length = min(max(round(draw.gammavariate(5, 3.2)), 4), 48)
        lengths[length] = lengths.get(length, 0) + 1
    examples = {
        "patch_length_histogram": {"unit": "nucleotides", "counts": lengths},
        "compression_ratio": 15.9,
        "attribution_method": "integrated gradients, shuffled baseline, 512 steps",
        "examples": [example(), example("chr2:5000-7000", 2000, seed=3, signed=False)],
    }
    (folder / "examples.json").write_text(json.dumps(examples))
    return folder


def pretraining_run(folder, objective="clm"):
    """Write the files of a finished pretraining into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"fasta": ["ecoli.fna.gz"], "objective": objective, "steps": 300}
    config = {"command": "hyena-glt pretrain", "preset": "small", "pretraining": settings}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    markov = "interpolated Markov, order 12"
    events = [{"event": "baseline", "name": markov, "test": {"bits_per_base": 1.9497}}]
    for event in log_events():
        if event["event"] == "evaluation":
            bits = 1.92 + 0.08 * math.exp(-event["step"] / 90)
            event |= {"loss": bits * math.log(2), "metrics": {"bits_per_base": bits}}
        else:
            event["tokens"] = 16384
        events.append(event)
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    metrics = {
        "objective": objective,
        "test": {"bits_per_base": 1.9254},
        "baseline": {"name": markov, "bits_per_base": 1.9497},
        "validation": {"bits_per_base": 1.9231},
        "regions": {"train": ["c:0-900"], "validation": ["c:900-950"], "test": ["c:950-1000"]},
        "train_seconds": 754.2,
        "parameters": 12_150_016,
        "best_step": 250,
    }
    if objective == "clm":
        metrics["generated"] = {
            "bases": 24000, "stretches": 64, "gc": 0.514, "genome_gc": 0.508,
            "periodicity": 3.42, "periodicity_shuffled": 1.01, "periodicity_shuffled_sd": 0.21,
            "genome_periodicity": 4.05,
        }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def multi_task_run(folder):
    """Write the files of a finished training on two tasks into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {name: {"train": f"{name}.csv"} for name in ("tf_0", "tf_1")}
    config = {"command": "hyena-glt train", "tasks": tasks, "training": {"num_epochs": 3}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    events = []
    for event in log_events():
        if event["event"] == "evaluation":
            events += [event | {"task": name, "loss": event["loss"] + 0.05 * shift}
                       for shift, name in enumerate(tasks)]  # fmt: skip
            shares = {"tf_0": 1.1, "tf_1": 0.9}
            events.append({"event": "weights", "step": event["step"], "weights": shares})
        else:
            events.append(event | {"task": "tf_0" if event["step"] % 2 else "tf_1"})
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    own = {
        "task": "single_label",
        "labels": ["0", "1"],
        "test": {"mcc": 0.61, "accuracy": 0.8, "auroc": 0.89},
        "baseline": {"name": "k-mer logistic regression", "test": {"mcc": 0.55}},
    }
    metrics = {
        "task": "multi_task",
        "tasks": {"tf_0": own, "tf_1": own | {"test": {"mcc": 0.71}}},
        "mean_headline": 0.885, "train_seconds": 12.5, "parameters": 100_000, "best_epoch": 3,
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture
def pretraining_folder(tmp_path):
    """Give a function that writes a finished pretraining and returns its folder."""
    return lambda *args: pretraining_run(tmp_path / "genome", *args)


@pytest.fixture
def multi_task_folder(tmp_path):
    """Give a function that writes a finished training on two tasks and returns its folder."""
    return lambda: multi_task_run(tmp_path / "factors")


@pytest.fixture
def run_folder(tmp_path):
    """Give a function that writes a finished run of a task and returns its folder."""
    return lambda *args, **keywords: finished_run(tmp_path / "promoters", *args, **keywords)


@pytest.fixture(name="example")
def _example():
    """Give the function that makes up an example sequence."""
    return example


@pytest.fixture(name="predictions_table")
def _predictions_table():
    """Give the function that lays out a table of predictions."""
    return predictions_table


@pytest.fixture(scope="session")
def made_model():
    """Give a function that makes a small classifier with random weights everywhere."""
    from torch import manual_seed, nn

    from hyena_glt.config import HyenaGLTConfig
    from hyena_glt.model import HyenaGLTForSequenceClassification

    def made(**settings):
        manual_seed(0)
        defaults = {
            "genomic_vocab_size": 12, "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4,
            "causal": False, "merge_threshold": 0.02,
        }  # fmt: skip
        model = HyenaGLTForSequenceClassification(HyenaGLTConfig(**{**defaults, **settings}))
        # The readout starts at zero.
        for parameter in (*model.model.ngrams.parameters(), *model.kmer_readout.parameters()):
            nn.init.normal_(parameter, std=0.3)
        for table in model.model.ngrams.tables:
            nn.init.zeros_(table.weight[0])
        return model.eval()

    return made
