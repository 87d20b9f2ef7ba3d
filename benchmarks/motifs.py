"""Whether motif discovery names what is there: CTCF and PU.1 peaks, and planted motifs.

Real: a model learns CTCF peaks (class 1) from PU.1 peaks (class 0) with ``hyena-glt train``, and
``hyena-glt motifs`` explains peaks that it has not seen.  The motif with the most sites that speaks
for CTCF and the one that speaks against it are compared with collections of known motifs.

Planted: six motifs of JASPAR in random sequence, a small model, once with the true labels and once
with shuffled ones.

    python benchmarks/motifs.py --data ../shared/data --comparison tomtom
        --output benchmarks/results/motifs.json
"""

import argparse
import gzip
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hyena_glt.biology.motifs import Motif
from hyena_glt.cli.experiment import run_training
from hyena_glt.cli.motifs import MotifOptions, run_motifs
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.data.simulation import simulate_classification
from hyena_glt.interpretability.attribution import attribute
from hyena_glt.interpretability.motif_database import Method, match_database
from hyena_glt.interpretability.motif_discovery import discover_motifs
from hyena_glt.interpretability.motif_quality import evaluate_motif_quality
from hyena_glt.io.motif_files import read_motifs
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.settings import TrainingSettings, load_settings
from protocol import finish

_COLLECTIONS = {
    "JASPAR 2024 clusters": "jaspar_2024_consensus.meme.gz",
    "JASPAR 2024 CORE": "jaspar2024_core.transfac.gz",
    "JASPAR 2018 CORE vertebrates": "JASPAR2018_CORE_vertebrates.pfm.txt.gz",
    "HOCOMOCO 12 CORE": "HOCOMOCO_H12CORE.meme.gz",
}
_PLANTED = ("Gata1", "CTCF", "SPI1", "YY1", "NRF1", "REST")
_SMALL: dict[str, Any] = {
    "hidden_size": 64, "filter_size": 64, "num_layers": 2, "intermediate_size": 128,
    "local_hidden_size": 64, "num_attention_heads": 4,
}  # fmt: skip
_TINY: dict[str, Any] = {
    "hidden_size": 32, "filter_size": 32, "num_layers": 2, "intermediate_size": 64,
    "local_hidden_size": 32, "num_attention_heads": 4, "target_compression": 5.0,
}  # fmt: skip


def _peaks(source: Path, target: Path, first: int, count: int) -> None:
    """Copy some of the peaks of a file whose records take two lines each."""
    with gzip.open(source, "rt") as read, target.open("a", encoding="utf-8") as write:
        for number, line in enumerate(read):
            if 2 * first <= number < 2 * (first + count):
                write.write(line)


def _real(options: argparse.Namespace, method: Method, folder: Path) -> dict[str, Any]:
    peaks = options.data / "classification" / "chipseq_ctcf_pu1"
    unseen = folder / "unseen.fa"
    for name in ("ctcf", "pu1"):
        _peaks(peaks / f"{name}.fa.gz", folder / f"{name}.fa", 0, options.peaks)
        _peaks(peaks / f"{name}.fa.gz", unseen, options.peaks, options.explained // 2)
    start = time.process_time()
    given = {
        "data.positive": str(folder / "ctcf.fa"), "data.negative": str(folder / "pu1.fa"),
        "training.strand": "both", "training.num_epochs": options.epochs,
    }  # fmt: skip
    settings = load_settings(
        None, [f"model.{name}={value}" for name, value in _SMALL.items()], given
    )
    metrics = run_training(settings, folder / "model", "benchmarks/motifs.py")
    trained = time.process_time()
    database = options.data / "motifs" / _COLLECTIONS["JASPAR 2024 clusters"]
    run_motifs(
        MotifOptions(
            model=folder / "model", fasta=unseen, output=folder / "motifs", database=database,
            most_sequences=0, comparison=method, boundaries=True,
        )
    )  # fmt: skip
    lines = (folder / "motifs" / "motifs.tsv").read_text().splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
    motifs = {motif.name.split()[0]: motif for motif in read_motifs(folder / "motifs/motifs.meme")}
    named = {}
    for factor, evidence in (("CTCF", "for"), ("PU.1", "against")):
        row = next((row for row in rows if row["evidence"] == evidence), None)
        if row is not None:
            named[factor] = {
                "consensus": row["consensus"], "sites": int(row["sites"]),
                "first": _first(motifs[row["motif"]], options.data / "motifs", method),
            }  # fmt: skip
    return {
        "peaks_per_factor": options.peaks, "explained": options.explained,
        "test": {name: round(metrics["test"][name], 4) for name in ("mcc", "auroc")},
        "motifs": named, "all_motifs": len(rows), "train_cpu_s": round(trained - start),
        "motifs_cpu_s": round(time.process_time() - trained),
    }  # fmt: skip


def _first(motif: Motif, folder: Path, method: Method) -> dict[str, list[list[Any]]]:
    """The three best known motifs of each collection, with q-values."""
    found = {}
    for name, file in _COLLECTIONS.items():
        (best,) = match_database([motif], read_motifs(folder / file), method=method).matches
        found[name] = [[one.target.name, float(f"{one.q_value:.2g}")] for one in best[:3]]
    return found


def _planted(
    known: Sequence[Motif], chosen: Sequence[Motif], method: Method, *, shuffled: bool
) -> dict[str, Any]:
    """Train on planted motifs, and count which are recovered."""
    random = np.random.default_rng(0)
    made = [
        one
        for number, motif in enumerate(chosen)
        for one in simulate_classification(
            400, length=80, motifs=[motif], strands="both", seed=number
        )
    ]
    made = [made[at] for at in random.permutation(len(made))]
    labels = np.array([one.label == "positive" for one in made], dtype=int)
    if shuffled:
        labels = random.permutation(labels)
    tokenizer = DNATokenizer(kmer_size=1)
    items = [
        {"sequence": one.sequence, "labels": int(label)}
        for one, label in zip(made, labels, strict=True)
    ]
    parts = create_genomic_dataloaders(
        items, tokenizer=tokenizer, batch_size=32, task="classification"
    )
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(tokenizer, causal=False, **_TINY)
    settings = TrainingSettings(num_epochs=6, learning_rate=3e-3, strand="both", tensorboard=False)
    trainer = EnhancedTrainingPipeline(config, settings, progress=False)
    result = trainer.train(parts["train"], parts["val"])
    assert trainer.model is not None and result.validation is not None  # noqa: PT018
    explained = [one.sequence for one, label in zip(made, labels, strict=True) if label]
    ids = torch.tensor([tokenizer.encode(sequence) for sequence in explained])
    found = attribute(trainer.model, ids, 1, method="input_x_gradient")
    effects = [one.effects.double().numpy() for one in found]
    motifs = discover_motifs(explained, effects)
    quality = evaluate_motif_quality(motifs, chosen, database=known, method=method)
    figures = {
        name: None if math.isnan(value) else round(value, 3) for name, value in quality.items()
    }
    return {"validation_auroc": round(result.validation.metrics["auroc"], 4), **figures}


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--peaks", type=int, default=8000, help="of each factor, to train on")
    parser.add_argument("--explained", type=int, default=2000, help="unseen peaks to explain")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--comparison", choices=["tomtom", "own"], default="own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    file = options.data / "motifs" / _COLLECTIONS["JASPAR 2018 CORE vertebrates"]
    known = read_motifs(file)
    by_name = {motif.name.split()[-1]: motif for motif in known}
    chosen = [by_name[name] for name in _PLANTED]
    with tempfile.TemporaryDirectory() as folder:
        real = _real(options, options.comparison, Path(folder))
    planted = {
        labels: _planted(known, chosen, options.comparison, shuffled=labels == "shuffled")
        for labels in ("true", "shuffled")
    }
    finish("motifs", options, comparison=options.comparison, ctcf_against_pu1=real, planted=planted)


if __name__ == "__main__":
    main()
