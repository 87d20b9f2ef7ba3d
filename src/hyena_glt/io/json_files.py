"""JSON and JSON Lines files of sequences, one object per sequence, read and written.

JSON Lines is read line by line.  A JSON file is one value and is held in memory as a whole: keep
large data in JSON Lines or Parquet.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from hyena_glt.errors import DataError
from hyena_glt.io.columns import Header, Row
from hyena_glt.io.files import open_text, write_text
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.rows import row_objects


def iter_json(path: str | Path) -> Iterator[Row]:
    """Read a JSON file: a list of objects, or an object with one such list in it.

    Args:
        path: JSON file, plain or gzipped; ``"-"`` is the standard input.

    Yields:
        One row per object; its keys are the columns.

    Raises:
        DataError: If the file is missing, damaged or no JSON, or holds no such list, or several.
    """
    with open_text(path) as text:
        value = _decode(text.read(), path, 1)
    known: dict[tuple[str, ...], Header] = {}
    for number, one in enumerate(_objects(value, path), start=1):
        if not isinstance(one, dict):
            raise DataError(f"row {number}: an object is wanted, got {one!r:.60}", path=path)
        yield _row(one, None, number, known, path)


def iter_jsonl(path: str | Path) -> Iterator[Row]:
    """Read a JSON Lines file: one object per line; blank lines are skipped.

    Args:
        path: JSON Lines file, plain or gzipped; ``"-"`` is the standard input.

    Yields:
        One row per object; its keys are the columns.

    Raises:
        DataError: If the file is missing or damaged, or a line is no JSON object.
    """
    known: dict[tuple[str, ...], Header] = {}
    number = 0
    with open_text(path) as text:
        for line, content in enumerate(text, start=1):
            if not content.strip():
                continue
            value = _decode(content, path, line)
            if not isinstance(value, dict):
                message = f"an object is wanted on each line, got {value!r:.60}"
                raise DataError(message, path=path, line=line)
            number += 1
            yield _row(value, line, number, known, path)
    if number == 0:
        raise DataError("the file holds no object", path=path)


def write_json(
    path: str | Path, records: Iterable[SequenceRecord] | Iterable[LabelledRecord]
) -> int:
    """Write a JSON file: a list with one object per record, each on a line of its own.

    Args:
        path: Where to; gzipped if the name ends in ``.gz``.
        records: What to write; see :func:`~hyena_glt.io.rows.row_objects` for the keys.

    Returns:
        How many records were written.

    Raises:
        DataError: If a record breaks a rule.
        OutputError: If the file cannot be written there.
    """
    count = 0
    with write_text(path) as handle:
        handle.write("[")
        for count, row in enumerate(row_objects(records), start=1):
            handle.write(("\n" if count == 1 else ",\n") + json.dumps(row, ensure_ascii=False))
        handle.write("\n]\n")
    return count


def write_jsonl(
    path: str | Path, records: Iterable[SequenceRecord] | Iterable[LabelledRecord]
) -> int:
    """Write a JSON Lines file: one object per record and line.

    Args:
        path: Where to; gzipped if the name ends in ``.gz``.
        records: What to write; see :func:`~hyena_glt.io.rows.row_objects` for the keys.

    Returns:
        How many records were written.

    Raises:
        DataError: If a record breaks a rule.
        OutputError: If the file cannot be written there.
    """
    count = 0
    with write_text(path) as handle:
        for row in row_objects(records):
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _decode(text: str, path: str | Path, line: int) -> Any:
    """Decode one value that begins on a line of the file."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        message = f"no JSON: {error.msg} (column {error.colno})"
        raise DataError(message, path=path, line=line + error.lineno - 1) from None
    except RecursionError:
        raise DataError("no JSON of sequences: it is nested too deep", path=path) from None
    except ValueError as error:
        raise DataError(str(error), path=path, line=line) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice in one object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no value of JSON")


def _objects(value: Any, path: str | Path) -> list[Any]:
    if isinstance(value, dict):
        lists = {key: one for key, one in value.items() if isinstance(one, list)}
        if len(lists) != 1:
            found = ", ".join(map(repr, lists)) or "none"
            raise DataError(
                f"an object with one list of objects is wanted; lists here: {found:.200}", path=path
            )
        (value,) = lists.values()
    if not isinstance(value, list):
        raise DataError(f"a list of objects is wanted, got {value!r:.60}", path=path)
    if not value:
        raise DataError("the list of objects is empty", path=path)
    return value


def _row(
    value: dict[str, Any],
    line: int | None,
    number: int,
    known: dict[tuple[str, ...], Header],
    path: str | Path,
) -> Row:
    """Make a row; equal keys give the same header, so that columns are looked up once."""
    names = tuple(value)
    for text in (*names, *value.values()):
        if isinstance(text, str) and not text.isascii():
            _check_unicode(text, path, line, number)
    return Row(known.setdefault(names, Header(names)), list(value.values()), line, number)


def _check_unicode(text: str, path: str | Path, line: int | None, number: int) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        where = "" if line is not None else f"row {number}: "
        raise DataError(
            f"{where}{text!r:.60} holds half a character of UTF-16", path=path, line=line
        ) from None
