"""Loaders for training, validation and test, in one call."""

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from hyena_glt.data.collators import (
    CausalLanguageModelCollator,
    MaskedLanguageModelCollator,
    SequenceCollator,
)
from hyena_glt.data.curriculum import CroppedSequences, PresentSequences
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.samplers import LengthGroupedBatches, TokenBudgetBatches
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tokenizers.genomic import GenomicTokenizer

_DATASET_OPTIONS = (
    "max_length", "task", "label_names", "sequence_column", "label_column", "modality", "seed",
)  # fmt: skip
_LOADER_OPTIONS = ("num_workers", "pin_memory", "persistent_workers")
_OPTIONS = (
    *_DATASET_OPTIONS, *_LOADER_OPTIONS, "test_data", "validation_fraction", "augment",
    "padding_side", "pad_to_multiple_of", "objective", "max_tokens_per_batch",
    "curriculum", "difficulty",
)  # fmt: skip


def create_genomic_dataloaders(
    train_data: Any,
    val_data: Any = None,
    tokenizer: Any = None,
    batch_size: int = 32,
    **kwargs: Any,
) -> dict[str, DataLoader[Any]]:
    """Make the loaders of a training.

    Args:
        train_data: A ``GenomicDataset``, or what one is made from: a list, the path of a file of
            any format, a data set of Hugging Face.
        val_data: Likewise; None holds a part of the training data out, each class by its share.
        tokenizer: Needed unless the data are data sets already.
        batch_size: Sequences per batch.
        **kwargs: ``test_data``; ``validation_fraction`` (0.1); ``seed`` (0);
            ``max_tokens_per_batch``, padding included, in place of ``batch_size``; ``num_workers``,
            ``persistent_workers`` and ``pin_memory`` of the loaders; ``padding_side`` and
            ``pad_to_multiple_of`` of the collator; ``objective``: ``clm`` or ``mlm`` for language
            modelling; ``augment``, for the training data alone; ``curriculum``, a
            ``CurriculumScheduler`` that the training data follow, and ``difficulty``: a score for
            each training sequence, or a function of the data set that gives them
            (``training.curriculum.kmer_difficulty``); and the arguments of ``GenomicDataset``.

    Returns:
        ``train`` and ``val``, and ``test`` if there is test data.  Training batches are shuffled,
        by seed and epoch, and grouped by length; the others keep their order.

    Raises:
        ConfigError: If an argument is unknown (the nearest is given) or the tokenizer is missing.
        DataError: If the data break a rule.
    """
    for name in kwargs:
        if name not in _OPTIONS:
            near = difflib.get_close_matches(name, _OPTIONS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"create_genomic_dataloaders has no argument {name!r}{hint}")
    options = {name: kwargs[name] for name in _DATASET_OPTIONS if name in kwargs}
    seed = kwargs.get("seed", 0)
    train = _dataset(train_data, tokenizer, options)
    options["label_names"] = train.label_names or None
    if val_data is None:
        train, val = split(train, kwargs.get("validation_fraction", 0.1), seed)
    else:
        val = _dataset(val_data, tokenizer, options)
    parts = {"train": train, "val": val}
    if kwargs.get("test_data") is not None:
        parts["test"] = _dataset(kwargs["test_data"], tokenizer, options)
    for name, part in parts.items():
        _check_fit(name, part, train)
    if kwargs.get("augment") is not None:
        parts["train"] = train.augmented(kwargs["augment"])

    workers = {name: kwargs[name] for name in _LOADER_OPTIONS if name in kwargs}
    max_tokens = kwargs.get("max_tokens_per_batch")
    if max_tokens is not None and kwargs.get("curriculum") is not None:
        raise ConfigError("curriculum needs batch_size, not max_tokens_per_batch")
    loaders: dict[str, DataLoader[Any]] = {}
    for name, dataset in parts.items():
        batches: Any
        if name != "train":
            batches = batches_in_order(dataset.lengths, batch_size, max_tokens)
        elif max_tokens is None:
            present = _present(dataset, kwargs)
            batches = LengthGroupedBatches(
                dataset.lengths.tolist(), batch_size, seed, present=present
            )
        else:
            batches = TokenBudgetBatches(dataset.lengths.tolist(), max_tokens, seed)
        loaders[name] = DataLoader(
            _cropped(dataset, kwargs) if name == "train" else dataset,
            batch_sampler=batches,
            collate_fn=make_collator(dataset.task, dataset.tokenizer, kwargs),
            **workers,
        )
    return loaders


def batches_in_order(
    lengths: NDArray[np.int64], batch_size: int, max_tokens: int | None
) -> list[list[int]]:
    """Cut a data set into batches without changing its order.

    Args:
        lengths: Tokens in each sequence.
        batch_size: Sequences per batch.
        max_tokens: If given, in place of ``batch_size``: most tokens in a batch, padding included;
            a sequence that is longer stands alone.

    Returns:
        The numbers of each batch's sequences.
    """
    if max_tokens is None:
        numbers = range(len(lengths))
        return [list(numbers[i : i + batch_size]) for i in numbers[::batch_size]]
    batches: list[list[int]] = []
    longest = 0
    for number, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        if batches and longest * (len(batches[-1]) + 1) <= max_tokens:
            batches[-1].append(number)
        else:
            batches.append([number])
            longest = length
    return batches


def split(
    dataset: GenomicDataset, fraction: float, seed: int
) -> tuple[GenomicDataset, GenomicDataset]:
    """Hold a part of a data set out; every class by its share, at least one sequence in all.

    Args:
        dataset: At least two sequences.
        fraction: Share held out, in [0, 1).
        seed: Of the choice.

    Returns:
        What remains, and what was held out, both in the order of the data.  What was held out is
        not augmented.

    Raises:
        ConfigError: If the fraction is out of range.
        DataError: If there are fewer than two sequences.
    """
    if not 0 <= fraction < 1:
        raise ConfigError(f"the fraction held out must be in [0, 1), got {fraction}")
    if len(dataset) < 2:
        raise DataError("one sequence cannot be split into training and validation data")
    random = np.random.default_rng(seed)
    order = random.permutation(len(dataset))
    if dataset.task == "classification" and dataset.labels is not None:
        # Sorting the shuffled data by class and taking every n-th keeps the shares.
        order = order[np.argsort(dataset.labels[order], kind="stable")]
    count = min(len(dataset) - 1, max(1, round(fraction * len(dataset))))
    picked = ((np.arange(count) + 0.5) * len(order) / count).astype(int)
    held = np.zeros(len(dataset), dtype=bool)
    held[order[picked]] = True
    kept = dataset.subset(np.flatnonzero(~held).tolist())
    return kept, dataset.subset(np.flatnonzero(held).tolist()).augmented(None)


def _present(dataset: GenomicDataset, options: dict[str, Any]) -> PresentSequences | None:
    """Which sequences are there in an epoch; None: all, without curriculum and without labels."""
    curriculum = options.get("curriculum")
    if curriculum is None or dataset.task == "language_modeling":
        return None
    scores = options.get("difficulty")
    return PresentSequences(
        dataset.lengths, curriculum, scores(dataset) if callable(scores) else scores
    )


def _cropped(dataset: GenomicDataset, options: dict[str, Any]) -> GenomicDataset | CroppedSequences:
    curriculum = options.get("curriculum")
    if curriculum is None or dataset.task != "language_modeling":
        return dataset
    return CroppedSequences(dataset, curriculum, options.get("seed", 0))


def _dataset(data: Any, tokenizer: Any, options: dict[str, Any]) -> GenomicDataset:
    if isinstance(data, GenomicDataset):
        return data
    if tokenizer is None:
        raise ConfigError("tokenizer is needed to read data that is not a GenomicDataset")
    return GenomicDataset(data, tokenizer, **options)


def _check_fit(name: str, part: GenomicDataset, train: GenomicDataset) -> None:
    """Refuse data sets made apart whose class numbers mean other classes."""
    if part.task != train.task:
        raise DataError(f"{name} data are for {part.task}, training data for {train.task}")
    if part.labels is not None and part.label_names != train.label_names:
        raise DataError(
            f"{name} data number their labels as {part.label_names}, training data as "
            f"{train.label_names}; pass label_names to both"
        )


def make_collator(task: str, tokenizer: Any, options: Mapping[str, Any]) -> SequenceCollator:
    """The collator for a task.

    Args:
        task: Of the data set.
        tokenizer: Of the data set.
        options: ``padding_side``, ``pad_to_multiple_of``, and for language modelling
            ``objective`` and ``seed``; all may be missing.

    Raises:
        ConfigError: If an option breaks its rule.
    """
    padding: dict[str, Any] = {
        k: options[k] for k in ("padding_side", "pad_to_multiple_of") if k in options
    }
    padding["pad_token_id"] = tokenizer.pad_token_id
    if task != "language_modeling":
        return SequenceCollator(**padding)
    objective = options.get("objective", "clm")
    if objective == "clm":
        return CausalLanguageModelCollator(**padding)
    if objective == "mlm":
        ranges = tokenizer.letter_ranges if isinstance(tokenizer, GenomicTokenizer) else None
        return MaskedLanguageModelCollator(
            len(tokenizer), seed=options.get("seed", 0), letter_ranges=ranges, **padding
        )
    raise ConfigError(f"objective must be clm or mlm, got {objective!r}")
