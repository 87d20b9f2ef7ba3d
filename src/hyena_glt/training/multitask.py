"""Several tasks trained in one model: which task a step is about, and which epoch was best.

``model.multitask`` has a head for each task and weighs the losses; **this file** draws the batches
and runs the epochs.  What step n sees is a function of settings, data and n alone.
"""

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.curriculum import PresentSequences
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import batches_in_order, make_collator
from hyena_glt.data.samplers import LengthGroupedBatches
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.evaluator import Evaluation, evaluate
from hyena_glt.model.faces import HyenaGLTForSequenceClassification
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.tasks.multitask import TaskSpec, known_task
from hyena_glt.training.callbacks import Callback, Status
from hyena_glt.training.curriculum import CurriculumScheduler, kmer_difficulty
from hyena_glt.training.optimization import WeightAverage, make_optimizer
from hyena_glt.training.pipeline import HEADLINE, READOUT_PENALTY
from hyena_glt.training.precision import Arithmetic, default_device
from hyena_glt.training.progress import TrainingProgress
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.step import Batch, calibrated, on_device, seeded, state_of, training_step
from hyena_glt.training.strands import turned

_CALIBRATION_BATCHES = 16


class TaskData(NamedTuple):
    """What one task is learned from.

    Attributes:
        train: Labelled sequences.
        validation: Labelled sequences; decide, with those of the other tasks, which epoch is best.
        strand: ``both``: sequences are turned at random, and predictions averaged over both
            strands.
        molecule: What the letters are.
        weight: Factor of the loss.
    """

    train: GenomicDataset
    validation: GenomicDataset
    strand: Literal["both", "forward"] = "forward"
    molecule: Literal["dna", "rna", "protein"] = "dna"
    weight: float = 1.0


class MultiTaskResult(NamedTuple):
    """How a training ended.

    Attributes:
        best_epoch: Epoch, from 1, whose weights the model now holds.
        validation: Loss and metrics of each task in that epoch.
        score: Mean over the tasks of their headline metric in that epoch.
        seconds: Time the training took.
        steps: Steps taken.
    """

    best_epoch: int
    validation: dict[str, Evaluation]
    score: float
    seconds: float
    steps: int


def task_shares(sizes: Mapping[str, int], alpha: float) -> dict[str, float]:
    """Share of the batches that each task gets: in proportion to its size to a power.

    Args:
        sizes: Training sequences of each task.
        alpha: 1: as the sequences are, 0: all tasks alike.  In between, small tasks are seen more
            often than their size says, but not so often that they are learned by heart.

    Source: Arivazhagan et al. 2019, arXiv:1907.05019 (as a temperature of 1 / alpha).

    Example:
        >>> task_shares({"large": 900, "small": 100}, 0.5)
        {'large': 0.75, 'small': 0.25}
    """
    powers = {name: size**alpha for name, size in sizes.items()}
    total = sum(powers.values())
    return {name: power / total for name, power in powers.items()}


class TaskBatches:
    """The batches of a training, each of one task.

    Which task, which of its sequences and on which strand: a function of seed and step.

    Args:
        tasks: Data of each task.
        settings: Batch size, epochs, seed, ``task_alpha`` and curriculum.  Under a curriculum tasks
            join one after another, in their order, and each one's sequences by length (where
            lengths differ) or difficulty.

    Attributes:
        steps_per_epoch: As many batches as hold the sequences of all tasks once.
        epochs: Of the training.
        tasks_of_steps: (steps,) number of each step's task, in the order given.
    """

    def __init__(self, tasks: Mapping[str, TaskData], settings: TrainingSettings) -> None:
        self.tasks = dict(tasks)
        self.settings = settings
        sizes = {name: len(data.train) for name, data in tasks.items()}
        self.steps_per_epoch = -(-sum(sizes.values()) // settings.batch_size)
        self.epochs = settings.epochs(self.steps_per_epoch)
        self.shares = task_shares(sizes, settings.task_alpha)
        self.tasks_of_steps = self._draw_tasks()
        self._names = list(tasks)
        self._before = [np.cumsum(self.tasks_of_steps == n) for n in range(len(tasks))]
        self._samplers = [self._sampler(name) for name in tasks]
        # The batches of the pass that was asked for last, by task.
        self._passes: dict[int, tuple[int, list[list[int]]]] = {}
        self._collate: list[Callable[..., Batch]] = [
            make_collator(data.train.task, data.train.tokenizer, {}) for data in tasks.values()
        ]

    def __len__(self) -> int:
        """Steps of the whole training."""
        return len(self.tasks_of_steps)

    def __getitem__(self, step: int) -> Batch:
        """What a step sees: arguments of the model, its ``task`` by number among them."""
        number = int(self.tasks_of_steps[step])
        name = self._names[number]
        data = self.tasks[name]
        own_pass, place = divmod(int(self._before[number][step]) - 1, len(self._samplers[number]))
        rows = self._rows(number, own_pass)[place]
        # Each time: tasks may share one data set.
        data.train.set_epoch(own_pass)
        batch = self._collate[number]([data.train[row] for row in rows])
        if data.strand == "both":
            random = torch.Generator().manual_seed(self._seed(step))
            flip = torch.rand(len(rows), generator=random) < 0.5
            per_token = data.train.task == "token_classification"
            batch = turned(batch, flip, data.train.label_names if per_token else None)
        return {**batch, "task": torch.tensor(sorted(self._names).index(name))}

    def _draw_tasks(self) -> NDArray[np.int64]:
        names, settings = list(self.tasks), self.settings
        scheduler = None
        if settings.curriculum != "none":
            scheduler = CurriculumScheduler(
                1, self.epochs, steps_per_epoch=self.steps_per_epoch,
                fraction=settings.curriculum_fraction, tasks=names,
            )  # fmt: skip
        drawn = np.zeros(self.epochs * self.steps_per_epoch, dtype=np.int64)
        for step in range(len(drawn)):
            there = names if scheduler is None else scheduler.get_difficulty_at_step(step).tasks
            upto = np.cumsum([self.shares[name] for name in there])
            place = np.random.default_rng((settings.seed, step)).random() * upto[-1]
            drawn[step] = np.searchsorted(upto, place, side="right")
        return drawn

    def _sampler(self, name: str) -> LengthGroupedBatches:
        data, settings = self.tasks[name], self.settings
        lengths = data.train.lengths.tolist()
        number = self._names.index(name)
        present = None
        equal = len(set(lengths)) == 1
        if settings.curriculum != "none" and not (settings.curriculum == "length" and equal):
            batches = -(-len(lengths) // settings.batch_size)
            passes = max(1, int(self._before[number][-1]) // batches)
            scheduler = CurriculumScheduler(
                max(lengths), passes, fraction=settings.curriculum_fraction, by=settings.curriculum
            )
            scores = None
            if settings.curriculum == "difficulty":
                scores = kmer_difficulty(data.train, data.molecule, settings.seed)
            present = PresentSequences(lengths, scheduler, scores)
        return LengthGroupedBatches(
            lengths, settings.batch_size, settings.seed + number, present=present
        )

    def _rows(self, task: int, own_pass: int) -> list[list[int]]:
        """The batches of one of a task's passes over its sequences."""
        if self._passes.get(task, (-1, []))[0] != own_pass:
            self._samplers[task].set_epoch(own_pass)
            self._passes[task] = own_pass, list(self._samplers[task])
        return self._passes[task][1]

    def _seed(self, step: int) -> int:
        return int(np.random.default_rng((self.settings.seed, step, 1)).integers(2**62))


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
        callbacks: Hear of every step and evaluation; metrics are named ``TASK/METRIC``.

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
    ) -> None:
        if not tasks:
            raise ConfigError("there is no task to train")
        for name, data in tasks.items():
            for part in (data.train, data.validation):
                if part.labels is None:
                    raise DataError(f"task {name}: the sequences have no labels")
        self.tasks = dict(tasks)
        self.settings = settings or TrainingSettings()
        self.log = log or RunLog()
        self.progress = progress
        self.callbacks = callbacks
        self.device = default_device()
        self.arithmetic = Arithmetic(self.settings, self.device)
        self.batches = TaskBatches(self.tasks, self.settings)
        own = copy.deepcopy(config)
        own.causal = False
        own.tasks = {name: _spec(data)._asdict() for name, data in tasks.items()}
        own.task_weighting = self.settings.task_weighting
        with seeded(self.settings.seed):
            self.model = HyenaGLTForMultiTask(own)
        self.model.to(self.device)  # type: ignore[arg-type]
        for name, data in tasks.items():
            _prepare_head(self.model, name, data.train)

    def run(self) -> MultiTaskResult:
        """Train to the end and leave the best weights in ``self.model``.

        Raises:
            TrainingError: If the loss stops being a number; names the step.
        """
        settings, model, batches = self.settings, self.model, self.batches
        self.arithmetic.prepare(model)
        with seeded(settings.seed), self._warnings_as_notes():
            optimizer = make_optimizer(model, settings)
            average = (
                WeightAverage(model, settings.weight_average) if settings.weight_average else None
            )
            best = MultiTaskResult(0, {}, -math.inf, 0.0, 0)
            best_state = state_of(model)
            start = self.log.events[-1]["seconds"] if self.log.events else 0.0
            step = 0
            with TrainingProgress(len(batches), enabled=self.progress) as bar, self._watched():
                for epoch in range(1, batches.epochs + 1):
                    model.train()
                    for _ in range(batches.steps_per_epoch):
                        self._step(step, optimizer, average, bar)
                        step += 1
                    with average or nullcontext(), calibrated(model, self._calibration()):
                        found = {name: self._validate(name) for name in self.tasks}
                        score = self._score(found)
                        better = score >= best.score
                        if better:
                            best_state = state_of(model)
                            best = MultiTaskResult(epoch, found, score, 0.0, step)
                    self._report(epoch, step, found, score, better, bar)
                    if settings.patience and epoch - best.best_epoch >= settings.patience:
                        self.log.write("note", message=f"stopped early after epoch {epoch}")
                        break
        model.load_state_dict(best_state)
        model.eval()
        self.log.write("note", message=f"best epoch: {best.best_epoch}")
        seconds = self.log.events[-1]["seconds"] - start
        return best._replace(seconds=seconds, steps=step)

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

    def _validate(self, task: str) -> Evaluation:
        return self.evaluate(task, self.tasks[task].validation)

    def _step(
        self,
        step: int,
        optimizer: torch.optim.Optimizer,
        average: WeightAverage | None,
        bar: TrainingProgress,
    ) -> None:
        figures = training_step(
            self.model, on_device(self.batches[step], self.device), optimizer, self.arithmetic,
            step=step, total=len(self.batches), settings=self.settings,
        )  # fmt: skip
        if average is not None:
            average.update()
        task = list(self.tasks)[self.batches.tasks_of_steps[step]]
        epoch = (step + 1) / self.batches.steps_per_epoch
        self.log.write("step", step=step + 1, epoch=epoch, task=task, **figures._asdict())
        bar.step(figures.loss, figures.compression_ratio, figures.tokens)
        for callback in self.callbacks:
            callback.on_step(step + 1, figures)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tell the callbacks of the beginning and of the end."""
        for callback in self.callbacks:
            callback.on_start(len(self.batches), 0, self.model)
        status: Status = "failed"
        try:
            yield
            status = "finished"
        finally:
            for callback in self.callbacks:
                callback.on_end(status)

    @contextmanager
    def _warnings_as_notes(self) -> Iterator[None]:
        """Say each warning once, however many epochs give it."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for text in dict.fromkeys(str(entry.message) for entry in caught):
            self.log.write("note", message=f"warning: {text}")

    def _calibration(self) -> list[Batch]:
        """Batches from the end of the training, where no curriculum holds anything back."""
        last = len(self.batches)
        chosen = range(max(0, last - _CALIBRATION_BATCHES), last)
        batches = [on_device(self.batches[step], self.device) for step in chosen]
        return [
            {k: v for k, v in batch.items() if k not in {"task", "labels"}} for batch in batches
        ]

    def _score(self, found: Mapping[str, Evaluation]) -> float:
        values = [
            evaluation.metrics.get(HEADLINE[self.tasks[name].train.task], -1.0)
            for name, evaluation in found.items()
        ]
        return float(np.mean([value if math.isfinite(value) else -1.0 for value in values]))

    def _report(
        self, epoch: int, step: int, found: Mapping[str, Evaluation], score: float, better: bool,
        bar: TrainingProgress,
    ) -> None:  # fmt: skip
        parts = []
        for name, evaluation in found.items():
            self.log.write(
                "evaluation", split="validation", task=name, epoch=float(epoch), step=step,
                loss=evaluation.loss, metrics=evaluation.metrics,
            )  # fmt: skip
            headline = HEADLINE[self.tasks[name].train.task]
            parts.append(f"{name} {headline} {evaluation.metrics.get(headline, math.nan):.4f}")
        if self.settings.task_weighting == "uncertainty":
            self.log.write("weights", step=step, weights=self.model.task_weights.factors())
        bar.metric("mean", score)
        named = {f"{name}/loss": evaluation.loss for name, evaluation in found.items()}
        for name, evaluation in found.items():
            named |= {f"{name}/{metric}": value for metric, value in evaluation.metrics.items()}
        for callback in self.callbacks:
            callback.on_evaluation("validation", float(epoch), step, math.nan, named)
        bar.line(f"epoch {epoch:>3}  mean {score:.4f}  {'  '.join(parts)}{'  *' * better}")


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
        values = torch.as_tensor(np.asarray(train.labels), dtype=torch.float32)
        values = values.view(len(train), -1)
        spread = values.std(dim=0) if len(values) > 1 else torch.ones(values.shape[1])
        face.classifier.shift.copy_(values.mean(dim=0))
        face.classifier.scale.copy_(spread.clamp(min=1e-8))
