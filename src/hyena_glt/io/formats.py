"""Sequence files of any format, told apart by name or by their first letter."""

from pathlib import Path
from typing import Literal

from hyena_glt.errors import DataError
from hyena_glt.io.fasta import read_fasta
from hyena_glt.io.files import open_bytes
from hyena_glt.io.records import SequenceRecord
from hyena_glt.io.tables import read_sequence_table

Format = Literal["fasta", "table"]

_BY_SUFFIX: dict[str, Format] = {
    ".fa": "fasta",
    ".fasta": "fasta",
    ".fna": "fasta",
    ".ffn": "fasta",
    ".faa": "fasta",
    ".csv": "table",
    ".tsv": "table",
    ".tab": "table",
}


def detect_format(path: str | Path) -> Format:
    """Tell the format of a sequence file.

    Args:
        path: The file, plain or gzipped.

    Returns:
        What the ending of the name says; for other endings ``"fasta"`` if the first sign is ``>``
        and ``"table"`` if not.

    Raises:
        DataError: If the file must be opened for it and cannot be read.
    """
    suffix = Path(str(path).removesuffix(".gz")).suffix.lower()
    if suffix in (".fastq", ".fq"):
        raise DataError("FASTQ is not read yet; convert it to FASTA", path=path)
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    with open_bytes(path) as handle:
        return "fasta" if handle.read(4096).lstrip().startswith(b">") else "table"


def read_sequences(
    path: str | Path, *, sequence_column: str | None = None, id_column: str | None = None
) -> list[SequenceRecord]:
    """Read the sequences of a FASTA file or of a table; labels are left aside.

    Args:
        path: FASTA, CSV or TSV file, plain or gzipped.
        sequence_column: For tables, see :func:`~hyena_glt.io.tables.read_sequence_table`.
        id_column: For tables, likewise.

    Returns:
        All records in the order of the file; at least one.

    Raises:
        DataError: If the file cannot be read or breaks a rule.
    """
    if detect_format(path) == "fasta":
        return read_fasta(path)
    return read_sequence_table(path, sequence_column=sequence_column, id_column=id_column)
