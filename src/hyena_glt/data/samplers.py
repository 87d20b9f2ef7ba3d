"""The order in which sequences are drawn: a function of seed and epoch, and of nothing else."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from hyena_glt.errors import ConfigError


class LengthGroupedBatches(Sampler[list[int]]):
    """Batches of sequences of similar length, in random order.

    All sequences are shuffled, cut into stretches of 50 batches, sorted by length within each, and
    the batches are shuffled again.  With equal lengths this is a plain shuffle.

    Args:
        lengths: Tokens in each sequence.
        batch_size: Sequences per batch.
        seed: With the epoch, decides the order.

    Raises:
        ConfigError: If ``batch_size`` is below 1.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int = 0) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next.

        Args:
            epoch: From 0.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self.lengths) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the numbers of each batch's sequences."""
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(len(self.lengths))
        stretch = 50 * self.batch_size
        batches = []
        for start in range(0, len(order), stretch):
            part = order[start : start + stretch]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[i : i + self.batch_size] for i in range(0, len(part), self.batch_size)]
        for batch in random.permutation(len(batches)):
            yield batches[batch].tolist()
