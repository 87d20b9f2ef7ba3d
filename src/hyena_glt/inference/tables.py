"""Predictions as tables: one line per sequence, or per base."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from hyena_glt.inference.predictor import Predictions
from hyena_glt.io.atomic import atomic_write


def write_predictions(
    path: Path,
    ids: Sequence[str],
    predictions: Predictions,
    labels: Sequence[str] | None = None,
) -> None:
    """Write ``id``, ``label`` (if known), ``prediction`` and one probability per class.

    Names that hold tabs, quotes or line ends are quoted.

    Args:
        path: TSV file; appears only when it is complete.
        ids: Name of each sequence.
        predictions: What the model said.
        labels: The truth in words.
    """
    header = ["id", *(["label"] if labels is not None else []), "prediction"]
    if predictions.task != "regression":
        header += [f"p_{name}" for name in predictions.labels]
    with atomic_write(path) as unfinished, _text(unfinished) as handle:
        table = csv.writer(handle, delimiter="\t", lineterminator="\n")
        table.writerow(header)
        for row, (id_, name) in enumerate(zip(ids, predictions.names, strict=True)):
            cells: list[Any] = [id_, *([labels[row]] if labels is not None else []), name]
            if predictions.task != "regression":
                cells += [f"{value:.6g}" for value in predictions.scores[row]]
            table.writerow(cells)


class BaseTable:
    """Lines of ``contig``, ``position`` (0-based), ``label``, ``prediction``, ``p_CLASS`` per base.

    Args:
        handle: Where to write.
        names: Of the classes.
    """

    def __init__(self, handle: TextIO, names: Sequence[str]) -> None:
        self.names = names
        self._table = csv.writer(handle, delimiter="\t", lineterminator="\n")
        self._table.writerow(["contig", "position", "label", "prediction",
                              *(f"p_{name}" for name in names)])  # fmt: skip

    def add(
        self,
        contig: str,
        start: int,
        probabilities: NDArray[np.float32],
        labels: NDArray[np.int64] | None = None,
    ) -> None:
        """Write some bases.

        Args:
            contig: Where they are.
            start: Position of the first one.
            probabilities: (n, C).
            labels: (n,) true classes; a negative one, as None, leaves the cell empty.
        """
        best = probabilities.argmax(axis=1).tolist()
        truth = [-1] * len(best) if labels is None else labels.tolist()
        rows = zip(probabilities.tolist(), best, truth, strict=True)
        for position, (row, own, true) in enumerate(rows, start=start):
            label = self.names[true] if true >= 0 else ""
            chances = (f"{value:.4f}" for value in row)
            self._table.writerow((contig, position, label, self.names[own], *chances))


@contextmanager
def base_table(path: Path, names: Sequence[str]) -> Iterator[BaseTable]:
    """Write a table of bases, whole or not at all.

    Args:
        path: TSV file; gzipped if the name ends in ``.gz``.
        names: Of the classes.

    Yields:
        What takes the lines.
    """
    with atomic_write(path) as unfinished, _text(unfinished) as handle:
        yield BaseTable(handle, names)


def _text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        # The fastest level: such tables have millions of lines.
        return gzip.open(path, "wt", compresslevel=1, encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")
