"""Sequences with labels, tokenised: what a loader draws from.

file or list -> records -> token ids and numbers -> one dictionary per sequence
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from hyena_glt.data import labels as label_rules
from hyena_glt.data.labels import TASKS, Task
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.formats import detect_format, read_sequences
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.tables import read_labelled_table
from hyena_glt.tasks.losses import IGNORED

Source = str | Path | Sequence[Mapping[str, Any] | LabelledRecord | SequenceRecord]


class GenomicDataset(Dataset[dict[str, Any]]):
    """Tokenised sequences and their labels, by number.

    Args:
        data: A list of dictionaries with ``sequence`` and ``labels`` (or ``label``), perhaps
            ``id``; a list of records; or the path of a FASTA, CSV or TSV file.
        tokenizer: One of this package's tokenizers.
        max_length: Most tokens kept of a sequence, the rest is cut off with a warning; None keeps
            all.
        task: ``classification`` (one class per sequence), ``multi_label`` (0 or 1 per label),
            ``regression``, ``token_classification`` (one class per nucleotide, -100 where
            unknown) or ``language_modeling`` (no labels).
        label_names: Names of the classes, in the order of their numbers; None takes those of the
            data, sorted.
        sequence_column: Column of the sequences, for tables; None finds it.
        label_column: Column of the labels, for tables; None finds it.

    Raises:
        ConfigError: If there is no such task, or ``max_length`` is below 1.
        DataError: If the data is empty, a sequence is empty or not text, or a label breaks a rule.

    Attributes:
        ids: Name of each sequence.
        sequences: Letters of each sequence, as given.
        labels: Numbers: (n,) classes, (n, t) of 0 and 1, values; a list of arrays for
            ``token_classification``; None without labels.

    Example:
        >>> from hyena_glt.tokenizers import DNATokenizer
        >>> data = [{"sequence": "ACGT", "labels": "yes"}, {"sequence": "TTT", "labels": "no"}]
        >>> dataset = GenomicDataset(data, DNATokenizer(kmer_size=1))
        >>> dataset[0]["input_ids"].tolist(), int(dataset[0]["labels"])
        ([8, 9, 10, 11], 1)
    """

    def __init__(
        self,
        data: Source,
        tokenizer: Any,
        max_length: int | None = 512,
        task: Task = "classification",
        *,
        label_names: Sequence[str] | None = None,
        sequence_column: str | None = None,
        label_column: str | None = None,
    ) -> None:
        if task not in TASKS:
            raise ConfigError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
        if max_length is not None and max_length < 1:
            raise ConfigError(f"max_length must be at least 1 token or None, got {max_length}")
        self.task: str = task
        self.tokenizer = tokenizer
        self.max_length = max_length
        if isinstance(data, str | Path):
            data = _read(data, task, sequence_column, label_column)
        self.ids, self.sequences, raw = _columns(data)
        if not self.sequences:
            raise DataError("there is no sequence in the data")
        self._tokens = self._tokenize()
        self.label_names: list[str] = []
        self.labels: Any = None
        if task != "language_modeling" and any(label is not None for label in raw):
            names = None if label_names is None else list(map(label_rules.class_name, label_names))
            self._number_labels(raw, names)

    @property
    def num_labels(self) -> int:
        """Outputs that a head needs for these labels."""
        if self.task in {"classification", "token_classification"}:
            return max(2, len(self.label_names))
        return 1 if self.labels is None or self.labels.ndim == 1 else int(self.labels.shape[1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each sequence."""
        return np.array([len(tokens) for tokens in self._tokens], dtype=np.int64)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._tokens)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sequence: ``input_ids`` (l,) and, if known, ``labels``."""
        item: dict[str, Any] = {"input_ids": torch.from_numpy(self._tokens[index])}
        if self.labels is not None:
            item["labels"] = torch.as_tensor(self.labels[index])
        return item

    def subset(self, indices: Sequence[int]) -> "GenomicDataset":
        """The same data set with some of its sequences.

        Args:
            indices: Which sequences, in which order.
        """
        part = object.__new__(GenomicDataset)
        part.task, part.tokenizer, part.max_length = self.task, self.tokenizer, self.max_length
        part.label_names = self.label_names
        part.ids = [self.ids[i] for i in indices]
        part.sequences = [self.sequences[i] for i in indices]
        part._tokens = [self._tokens[i] for i in indices]
        if isinstance(self.labels, list):
            part.labels = [self.labels[i] for i in indices]
        else:
            part.labels = None if self.labels is None else self.labels[list(indices)]
        return part

    def _tokenize(self) -> list[NDArray[np.int64]]:
        encoded = self.tokenizer(list(self.sequences), return_attention_mask=False)["input_ids"]
        tokens = [np.asarray(row, dtype=np.int64) for row in encoded]
        longest = self.max_length
        longer = 0 if longest is None else sum(len(row) > longest for row in tokens)
        if longer:
            warnings.warn(
                f"{longer} of {len(tokens)} sequences are longer than max_length="
                f"{self.max_length} tokens and were cut off",
                stacklevel=3,
            )
        return [row[: self.max_length] for row in tokens]

    def _number_labels(self, raw: list[Any], names: Sequence[str] | None) -> None:
        without = [id_ for id_, label in zip(self.ids, raw, strict=True) if _is_missing(label)]
        if without:
            raise DataError(f"{without[0]}: no label, where others have one")
        if self.task == "classification":
            self.label_names = list(names or label_rules.class_names(raw))
            self.labels = label_rules.class_numbers(raw, self.label_names, self.ids)
        elif self.task == "multi_label":
            self.labels = label_rules.zeros_and_ones(raw, self.ids)
            count = self.labels.shape[1]
            self.label_names = list(names or (f"label_{i}" for i in range(count)))
            if len(self.label_names) != count:
                raise DataError(
                    f"{self.ids[0]}: {count} labels, where {len(self.label_names)} are named: "
                    f"{', '.join(map(repr, self.label_names))}"
                )
        elif self.task == "regression":
            self.labels = label_rules.values(raw, self.ids)
        else:
            self._number_token_labels(raw, names)

    def _number_token_labels(self, raw: list[Any], names: Sequence[str] | None) -> None:
        """One class per token: that of its first nucleotide; -100 for special tokens."""
        known = {label for row in raw for label in row if label != IGNORED}
        self.label_names = list(names or label_rules.class_names(sorted(known, key=str)))
        number = {name: i for i, name in enumerate(self.label_names)}
        self.labels = []
        for id_, sequence, row, tokens in zip(
            self.ids, self.sequences, raw, self._tokens, strict=True
        ):
            if len(row) != len(sequence):
                raise DataError(f"{id_}: {len(row)} labels for {len(sequence)} nucleotides")
            written = [None if label == IGNORED else label_rules.class_name(label) for label in row]
            unknown = {name for name in written if name is not None} - number.keys()
            if unknown:
                raise DataError(f"{id_}: label {min(unknown)!r} is not among {self.label_names}")
            per_base = np.array(
                [IGNORED if name is None else number[name] for name in written], dtype=np.int64
            )
            starts, lengths = self.tokenizer.token_spans(tokens)
            first = per_base[np.minimum(starts, len(per_base) - 1)]
            self.labels.append(np.where(lengths > 0, first, IGNORED))


def _read(
    path: str | Path, task: str, sequence_column: str | None, label_column: str | None
) -> Sequence[LabelledRecord | SequenceRecord]:
    if detect_format(path) == "fasta" or task == "language_modeling":
        return read_sequences(path, sequence_column=sequence_column)
    if task == "token_classification":
        raise DataError("labels per nucleotide cannot be read from a table", path=path)
    return read_labelled_table(
        path,
        sequence_column=sequence_column,
        label_column=label_column,
        numeric=task == "regression",
    )


def _columns(
    data: Sequence[Mapping[str, Any] | LabelledRecord | SequenceRecord],
) -> tuple[list[str], list[str], list[Any]]:
    """Names, letters and labels of records of any kind."""
    ids, sequences, raw = [], [], []
    for number, item in enumerate(data):
        if isinstance(item, SequenceRecord | LabelledRecord):
            id_, sequence, label = item.id, item.sequence, getattr(item, "label", None)
        else:
            if "sequence" not in item:
                raise DataError(
                    f"item {number} has no 'sequence'; it holds {', '.join(map(repr, item))}"
                )
            id_ = str(item.get("id", number))
            sequence, label = item["sequence"], item.get("labels", item.get("label"))
        if not isinstance(sequence, str) or not sequence:
            raise DataError(f"{id_}: the sequence must be text of at least one letter")
        ids.append(id_)
        sequences.append(sequence)
        raw.append(label.tolist() if isinstance(label, Tensor | np.ndarray | np.generic) else label)
    return ids, sequences, raw


def _is_missing(label: Any) -> bool:
    """True for None and for the nan that stands for an empty cell in a data frame."""
    return label is None or (isinstance(label, float) and math.isnan(label))
