"""What a training run left in its folder, read back with the gaps named.

A run writes ``config.yaml`` and ``log.jsonl`` from its first moment; ``metrics.json``,
``predictions.tsv`` and ``examples.json`` come at the end, so a run that crashed lacks them, and one
that pretrains or learns several tasks never has the last two.  What is missing or cut off is not an
error here: it is listed in :attr:`RunFolder.problems`, in sentences for the reader of the report.
A loop of one's own that a ``TrainingMonitor`` follows has the log alone.
``run_records`` says what stands in the files.
"""

import csv
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from hyena_glt.errors import DataError
from hyena_glt.interpretability.run_records import (
    Evaluation,
    Examples,
    Metrics,
    MultiTaskMetrics,
    Note,
    Predictions,
    PretrainingMetrics,
    Record,
    Reference,
    Step,
    Weights,
)

Final = Metrics | PretrainingMetrics | MultiTaskMetrics

_SETTINGS = "config.yaml"


class RunFolder(NamedTuple):
    """A training run as far as it got.

    Attributes:
        directory: Where it was read from.
        config: The sections of ``config.yaml``; empty for a loop of one's own.
        command: The command line that made the run; empty if the configuration names none.
        steps: Optimizer steps in the order of the log.  Of a step that a resumed run took again,
            the last record counts.
        evaluations: Evaluations in the order of the log, likewise.
        weights: Weights of the losses of several tasks in the order of the log.
        reference: The simple model's test figures, or None if the log has none.
        notes: Remarks of the run, in order.
        final: Final figures, or None if the run has none.
        predictions: Test-set predictions, or None.
        examples: Example sequences, or None.
        problems: What is missing or unreadable, one sentence each.
    """

    directory: Path
    config: dict[str, Any]
    command: str
    steps: list[Step]
    evaluations: list[Evaluation]
    weights: list[Weights]
    reference: Reference | None
    notes: list[str]
    final: Final | None
    predictions: Predictions | None
    examples: Examples | None
    problems: list[str]

    @property
    def has_settings(self) -> bool:
        """Whether the program made the run; a loop of one's own leaves no ``config.yaml``."""
        return (self.directory / _SETTINGS).is_file()

    @property
    def metrics(self) -> Metrics | None:
        """Final figures of a training on labels; None for one of another kind too."""
        return self.final if isinstance(self.final, Metrics) else None


Event = Step | Evaluation | Weights | Reference | Note
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])
_RecordT = TypeVar("_RecordT", bound=Record)


def read_run(directory: Path) -> RunFolder:
    """Read a run's folder.

    Args:
        directory: A folder that holds ``log.jsonl``, and perhaps ``config.yaml``,
            ``metrics.json``, ``predictions.tsv`` and ``examples.json``.

    Returns:
        What is there; what is not stands in ``problems``.

    Raises:
        DataError: If the folder or the first file is missing, or the configuration is not a YAML
            mapping.
    """
    if not (directory / "log.jsonl").is_file():
        raise DataError("holds no log.jsonl, so it is not a training run", path=directory)
    # A loop of one's own, which a TrainingMonitor wrote down, leaves no settings and no figures.
    ours = (directory / _SETTINGS).is_file()
    config = _read_config(directory / _SETTINGS) if ours else {}
    command = config.pop("command", "")
    problems: list[str] = []
    events = list(_read_log(directory / "log.jsonl", problems))
    kind = _kind(config)
    final = _read_json(directory / "metrics.json", kind, problems) if ours else None
    predictions, examples = None, None
    if ours and kind is Metrics:
        # Labels of bases are in a table of their own.
        if not (isinstance(final, Metrics) and final.task == "token"):
            predictions = _read_predictions(directory / "predictions.tsv", problems)
        examples = _read_json(directory / "examples.json", Examples, problems)
    return RunFolder(
        directory=directory,
        config=config,
        command=shlex.join(map(str, command)) if isinstance(command, list) else str(command or ""),
        steps=list({e.step: e for e in events if isinstance(e, Step)}.values()),
        evaluations=list(
            {(e.split, e.task, e.step): e for e in events if isinstance(e, Evaluation)}.values()
        ),
        weights=list({e.step: e for e in events if isinstance(e, Weights)}.values()),
        reference=next((e for e in reversed(events) if isinstance(e, Reference)), None),
        notes=[event.message for event in events if isinstance(event, Note)],
        final=final,
        predictions=predictions,
        examples=examples,
        problems=problems,
    )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise DataError(f"not readable as YAML: {error}", path=path, line=line) from None
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise DataError("a configuration must be a mapping of sections", path=path)
    return {str(name): section for name, section in config.items()}


def _kind(config: dict[str, Any]) -> type[Final]:
    """What the figures at the end look like, by the sections of the configuration."""
    if "pretraining" in config:
        return PretrainingMetrics
    return MultiTaskMetrics if config.get("tasks") else Metrics


def _read_log(path: Path, problems: list[str]) -> Iterator[Event]:
    lines = _lines(path)
    bad: list[int] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _EVENT.validate_python(json.loads(line))
        except ValueError:
            bad.append(number)
    if bad == [len(lines)]:
        problems.append(
            f"The last line of log.jsonl (line {bad[0]}) is cut off; it was left out. "
            "The run was probably stopped while it wrote."
        )
    elif bad:
        count = f"{len(bad)} lines" if len(bad) > 1 else "1 line"
        problems.append(f"{count} of log.jsonl could not be read; the first is line {bad[0]}.")


def _lines(path: Path) -> list[str]:
    """Split at line ends only; ``splitlines`` would also cut at rare letters inside a name."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return text.rstrip("\n").split("\n") if text else []


def _read_json(path: Path, kind: type[_RecordT], problems: list[str]) -> _RecordT | None:
    if not path.is_file():
        problems.append(f"{path.name} is missing.")
        return None
    try:
        return kind.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        problems.append(f"{path.name} could not be used: {place}: {first['msg']}.")
    except ValueError as error:
        problems.append(f"{path.name} is not valid JSON ({error}).")
    return None


def _read_predictions(path: Path, problems: list[str]) -> Predictions | None:
    if not path.is_file():
        problems.append(f"{path.name} is missing.")
        return None
    rows = list(csv.reader((f"{line}\n" for line in _lines(path)), delimiter="\t"))
    columns = rows[0] if rows else []
    absent = [name for name in ("id", "label", "prediction") if name not in columns]
    if absent:
        problems.append(f"{path.name} could not be used: it has no column {absent[0]}.")
        return None
    label, prediction = columns.index("label"), columns.index("prediction")
    classes = [index for index, name in enumerate(columns) if name.startswith("p_")]
    table = Predictions([], [], {columns[index].removeprefix("p_"): [] for index in classes})
    skipped = 0
    for cells in rows[1:]:
        whole = len(cells) == len(columns)
        values = _floats([cells[index] for index in classes]) if whole else None
        if values is None:
            skipped += 1
            continue
        table.labels.append(cells[label])
        table.predictions.append(cells[prediction])
        for column, value in zip(table.probabilities.values(), values, strict=True):
            column.append(value)
    if skipped:
        rows_are = "1 row is" if skipped == 1 else f"{skipped} rows are"
        problems.append(f"{path.name}: {rows_are} cut off or hold no numbers; left out.")
    return table


def _floats(cells: list[str]) -> list[float] | None:
    """Read numbers; an empty cell is NaN, and None says that one is not a number."""
    try:
        return [float(cell or "nan") for cell in cells]
    except ValueError:
        return None
