"""GenBank files: sequences with their annotated features.

Biopython reads them.  It only warns where a file is cut short or a feature's place makes no sense,
and skips a record whose first line is damaged; here each of these is an error.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyena_glt.biology.intervals import Feature
from hyena_glt.errors import DataError
from hyena_glt.io.files import open_bytes
from hyena_glt.io.records import strange_letter

GENBANK_SUFFIXES = (".gb", ".gbk", ".gbff", ".genbank")
_STRANDS = {1: "+", -1: "-"}
# Of what Biopython warns, the rest concerns the wording of header lines.
_LOSSES = (
    "Premature end",
    "Expected sequence length",
    "line too short to contain a feature",
    "setting feature location to None",
)


@dataclass(frozen=True, slots=True)
class GenBankRecord:
    """A sequence and what is annotated on it.

    Attributes:
        id: Accession and version, or the name in the LOCUS line where there is none.
        sequence: Its letters, upper case.
        description: The DEFINITION line.
        features: Annotated stretches in the order of the file; 0-based, half-open.  A place in
            several parts gives one feature for each part, in the order of transcription.
    """

    id: str
    sequence: str
    description: str
    features: tuple[Feature, ...]


def iter_genbank(path: str | Path) -> Iterator[GenBankRecord]:
    """Read a GenBank file record by record.

    Args:
        path: GenBank or GenPept file, plain or gzipped; ``"-"`` is the standard input.

    Yields:
        One record per LOCUS line.

    Raises:
        DataError: If the file is missing, damaged, cut short or no GenBank; if a record has no
            sequence of its own (as those that only list contigs) or not the length it says, or a
            feature lies at a place that makes no sense.
    """
    from Bio import SeqIO

    count = 0
    with open_bytes(path) as handle, _CountedText(handle, encoding="utf-8") as text:
        with _refusals(path, text):
            records = SeqIO.parse(text, "genbank")
        while True:
            with _refusals(path, text):
                record = next(records, None)
            if record is None:
                break
            count += 1
            yield _record(record, path, text.line)
        # Lines before a LOCUS line are skipped; were they a record, they end like one.
        if text.ends > count:
            raise DataError(
                f"{text.ends} records end with '//', but only {count} begin with LOCUS", path=path
            )
        if count and text.after_end:
            raise DataError(
                f"no record begins with {text.after_end[:20]!r}, behind the last '//'", path=path
            )
    if count == 0:
        raise DataError("the file holds no GenBank record: no line begins with LOCUS", path=path)


class _CountedText(io.TextIOWrapper):
    """Text that knows how many lines and ends of records were read, and what follows the last."""

    line = 0
    ends = 0
    after_end = ""

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        text = super().readline(size)
        self.line += 1
        if text.rstrip() == "//":
            self.ends += 1
            self.after_end = ""
        else:
            self.after_end = self.after_end or text.strip()
        return text


@contextmanager
def _refusals(path: str | Path, text: _CountedText) -> Iterator[None]:
    """Turn Biopython's complaints, and those of its warnings that tell of a loss, into errors."""
    from Bio import BiopythonParserWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except UnicodeDecodeError:
            raise  # told by the opened file
        except (ValueError, AssertionError, LookupError, AttributeError, TypeError) as error:
            told = _one_line(error) or type(error).__name__
            raise DataError(f"no GenBank record ({told})", path=path, line=text.line) from None
    for warning in caught:
        if issubclass(warning.category, BiopythonParserWarning) and any(
            loss in str(warning.message) for loss in _LOSSES
        ):
            told = _one_line(warning.message)
            raise DataError(f"a damaged GenBank record ({told})", path=path, line=text.line)


def _one_line(message: Exception | str | Warning) -> str:
    told = " ".join(str(message).split())
    return told if len(told) <= 200 else f"{told[:120]} ... {told[-60:]}"


def _record(record: Any, path: str | Path, line: int) -> GenBankRecord:
    from Bio.Seq import UndefinedSequenceError

    name = record.id if record.id and record.id != "<unknown id>" else record.name
    try:
        sequence = str(record.seq)
    except UndefinedSequenceError:
        sequence = ""
    fault = None
    if not name or any(letter.isspace() for letter in name):
        fault = f"the name {name!r} is empty or holds white space"
    elif not sequence:
        fault = f"record {name!r} has no sequence of its own"
    else:
        strange = strange_letter(sequence)
        if strange is not None:
            fault = (
                f"the sequence of {name!r} holds {strange!r}, which is no letter of any sequence"
            )
    if fault is not None:
        raise DataError(fault, path=path, line=line)
    features = tuple(
        part for one in record.features for part in _features(one, name, len(sequence), path, line)
    )
    description = "" if record.description == "<unknown description>" else record.description
    return GenBankRecord(name, sequence, description, features)


def _features(
    feature: Any, contig: str, length: int, path: str | Path, line: int
) -> Iterator[Feature]:
    """One feature per part; the phase of each part of a CDS follows from the parts before it."""
    attributes = {key: ",".join(map(str, values)) for key, values in feature.qualifiers.items()}
    phase: int | None = None
    if feature.type == "CDS":
        start = attributes.get("codon_start", "1")
        if start not in {"1", "2", "3"}:
            message = f"record {contig!r}: codon_start is {start!r}, and 1, 2 or 3 is expected"
            raise DataError(message, path=path, line=line)
        phase = int(start) - 1
    for part in feature.location.parts:
        try:
            first, last = int(part.start), int(part.end)
        except (TypeError, ValueError):
            first, last = -1, -1  # "?", a place that is not known
        if first < 0 or (part.ref is None and last > length):
            raise DataError(
                f"record {contig!r}: the place {str(part)!r} of a {feature.type} is none of its "
                f"{length} letters",
                path=path,
                line=line,
            )
        yield Feature(
            part.ref or contig, first, last, feature.type, _STRANDS.get(part.strand, "."),
            phase=phase, attributes=attributes,
        )  # fmt: skip
        if phase is not None:
            phase = (phase - (last - first)) % 3
