"""How difficult the data are at each time of a training: short to long, simple to complex.

``data.curriculum`` draws the sequences that fit.  A curriculum is a function of the epoch (or step)
alone, so it needs no place in a checkpoint.

Source: Bengio et al. 2009, Curriculum Learning; length warm-up as in HyenaDNA (Nguyen et al. 2023,
arXiv:2306.15794).
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.curriculum import EASIEST_SHARE, Difficulty, PresentSequences
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import ConfigError
from hyena_glt.evaluation.baselines import KmerLogisticRegression
from hyena_glt.evaluation.kmers import Molecule
from hyena_glt.training.settings import TrainingSettings

_SHORTEST = 64
_GUIDE_LONGEST = 2048
# Of the k-mer model that says which sequences are hard; 4**3 + 4**4 counts need few sequences.
_KMER_SIZE = 4
_FOLDS = 4


def get_curriculum_schedule(epoch: int, total_epochs: int) -> tuple[int, list[str]]:
    """Longest sequence and tasks of an epoch, from 64 tokens towards 2,048 and from one task on.

    Args:
        epoch: From 0; behind the last one it stays.
        total_epochs: Of the whole training.

    Returns:
        Tokens, and names of tasks.

    Raises:
        ConfigError: If there are no epochs, or the epoch is below 0.

    Example:
        >>> get_curriculum_schedule(5, 10)
        (1056, ['classification', 'token_classification'])
    """
    if total_epochs < 1:
        raise ConfigError(f"total_epochs must be at least 1, got {total_epochs}")
    if epoch < 0:
        raise ConfigError(f"epoch must be at least 0, got {epoch}")
    progress = min(1.0, epoch / total_epochs)
    max_length = int(_SHORTEST + (_GUIDE_LONGEST - _SHORTEST) * progress)
    if progress < 0.3:
        return max_length, ["simple_classification"]
    if progress < 0.7:
        return max_length, ["classification", "token_classification"]
    return max_length, ["classification", "token_classification", "generation"]


class CurriculumScheduler:
    """Difficulty of each epoch or step: it grows evenly, and is whole from a share of them on.

    Lengths grow from 64 tokens, the sequences that are there from the easiest quarter to all; tasks
    join one after another, in the order given.

    Args:
        config: The longest sequence in tokens, or a model configuration, which knows it
            (``max_position_embeddings``).
        total_epochs: Of the whole training.
        steps_per_epoch: Batches in one epoch, for difficulties by step.
        fraction: Share of the training after which nothing is held back.
        by: What decides which labelled sequences wait: their ``length``, or the ``difficulty`` that
            a score gives them.
        tasks: Easiest first; None: the kinds of tasks of :func:`get_curriculum_schedule`.

    Raises:
        ConfigError: If an argument breaks its rule.

    Example:
        >>> scheduler = CurriculumScheduler(1024, total_epochs=10)
        >>> [scheduler.get_difficulty(epoch).max_length for epoch in (0, 2, 5, 9)]
        [64, 448, 1024, 1024]
    """

    def __init__(
        self,
        config: HyenaGLTConfig | int,
        total_epochs: int = 10,
        *,
        steps_per_epoch: int = 1,
        fraction: float = 0.5,
        by: Literal["length", "difficulty"] = "length",
        tasks: Sequence[str] | None = None,
    ) -> None:
        longest = config.max_position_embeddings if isinstance(config, HyenaGLTConfig) else config
        for name, value in (
            ("the longest sequence", longest), ("total_epochs", total_epochs),
            ("steps_per_epoch", steps_per_epoch),
        ):  # fmt: skip
            if value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if not 0 < fraction <= 1:
            raise ConfigError(f"fraction must lie in (0, 1], got {fraction}")
        if by not in {"length", "difficulty"}:
            raise ConfigError(f"by must be length or difficulty, got {by!r}")
        if tasks is not None and not tasks:
            raise ConfigError("tasks must name at least one task, or be None")
        self.max_length = longest
        self.total_epochs = total_epochs
        self.steps_per_epoch = steps_per_epoch
        self.fraction = fraction
        self.by: str = by
        self.tasks = None if tasks is None else tuple(tasks)

    def get_difficulty(self, epoch: int) -> Difficulty:
        """Difficulty of an epoch.

        Args:
            epoch: From 0; behind the last one it stays.
        """
        return self._at(epoch / self.total_epochs)

    def get_difficulty_at_step(self, step: int) -> Difficulty:
        """Difficulty of a step, which grows within epochs too.

        Args:
            step: From 0.
        """
        return self._at(step / (self.total_epochs * self.steps_per_epoch))

    def _at(self, passed: float) -> Difficulty:
        """Difficulty when a share of the training has passed."""
        progress = min(1.0, passed / self.fraction)
        shortest = min(_SHORTEST, self.max_length)
        length = int(shortest + (self.max_length - shortest) * progress)
        return Difficulty(
            length, self._tasks(progress), EASIEST_SHARE + (1 - EASIEST_SHARE) * progress
        )

    def _tasks(self, progress: float) -> tuple[str, ...]:
        if self.tasks is None:
            # 0.3 and 0.7 of the guide's schedule lie within [0, 1000].
            return tuple(get_curriculum_schedule(round(1000 * progress), 1000)[1])
        # The first alone at the start, the last with the end of the growth.
        return self.tasks[: 1 + int(progress * (len(self.tasks) - 1) + 1e-9)]


def kmer_difficulty(
    dataset: GenomicDataset, molecule: Molecule = "dna", seed: int = 0
) -> NDArray[np.float64]:
    """How hard each sequence is for a simple model that has not seen it: its loss.

    The model is logistic regression on k-mer counts, fitted to three quarters of the data and
    asked about the fourth.

    Args:
        dataset: Sequences with classes.
        molecule: What the letters are.
        seed: Of the division into quarters.

    Returns:
        (n,) losses in nats, in the order of the data.

    Raises:
        ConfigError: If the task is not classification, or there are too few sequences.
    """
    if dataset.task != "classification" or dataset.labels is None:
        raise ConfigError(
            "curriculum=difficulty is for classes: difficulty is the loss of a k-mer model; the "
            f"task of these data is {dataset.task}"
        )
    if len(dataset) < 2 * _FOLDS:
        raise ConfigError(
            f"curriculum=difficulty needs at least {2 * _FOLDS} sequences, got {len(dataset)}"
        )
    labels = np.asarray(dataset.labels)
    sequences = list(dataset.sequences)
    # Dealt out class by class, so that every part has all of them where there are enough.
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    losses = np.zeros(len(labels))
    for fold in range(_FOLDS):
        asked = order[fold::_FOLDS]
        shown = np.setdiff1d(order, asked)
        model = KmerLogisticRegression(
            kmer_size=2 if molecule in {"protein", "mixed"} else _KMER_SIZE, both_strands=False,
            molecule=molecule,
        )  # fmt: skip
        model.fit([sequences[row] for row in shown], labels[shown])
        chances = np.full((len(asked), dataset.num_labels), 1e-9)
        chances[:, model.classes] = model.predict_proba([sequences[row] for row in asked])
        losses[asked] = -np.log(np.maximum(chances[np.arange(len(asked)), labels[asked]], 1e-9))
    return losses


def curriculum_options(
    settings: TrainingSettings, dataset: GenomicDataset, molecule: Molecule = "dna"
) -> dict[str, Any]:
    """What ``create_genomic_dataloaders`` must be told for the curriculum of a training.

    Args:
        settings: Curriculum, epochs and batch size.
        dataset: Training data.
        molecule: What the letters are.

    Returns:
        Its arguments ``curriculum`` and ``difficulty``; nothing without a curriculum.

    Raises:
        ConfigError: If the curriculum does not suit the data.
    """
    if settings.curriculum == "none":
        return {}
    steps = -(-len(dataset) // settings.batch_size)
    scheduler = CurriculumScheduler(
        int(dataset.lengths.max()), settings.epochs(steps), steps_per_epoch=steps,
        fraction=settings.curriculum_fraction, by=settings.curriculum,
    )  # fmt: skip
    scores = None
    if settings.curriculum == "difficulty":
        scores = kmer_difficulty(dataset, molecule, settings.seed)
    PresentSequences(dataset.lengths, scheduler, scores)  # refuses what is no curriculum
    return {"curriculum": scheduler, "difficulty": scores}
