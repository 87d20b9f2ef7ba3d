"""Tables of sequences and labels (CSV, TSV), read with every row checked.

The first row names the columns.  The standard library's reader pads short rows in silence, so the
width of each row is checked here.
"""

import csv
import difflib
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from hyena_glt.errors import DataError
from hyena_glt.io.files import open_text
from hyena_glt.io.records import Label, LabelledRecord, SequenceRecord, strange_letter

SEQUENCE_COLUMNS = ("sequence", "seq", "dna_sequence", "dna", "text")
LABEL_COLUMNS = ("label", "labels", "class", "target", "y")
ID_COLUMNS = ("id", "seq_id", "sequence_id", "name")

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LONGEST_FIELD = 2**31 - 1  # letters; the module's own limit of 131,072 is below one gene


class _Row(NamedTuple):
    line: int
    fields: list[str]


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
        One record per row.  Labels are ``str`` (one column), ``float`` (one column, numeric), or a
        tuple of 0 and 1 (several columns), or of ``float`` (several columns, numeric).

    Raises:
        DataError: If the file or a row breaks a rule; names the line, or the columns wanted and
            those that are there.
    """
    records: list[LabelledRecord] = []
    with closing(_rows(path)) as rows:
        header = next(rows)
        find = _Finder(header, path)
        sequence_at = find.one("sequence", sequence_column, SEQUENCE_COLUMNS)
        labels_at = find.several("label", label_column, LABEL_COLUMNS)
        id_at = find.optional("id", id_column, ID_COLUMNS)
        names = [header.fields[at] for at in labels_at]
        for number, row in enumerate(rows, start=1):
            record = _sequence(row, number, sequence_at, id_at, path)
            texts = [row.fields[at].strip() for at in labels_at]
            label = _label(texts, names, numeric=numeric, path=path, line=row.line)
            records.append(LabelledRecord(record.id, record.sequence, label))
    if not records:
        raise DataError("there is no row below the header", path=path)
    return records


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
    with closing(_rows(path)) as rows:
        find = _Finder(next(rows), path)
        sequence_at = find.one("sequence", sequence_column, SEQUENCE_COLUMNS)
        id_at = find.optional("id", id_column, ID_COLUMNS)
        records = [
            _sequence(row, number, sequence_at, id_at, path)
            for number, row in enumerate(rows, start=1)
        ]
    if not records:
        raise DataError("there is no row below the header", path=path)
    return records


def _rows(path: str | Path) -> Generator[_Row]:
    """Yield the header and then the rows, none of them blank, all of one width."""
    with open_text(path) as text, _long_fields():
        top = [text.readline()]
        while top[-1] and not top[-1].strip():
            top.append(text.readline())
        reader = csv.reader(chain(top, text), delimiter=_delimiter(path, top[-1]), strict=True)
        header: list[str] | None = None
        try:
            for fields in reader:
                if not any(field.strip() for field in fields):
                    continue
                if header is None:
                    header = [name.strip() for name in fields]
                    yield _Row(reader.line_num, header)
                    continue
                if len(fields) != len(header):
                    raise DataError(
                        f"{len(header)} columns expected, as in the header, got {len(fields)}",
                        path=path,
                        line=reader.line_num,
                    )
                yield _Row(reader.line_num, fields)
        except csv.Error as error:
            raise DataError(f"not a table: {error}", path=path, line=reader.line_num) from None
    if header is None:
        raise DataError("the file holds no table: there is no header line", path=path)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Allow fields as long as a chromosome, and leave the module's setting as it was."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _delimiter(path: str | Path, header: str) -> str:
    suffix = Path(str(path).removesuffix(".gz")).suffix.lower()
    by_name = _DELIMITERS.get(suffix, ",")
    if by_name in header:
        return by_name
    return max((by_name, ",", "\t", ";"), key=header.count)


class _Finder:
    """Columns of one table, looked up by name."""

    def __init__(self, header: _Row, path: str | Path) -> None:
        self.header = header
        self.path = path

    def one(self, what: str, name: str | None, aliases: Sequence[str]) -> int:
        at = self.optional(what, name, aliases)
        if at is None:
            wanted = ", ".join(aliases)
            raise self._missing(f"no {what} column: none of {wanted} is there")
        return at

    def several(
        self, what: str, name: str | Sequence[str] | None, aliases: Sequence[str]
    ) -> list[int]:
        if name is None:
            return [self.one(what, None, aliases)]
        if isinstance(name, str):
            name = [name] if name in self.header.fields else name.split(",")
        return [self.one(what, part.strip(), aliases) for part in name]

    def optional(self, what: str, name: str | None, aliases: Sequence[str]) -> int | None:
        if name is not None:
            if name not in self.header.fields:
                close = difflib.get_close_matches(name, self.header.fields, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise self._missing(f"no {what} column {name!r}{hint}")
            return self._only(name)
        lower = [field.lower() for field in self.header.fields]
        for alias in aliases:
            if alias in lower:
                return self._only(self.header.fields[lower.index(alias)])
        return None

    def _only(self, name: str) -> int:
        if self.header.fields.count(name) > 1:
            raise DataError(
                f"the column {name!r} occurs twice", path=self.path, line=self.header.line
            )
        return self.header.fields.index(name)

    def _missing(self, message: str) -> DataError:
        there = ", ".join(self.header.fields)
        if len(there) > 200:
            there = there[:200] + "..."
        return DataError(
            f"{message}; columns of this table: {there}", path=self.path, line=self.header.line
        )


def _sequence(
    row: _Row, number: int, sequence_at: int, id_at: int | None, path: str | Path
) -> SequenceRecord:
    sequence = row.fields[sequence_at].strip()
    if not sequence:
        raise DataError("the sequence is empty", path=path, line=row.line)
    strange = strange_letter(sequence)
    if strange is not None:
        raise DataError(
            f"the sequence holds {strange!r}, which is no letter of any sequence",
            path=path,
            line=row.line,
        )
    id_ = f"row_{number}" if id_at is None else row.fields[id_at].strip()
    if not id_:
        raise DataError("the id is empty", path=path, line=row.line)
    return SequenceRecord(id_, sequence)


def _label(
    texts: Sequence[str], names: Sequence[str], *, numeric: bool, path: str | Path, line: int
) -> Label:
    for text, name in zip(texts, names, strict=True):
        if not text:
            raise DataError(f"the label in column {name!r} is empty", path=path, line=line)
    if numeric:
        values = tuple(_number(text, path, line) for text in texts)
        return values[0] if len(values) == 1 else values
    if len(texts) == 1:
        return texts[0]
    for text, name in zip(texts, names, strict=True):
        if text not in ("0", "1"):
            raise DataError(
                f"the label in column {name!r} is {text!r}; with several label columns each is "
                "0 or 1",
                path=path,
                line=line,
            )
    return tuple(int(text) for text in texts)


def _number(text: str, path: str | Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"the label {text!r} is no number, and a value is to be predicted", path=path, line=line
        )
    return value
