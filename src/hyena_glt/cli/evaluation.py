"""Figures of a test set for the terminal, and for files that other programs read."""

import csv
import json
import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import ConfigError
from hyena_glt.evaluation.bootstrap import Interval
from hyena_glt.evaluation.calibration import Calibration, ReliabilityBin
from hyena_glt.evaluation.detailed import DetailedEvaluation, evaluate_predictions
from hyena_glt.evaluation.evaluator import METRIC_TASKS, Evaluation
from hyena_glt.evaluation.token_metrics import ClassFigures, TokenCounts
from hyena_glt.inference.predictor import Predictions, Predictor
from hyena_glt.io.atomic import atomic_write
from hyena_glt.training.run_log import finite

# What fits a terminal, of the metrics that a task has.
_BY_LENGTH = ("accuracy", "mcc", "f1_macro", "auroc", "auprc", "pearson", "spearman", "rmse")
_MOST_SHOWN = 5
_CALIBRATION = {"ece": "expected calibration error", "brier": "Brier score", "nll": "loss (nats)"}


def evaluate_test(
    test: GenomicDataset, predictions: Predictions, **options: Any
) -> tuple[DetailedEvaluation, list[str]]:
    """Compare predictions with the labels of a data set.

    Args:
        test: Labelled sequences.
        predictions: Of these sequences, in their order.
        options: Of :func:`~hyena_glt.evaluation.detailed.evaluate_predictions`.

    Returns:
        All figures, and what they warn of.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = evaluate_predictions(
            METRIC_TASKS[test.task],
            test.labels,
            predictions.scores,
            names=predictions.labels,
            lengths=[len(sequence) for sequence in test.sequences],
            **options,
        )
    return found, list(dict.fromkeys(str(entry.message) for entry in caught))


def of_validation(validation: Evaluation | None) -> dict[str, Any]:
    """The validation data as an option of :func:`evaluate_test`.

    Args:
        validation: What a training ended with.
    """
    if validation is None or not validation.scores.size:
        return {}
    return {"validation": (validation.labels, validation.scores)}


def evaluation_record(found: DetailedEvaluation) -> dict[str, Any]:
    """What ``metrics.json`` of a run keeps, besides the metrics.

    Args:
        found: On the test data, with threshold and temperature from the validation data.
    """
    tree, at = found.as_tree(), found.at_threshold
    kept = (
        "resamples", "intervals", "classes", "lengths", "calibration", "calibration_at_temperature",
    )  # fmt: skip
    return {
        "threshold": None if at is None else at.threshold,
        "test_at_threshold": None if at is None else at.figures,
        "temperature": found.temperature,
        "evaluation": {name: tree[name] for name in kept},
    }


def say_evaluation(console: Console, found: DetailedEvaluation, title: str) -> None:
    """Print metrics, classes, lengths and calibration.

    Args:
        console: Where to.
        found: What to print.
        title: Of the first table.
    """
    table = Table(title=title)
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, value in found.metrics.items():
        table.add_row(name, f"{value:.4f}", interval_text(found.intervals[name]))
    console.print(table)
    if found.at_threshold is not None:
        at = found.at_threshold
        figures = ", ".join(f"{name} {_value(value)}" for name, value in at.figures.items())
        name = found.classes[1].name
        console.print(
            f"class {name} from a probability of {at.threshold:.3g} on: {figures}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    unit = "tokens" if found.task == "token" else "sequences"
    if found.classes:
        _say_rows(
            console, "each class against the rest", ["class"], unit,
            [([row.name], row.support, row.figures, row.intervals) for row in found.classes],
            list(found.classes[0].figures),
        )  # fmt: skip
    if found.lengths:
        _say_rows(
            console, "by length, in letters", ["from", "to"], unit,
            [([f"{row.shortest:,}", f"{row.longest:,}"], row.sequences, row.figures, row.intervals)
             for row in found.lengths],
            [name for name in _BY_LENGTH if name in found.metrics][:_MOST_SHOWN],
        )  # fmt: skip
    if found.calibration is not None:
        _say_calibration(console, found, found.calibration)


def write_evaluation(
    path: Path, found: DetailedEvaluation, by_modality: dict[str, dict[str, float]]
) -> list[Path]:
    """Write an evaluation: metrics and all else as JSON, tables as TSV beside it.

    Args:
        path: JSON file; the tables are named after it.
        found: What to write.
        by_modality: Metrics of each molecule; empty where there is one only.

    Returns:
        The files.
    """
    tree: dict[str, Any] = {**found.metrics, **found.as_tree()}
    if by_modality:
        tree["by_modality"] = by_modality
    _write_json(path, tree)
    files = [path]

    def table(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        files.append(_write_table(path, name, header, rows))

    if found.classes:
        names = list(found.classes[0].figures)
        table(
            "classes",
            ["class", "support", *_columns(names)],
            ([row.name, row.support, *_triples(row.figures, row.intervals)]
             for row in found.classes),
        )  # fmt: skip
    if found.lengths:
        names = list(found.lengths[0].figures)
        table(
            "lengths",
            ["shortest", "longest", "sequences", *_columns(names)],
            ([row.shortest, row.longest, row.sequences, *_triples(row.figures, row.intervals)]
             for row in found.lengths),
        )  # fmt: skip
    if found.calibration is not None:
        kinds = [("as predicted", found.calibration)]
        if found.calibration_at_temperature is not None:
            kinds.append(("at temperature", found.calibration_at_temperature))
        table(
            "calibration",
            ["probabilities", *ReliabilityBin._fields],
            ([kind, *one] for kind, own in kinds for one in own.bins),
        )
    return files


def say_base_metrics(console: Console, counts: TokenCounts) -> None:
    """Print the figures over all classes of bases.

    Args:
        console: Where to.
        counts: Of the bases.
    """
    ranges = counts.intervals()[0]
    parts = []
    for name, value in counts.metrics().items():
        interval = interval_text(ranges[name]) if name in ranges else ""
        parts.append(f"{name} {_value(value)}" + (f" ({interval})" if interval else ""))
    console.print(", ".join(parts), highlight=False, soft_wrap=True)


def base_record(counts: TokenCounts, names: list[str]) -> dict[str, Any]:
    """What ``metrics.json`` of a model that labels bases keeps, besides the metrics.

    Args:
        counts: Of the bases.
        names: Of the classes.
    """
    overall, of_classes = counts.intervals()
    return {
        "evaluation": {"intervals": {name: list(interval) for name, interval in overall.items()}},
        "classes": [
            {**figures._asdict(), "intervals": {name: list(own) for name, own in ranges.items()}}
            for figures, ranges in zip(counts.classes(names), of_classes, strict=True)
        ],
    }


def write_base_evaluation(path: Path, counts: TokenCounts, names: list[str]) -> list[Path]:
    """Write the figures of a model that labels bases as JSON, and the classes as TSV beside it.

    Args:
        path: JSON file; the table is named after it.
        counts: Of the bases.
        names: Of the classes.

    Returns:
        The files.
    """
    record = base_record(counts, names)
    tree = {**counts.metrics(), **record["evaluation"], "classes": record["classes"]}
    _write_json(path, tree)
    rows = [
        [*(row[name] for name in ClassFigures._fields),
         *(edge for interval in row["intervals"].values() for edge in interval)]
        for row in record["classes"]
    ]  # fmt: skip
    first = record["classes"][0]["intervals"]
    edges = [f"{name}_{end}" for name in first for end in ("low", "high")]
    return [path, _write_table(path, "classes", [*ClassFigures._fields, *edges], rows)]


def chosen_by_validation(model: Path, task: str | None = None) -> tuple[float | None, float | None]:
    """Threshold and temperature that a training found on its validation data.

    Args:
        model: Folder of a training.
        task: Which one of a model of several tasks.

    Returns:
        None for what ``metrics.json`` does not hold.
    """
    try:
        tree = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
        if task is not None:
            tree = tree["tasks"][task]
        threshold, temperature = tree.get("threshold"), tree.get("temperature")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, None
    return (
        threshold if isinstance(threshold, float) and 0 <= threshold <= 1 else None,
        temperature if isinstance(temperature, float) and temperature > 0 else None,
    )


def asked_threshold(text: str, predictor: Predictor, chosen: float | None, model: Path) -> float:
    """Read the option ``--threshold``.

    Args:
        text: A number, or ``auto`` for the one that was best on the validation data.
        predictor: The model.
        chosen: What :func:`chosen_by_validation` gave.
        model: Folder of the training.

    Raises:
        ConfigError: If it is neither, the model has not two classes, or the folder knows none.
    """
    if predictor.task != "classification" or len(predictor.labels) != 2:
        raise ConfigError("--threshold is for models of two classes")
    if text == "auto":
        value = chosen
        if value is None:
            raise ConfigError(f"--threshold auto: {model / 'metrics.json'} holds no threshold")
        return value
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ConfigError(f"--threshold must be auto or a number in [0, 1], got {text!r}")
    return value


def called_at(predictions: Predictions, threshold: float) -> Predictions:
    """The same predictions with the class that a threshold says.

    Args:
        predictions: Of a model of two classes.
        threshold: From this probability on the second class is called.
    """
    called = predictions.scores[:, 1] >= threshold
    return predictions._replace(names=[predictions.labels[int(yes)] for yes in called])


def _write_json(path: Path, tree: dict[str, Any]) -> None:
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(finite(tree), indent=2) + "\n", encoding="utf-8")


def _write_table(
    path: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Path:
    file = path.with_name(f"{path.stem}_{name}.tsv")
    with (
        atomic_write(file) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as handle,
    ):
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_cell(value) for value in row] for row in rows)
    return file


def interval_text(interval: Sequence[float] | None, digits: int = 4) -> str:
    """An interval for a table; empty where there is none.

    Args:
        interval: Its ends.
        digits: Behind the point.
    """
    if interval is None or math.isnan(interval[0]):
        return ""
    return f"{interval[0]:.{digits}f}–{interval[1]:.{digits}f}"


def _say_rows(
    console: Console,
    title: str,
    heads: list[str],
    unit: str,
    rows: Sequence[tuple[list[str], int, dict[str, float], dict[str, Interval]]],
    names: list[str],
) -> None:
    table = Table(title=f"{title}; n: {unit}")
    # In a narrow terminal long names of classes are folded, and no figure is cut.
    for head in heads:
        table.add_column(head, justify="left" if head == "class" else "right", overflow="fold")
    for name in ("n", *names):
        table.add_column(name, justify="right", no_wrap=True)
    for first, count, figures, ranges in rows:
        cells = [
            f"{_value(figures[name])}\n[dim]{interval_text(ranges[name], 2)}[/]" for name in names
        ]
        table.add_row(*map(escape, first), f"{count:,}", *cells)
    console.print(table)


def _say_calibration(console: Console, found: DetailedEvaluation, own: Calibration) -> None:
    after = found.calibration_at_temperature
    table = Table(title="calibration")
    table.add_column("figure")
    table.add_column("as predicted", justify="right")
    table.add_column("95 % interval", justify="right")
    if after is not None:
        table.add_column(f"at temperature {found.temperature:.3g}", justify="right")
        table.add_column("95 % interval", justify="right")
    for name, words in _CALIBRATION.items():
        cells = [_value(getattr(own, name)), interval_text(own.intervals[name])]
        if after is not None:
            cells += [_value(getattr(after, name)), interval_text(after.intervals[name])]
        table.add_row(words, *cells)
    console.print(table)


def _value(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4f}"


def _columns(names: Sequence[str]) -> list[str]:
    return [column for name in names for column in (name, f"{name}_low", f"{name}_high")]


def _triples(figures: dict[str, float], ranges: dict[str, Interval]) -> list[float]:
    return [value for name, own in figures.items() for value in (own, *ranges[name])]


def _cell(value: Any) -> Any:
    """Six digits; empty where a figure is not defined."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
