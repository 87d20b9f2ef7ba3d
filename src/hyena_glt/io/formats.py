"""Sequence files of any format, told apart by name or by how they begin.

========  ==========================================  =======================================
format    endings (each also with .gz, .bgz, .bgzf)   otherwise told by
========  ==========================================  =======================================
fasta     .fa .fasta .fna .ffn .faa .frn .fas         ``>``
fastq     .fastq .fq                                  ``@``
table     .csv .tsv .tab                              (nothing else)
json      .json                                       ``[``, or ``{`` over several lines
jsonl     .jsonl .ndjson                              ``{`` with a whole object in the first line
parquet   .parquet .pq                                ``PAR1``
genbank   .gb .gbk .gbff .genbank                     ``LOCUS``
========  ==========================================  =======================================
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from hyena_glt.errors import DataError, OutputError
from hyena_glt.io.columns import Row, finite_number, labelled_of, sequences_of
from hyena_glt.io.fasta import header_line, iter_fasta, write_fasta
from hyena_glt.io.fastq import iter_fastq, write_fastq
from hyena_glt.io.files import plain_suffix, read_head, refuse_no_text
from hyena_glt.io.genbank import GENBANK_SUFFIXES, iter_genbank
from hyena_glt.io.json_files import iter_json, iter_jsonl, write_json, write_jsonl
from hyena_glt.io.parquet import iter_parquet, write_parquet
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.tables import iter_table, write_table

Format = Literal["fasta", "fastq", "table", "json", "jsonl", "parquet", "genbank"]

_SUFFIXES: dict[Format, tuple[str, ...]] = {
    "fasta": (".fa", ".fasta", ".fna", ".ffn", ".faa", ".frn", ".fas"),
    "fastq": (".fastq", ".fq"),
    "table": (".csv", ".tsv", ".tab"),
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
    "parquet": (".parquet", ".pq"),
    "genbank": GENBANK_SUFFIXES,
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}
_ROWS: dict[Format, Callable[[str | Path], Iterator[Row]]] = {
    "table": iter_table,
    "json": iter_json,
    "jsonl": iter_jsonl,
    "parquet": iter_parquet,
}
_WRITERS: dict[Format, Callable[[str | Path, Iterable[SequenceRecord]], int]] = {
    "fasta": write_fasta,
    "fastq": write_fastq,
    "table": write_table,
    "json": write_json,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}
_BY_START: dict[bytes, Format] = {
    b">": "fasta",
    b"@": "fastq",
    b"[": "json",
    b"LOCUS ": "genbank",
    b"PAR1": "parquet",
}
_LIST_OF_OBJECTS = re.compile(rb"\[\s*\{")
_WORD = re.compile(r"word:([1-9]\d*)")


def detect_format(path: str | Path) -> Format:
    """Tell the format of a sequence file.

    Args:
        path: The file, plain or gzipped; ``"-"`` is the standard input, from which nothing is
            taken.

    Returns:
        What the ending of the name says; for other endings what the beginning of the file says,
        ``"table"`` if nothing else.

    Raises:
        DataError: If the file must be opened for it and cannot be read, or is no text.
    """
    suffix = plain_suffix(path)
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    head = read_head(path)
    for start, kind in _BY_START.items():
        if head.startswith(start):
            return kind
    if head.startswith(b"{"):
        return "jsonl" if _is_json_line(head) else "json"
    if b"\0" in head:
        refuse_no_text(head, path)
        raise DataError("this is no text file: it holds the byte 0x00", path=path)
    return "table"


def iter_sequences(
    path: str | Path,
    *,
    sequence_column: str | None = None,
    id_column: str | None = None,
    unique_ids: bool = False,
) -> Iterator[SequenceRecord]:
    """Read the sequences of a file of any format; labels are left aside.

    Args:
        path: The file, plain or gzipped; ``"-"`` is the standard input.
        sequence_column: For formats with columns, see
            :func:`~hyena_glt.io.columns.sequences_of`.
        id_column: For formats with columns, likewise.
        unique_ids: Refuse a name that occurs twice.  Costs memory for all names.

    Yields:
        All records in the order of the file; at least one, none of them without letters.

    Raises:
        DataError: If the file cannot be read or breaks a rule.
    """
    kind = detect_format(path)
    records: Iterator[SequenceRecord]
    if kind == "fasta":
        return iter_fasta(path, unique_ids=unique_ids)  # which knows the line as well
    if kind == "fastq":
        records = iter_fastq(path, allow_empty=False)
    elif kind == "genbank":
        found = iter_genbank(path)
        records = (SequenceRecord(one.id, one.sequence, one.description) for one in found)
    else:
        rows = _ROWS[kind](path)
        records = sequences_of(rows, path, sequence_column=sequence_column, id_column=id_column)
    return _unique(records, path) if unique_ids else records


def read_sequences(
    path: str | Path, *, sequence_column: str | None = None, id_column: str | None = None
) -> list[SequenceRecord]:
    """Read the sequences of a whole file; see :func:`iter_sequences`.

    Args:
        path: The file, plain or gzipped; ``"-"`` is the standard input.
        sequence_column: For formats with columns.
        id_column: For formats with columns.

    Returns:
        All records in the order of the file; at least one.

    Raises:
        DataError: If the file cannot be read or breaks a rule.
    """
    return list(iter_sequences(path, sequence_column=sequence_column, id_column=id_column))


def iter_labelled(
    path: str | Path,
    *,
    sequence_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    id_column: str | None = None,
    numeric: bool = False,
) -> Iterator[LabelledRecord]:
    """Read the sequences of a file and their labels.

    Args:
        path: The file, plain or gzipped; ``"-"`` is the standard input.
        sequence_column: For formats with columns, see :func:`~hyena_glt.io.columns.labelled_of`.
        label_column: For formats with columns, likewise.  In FASTA and FASTQ the label stands in
            the header: ``"description"`` is all of it behind the name, ``"word:2"`` its second
            word, where the name is the first.
        id_column: For formats with columns, likewise.
        numeric: Labels are values to predict and not classes.

    Yields:
        All records in the order of the file; at least one.

    Raises:
        DataError: If the file cannot be read or breaks a rule, or has no labels.
    """
    kind = detect_format(path)
    if kind in _ROWS:
        return labelled_of(
            _ROWS[kind](path),
            path,
            sequence_column=sequence_column,
            label_column=label_column,
            id_column=id_column,
            numeric=numeric,
        )
    if kind == "genbank":
        raise DataError("a GenBank file has features, but no label per sequence", path=path)
    return _labelled_by_header(path, kind, label_column, numeric=numeric)


def read_labelled(
    path: str | Path,
    *,
    sequence_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    id_column: str | None = None,
    numeric: bool = False,
) -> list[LabelledRecord]:
    """Read the sequences of a whole file and their labels; see :func:`iter_labelled`.

    Args:
        path: The file, plain or gzipped; ``"-"`` is the standard input.
        sequence_column: As for :func:`iter_labelled`.
        label_column: As for :func:`iter_labelled`.
        id_column: As for :func:`iter_labelled`.
        numeric: As for :func:`iter_labelled`.

    Returns:
        All records in the order of the file; at least one.

    Raises:
        DataError: As :func:`iter_labelled` does.
    """
    return list(
        iter_labelled(
            path,
            sequence_column=sequence_column,
            label_column=label_column,
            id_column=id_column,
            numeric=numeric,
        )
    )


def write_sequences(path: str | Path, records: Iterable[SequenceRecord]) -> int:
    """Write sequences in the format that the ending of the name says, whole or not at all.

    Args:
        path: Where to; ``.gz`` behind the ending packs all but Parquet, which packs itself.
        records: What to write.

    Returns:
        How many records were written.

    Raises:
        DataError: If a record cannot be written in this format.
        OutputError: If the ending is that of no format that can be written, or the file cannot be
            written there.
    """
    return _WRITERS[written_format(path)](path, records)


def write_labelled(path: str | Path, records: Iterable[LabelledRecord]) -> int:
    """Write labelled sequences in the format that the ending of the name says.

    FASTA and FASTQ take the label as the description in the header, where
    ``label_column="description"`` finds it again; a modality is lost there.

    Args:
        path: As for :func:`write_sequences`.
        records: What to write; labels of one kind.

    Returns:
        How many records were written.

    Raises:
        DataError: If a record cannot be written in this format.
        OutputError: As :func:`write_sequences` does.
    """
    kind = written_format(path)
    if kind in {"fasta", "fastq"}:
        return _WRITERS[kind](path, map(_with_label_in_header, records))
    if kind == "json":
        return write_json(path, records)
    if kind == "jsonl":
        return write_jsonl(path, records)
    return write_parquet(path, records) if kind == "parquet" else write_table(path, records)


def _is_json_line(head: bytes) -> bool:
    """Whether the first line is a record of JSON Lines, and not the start, or all, of JSON."""
    line, end, rest = head.partition(b"\n")
    try:
        value = json.loads(line)
    except ValueError:  # a value over several lines, or a line longer than the head
        return not end and _LIST_OF_OBJECTS.search(line) is None
    return bool(rest.strip()) or not any(
        isinstance(one, list) and one and isinstance(one[0], dict) for one in value.values()
    )


def _unique(records: Iterator[SequenceRecord], path: str | Path) -> Iterator[SequenceRecord]:
    seen: set[str] = set()
    for number, record in enumerate(records, start=1):
        if record.id in seen:
            raise DataError(f"record {number}: the name {record.id!r} occurs twice", path=path)
        seen.add(record.id)
        yield record


def _labelled_by_header(
    path: str | Path, kind: Format, label_column: str | Sequence[str] | None, *, numeric: bool
) -> Iterator[LabelledRecord]:
    word = 1 if label_column == "description" else None
    if isinstance(label_column, str) and (match := _WORD.fullmatch(label_column)):
        word = int(match[1])
    if word is None:
        raise DataError(
            f"the labels of a {kind.upper()} file stand in its headers: label_column must be "
            f"'description' or 'word:2' (the name is word 1), got {label_column!r}",
            path=path,
        )
    records = iter_fasta(path) if kind == "fasta" else iter_fastq(path, allow_empty=False)
    for number, record in enumerate(records):
        words = [record.id, *record.description.split()]
        text = "".join(words[word - 1 : word])
        if label_column == "description":
            text = record.description
        fault = None if text else f"the header has no {label_column!r} to take as the label"
        value = math.nan
        if numeric and text:
            value = finite_number(text)
            if math.isnan(value):
                fault = f"the label {text!r} is no number, and a value is to be predicted"
        if fault is not None:
            line = header_line(path, number) if kind == "fasta" else None
            raise DataError(f"record {record.id!r}: {fault}", path=path, line=line)
        label = value if numeric else text
        yield LabelledRecord(record.id, record.sequence, label, record.qualities)


def written_format(path: str | Path) -> Format:
    """Tell in which format a file will be written.

    Args:
        path: Its name; it need not exist.

    Returns:
        What the ending says.

    Raises:
        OutputError: If the ending is that of no format that can be written.
    """
    kind = _BY_SUFFIX.get(plain_suffix(path))
    name = str(path).lower()
    if kind is None or kind == "genbank":
        endings = ", ".join(
            suffix for one, suffixes in _SUFFIXES.items() if one in _WRITERS for suffix in suffixes
        )
        raise OutputError(f"{path}: the ending must say the format to write: {endings}")
    if name.endswith((".bgz", ".bgzf")) or (kind == "parquet" and name.endswith(".gz")):
        packed = Path(name).suffix
        raise OutputError(f"{path}: {kind} cannot be written packed as {packed}")
    return kind


def _with_label_in_header(record: LabelledRecord) -> SequenceRecord:
    if isinstance(record.label, tuple):
        raise DataError(f"{record.id!r} has several labels, and a header takes one")
    return SequenceRecord(
        record.id, record.sequence, str(record.label), record.qualities, record.modality
    )
