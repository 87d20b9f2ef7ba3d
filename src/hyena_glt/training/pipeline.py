"""Train a model on loaders: from the first batch to the best weights.

Reading order: ``settings`` says what can be set, ``optimization`` how weights move, ``step`` moves
them once, ``batches`` says what a step sees, ``engine`` runs the steps, **this file** makes the
model and decides which epoch was best; ``evaluator`` scores, ``run_log`` remembers.
"""

import copy
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.curriculum import CroppedSequences
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.labelled_genome import LabelledWindows
from hyena_glt.errors import ConfigError, DataError, TrainingError
from hyena_glt.evaluation.evaluator import Evaluation, evaluate
from hyena_glt.model.faces import (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.tasks.losses import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.batches import LoaderBatches, Turn
from hyena_glt.training.callbacks import Callback
from hyena_glt.training.distributed import Processes, is_first_rank, joined
from hyena_glt.training.engine import Engine, Outcome, Schedule
from hyena_glt.training.finetuning import StartingPoint, fine_tuned
from hyena_glt.training.fingerprints import fingerprint
from hyena_glt.training.precision import Arithmetic, default_device
from hyena_glt.training.progress import TrainingProgress
from hyena_glt.training.run_log import RunLog, warnings_told
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.step import seeded
from hyena_glt.training.strands import turned
from hyena_glt.training.trained_parts import trained_parts

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
        validation: Loss and metrics of that epoch; None without validation data, and in all
            processes but the first.
        seconds: Time the training took, all its parts together if it was interrupted.
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
        start: A checkpoint whose trunk the new model gets; see :meth:`from_pretrained`.
        log: Where events are written; None keeps them in memory.
        progress: Show a progress bar and a line per epoch.
        callbacks: Hear of every step and evaluation.

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
        start: StartingPoint | None = None,
        log: RunLog | None = None,
        progress: bool = True,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.config = config
        self.settings = settings or TrainingSettings()
        self.model = model
        self.start = start
        self.log = log or RunLog()
        self.progress = progress
        self.callbacks = callbacks
        self.task = ""
        self.device = default_device()
        self.arithmetic = Arithmetic(self.settings, self.device)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        settings: TrainingSettings | None = None,
        *,
        log: RunLog | None = None,
        progress: bool = True,
        callbacks: Sequence[Callback] = (),
        **changes: Any,
    ) -> Self:
        """Prepare a fine-tuning; ``start.tokenizer`` is the one that the data need.

        Args:
            folder: Of a language model, or of a model of another task.
            settings: How to train; a learning rate that is not set becomes one for fine-tuning.
            log: Where events are written; None keeps them in memory.
            progress: Show a progress bar and a line per epoch.
            callbacks: Hear of every step and evaluation.
            changes: Fields of the configuration on which no weight depends, such as ``dropout``.

        Raises:
            DataError: If the folder holds no whole model of this package; names the file.
            ConfigError: If a field contradicts the checkpoint.
        """
        start = StartingPoint(folder)
        settings = fine_tuned(settings or TrainingSettings())
        return cls(
            start.config_for(changes), settings, start=start, log=log, progress=progress,
            callbacks=callbacks,
        )  # fmt: skip

    def train(
        self,
        train_loader: DataLoader[Any],
        val_loader: DataLoader[Any] | None = None,
        *,
        checkpoint: Path | None = None,
        checkpoints: Path | None = None,
    ) -> TrainingResult:
        """Train and leave the best weights in ``self.model``.

        Started by ``torchrun``, all processes call this with the same loaders.

        Args:
            train_loader: Training batches; its dataset names the task.
            val_loader: Validation batches; decides which epoch was best.
            checkpoint: Folder in which the best model so far is saved, whole, after each epoch
                that improves.
            checkpoints: Folder of the checkpoints; if it holds one, the training goes on from
                there.  None writes none.

        Raises:
            ConfigError: If both strands are asked for of a language model, or of a model that
                cannot read the other strand; if the checkpoint is of another model.
            DataError: If the loader's dataset is neither a ``GenomicDataset`` nor made of windows
                of a labelled genome, or has no labels; if the checkpoint was made with other data.
            TrainingError: If the loss stops being a number; names the step and its sequences.
            TrainingStopped: If SIGTERM ended the training and left a checkpoint.
            OutputError: If a checkpoint cannot be written.
        """
        dataset = train_loader.dataset
        if not isinstance(dataset, GenomicDataset | LabelledWindows | CroppedSequences):
            raise DataError(
                "train_loader: its dataset must be a GenomicDataset, which names the task"
            )
        self.task = dataset.task
        if self.settings.strand == "both" and self.task == "language_modeling":
            raise ConfigError("training.strand=both is for labels; language_modeling needs forward")
        with (
            seeded(self.settings.seed),
            warnings_told(self._note),
            joined(self.settings.parallel, self.device) as processes,
        ):
            if self.model is None:
                self.model = self._new_model(dataset)
            elif self.settings.strand == "both":
                self._read_both_strands(self.model.config)
            self.model.to(self.device)  # type: ignore[arg-type]
            if isinstance(self.model, HyenaGLTForSequenceClassification):
                self.model.readout_penalty = READOUT_PENALTY / len(dataset)
            if self.task == "regression" and isinstance(dataset, GenomicDataset):
                assert isinstance(self.model, HyenaGLTForSequenceClassification)
                scale_targets(self.model, dataset)
            with trained_parts(self.model, self.settings) as note:
                if note is not None:
                    self._note_at_first(note)
                return self._run(train_loader, val_loader, checkpoint, checkpoints, processes)

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
        if self.task != "language_modeling":
            return evaluate(self.model, loader, self.task, keep_tokens=False)
        # The same letters are hidden every time, or epochs could not be compared.
        alone = Processes("auto", self.device, alone=True)
        batches = LoaderBatches(loader, seed=self.settings.seed, processes=alone)
        return evaluate(self.model, batches.rest(), self.task, keep_tokens=False)

    def _read_both_strands(self, config: Any) -> None:
        """Let a model that was handed in predict as it is trained."""
        if config.reverse_complement == "average":
            return
        asked = copy.deepcopy(config)
        asked.reverse_complement = "average"
        asked.validate()
        config.reverse_complement = "average"
        self._note_at_first("strand=both: reverse_complement='average' was set for the model")

    def _new_model(
        self, dataset: GenomicDataset | LabelledWindows | CroppedSequences
    ) -> PreTrainedModel:
        config = copy.deepcopy(self.config)
        if self.start is not None:
            self.start.check_tokenizer(
                DNATokenizer(kmer_size=1)
                if isinstance(dataset, LabelledWindows)
                else dataset.tokenizer
            )
        if isinstance(dataset, CroppedSequences) or self.task == "language_modeling":
            face = HyenaGLTForCausalLM if config.causal else HyenaGLTForMaskedLM
            return self._started(face(config))
        if config.causal and self.start is None:
            config.causal = False
            self._note_at_first("this task looks both ways: causal=False was set for the model")
        elif config.causal:
            self._note_at_first(
                "the checkpoint is causal, and so is the model: it reads from left to right"
            )
        config.num_labels = dataset.num_labels
        if dataset.label_names:
            config.id2label = dict(enumerate(dataset.label_names))
            config.label2id = {name: i for i, name in enumerate(dataset.label_names)}
        if self.task in _PROBLEM_TYPES:
            config.problem_type = _PROBLEM_TYPES[self.task]
        if self.settings.strand == "both":
            config.reverse_complement = "average"
        config.validate()
        return self._started(_FACES[self.task](config))

    def _started(self, model: PreTrainedModel) -> PreTrainedModel:
        """Give a new model the weights of the checkpoint, if there is one."""
        if self.start is not None:
            self._note_at_first(self.start.load_into(model))
        return model

    def _run(
        self,
        train_loader: DataLoader[Any],
        val_loader: DataLoader[Any] | None,
        checkpoint: Path | None,
        checkpoints: Path | None,
        processes: Processes,
    ) -> TrainingResult:
        assert self.model is not None
        settings = self.settings
        if self.arithmetic.note is not None:
            self._note_at_first(self.arithmetic.note)
        self.arithmetic.prepare(self.model)
        per_epoch = len(train_loader)
        epochs = settings.epochs(per_epoch)
        schedule = Schedule(
            epochs * per_epoch, per_epoch, settings.checkpoint_every or per_epoch, settings.patience
        )
        parts = [train_loader.dataset] + ([] if val_loader is None else [val_loader.dataset])
        engine = Engine(
            self.model, settings, schedule,
            LoaderBatches(train_loader, seed=settings.seed, processes=processes,
                          turn=self._turn()),
            lambda step: self._score(step, step // per_epoch, val_loader),
            arithmetic=self.arithmetic, log=self.log, processes=processes,
            checkpoints=checkpoints, data=" and ".join(map(fingerprint, parts)),
            save_best=checkpoint, callbacks=self.callbacks, progress=self.progress,
        )  # fmt: skip
        ending = engine.run()
        best = ending.best
        if ending.steps < schedule.steps:
            self._note(
                f"stopped early: no better epoch than {best.step // per_epoch} in "
                f"{settings.patience}"
            )
        self.log.write("note", message=f"best epoch: {best.step // per_epoch}")
        validation = None
        if val_loader is not None and processes.is_first:
            validation = self._validate(val_loader)
        return TrainingResult(best.step // per_epoch, validation, ending.seconds, ending.steps)

    def _turn(self) -> Turn | None:
        """What reads sequences from the other strand, if that is to be."""
        if self.settings.strand != "both":
            return None
        if self.task != "token_classification":
            return turned
        assert self.model is not None
        names: Any = self.model.config.id2label
        return partial(turned, class_names=[names[number] for number in range(len(names))])

    def _score(self, step: int, epoch: int, loader: DataLoader[Any] | None) -> Outcome:
        """The task's headline metric, ties broken by the loss."""
        steps = [event["loss"] for event in self.log.events if event["event"] == "step"]
        recent = steps[-max(1, step // epoch) :]
        text = f"epoch {epoch:>3}  train loss {sum(recent) / len(recent):.4f}"
        if loader is None:
            return Outcome((0.0, 0.0), math.nan, {}, text)
        found = self._validate(loader)
        self.log.write(
            "evaluation", split="validation", epoch=float(epoch), step=step, loss=found.loss,
            metrics=found.metrics,
        )  # fmt: skip
        shown = list(found.metrics.items())[:4]
        figures = "  ".join(f"{name} {value:.4f}" for name, value in shown)
        value = found.metrics.get(HEADLINE.get(self.task, ""), 0.0)
        score = value if math.isfinite(value) else -1.0
        text += f"  validation loss {found.loss:.4f}  {figures}"
        return Outcome(
            (score, -found.loss), found.loss, found.metrics, text, HEADLINE.get(self.task)
        )

    def _note_at_first(self, message: str) -> None:
        """Note what a training that goes on may have noted before."""
        if not self.log.has_note(message):
            self._note(message)

    def _note(self, message: str) -> None:
        self.log.write("note", message=message)
        TrainingProgress(0, enabled=self.progress and is_first_rank()).line(message)


def scale_targets(model: HyenaGLTForSequenceClassification, dataset: GenomicDataset) -> None:
    """Let a head start at the mean and the spread of its training values.

    Args:
        model: For values.
        dataset: Training data, whose labels are values.
    """
    values = torch.as_tensor(np.asarray(dataset.labels), dtype=torch.float32)
    values = values.view(len(dataset), -1)
    spread = values.std(dim=0) if len(values) > 1 else torch.ones(values.shape[1])
    model.classifier.shift.copy_(values.mean(dim=0))
    model.classifier.scale.copy_(spread.clamp(min=1e-8))
