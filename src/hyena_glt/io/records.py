"""Sequences, alone or with what is known about them, as they come out of a file.

Every reader of this floor yields one of the two types below, so that nothing further up needs to
know which format a sequence came from.
"""

import re
from typing import NamedTuple

Label = str | float | tuple[float, ...]
"""A class by name, a measured value, or one number for each of several labels."""

_STRANGE = re.compile(r"[^A-Za-z*.\-]")


class SequenceRecord(NamedTuple):
    """A sequence and its name.

    Attributes:
        id: Name of the sequence, without white space.
        sequence: Its letters, 5' to 3' (or N- to C-terminal), in the case of the file.
        description: What the file says about it besides the name; may be empty.
        qualities: Phred score of each letter, one byte each (0 to 93); None where the format has
            none.
        modality: ``dna``, ``rna`` or ``protein`` where the file says so per sequence; else None.
    """

    id: str
    sequence: str
    description: str = ""
    qualities: bytes | None = None
    modality: str | None = None


class LabelledRecord(NamedTuple):
    """A sequence, its name and the answer a model should learn.

    Attributes:
        id: Name of the sequence, or ``row_1``, ``row_2``, ... where the file has none.
        sequence: Its letters, 5' to 3' (or N- to C-terminal), in the case of the file.
        label: The class as it is written in the file (``str``), a value (``float``), or one
            number per label column (``tuple``).
        qualities: Phred score of each letter, one byte each; None where there is none.
        modality: ``dna``, ``rna`` or ``protein`` where the file says so per sequence; else None.
    """

    id: str
    sequence: str
    label: Label
    qualities: bytes | None = None
    modality: str | None = None


def strange_letter(sequence: str) -> str | None:
    """Find the first sign that no sequence alphabet has.

    Letters, ``*`` (stop), ``-`` and ``.`` (gaps) pass; whether a letter belongs to DNA, RNA or
    protein is for the tokenizer to say.

    Args:
        sequence: Letters of one sequence.

    Returns:
        The sign, or None where all are fine.
    """
    if sequence.isascii() and sequence.encode("ascii").isalpha():  # three times str.isalpha
        return None
    found = _STRANGE.search(sequence)
    return found.group() if found else None
