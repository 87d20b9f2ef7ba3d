"""What a training run left in its folder, read back with the gaps named.

A run writes ``config.yaml`` and ``log.jsonl`` from its first moment; ``metrics.json``,
``predictions.tsv`` and ``examples.json`` come at the end, so a run that crashed lacks them.  What
is missing or cut off is not an error here: it is listed in :attr:`RunFolder.problems`, in
sentences for the reader of the report.  Numbers that a run could not compute are written as
``null`` and read as NaN.

Positions are 0-based and counted in bases, along the strand the sequence is written in.
"""

import csv
import json
import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from hyena_glt.errors import DataError


def _nan_if_null(value: Any) -> Any:
    return math.nan if value is None else value


def _text(value: Any) -> str:
    """Write a label as text; the labels of a multi-label example come as a list."""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


Number = Annotated[float, BeforeValidator(_nan_if_null)]
TextField = Annotated[str, BeforeValidator(_text)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Step(_Record):
    """One optimizer step; ``seconds`` since the run began, compression in bases per patch."""

    event: Literal["step"]
    step: int
    epoch: Number = math.nan
    loss: Number = math.nan
    learning_rate: Number = math.nan
    grad_norm: Number = math.nan
    compression_ratio: Number = math.nan
    seconds: Number = math.nan


class Evaluation(_Record):
    """The loss and metrics on the validation or test set after a step."""

    event: Literal["evaluation"]
    split: str
    step: int
    epoch: Number = math.nan
    loss: Number = math.nan
    metrics: dict[str, Number] = Field(default_factory=dict)


class Note(_Record):
    """A remark the run made about itself."""

    event: Literal["note"]
    message: str


class Baseline(_Record):
    """A simple model fitted on the same data, for comparison."""

    name: str = "baseline"
    test: dict[str, Number] = Field(default_factory=dict)


class ClassFigures(_Record):
    """How well one class of bases was found among the rest."""

    name: TextField
    bases: int = 0
    precision: Number = math.nan
    recall: Number = math.nan
    f1: Number = math.nan
    mcc: Number = math.nan
    auroc: Number = math.nan
    auprc: Number = math.nan


class Strand(_Record):
    """Which strand the model reads, and why."""

    strand: str
    reason: str = ""


class Metrics(_Record):
    """The figures at the end of a run; ``train_seconds`` is wall time.

    ``classes`` and ``confusion`` (row: true class) are of models that label bases.
    """

    task: Literal["single_label", "multi_label", "regression", "token"]
    labels: list[TextField] = Field(default_factory=list)
    test: dict[str, Number] = Field(default_factory=dict)
    validation: dict[str, Number] = Field(default_factory=dict)
    train_seconds: Number = math.nan
    parameters: int | None = None
    baseline: Baseline | None = None
    strand: Strand | None = None
    compression_ratio: Number = math.nan
    classes: list[ClassFigures] = Field(default_factory=list)
    confusion: list[list[int]] = Field(default_factory=list)


class PatchLengths(_Record):
    """How many patches have which length."""

    unit: str = "nucleotides"
    counts: dict[int, int] = Field(default_factory=dict)


class Example(_Record):
    """One sequence with its patch starts and one attribution per base."""

    id: TextField
    sequence: str
    label: TextField = ""
    prediction: TextField = ""
    probability: Number = math.nan
    patch_starts: list[int] = Field(default_factory=list)
    attribution: list[Number] = Field(default_factory=list)


class Examples(_Record):
    """Sequences picked for a close look, and the patch lengths of the whole test set."""

    patch_length_histogram: PatchLengths = Field(default_factory=PatchLengths)
    compression_ratio: Number = math.nan
    attribution_method: str = ""
    examples: list[Example] = Field(default_factory=list)


class Predictions(NamedTuple):
    """The test set with what the model said about it.

    Attributes:
        labels: True label of each sequence as written; several are separated by ``,`` or ``;``.
        predictions: Predicted label of each sequence as written.
        probabilities: Per class, in the order of the file, one probability per sequence.
    """

    labels: list[str]
    predictions: list[str]
    probabilities: dict[str, list[float]]


class RunFolder(NamedTuple):
    """A training run as far as it got.

    Attributes:
        directory: Where it was read from.
        config: The sections of ``config.yaml``.
        command: The command line that made the run; empty if the configuration names none.
        steps: Optimizer steps in the order of the log.  Of a step that a resumed run took again,
            the last record counts.
        evaluations: Evaluations in the order of the log, likewise.
        notes: Remarks of the run, in order.
        metrics: Final figures, or None if the run has none.
        predictions: Test-set predictions, or None.
        examples: Example sequences, or None.
        problems: What is missing or unreadable, one sentence each.
    """

    directory: Path
    config: dict[str, Any]
    command: str
    steps: list[Step]
    evaluations: list[Evaluation]
    notes: list[str]
    metrics: Metrics | None
    predictions: Predictions | None
    examples: Examples | None
    problems: list[str]


_EVENT: TypeAdapter[Step | Evaluation | Note] = TypeAdapter(
    Annotated[Step | Evaluation | Note, Field(discriminator="event")]
)
_RecordT = TypeVar("_RecordT", bound=_Record)


def read_run(directory: Path) -> RunFolder:
    """Read a run's folder.

    Args:
        directory: A folder that holds ``config.yaml`` and ``log.jsonl``, and perhaps
            ``metrics.json``, ``predictions.tsv`` and ``examples.json``.

    Returns:
        What is there; what is not stands in ``problems``.

    Raises:
        DataError: If the folder or one of the first two files is missing, or the configuration
            is not a YAML mapping.
    """
    for name in ("config.yaml", "log.jsonl"):
        if not (directory / name).is_file():
            raise DataError(f"holds no {name}, so it is not a training run", path=directory)
    config = _read_config(directory / "config.yaml")
    command = config.pop("command", "")
    problems: list[str] = []
    events = list(_read_log(directory / "log.jsonl", problems))
    metrics = _read_json(directory / "metrics.json", Metrics, problems)
    predictions = None
    # Labels of bases are in a table of their own.
    if metrics is None or metrics.task != "token":
        predictions = _read_predictions(directory / "predictions.tsv", problems)
    examples = _read_json(directory / "examples.json", Examples, problems)
    return RunFolder(
        directory=directory,
        config=config,
        command=shlex.join(map(str, command)) if isinstance(command, list) else str(command or ""),
        steps=list({e.step: e for e in events if isinstance(e, Step)}.values()),
        evaluations=list(
            {(e.split, e.step): e for e in events if isinstance(e, Evaluation)}.values()
        ),
        notes=[event.message for event in events if isinstance(event, Note)],
        metrics=metrics,
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


def _read_log(path: Path, problems: list[str]) -> Iterator[Step | Evaluation | Note]:
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
