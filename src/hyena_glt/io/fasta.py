"""FASTA files, read and written.

Reading rests on dnaio; what it lets pass and a model should not see (records without a sequence or
a name, digits and blanks within a sequence, names that occur twice) is refused here, with the line.
Lines that begin with ``#`` are comments.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import dnaio
from dnaio.exceptions import FastaFormatError

from hyena_glt.errors import DataError
from hyena_glt.io.files import open_bytes, write_text
from hyena_glt.io.records import LabelledRecord, SequenceRecord, strange_letter


def iter_fasta(path: str | Path, *, unique_ids: bool = False) -> Iterator[SequenceRecord]:
    """Read a FASTA file record by record.

    Args:
        path: FASTA file, plain or gzipped; ``"-"`` is the standard input.
        unique_ids: Refuse a name that occurs twice.  Costs memory for all names.

    Yields:
        One record per ``>`` line, in the order of the file.

    Raises:
        DataError: If the file is missing, empty, damaged or no FASTA, or a record has no name, no
            sequence, or signs in its sequence that are no letters.
    """
    seen: set[str] = set()
    number = 0
    with open_bytes(path) as handle:
        try:
            # Our own handle, so that faults of gzip are told as in every other format; and not
            # dnaio's own records, which take no letters but ASCII in a name.
            with dnaio.FastaReader(handle, sequence_class=_as_pair) as reader:
                for header, sequence in reader:
                    id_, description = (*header.split(maxsplit=1), "", "")[:2]
                    fault = _fault(id_, sequence)
                    if fault is None and unique_ids and id_ in seen:
                        fault = f"the name {id_!r} occurs twice"
                    if fault is not None:
                        raise DataError(fault, path=path, line=header_line(path, number))
                    if unique_ids:
                        seen.add(id_)
                    number += 1
                    yield SequenceRecord(id_, sequence, description)
        except FastaFormatError as error:
            raise _explain(error, path) from None
    if number == 0:
        raise DataError("the file holds no sequence", path=path)


def read_fasta(path: str | Path, *, unique_ids: bool = False) -> list[SequenceRecord]:
    """Read a whole FASTA file; see :func:`iter_fasta`.

    Args:
        path: FASTA file, plain or gzipped.
        unique_ids: Refuse a name that occurs twice.

    Returns:
        All records, in the order of the file; at least one.

    Raises:
        DataError: As :func:`iter_fasta` does.
    """
    return list(iter_fasta(path, unique_ids=unique_ids))


def read_labelled_fasta(files: Mapping[str, str | Path]) -> list[LabelledRecord]:
    """Read one FASTA file per class, as promoter sets are often published.

    Args:
        files: The file of each class, by the name of the class.

    Returns:
        The records of all files, class after class.

    Raises:
        DataError: As :func:`iter_fasta` does.
    """
    return [
        LabelledRecord(record.id, record.sequence, label)
        for label, path in files.items()
        for record in iter_fasta(path)
    ]


def write_fasta(path: str | Path, records: Iterable[SequenceRecord], *, width: int = 60) -> int:
    """Write a FASTA file, whole or not at all.

    Args:
        path: Where to; gzipped if the name ends in ``.gz``.
        records: What to write.
        width: Letters per line.

    Returns:
        How many records were written.

    Raises:
        DataError: If a record has no name or no sequence, or signs in them that would break the
            file.
        OutputError: If the file cannot be written there.
        ValueError: If ``width`` is not positive.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1 letter per line, got {width}")
    count = 0
    with write_text(path) as handle:
        for count, record in enumerate(records, start=1):
            header = f"{record.id} {record.description}".rstrip()
            fault = _fault(record.id, record.sequence)
            if fault is None and not header.isprintable():
                fault = f"the header {header!r} holds signs that FASTA cannot carry"
            if fault is not None:
                raise DataError(f"record {count}: {fault}")
            sequence = record.sequence
            lines = (sequence[i : i + width] for i in range(0, len(sequence), width))
            handle.write(f">{header}\n" + "\n".join(lines) + "\n")
    return count


def header_line(path: str | Path, number: int) -> int | None:
    """Find where a record begins.

    Args:
        path: FASTA file.
        number: Which record, 0-based.

    Returns:
        Line of its header, 1-based; None for a pipe, which is read only once.
    """
    if not Path(path).is_file():
        return None
    with open_bytes(path) as handle, io.TextIOWrapper(handle, encoding="utf-8") as text:
        headers = (line for line, start in enumerate(text, 1) if start.lstrip().startswith(">"))
        return next(islice(headers, number, None), None)


def _fault(id_: str, sequence: str) -> str | None:
    if not id_:
        return "a record has no name after '>'"
    if any(letter.isspace() for letter in id_):
        return f"the name {id_!r} holds white space"
    if not sequence:
        return f"record {id_!r} has no sequence"
    strange = strange_letter(sequence)
    if strange is not None:
        return f"the sequence of {id_!r} holds {strange!r}, which is no letter of any sequence"
    return None


def _as_pair(header: str, sequence: str, _: None) -> tuple[str, str]:
    return header, sequence


def _explain(error: FastaFormatError, path: str | Path) -> DataError:
    got = str(error).rpartition("but got '")[2].removesuffix("'.")
    line = None if error.line is None else error.line + 1
    return DataError(f"a FASTA file starts with '>', this one with {got!r}", path=path, line=line)
