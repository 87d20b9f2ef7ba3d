"""Rows of named columns, from whichever file, made into records, and records made into rows.

Tables, JSON, JSON Lines and Parquet differ in how a row is found; what its columns mean is the same
for all and stands here.  The columns are found by name, in any case.
"""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hyena_glt.errors import DataError
from hyena_glt.io.phred import HIGHEST_SCORE, from_text
from hyena_glt.io.records import Label, LabelledRecord, SequenceRecord, strange_letter

SEQUENCE_COLUMNS = ("sequence", "seq", "dna_sequence", "dna", "text")
LABEL_COLUMNS = ("label", "labels", "class", "target", "y")
ID_COLUMNS = ("id", "seq_id", "sequence_id", "name")
DESCRIPTION_COLUMNS = ("description",)
QUALITY_COLUMNS = ("quality", "qualities")
MODALITY_COLUMNS = ("modality", "molecule")
MODALITIES = ("dna", "rna", "protein")

_NUMBERED_LABEL = re.compile(r"label_\d+")


class Header(NamedTuple):
    """The columns of a file, or of one of its rows.

    Attributes:
        names: Names of the columns.
        line: Line that names them, 1-based; None where each row names its own.
    """

    names: tuple[str, ...]
    line: int | None = None


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        header: The columns; the same object for all rows with the same ones.
        cells: What stands in them; None where nothing does.
        line: Line in the file, 1-based; None for files without lines.
        number: Which row, 1-based, the header not counted.
    """

    header: Header
    cells: Sequence[object]
    line: int | None
    number: int


def sequences_of(
    rows: Iterable[Row],
    path: str | Path,
    *,
    sequence_column: str | None = None,
    id_column: str | None = None,
) -> Iterator[SequenceRecord]:
    """Make records of rows and leave any labels aside.

    Args:
        rows: The rows of a file.
        path: The file, for messages.
        sequence_column: Column of the sequences.  Without it the first of
            ``SEQUENCE_COLUMNS`` that is there.
        id_column: Column of the names.  Without it the first of ``ID_COLUMNS`` that is there, or
            else ``row_1``, ``row_2``, ...

    Yields:
        One record per row.

    Raises:
        DataError: If a column is missing or a row breaks a rule.
    """
    layout: _Layout | None = None
    for row in rows:
        if layout is None or layout.header is not row.header:
            layout = _Layout.of(row, path, sequence_column, id_column)
        record = _sequence(row, layout, path)
        described = layout.description
        cell = None if described is None else row.cells[described]
        description = "" if cell is None else cell if isinstance(cell, str) else str(cell)
        modality = None if layout.modality is None else _modality(row, layout.modality, path)
        yield SequenceRecord(record.id, record.sequence, description, record.qualities, modality)
    if layout is None:
        raise DataError("there is no row below the header", path=path)


def labelled_of(
    rows: Iterable[Row],
    path: str | Path,
    *,
    sequence_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    id_column: str | None = None,
    numeric: bool = False,
) -> Iterator[LabelledRecord]:
    """Make labelled records of rows.

    Args:
        rows: The rows of a file.
        path: The file, for messages.
        sequence_column: As for :func:`sequences_of`.
        label_column: Column of the labels, or several columns (also as ``"a,b,c"``) for several
            labels per sequence.  Without it the first of ``LABEL_COLUMNS`` that is there, or
            ``label_1``, ``label_2``, ...
        id_column: As for :func:`sequences_of`.
        numeric: Labels are values to predict and not classes.

    Yields:
        One record per row.  Labels are ``str`` (one column), ``float`` (one column, numeric), or a
        tuple of 0 and 1 (several columns), or of ``float`` (several columns, numeric); a list in
        one column gives a tuple of its numbers.

    Raises:
        DataError: If a column is missing or a row breaks a rule.
    """
    layout: _Layout | None = None
    labels: list[int] = []
    for row in rows:
        if layout is None or layout.header is not row.header:
            layout = _Layout.of(row, path, sequence_column, id_column)
            labels = _Finder(row, path).labels(label_column)
        record = _sequence(row, layout, path)
        label = _label(row, labels, path, numeric=numeric)
        yield LabelledRecord(record.id, record.sequence, label, record.qualities, record.modality)
    if layout is None:
        raise DataError("there is no row below the header", path=path)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the columns of a row are."""

    header: Header
    sequence: int
    id: int | None
    description: int | None
    qualities: int | None
    modality: int | None

    @classmethod
    def of(
        cls, row: Row, path: str | Path, sequence_column: str | None, id_column: str | None
    ) -> "_Layout":
        find = _Finder(row, path)
        return cls(
            row.header,
            find.one("sequence", sequence_column, SEQUENCE_COLUMNS),
            find.optional("id", id_column, ID_COLUMNS),
            find.optional("description", None, DESCRIPTION_COLUMNS),
            find.optional("quality", None, QUALITY_COLUMNS),
            find.optional("modality", None, MODALITY_COLUMNS),
        )


class _Finder:
    """Columns looked up by name."""

    def __init__(self, row: Row, path: str | Path) -> None:
        self.names = row.header.names
        self.path = path
        self.row = row

    def one(self, what: str, name: str | None, aliases: Sequence[str]) -> int:
        at = self.optional(what, name, aliases)
        if at is None:
            wanted = ", ".join(aliases)
            raise self._missing(f"no {what} column: none of {wanted} is there")
        return at

    def labels(self, name: str | Sequence[str] | None) -> list[int]:
        if name is None:
            at = self.optional("label", None, LABEL_COLUMNS)
            numbered = [one for one in self.names if _NUMBERED_LABEL.fullmatch(one)]
            if at is not None or not numbered:
                return [self.one("label", None, LABEL_COLUMNS)]
            name = numbered
        if isinstance(name, str):
            name = [name] if name in self.names else name.split(",")
        return [self.one("label", part.strip(), LABEL_COLUMNS) for part in name]

    def optional(self, what: str, name: str | None, aliases: Sequence[str]) -> int | None:
        if name is not None:
            if name not in self.names:
                close = difflib.get_close_matches(name, self.names, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise self._missing(f"no {what} column {name!r}{hint}")
            return self._only(name)
        lower = [field.lower() for field in self.names]
        for alias in aliases:
            if alias in lower:
                return self._only(self.names[lower.index(alias)])
        return None

    def _only(self, name: str) -> int:
        if self.names.count(name) > 1:
            raise self._fault(f"the column {name!r} occurs twice")
        return self.names.index(name)

    def _missing(self, message: str) -> DataError:
        there = ", ".join(self.names)
        if len(there) > 200:
            there = there[:200] + "..."
        return self._fault(f"{message}; columns of this table: {there}")

    def _fault(self, message: str) -> DataError:
        line = self.row.header.line
        if line is not None:
            return DataError(message, path=self.path, line=line)
        return fault(message, self.row, self.path)


def fault(message: str, row: Row, path: str | Path) -> DataError:
    """Say what is wrong with a row, and where it is.

    Args:
        message: What is wrong.
        row: The row.
        path: Its file.
    """
    if row.line is None:
        message = f"row {row.number}: {message}"
    return DataError(message, path=path, line=row.line)


class _Letters(NamedTuple):
    id: str
    sequence: str
    qualities: bytes | None
    modality: str | None


def _sequence(row: Row, layout: _Layout, path: str | Path) -> _Letters:
    sequence = _text(row, layout.sequence, path)
    if not sequence:
        raise fault("the sequence is empty", row, path)
    strange = strange_letter(sequence)
    if strange is not None:
        raise fault(
            f"the sequence holds {strange!r}, which is no letter of any sequence", row, path
        )
    id_ = f"row_{row.number}" if layout.id is None else _text(row, layout.id, path)
    if not id_:
        raise fault("the id is empty", row, path)
    qualities = modality = None
    if layout.qualities is not None:
        qualities = _qualities(row, layout.qualities, len(sequence), path)
    if layout.modality is not None:
        modality = _modality(row, layout.modality, path)
    return _Letters(id_, sequence, qualities, modality)


def _text(row: Row, at: int, path: str | Path) -> str:
    """What a cell says; truth values are 1 and 0, as labels are."""
    cell = row.cells[at]
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, int) or (isinstance(cell, float) and math.isfinite(cell)):
        return str(cell)
    raise fault(f"the column {row.header.names[at]!r} holds {cell!r:.60}, no text", row, path)


def _qualities(row: Row, at: int, letters: int, path: str | Path) -> bytes | None:
    cell = row.cells[at]
    if isinstance(cell, list) and all(type(q) is int and 0 <= q <= HIGHEST_SCORE for q in cell):
        scores = bytes(cell)
    else:
        text = _text(row, at, path)
        if not text:
            return None
        found = from_text(text)
        if found is None:
            raise fault(
                f"the column {row.header.names[at]!r} holds signs that are no quality in Phred+33",
                row,
                path,
            )
        scores = found
    if len(scores) != letters:
        raise fault(
            f"{letters} letters, but the column {row.header.names[at]!r} holds {len(scores)} signs "
            "where qualities in Phred+33 are expected; rename it if it means something else",
            row,
            path,
        )
    return scores


def _modality(row: Row, at: int, path: str | Path) -> str | None:
    text = _text(row, at, path).lower()
    if text and text not in MODALITIES:
        raise fault(
            f"the column {row.header.names[at]!r} says {text!r}; dna, rna or protein is expected",
            row,
            path,
        )
    return text or None


def _label(row: Row, labels: Sequence[int], path: str | Path, *, numeric: bool) -> Label:
    if len(labels) == 1:
        cell = row.cells[labels[0]]
        if isinstance(cell, list):
            return _numbers(cell, row, path, numeric=numeric)
    texts = [_text(row, at, path) for at in labels]
    for text, at in zip(texts, labels, strict=True):
        if not text:
            raise fault(f"the label in column {row.header.names[at]!r} is empty", row, path)
    if numeric:
        values = tuple(map(finite_number, texts))
        if any(map(math.isnan, values)):
            wrong = next(
                text for text, value in zip(texts, values, strict=True) if math.isnan(value)
            )
            raise fault(
                f"the label {wrong!r} is no number, and a value is to be predicted", row, path
            )
        return values[0] if len(values) == 1 else values
    if len(texts) == 1:
        return texts[0]
    for text, at in zip(texts, labels, strict=True):
        if text not in {"0", "1"}:
            raise fault(
                f"the label in column {row.header.names[at]!r} is {text!r}; with several label "
                "columns each is 0 or 1",
                row,
                path,
            )
    return tuple(int(text) for text in texts)


def _numbers(cell: list[object], row: Row, path: str | Path, *, numeric: bool) -> Label:
    """Several labels of one sequence, or one per base."""
    values: list[float] = []
    for value in cell:
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise fault(f"the labels hold {value!r:.60}, which is no number", row, path)
        values.append(float(value) if numeric else int(value) if isinstance(value, bool) else value)
    if not values:
        raise fault("the list of labels is empty", row, path)
    return tuple(values)


def finite_number(text: str) -> float:
    """Read a number.

    Args:
        text: As it stands in a file.

    Returns:
        The number; nan if it is none, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
