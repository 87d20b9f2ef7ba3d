"""One training on an annotated genome: what ``hyena-glt train --annotation`` does.

read, divide -> k-mer baseline -> train -> test -> model, features, table of bases, report
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from hyena_glt.biology.intervals import Feature
from hyena_glt.cli.evaluation import base_record
from hyena_glt.cli.experiment import (
    MODEL_DEFAULTS,
    Metrics,
    model_fields,
    refuse_existing,
    run_log,
    say_results,
    write_json,
    write_settings,
)
from hyena_glt.cli.reading import make_tokenizer
from hyena_glt.cli.resuming import CHECKPOINTS, finish, keep_decisions, kept_decisions
from hyena_glt.cli.watching import first_sequences, watchers
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.data.genome import Codes, Genome, Region, split_regions
from hyena_glt.data.labelled_genome import (
    LabelledGenome,
    LabelledTiles,
    LabelledWindows,
    label_genome,
)
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.token_baseline import WindowedKmerRegression, windows_around
from hyena_glt.evaluation.token_metrics import ClassFigures, TokenCounts
from hyena_glt.inference.annotator import FeatureCaller, GenomeAnnotator
from hyena_glt.inference.tables import base_table
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.io.features import iter_features
from hyena_glt.io.gff import write_gff3
from hyena_glt.model.folder import save_model
from hyena_glt.training.distributed import is_first_rank
from hyena_glt.training.finetuning import StartingPoint
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import DataSettings, RunSettings

# Enough to tell which of two epochs is better.
_VALIDATION_BASES = 200_000
# Of the baseline: more would cost time and change little.
_SAMPLED_TRAINING = 20_000
_SAMPLED_VALIDATION = 10_000
_SAMPLED_TEST = 100_000
_SHOWN_TILES = 100


class Division(NamedTuple):
    """Which part of the genome serves for what; no base for two things.

    Attributes:
        train: Windows are drawn from here.
        validation: Decides which epoch is best.
        test: Held out until the end.
    """

    train: list[Region]
    validation: list[Region]
    test: list[Region]


def run_annotation(
    settings: RunSettings, output: Path, command: str | None, start: StartingPoint | None = None
) -> Metrics:
    """Train a model that labels the bases of a genome, test it and call features.

    Args:
        settings: What to train on, and how.
        output: Folder to make.
        command: The command line, for the record; None goes on with the run in the folder.
        start: Checkpoint that the model starts from; None: new weights.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        OutputError: If the folder exists.
        ConfigError: If a setting breaks a rule.
        DataError: If genome or annotation break a rule.
    """
    if command is not None:
        refuse_existing(output)
    options, seed = settings.data, settings.training.seed
    console = Console(stderr=True, quiet=not is_first_rank())
    tokenizer = make_tokenizer(options) if start is None else start.tokenizer
    config = _model_config(settings, tokenizer, start)
    strand = _strand(settings, start)
    labelled = read_labelled_genome(options.fasta, options)
    parts = divide(labelled.genome, options, seed)
    counts = labelled.counts(parts.train)
    if np.count_nonzero(counts) < 2:
        raise DataError(
            "the regions to train on hold bases of one class only", path=options.annotation
        )
    windows = LabelledWindows(labelled, parts.train, options.window, seed=seed)
    _say_sizes(console, labelled, parts)
    decisions = kept_decisions(output) if command is None else {"strand": strand}
    if command is not None and is_first_rank():
        decisions["baseline"] = _baseline(labelled, parts, seed)
    collate = SequenceCollator(pad_token_id=tokenizer.pad_token_id)
    size = settings.training.batch_size
    tiles = LabelledTiles(labelled, parts.validation, options.window)
    validation = DataLoader(tiles, batch_size=size, collate_fn=collate)
    with run_log(output) as log:
        if command is not None and is_first_rank():
            _write_start(console, settings, output, command, decisions, log)
        callbacks = watchers(settings.training, output, first_sequences(validation))
        pipeline = EnhancedTrainingPipeline(
            config, settings.training, start=start, log=log, callbacks=callbacks
        )
        result = pipeline.train(
            DataLoader(windows, batch_size=size, collate_fn=collate), validation,
            checkpoints=output / CHECKPOINTS,
        )  # fmt: skip
        if not is_first_rank():
            return {}
        assert pipeline.model is not None
        save_model(output, pipeline.model, tokenizer)

        console.print("testing the best epoch ...")
        annotator = GenomeAnnotator.from_pretrained(output)
        found, features = annotate(
            annotator, labelled.genome, parts.test, labelled, output / "bases.tsv.gz"
        )
        assert found is not None
        write_gff3(output / "predictions.gff3", features)
        test = found.metrics()
        log.write("evaluation", split="test", epoch=float(result.best_epoch), step=result.steps,
                  loss=None, metrics=test)  # fmt: skip
    examples = _patches(annotator, labelled, parts.test)
    metrics: Metrics = {
        "task": "token",
        "labels": labelled.names,
        "test": test,
        **base_record(found, labelled.names),
        "confusion": found.confusion.tolist(),
        "validation": result.validation.metrics if result.validation else {},
        "regions": {name: list(map(str, part)) for name, part in parts._asdict().items()},
        "train_seconds": round(result.seconds, 1),
        "parameters": pipeline.model.num_parameters(),
        "best_epoch": result.best_epoch,
        "compression_ratio": examples["compression_ratio"],
        **decisions,
    }
    write_json(output / "examples.json", examples)
    write_json(output / "metrics.json", metrics)
    report = finish(output)
    say_classes(console, found.classes(labelled.names))
    say_results(console, metrics, report)
    console.print(
        f"{len(features):,} features called in the test regions: {output / 'predictions.gff3'}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    return metrics


def _write_start(
    console: Console, settings: RunSettings, output: Path, command: str, decisions: Metrics,
    log: RunLog,
) -> None:  # fmt: skip
    """Say and keep what was decided, and all settings."""
    strand, baseline = decisions["strand"], decisions["baseline"]
    log.write("note", message=f"strand: {strand['strand']}: {strand['reason']}")
    console.print(f"strand: [bold]{strand['strand']}[/] ({strand['reason']})", soft_wrap=True)
    log.write("baseline", name=baseline["name"], test=baseline["test"])
    console.print(
        f"{baseline['name']}: MCC {baseline['test']['mcc']:.4f}", highlight=False, soft_wrap=True
    )
    keep_decisions(output, decisions)
    write_settings(output, settings, command)


def read_labelled_genome(fasta: Sequence[str | Path], options: DataSettings) -> LabelledGenome:
    """Read a genome and its annotation.

    Args:
        fasta: FASTA files of the genome.
        options: Annotation, kinds of features and treatment of the strands.

    Raises:
        ConfigError: If files are not named, or kinds are named twice.
        DataError: If a file breaks a rule, or the two do not fit together.
    """
    if not fasta or options.annotation is None:
        raise ConfigError("--fasta and --annotation belong together: a genome and its features")
    kinds = [kind.strip() for kind in options.kinds.split(",") if kind.strip()]
    genome = Genome.read(fasta)
    try:
        return label_genome(genome, iter_features(options.annotation), kinds, options.label_strand)
    except DataError as error:
        if error.path is not None:
            raise
        raise DataError(str(error), path=options.annotation) from None


def divide(genome: Genome, options: DataSettings, seed: int) -> Division:
    """Hold out the test regions, then a part of the rest for validation.

    Args:
        genome: What to divide.
        options: Shares, or contigs to hold out.
        seed: Of the choice of contigs.

    Raises:
        ConfigError: If a contig that is to be held out is not there, or none would be left.
    """
    if options.test_contigs is None:
        rest, test = genome.split_regions(options.test_fraction, seed)
    else:
        asked = [name.strip() for name in options.test_contigs.split(",")]
        contigs = genome.contigs()
        for name in asked:
            if name not in {contig.contig for contig in contigs}:
                there = ", ".join(contig.contig for contig in contigs[:8])
                raise ConfigError(f"data.test_contigs: there is no contig {name!r}; {there}, ...")
        test = [contig for contig in contigs if contig.contig in asked]
        rest = [contig for contig in contigs if contig.contig not in asked]
        if not rest:
            raise ConfigError("data.test_contigs: no contig is left to train on")
    bases = sum(region.bases for region in rest)
    share = min(options.validation_fraction, _VALIDATION_BASES / bases)
    train, validation = split_regions(rest, share, seed + 1)
    return Division(train, validation, test)


def annotate(
    annotator: GenomeAnnotator,
    genome: Genome,
    regions: Sequence[Region],
    labelled: LabelledGenome | None = None,
    per_base: Path | None = None,
    shortest: int | None = None,
) -> tuple[TokenCounts | None, list[Feature]]:
    """Predict every base of some regions, and call features.

    Args:
        annotator: The model.
        genome: Where the bases are.
        regions: What to predict.
        labelled: The truth, to compare with.
        per_base: TSV file for the classes of every base; None writes none.
        shortest: Bases of the shortest feature that is called; None takes the default.

    Returns:
        How predictions and truth agree (None without a truth), and the features.
    """
    counts = None if labelled is None else TokenCounts(len(annotator.labels))
    features: list[Feature] = []
    options = {} if shortest is None else {"shortest": shortest}
    with ExitStack() as files:
        table = None
        if per_base is not None:
            table = files.enter_context(base_table(per_base, annotator.labels))
        for region in regions:
            truth = None if labelled is None else labelled.classes(region)
            caller = FeatureCaller(
                region.contig, annotator.labels, start=region.start, number=len(features), **options
            )
            for at, block in annotator.iter_probabilities(genome.codes(region)):
                own = None if truth is None else truth[at : at + len(block)]
                if counts is not None and own is not None:
                    counts.add(own, block)
                if table is not None:
                    table.add(region.contig, region.start + at, block, own)
                features += caller.add(block)
            features += caller.finish()
    return counts, features


def say_classes(console: Console, classes: Sequence[ClassFigures]) -> None:
    """Print the figures of every class.

    Args:
        console: Where to.
        classes: What to print.
    """
    table = Table(title="test, each class against the rest")
    for name in ClassFigures._fields:
        table.add_column(name, justify="left" if name == "name" else "right")
    for figures in classes:
        cells = [f"{value:.4f}" for value in figures[2:]]
        table.add_row(figures.name, f"{figures.bases:,}", *cells)
    console.print(table)


def _model_config(
    settings: RunSettings, tokenizer: Any, start: StartingPoint | None
) -> HyenaGLTConfig:
    options = settings.data
    if options.train is not None or options.positive is not None or options.test is not None:
        raise ConfigError("--fasta and --annotation take the place of --train, --positive, --test")
    if options.molecule != "dna" or options.kmer_size != 1:
        raise ConfigError(
            "labels of bases need DNA in single-nucleotide tokens (data.molecule=dna, "
            "data.kmer_size=1)"
        )
    # The model reads what it was trained on: windows of this length.
    own = {"max_position_embeddings": options.window}
    if start is not None:
        config = start.config_for(own | settings.model)
    else:
        fields = model_fields(settings, MODEL_DEFAULTS | own)
        config = HyenaGLTConfig.for_tokenizer(tokenizer, **fields)
    if config.max_position_embeddings < options.window:
        raise ConfigError(
            f"data.window ({options.window} bases) is longer than model.max_position_embeddings "
            f"({config.max_position_embeddings})"
        )
    return config


def _strand(settings: RunSettings, start: StartingPoint | None) -> dict[str, str]:
    asked, labels = settings.training.strand, settings.data.label_strand
    one_way = None if start is None else start.one_way
    if one_way is not None:
        if asked == "both":
            raise ConfigError(f"training.strand=both: {one_way}")
        settings.training.strand = "forward"
        return {"strand": "forward", "reason": one_way}
    if labels == "forward":
        if asked == "both":
            raise ConfigError("training.strand=both needs data.label_strand=both or separate")
        settings.training.strand = "forward"
        return {"strand": "forward", "reason": "only features on the strand of the file count"}
    if asked == "forward":
        return {"strand": "forward", "reason": "as asked"}
    settings.training.strand = "both"
    turned = " and classes of one strand change places" if labels == "separate" else ""
    return {"strand": "both", "reason": f"windows are read from either strand{turned}"}


def _baseline(labelled: LabelledGenome, parts: Division, seed: int) -> dict[str, Any]:
    """Logistic regression on the k-mers around bases that are drawn at random."""
    random = np.random.default_rng(seed)
    train, train_truth = _sampled(labelled, parts.train, _SAMPLED_TRAINING, random)
    model = WindowedKmerRegression().fit(
        train, train_truth, _sampled(labelled, parts.validation, _SAMPLED_VALIDATION, random)
    )
    test, truth = _sampled(labelled, parts.test, _SAMPLED_TEST, random)
    chances = np.zeros((len(test), len(labelled.names)))
    chances[:, model.classes] = model.predict_proba(test)
    counts = TokenCounts(len(labelled.names))
    counts.add(truth, chances)
    name = "k-mer logistic regression around each base"
    if len(truth) < int(labelled.counts(parts.test).sum()):
        name += f" ({len(truth):,} of the test bases)"
    classes = [figures._asdict() for figures in counts.classes(labelled.names)]
    return {"name": name, "test": counts.metrics(), "classes": classes}


def _sampled(
    labelled: LabelledGenome, regions: Sequence[Region], count: int, random: np.random.Generator
) -> tuple[Codes, NDArray[np.int64]]:
    """Labelled bases drawn at random without repeats, with what is around them."""
    bases = sum(region.bases for region in regions)
    chosen = np.sort(random.choice(bases, min(count, bases), replace=False))
    windows, truth, before = [], [], 0
    for region in regions:
        low, high = np.searchsorted(chosen, (before, before + region.bases))
        classes = labelled.classes(region)
        positions = chosen[low:high] - before
        positions = positions[classes[positions] >= 0]
        windows.append(windows_around(labelled.genome.codes(region), positions))
        truth.append(classes[positions])
        before += region.bases
    return np.concatenate(windows), np.concatenate(truth)


def _patches(
    annotator: GenomeAnnotator, labelled: LabelledGenome, regions: Sequence[Region]
) -> dict[str, Any]:
    """Patch statistics of a part of the test regions."""
    window = annotator.model.config.max_position_embeddings
    tiles = [
        Region(region.contig, start, min(start + window, region.end))
        for region in regions
        for start in range(region.start, region.end, window)
    ]
    shown = tiles[:: max(1, len(tiles) // _SHOWN_TILES)]
    statistics = compute_compression_statistics(
        annotator.model,
        [labelled.genome.sequence(tile) for tile in shown],
        tokenizer=annotator.tokenizer,
    )
    return {
        "patch_length_histogram": {
            "unit": "nucleotides",
            "counts": {str(k): v for k, v in statistics.length_histogram.items()},
        },
        "compression_ratio": statistics.compression_ratio,
        "attribution_method": "",
        "examples": [],
    }


def _say_sizes(console: Console, labelled: LabelledGenome, parts: Division) -> None:
    sizes = ", ".join(
        f"{sum(region.bases for region in part):,} {name}" for name, part in parts._asdict().items()
    )
    console.print(f"bases: {sizes}", highlight=False, soft_wrap=True)
    counts = labelled.counts(parts.train)
    shares = ", ".join(
        f"{name} {count / counts.sum():.1%}"
        for name, count in zip(labelled.names, counts.tolist(), strict=True)
    )
    console.print(f"classes in the training regions: {shares}", highlight=False, soft_wrap=True)
