"""Train a model on loaders: the loop, from the first batch to the best weights.

Reading order: ``settings`` says what can be set, ``optimization`` how weights move, ``step`` moves
them once, **this file** runs the epochs, ``evaluator`` scores, ``run_log`` remembers.
"""

import copy
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.curriculum import CroppedSequences
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.labelled_genome import LabelledWindows
from hyena_glt.errors import ConfigError, DataError, TrainingError
from hyena_glt.model.faces import (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.tasks.losses import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from hyena_glt.training.evaluator import Evaluation, evaluate
from hyena_glt.training.optimization import WeightAverage, make_optimizer
from hyena_glt.training.precision import Arithmetic, default_device
from hyena_glt.training.progress import TrainingProgress
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.step import calibrated, on_device, seeded, state_of, training_step
from hyena_glt.training.strands import turned

_FACES: dict[str, type[PreTrainedModel]] = {
    "classification": HyenaGLTForSequenceClassification,
    "multi_label": HyenaGLTForSequenceClassification,
    "regression": HyenaGLTForSequenceClassification,
    "token_classification": HyenaGLTForTokenClassification,
}
_PROBLEM_TYPES: dict[str, Any] = {
    "classification": SINGLE_LABEL,
    "multi_label": MULTI_LABEL,
    "regression": REGRESSION,
}
_CALIBRATION_BATCHES = 16
# Over the number of sequences: as strong as C = 0.03 of a logistic regression.
READOUT_PENALTY = 30.0
# What decides which epoch was best; larger is better.  AUROC needs no threshold, so on a small
# validation set it is less noisy than MCC, and it is blind to overconfidence, unlike the loss.
HEADLINE = {
    "classification": "auroc",
    "multi_label": "auroc",
    "regression": "spearman",
    "token_classification": "mcc",
}


class TrainingResult(NamedTuple):
    """How a training ended.

    Attributes:
        best_epoch: Epoch, from 1, whose weights the model now holds.
        validation: Loss and metrics of that epoch; None without validation data.
        seconds: Time the training took.
        steps: Steps taken.
    """

    best_epoch: int
    validation: Evaluation | None
    seconds: float
    steps: int


class EnhancedTrainingPipeline:
    """Train, evaluate and keep the best model for a task.

    The task is that of the training loader's data set.  Two-sided tasks (classification,
    token labels) set ``causal=False`` on a copy of the configuration, and say so.

    Args:
        config: Model configuration.
        settings: How to train; None takes the defaults.
        model: A model to go on training, in place of a new one.
        log: Where events are written; None keeps them in memory.
        progress: Show a progress bar and a line per epoch.

    Raises:
        ConfigError: If the hardware lacks the precision that is asked for.

    Example:
        >>> trainer = EnhancedTrainingPipeline(config)  # doctest: +SKIP
        >>> trainer.train(loaders["train"], loaders["val"])  # doctest: +SKIP
    """

    def __init__(
        self,
        config: HyenaGLTConfig,
        settings: TrainingSettings | None = None,
        *,
        model: PreTrainedModel | None = None,
        log: RunLog | None = None,
        progress: bool = True,
    ) -> None:
        self.config = config
        self.settings = settings or TrainingSettings()
        self.model = model
        self.log = log or RunLog()
        self.progress = progress
        self.task = ""
        self.device = default_device()
        self.arithmetic = Arithmetic(self.settings, self.device)

    def train(
        self,
        train_loader: DataLoader[Any],
        val_loader: DataLoader[Any] | None = None,
        *,
        checkpoint: Path | None = None,
    ) -> TrainingResult:
        """Train and leave the best weights in ``self.model``.

        Args:
            train_loader: Training batches; its dataset names the task.
            val_loader: Validation batches; decides which epoch was best.
            checkpoint: Folder in which the best model so far is saved, whole, after each epoch
                that improves.

        Raises:
            ConfigError: If both strands are asked for of a language model, or of a model that
                cannot read the other strand.
            DataError: If the loader's dataset is neither a ``GenomicDataset`` nor made of windows
                of a labelled genome, or has no labels.
            TrainingError: If the loss stops being a number; names the step.
        """
        dataset = train_loader.dataset
        if not isinstance(dataset, GenomicDataset | LabelledWindows | CroppedSequences):
            raise DataError(
                "train_loader: its dataset must be a GenomicDataset, which names the task"
            )
        self.task = dataset.task
        if self.settings.strand == "both" and self.task == "language_modeling":
            raise ConfigError("training.strand=both is for labels; language_modeling needs forward")
        with seeded(self.settings.seed), self._warnings_as_notes():
            if self.model is None:
                self.model = self._new_model(dataset)
            elif self.settings.strand == "both":
                self._read_both_strands(self.model.config)
            self.model.to(self.device)  # type: ignore[arg-type]
            if isinstance(self.model, HyenaGLTForSequenceClassification):
                self.model.readout_penalty = READOUT_PENALTY / len(dataset)
            if self.task == "regression" and isinstance(dataset, GenomicDataset):
                self._scale_targets(dataset)
            return self._run(train_loader, val_loader, checkpoint)

    def evaluate(self, loader: DataLoader[Any]) -> Evaluation:
        """Score the model on a loader.

        Args:
            loader: Batches with labels.

        Raises:
            TrainingError: If there is no model yet.
        """
        if self.model is None:
            raise TrainingError("there is no model yet; call train first")
        return evaluate(self.model, loader, self.task)

    def _validate(self, loader: DataLoader[Any]) -> Evaluation:
        assert self.model is not None
        return evaluate(self.model, loader, self.task, keep_tokens=False)

    def _read_both_strands(self, config: Any) -> None:
        """Let a model that was handed in predict as it is trained."""
        if config.reverse_complement == "average":
            return
        asked = copy.deepcopy(config)
        asked.reverse_complement = "average"
        asked.validate()
        config.reverse_complement = "average"
        self._note("strand=both: reverse_complement='average' was set for the model")

    def _new_model(
        self, dataset: GenomicDataset | LabelledWindows | CroppedSequences
    ) -> PreTrainedModel:
        config = copy.deepcopy(self.config)
        if isinstance(dataset, CroppedSequences) or self.task == "language_modeling":
            return (HyenaGLTForCausalLM if config.causal else HyenaGLTForMaskedLM)(config)
        if config.causal:
            config.causal = False
            self._note("this task looks both ways: causal=False was set for the model")
        config.num_labels = dataset.num_labels
        if dataset.label_names:
            config.id2label = dict(enumerate(dataset.label_names))
            config.label2id = {name: i for i, name in enumerate(dataset.label_names)}
        if self.task in _PROBLEM_TYPES:
            config.problem_type = _PROBLEM_TYPES[self.task]
        if self.settings.strand == "both":
            config.reverse_complement = "average"
        config.validate()
        return _FACES[self.task](config)

    def _scale_targets(self, dataset: GenomicDataset) -> None:
        """Let the head start at the mean and the spread of the training values."""
        assert isinstance(self.model, HyenaGLTForSequenceClassification)
        values = torch.as_tensor(dataset.labels, dtype=torch.float32).view(len(dataset), -1)
        spread = values.std(dim=0) if len(values) > 1 else torch.ones(values.shape[1])
        self.model.classifier.shift.copy_(values.mean(dim=0))
        self.model.classifier.scale.copy_(spread.clamp(min=1e-8))

    def _run(
        self,
        train_loader: DataLoader[Any],
        val_loader: DataLoader[Any] | None,
        checkpoint: Path | None,
    ) -> TrainingResult:
        assert self.model is not None
        settings, log = self.settings, self.log
        if self.arithmetic.note is not None:
            self._note(self.arithmetic.note)
        self.arithmetic.prepare(self.model)
        optimizer = make_optimizer(self.model, settings)
        average = (
            WeightAverage(self.model, settings.weight_average) if settings.weight_average else None
        )
        epochs = settings.epochs(len(train_loader))
        total = epochs * len(train_loader)
        best: tuple[float, float] | None = None
        best_epoch, best_validation, best_state = 0, None, state_of(self.model)
        start, step = len(log.events) and log.events[-1]["seconds"], 0
        with TrainingProgress(total, enabled=self.progress) as bar:
            for epoch in range(1, epochs + 1):
                _set_epoch(train_loader, epoch - 1)
                self.model.train()
                for batch in train_loader:
                    self._step(batch, step, total, (step + 1) / len(train_loader), optimizer, bar)
                    if average is not None:
                        average.update()
                    step += 1
                with (
                    average or nullcontext(),
                    calibrated(self.model, islice(train_loader, _CALIBRATION_BATCHES)),
                ):
                    validation = None if val_loader is None else self._validate(val_loader)
                    score = self._score(validation)
                    better = best is None or score >= best
                    if better:
                        best, best_epoch, best_validation = score, epoch, validation
                        best_state = state_of(self.model)
                        if checkpoint is not None:
                            self.model.save_pretrained(checkpoint)
                self._report(epoch, step, validation, better, bar)
                if settings.patience and epoch - best_epoch >= settings.patience:
                    self._note(
                        f"stopped early: no better epoch than {best_epoch} in {settings.patience}"
                    )
                    break
        self.model.load_state_dict(best_state)
        self.model.eval()
        log.write("note", message=f"best epoch: {best_epoch}")
        seconds = log.events[-1]["seconds"] - start
        return TrainingResult(best_epoch, best_validation, seconds, step)

    def _step(
        self,
        batch: dict[str, Tensor],
        step: int,
        total: int,
        epoch: float,
        optimizer: torch.optim.Optimizer,
        bar: TrainingProgress,
    ) -> None:
        assert self.model is not None
        inputs = on_device(batch, self.device)
        if self.settings.strand == "both":
            inputs |= self._random_strands(inputs)
        figures = training_step(
            self.model, inputs, optimizer, self.arithmetic, step=step, total=total,
            settings=self.settings,
        )  # fmt: skip
        self.log.write("step", step=step + 1, epoch=epoch, **figures._asdict())
        bar.step(figures.loss, figures.compression_ratio)

    def _random_strands(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Turn sequences at random, and with them all that belongs to single tokens."""
        assert self.model is not None
        ids = inputs["input_ids"]
        flip = torch.rand(len(ids), device=ids.device) < 0.5
        if self.task != "token_classification":
            return turned(inputs, flip)
        names: Any = self.model.config.id2label
        return turned(inputs, flip, [names[number] for number in range(len(names))])

    def _score(self, validation: Evaluation | None) -> tuple[float, float]:
        """Larger is better: the task's headline metric, ties broken by the loss."""
        if validation is None:
            return 0.0, 0.0
        value = validation.metrics.get(HEADLINE.get(self.task, ""), 0.0)
        return (value if math.isfinite(value) else -1.0), -validation.loss

    def _report(
        self, epoch: int, step: int, validation: Evaluation | None, better: bool,
        bar: TrainingProgress,
    ) -> None:  # fmt: skip
        recent = [e["loss"] for e in self.log.events if e["event"] == "step"][
            -max(1, step // epoch) :
        ]
        text = f"epoch {epoch:>3}  train loss {sum(recent) / len(recent):.4f}"
        if validation is not None:
            self.log.write(
                "evaluation", split="validation", epoch=float(epoch), step=step,
                loss=validation.loss, metrics=validation.metrics,
            )  # fmt: skip
            shown = list(validation.metrics.items())[:4]
            figures = "  ".join(f"{name} {value:.4f}" for name, value in shown)
            text += f"  validation loss {validation.loss:.4f}  {figures}"
        bar.line(text + ("  *" if better and validation is not None else ""))

    def _note(self, message: str) -> None:
        self.log.write("note", message=message)
        if self.progress:
            TrainingProgress(0, enabled=True).line(message)

    @contextmanager
    def _warnings_as_notes(self) -> Iterator[None]:
        """Say each warning once, however many epochs give it."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for text in dict.fromkeys(str(entry.message) for entry in caught):
            self._note(f"warning: {text}")


def _set_epoch(loader: DataLoader[Any], epoch: int) -> None:
    """Tell data and samplers the epoch, which with the seed decides what is drawn."""
    for drawing in (loader.dataset, loader.sampler, loader.batch_sampler):
        set_epoch = getattr(drawing, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
