"""Measured effects of variants, predicted: BRCA1, 5' splice sites, amyloid beta.

``brca1``: 3,893 single-nucleotide variants of BRCA1 with measured function (Findlay 2018), loss of
function against the rest, AUROC.  A pretrained model scores them without labels, from a head on the
changes of its embeddings, and a small model is trained from random weights on windows in the
reading frame.  Labels are learned by position: four blocks of neighbouring exons, each predicted
by what was fitted to the other three.  Beside it, on the same variants: phyloP, CADD and the class
of the consequence (missense, nonsense, ...).

``mpsa`` and ``amyloid``: values of 9-base splice sites and of 42-residue variants (mavenn), learned
by ``hyena-glt train`` on the split that comes with them, Spearman on its test set; beside it ridge
regression on one-hot letters, which adds up one number per letter and place.

    python benchmarks/variants.py brca1 --data data --model runs/human --output brca1.json
    python benchmarks/variants.py mpsa --data data --output mpsa.json
"""

import csv
import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hyena_glt.biology.intervals import Variant
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.evaluation.bootstrap import bootstrap_interval
from hyena_glt.evaluation.metrics import compute_metrics
from hyena_glt.inference.variants import VariantScorer
from hyena_glt.io.indexed_fasta import IndexedFasta
from hyena_glt.model import HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer
from protocol import finish, parser_of

Floats = NDArray[np.float64]

_BLOCKS = (
    ("X2", "X3", "X4", "X5"), ("X15", "X16", "X17"), ("X18", "X19", "X20"), ("X21", "X22", "X23"),
)  # fmt: skip
_CODONS = 7  # on either side of that of the variant
_POSITION = re.compile(r"c\.(-?\d+)([+-]\d+)?")
_TINY = {
    "hidden_size": 64, "num_layers": 2, "num_attention_heads": 4, "filter_size": 32,
    "local_hidden_size": 64, "intermediate_size": 128,
}  # fmt: skip


def _read(path: Path, delimiter: str) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as handle:
        return list(csv.DictReader(handle, delimiter=delimiter))


def _auroc(labels: NDArray[np.int64], scores: Floats) -> dict[str, Any]:
    """AUROC and its 95 % interval."""
    finite = np.nan_to_num(scores, nan=float(np.nanmedian(scores)))
    spread = 1 / (1 + np.exp(-(finite - finite.mean()) / (finite.std() + 1e-12)))
    pairs = np.stack([1 - spread, spread], axis=1)
    low, high = bootstrap_interval("single_label", labels, pairs, resamples=500)["auroc"]
    value = compute_metrics("single_label", labels, pairs)["auroc"]
    return {"auroc": round(float(value), 4), "low": round(low, 4), "high": round(high, 4)}


def _by_block(
    features: Floats, labels: NDArray[np.int64], blocks: NDArray[np.int64], strength: float
) -> Floats:
    """Logistic regression: the log odds of each block from a fit to the others."""
    odds = np.zeros(len(labels))
    for block in np.unique(blocks):
        held = blocks == block
        head = make_pipeline(
            StandardScaler(), LogisticRegression(C=strength, max_iter=2000, class_weight="balanced")
        )
        head.fit(features[~held], labels[~held])
        odds[held] = head.decision_function(features[held])
    return odds


def _in_frame(row: dict[str, str], letters: str, first: int) -> tuple[str, str]:
    """Windows on the strand of the gene that begin with a codon, with either allele."""
    found = _POSITION.match(row["transcript_variant"])
    assert found is not None
    position = int(found[1])
    place = position - 1 if position > 0 else position  # there is no base 0
    phase = (place + int(found[2] or 0)) % 3
    at = int(row["pos_hg19"]) - first
    start = len(letters) - 1 - at - phase - 3 * _CODONS  # on the other strand
    stop = start + 3 * (2 * _CODONS + 1)
    window = reverse_complement(letters[len(letters) - stop : len(letters) - start])
    own = phase + 3 * _CODONS
    assert window[own] == reverse_complement(row["ref"])
    return window, window[:own] + reverse_complement(row["alt"]) + window[own + 1 :]


def _tuned(
    pairs: list[tuple[str, str]], labels: NDArray[np.int64], blocks: NDArray[np.int64], epochs: int
) -> Floats:
    """A model whose output differs between the alleles: fitted to three blocks, read on one."""
    tokenizer = DNATokenizer(kmer_size=3)  # one token per codon
    encoded = [torch.tensor([tokenizer.encode(pair[side]) for pair in pairs]) for side in (0, 1)]
    truth = torch.tensor(labels, dtype=torch.float32)
    odds = np.zeros(len(labels))
    for block in np.unique(blocks):
        torch.manual_seed(0)
        config = HyenaGLTConfig.for_tokenizer(
            tokenizer, **_TINY, causal=False, num_labels=1, problem_type="regression",
            target_compression=6.0, dropout=0.1, max_position_embeddings=64,
        )  # fmt: skip
        model = HyenaGLTForSequenceClassification(config).train()
        rows = torch.from_numpy(np.flatnonzero(blocks != block))
        steps = epochs * -(-len(rows) // 64)
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        weight = (1 - truth[rows]).sum() / truth[rows].sum()
        lost = torch.nn.BCEWithLogitsLoss(pos_weight=weight)
        for _ in range(epochs):
            for some in rows[torch.randperm(len(rows))].split(64):
                output = model(torch.cat([side[some] for side in encoded])).logits.squeeze(1)
                reference, alternative = output.chunk(2)
                loss = lost(3 * (alternative - reference) - 1, truth[some])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
        model.eval()
        held = np.flatnonzero(blocks == block)
        with torch.no_grad():
            for some in torch.from_numpy(held).split(256):
                reference, alternative = (model(side[some]).logits.squeeze(1) for side in encoded)
                odds[some.numpy()] = (alternative - reference).numpy()
    return odds


def brca1(options: Any) -> dict[str, Any]:
    """Loss of function of BRCA1."""
    rows = _read(options.data / "variants/brca1_sge_findlay2018/brca1_sge.tsv.gz", "\t")
    labels = np.array([row["func_class"] == "LOF" for row in rows], dtype=np.int64)
    block_of = {exon: number for number, exons in enumerate(_BLOCKS) for exon in exons}
    blocks = np.array([block_of[row["exon_experiment"]] for row in rows])
    kinds = sorted({row["consequence"] for row in rows})
    consequence = np.array([[row["consequence"] == kind for kind in kinds] for row in rows], float)
    conservation, cadd = (
        np.array([float(row[name] or "nan") for row in rows])
        for name in ("phylop_mammalian", "cadd")
    )
    conserved = np.nan_to_num(conservation, nan=float(np.nanmedian(conservation)))[:, None]
    result: dict[str, Any] = {"variants": len(rows), "loss_of_function": int(labels.sum())}
    figures: dict[str, Floats] = {
        "phyloP, no training": conservation,
        "CADD, trained elsewhere": cadd,
        "consequence class": _by_block(consequence, labels, blocks, 1.0),
        "consequence class and phyloP": _by_block(
            np.hstack([consequence, conserved]), labels, blocks, 1.0
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        packed = options.data / "genomes/human/brca1_hg19.fa.gz"
        path = Path(folder) / "brca1.fa"
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        genome = IndexedFasta(path)
        scorer = VariantScorer.from_pretrained(
            options.model, genome, window=options.lengths[0], contig_naming="auto", embeddings=True
        )
        variants = [
            Variant("17", int(row["pos_hg19"]) - 1, row["ref"], (row["alt"],)) for row in rows
        ]
        start = time.process_time()
        scores = list(scorer.score(variants))
        result["scoring_seconds"] = round(time.process_time() - start, 1)
        result["ref_agrees"] = sum(not score.reason for score in scores)
        ((contig, length),) = genome.contigs.items()
        letters = genome.fetch(contig, 0, length).upper()
    ratios = np.array([score.values for score in scores])
    moves = np.array([score.embedding for score in scores])
    features = np.hstack([ratios, np.abs(ratios), moves, np.linalg.norm(moves, axis=1)[:, None]])
    figures["log-likelihood ratio, no training"] = -ratios[:, 0]
    figures["head on embeddings"] = _by_block(features, labels, blocks, 0.003)
    figures["head on embeddings and consequence class"] = _by_block(
        np.hstack([features, 3 * consequence]), labels, blocks, 0.003
    )
    if options.epochs:
        first = int(re.sub(r".*:(\d+)-.*", r"\1", contig))
        pairs = [_in_frame(row, letters, first) for row in rows]
        start = time.process_time()
        figures["model trained on windows in frame"] = _tuned(pairs, labels, blocks, options.epochs)
        result["training_seconds"] = round(time.process_time() - start, 1)
    result["auroc"] = {name: _auroc(labels, scores) for name, scores in figures.items()}
    missense = np.array([row["consequence"] == "Missense" for row in rows])
    result["auroc_missense"] = {
        name: _auroc(labels[missense], scores[missense])
        for name, scores in figures.items()
        if name != "consequence class"
    }
    return result


def _values(options: Any, name: str, molecule: str, settings: list[str]) -> dict[str, Any]:
    """Values of short sequences, by ``hyena-glt train`` and by ridge regression."""
    rows = _read(options.data / f"variants/mavenn/{name}_data.csv.gz", ",")
    parts = {
        part: [(row["x"], float(row["y"])) for row in rows if row["set"] == part]
        for part in ("training", "validation", "test")
    }
    letters = sorted({letter for row in rows for letter in row["x"]})

    def one_hot(part: str) -> Floats:
        return np.array(
            [[own == letter for own in x for letter in letters] for x, _ in parts[part]], float
        )

    truth = {part: np.array([y for _, y in values]) for part, values in parts.items()}
    fits = [Ridge(alpha).fit(one_hot("training"), truth["training"]) for alpha in (0.1, 1, 10, 100)]

    def spearman(part: str, guess: Floats) -> float:
        return float(compute_metrics("regression", truth[part], guess)["spearman"])

    best = max(fits, key=lambda fit: spearman("validation", fit.predict(one_hot("validation"))))
    with tempfile.TemporaryDirectory() as folder:
        for part, values in parts.items():
            text = "sequence\tvalue\n" + "".join(f"{x}\t{y}\n" for x, y in values)
            (Path(folder) / f"{part}.tsv").write_text(text)
        command = [
            "train", "--train", "training.tsv", "--validation", "validation.tsv",
            "--test", "test.tsv", "--label-column", "value", "--molecule", molecule,
            "--strand", "forward", "--set", "data.task=regression", "--epochs", str(options.epochs),
            "--output", "run", *[word for own in settings for word in ("--set", own)],
        ]  # fmt: skip
        start = time.time()
        subprocess.run([sys.executable, "-m", "hyena_glt", *command], cwd=folder, check=True)
        seconds = time.time() - start
        found = json.loads((Path(folder) / "run/metrics.json").read_text())
    return {
        "train_command": " ".join(["hyena-glt", *command]),
        "sequences": {part: len(values) for part, values in parts.items()},
        "train_wall_seconds": round(seconds),
        "spearman": {
            "hyena-glt train": round(float(found["test"]["spearman"]), 4),
            "additive ridge": round(spearman("test", best.predict(one_hot("test"))), 4),
        },
    }


def main() -> None:
    """Measure, and print the result."""
    parser = parser_of(__doc__, "256")
    parser.add_argument("task", choices=("brca1", "mpsa", "amyloid"))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--model", type=Path, help="pretrained model, for brca1")
    parser.add_argument("--epochs", type=int, default=10, help="0: train no model, for brca1")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tiny = [f"model.{name}={value}" for name, value in _TINY.items()]
    if options.task == "brca1":
        result = brca1(options)
    elif options.task == "mpsa":
        result = _values(options, "mpsa", "rna", tiny)
    else:
        result = _values(options, "amyloid", "protein", tiny)
    for name, value in result.items():
        print(name, value)
    finish(f"variants-{options.task}", options, **result)


if __name__ == "__main__":
    main()
