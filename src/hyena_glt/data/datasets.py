"""Sequences with labels: what a loader draws from.

file, list or source -> store of letters -> tokens, when an item is asked for -> one dictionary
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from hyena_glt.data import labels as label_rules
from hyena_glt.data.augmentation import Augmentation
from hyena_glt.data.items import ItemMaker, without_cut_token
from hyena_glt.data.labels import TASKS, Task
from hyena_glt.data.opening import chunks, open_data, source_label_names
from hyena_glt.data.packing import PackedBytes, TextView
from hyena_glt.data.stored_records import Record, StoredRecord
from hyena_glt.data.stores import SizedSource, SourceStore
from hyena_glt.errors import AlphabetError, ConfigError, DataError

Source = str | Path | Sequence[Record] | SizedSource


class GenomicDataset(Dataset[dict[str, Any]]):
    """Sequences and their labels, by number; tokenised when an item is asked for.

    The letters of a plain FASTA, FASTQ, table or JSON file stay in the file and only their places
    are in memory; so do those of a bgzipped FASTA file with its indexes.  From other compressed
    files and from lists they are held at one byte each.

    Args:
        data: The path of a file of any format that :mod:`hyena_glt.io.formats` reads; a list of
            dictionaries with ``sequence`` and ``labels`` (or ``label``), perhaps ``id``,
            ``qualities`` (Phred, one number per letter) and ``modality``; a list of records; or
            anything else with a length that gives such dictionaries by number, as a ``Dataset`` of
            Hugging Face does.  The latter is read item by item; its classes are numbers already if
            it names them in ``label_names``.
        tokenizer: One of this package's tokenizers.
        max_length: Most tokens kept of a sequence, the rest is cut off with a warning; None keeps
            all.
        task: ``classification`` (one class per sequence), ``multi_label`` (0 or 1 per label),
            ``regression``, ``token_classification`` (one class per nucleotide, -100 where
            unknown) or ``language_modeling`` (no labels).
        label_names: Names of the classes, in the order of their numbers; None takes those of the
            data, sorted.
        sequence_column: Column or key of the sequences; None finds it.
        label_column: Column or key of the labels; None finds it.  For FASTA and FASTQ
            ``"description"`` or ``"word:2"``, see :func:`~hyena_glt.io.formats.iter_labelled`.
        modality: ``dna`` (if None), ``rna`` or ``protein`` for records that do not say which they
            are; of effect with a ``GenomicTokenizer``.
        augment: Changes each sequence when it is asked for, see
            :mod:`~hyena_glt.data.augmentation`; a function of seed, epoch and number.
        seed: Of the augmentation.

    Raises:
        ConfigError: If there is no such task, or an argument breaks its rule.
        DataError: If the data is empty, a sequence is empty or not text, or a label breaks a rule.

    Attributes:
        ids: Name of each sequence; behaves like a list.
        sequences: Letters of each sequence, as given; behaves like a list.
        labels: Numbers: (n,) classes, (n, t) of 0 and 1, values; for ``token_classification`` an
            array per sequence, one class per token; None without labels.

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
        modality: str | None = None,
        augment: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        if task not in TASKS:
            raise ConfigError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
        self.task: str = task
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.seed = seed
        # A tensor can be shared, so that workers that live on see the epoch change.
        self._epoch = torch.zeros((), dtype=torch.int64)
        if augment is not None:
            self._epoch.share_memory_()
        self._maker = ItemMaker(tokenizer, max_length, modality, augment)
        names = None if label_names is None else list(map(label_rules.class_name, label_names))
        self.label_names: list[str] = []
        self.labels: Any = None
        self._per_base: PackedBytes | None = None
        self._told = False

        opened = open_data(data, self._maker, task, sequence_column, label_column)
        self._store, raw, self._token_counts = opened
        self._checked = self._token_counts is not None
        if not len(self._store):
            raise DataError("there is no sequence in the data")
        self._rows = np.arange(len(self._store), dtype=np.int64)
        if isinstance(self._store, SourceStore) and task != "language_modeling":
            self._take_source_labels(self._store, names, label_column)
        elif task != "language_modeling" and any(label is not None for label in raw):
            self._number_labels(raw, names)
        self._tell_of_cuts(stacklevel=3)

    @property
    def ids(self) -> TextView:
        """Name of each sequence."""
        return TextView(self._store.id, self._rows)

    @property
    def sequences(self) -> TextView:
        """Letters of each sequence, as given."""
        return TextView(self._store.sequence, self._rows)

    @property
    def num_labels(self) -> int:
        """Outputs that a head needs for these labels."""
        if self.task in {"classification", "token_classification"}:
            return max(2, len(self.label_names))
        return 1 if self.labels is None or self.labels.ndim == 1 else int(self.labels.shape[1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each sequence, as far as they are kept."""
        if self._token_counts is None:
            self._token_counts = self._count_tokens()
            self._tell_of_cuts(stacklevel=3)
        return np.minimum(self._token_counts, self.max_length or np.iinfo(np.int64).max)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sequence: ``input_ids`` (l,) and, where known, ``labels``.

        There are ``quality_scores`` (l,) if the data have qualities, and ``modality_ids`` with a
        ``GenomicTokenizer``.
        """
        record = self._record(index)
        label = None
        if self.task != "token_classification" and self.labels is not None:
            label = self.labels[index]
        generator = None
        if self._maker.augment is not None:
            row = int(self._rows[index])
            generator = np.random.default_rng((self.seed, int(self._epoch), row))
        try:
            return self._maker.item(
                record,
                label=label,
                per_base=self._base_classes(index, record),
                generator=generator,
                quiet=self._checked,
            )
        except AlphabetError as error:
            raise AlphabetError(f"{self.ids[index]}: {error}") from None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, on which the augmentation depends.

        Args:
            epoch: From 0.
        """
        self._epoch.fill_(epoch)

    def in_epoch(self, epoch: int) -> "GenomicDataset":
        """The same data set as it is in one epoch, whatever :meth:`set_epoch` says elsewhere.

        Args:
            epoch: From 0.
        """
        other = self._copy()
        other._epoch = torch.tensor(epoch)
        return other

    def subset(self, indices: Sequence[int]) -> "GenomicDataset":
        """The same data set with some of its sequences.

        Args:
            indices: Which sequences, in which order.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        part = self._copy()
        part._rows = self._rows[chosen]
        if self._token_counts is not None:
            part._token_counts = self._token_counts[chosen]
        if isinstance(self.labels, TokenLabels):
            part.labels = TokenLabels(part)
        elif self.labels is not None:
            part.labels = self.labels[chosen]
        return part

    def augmented(self, augment: Augmentation | None) -> "GenomicDataset":
        """The same data set with another augmentation.

        Args:
            augment: Takes the place of the present one; None takes that away.
        """
        other = self._copy()
        if augment is not None:
            other._epoch = self._epoch.clone().share_memory_()
        other._maker = ItemMaker(self.tokenizer, self.max_length, self._maker.modality, augment)
        if isinstance(self.labels, TokenLabels):
            other.labels = TokenLabels(other)
        return other

    def _copy(self) -> "GenomicDataset":
        other = object.__new__(GenomicDataset)
        other.__dict__.update(self.__dict__)
        return other

    def _record(self, index: int) -> StoredRecord:
        record = self._store.record(int(self._rows[index]), self._maker.letters_wanted)
        return record._replace(sequence=without_cut_token(record.sequence))

    # --- how long the sequences are ---

    def _count_tokens(self) -> NDArray[np.int64]:
        letters = self._store.letter_counts() if self._maker.one_token_per_letter else None
        if letters is not None:
            return letters[self._rows] + self._maker.added_tokens
        counts: list[int] = []
        for chunk in chunks(range(len(self))):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # told of with the items
                counts += self._maker.token_counts([self._record(index) for index in chunk])
        return np.array(counts, dtype=np.int64)

    def _tell_of_cuts(self, stacklevel: int) -> None:
        """Warn once of sequences that are cut off, as soon as it is sure that there are any."""
        if self._told or self.max_length is None:
            return
        counts = self._token_counts
        if counts is None:
            letters = self._store.letter_counts()
            counts = None if letters is None else self._maker.fewest_tokens(letters[self._rows])
        if counts is None:
            return
        longer = int((counts > self.max_length).sum())
        if longer:
            self._told = True
            warnings.warn(
                f"{longer} of {len(self)} sequences are longer than max_length="
                f"{self.max_length} tokens and were cut off",
                stacklevel=stacklevel,
            )

    # --- labels ---

    def _number_labels(self, raw: list[Any], names: Sequence[str] | None) -> None:
        # To look names up in a source would read all of it again.
        ids = TextView(str, self._rows) if isinstance(self._store, SourceStore) else self.ids
        missing = next((i for i, label in enumerate(raw) if _is_missing(label)), None)
        if missing is not None:
            raise DataError(f"{ids[missing]}: no label, where others have one")
        if self.task == "token_classification":
            self._number_base_labels(raw, names)
            return
        raw = [_plain(label) for label in raw]
        if self.task == "classification":
            self.label_names = list(names or label_rules.class_names(raw))
            self.labels = label_rules.class_numbers(raw, self.label_names, ids)
        elif self.task == "multi_label":
            self.labels = label_rules.zeros_and_ones(raw, ids)
            count = self.labels.shape[1]
            self.label_names = list(names or (f"label_{i}" for i in range(count)))
            if len(self.label_names) != count:
                raise DataError(
                    f"{ids[0]}: {count} labels, where {len(self.label_names)} are named: "
                    f"{', '.join(map(repr, self.label_names))}"
                )
        else:
            self.labels = label_rules.values(raw, ids)

    def _number_base_labels(self, raw: list[Any], names: Sequence[str] | None) -> None:
        rows = [np.asarray(row) if isinstance(row, Tensor) else row for row in raw]
        self.label_names = list(names or label_rules.base_class_names(rows))
        self._per_base = PackedBytes()
        counts = self._store.letter_counts()
        assert counts is not None  # sources keep their labels
        for id_, row, count in zip(self.ids, rows, counts.tolist(), strict=True):
            numbers = label_rules.base_class_numbers(row, self.label_names, count, id_)
            self._per_base.append(numbers.tobytes())
        self.labels = TokenLabels(self)

    def _take_source_labels(
        self, store: SourceStore, names: list[str] | None, label_column: str | None
    ) -> None:
        """Labels of a source; classes that it names itself are numbers already."""
        own = source_label_names(store.source, label_column)
        if self.task == "token_classification":
            if own is None:
                raise DataError(
                    f"label_names: a {type(store.source).__name__} with labels per nucleotide must "
                    "name its classes in an attribute label_names"
                )
            if names is not None and names != own:
                raise DataError(f"label_names are {names}, those of the data {own}")
            self.label_names = own
            self.labels = TokenLabels(self)
            return
        raw = store.labels()
        if any(label is not None for label in raw):
            if own is not None and self.task == "classification":
                numbers = label_rules.class_numbers(
                    raw, [str(i) for i in range(len(own))], TextView(str, self._rows)
                )
                raw = [own[number] for number in numbers]
                names = names or own
            self._number_labels(raw, names)

    def _base_classes(self, index: int, record: StoredRecord) -> NDArray[np.integer[Any]] | None:
        """Class of each nucleotide, (letters,); None for other tasks and without labels."""
        if self.task != "token_classification" or self.labels is None:
            return None
        if self._per_base is not None:
            packed = self._per_base.get(int(self._rows[index]))
            return np.frombuffer(packed, dtype=np.int32)
        per_base = np.asarray(record.label)
        if len(per_base) != len(record.sequence):
            raise DataError(
                f"{self.ids[index]}: {len(per_base)} labels for {len(record.sequence)} nucleotides"
            )
        return per_base


class TokenLabels(Sequence[NDArray[np.int64]]):
    """One class per token of each sequence, worked out when it is asked for.

    Args:
        dataset: Where the sequences are.
    """

    def __init__(self, dataset: GenomicDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._dataset)

    def __getitem__(self, index: Any) -> Any:
        """Classes of one sequence, (tokens,); for a slice a list of such arrays."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        dataset = self._dataset
        record = dataset._record(index)
        per_base = dataset._base_classes(index, record)
        assert per_base is not None
        tokens = dataset._maker.tokens(record, quiet=True)[: dataset.max_length]
        return dataset._maker.token_labels(tokens, per_base)


def _plain(label: Any) -> Any:
    return label.tolist() if isinstance(label, Tensor | np.ndarray | np.generic) else label


def _is_missing(label: Any) -> bool:
    """True for None and for the nan that stands for an empty cell in a data frame."""
    return label is None or (isinstance(label, float) and math.isnan(label))
