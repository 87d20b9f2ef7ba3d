"""Loaders for training, validation and test, in one call."""

import difflib
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from hyena_glt.data.collators import (
    CausalLanguageModelCollator,
    MaskedLanguageModelCollator,
    SequenceCollator,
)
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.samplers import LengthGroupedBatches
from hyena_glt.errors import ConfigError, DataError

_DATASET_OPTIONS = ("max_length", "task", "label_names", "sequence_column", "label_column")
_OPTIONS = (
    *_DATASET_OPTIONS, "test_data", "validation_fraction", "seed", "num_workers", "pin_memory",
    "padding_side", "pad_to_multiple_of", "objective",
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
        train_data: A ``GenomicDataset``, or what one is made from (list, path).
        val_data: Likewise; None holds a part of the training data out, each class by its share.
        tokenizer: Needed unless the data are data sets already.
        batch_size: Sequences per batch.
        **kwargs: ``test_data``; ``validation_fraction`` (0.1); ``seed`` (0); ``num_workers`` and
            ``pin_memory`` of the loaders; ``padding_side`` and ``pad_to_multiple_of`` of the
            collator; ``objective``: ``clm`` or ``mlm`` for language modelling; and the arguments
            of ``GenomicDataset``.

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

    workers = {name: kwargs[name] for name in ("num_workers", "pin_memory") if name in kwargs}
    loaders: dict[str, DataLoader[Any]] = {}
    for name, dataset in parts.items():
        collator = _collator(dataset, kwargs)
        if name == "train":
            batches = LengthGroupedBatches(dataset.lengths.tolist(), batch_size, seed)
            loaders[name] = DataLoader(
                dataset, batch_sampler=batches, collate_fn=collator, **workers
            )
        else:
            loaders[name] = DataLoader(
                dataset, batch_size=batch_size, collate_fn=collator, **workers
            )
    return loaders


def split(
    dataset: GenomicDataset, fraction: float, seed: int
) -> tuple[GenomicDataset, GenomicDataset]:
    """Hold a part of a data set out; every class by its share, at least one sequence in all.

    Args:
        dataset: At least two sequences.
        fraction: Share held out, in [0, 1).
        seed: Of the choice.

    Returns:
        What remains, and what was held out, both in the order of the data.

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
    return dataset.subset(np.flatnonzero(~held).tolist()), dataset.subset(
        np.flatnonzero(held).tolist()
    )


def _dataset(data: Any, tokenizer: Any, options: dict[str, Any]) -> GenomicDataset:
    if isinstance(data, GenomicDataset):
        return data
    if tokenizer is None:
        raise ConfigError("tokenizer is needed to read data that is not a GenomicDataset")
    if isinstance(data, str | Path):
        data = Path(data)
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


def _collator(dataset: GenomicDataset, kwargs: dict[str, Any]) -> SequenceCollator:
    options: dict[str, Any] = {
        k: kwargs[k] for k in ("padding_side", "pad_to_multiple_of") if k in kwargs
    }
    options["pad_token_id"] = dataset.tokenizer.pad_token_id
    if dataset.task != "language_modeling":
        return SequenceCollator(**options)
    objective = kwargs.get("objective", "clm")
    if objective == "clm":
        return CausalLanguageModelCollator(**options)
    if objective == "mlm":
        return MaskedLanguageModelCollator(
            len(dataset.tokenizer), seed=kwargs.get("seed", 0), **options
        )
    raise ConfigError(f"objective must be clm or mlm, got {objective!r}")
