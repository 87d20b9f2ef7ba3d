"""Records made into rows of named columns, for the writers of tables, JSON and Parquet."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from hyena_glt.errors import DataError
from hyena_glt.io.columns import MODALITIES
from hyena_glt.io.phred import quality_fault, to_text
from hyena_glt.io.records import LabelledRecord, SequenceRecord, strange_letter

Record = SequenceRecord | LabelledRecord


def row_objects(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    """Make one object per record.

    The keys are ``id``, ``sequence``, then ``description`` or ``label`` (a list where a sequence
    has several), then ``quality`` as Phred+33 and ``modality``, the last two where the first
    record has them.

    Args:
        records: Sequences, or labelled sequences with labels of one kind.

    Yields:
        Objects that all have the same keys.

    Raises:
        DataError: If a record breaks a rule of the readers, or differs in kind from the first.
    """
    first: Record | None = None
    for count, record in enumerate(records, start=1):
        first = first or record
        fault = _fault(record) or _difference(record, first)
        if fault is not None:
            raise DataError(f"record {count}: {fault}")
        row: dict[str, Any] = {"id": record.id, "sequence": record.sequence}
        if isinstance(record, LabelledRecord):
            label = record.label
            row["label"] = list(label) if isinstance(label, tuple) else label
        else:
            row["description"] = record.description
        if first.qualities is not None:
            row["quality"] = None if record.qualities is None else to_text(record.qualities)
        if first.modality is not None:
            row["modality"] = record.modality
        yield row
    if first is None:
        raise DataError("there is no record to write")


def table_rows(records: Iterable[Record]) -> Iterator[list[Any]]:
    """Make the header and the rows of a table.

    Args:
        records: As for :func:`row_objects`.

    Yields:
        The header, then one list of cells per record.  Several labels stand in columns
        ``label_1``, ``label_2``, ...

    Raises:
        DataError: As :func:`row_objects` does; also if a cell holds signs that break lines.
    """
    width = 0
    for count, row in enumerate(row_objects(records), start=1):
        label = row.pop("label", None)
        if isinstance(label, list):
            row |= {f"label_{at}": value for at, value in enumerate(label, start=1)}
        elif label is not None:
            row["label"] = label
        if count == 1:
            width = len(row)
            yield list(row)
        if len(row) != width:
            raise DataError(f"record {count}: another number of labels than in the first record")
        cells = [repr(cell) if isinstance(cell, float) else cell for cell in row.values()]
        for cell in cells:
            if isinstance(cell, str) and not cell.isprintable():
                raise DataError(f"record {count}: {cell!r:.60} holds signs that no table can carry")
        yield cells


def _fault(record: Record) -> str | None:
    """What the readers would refuse or change."""
    if not record.id or record.id != record.id.strip():
        return f"the name {record.id!r} is empty or has white space around it"
    if not record.sequence:
        return f"{record.id!r} has no sequence"
    strange = strange_letter(record.sequence)
    if strange is not None:
        return (
            f"the sequence of {record.id!r} holds {strange!r}, which is no letter of any sequence"
        )
    if record.qualities is not None:
        fault = quality_fault(record.sequence, record.qualities)
        if fault is not None:
            return f"{record.id!r}: {fault}"
    if record.modality is not None and record.modality not in MODALITIES:
        return (
            f"the modality of {record.id!r} is {record.modality!r}; dna, rna or protein is wanted"
        )
    return _label_fault(record) if isinstance(record, LabelledRecord) else None


def _label_fault(record: LabelledRecord) -> str | None:
    label = record.label
    if isinstance(label, str) and (not label or label != label.strip()):
        return f"the label {label!r} of {record.id!r} is empty or has white space around it"
    if label == ():
        return f"{record.id!r} has no label"
    numbers = label if isinstance(label, tuple) else () if isinstance(label, str) else (label,)
    if not all(math.isfinite(number) for number in numbers):
        return f"the label {label!r} of {record.id!r} is not finite"
    return None


def _difference(record: Record, first: Record) -> str | None:
    if type(record) is not type(first):
        return "labelled and unlabelled sequences cannot be written to one file"
    if first.qualities is None and record.qualities is not None:
        return f"{record.id!r} has qualities, the first record has none"
    if first.modality is None and record.modality is not None:
        return f"{record.id!r} has a modality, the first record has none"
    if isinstance(record, LabelledRecord) and isinstance(first, LabelledRecord):  # noqa: SIM102
        if isinstance(record.label, str) != isinstance(first.label, str) or isinstance(
            record.label, tuple
        ) != isinstance(first.label, tuple):
            return f"the label {record.label!r} is of another kind than that of the first record"
    return None
