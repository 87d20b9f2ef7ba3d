"""From easy to hard: which sequences, and how much of them, a model sees at which time.

``training.curriculum`` says how difficult an epoch or step is; **this file** draws the sequences
that fit.  What is drawn is a function of seed, epoch (or step) and number, and of nothing else, so
a training that was interrupted goes on with the right sequences.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Dataset

from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.genome import Genome, Region
from hyena_glt.data.windows import GenomeWindows
from hyena_glt.errors import ConfigError, DataError

EASIEST_SHARE = 0.25
"""Share of the labelled sequences that is there from the first epoch on."""


class Difficulty(NamedTuple):
    """How difficult the data of an epoch or step are.

    Attributes:
        max_length: Longest sequence, in tokens.
        tasks: Tasks that are trained, easiest first.
        complexity: Share of the sequences that are there, the easiest ones, in (0, 1].
    """

    max_length: int
    tasks: tuple[str, ...]
    complexity: float


class Curriculum(Protocol):
    """What says how difficult an epoch is: ``training.curriculum.CurriculumScheduler``."""

    @property
    def by(self) -> str:
        """What grows: ``length`` or ``difficulty``."""

    def get_difficulty(self, epoch: int) -> Difficulty:
        """Difficulty of an epoch, from 0."""


class PresentSequences:
    """Which labelled sequences are not too difficult for an epoch; the others wait.

    A sequence is never cut, for its label may belong to the part cut off.  By ``length`` those wait
    that are longer than the present maximum, but the shortest quarter is always there; by
    ``difficulty`` those whose score is not among the present share of the easiest.  For
    ``LengthGroupedBatches(..., present=...)``.

    Args:
        lengths: Tokens in each sequence.
        curriculum: Says how difficult an epoch is.
        scores: How difficult each sequence is, larger is harder; needed by ``difficulty``.

    Raises:
        ConfigError: If the curriculum does not change what is there: all lengths, or all scores,
            are the same; or if there are no scores.
        DataError: If there is not one score for each sequence.
    """

    def __init__(
        self, lengths: ArrayLike, curriculum: Curriculum, scores: ArrayLike | None = None
    ) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.curriculum = curriculum
        if curriculum.by == "length":
            self.scores = self.lengths.astype(np.float64)
            if len(np.unique(self.lengths)) == 1:
                raise ConfigError(
                    f"curriculum=length: all sequences have {self.lengths[0]} tokens, so none is "
                    "easier than another; try curriculum=difficulty"
                )
            return
        if scores is None:
            raise ConfigError(
                "curriculum=difficulty needs a score for each sequence, the larger the harder"
            )
        self.scores = np.asarray(scores, dtype=np.float64)
        if self.scores.shape != self.lengths.shape or not np.isfinite(self.scores).all():
            raise DataError(
                f"difficulty: one finite number for each of {len(self.lengths)} sequences needed, "
                f"got shape {self.scores.shape}"
            )
        if len(np.unique(self.scores)) == 1:
            raise ConfigError("difficulty: all scores are the same, so no sequence is easier")

    def __call__(self, epoch: int) -> NDArray[np.int64]:
        """Numbers of the sequences that are there, in the order of the data.

        Args:
            epoch: From 0.
        """
        now = self.curriculum.get_difficulty(epoch)
        share = EASIEST_SHARE if self.curriculum.by == "length" else now.complexity
        there = np.zeros(len(self.scores), dtype=bool)
        count = max(1, round(share * len(self.scores)))
        there[np.argsort(self.scores, kind="stable")[:count]] = True
        if self.curriculum.by == "length":
            there |= self.lengths <= now.max_length
        return np.flatnonzero(there)


class CroppedSequences(Dataset[dict[str, Any]]):
    """Sequences for language modelling, cropped to the length of the epoch.

    Where a crop begins is drawn by (seed, epoch, number), all places equally likely.

    Args:
        dataset: Without labels; where workers live on from epoch to epoch they see it change.
        curriculum: Says how long the crops of an epoch are.
        seed: Of the crops.

    Raises:
        ConfigError: If the data have a task: a crop could lose what its label is about.
    """

    def __init__(self, dataset: GenomicDataset, curriculum: Curriculum, seed: int = 0) -> None:
        if dataset.task != "language_modeling":
            raise ConfigError(
                f"only sequences without labels are cropped; the task of these is {dataset.task}"
            )
        self.dataset = dataset
        self.curriculum = curriculum
        self.seed = seed
        # Shared memory, as in the data set itself.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def task(self) -> str:
        """Always ``language_modeling``."""
        return self.dataset.task

    @property
    def tokenizer(self) -> Any:
        """Tokenizer of the sequences."""
        return self.dataset.tokenizer

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each crop of the present epoch."""
        return np.minimum(self.dataset.lengths, self._longest())

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, on which crops and augmentation depend.

        Args:
            epoch: From 0.
        """
        self._epoch.fill_(epoch)
        self.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One crop: what the data set gives, of the tokens in it."""
        item = self.dataset[index]
        tokens, longest = len(item["input_ids"]), self._longest()
        if tokens <= longest:
            return item
        random = np.random.default_rng((self.seed, int(self._epoch), index))
        start = int(random.integers(tokens - longest, endpoint=True))
        return {
            name: value[start : start + longest] if _per_token(value, tokens) else value
            for name, value in item.items()
        }

    def _longest(self) -> int:
        return self.curriculum.get_difficulty(int(self._epoch)).max_length


class GrowingWindows:
    """Windows of a genome that grow over the steps, at equal bases per batch.

    Lengths double from 64 bases to the whole window, so that a training meets few different ones;
    a batch holds as many windows of the present length as have the bases of a whole one.  From the
    step at which windows are whole, a batch is that of a training without curriculum.

    Args:
        windows: The whole windows; a batch has ``batch_size`` of them.
        batch_size: Whole windows per batch.
        steps: Steps after which windows are whole.

    Raises:
        ConfigError: If the whole windows have no more than 64 bases.
    """

    def __init__(self, windows: GenomeWindows, batch_size: int, steps: int) -> None:
        self.lengths = window_lengths(windows.window)
        self.batch_size = batch_size
        self.steps = steps
        self._stages = [*(_shorter(windows, length) for length in self.lengths[:-1]), windows]

    def length(self, step: int) -> int:
        """Bases of the windows of a step.

        Args:
            step: From 0.
        """
        return self.lengths[self._stage(step)]

    def batch(self, step: int) -> list[dict[str, Any]]:
        """The windows of a step.

        Args:
            step: From 0.
        """
        stage = self._stage(step)
        windows = self._stages[stage]
        count = self.batch_size * self.lengths[-1] // windows.window
        # Numbers of their own for each length: equal ones would draw neighbouring places.
        first = step * count + ((len(self.lengths) - 1 - stage) << 48)
        return [windows[number] for number in range(first, first + count)]

    def _stage(self, step: int) -> int:
        last = len(self.lengths) - 1
        return last if step >= self.steps else step * last // self.steps


def window_lengths(window: int, shortest: int = 64) -> list[int]:
    """Lengths that windows go through: doubled from the shortest on, then the whole one.

    Args:
        window: Bases of a whole window.
        shortest: Bases of the first ones.

    Raises:
        ConfigError: If the whole one is not longer than the shortest.

    Example:
        >>> window_lengths(512)
        [64, 128, 256, 512]
    """
    if window <= shortest:
        raise ConfigError(
            f"curriculum=length: windows grow from {shortest} bases, the whole one has {window}"
        )
    lengths = []
    while shortest < window:
        lengths.append(shortest)
        shortest *= 2
    return [*lengths, window]


def _shorter(windows: GenomeWindows, length: int) -> GenomeWindows:
    """Shorter windows of the same regions, drawn and labelled by the same rules."""
    genome: Genome = windows.genome
    regions: Sequence[Region] = windows.regions
    return GenomeWindows(
        genome, regions, length, windows.count * windows.window // length, seed=windows.seed,
        both_strands=windows.both_strands, repeat_weight=windows.repeat_weight,
        max_position=windows.max_position,
    )  # fmt: skip


def _per_token(value: Any, tokens: int) -> bool:
    return torch.is_tensor(value) and value.dim() == 1 and len(value) == tokens
