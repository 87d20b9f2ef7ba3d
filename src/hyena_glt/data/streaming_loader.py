"""Batches of a stream, and the place in it where a training that stopped goes on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from hyena_glt.data.collators import MaskedLanguageModelCollator, SequenceCollator
from hyena_glt.data.loaders import make_collator
from hyena_glt.data.streaming import StreamingGenomicDataset
from hyena_glt.errors import ConfigError, DataError

_MUST_AGREE = ("batch_size", "num_workers", "world_size", "seed", "shuffle_buffer")


class StreamingLoader:
    """Batches of a :class:`~hyena_glt.data.streaming.StreamingGenomicDataset`, which can go on.

    Iterating gives one epoch; the next iteration gives the next epoch.  The batches are a function
    of the data set's seed, the epoch, the batch size and the numbers of workers and ranks.

    All ranks give equally many batches, so that none waits for another in vain.  The numbers of
    their records differ by one at most: a record that would be a batch of its own on some ranks
    alone goes with the batch before.

    Args:
        dataset: The stream.
        batch_size: Sequences per batch; the last ones of each worker may be smaller, or on some
            ranks larger by one.
        collator: Makes batches.
        num_workers: Processes that read; 0 reads in this one.
        pin_memory: Put batches where a GPU can fetch them faster.

    Raises:
        ConfigError: If ``batch_size`` is below 1.

    Attributes:
        dataset: The stream.
        epoch: The present one, from 0.
    """

    def __init__(
        self,
        dataset: StreamingGenomicDataset,
        batch_size: int,
        collator: SequenceCollator,
        *,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self._collator = _SeededCollator(collator, dataset.seed)
        self._batches = 0  # given in this epoch
        self._first = 0  # where the next iteration begins
        self._loader = DataLoader(
            _EvenBatches(dataset, batch_size),
            batch_size=None,
            collate_fn=self._collator,
            num_workers=num_workers,
            pin_memory=pin_memory,
            # Workers get their seeds from it; the caller's random state stays as it is.
            generator=torch.Generator(),
        )

    @property
    def epoch(self) -> int:
        """The present epoch, from 0."""
        return self.dataset.epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next.

        Args:
            epoch: From 0.  The present one changes nothing, so that a training that goes on may
                call this.
        """
        if epoch != self.epoch:
            self.dataset.set_epoch(epoch)
            self._batches = self._first = 0

    def state_dict(self) -> dict[str, int]:
        """Where in the epoch this is, and the settings that must be the same to go on."""
        return {
            "epoch": self.epoch,
            "batches": self._batches,
            "batch_size": self.batch_size,
            "num_workers": self.num_workers,
            "world_size": self.dataset.world_size,
            "seed": self.dataset.seed,
            "shuffle_buffer": self.dataset.shuffle_buffer,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on behind the last batch that was given, with the next iteration.

        What comes before is read again, but neither tokenised nor made into batches.

        Args:
            state: What :meth:`state_dict` gave, in the process of the same rank.

        Raises:
            ConfigError: If a setting differs, with which the batches would be others.
        """
        present = self.state_dict()
        for name in _MUST_AGREE:
            if state[name] != present[name]:
                raise ConfigError(
                    f"the state was saved with {name}={state[name]}, this loader has "
                    f"{name}={present[name]}; the batches would be others"
                )
        self.dataset.set_epoch(state["epoch"])
        self._batches = self._first = state["batches"]

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield the batches of an epoch, or those of it that are left.

        Raises:
            DataError: If a file breaks a rule, or a worker has a record on some ranks alone.
        """
        self._batches, self._first = self._first, 0
        self._collator.epoch = self.epoch
        self.dataset.start_behind(self._batches, self.batch_size)
        for batch in self._loader:
            self._batches += 1
            yield batch
        self.set_epoch(self.epoch + 1)


def create_streaming_loader(
    source: Any,
    tokenizer: Any = None,
    batch_size: int = 32,
    *,
    num_workers: int = 0,
    pin_memory: bool = False,
    padding: Mapping[str, Any] | None = None,
    objective: str = "clm",
    **options: Any,
) -> StreamingLoader:
    """Make batches of files larger than memory.

    Args:
        source: A ``StreamingGenomicDataset``, or what one is made from.
        tokenizer: Needed unless the source is a data set already.
        batch_size: Sequences per batch.
        num_workers: Processes that read; 0 reads in this one.
        pin_memory: Put batches where a GPU can fetch them faster.
        padding: ``padding_side`` and ``pad_to_multiple_of`` of the collator.
        objective: ``clm`` or ``mlm``, for language modelling.
        **options: Arguments of ``StreamingGenomicDataset``.

    Raises:
        ConfigError: If the tokenizer is missing, or an argument breaks its rule.
        DataError: If the data break a rule.
    """
    if isinstance(source, StreamingGenomicDataset):
        if options:
            raise ConfigError(f"{', '.join(options)}: give them to the data set, which is made")
        dataset = source
    else:
        if tokenizer is None:
            raise ConfigError("tokenizer is needed to read data that is not a data set")
        dataset = StreamingGenomicDataset(source, tokenizer, **options)
    settings = {**(padding or {}), "objective": objective, "seed": dataset.seed}
    collator = make_collator(dataset.task, dataset.tokenizer, settings)
    return StreamingLoader(
        dataset, batch_size, collator, num_workers=num_workers, pin_memory=pin_memory
    )


class _EvenBatches(IterableDataset[list[dict[str, Any]]]):
    """The batches of one reader, not yet made into tensors, as many as the other ranks give."""

    def __init__(self, dataset: StreamingGenomicDataset, batch_size: int) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        dataset, size = self.dataset, self.batch_size
        held: list[dict[str, Any]] = []
        for item in dataset:
            held.append(item)
            if len(held) == size + 2:  # with one less the last might be a batch of its own
                yield held[:size]
                held = held[size:]
        if 0 < dataset.ranks_at(0) < dataset.world_size:
            raise DataError(
                f"there are too few sequences for {dataset.world_size} processes with so many "
                "workers: each worker needs one on every process; take fewer"
            )
        first = dataset.state_dict()["items"] - len(held)

        def is_everywhere(place: int) -> bool:
            return dataset.ranks_at(place) == dataset.world_size

        if len(held) == 1 and not is_everywhere(first):
            return  # it went with the batch before, which was given before this reader began
        if len(held) > size and is_everywhere(first + size):
            yield held[:size]
            held = held[size:]
        if held:
            yield held


class _SeededCollator:
    """Makes what a collator draws a function of the batch, so that it is the same after a stop."""

    def __init__(self, collator: SequenceCollator, seed: int) -> None:
        self.collator = collator
        self.seed = seed
        self.epoch = 0

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        if isinstance(self.collator, MaskedLanguageModelCollator):
            # A record is in one batch only.
            key = np.random.SeedSequence((self.seed, self.epoch, batch[0]["record_number"]))
            self.collator.generator.manual_seed(int(key.generate_state(1)[0]))
        return self.collator(batch)
