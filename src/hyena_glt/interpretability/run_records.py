"""What stands in the files of a training run: events of the log, final figures, examples.

Numbers that a run could not compute are written as ``null`` and read as NaN.  Positions are 0-based
and counted in bases, along the strand the sequence is written in.
"""

import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _nan_if_null(value: Any) -> Any:
    return math.nan if value is None else value


def _text(value: Any) -> str:
    """Write a label as text; the labels of a multi-label example come as a list."""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


Number = Annotated[float, BeforeValidator(_nan_if_null)]
TextField = Annotated[str, BeforeValidator(_text)]


class Record(BaseModel):
    """Reads what it knows and passes over the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Step(Record):
    """One optimizer step; ``seconds`` since the run began, compression in bases per patch.

    ``tokens`` are those of its batch, without padding; 0 where nobody counted them.  ``task`` is
    that of the batch where a model learns several.
    """

    event: Literal["step"]
    step: int
    epoch: Number = math.nan
    loss: Number = math.nan
    learning_rate: Number = math.nan
    grad_norm: Number = math.nan
    compression_ratio: Number = math.nan
    tokens: int = 0
    task: str = ""
    seconds: Number = math.nan


class Evaluation(Record):
    """The loss and metrics on the validation or test set after a step, of one task of several."""

    event: Literal["evaluation"]
    split: str
    task: str = ""
    step: int
    epoch: Number = math.nan
    loss: Number = math.nan
    metrics: dict[str, Number] = Field(default_factory=dict)


class Note(Record):
    """A remark the run made about itself."""

    event: Literal["note"]
    message: str


class Reference(Record):
    """The simple model's figures on the test set, which are there before the training."""

    event: Literal["baseline"]
    name: str
    test: dict[str, Number] = Field(default_factory=dict)


class Weights(Record):
    """The weights of the losses of several tasks after a step."""

    event: Literal["weights"]
    step: int
    weights: dict[str, Number] = Field(default_factory=dict)


class Baseline(Record):
    """A simple model fitted on the same data, for comparison."""

    name: str = "baseline"
    test: dict[str, Number] = Field(default_factory=dict)


class ClassFigures(Record):
    """How well one class of bases was found among the rest."""

    name: TextField
    bases: int = 0
    precision: Number = math.nan
    recall: Number = math.nan
    f1: Number = math.nan
    mcc: Number = math.nan
    auroc: Number = math.nan
    auprc: Number = math.nan


class Strand(Record):
    """Which strand the model reads, and why."""

    strand: str
    reason: str = ""


class LengthRow(Record):
    """The metrics of test sequences of similar length; lengths in letters, intervals of 95 %."""

    shortest: int
    longest: int
    sequences: int
    figures: dict[str, Number] = Field(default_factory=dict)
    intervals: dict[str, tuple[Number, Number]] = Field(default_factory=dict)


class ReliabilityBin(Record):
    """Predictions of about one probability, and the share of them that came true."""

    size: int
    probability: Number = math.nan
    share: Number = math.nan


class Calibration(Record):
    """How far the probabilities can be taken at their word; ``ece`` is the expected error."""

    ece: Number = math.nan
    bins: list[ReliabilityBin] = Field(default_factory=list)


class DetailedEvaluation(Record):
    """What the test set says besides the metrics; intervals of 95 % are those of the metrics."""

    intervals: dict[str, tuple[Number, Number]] = Field(default_factory=dict)
    lengths: list[LengthRow] = Field(default_factory=list)
    calibration: Calibration | None = None
    calibration_at_temperature: Calibration | None = None


class Metrics(Record):
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
    temperature: Number = math.nan
    evaluation: DetailedEvaluation | None = None


class Bits(Record):
    """Bits per base: what a letter costs; 2 where nothing is known of it."""

    bits_per_base: Number = math.nan


class MarkovBaseline(Bits):
    """A Markov model of the same bases, for comparison."""

    name: str = "Markov model"


class Sample(Record):
    """What was sampled from a language model: ``bases`` in ``stretches``, and the genome's own.

    ``periodicity`` is the signal of codons, a period of three; GC contents are fractions.
    """

    bases: int
    stretches: int = 1
    gc: Number = math.nan
    genome_gc: Number = math.nan
    periodicity: Number = math.nan
    periodicity_shuffled: Number = math.nan
    periodicity_shuffled_sd: Number = math.nan
    genome_periodicity: Number = math.nan


class PretrainingMetrics(Record):
    """The figures at the end of a pretraining; ``regions`` are what served for what."""

    objective: Literal["clm", "mlm"]
    test: Bits
    validation: Bits = Field(default_factory=Bits)
    baseline: MarkovBaseline | None = None
    regions: dict[str, list[str]] = Field(default_factory=dict)
    train_seconds: Number = math.nan
    parameters: int | None = None
    best_step: int | None = None
    generated: Sample | None = None


class MultiTaskMetrics(Record):
    """The figures at the end of a training on several tasks."""

    task: Literal["multi_task"]
    tasks: dict[str, Metrics]
    mean_headline: Number = math.nan
    train_seconds: Number = math.nan
    parameters: int | None = None


class PatchLengths(Record):
    """How many patches have which length."""

    unit: str = "nucleotides"
    counts: dict[int, int] = Field(default_factory=dict)


class Example(Record):
    """One sequence with its patch starts and one attribution per base."""

    id: TextField
    sequence: str
    label: TextField = ""
    prediction: TextField = ""
    probability: Number = math.nan
    patch_starts: list[int] = Field(default_factory=list)
    attribution: list[Number] = Field(default_factory=list)


class Examples(Record):
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
