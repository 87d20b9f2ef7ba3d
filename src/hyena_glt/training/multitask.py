"""Several tasks trained in one model: what is trained, and which epoch was best.

``model.multitask`` has a head for each task and weighs the losses, ``task_batches`` says what a
step sees, ``engine`` runs the steps; **this file** makes the model and scores it.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import DataLoader

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import batches_in_order, make_collator
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.evaluator import Evaluation, evaluate
from hyena_glt.model.faces import HyenaGLTForSequenceClassification
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.tasks.multitask import TaskSpec, known_task
from hyena_glt.training.callbacks import Callback
from hyena_glt.training.distributed import Processes, joined
from hyena_glt.training.engine import Engine, Outcome, Schedule
from hyena_glt.training.fingerprints import fingerprint
from hyena_glt.training.pipeline import HEADLINE, READOUT_PENALTY, scale_targets
from hyena_glt.training.precision import Arithmetic, default_device
from hyena_glt.training.run_log import RunLog, warnings_told
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.step import seeded
from hyena_glt.training.task_batches import TaskBatches, TaskData, TaskOrder

# What says which weights move; here all do.
_OF_ONE_TASK = ("freeze", "lora_rank")


class MultiTaskResult(NamedTuple):
    """How a training ended.

    Attributes:
        best_epoch: Epoch, from 1, whose weights the model now holds.
        validation: Loss and metrics of each task in that epoch; empty in all processes but the
            first.
        score: Mean over the tasks of their headline metric in that epoch.
        seconds: Time the training took, all its parts together if it was interrupted.
        steps: Steps taken.
    """

    best_epoch: int
    validation: dict[str, Evaluation]
    score: float
    seconds: float
    steps: int


class MultiTaskTraining:
    """Train one model on several tasks and keep the best epoch.

    The best epoch is that with the largest mean, over the tasks, of their headline metric on the
    validation data: AUROC, Spearman's correlation, or MCC for labels per token.

    Args:
        config: Model configuration; its tasks are set from the data, on a copy.
        tasks: Data of each task by name, all made by one tokenizer.
        settings: How to train; None takes the defaults.  Strands are said by the tasks.
        log: Where events are written; None keeps them in memory.
        progress: Show a progress bar and a line per epoch.
        callbacks: Hear of every step and evaluation; metrics are named ``TASK/METRIC``, and
            ``mean`` is what decides.
        num_workers: Processes that make batches; 0 makes them in this one.

    Raises:
        ConfigError: If there is no task, a name or setting breaks a rule, or the hardware lacks the
            precision that is asked for.
        DataError: If a task has no labels.
    """

    def __init__(
        self,
        config: HyenaGLTConfig,
        tasks: Mapping[str, TaskData],
        settings: TrainingSettings | None = None,
        *,
        log: RunLog | None = None,
        progress: bool = True,
        callbacks: Sequence[Callback] = (),
        num_workers: int = 0,
    ) -> None:
        if not tasks:
            raise ConfigError("there is no task to train")
        for name, data in tasks.items():
            for part in (data.train, data.validation):
                if part.labels is None:
                    raise DataError(f"task {name}: the sequences have no labels")
        self.tasks = dict(tasks)
        self.settings = settings or TrainingSettings()
        for field in _OF_ONE_TASK:
            value = getattr(self.settings, field)
            if value != type(self.settings).model_fields[field].default:
                raise ConfigError(
                    f"training.{field}={value}: several tasks start from new weights, which all "
                    "move; leave it out"
                )
        self.log = log or RunLog()
        self.progress = progress
        self.callbacks = callbacks
        self.device = default_device()
        self.arithmetic = Arithmetic(self.settings, self.device)
        self.num_workers = num_workers
        self.order = TaskOrder(self.tasks, self.settings)
        own = copy.deepcopy(config)
        own.causal = False
        own.tasks = {name: _spec(data)._asdict() for name, data in tasks.items()}
        own.task_weighting = self.settings.task_weighting
        with seeded(self.settings.seed):
            self.model = HyenaGLTForMultiTask(own)
        self.model.to(self.device)  # type: ignore[arg-type]
        for name, data in tasks.items():
            _prepare_head(self.model, name, data.train)

    def run(self, *, checkpoints: Path | None = None) -> MultiTaskResult:
        """Train to the end and leave the best weights in ``self.model``.

        Started by ``torchrun``, all processes call this with the same data.

        Args:
            checkpoints: Folder of the checkpoints; if it holds one, the training goes on from
                there.  None writes none.

        Raises:
            TrainingError: If the loss stops being a number; names the step and its sequences.
            TrainingStopped: If SIGTERM ended the training and left a checkpoint.
            OutputError: If a checkpoint cannot be written.
            DataError: If the checkpoint was made with other data.
            ConfigError: If the checkpoint is of another model.
        """
        self.arithmetic.prepare(self.model)
        if self.arithmetic.note is not None and not self.log.has_note(self.arithmetic.note):
            self._note(self.arithmetic.note)
        with (
            seeded(self.settings.seed),
            warnings_told(self._note),
            joined(self.settings.parallel, self.device) as processes,
        ):
            return self._run(checkpoints, processes)

    def _run(self, checkpoints: Path | None, processes: Processes) -> MultiTaskResult:
        settings, per_epoch = self.settings, self.order.steps_per_epoch
        schedule = Schedule(
            len(self.order), per_epoch, settings.checkpoint_every or per_epoch, settings.patience
        )
        engine = Engine(
            self.model, settings, schedule,
            TaskBatches(self.order, processes, self.num_workers), self._score,
            arithmetic=self.arithmetic, log=self.log, processes=processes,
            checkpoints=checkpoints, data=self._fingerprint(),
            callbacks=self.callbacks, progress=self.progress,
        )  # fmt: skip
        ending = engine.run()
        best_epoch = ending.best.step // per_epoch
        if ending.steps < schedule.steps:
            self._note(f"stopped early: no better epoch than {best_epoch} in {settings.patience}")
        self._note(f"best epoch: {best_epoch}")
        found = self._validated() if processes.is_first else {}
        return MultiTaskResult(
            best_epoch, found, ending.best.score[0], ending.seconds, ending.steps
        )

    def evaluate(self, task: str, dataset: GenomicDataset) -> Evaluation:
        """Score the model on labelled sequences of one task.

        Args:
            task: Its name.
            dataset: Sequences with labels of this task.

        Raises:
            ConfigError: If there is no such task.
        """
        own = self.tasks[known_task(task, self.tasks)].train
        loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=batches_in_order(dataset.lengths, self.settings.batch_size, None),
            collate_fn=make_collator(own.task, own.tokenizer, {}),
        )
        return evaluate(self.model.for_task(task), loader, own.task, keep_tokens=False)

    def _validated(self) -> dict[str, Evaluation]:
        return {name: self.evaluate(name, data.validation) for name, data in self.tasks.items()}

    def _score(self, step: int) -> Outcome:
        """The mean of the tasks' headline metrics; a task that has none counts as the worst."""
        found = self._validated()
        epoch = step // self.order.steps_per_epoch
        metrics: dict[str, float] = {}
        values, parts = [], []
        for name, evaluation in found.items():
            self.log.write(
                "evaluation", split="validation", task=name, epoch=float(epoch), step=step,
                loss=evaluation.loss, metrics=evaluation.metrics,
            )  # fmt: skip
            headline = HEADLINE[self.tasks[name].train.task]
            value = evaluation.metrics.get(headline, math.nan)
            values.append(value if math.isfinite(value) else -1.0)
            own = {"loss": evaluation.loss, **evaluation.metrics}
            metrics |= {f"{name}/{metric}": figure for metric, figure in own.items()}
            parts.append(f"{name} {headline} {value:.4f}")
        if self.settings.task_weighting == "uncertainty":
            self.log.write("weights", step=step, weights=self.model.task_weights.factors())
        mean = float(np.mean(values))
        text = f"epoch {epoch:>3}  mean {mean:.4f}  {'  '.join(parts)}"
        return Outcome((mean,), math.nan, {"mean": mean, **metrics}, text, "mean")

    def _fingerprint(self) -> str:
        """What tells the data of all tasks from others."""
        parts = (
            f"{name}: {fingerprint(data.train)} and {fingerprint(data.validation)}"
            for name, data in self.tasks.items()
        )
        return "; ".join(parts)

    def _note(self, message: str) -> None:
        self.log.write("note", message=message)


def _spec(data: TaskData) -> TaskSpec:
    task: Any = data.train.task
    return TaskSpec(
        task, data.train.num_labels, tuple(data.train.label_names), data.molecule,
        "average" if data.strand == "both" else "none", data.weight,
    )  # fmt: skip


def _prepare_head(model: HyenaGLTForMultiTask, task: str, train: GenomicDataset) -> None:
    """Tell a head how many sequences there are, and for values their mean and spread."""
    face = model.for_task(task)
    if not isinstance(face, HyenaGLTForSequenceClassification):
        return
    face.readout_penalty = READOUT_PENALTY / len(train)
    if train.task == "regression":
        scale_targets(face, train)
