"""Data of any kind opened: letters put into a store, labels taken out.

path ──▶ the letters stay in the file if they can be read at any place of it
list ──▶ the letters are packed in memory
source ──▶ nothing is read
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from hyena_glt.data.file_index import TextFinder
from hyena_glt.data.items import ItemMaker
from hyena_glt.data.stored_records import Record, StoredRecord, stored_record
from hyena_glt.data.stores import (
    FileStore,
    IndexedStore,
    MemoryStore,
    SequenceStore,
    SourceStore,
    has_block_index,
    is_plain_file,
)
from hyena_glt.errors import DataError
from hyena_glt.io.formats import detect_format, iter_labelled, iter_sequences
from hyena_glt.io.records import LabelledRecord, SequenceRecord

_T = TypeVar("_T")
_CHUNK = 1000  # sequences tokenised at once
# These write a sequence in one piece, so that its letters can be left in the file.
_IN_ONE_PIECE = ("table", "json", "jsonl", "fastq")
_WITHOUT_LABELS = ("fasta", "fastq", "genbank")


class Opened(NamedTuple):
    """Data that were opened.

    Attributes:
        store: Where the letters are.
        labels: The labels as they came; empty if there are none, or they stay in the source.
        token_counts: Tokens of each sequence before any is cut off, (n,), if the tokenizer has seen
            all letters; else None.
    """

    store: SequenceStore
    labels: list[Any]
    token_counts: NDArray[np.int64] | None = None


def open_data(
    data: Any, maker: ItemMaker, task: str, sequence_column: str | None, label_column: str | None
) -> Opened:
    """Open data of any kind.

    Args:
        data: As for ``GenomicDataset``.
        maker: Whose tokenizer checks the letters that are read.
        task: What the labels are for.
        sequence_column: Column or key of the sequences; None finds it.
        label_column: Column or key of the labels; None finds it.

    Raises:
        DataError: If the data break a rule.
    """
    if isinstance(data, str | Path):
        return _open_file(data, maker, task, sequence_column, label_column)
    if isinstance(data, list | tuple):
        return _read(_named(data, sequence_column, label_column), maker)
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise DataError(
            f"data of type {type(data).__name__} has no length; make a list of it, or use "
            "StreamingGenomicDataset"
        )
    return Opened(SourceStore(data, sequence_column, label_column), [])


def file_records(
    path: str | Path, task: str, sequence_column: str | None, label_column: str | None
) -> Iterator[SequenceRecord | LabelledRecord]:
    """Read a file, with labels if the task has some and the file may hold them.

    Args:
        path: A file of any format.
        task: What the labels are for.
        sequence_column: Column of the sequences; None finds it.
        label_column: Column of the labels; None finds it, but in headers it must be named.

    Raises:
        DataError: If the file breaks a rule.
    """
    kind = detect_format(path)
    if task == "language_modeling" or (kind in _WITHOUT_LABELS and label_column is None):
        return iter_sequences(path, sequence_column=sequence_column)
    if task == "token_classification" and kind == "table":
        raise DataError("labels per nucleotide cannot be read from a table", path=path)
    return iter_labelled(
        path,
        sequence_column=sequence_column,
        label_column=label_column,
        numeric=task == "regression",
    )


def source_label_names(source: Any, label_column: str | None) -> list[str] | None:
    """Names of classes that a source numbers itself, as a Hugging Face data set may do.

    Args:
        source: Any source of dictionaries.
        label_column: Key of the labels; None means ``labels`` or ``label``.
    """
    named = getattr(source, "label_names", None)
    if named is None:
        features = getattr(source, "features", None) or {}
        keys = [label_column] if label_column else ["labels", "label"]
        feature = next((features[key] for key in keys if key in features), None)
        named = getattr(getattr(feature, "feature", feature), "names", None)
    return None if named is None else list(map(str, named))


def chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Cut what is iterated over into lists of a thousand.

    Args:
        items: Anything.
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _open_file(
    path: str | Path,
    maker: ItemMaker,
    task: str,
    sequence_column: str | None,
    label_column: str | None,
) -> Opened:
    kind = detect_format(path)
    records = file_records(path, task, sequence_column, label_column)
    if kind == "fasta":
        store: SequenceStore | None = None
        if has_block_index(path):
            store = IndexedStore(path)
        elif is_plain_file(path):
            store = FileStore.of_fasta(path)
        if store is not None:
            labelled = task != "language_modeling" and label_column is not None
            return Opened(
                store, [getattr(one, "label", None) for one in records] if labelled else []
            )
    elif kind in _IN_ONE_PIECE and is_plain_file(path):
        opened = _read_in_place(path, _named(records), maker)
        if opened is not None:
            return opened
        records = file_records(path, task, sequence_column, label_column)
    return _read(_named(records), maker)


def _read(records: Iterable[tuple[str, StoredRecord]], maker: ItemMaker) -> Opened:
    """Put letters into memory and let the tokenizer see them."""
    store = MemoryStore()
    labels: list[Any] = []
    counts: list[int] = []
    for chunk in chunks(records):
        for id_, record in chunk:
            store.add(id_, record)
            labels.append(record.label)
        counts += maker.token_counts([record for _, record in chunk])
    return Opened(store, labels, np.array(counts, dtype=np.int64))


def _read_in_place(
    path: str | Path, records: Iterable[tuple[str, StoredRecord]], maker: ItemMaker
) -> Opened | None:
    """The same, but leave the letters in the file; None if they do not stand there as read."""
    store, finder = FileStore(path), TextFinder(path)
    labels: list[Any] = []
    counts: list[int] = []
    try:
        for chunk in chunks(records):
            for id_, record in chunk:
                start = finder.find(record.sequence.encode())
                if start is None:
                    return None
                store.add(id_, record, start)
                labels.append(record.label)
            counts += maker.token_counts([record for _, record in chunk])
    finally:
        finder.close()
    return Opened(store, labels, np.array(counts, dtype=np.int64))


def _named(
    data: Iterable[Record], sequence_column: str | None = None, label_column: str | None = None
) -> Iterator[tuple[str, StoredRecord]]:
    for number, item in enumerate(data):
        yield stored_record(item, number, sequence_column, label_column)
