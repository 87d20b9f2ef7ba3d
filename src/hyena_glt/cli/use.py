"""What ``hyena-glt evaluate``, ``predict`` and ``inspect`` do."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from hyena_glt.biology.alphabet import DNA
from hyena_glt.cli.experiment import write_json
from hyena_glt.cli.reading import check_letters, letters_or_file
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import DataError
from hyena_glt.inference.predictor import Predictor
from hyena_glt.inference.tables import write_predictions
from hyena_glt.interpretability.compression import SequencePatches, compute_compression_statistics
from hyena_glt.interpretability.patch_view import (
    position_table,
    render_patches,
    render_position_table,
)
from hyena_glt.io.formats import read_sequences
from hyena_glt.io.tables import read_labelled_table
from hyena_glt.training.evaluator import metrics_of


def run_evaluation(
    model: Path,
    data: Path,
    output: Path | None,
    sequence_column: str | None,
    label_column: str | None,
) -> None:
    """Score a trained model on labelled sequences.

    Args:
        model: Folder of a training.
        data: Table of sequences and labels.
        output: JSON file for the metrics; None only prints them.
        sequence_column: Column of the sequences; None finds it.
        label_column: Column of the labels; None finds it.
    """
    predictor = Predictor.from_pretrained(model)
    records = read_labelled_table(
        data,
        sequence_column=sequence_column,
        label_column=label_column,
        numeric=predictor.task == "regression",
    )
    check_letters(records, predictor.tokenizer.alphabet, str(data))
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
    predictions = predictor.predict(dataset.sequences, progress=_bar)
    metrics = metrics_of(dataset.task, dataset.labels, predictions.scores)
    table = Table(title=f"{len(dataset):,} sequences of {data.name}")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)
    if output is not None:
        write_json(output, metrics)


def run_prediction(
    model: Path, data: Path, output: Path, sequence_column: str | None, batch_size: int
) -> None:
    """Predict sequences without labels.

    Args:
        model: Folder of a training.
        data: FASTA or table of sequences.
        output: TSV file; ``-`` is the terminal.
        sequence_column: Column of the sequences; None finds it.
        batch_size: Sequences per forward pass.
    """
    predictor = Predictor.from_pretrained(model)
    records = read_sequences(data, sequence_column=sequence_column)
    check_letters(records, predictor.tokenizer.alphabet, str(data))
    predictions = predictor.predict(
        [record.sequence for record in records], batch_size=batch_size, progress=_bar
    )
    ids = [record.id for record in records]
    if str(output) == "-":
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "predictions.tsv"
            write_predictions(table, ids, predictions)
            sys.stdout.write(table.read_text(encoding="utf-8"))
        return
    write_predictions(output, ids, predictions)
    Console(stderr=True).print(f"{len(ids):,} predictions: {output}", highlight=False)


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
