"""Quality against compression: classification and language modelling at 1 to 64 bases per patch.

For each ratio a model is trained from new weights (the same seed), with the same data in the same
order and the same number of steps: a classifier on simulated sequences whose label is the order of
two motifs, one on a public set (``--classes``, a folder with train.csv.gz, dev.csv.gz and
test.csv.gz), and a causal language model on a genome (``--fasta``).  Patches may be up to twice as
long as the target, exactly one base at ratio 1.  The k-mer read-out of the classifier is off, since
it would hide what merging costs.  With ``--annotation`` linear probes are trained on the language
model's patches and bases to tell coding strands.  Seconds are those of the processor.

    python benchmarks/compression.py --classes gue/tf_2 --fasta ecoli.fna.gz \
        --annotation ecoli.gff.gz --output benchmarks/results/compression.json

    python benchmarks/compression.py --plot benchmarks/results/compression.json

The second command draws the curves into ``docs/_static/compression.png``.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.genome import Genome, Region
from hyena_glt.data.labelled_genome import label_genome
from hyena_glt.data.simulation import simulate_classification
from hyena_glt.evaluation.evaluator import evaluate
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.interpretability.compression_probe import probe_compression
from hyena_glt.io.formats import read_labelled
from hyena_glt.io.gff import iter_gff
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.pretraining import Pretraining, PretrainingRegions
from hyena_glt.training.settings import PretrainingSettings, TrainingSettings
from protocol import finish, numbers, parser_of

_PICTURE = Path(__file__).resolve().parents[1] / "docs" / "_static" / "compression.png"
_HELD_OUT = 300_000
_SCORED_BASES = 60_000
_VALIDATION_BASES = 20_000
_PROBED_WINDOWS = (90, 60)
_MEASURED = 40
_BATCH = 32
_LANGUAGE = "language model"


def _fields(ratio: int, longest: int) -> dict[str, Any]:
    """A small model that merges so many bases into a patch."""
    return {
        "hidden_size": 64, "num_layers": 3, "intermediate_size": 128, "local_hidden_size": 64,
        "num_attention_heads": 4, "dropout": 0.0, "head_dropout": 0.0, "genomic_vocab_size": 12,
        "kmer_readout": False, "max_position_embeddings": longest,
        "target_compression": float(ratio), "min_patch_size": 1,
        "max_patch_size": max(1, 2 * ratio if ratio > 1 else 1), "max_segment_length": 128,
    }  # fmt: skip


class _Sets:
    """One task of classification: three data sets."""

    def __init__(self, name: str, train: Any, validation: Any, test: Any) -> None:
        tokenizer = DNATokenizer(kmer_size=1)
        names = sorted({record.label for record in train})
        self.name = name
        self.train, self.validation, self.test = (
            GenomicDataset(part, tokenizer, None, "classification", label_names=names)
            for part in (train, validation, test)
        )
        self.longest = max(int(part.lengths.max()) for part in (self.train, self.test))


def _simulated() -> _Sets:
    parts = [
        simulate_classification(size, length=100, rule="order", seed=seed).records()
        for seed, size in enumerate((8000, 500, 1000))
    ]
    return _Sets("order of two motifs, 100 bp, simulated", *parts)


def _public(folder: Path) -> _Sets:
    parts = [read_labelled(folder / f"{name}.csv.gz") for name in ("train", "dev", "test")]
    return _Sets(f"{folder.parent.name}/{folder.name}", *parts)


def _classify(sets: _Sets, ratio: int, steps: int) -> dict[str, Any]:
    """Train and test one classifier."""
    collate = SequenceCollator(pad_token_id=0)
    generator = torch.Generator().manual_seed(0)
    order = torch.cat([torch.randperm(len(sets.train), generator=generator)
                       for _ in range(-(-steps * _BATCH // len(sets.train)))])  # fmt: skip
    own = sets.train.subset(order[: steps * _BATCH].tolist())
    config = HyenaGLTConfig(causal=False, **{"num_labels": 2, **_fields(ratio, sets.longest)})
    settings = TrainingSettings(
        num_epochs=1, batch_size=_BATCH, learning_rate=2e-3, weight_average=0.98,
        precision="fp32", tensorboard=False, strand="forward",
    )  # fmt: skip
    pipeline = EnhancedTrainingPipeline(config, settings, progress=False)
    start = time.process_time()
    pipeline.train(
        DataLoader(own, batch_size=_BATCH, collate_fn=collate),
        DataLoader(sets.validation, batch_size=100, collate_fn=collate),
    )
    seconds = time.process_time() - start
    assert pipeline.model is not None
    found = evaluate(
        pipeline.model, DataLoader(sets.test, batch_size=100, collate_fn=collate), "classification"
    )
    shown = list(sets.test.sequences)[:_MEASURED]
    measured = compute_compression_statistics(pipeline.model, shown).compression_ratio
    return {
        "measured_ratio": round(measured, 2),
        **{name: round(found.metrics[name], 4) for name in ("accuracy", "mcc", "auroc")},
        "processor_s": round(seconds, 1),
    }


def _model_language(
    genome: Genome, annotation: Path | None, ratio: int, steps: int, window: int
) -> dict[str, Any]:
    """Pretrain one language model, score it, and probe it where there is an annotation."""
    whole = max(genome.contigs(), key=lambda region: region.bases)
    first = whole.end - _HELD_OUT
    test = Region(whole.contig, first, first + _SCORED_BASES)
    validation = Region(whole.contig, first - _VALIDATION_BASES, first)
    regions = PretrainingRegions([Region(whole.contig, 0, validation.start)], [validation], [test])
    settings = PretrainingSettings(
        window=window, batch_size=max(1, 4096 // window), steps=steps, evaluate_every=steps,
        learning_rate=2e-3, weight_average=0.98, precision="fp32", generate=0, tensorboard=False,
    )  # fmt: skip
    fields = _fields(ratio, 4 * window)
    trainer = Pretraining(HyenaGLTConfig(**fields), genome, regions, settings, progress=False)
    start = time.process_time()
    result = trainer.run()
    seconds = time.process_time() - start
    # The probes learn where the model did, and are scored where it has not been.
    spread = [
        np.linspace(low, high - window, windows, dtype=int).tolist()
        for low, high, windows in zip(
            (0, first), (validation.start, whole.end), _PROBED_WINDOWS, strict=True
        )
    ]
    shown = [Region(whole.contig, at, at + window) for starts in spread for at in starts]
    letters = [genome.sequence(region) for region in shown]
    row = {
        "measured_ratio": round(
            compute_compression_statistics(trainer.model, letters[:_MEASURED]).compression_ratio, 2
        ),
        "bits_per_base": round(result.bits_per_base, 4),
        "processor_s": round(seconds, 1),
    }
    if annotation is not None:
        labelled = label_genome(genome, iter_gff(annotation), ["CDS"], "separate")
        classes = [labelled.classes(region) for region in shown]
        probe = probe_compression(
            trainer.model, letters, classes, held_out=_PROBED_WINDOWS[1] / len(shown)
        )
        row |= {
            "probe_patches": round(probe.patch_accuracy, 4),
            "probe_bases": round(probe.base_accuracy, 4),
            "probe_majority": round(probe.majority, 4),
        }
    return row


def _done(parts: Path | None) -> dict[tuple[str, int], dict[str, Any]]:
    """Rows of an earlier run of the same command, which was interrupted."""
    if parts is None or not parts.exists():
        return {}
    lines = map(json.loads, parts.read_text(encoding="utf-8").splitlines())
    return {(line["name"], line["row"]["ratio"]): line["row"] for line in lines}


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw the curves.

    Args:
        result: As this benchmark writes it.
        path: PNG file to write.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "compression"}):
        figure = Figure(figsize=(9, 3), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        for (name, rows), colour in zip(
            result["classification"].items(), ("#3b6ea5", "#c06c3e"), strict=False
        ):
            ratios = [row["measured_ratio"] for row in rows]
            left.plot(ratios, [row["auroc"] for row in rows], "o-", color=colour, label=name)
        left.set_ylim(0.5, 1.02)
        left.set_ylabel("AUROC on the test set")
        left.legend(frameon=False, fontsize=7, loc="lower left")
        rows = result["language_model"]
        ratios = [row["measured_ratio"] for row in rows]
        middle.plot(ratios, [row["bits_per_base"] for row in rows], "o-", color="#7fb069")
        middle.set_ylim(1.9, 2.0)
        middle.set_ylabel("bits per base, held-out region")
        if "probe_patches" in rows[0]:
            for name, colour in (("bases", "#3b6ea5"), ("patches", "#c06c3e")):
                values = [row[f"probe_{name}"] for row in rows]
                right.plot(ratios, values, "o-", color=colour, label=f"read off {name}")
            right.axhline(rows[0]["probe_majority"], color="#888888", linewidth=0.8, ls=":")
            right.set_ylabel("accuracy of a linear probe\n(coding strand)")
            right.legend(frameon=False, fontsize=7)
        for axes in (left, middle, right):
            axes.set_xscale("log", base=2)
            axes.set_xticks(result["ratios"], [str(ratio) for ratio in result["ratios"]])
            axes.set_xlabel("nucleotides per patch, measured")
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, dpi=160, metadata={"Software": None})


def main() -> None:
    """Measure and print the result, or draw one."""
    parser = parser_of(__doc__, "1024")
    parser.add_argument("--ratios", type=numbers, default=numbers("1,4,8,16,32,64"))
    parser.add_argument("--steps", type=int, default=400, help="of each training")
    parser.add_argument("--classes", type=Path, help="folder of a public set")
    parser.add_argument("--fasta", type=Path, help="genome of the language model")
    parser.add_argument("--annotation", type=Path, help="GFF3 of the genome, for the probes")
    parser.add_argument("--parts", type=Path, help="keep rows here, and go on from them")
    parser.add_argument("--plot", type=Path, help="only draw this result")
    options = parser.parse_args()
    if options.plot is not None:
        draw(json.loads(options.plot.read_text(encoding="utf-8")), _PICTURE)
        return
    if options.fasta is None:
        parser.error("--fasta is missing")
    torch.set_num_threads(options.threads)
    tasks = [_simulated(), *([_public(options.classes)] if options.classes else [])]
    genome = Genome.read([options.fasta])
    done = _done(options.parts)
    for ratio in options.ratios:
        runs: dict[str, Callable[[], dict[str, Any]]] = {
            sets.name: partial(_classify, sets, ratio, options.steps) for sets in tasks
        }
        runs[_LANGUAGE] = partial(
            _model_language, genome, options.annotation, ratio, options.steps, options.lengths[0]
        )
        for name, run in runs.items():
            if (name, ratio) not in done:
                done[name, ratio] = {"ratio": ratio, **run()}
                line = json.dumps({"name": name, "row": done[name, ratio]})
                print(line, flush=True)
                if options.parts is not None:
                    with options.parts.open("a", encoding="utf-8") as parts:
                        parts.write(line + "\n")
    ratios = sorted(options.ratios)
    curves = {name: [done[name, ratio] for ratio in ratios] for name, _ in done}
    finish(
        "compression", options, steps=options.steps, ratios=ratios,
        language_model=curves.pop(_LANGUAGE), classification=curves,
    )  # fmt: skip


if __name__ == "__main__":
    main()
