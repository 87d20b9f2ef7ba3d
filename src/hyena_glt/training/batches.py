"""The batches of a training, by the number of the step: what step n sees depends on n alone.

A loader decides which sequences make a batch; **this file** lets a training begin anywhere in it,
in one of several processes, with any number of workers, and still see the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hyena_glt.data.collators import MaskedLanguageModelCollator
from hyena_glt.data.curriculum import CroppedSequences
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.samplers import LengthGroupedBatches, TokenBudgetBatches
from hyena_glt.errors import ConfigError
from hyena_glt.training.distributed import Processes
from hyena_glt.training.step import Batch, seeded

_CALIBRATION_BATCHES = 16

Turn = Callable[[Batch, Tensor], Batch]


class BatchSource(Protocol):
    """What a training draws its batches from; all of it a function of the step."""

    def batches(self, step: int) -> Iterator[Batch]:
        """The batches of the steps from a given one on, as far as they are this process's.

        Args:
            step: From 0.
        """

    def calibration(self, step: int) -> Iterator[Batch]:
        """Batches on which the merger's threshold is settled before an evaluation.

        Args:
            step: Steps taken so far.
        """

    def names(self, step: int) -> list[str]:
        """What the batch of a step is made of, in words.

        Args:
            step: From 0.
        """

    def epoch(self, step: int) -> float:
        """Passes over the data after some steps.

        Args:
            step: Steps taken so far.
        """

    def task_of(self, step: int) -> str:
        """The task of a step, where there are several.

        Args:
            step: From 0.
        """


class LoaderBatches:
    """The batches of a loader.

    Order, augmentation, masks and strands are functions of seed, epoch and number of the batch (and
    of the process, for masks), whatever the workers do.

    Args:
        loader: Over a data set that can be asked by number, in batches.
        seed: Of all draws but those of the loader's sampler.
        processes: Of each batch, process r of n takes sequence r and every n-th behind it.
        turn: Reads sequences from the other strand: a batch, and (b,) True on those that are
            turned, each with a probability of one half.

    Raises:
        ConfigError: If the loader makes no batches, or divides them among processes already.
    """

    def __init__(
        self,
        loader: DataLoader[Any],
        *,
        seed: int,
        processes: Processes,
        turn: Turn | None = None,
    ) -> None:
        if loader.batch_sampler is None:
            raise ConfigError("train_loader: give it batch_size or batch_sampler")
        sampler: Any = loader.batch_sampler
        if (
            isinstance(sampler, LengthGroupedBatches | TokenBudgetBatches)
            and sampler.world_size > 1
        ):
            raise ConfigError(
                "train_loader: leave rank and world_size out; a training divides batches among its "
                "processes itself"
            )
        self.loader = loader
        self.seed = seed
        self.processes = processes
        self.reader = BatchReader(loader.dataset, loader.collate_fn, seed, processes, turn)
        self._order: tuple[int, list[list[int]]] = (-1, [])
        self._keys: list[BatchKey] = []
        self._drawn = self._make_loader()

    def __len__(self) -> int:
        """Steps of one epoch."""
        return len(self.loader)

    def batches(self, step: int) -> Iterator[Batch]:
        """The batches of the steps from a given one on, without end.

        Args:
            step: From 0.
        """
        while True:
            epoch, place = divmod(step, len(self))
            yield from self.rest(epoch, place)
            step += len(self) - place

    def rest(self, epoch: int = 0, place: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, or what is left of it.

        Args:
            epoch: From 0.
            place: Batches that are left out.
        """
        order = self.order(epoch)
        self._keys[:] = [BatchKey(epoch, n, order[n]) for n in range(place, len(order))]
        # The loader draws a seed for its workers, which do not use it.
        with seeded(self.seed):
            drawn = iter(self._drawn)
        yield from drawn

    def order(self, epoch: int) -> list[list[int]]:
        """Numbers of the sequences of each batch of an epoch, over all processes.

        Args:
            epoch: From 0.
        """
        if self._order[0] != epoch:
            batch_sampler: Any = self.loader.batch_sampler
            for drawing in (self.loader.dataset, self.loader.sampler, batch_sampler):
                _set_epoch(drawing, epoch)
            with seeded(_seed(self.seed, epoch)):  # of a RandomSampler
                self._order = epoch, [list(rows) for rows in batch_sampler]
        return self._order[1]

    def calibration(self, step: int) -> Iterator[Batch]:
        """The first batches of the epoch that the last step belongs to, in full and unturned.

        Args:
            step: Steps taken so far.
        """
        epoch = max(0, step - 1) // len(self)
        for number, rows in enumerate(self.order(epoch)[:_CALIBRATION_BATCHES]):
            yield self.reader.whole(BatchKey(epoch, number, rows))

    def names(self, step: int) -> list[str]:
        """Names of the sequences in the batch of a step, over all processes.

        Args:
            step: From 0.
        """
        epoch, place = divmod(step, len(self))
        dataset = self.loader.dataset
        if isinstance(dataset, CroppedSequences):
            dataset = dataset.dataset
        rows = self.order(epoch)[place]
        if isinstance(dataset, GenomicDataset):
            return [dataset.ids[row] for row in rows]
        return [f"window {row} of epoch {epoch + 1}" for row in rows]

    def epoch(self, step: int) -> float:
        """Passes over the data after some steps.

        Args:
            step: Steps taken so far.
        """
        return step / len(self)

    def task_of(self, step: int) -> str:
        """No name: there is one task.

        Args:
            step: From 0.
        """
        return ""

    def _make_loader(self) -> DataLoader[Any]:
        given = self.loader
        return batch_loader(
            self.reader, self._keys, num_workers=given.num_workers, pin_memory=given.pin_memory,
            timeout=given.timeout, worker_init_fn=given.worker_init_fn,
            multiprocessing_context=given.multiprocessing_context,
            prefetch_factor=given.prefetch_factor, persistent_workers=given.persistent_workers,
        )  # fmt: skip


class BatchKey(NamedTuple):
    """Which batch.

    Attributes:
        epoch: Pass over the data that it belongs to, from 0.
        number: Its own among those of the epoch, from 0.
        rows: Its sequences, over all processes.
    """

    epoch: int
    number: int
    rows: Sequence[int]


class BatchReader(Dataset[Batch]):
    """Makes batches by their keys, in whichever process.

    Args:
        dataset: Can be asked by number.
        collate: Makes a batch of items.
        seed: With a key, of all that is drawn in a batch.
        processes: Of each batch, process r of n takes sequence r and every n-th behind it.
        turn: Reads sequences from the other strand; None: none is turned.
    """

    def __init__(
        self, dataset: Any, collate: Callable[..., Batch], seed: int, processes: Processes,
        turn: Turn | None,
    ) -> None:  # fmt: skip
        self.dataset = dataset
        self.collate = collate
        self.seed = seed
        self.rank = processes.rank
        self.count = processes.count
        self.turn = turn

    def __getitem__(self, key: BatchKey) -> Batch:
        """This process's share of a batch; a copy without labels where there is no row for it."""
        rows = key.rows[self.rank :: self.count]
        batch = self._read(key, rows or key.rows[:1], self.rank)
        if not rows:
            del batch["labels"]
        elif self.turn is not None:
            drawn = np.random.default_rng((self.seed, key.epoch, key.number, 1))
            flip = torch.from_numpy(drawn.random(len(key.rows)) < 0.5)[self.rank :: self.count]
            batch = self.turn(batch, flip)
        return batch

    def whole(self, key: BatchKey) -> Batch:
        """All of a batch, unturned.

        Args:
            key: Which one.
        """
        return self._read(key, key.rows, 0)

    def _read(self, key: BatchKey, rows: Sequence[int], rank: int) -> Batch:
        _set_epoch(self.dataset, key.epoch)  # workers that live on have not heard
        seed = _seed(self.seed, key.epoch, key.number, rank)
        if isinstance(self.collate, MaskedLanguageModelCollator):
            self.collate.generator.manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.collate([self.dataset[row] for row in rows])


def batch_loader(
    reader: Dataset[Batch], keys: Iterable[Any], *, worker_init_fn: Any = None, **options: Any
) -> DataLoader[Any]:
    """A loader of what a reader makes of some keys, in their order.

    Args:
        reader: Makes a batch of a key.
        keys: Iterated over anew each time the loader is.
        worker_init_fn: As for a ``DataLoader``.
        options: Those of a ``DataLoader`` that concern its workers.
    """
    given: Any = keys
    return DataLoader(
        reader, batch_size=None, sampler=given, collate_fn=_as_it_is,
        worker_init_fn=_Worker(worker_init_fn), **options,
    )  # fmt: skip


class _Worker:
    """Starts a worker: a cluster's notice is for the training, which still needs its batches."""

    def __init__(self, given: Callable[[int], None] | None) -> None:
        self.given = given

    def __call__(self, number: int) -> None:
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.given is not None:
            self.given(number)


def _as_it_is(batch: Any) -> Any:
    return batch


def _set_epoch(drawing: Any, epoch: int) -> None:
    """Tell data or sampler the epoch, which with the seed decides what is drawn."""
    set_epoch = getattr(drawing, "set_epoch", None)
    if set_epoch is not None:
        set_epoch(epoch)


def _seed(*numbers: int) -> int:
    return int(np.random.default_rng(numbers).integers(2**62))
