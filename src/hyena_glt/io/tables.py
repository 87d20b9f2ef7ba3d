"""Tables of sequences and labels (CSV, TSV), read with every row checked, and written.

The first row names the columns.  The standard library's reader pads short rows in silence, so the
width of each row is checked here.
"""

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

from hyena_glt.errors import DataError
from hyena_glt.io.columns import Header, Row, labelled_of, sequences_of
from hyena_glt.io.files import open_text, plain_suffix, write_text
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.rows import table_rows

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LONGEST_FIELD = 2**31 - 1  # letters; the module's own limit of 131,072 is below one gene


def read_labelled_table(
    path: str | Path,
    *,
    sequence_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    id_column: str | None = None,
    numeric: bool = False,
) -> list[LabelledRecord]:
    """Read sequences and their labels.

    Args:
        path: Table, plain or gzipped; commas, tabs or semicolons between the columns.
        sequence_column: Column of the sequences.  Without it the first of
            ``SEQUENCE_COLUMNS`` that is there, in any case.
        label_column: Column of the labels, or several columns (also as ``"a,b,c"``) for several
            labels per sequence.  Without it the first of ``LABEL_COLUMNS`` that is there.
        id_column: Column of the names.  Without it the first of ``ID_COLUMNS`` that is there, or
            else ``row_1``, ``row_2``, ... for the rows below the header.
        numeric: Labels are values to predict and not classes.

    Returns:
        One record per row; see :func:`~hyena_glt.io.columns.labelled_of`.

    Raises:
        DataError: If the file or a row breaks a rule; names the line, or the columns wanted and
            those that are there.
    """
    return list(
        labelled_of(
            iter_table(path),
            path,
            sequence_column=sequence_column,
            label_column=label_column,
            id_column=id_column,
            numeric=numeric,
        )
    )


def read_sequence_table(
    path: str | Path, *, sequence_column: str | None = None, id_column: str | None = None
) -> list[SequenceRecord]:
    """Read sequences from a table and leave any labels aside.

    Args:
        path: As for :func:`read_labelled_table`.
        sequence_column: As for :func:`read_labelled_table`.
        id_column: As for :func:`read_labelled_table`.

    Returns:
        One record per row.

    Raises:
        DataError: As for :func:`read_labelled_table`.
    """
    rows = iter_table(path)
    return list(sequences_of(rows, path, sequence_column=sequence_column, id_column=id_column))


def iter_table(path: str | Path) -> Generator[Row]:
    """Read a table row by row; blank lines are skipped.

    Args:
        path: Table, plain or gzipped; commas, tabs or semicolons between the columns; ``"-"`` is
            the standard input.

    Yields:
        The rows below the header, each as wide as the header.

    Raises:
        DataError: If the file is missing, damaged or no table, or a row is not as wide as the
            header.
    """
    header: Header | None = None
    number = 0
    with closing(_lines(path)) as lines:
        for line, fields in lines:
            if header is None:
                header = Header(tuple(name.strip() for name in fields), line)
                continue
            if len(fields) != len(header.names):
                raise DataError(
                    f"{len(header.names)} columns expected, as in the header, got {len(fields)}",
                    path=path,
                    line=line,
                )
            number += 1
            yield Row(header, fields, line, number)
    if header is None:
        raise DataError("the file holds no table: there is no header line", path=path)


def write_table(
    path: str | Path, records: Iterable[SequenceRecord] | Iterable[LabelledRecord]
) -> int:
    """Write records as a table that the readers above take.

    Columns are ``id``, ``sequence``, then ``description`` or ``label``, then ``quality`` (as
    Phred+33) and ``modality`` where the first record has them.  Several labels become columns
    ``label_1``, ``label_2``, ...

    Args:
        path: Where to; tabs between the columns if the name ends in ``.tsv`` or ``.tab``, else
            commas; gzipped if it ends in ``.gz``.
        records: What to write; labels of one kind.

    Returns:
        How many records were written.

    Raises:
        DataError: If a record breaks a rule.
        OutputError: If the file cannot be written there.
    """
    delimiter = _DELIMITERS.get(plain_suffix(path), ",")
    lines = 0
    with write_text(path) as handle:
        writer = csv.writer(handle, delimiter=delimiter, lineterminator="\n")
        for cells in table_rows(records):
            writer.writerow(cells)
            lines += 1
    return lines - 1  # the header is no record


def _lines(path: str | Path) -> Generator[tuple[int, list[str]]]:
    """Yield the lines that are not blank, split into fields."""
    with open_text(path) as text:
        top = [text.readline()]
        while top[-1] and not top[-1].strip():
            top.append(text.readline())
        reader = csv.reader(chain(top, text), delimiter=_delimiter(path, top[-1]), strict=True)
        try:
            while (fields := _next_line(reader)) is not None:
                if any(field.strip() for field in fields):
                    yield reader.line_num, fields
        except csv.Error as error:
            raise DataError(f"not a table: {error}", path=path, line=reader.line_num) from None


def _next_line(reader: Iterator[list[str]]) -> list[str] | None:
    """Allow fields as long as a chromosome, for this line only: all readers share the limit."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _delimiter(path: str | Path, header: str) -> str:
    by_name = _DELIMITERS.get(plain_suffix(path), ",")
    if by_name in header:
        return by_name
    return max((by_name, ",", "\t", ";"), key=header.count)
