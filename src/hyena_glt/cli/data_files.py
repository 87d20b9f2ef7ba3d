"""Files of any format for the ``data`` commands: records, and all columns where there are any."""

import csv
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.columns import (
    DESCRIPTION_COLUMNS,
    ID_COLUMNS,
    LABEL_COLUMNS,
    MODALITY_COLUMNS,
    QUALITY_COLUMNS,
    SEQUENCE_COLUMNS,
    Row,
    labelled_of,
    sequences_of,
)
from hyena_glt.io.files import PACKED_SUFFIXES, plain_suffix, write_text
from hyena_glt.io.formats import (
    detect_format,
    iter_labelled,
    iter_sequences,
    write_labelled,
    write_sequences,
    written_format,
)
from hyena_glt.io.json_files import iter_json, iter_jsonl
from hyena_glt.io.parquet import iter_parquet
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.tables import iter_table

Record = SequenceRecord | LabelledRecord

_ROWS = {"table": iter_table, "json": iter_json, "jsonl": iter_jsonl, "parquet": iter_parquet}
_NUMBERED_LABEL = re.compile(r"label_\d+")
_SUFFIXES = {  # for input whose name does not say its format
    "fasta": ".fa", "fastq": ".fastq", "table": ".csv", "json": ".json", "jsonl": ".jsonl",
    "parquet": ".parquet",
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; None finds them by their usual names.

    Attributes:
        sequence: Column of the sequences.
        label: Column of the labels, several by comma; for FASTA and FASTQ a part of the header.
        id: Column of the names.
        numeric: Labels are values, not classes.
    """

    sequence: str | None = None
    label: str | None = None
    id: str | None = None
    numeric: bool = False


@dataclass(frozen=True)
class Reading:
    """A file being read.

    Attributes:
        format: As :func:`~hyena_glt.io.formats.detect_format` says.
        records: Its records; can be gone through once.
        rows: The rows of a table, JSON or Parquet file, filled as the records are read; None for
            other formats, and where they are not kept.
        labelled: Whether the records have labels.
        left: Names of the columns, or of what else of the file, the records do not carry.
    """

    format: str
    records: Iterator[Record]
    rows: list[Row] | None
    labelled: bool
    left: list[str]


def open_records(path: Path, columns: Columns, *, keep_rows: bool = False) -> Reading:
    """Begin to read a file of sequences, with labels where it has any.

    Args:
        path: The file; ``-`` is the standard input.
        columns: Which columns hold what.
        keep_rows: Keep the rows of tables, so that they can be written again with all columns, and
            whole headers instead of labels.

    Returns:
        The records, read one at a time.

    Raises:
        DataError: If the file cannot be read; faults further down come up while reading.
    """
    format_ = detect_format(path)
    if format_ not in _ROWS:
        left = ["features"] if format_ == "genbank" else []
        if columns.label is None or keep_rows:
            return Reading(format_, iter(iter_sequences(path)), None, False, left)
        labelled = iter_labelled(path, label_column=columns.label, numeric=columns.numeric)
        if columns.label != "description":  # of the header only the name and the label are carried
            left.append("rest of the headers")
        return Reading(format_, iter(labelled), None, True, left)
    source = iter(_ROWS[format_](path))
    first = next(source, None)
    if first is None:
        raise DataError("there is no row below the header", path=path)
    labels = _label_columns(first.header.names, columns.label)
    kept: list[Row] | None = [] if keep_rows else None
    rows = chain([first], source) if kept is None else _keeping(chain([first], source), kept)
    records: Iterator[Record]
    if labels:
        records = labelled_of(
            rows,
            path,
            sequence_column=columns.sequence,
            label_column=columns.label,
            id_column=columns.id,
            numeric=columns.numeric,
        )
    else:
        records = sequences_of(rows, path, sequence_column=columns.sequence, id_column=columns.id)
    left = _not_carried(first.header.names, columns, labels)
    return Reading(format_, records, kept, bool(labels), left)


def read_records(path: Path, columns: Columns) -> list[Record]:
    """Read a whole file of sequences, with labels where it has any.

    Args:
        path: The file; ``-`` is the standard input.
        columns: Which columns hold what.

    Returns:
        Its records, at least one.

    Raises:
        DataError: If the file cannot be read.
    """
    return list(open_records(path, columns).records)


def output_suffix(wanted: str | None, source: Path, format_: str) -> str:
    """Choose the ending of a file to write.

    Args:
        wanted: What the user says, with or without a dot; None writes like the input.
        source: The input.
        format_: Its format.

    Returns:
        For example ``.fa.gz``.

    Raises:
        OutputError: If the ending is that of no format that can be written.
    """
    if wanted is not None:
        suffix = "." + wanted.strip().removeprefix(".").lower()
        written_format(f"result{suffix}")
        return suffix
    name = source.name.lower()
    packed = ".gz" if name.endswith(PACKED_SUFFIXES) and format_ != "parquet" else ""
    own = plain_suffix(source)
    # A name without an ending, or with one that says nothing: the format was seen in the file.
    if not own or (format_ != "genbank" and not _is_written(own)):
        own = _SUFFIXES.get(format_, f".{format_}")
    written_format(f"result{own}")
    return own + packed


def write_records(path: Path, records: Iterable[Record], *, labelled: bool) -> int:
    """Write records by the ending of the name.

    Args:
        path: Where to.
        records: What to write.
        labelled: Whether they have labels.

    Returns:
        How many there were.

    Raises:
        DataError: If a record breaks a rule of the format.
        OutputError: If the file cannot be written.
    """
    if labelled:
        return write_labelled(path, records)  # type: ignore[arg-type]
    return write_sequences(path, records)  # type: ignore[arg-type]


def header_part(record: SequenceRecord, column: str, path: Path) -> str:
    """Take a label or a group from a header.

    Args:
        record: The record.
        column: ``description`` for all behind the name, ``word:2`` for the second word.
        path: Its file, for messages.

    Returns:
        What stands there.

    Raises:
        ConfigError: If the column is neither.
        DataError: If nothing stands there.
    """
    word = re.fullmatch(r"word:([1-9][0-9]*)", column)
    if word is None and column != "description":
        raise ConfigError(
            f"{path} has headers and no columns: name description or word:2, got {column!r}"
        )
    words = [record.id, *record.description.split()]
    text = record.description if word is None else "".join(words[int(word[1]) - 1 : int(word[1])])
    if not text:
        raise DataError(f"the header of {record.id!r} has no {column}", path=path)
    return text


def write_rows(path: Path, rows: Sequence[Row], source: Path, format_: str) -> None:
    """Write rows of a table, JSON or Parquet file again, with all their columns.

    Args:
        path: Where to; of the format of the source.
        rows: What to write.
        source: Where they come from.
        format_: Its format.
    """
    if format_ == "parquet":
        import pyarrow.parquet as pq

        whole = pq.read_table(source)
        with atomic_write(path) as unfinished:
            pq.write_table(whole.take([row.number - 1 for row in rows]), unfinished)
        return
    with write_text(path) as handle:
        if format_ == "table":
            delimiter = "," if plain_suffix(path) == ".csv" else "\t"
            writer = csv.writer(handle, delimiter=delimiter, lineterminator="\n")
            writer.writerows(chain([rows[0].header.names], (row.cells for row in rows)))
            return
        objects = (
            json.dumps(dict(zip(row.header.names, row.cells, strict=True)), ensure_ascii=False)
            for row in rows
        )
        if format_ == "jsonl":
            handle.writelines(f"{one}\n" for one in objects)
        else:
            handle.write("[\n" + ",\n".join(objects) + "\n]\n")


@contextmanager
def destination(output: Path, suffix: str) -> Iterator[Path]:
    """Say where to write; what is meant for the terminal gets there when it is complete.

    Args:
        output: The file; ``-`` is the terminal.
        suffix: Ending of the format, for the terminal.

    Yields:
        The path to write to.
    """
    if str(output) != "-":
        yield output
        return
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder) / f"result{suffix}"
        yield unfinished
        with unfinished.open("rb") as handle:
            shutil.copyfileobj(handle, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def counted(count: int, noun: str) -> str:
    """Write a number with its noun.

    Args:
        count: How many.
        noun: Of what, in the singular.
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _is_written(suffix: str) -> bool:
    try:
        written_format(f"result{suffix}")
    except OutputError:
        return False
    return True


def _keeping(rows: Iterable[Row], kept: list[Row]) -> Iterator[Row]:
    for row in rows:
        kept.append(row)
        yield row


def _label_columns(names: Sequence[str], wanted: str | None) -> list[str]:
    """The columns that hold labels; wrong names are for the readers to refuse."""
    if wanted is not None:
        return [wanted] if wanted in names else [part.strip() for part in wanted.split(",")]
    usual = _first(names, LABEL_COLUMNS)
    return usual or [name for name in names if _NUMBERED_LABEL.fullmatch(name)]


def _first(names: Sequence[str], aliases: Sequence[str]) -> list[str]:
    lower = [name.lower() for name in names]
    return next(([names[lower.index(alias)]] for alias in aliases if alias in lower), [])


def _not_carried(names: Sequence[str], columns: Columns, labels: Sequence[str]) -> list[str]:
    used = {
        *([columns.sequence] if columns.sequence else _first(names, SEQUENCE_COLUMNS)),
        *([columns.id] if columns.id else _first(names, ID_COLUMNS)),
        *_first(names, QUALITY_COLUMNS),
        *labels,
        *_first(names, MODALITY_COLUMNS if labels else DESCRIPTION_COLUMNS),
    }
    return [name for name in names if name not in used]
