"""Several molecules in one run: figures of each."""

import warnings

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hyena_glt.config import MODALITIES
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.evaluation.evaluator import metrics_of

# What fits a terminal, of the metrics that a task has.
_HEADLINES = ("mcc", "auroc", "pearson", "rmse")


def metrics_by_modality(
    dataset: GenomicDataset, scores: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    """Metrics of each molecule; empty where there is one vocabulary for one molecule.

    Args:
        dataset: Labelled sequences.
        scores: Predictions, one row per sequence.
    """
    if not dataset.tokenizer.is_joint:
        return {}
    numbers = np.array([int(dataset[row]["modality_ids"]) for row in range(len(dataset))])
    by_modality = {}
    for number in np.unique(numbers):
        rows = numbers == number
        with warnings.catch_warnings():
            # A molecule need not have all classes.
            warnings.simplefilter("ignore", RuntimeWarning)
            metrics = metrics_of(dataset.task, dataset.labels[rows], scores[rows])
        by_modality[MODALITIES[number]] = {"sequences": int(rows.sum()), **metrics}
    return by_modality


def say_by_modality(
    console: Console,
    metrics: dict[str, dict[str, float]],
    baseline: dict[str, dict[str, float]] | None = None,
) -> None:
    """Print a table of the molecules.

    Args:
        console: Where to.
        metrics: What :func:`metrics_by_modality` gave; nothing is printed if it is empty.
        baseline: The same of another model.
    """
    if not metrics:
        return
    first = next(iter(metrics.values()))
    shown = [name for name in _HEADLINES if name in first]
    table = Table(title="by molecule")
    table.add_column("molecule")
    table.add_column("sequences", justify="right")
    for name in shown:
        table.add_column(name, justify="right")
        if baseline:
            table.add_column("k-mers", justify="right")
    for modality, own in metrics.items():
        cells = [modality, f"{own['sequences']:,}"]
        for name in shown:
            cells.append(f"{own[name]:.4f}")
            if baseline:
                cells.append(f"{baseline[modality][name]:.4f}")
        table.add_row(*cells)
    console.print(table)
