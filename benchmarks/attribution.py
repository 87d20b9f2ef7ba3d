r"""What attributions find on real splice sites, how well they agree, and what they cost.

A model is trained by the command line on the UCI splice-junction sequences (60 bases of primates,
the junction in the middle; repeated sequences removed, a fifth held out), unless the run folder
holds one already.  Held-out donor and acceptor sites that it gets right are then attributed by
every method.  An intron begins with GT and ends with AG, so these should be the top bases.
Agreement is the mean Spearman correlation of a method's effects of all substitutions with those of
in-silico mutagenesis; cost is processor time per sequence.

    python benchmarks/attribution.py --splice splice.data --runs runs/splice \
        --output benchmarks/results/attribution.json
"""

import argparse
import csv
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from hyena_glt.inference.predictor import Predictor
from hyena_glt.interpretability.attribution import Attribution, Method, attribute
from hyena_glt.interpretability.attribution_result import Boundaries
from hyena_glt.interpretability.gradient_attribution import integrated_gradients
from protocol import finish

# First base of the dinucleotide at the junction, 0-based: exon|GT..., ...AG|exon.
_JUNCTIONS = {"EI": ("GT", 30), "IE": ("AG", 28)}
_METHODS: tuple[tuple[Method, Boundaries], ...] = (
    ("mutagenesis", "remerged"), ("mutagenesis", "frozen"), ("saliency", "remerged"),
    ("input_x_gradient", "remerged"), ("integrated_gradients", "frozen"),
    ("integrated_gradients", "remerged"),
)  # fmt: skip


def _trained(splice: Path, runs: Path) -> Path:
    """Divide the data and train, unless that is done."""
    model = runs / "model"
    if model.exists():
        return model
    rows: dict[str, tuple[str, str]] = {}
    for line in splice.read_text(encoding="ascii").splitlines():
        label, name, sequence = (part.strip() for part in line.split(","))
        rows.setdefault(sequence, (name, label))
    table = [(name, sequence, label) for sequence, (name, label) in rows.items()]
    random.Random(0).shuffle(table)
    cut = len(table) // 5
    runs.mkdir(parents=True, exist_ok=True)
    for file, part in (("test.csv", table[:cut]), ("train.csv", table[cut:])):
        with (runs / file).open("w", newline="", encoding="ascii") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(["id", "sequence", "label"])
            writer.writerows(part)
    command = [sys.executable, "-m", "hyena_glt", "train", "--output", str(model)]
    for part_name in ("train", "test"):
        command += [f"--{part_name}", str(runs / f"{part_name}.csv")]
    subprocess.run(command, check=True)
    return model


def _chosen(predictor: Predictor, runs: Path, count: int) -> dict[str, list[str]]:
    """Held-out sites with the dinucleotide that the model gets right, the first of each class."""
    with (runs / "test.csv").open(encoding="ascii") as handle:
        rows = [row for row in csv.DictReader(handle) if row["label"] in _JUNCTIONS]
    sites = [
        row for row in rows
        if row["sequence"].startswith(*_JUNCTIONS[row["label"]])
        and set(row["sequence"]) <= set("ACGT")
    ]  # fmt: skip
    names = predictor.predict([row["sequence"] for row in sites]).names
    right = [row for row, name in zip(sites, names, strict=True) if row["label"] == name]
    return {
        label: [row["sequence"] for row in right if row["label"] == label][:count]
        for label in _JUNCTIONS
    }


def _rank_correlation(one: Attribution, other: Attribution, substituted: Tensor) -> float:
    return float(spearmanr(one.effects[substituted], other.effects[substituted]).statistic)


def _figures(
    found: list[Attribution], reference: list[Attribution], ids: Tensor, start: int
) -> dict[str, Any]:
    letters = torch.arange(8, 12)
    first, both = [], []
    for one in found:
        top = one.scores.topk(2).indices.tolist()
        first.append(top[0] in {start, start + 1})
        both.append(set(top) == {start, start + 1})
    agreement = [
        _rank_correlation(one, other, row.unsqueeze(1) != letters)
        for one, other, row in zip(found, reference, ids, strict=False)
    ]
    figures: dict[str, Any] = {
        "top_base_at_junction": round(statistics.mean(first), 3),
        "top_two_at_junction": round(statistics.mean(both), 3),
        "spearman_with_mutagenesis": round(statistics.mean(agreement), 3),
    }
    if found[0].delta is not None:
        differences = [abs(one.prediction - (one.baseline or 0.0)) for one in found]
        figures["mean_abs_delta"] = round(
            statistics.mean(abs(one.delta or 0.0) for one in found), 4
        )
        figures["mean_abs_difference"] = round(statistics.mean(differences), 4)
    return figures


def _completeness(model: Any, ids: Tensor, output: int) -> dict[str, Any]:
    """Mean absolute delta by the number of steps."""
    table: dict[str, Any] = {}
    choices: tuple[Boundaries, ...] = ("frozen", "remerged")
    for boundaries in choices:
        for steps in (16, 64, 256):
            found = [
                integrated_gradients(model, one, output, boundaries=boundaries, steps=steps)
                for one in ids.split(1)
            ]
            table[f"{boundaries}, {steps} steps"] = round(
                statistics.mean(abs(one.delta or 0.0) for one in found), 5
            )
    return table


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splice", type=Path, required=True, help="splice.data of UCI")
    parser.add_argument("--runs", type=Path, required=True, help="folder for data and model")
    parser.add_argument("--sequences", type=int, default=20, help="of each class")
    parser.add_argument(
        "--integrated", type=int, default=4, help="of each class for integrated gradients"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write the JSON to this file as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    predictor = Predictor.from_pretrained(_trained(options.splice, options.runs))
    model, tokenizer = predictor.model, predictor.tokenizer
    number = {name: int(key) for key, name in model.config.id2label.items()}
    chosen = _chosen(predictor, options.runs, options.sequences)
    coded = {
        label: torch.tensor([tokenizer.encode(one) for one in sequences])
        for label, sequences in chosen.items()
    }
    methods: dict[str, Any] = {}
    reference: dict[str, list[Attribution]] = {}
    for method, boundaries in _METHODS:
        found: dict[str, list[Attribution]] = {}
        begun = time.process_time()
        limit = options.integrated if method == "integrated_gradients" else options.sequences
        for label, ids in coded.items():
            found[label] = attribute(
                model, ids[:limit], number[label], method=method, boundaries=boundaries
            )
        seconds = time.process_time() - begun
        reference = reference or found
        figures = {
            label: _figures(found[label], reference[label], ids, _JUNCTIONS[label][1])
            for label, ids in coded.items()
        }
        mean_profile = {
            label: torch.stack([one.scores for one in found[label]]).mean(dim=0).topk(2).indices
            for label in found
        }
        total = sum(map(len, found.values()))
        methods[f"{method}, {boundaries}"] = {
            "sequences": total,
            "seconds_per_sequence": round(seconds / total, 4),
            "top_two_of_the_mean": {k: sorted(v.tolist()) for k, v in mean_profile.items()},
            **figures,
        }
        print(method, boundaries, methods[f"{method}, {boundaries}"], flush=True)
    finish(
        "attribution", options,
        sequences={label: len(ids) for label, ids in coded.items()},
        junctions={label: [start, start + 1] for label, (_, start) in _JUNCTIONS.items()},
        methods=methods,
        completeness=_completeness(model, coded["EI"][:1], number["EI"]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
