"""Sequences read as they come, from files larger than memory, by several readers at once.

files -> records (-> windows) -> those of this reader -> shuffle buffer -> tokens

Readers are the workers of all ranks.  Each reads everything and keeps record i if i modulo the
number of readers is its own number, so every record is used once per epoch, whatever the files look
like.  Counting starts anew each epoch.  The order is a function of seed, epoch and the number of
readers.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import distributed
from torch.utils.data import IterableDataset, get_worker_info

from hyena_glt.data import labels as label_rules
from hyena_glt.data.augmentation import Augmentation
from hyena_glt.data.items import ItemMaker
from hyena_glt.data.labels import TASKS, Task
from hyena_glt.data.opening import file_records, source_label_names
from hyena_glt.data.stored_records import StoredRecord, stored_record
from hyena_glt.errors import ConfigError, DataError

StreamSource = str | Path | Sequence[str | Path] | Iterable[Any]
Numbered = tuple[int, str, StoredRecord]

_ROWS = 1000  # of a Hugging Face data set, read at once


class StreamingGenomicDataset(IterableDataset[dict[str, Any]]):
    """Tokenised sequences and their labels, one after the other; nothing is kept.

    Args:
        source: A file of any format, several files, a list of dictionaries or records, or anything
            that can be iterated over repeatedly and gives such, as an ``IterableDataset`` of
            Hugging Face does.  ``"-"`` is the standard input, which can be read only once.
        tokenizer: One of this package's tokenizers.
        max_length: Most tokens kept of a sequence or window, the rest is cut off with a warning;
            None keeps all.
        task: As for :class:`~hyena_glt.data.datasets.GenomicDataset`.
        label_names: Names of the classes, in the order of their numbers.  None finds them in a
            first pass over all labels, for tasks with classes.
        sequence_column: Column or key of the sequences; None finds it.
        label_column: Column or key of the labels; None finds it, but in FASTA and FASTQ headers it
            must be named.
        window: For language models: cut each record into windows of so many letters.  Windows
            count as records from then on.
        stride: Letters from the start of a window to that of the next; None means ``window``.
            The last window of a record may be shorter.
        shuffle_buffer: Records that each reader holds to draw the next one from; 0 keeps the order
            of the source.  With several files their order is shuffled as well.
        seed: With the epoch, decides the order and the augmentation.
        rank: Number of this process among those that train together; None asks
            ``torch.distributed``, when the data set is made.
        world_size: How many processes there are; None likewise.
        modality: As for ``GenomicDataset``.
        augment: As for ``GenomicDataset``.

    Raises:
        ConfigError: If an argument breaks its rule.
        DataError: If a file breaks a rule; what is read later is told of later.

    Attributes:
        label_names: Names of the classes; empty where there are none.
        epoch: The present one, from 0.

    Items are those of ``GenomicDataset``, and ``record_number`` in the epoch.

    Example:
        >>> from hyena_glt.tokenizers import DNATokenizer
        >>> tokenizer, data = DNATokenizer(kmer_size=1), [{"sequence": "ACGTA"}]
        >>> stream = StreamingGenomicDataset(data, tokenizer, task="language_modeling", window=3)
        >>> [item["input_ids"].tolist() for item in stream]
        [[8, 9, 10], [11, 8]]
    """

    def __init__(
        self,
        source: StreamSource,
        tokenizer: Any,
        max_length: int | None = 512,
        task: Task = "classification",
        *,
        label_names: Sequence[str] | None = None,
        sequence_column: str | None = None,
        label_column: str | None = None,
        window: int | None = None,
        stride: int | None = None,
        shuffle_buffer: int = 0,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        modality: str | None = None,
        augment: Augmentation | None = None,
    ) -> None:
        super().__init__()
        if task not in TASKS:
            raise ConfigError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
        if window is not None and task != "language_modeling":
            raise ConfigError(f"window is for language_modeling, not for {task}")
        for name, number in (("window", window), ("stride", stride)):
            if number is not None and number < 1:
                raise ConfigError(f"{name} must be at least 1 letter, got {number}")
        if stride is not None and (window is None or stride > window):
            raise ConfigError(f"stride must be at most window={window}, got {stride}")
        if shuffle_buffer < 0:
            raise ConfigError(f"shuffle_buffer must be at least 0 records, got {shuffle_buffer}")
        _check_source(source)
        together = distributed.is_available() and distributed.is_initialized()
        self.rank = rank if rank is not None else distributed.get_rank() if together else 0
        self.world_size = world_size or (distributed.get_world_size() if together else 1)
        if not 0 <= self.rank < self.world_size:
            raise ConfigError(f"rank must be 0 to {self.world_size - 1}, got {self.rank}")
        self.source = source
        self.task: str = task
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.shuffle_buffer = shuffle_buffer
        self.seed = seed
        self.epoch = 0
        self._columns = (sequence_column, label_column)
        self._window, self._stride = window, stride or window
        self._maker = ItemMaker(tokenizer, max_length, modality, augment)
        self._told = False
        self._items = 0  # given in this epoch, where this process reads itself
        self._start = (0, 1)  # batches to leave out, and their size
        self._turn = (0, 1)  # of this reader among the workers of its rank, and their number
        self._count = 0  # records in the epoch, known at its end
        self._own_names = source_label_names(source, label_column)
        self.label_names = self._names(label_names)
        self._number = {name: i for i, name in enumerate(self.label_names)}

    @property
    def num_labels(self) -> int:
        """Outputs that a head needs for these labels; reads the first record for some tasks."""
        if self.task in {"classification", "token_classification"}:
            return max(2, len(self.label_names))
        first = next((record.label for _, record in self._records()), None)
        return int(np.size(first)) if first is not None else 1

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next.

        Args:
            epoch: From 0.
        """
        if epoch != self.epoch:
            self.epoch, self._items, self._start = epoch, 0, (0, 1)

    def state_dict(self) -> dict[str, int]:
        """How far this process has read: epoch, and items given since its start.

        Workers read for themselves: with a ``DataLoader`` that has some, ask a
        :class:`~hyena_glt.data.streaming_loader.StreamingLoader` instead.
        """
        return {"epoch": self.epoch, "items": self._items}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on behind the item at which a state was taken, with the next iteration.

        What comes before is read again but not tokenised.

        Args:
            state: What :meth:`state_dict` gave, with the same settings and readers.
        """
        self.epoch = state["epoch"]
        self.start_behind(state["items"], 1)

    def start_behind(self, batches: int, batch_size: int) -> None:
        """Leave out the first batches of the next iteration.

        Args:
            batches: How many, over all workers of this process, which take turns.
            batch_size: Items in each.
        """
        self._start = (batches, batch_size)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the items of this reader."""
        worker = get_worker_info()
        workers = worker.num_workers if worker else 1
        (batches, size), self._start = self._start, (0, 1)
        # The worker whose turn is next has to be the first one of the new loader.
        turn = ((worker.id if worker else 0) + batches) % workers
        left_out = -(-(batches - turn) // workers) * size if batches > turn else 0
        # Ranks count fastest, so that the numbers of their records differ by one at most.
        self._turn = (turn, workers)
        reader, readers = turn * self.world_size + self.rank, workers * self.world_size
        own: Iterator[Numbered] = (one for one in self._numbered() if one[0] % readers == reader)
        if self.shuffle_buffer > 1:
            generator = np.random.default_rng((self.seed, self.epoch, reader))
            own = _shuffled(own, self.shuffle_buffer, generator)
        self._items = left_out
        for number, id_, record in islice(own, left_out, None):
            item = self._item(number, id_, record)
            self._items += 1
            yield item

    def ranks_at(self, place: int) -> int:
        """How many ranks have a record where this reader has, or would have, one.

        Known when this reader has come to the end of an epoch.

        Args:
            place: Among the records of this reader, from 0.
        """
        turn, workers = self._turn
        before = (place * workers + turn) * self.world_size
        return min(self.world_size, max(0, self._count - before))

    # --- reading ---

    def _records(self, epoch: int | None = None) -> Iterator[tuple[str, StoredRecord]]:
        """All records of the source; files in the order of an epoch if there is one."""
        number = -1
        for part in self._parts(epoch):
            for item in part:
                number += 1
                yield stored_record(item, number, *self._columns)

    def _parts(self, epoch: int | None) -> Iterator[Iterable[Any]]:
        files = _files(self.source)
        if files is None:
            yield _rows(self.source)
            return
        if epoch is not None and self.shuffle_buffer > 1:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(files))
            files = [files[at] for at in order]
        for path in files:
            yield file_records(path, self.task, *self._columns)

    def _numbered(self) -> Iterator[Numbered]:
        number = 0
        for id_, record in self._records(self.epoch):
            for piece in self._cut(record):
                yield number, id_, piece
                number += 1
        self._count = number

    def _cut(self, record: StoredRecord) -> Iterator[StoredRecord]:
        if self._window is None or self._stride is None:
            yield record
            return
        letters, qualities = record.sequence, record.qualities
        # No window lies within the one before it.
        last = max(0, len(letters) - self._window)
        for start in range(0, last + self._stride, self._stride):
            end = start + self._window
            yield record._replace(
                sequence=letters[start:end],
                qualities=None if qualities is None else qualities[start:end],
            )

    # --- labels and items ---

    def _names(self, given: Sequence[str] | None) -> list[str]:
        if given is not None:
            return list(map(label_rules.class_name, given))
        if self._own_names is not None:
            return self._own_names
        if self.task not in {"classification", "token_classification"}:
            return []
        if "-" in (_files(self.source) or []):
            raise ConfigError("label_names are needed where data come from the standard input")
        names: set[str] = set()
        for _, record in self._records():
            if record.label is None:
                continue
            rows = [record.label]
            per_base = self.task == "token_classification"
            names.update(
                label_rules.base_class_names(rows) if per_base else label_rules.class_names(rows)
            )
        return label_rules.class_names(sorted(names))

    def _item(self, number: int, id_: str, record: StoredRecord) -> dict[str, Any]:
        label: Any = None
        per_base = None
        if self.task == "token_classification" and record.label is not None:
            per_base = np.asarray(record.label)
            if self._own_names is None:
                per_base = label_rules.base_class_numbers(
                    record.label, self.label_names, len(record.sequence), id_
                )
            elif len(per_base) != len(record.sequence):
                raise DataError(
                    f"{id_}: {len(per_base)} labels for {len(record.sequence)} nucleotides"
                )
        elif self.task != "language_modeling" and record.label is not None:
            label = self._label(record.label, id_)
        generator = None
        if self._maker.augment is not None:
            generator = np.random.default_rng((self.seed, self.epoch, number))
        item = self._maker.item(record, label=label, per_base=per_base, generator=generator)
        if self._maker.has_cut and not self._told:
            self._told = True
            warnings.warn(
                f"sequences longer than max_length={self.max_length} tokens are cut off "
                f"(first: {id_})",
                stacklevel=2,
            )
        item["record_number"] = number
        return item

    def _label(self, raw: Any, id_: str) -> Any:
        if self.task == "regression":
            return label_rules.values([raw], [id_])[0]
        if self.task == "multi_label":
            row = label_rules.zeros_and_ones([raw], [id_])[0]
            if self.label_names and len(row) != len(self.label_names):
                raise DataError(
                    f"{id_}: {len(row)} labels, where {len(self.label_names)} are named: "
                    f"{', '.join(map(repr, self.label_names))}"
                )
            return row
        if self._own_names is not None:
            return int(raw)
        number = self._number.get(label_rules.class_name(raw))
        if number is None:  # this tells it in the usual words
            return label_rules.class_numbers([raw], self.label_names, [id_])[0]
        return number


def _check_source(source: Any) -> None:
    files = _files(source)
    if files is None:
        if iter(source) is source:
            raise DataError("the source can be read only once; give a list, a file or an iterable")
        return
    if not files:
        raise DataError("there is no sequence in the data")
    for path in files:
        if str(path) != "-" and not Path(path).exists():
            raise DataError("no such file", path=path)


def _files(source: Any) -> list[str | Path] | None:
    """The files of a source; None if it is not made of files."""
    if isinstance(source, str | Path):
        return [source]
    if isinstance(source, list | tuple) and all(isinstance(one, str | Path) for one in source):
        return list(source)
    return None


def _rows(source: Any) -> Iterator[Any]:
    # Iterated over plainly, a Hugging Face data set divides itself among the workers, and then
    # each worker would keep a part of its part.
    if not hasattr(source, "iter"):
        yield from source
        return
    for batch in source.iter(batch_size=_ROWS):
        names = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(names, values, strict=True))


def _shuffled(
    items: Iterator[Numbered], size: int, generator: np.random.Generator
) -> Iterator[Numbered]:
    """Draw each item from the next few."""
    held: list[Numbered] = []
    for item in items:
        if len(held) < size:
            held.append(item)
            continue
        at = int(generator.integers(size))
        yield held[at]
        held[at] = item
    for at in generator.permutation(len(held)).tolist():
        yield held[at]
