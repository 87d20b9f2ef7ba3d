"""One sequence with what is known of it, from whichever reader, list or source."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hyena_glt.errors import DataError
from hyena_glt.io.records import LabelledRecord, SequenceRecord

Record = Mapping[str, Any] | LabelledRecord | SequenceRecord


class StoredRecord(NamedTuple):
    """What a store knows of one sequence.

    Attributes:
        sequence: Its letters, in the case of the source.
        qualities: Phred score of each letter, one byte each; None where there is none.
        modality: ``dna``, ``rna`` or ``protein``; None where the source does not say.
        label: The answer as it came, where there is one.
    """

    sequence: str
    qualities: bytes | None = None
    modality: str | None = None
    label: Any = None


def stored_record(
    item: Record,
    number: int,
    sequence_column: str | None = None,
    label_column: str | None = None,
) -> tuple[str, StoredRecord]:
    """Name and content of a record of any kind.

    Args:
        item: A record, or a dictionary.
        number: Its number, for the name and for messages.
        sequence_column: Key of the letters in a dictionary; None means ``sequence``.
        label_column: Key of the label; None means ``labels`` or ``label``.

    Raises:
        DataError: If there is no sequence, or not one quality for each letter.
    """
    if isinstance(item, SequenceRecord | LabelledRecord):
        id_, sequence, qualities = item.id, item.sequence, item.qualities
        label, modality = getattr(item, "label", None), getattr(item, "modality", None)
    else:
        key = sequence_column or "sequence"
        if key not in item:
            raise DataError(f"item {number} has no {key!r}; it holds {', '.join(map(repr, item))}")
        id_, sequence = str(item.get("id", number)), item[key]
        label = item.get(label_column) if label_column else item.get("labels", item.get("label"))
        qualities, modality = item.get("qualities"), item.get("modality")
        qualities = None if qualities is None else bytes(qualities)
    if not isinstance(sequence, str) or not sequence:
        raise DataError(f"{id_}: the sequence must be text of at least one letter")
    if qualities is not None and len(qualities) != len(sequence):
        raise DataError(f"{id_}: {len(qualities)} qualities for {len(sequence)} letters")
    return id_, StoredRecord(sequence, qualities, modality, label)
