"""What ``hyena-glt evaluate``, ``predict`` and ``inspect`` do."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from hyena_glt.biology.alphabet import DNA
from hyena_glt.cli.evaluation import (
    asked_threshold,
    called_at,
    chosen_by_validation,
    evaluate_test,
    say_base_metrics,
    say_evaluation,
    write_base_evaluation,
    write_evaluation,
)
from hyena_glt.cli.molecules import metrics_by_modality, say_by_modality
from hyena_glt.cli.reading import check_letters, check_records, letters_or_file
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.inference.predictor import Predictor
from hyena_glt.inference.tables import write_predictions
from hyena_glt.interpretability.compression import SequencePatches, compute_compression_statistics
from hyena_glt.interpretability.patch_view import (
    position_table,
    render_patches,
    render_position_table,
)
from hyena_glt.io.formats import read_labelled, read_sequences


def run_evaluation(
    model: Path,
    data: Path,
    annotation: Path | None,
    output: Path | None,
    sequence_column: str | None,
    label_column: str | None,
    task: str | None = None,
    threshold: str | None = None,
) -> None:
    """Score a trained model on labelled sequences, or on an annotated genome.

    Args:
        model: Folder of a training.
        data: Sequences and labels; the genome, for a model of an annotation.
        annotation: Features of the genome, for such a model.
        output: JSON file for the figures, with tables beside it; None only prints them.
        sequence_column: Column of the sequences; None finds it.
        label_column: Column of the labels; None finds it.
        task: Which one of a model of several tasks.
        threshold: Probability from which on the second of two classes is called, or ``auto``; None
            is ``auto`` where the training found one.
    """
    if _labels_bases(model) or annotation is not None:
        _refuse_threshold(threshold)
        _evaluate_annotation(model, data, annotation, output)
        return
    predictor = Predictor.from_pretrained(model, task)
    records = read_labelled(
        data,
        sequence_column=sequence_column,
        label_column=label_column,
        numeric=predictor.task == "regression",
    )
    check_records(records, predictor.tokenizer, str(data))
    names = None if predictor.task == "regression" else predictor.labels
    try:
        dataset = GenomicDataset(
            records,
            predictor.tokenizer,
            None,
            predictor.task,
            label_names=names,
        )
    except DataError as error:
        raise DataError(str(error), path=data) from None
    chosen, temperature = chosen_by_validation(model, task)
    if threshold is not None:
        chosen = asked_threshold(threshold, predictor, chosen, model)
    predictions = predictor.predict_dataset(dataset, progress=_bar)
    found, warned = evaluate_test(dataset, predictions, threshold=chosen, temperature=temperature)
    by_modality = metrics_by_modality(dataset, predictions.scores)
    say_evaluation(Console(), found, f"{len(dataset):,} sequences of {data.name}")
    say_by_modality(Console(), by_modality)
    for text in warned:
        Console(stderr=True).print(text, style="yellow", highlight=False, markup=False)
    if output is not None:
        _say_files(write_evaluation(output, found, by_modality))


def run_prediction(
    model: Path,
    data: Path,
    output: Path,
    per_base: Path | None,
    sequence_column: str | None,
    batch_size: int,
    task: str | None = None,
    threshold: str | None = None,
) -> None:
    """Predict sequences without labels, or call features in contigs.

    Args:
        model: Folder of a training.
        data: Sequences, or contigs.
        output: TSV file; for a model of an annotation GFF3 or BED by its ending, or a TSV file of
            the classes of every base; ``-`` is the terminal.
        per_base: TSV file of the classes of every base, for such a model.
        sequence_column: Column of the sequences; None finds it.
        batch_size: Sequences per forward pass.
        task: Which one of a model of several tasks.
        threshold: Probability from which on the second of two classes is called, or ``auto``; None
            calls the more probable class.
    """
    if _labels_bases(model):
        _refuse_threshold(threshold)
        _predict_annotation(model, data, output, per_base)
        return
    if per_base is not None:
        raise ConfigError("--per-base is for models of an annotation (train --annotation)")
    predictor = Predictor.from_pretrained(model, task)
    records = read_sequences(data, sequence_column=sequence_column)
    check_records(records, predictor.tokenizer, str(data))
    dataset = GenomicDataset(records, predictor.tokenizer, None, "language_modeling")
    value = None
    if threshold is not None:
        chosen = chosen_by_validation(model, task)[0]
        value = asked_threshold(threshold, predictor, chosen, model)
    predictions = predictor.predict_dataset(dataset, batch_size=batch_size, progress=_bar)
    if value is not None:
        predictions = called_at(predictions, value)
    ids = [record.id for record in records]
    _write_or_show(output, "tsv", lambda path: write_predictions(path, ids, predictions))
    if str(output) != "-":
        Console(stderr=True).print(f"{len(ids):,} predictions: {output}", highlight=False)


def _say_files(files: list[Path]) -> None:
    names = ", ".join(map(str, files))
    Console(stderr=True).print(f"written: {names}", highlight=False, soft_wrap=True)


def _refuse_threshold(threshold: str | None) -> None:
    if threshold is not None:
        raise ConfigError(
            "--threshold is for models of two classes, not for those that label bases"
        )


def _labels_bases(model: Path) -> bool:
    """Whether a model gives every base a class; one that cannot be read is told of later."""
    try:
        tree = json.loads((model / "config.json").read_text(encoding="utf-8"))
        return tree["architectures"] == ["HyenaGLTForTokenClassification"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _evaluate_annotation(
    model: Path, data: Path, annotation: Path | None, output: Path | None
) -> None:
    from hyena_glt.cli.annotation import annotate, read_labelled_genome, say_classes
    from hyena_glt.inference.annotator import GenomeAnnotator
    from hyena_glt.training.settings import load_settings

    annotator = GenomeAnnotator.from_pretrained(model)
    if annotation is None:
        raise ConfigError("this model labels bases: give --annotation, the features of the genome")
    settings = load_settings(model / "config.yaml")
    options = settings.data.model_copy(update={"annotation": str(annotation)})
    labelled = read_labelled_genome([data], options)
    counts, _ = annotate(annotator, labelled.genome, labelled.genome.contigs(), labelled)
    assert counts is not None
    say_classes(Console(), counts.classes(annotator.labels))
    say_base_metrics(Console(), counts)
    if output is not None:
        _say_files(write_base_evaluation(output, counts, annotator.labels))


def _predict_annotation(model: Path, data: Path, output: Path, per_base: Path | None) -> None:
    from hyena_glt.biology.intervals import Interval
    from hyena_glt.cli.annotation import annotate
    from hyena_glt.data.genome import Genome
    from hyena_glt.inference.annotator import GenomeAnnotator
    from hyena_glt.io.bed import write_bed
    from hyena_glt.io.gff import write_gff3

    annotator = GenomeAnnotator.from_pretrained(model)
    genome = Genome(read_sequences(data))
    endings = output.name.lower().removesuffix(".gz").rpartition(".")
    if endings[2] in {"tsv", "txt"}:
        if per_base is not None:
            raise ConfigError(f"{output} is a table of bases already; leave out --per-base")
        annotate(annotator, genome, genome.contigs(), None, output)
        return
    _, features = annotate(annotator, genome, genome.contigs(), None, per_base)
    if endings[2] == "bed":
        intervals = [
            Interval(f.contig, f.start, f.end, f.strand, f.kind, 1000 * (f.score or 0.0))
            for f in features
        ]
        write_bed(output, intervals)
    else:
        _write_or_show(output, "gff3", lambda path: write_gff3(path, features))
    if str(output) != "-":
        Console(stderr=True).print(f"{len(features):,} features: {output}", highlight=False)


def _write_or_show(output: Path, ending: str, write: Callable[[Path], Any]) -> None:
    """Write a file, or the terminal where the path is ``-``."""
    if str(output) != "-":
        write(output)
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / f"output.{ending}"
        write(whole)
        sys.stdout.write(whole.read_text(encoding="utf-8"))


def run_inspection(sequence: str, model: Path | None, boundaries: str | None, rows: int) -> None:
    """Show the patches of sequences.

    Args:
        sequence: Letters, or the path of a FASTA file.
        model: Folder of a training; None cuts by patterns alone.
        boundaries: Patch starts by comma; None lets the merger decide.
        rows: Rows of the position table.
    """
    console = Console()
    records, origin = letters_or_file(sequence, "sequence")
    merger: tuple[Any, Any] | None = None
    alphabet = DNA
    if boundaries is None:
        if model is None:
            merger = _untrained()
        else:
            predictor = Predictor.from_pretrained(model)
            merger, alphabet = (predictor.model, predictor.tokenizer), predictor.tokenizer.alphabet
    check_letters(records, alphabet, origin)
    for record in records:
        letters = record.sequence.upper()
        if merger is None:
            starts, scores = _starts(boundaries or ""), None
        else:
            patches = _patches(merger, letters)
            starts = patches.starts
            scores = patches.scores if len(patches.scores) == len(letters) else None
        if len(records) > 1:
            console.rule(record.id)
        console.print(render_patches(letters, starts, scores))
        if rows:
            console.print(render_position_table(position_table(letters, starts), rows))


def _patches(merger: tuple[Any, Any], letters: str) -> SequencePatches:
    model, tokenizer = merger
    return compute_compression_statistics(model, [letters], tokenizer=tokenizer).sequences[0]


def _untrained() -> tuple[Any, Any]:
    """A merger that knows the patterns it was initialised with, and nothing else."""
    import torch

    from hyena_glt.model.hyena_glt import HyenaGLT
    from hyena_glt.tokenizers import DNATokenizer

    tokenizer = DNATokenizer(kmer_size=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = HyenaGLTConfig.for_tokenizer(
            tokenizer, boundary_scorer="pattern", hidden_size=16, num_attention_heads=2,
            num_layers=1, max_position_embeddings=10_000_000, causal=False,
        )  # fmt: skip
        return HyenaGLT(config), tokenizer


def _starts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise DataError(f"--boundaries {text!r}: expected numbers, as in 0,3,6") from None


def _bar(batches: list[Any]) -> Any:
    return track(batches, description="predicting", console=Console(stderr=True), transient=True)
