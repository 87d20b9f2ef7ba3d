"""The order in which sequences are drawn: a function of seed and epoch, and of nothing else.

The order is one of *global* batches, the same for every process; of each batch, process ``rank`` of
``world_size`` takes every ``world_size``-th sequence.  So all processes see equally many batches,
and every sequence comes exactly once an epoch.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from hyena_glt.errors import ConfigError, DataError

_STEPS_PER_OCTAVE = 8


class _GlobalBatches(Sampler[list[int]]):
    """What the samplers share: epochs, ranks, and a start in the middle of an epoch."""

    def __init__(self, lengths: Sequence[int], seed: int, rank: int, world_size: int) -> None:
        if world_size < 1 or not 0 <= rank < world_size:
            raise ConfigError(f"rank must lie in [0, world_size={world_size}), got {rank}")
        if 0 < len(lengths) < world_size:
            raise DataError(
                f"{len(lengths)} sequences are too few for {world_size} processes: each needs one"
            )
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start_batch = 0
        self._cuts = np.zeros(0, dtype=np.int64)

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """Choose the epoch whose order comes next, and perhaps a place within it.

        Args:
            epoch: From 0.
            start_batch: Batches of the epoch that were drawn already and are left out.

        Raises:
            ConfigError: If the epoch has fewer batches.
        """
        if not 0 <= start_batch <= len(self):
            raise ConfigError(
                f"start_batch must lie in [0, {len(self)}], the batches of an epoch, "
                f"got {start_batch}"
            )
        self.epoch = epoch
        self.start_batch = start_batch

    def __len__(self) -> int:
        """Batches in a whole epoch, the same in every epoch and for every rank."""
        return len(self._cuts)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the numbers of each batch's sequences, of this rank, from ``start_batch`` on."""
        random = np.random.default_rng((self.seed, self.epoch))
        order = self._order(random)
        stops = np.append(self._cuts[1:], len(order))
        for batch in random.permutation(len(self))[self.start_batch :]:
            members = order[self._cuts[batch] : stops[batch]]
            yield members[self.rank :: self.world_size].tolist()

    @abstractmethod
    def _order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """All sequences, in the order that ``self._cuts``, the batches' starts, cut."""


class LengthGroupedBatches(_GlobalBatches):
    """Batches of sequences of similar length, in random order.

    All sequences are shuffled, cut into stretches of 50 batches, sorted by length within each, and
    the batches are shuffled again.  With equal lengths this is a plain shuffle.

    Args:
        lengths: Tokens in each sequence.
        batch_size: Sequences per batch, over all processes.  A last batch too small to give every
            process a sequence takes some of its neighbour's, or joins it.
        seed: With the epoch, decides the order.
        rank: Number of this process.
        world_size: Number of processes.
        present: Gives the numbers of those sequences that are there in an epoch, see
            :mod:`~hyena_glt.data.curriculum`; None: all are.  An epoch has equally many batches all
            the same: sequences come several times, each as often as the others, give or take one.

    Raises:
        ConfigError: If ``batch_size`` is below 1 or below ``world_size``, or the rank is out of
            range.
        DataError: If there are fewer sequences than processes.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int = 0,
        *,
        rank: int = 0,
        world_size: int = 1,
        present: Callable[[int], NDArray[np.int64]] | None = None,
    ) -> None:
        super().__init__(lengths, seed, rank, world_size)
        self.present = present
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        if batch_size < world_size:
            raise ConfigError(
                f"batch_size must be at least world_size={world_size}, one sequence for each "
                f"process, got {batch_size}"
            )
        self.batch_size = batch_size
        starts = np.arange(0, len(self.lengths), batch_size)
        self._cuts = _share_the_last(starts, len(self.lengths), world_size)

    def _order(self, random: np.random.Generator) -> NDArray[np.int64]:
        count = len(self.lengths)
        there = np.arange(count) if self.present is None else self.present(self.epoch)
        passes = -(-count // max(1, len(there)))
        order = np.concatenate([random.permutation(there) for _ in range(passes)] or [there])
        order = order[:count]
        stretch = 50 * self.batch_size
        for start in range(0, len(order), stretch):
            part = order[start : start + stretch]
            order[start : start + stretch] = part[np.argsort(self.lengths[part], kind="stable")]
        return order


class TokenBudgetBatches(_GlobalBatches):
    """Batches of as many sequences as fit into a number of tokens, padding included.

    Many short sequences or a few long ones: a batch costs about the same memory and time.
    Sequences of similar length (within an eighth of an octave) change places at random from epoch
    to epoch; the sizes of the batches do not, so every epoch has equally many.

    Args:
        lengths: Tokens in each sequence.
        max_tokens: Most tokens of a batch on one process: sequences times the longest of them.  A
            sequence that is longer stands alone.
        seed: With the epoch, decides the order.
        rank: Number of this process.
        world_size: Number of processes.  If the sequences that are left for the last batch are too
            few to give every process one, and the batch before has just one for each, the two are
            joined: this batch of the shortest sequences alone may break the budget.

    Raises:
        ConfigError: If ``max_tokens`` is below 1 or the rank is out of range.
        DataError: If there are fewer sequences than processes.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        max_tokens: int,
        seed: int = 0,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(lengths, seed, rank, world_size)
        if max_tokens < 1:
            raise ConfigError(f"max_tokens must be at least 1, got {max_tokens}")
        self.max_tokens = max_tokens
        rounded = _round_up(self.lengths)
        fits = self.lengths <= max_tokens
        self._rounded = np.where(fits, np.minimum(rounded, max_tokens), rounded)
        longest_first = -np.sort(-self._rounded)
        starts = []
        start = 0
        while start < len(longest_first):
            starts.append(start)
            start += max(1, max_tokens // int(longest_first[start])) * world_size
        cuts = np.array(starts, dtype=np.int64)
        self._cuts = _share_the_last(cuts, len(self.lengths), world_size)

    def _order(self, random: np.random.Generator) -> NDArray[np.int64]:
        order = random.permutation(len(self.lengths))
        return order[np.argsort(-self._rounded[order], kind="stable")]


def _round_up(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lengths rounded up to 8 steps per octave, so that many are alike; below 8 they stay."""
    octave = np.frexp(np.maximum(lengths, 1))[1] - 1
    step = np.maximum(1, 2 ** np.maximum(octave, 3) // _STEPS_PER_OCTAVE)
    return np.maximum(1, -(-lengths // step) * step)


def _share_the_last(starts: NDArray[np.int64], count: int, world_size: int) -> NDArray[np.int64]:
    """Starts of batches, changed so that the last one has a sequence for every process."""
    if len(starts) < 2 or count - starts[-1] >= world_size:
        return starts
    if count - starts[-2] >= 2 * world_size:
        return np.append(starts[:-1], count - world_size)
    return starts[:-1]
