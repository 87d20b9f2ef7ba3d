"""The batches of a training on several tasks: of which task a step is, and of which sequences.

Both are functions of settings, data and the number of the step, so a training may begin anywhere
and in any number of processes: all of them take the same task in a step, and share its batch.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from hyena_glt.data.curriculum import PresentSequences
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import make_collator
from hyena_glt.data.samplers import LengthGroupedBatches
from hyena_glt.training.batches import BatchKey, BatchReader, Turn, batch_loader
from hyena_glt.training.curriculum import CurriculumScheduler, kmer_difficulty
from hyena_glt.training.distributed import Processes
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.step import Batch, seeded
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


class TaskKey(NamedTuple):
    """Which batch a step sees.

    Attributes:
        task: Name of its task.
        batch: Pass over the task's sequences, number of the step, and sequences.
    """

    task: str
    batch: BatchKey


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


class TaskOrder:
    """Which task, and which of its sequences, each step of a training sees.

    The task is drawn by seed and step.  Its sequences are those of the next batch of its own pass
    over them, whose order is drawn by seed, task and pass.

    Args:
        tasks: Data of each task.
        settings: Batch size, epochs, seed, ``task_alpha`` and curriculum.  Under a curriculum tasks
            join one after another, in their order, and each one's sequences by length (where
            lengths differ) or difficulty.

    Raises:
        ConfigError: If the curriculum does not suit the data.

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

    def __len__(self) -> int:
        """Steps of the whole training."""
        return len(self.tasks_of_steps)

    def __getitem__(self, step: int) -> TaskKey:
        """Which batch a step sees."""
        number = int(self.tasks_of_steps[step])
        own_pass, place = divmod(int(self._before[number][step]) - 1, len(self._samplers[number]))
        rows = self._rows(number, own_pass)[place]
        return TaskKey(self._names[number], BatchKey(own_pass, step, rows))

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


class TaskBatches:
    """The batches of a training on several tasks, as far as they are one process's.

    Args:
        order: Which batch each step sees.
        processes: Of each batch, process r of n takes sequence r and every n-th behind it; None:
            this process alone.
        num_workers: Processes that make batches; 0 makes them in this one.
    """

    def __init__(
        self, order: TaskOrder, processes: Processes | None = None, num_workers: int = 0
    ) -> None:
        self.order = order
        alone = Processes("auto", torch.device("cpu"), alone=True)
        self.reader = _TaskReader(order.tasks, order.settings.seed, processes or alone)
        self.num_workers = num_workers

    def __getitem__(self, step: int) -> Batch:
        """What a step sees: arguments of the model, its ``task`` by number among them."""
        return self.reader[self.order[step]]

    def batches(self, step: int) -> Iterator[Batch]:
        """The batches of the steps from a given one to the last.

        Args:
            step: From 0.
        """
        keys = (self.order[number] for number in range(step, len(self.order)))
        loader = batch_loader(self.reader, keys, num_workers=self.num_workers)
        # The loader draws a seed for its workers, which do not use it.
        with seeded(self.order.settings.seed):
            drawn = iter(loader)
        yield from drawn

    def calibration(self, step: int) -> Iterator[Batch]:
        """The last batches of the training, where no curriculum holds anything back; unturned.

        Args:
            step: Steps taken so far; does not matter.
        """
        last = len(self.order)
        for chosen in range(max(0, last - _CALIBRATION_BATCHES), last):
            yield self.reader.whole(self.order[chosen])

    def names(self, step: int) -> list[str]:
        """``TASK/SEQUENCE`` for each sequence in the batch of a step, over all processes.

        Args:
            step: From 0.
        """
        task, batch = self.order[step]
        ids = self.order.tasks[task].train.ids
        return [f"{task}/{ids[row]}" for row in batch.rows]

    def epoch(self, step: int) -> float:
        """Passes over as many sequences as all tasks have.

        Args:
            step: Steps taken so far.
        """
        return step / self.order.steps_per_epoch

    def task_of(self, step: int) -> str:
        """The task of a step.

        Args:
            step: From 0.
        """
        return self.order[step].task


class _TaskReader(Dataset[Batch]):
    """Makes the batches of several tasks, in whichever process."""

    def __init__(self, tasks: Mapping[str, TaskData], seed: int, processes: Processes) -> None:
        # As the model numbers them.
        self.numbers = {name: number for number, name in enumerate(sorted(tasks))}
        self.readers = {
            name: BatchReader(
                _InOwnEpoch(data.train), make_collator(data.train.task, data.train.tokenizer, {}),
                seed, processes, _turn(data),
            )
            for name, data in tasks.items()
        }  # fmt: skip

    def __getitem__(self, key: TaskKey) -> Batch:
        """This process's share of a batch."""
        batch = self.readers[key.task][key.batch]
        return {**batch, "task": torch.tensor(self.numbers[key.task])}

    def whole(self, key: TaskKey) -> Batch:
        """All of a batch, unturned and without its task."""
        return self.readers[key.task].whole(key.batch)


class _InOwnEpoch(Dataset[dict[str, Any]]):
    """A data set whose epoch is a matter of this process and task alone.

    Workers may be at different passes over the same data at one time.
    """

    def __init__(self, dataset: GenomicDataset) -> None:
        self.dataset = dataset
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        self.now = self.dataset.in_epoch(epoch)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return self.now[row]


def _turn(data: TaskData) -> Turn | None:
    """What reads sequences of a task from the other strand, if that is to be."""
    if data.strand != "both":
        return None
    if data.train.task != "token_classification":
        return turned
    return partial(turned, class_names=data.train.label_names)
