"""Settings of a run: how to train and on what, read from YAML and from ``--set``.

The settings of a training have three sections: ``model`` (fields of ``HyenaGLTConfig``), ``data``
and ``training``; those of a pretraining have two: ``model`` and ``pretraining``.  Values are
coerced to the type of their field, since YAML reads ``1e-3`` as a string and ``no`` as False;
unknown names are refused with the nearest one.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from hyena_glt.errors import ConfigError, DataError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads yes and no as True and False, which would pass for 1 and 0."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind in (int, float, int | None):
            raise PydanticCustomError("number", "Input should be a number")
        return value


class OptimizerSettings(_Section):
    """How weights move, whatever they are trained on.

    Attributes:
        learning_rate: Peak of the schedule.
        warmup_fraction: Share of the steps in which the learning rate rises from 0.
        final_fraction: Share of the peak at which the cosine decay ends.
        weight_decay: Decoupled decay of the weight matrices; filters, norms, biases and n-gram
            tables have none.
        max_grad_norm: Gradients are scaled down to this norm.
        weight_average: Decay per step of the moving average of the weights that is evaluated and
            saved; 0 switches it off.
        precision: Format of the matrix products, see :mod:`~hyena_glt.training.precision`.
            ``auto`` is ``bf16`` where the processor has it in hardware, else ``fp32``.
        precision_fallback: Where the hardware lacks ``precision``, take what ``auto`` would.
        loss_scale: Scale of the loss in ``fp16``; ``dynamic`` finds the largest that does not
            overflow.  A number is only ever lowered.  The other modes need none and ignore it.
        gradient_accumulation: Parts that each batch is computed in, one after another, to save
            memory; what is learned is what the whole batch would teach.
        compile: Compile the blocks with ``torch.compile``; the first steps take minutes.
        parallel: How the processes of ``torchrun`` divide the work.  ``ddp``: each holds the whole
            model.  ``fsdp``: each holds a part of every weight.  ``auto`` is ``ddp``.
        keep_checkpoints: How many checkpoints are kept, the newest ones.
        seed: Of weights, order and augmentation.
        tensorboard: Write curves and pictures for TensorBoard.
    """

    section: ClassVar[str]

    learning_rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    final_fraction: float = Field(default=0.02, ge=0, le=1)
    weight_decay: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    max_grad_norm: float = Field(default=1.0, gt=0)
    weight_average: float = Field(default=0.99, ge=0, lt=1)
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp8"] = "auto"
    precision_fallback: bool = False
    loss_scale: Literal["dynamic"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "dynamic"
    gradient_accumulation: int = Field(default=1, ge=1)
    compile: bool = False
    parallel: Literal["auto", "ddp", "fsdp"] = "auto"
    keep_checkpoints: int = Field(default=2, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    tensorboard: bool = True


class TrainingSettings(OptimizerSettings):
    """How to train on labelled sequences, besides what :class:`OptimizerSettings` says.

    Attributes:
        num_epochs: Passes over the training data; None: as many as make about 1,000 steps, but at
            least 5 and at most 30.
        batch_size: Sequences per step.
        patience: Epochs without a better validation score before training stops; 0: never.
        checkpoint_every: Steps between checkpoints; None: one at the end of each epoch.
        strand: ``both``: sequences are reverse-complemented at random, and predictions averaged
            over both strands.  ``forward``: sequences are used as they are.  ``auto``: decided on
            the validation data by ``hyena-glt train``; ``forward`` in a pipeline of your own.
        curriculum: ``length``: sequences longer than a maximum, which grows from 64 tokens, wait.
            ``difficulty``: those wait that k-mer logistic regression gets most wrong; for classes.
        curriculum_fraction: Share of the epochs after which no sequence waits.
        task_alpha: With several tasks, a batch is of one of them with a probability in proportion
            to the number of its sequences to this power: 1 as the data are, 0 all alike.
        task_weighting: Weights of the losses of several tasks: ``fixed``, as the tasks say, or
            ``uncertainty``, learned.
        freeze: ``backbone``: of a model that starts from a checkpoint only the head is trained.
        lora_rank: Above 0: the weights of the checkpoint stay, and additions of this rank to the
            blocks' linear layers are trained beside the head (LoRA).
        lora_alpha: The additions are scaled by this over ``lora_rank``.
    """

    section: ClassVar[str] = "training"

    num_epochs: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=1)
    patience: int = Field(default=0, ge=0)
    checkpoint_every: int | None = Field(default=None, ge=1)
    strand: Literal["both", "forward", "auto"] = "auto"
    curriculum: Literal["none", "length", "difficulty"] = "none"
    curriculum_fraction: float = Field(default=0.5, gt=0, le=1)
    task_alpha: float = Field(default=0.5, ge=0, le=1)
    task_weighting: Literal["fixed", "uncertainty"] = "fixed"
    freeze: Literal["none", "backbone"] = "none"
    lora_rank: int = Field(default=0, ge=0)
    lora_alpha: int = Field(default=16, ge=1)

    def epochs(self, steps_per_epoch: int) -> int:
        """Passes over the training data, chosen if the setting is None.

        Args:
            steps_per_epoch: Batches in one pass.
        """
        if self.num_epochs is not None:
            return self.num_epochs
        return min(30, max(5, round(1000 / steps_per_epoch)))


class PretrainingSettings(OptimizerSettings):
    """What to pretrain on and how, besides what :class:`OptimizerSettings` says.

    Attributes:
        fasta: FASTA or GenBank files of the genome or genomes, plain or .gz.
        objective: ``clm`` predicts each base from those before it, ``mlm`` hidden bases from both
            sides.
        window: Length of the windows that are cut from the genome, in bases.
        batch_size: Windows per step.
        steps: Steps of the whole training.
        both_strands: Read every window from either strand, at random.
        repeat_weight: Weight of soft-masked (lower-case) bases in the training loss; at 0 they are
            context only.
        holdout: Share of the genome that is held out for the test, in whole contigs or one stretch.
        evaluate_every: Steps between evaluations on the validation regions.
        checkpoint_every: Steps between checkpoints; as many are lost at most when a run dies.
        generate: Bases that are sampled from the trained model in all, for ``clm``, in stretches of
            about 375 behind as many places of the held-out regions; 0: none.
        curriculum: ``length``: windows grow from 64 bases to ``window``, doubling each time, with
            as many bases in a batch.
        curriculum_fraction: Share of the steps after which windows are whole.
    """

    section: ClassVar[str] = "pretraining"

    fasta: list[str] = Field(default_factory=list)
    objective: Literal["clm", "mlm"] = "clm"
    window: int = Field(default=1024, ge=16)
    batch_size: int = Field(default=16, ge=1)
    steps: int = Field(default=5000, ge=1)
    both_strands: bool = True
    repeat_weight: float = Field(default=1.0, ge=0, le=1)
    holdout: float = Field(default=0.1, gt=0, lt=1)
    evaluate_every: int = Field(default=250, ge=1)
    checkpoint_every: int = Field(default=250, ge=1)
    generate: int = Field(default=24_000, ge=0)
    curriculum: Literal["none", "length"] = "none"
    curriculum_fraction: float = Field(default=0.5, gt=0, le=1)
    weight_average: float = Field(default=0.999, ge=0, lt=1)
    warmup_fraction: float = Field(default=0.02, ge=0, lt=1)


class DataSettings(_Section):
    """What to train on.

    Attributes:
        train: File of training sequences with labels.
        validation: File of validation sequences; without it a part of ``train`` is held out.
        test: File of test sequences.
        positive: File of the sequences of class 1, in place of ``train``.
        negative: File of the sequences of class 0, in place of ``train``.
        test_positive: File of the test sequences of class 1, in place of ``test``.
        test_negative: File of the test sequences of class 0.
        fasta: FASTA or GenBank files of a genome, in place of ``train``, with ``annotation``.
        annotation: GFF3, GTF or GenBank file of the features whose bases are to be told apart.
        kinds: Kinds of features that are classes, several by comma.
        label_strand: ``separate``: features of the two strands are two classes.  ``both``: they
            are one.  ``forward``: only features on the strand of the file count.
        window: Length of the windows that are cut from a genome, in bases.
        test_contigs: Contigs of the genome that are held out for the test, several by comma; None
            holds out ``test_fraction`` of the bases.
        sequence_column: Name of the sequence column; None finds it.
        label_column: Name of the label column, several by comma for multi-label; None finds it.
            For FASTA and FASTQ ``description``, or ``word:2`` for the second word of the header.
        task: Kind of the prediction; ``auto`` reads it off the labels.
        molecule: ``dna``, ``rna`` or ``protein``; ``mixed`` where a column says so per sequence.
        kmer_size: Nucleotides per token.
        test_fraction: Share held out for the test where no test file is given.
        validation_fraction: Share of the rest held out for validation where no file is given.
        ambiguous: ``n`` reads ambiguity letters of the alphabet (R, Y, ...) as N; ``error``
            refuses them.
        drop_leaked: Leave out training and validation sequences that the test data hold too.
    """

    train: str | None = None
    validation: str | None = None
    test: str | None = None
    positive: str | None = None
    negative: str | None = None
    test_positive: str | None = None
    test_negative: str | None = None
    fasta: list[str] = Field(default_factory=list)
    annotation: str | None = None
    kinds: str = "CDS"
    label_strand: Literal["separate", "both", "forward"] = "separate"
    window: int = Field(default=1024, ge=16)
    test_contigs: str | None = None
    sequence_column: str | None = None
    label_column: str | None = None
    task: Literal["auto", "classification", "multi_label", "regression"] = "auto"
    molecule: Literal["dna", "rna", "protein", "mixed"] = "dna"
    kmer_size: int = Field(default=1, ge=1, le=8)
    test_fraction: float = Field(default=0.2, ge=0, lt=1)
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    ambiguous: Literal["n", "error"] = "n"
    drop_leaked: bool = False


class TaskSettings(DataSettings):
    """One of several tasks of a model: its data, and how it is learned.

    Attributes:
        strand: See :class:`TrainingSettings`; for this task.
        weight: Factor of its loss.
    """

    strand: Literal["both", "forward", "auto"] = "auto"
    weight: float = Field(default=1.0, gt=0)


def _number(value: Any) -> Any:
    """YAML reads 1e-3 as a string: it is a number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class ModelSettings(_Section):
    """Which model to train.

    Attributes:
        preset: Size of the model: ``small``, ``medium`` or ``large``.
        model: Fields of ``HyenaGLTConfig`` that differ from the preset.
    """

    preset: Literal["small", "medium", "large"] = "small"
    model: dict[str, Annotated[Any, BeforeValidator(_number)]] = Field(default_factory=dict)


class RunSettings(ModelSettings):
    """All settings of a training on labelled sequences.

    Attributes:
        data: What to train on.
        tasks: What to train on where there are several tasks, by name, in place of ``data``.
        training: How to train.
        pretrained: Folder of a model to start from, in place of new weights; it decides the size.
    """

    pretrained: str | None = None
    data: DataSettings = Field(default_factory=DataSettings)
    tasks: dict[str, TaskSettings] = Field(default_factory=dict)
    training: TrainingSettings = Field(default_factory=TrainingSettings)


class PretrainingRunSettings(ModelSettings):
    """All settings of a pretraining on genomes.

    Attributes:
        pretraining: What to pretrain on, and how.
    """

    pretraining: PretrainingSettings = Field(default_factory=PretrainingSettings)


_Settings = TypeVar("_Settings", RunSettings, PretrainingRunSettings)


def load_settings(
    path: Path | None = None,
    overrides: list[str] | None = None,
    flags: dict[str, Any] | None = None,
    base: Path | None = None,
) -> RunSettings:
    """Read the settings of a training from a YAML or JSON file, then apply flags, then overrides.

    Args:
        path: File; None starts from the defaults.
        overrides: ``section.field=value`` each, as given to ``--set``; values are read as YAML.
        flags: Values by ``section.field``, as given by options of their own.
        base: File that says what none of the others do, as that of a run to be gone on with.

    Raises:
        ConfigError: If a name is unknown (the nearest is given) or a value breaks its rule.
        DataError: If the file cannot be read.
    """
    return settings_from(_tree(path, overrides, flags, base))


def load_pretraining_settings(
    path: Path | None = None,
    overrides: list[str] | None = None,
    flags: dict[str, Any] | None = None,
    base: Path | None = None,
) -> PretrainingRunSettings:
    """Read the settings of a pretraining; the arguments are those of :func:`load_settings`.

    Args:
        path: File; None starts from the defaults.
        overrides: ``section.field=value`` each.
        flags: Values by ``section.field``.
        base: File that says what none of the others do.

    Raises:
        ConfigError: If a name is unknown or a value breaks its rule.
        DataError: If the file cannot be read.
    """
    return _checked(PretrainingRunSettings, _tree(path, overrides, flags, base))


def settings_from(tree: dict[str, Any]) -> RunSettings:
    """Check a tree of the settings of a training.

    Args:
        tree: Sections, fields and values.

    Raises:
        ConfigError: Names the first setting that is wrong, its value and the rule.
    """
    return _checked(RunSettings, tree)


def _tree(
    path: Path | None,
    overrides: list[str] | None,
    flags: dict[str, Any] | None,
    base: Path | None,
) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for file in (base, path):
        if file is None:
            continue
        given = _read_yaml(file)
        # What a finished run wrote beside its settings.
        for name in ("command", "version"):
            given.pop(name, None)
        tree = _laid_over(tree, given)
    for name, value in (flags or {}).items():
        _put(tree, name, value)
    for override in overrides or []:
        _apply(tree, override)
    return tree


def _laid_over(tree: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """A tree with the values of another one, as far as that has any."""
    both = dict(tree)
    for name, value in given.items():
        below = tree.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            both[name] = _laid_over(below, value)
        else:
            both[name] = value
    return both


def _checked(kind: type[_Settings], tree: dict[str, Any]) -> _Settings:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"there is no setting {name!r}{_nearest(kind, first['loc'])}"
            ) from None
        raise ConfigError(f"{name}={first['input']!r}: {first['msg']}") from None


class _OneOfEach(yaml.SafeLoader):
    """Refuses a key that comes twice, of which YAML would keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Make a dictionary of a mapping without double keys."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"{key.value!r} comes a second time in line {line}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _OneOfEach)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"is not valid YAML: {' '.join(str(error).split())}", path=path) from None
    if not isinstance(tree, dict):
        raise DataError("must hold sections, such as model and training", path=path)
    # A section whose lines are all commented out.
    return {name: value for name, value in tree.items() if value is not None}


def _apply(tree: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set {override!r}: expected section.field=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override!r}: the value is not valid YAML") from None
    _put(tree, name, value)


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, field = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{name}={value!r}: {section} has no fields")
    tree[field] = value


def _nearest(kind: type[BaseModel], place: tuple[int | str, ...]) -> str:
    *sections, field = [str(part) for part in place]
    owner = kind
    for section in sections:
        if section not in owner.model_fields:  # the name of a task
            owner = TaskSettings
            continue
        inner = owner.model_fields[section].annotation
        owner = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else kind
    named = {name: ".".join([*sections, name]) for name in owner.model_fields}
    if not sections:  # perhaps a field whose section was left out
        for section, info in kind.model_fields.items():
            inner = info.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                named = {name: f"{section}.{name}" for name in inner.model_fields} | named
    near = difflib.get_close_matches(field, named, n=1, cutoff=0.4)
    return f"; did you mean {named[near[0]]}?" if near else ""
