"""Where the letters of a data set are kept: in memory at one byte each, or left in their file.

path ──▶ ``FileStore``: byte offsets in memory, letters read when they are asked for
list ──▶ ``MemoryStore``: all letters one after the other, one byte each
source ──▶ ``SourceStore``: whatever is indexed like a list and holds dictionaries

A store can be pickled and used after a fork: files are opened by the process that reads them.
"""

import os
from abc import ABC, abstractmethod
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hyena_glt.data.file_index import LINE_ENDS, scan_fasta
from hyena_glt.data.packing import PackedBytes
from hyena_glt.data.stored_records import StoredRecord, stored_record
from hyena_glt.errors import DataError
from hyena_glt.io.files import open_bytes
from hyena_glt.io.indexed_fasta import IndexedFasta


class SizedSource(Protocol):
    """Dictionaries by number: a Hugging Face ``Dataset``, or the windows of an annotation."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """One of them: ``sequence`` and perhaps ``labels``, ``id``, ``qualities``, ``modality``."""


class SequenceStore(ABC):
    """Sequences by number; the classes below differ in where the letters are."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of sequences."""

    @abstractmethod
    def id(self, index: int) -> str:
        """Name of a sequence.

        Args:
            index: Which.
        """

    @abstractmethod
    def record(self, index: int, limit: int | None = None) -> StoredRecord:
        """A sequence with what is known of it.

        Args:
            index: Which.
            limit: Most letters that are wanted, from its start; more may come.
        """

    @abstractmethod
    def letter_counts(self) -> NDArray[np.int64] | None:
        """Letters of each sequence, (n,); None if all would have to be read for it."""

    def sequence(self, index: int) -> str:
        """All letters of a sequence.

        Args:
            index: Which.
        """
        return self.record(index).sequence


class _ListedStore(SequenceStore):
    """Names, qualities and modalities in memory; where the letters are is for the classes below."""

    def __init__(self) -> None:
        self._ids = PackedBytes()
        self._counts = array("q")
        self._qualities = PackedBytes()
        self._modalities: dict[int, str] = {}

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._counts)

    def id(self, index: int) -> str:
        """Name of a sequence.

        Args:
            index: Which.
        """
        return self._ids.get(index).decode()

    def letter_counts(self) -> NDArray[np.int64]:
        """Letters of each sequence, (n,)."""
        return np.array(self._counts, dtype=np.int64)

    def record(self, index: int, limit: int | None = None) -> StoredRecord:
        """A sequence with what is known of it, but the label.

        Args:
            index: Which.
            limit: Most letters that are wanted, from its start.
        """
        qualities = self._qualities.get(index, limit) if len(self._qualities) else None
        return StoredRecord(self._letters(index, limit), qualities, self._modalities.get(index))

    @abstractmethod
    def _letters(self, index: int, limit: int | None) -> str: ...

    def _note(self, id_: str, record: StoredRecord) -> None:
        qualities = record.qualities
        if len(self) and (qualities is not None) != (len(self._qualities) > 0):
            known = "no qualities, where others have them"
            raise DataError(f"{id_}: {known if qualities is None else 'qualities, others none'}")
        if qualities is not None:
            self._qualities.append(qualities)
        if record.modality is not None:
            self._modalities[len(self)] = record.modality
        self._ids.append(id_.encode())
        self._counts.append(len(record.sequence))


class MemoryStore(_ListedStore):
    """All letters in memory, one byte each."""

    def __init__(self) -> None:
        super().__init__()
        self._data = PackedBytes()

    def add(self, id_: str, record: StoredRecord) -> None:
        """Add a sequence.

        Args:
            id_: Its name.
            record: What is known of it; the label is left aside.

        Raises:
            DataError: If only some of the sequences have qualities.
        """
        self._note(id_, record)
        # A sign of more than one byte is no letter of any alphabet either.
        self._data.append(record.sequence.encode("latin-1", "replace"))

    def _letters(self, index: int, limit: int | None) -> str:
        return self._data.get(index, limit).decode("latin-1")


class FileStore(_ListedStore):
    """Letters left in a plain file; where each sequence begins and ends is in memory.

    Args:
        path: The file, not compressed.

    Raises:
        DataError: When letters are read, if the file is no longer what it was.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        # A worker may run in another folder.
        self._path = Path(path).resolve()
        self._starts, self._ends = array("q"), array("q")
        self._stamp = _stamp(self._path.stat())
        self._descriptor: int | None = None

    @classmethod
    def of_fasta(cls, path: str | Path) -> "FileStore | None":
        """Index a FASTA file.

        Args:
            path: The file, not compressed.

        Returns:
            The store; None if anything in the file is unusual, see :func:`scan_fasta`.
        """
        store = cls(path)

        def add(name: bytes, start: int, end: int, letters: int) -> None:
            store._ids.append(name)
            store._starts.append(start)
            store._ends.append(end)
            store._counts.append(letters)

        with store._path.open("rb") as handle:
            return store if scan_fasta(handle, add) else None

    def add(self, id_: str, record: StoredRecord, start: int) -> None:
        """Add a sequence that stands in the file in one piece.

        Args:
            id_: Its name.
            record: What is known of it; the label is left aside.
            start: Its first byte in the file.

        Raises:
            DataError: If only some of the sequences have qualities.
        """
        self._note(id_, record)
        self._starts.append(start)
        self._ends.append(start + len(record.sequence))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind."""
        return {**self.__dict__, "_descriptor": None}

    def __del__(self) -> None:
        """Close the file."""
        descriptor = self.__dict__.get("_descriptor")
        if descriptor is not None:
            os.close(descriptor)

    def _letters(self, index: int, limit: int | None) -> str:
        start, end, count = self._starts[index], self._ends[index], self._counts[index]
        wanted = count if limit is None else min(limit, count)
        if end - start == count:
            return self._read(start, wanted).decode("ascii")
        letters = b""
        while len(letters) < wanted:
            # Lines of 60 letters, as most files have them, are read in one go.
            step = min(end - start, (wanted - len(letters)) * 62 // 60 + 80)
            letters += self._read(start, step).translate(None, delete=LINE_ENDS)
            start += step
        return letters[:wanted].decode("ascii")

    def _read(self, start: int, count: int) -> bytes:
        # pread has no position of its own, so processes may share the open file after a fork.
        parts = []
        while count:
            part = os.pread(self._open(), count, start)
            if not part:
                raise DataError("the file was cut since it was indexed", path=self._path)
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return b"".join(parts)

    def _open(self) -> int:
        if self._descriptor is None:
            try:
                descriptor = os.open(self._path, os.O_RDONLY)
            except OSError as error:
                raise DataError(f"cannot be read ({error.strerror})", path=self._path) from None
            self._descriptor = descriptor
            if _stamp(os.fstat(descriptor)) != self._stamp:
                raise DataError("the file was changed since it was indexed", path=self._path)
        return self._descriptor


class IndexedStore(SequenceStore):
    """Records of a bgzipped FASTA file with its index.

    Args:
        path: The file; ``.fai`` and ``.gzi`` lie beside it.
    """

    def __init__(self, path: str | Path) -> None:
        self._fasta = IndexedFasta(path)
        self._names = list(self._fasta.contigs)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._names)

    def id(self, index: int) -> str:
        """Name of a sequence.

        Args:
            index: Which.
        """
        return self._names[index]

    def record(self, index: int, limit: int | None = None) -> StoredRecord:
        """A sequence.

        Args:
            index: Which.
            limit: Most letters that are wanted, from its start.
        """
        name = self._names[index]
        length = self._fasta.contigs[name]
        end = length if limit is None else min(limit, length)
        return StoredRecord(self._fasta.fetch(name, 0, end))

    def letter_counts(self) -> NDArray[np.int64]:
        """Letters of each sequence, (n,)."""
        return np.array(list(self._fasta.contigs.values()), dtype=np.int64)


class SourceStore(SequenceStore):
    """Dictionaries that stay where they are.

    Args:
        source: Indexed by number.
        sequence_column: Key of the letters; None means ``sequence``.
        label_column: Key of the label; None means ``labels`` or ``label``.
    """

    def __init__(
        self,
        source: SizedSource,
        sequence_column: str | None = None,
        label_column: str | None = None,
    ) -> None:
        self.source = source
        self._columns = (sequence_column, label_column)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.source)

    def id(self, index: int) -> str:
        """Name of a sequence: its ``id``, or its number.

        Args:
            index: Which.
        """
        return stored_record(self.source[index], index, *self._columns)[0]

    def record(self, index: int, limit: int | None = None) -> StoredRecord:
        """A sequence with what is known of it, the label included.

        Args:
            index: Which.
            limit: Without effect.

        Raises:
            DataError: If there is no sequence.
        """
        return stored_record(self.source[index], index, *self._columns)[1]

    def labels(self) -> list[Any]:
        """The label of each sequence, as it came; None where there is none."""
        names = getattr(self.source, "column_names", None)
        if names is None:
            return [self.record(index).label for index in range(len(self))]
        # Columns of a Hugging Face data set are read without the letters beside them.
        wanted = [self._columns[1]] if self._columns[1] else ["labels", "label"]
        key = next((key for key in wanted if key in names), None)
        return [None] * len(self) if key is None else list(self.source[key])  # type: ignore[index]

    def letter_counts(self) -> NDArray[np.int64] | None:
        """Letters of each sequence, (n,): the source's ``lengths``; None if it has none."""
        lengths = getattr(self.source, "lengths", None)
        return None if lengths is None else np.asarray(lengths, dtype=np.int64)


def is_plain_file(path: str | Path) -> bool:
    """Whether letters can be read at any place of a file: it is no pipe, and not compressed.

    Args:
        path: The file.

    Raises:
        DataError: If it is missing, empty or cannot be read.
    """
    if str(path) == "-" or (Path(path).exists() and not Path(path).is_file()):
        return False
    with open_bytes(path):
        pass
    with Path(path).open("rb") as handle:
        return handle.read(2) != b"\x1f\x8b"


def has_block_index(path: str | Path) -> bool:
    """Whether a file is a bgzipped FASTA with the indexes that :class:`IndexedStore` needs.

    Args:
        path: The file.
    """
    return all(Path(f"{path}{ending}").is_file() for ending in ("", ".fai", ".gzi"))


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
