"""Predictions as a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hyena_glt.inference.predictor import Predictions
from hyena_glt.io.atomic import atomic_write


def write_predictions(
    path: Path,
    ids: Sequence[str],
    predictions: Predictions,
    labels: Sequence[str] | None = None,
) -> None:
    """Write ``id``, ``label`` (if known), ``prediction`` and one probability per class.

    Args:
        path: TSV file; appears only when it is complete.
        ids: Name of each sequence.
        predictions: What the model said.
        labels: The truth in words.
    """
    header = ["id", *(["label"] if labels is not None else []), "prediction"]
    if predictions.task != "regression":
        header += [f"p_{name}" for name in predictions.labels]
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8") as handle:
        handle.write("\t".join(header) + "\n")
        for row, (id_, name) in enumerate(zip(ids, predictions.names, strict=True)):
            cells: list[Any] = [id_, *([labels[row]] if labels is not None else []), name]
            if predictions.task != "regression":
                cells += [f"{value:.6g}" for value in predictions.scores[row]]
            handle.write("\t".join(str(cell) for cell in cells) + "\n")
