"""FASTQ files of sequencing reads and their base qualities, read and written.

Reading rests on dnaio, which is fast and strict but knows reads of four lines only.  What it does
not take, :mod:`hyena_glt.io.wrapped_fastq` reads again from where dnaio stopped: either the file
wraps its reads over several lines, or that parser names the line and the fault.  A pipe, which
cannot be read twice, goes to it from the start.

Source:
    Cock et al. 2010, The Sanger FASTQ file format for sequences with quality scores.
"""

import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Literal, NamedTuple

import dnaio
import numpy as np
from dnaio.exceptions import FastqFormatError

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.files import open_bytes, write_text
from hyena_glt.io.phred import (
    LAST_SIGN,
    OFFSETS,
    USUAL_33_TOP,
    Encoding,
    guess_encoding,
    quality_fault,
    settles,
    to_text,
)
from hyena_glt.io.records import SequenceRecord, strange_letter
from hyena_glt.io.wrapped_fastq import parse_reads

_new = tuple.__new__
_BLOCK = 250  # reads
_LOOK_AT = 1000  # reads whose qualities decide the encoding


def iter_fastq(
    path: str | Path,
    *,
    encoding: Literal["auto"] | Encoding = "auto",
    allow_empty: bool = True,
) -> Iterator[SequenceRecord]:
    """Read a FASTQ file read by read.

    Args:
        path: FASTQ file, plain or gzipped; ``"-"`` is the standard input.
        encoding: How the qualities are written.  ``"auto"`` looks at the first thousand reads, or
            up to the first sign that only Phred+33 has; where both are possible it takes Phred+33,
            and refuses the file should a later read speak against it.
        allow_empty: Yield reads without a letter, as trimming leaves them, and do not refuse them.

    Yields:
        One record per read, in the order of the file, with Phred scores as ``qualities``.

    Raises:
        ConfigError: If the encoding is none of those named.
        DataError: If the file is missing, empty, damaged or no FASTQ; if a read has no name, signs
            in its sequence that are no letters, fewer or more qualities than letters, or qualities
            outside the encoding.
    """
    if encoding != "auto" and encoding not in OFFSETS:
        raise ConfigError(f"encoding must be auto, phred+33 or phred+64, got {encoding!r}")
    empty = True
    with closing(_blocks(path)) as blocks:
        if encoding == "auto":
            seen, scale = _look(blocks, path)
        else:
            seen, scale = [], _Scale(encoding, certain=True)
        # By blocks and not by reads: checking one by one takes longer than parsing.
        for block in chain(seen, blocks):
            signs = np.frombuffer(_joined(block).encode("ascii"), dtype=np.uint8)
            if not scale.certain:
                scale = scale._replace(certain=settles(set(signs.tolist())))
            scores = signs - scale.offset  # below the offset they wrap, far above the highest
            if (len(scores) and scores.max() > scale.highest) or strange_letter(
                "".join([read.sequence for read in block.reads])
            ) is not None:
                raise _fault(block, scale, path)
            records = _records(block.reads, scores.tobytes(), allow_empty=allow_empty)
            if len(records) < len(block.reads):
                raise _fault(block, scale, path)
            yield from records
            empty = False
    if empty:
        raise DataError("the file holds no read", path=path)


def write_fastq(path: str | Path, records: Iterable[SequenceRecord]) -> int:
    """Write a FASTQ file in Phred+33, four lines per read, whole or not at all.

    Args:
        path: Where to; gzipped if the name ends in ``.gz``.
        records: What to write; each with qualities.

    Returns:
        How many records were written.

    Raises:
        DataError: If a record has no name or no qualities, or signs that would break the file.
        OutputError: If the file cannot be written there.
    """
    count = 0
    with write_text(path) as handle:
        for count, record in enumerate(records, start=1):
            fault = _unwritable(record)
            if fault is not None:
                raise DataError(f"record {count}: {fault}")
            header = f"{record.id} {record.description}".rstrip()
            qualities = to_text(record.qualities or b"")
            handle.write(f"@{header}\n{record.sequence}\n+\n{qualities}\n")
    return count


class _Scale(NamedTuple):
    """How the qualities of a file are read."""

    encoding: Encoding
    certain: bool

    @property
    def offset(self) -> int:
        return OFFSETS[self.encoding]

    @property
    def highest(self) -> int:
        """Highest score that does not speak against the encoding."""
        return (LAST_SIGN if self.certain else USUAL_33_TOP) - self.offset


class _Block(NamedTuple):
    """Some reads, and the line where each begins, 1-based."""

    lines: Sequence[int]
    reads: Sequence[dnaio.SequenceRecord]


def _blocks(path: str | Path) -> Generator[_Block]:
    """Yield reads in the order of the file, as they are written there."""
    count = 0
    if Path(path).is_file():
        with open_bytes(path) as handle:
            try:
                # Our own handle, so that faults of gzip are told as in every other format.
                with dnaio.open(path, fileformat="fastq", opener=lambda *_: handle) as reader:
                    reads = iter(reader)
                    while block := list(islice(reads, _BLOCK)):
                        yield _Block(range(4 * count + 1, 4 * (count + len(block)), 4), block)
                        count += len(block)
            except FastqFormatError:
                pass
            else:
                return
    # Latin-1 decodes anything: bytes that are no ASCII are told with their line.
    with open_bytes(path) as handle, io.TextIOWrapper(handle, encoding="latin-1") as text:
        parsed = islice(parse_reads(text, path), count, None)
        while found := list(islice(parsed, _BLOCK)):
            yield _Block(*zip(*found, strict=True))


def _look(blocks: Iterator[_Block], path: str | Path) -> tuple[list[_Block], _Scale]:
    """Decide the encoding by the first reads, which are handed back."""
    seen: list[_Block] = []
    signs: set[int] = set()
    for block in islice(blocks, _LOOK_AT // _BLOCK):
        seen.append(block)
        signs.update(_joined(block).encode("ascii"))
        if settles(signs):
            return seen, _Scale("phred+33", certain=True)
    encoding, certain = guess_encoding(signs)
    if encoding is None:
        lowest, highest = chr(min(signs)), chr(max(signs))
        raise DataError(
            f"the qualities run from {lowest!r} to {highest!r}: these are Solexa scores, which are "
            "no Phred scores, or Phred+33 without any score below 26; if so, "
            "encoding='phred+33' reads them",
            path=path,
        )
    return seen, _Scale(encoding, certain)


def _joined(block: _Block) -> str:
    return "".join([read.qualities for read in block.reads])  # type: ignore[misc]


def _records(
    reads: Sequence[dnaio.SequenceRecord], scores: bytes, *, allow_empty: bool
) -> list[SequenceRecord]:
    """Make records of the reads up to the first without a name or, maybe, without letters."""
    records: list[SequenceRecord] = []
    end = 0
    for read in reads:
        id_, sequence = read.id, read.sequence
        if not (id_ and (sequence or allow_empty)):
            break
        start, end = end, end + len(sequence)
        fields = (id_, sequence, read.comment or "", scores[start:end], None)
        # What SequenceRecord(*fields) does, in half the time; and reads come by the million.
        records.append(_new(SequenceRecord, fields))
    return records


def _fault(block: _Block, scale: _Scale, path: str | Path) -> DataError:
    """Find the first read of a block that breaks a rule."""
    for line, read in zip(block.lines, block.reads, strict=True):
        strange = strange_letter(read.sequence) if read.sequence else None
        qualities = read.qualities or ""
        scores = [ord(sign) - scale.offset for sign in qualities]
        wrong = [at for at, score in enumerate(scores) if not 0 <= score <= scale.highest]
        if not read.id:
            fault = "a read has no name after '@'"
        elif strange is not None:
            fault = f"the sequence of {read.id!r} holds {strange!r}, no letter of any sequence"
        elif wrong:
            fault = _wrong_quality(qualities, wrong[0], scale)
        elif not read.sequence:
            fault = f"read {read.id!r} has no sequence"
        else:
            continue
        return DataError(fault, path=path, line=line)
    raise AssertionError("no read of the block breaks a rule")


def _wrong_quality(qualities: str, at: int, scale: _Scale) -> str:
    sign = f"the quality {qualities[at]!r} of letter {at + 1}"
    if not "!" <= qualities[at] <= "~":
        return f"{sign} is no sign from '!' to '~'"
    if scale.encoding == "phred+64":
        return (
            f"{sign} is below '@', where Phred+64 begins; if the file, against its first reads, is "
            "Phred+33, say encoding='phred+33'"
        )
    return (
        f"{sign} speaks for Phred+64, where the reads before were taken for Phred+33; say "
        "encoding='phred+33' or encoding='phred+64'"
    )


def _unwritable(record: SequenceRecord) -> str | None:
    if not record.id or any(letter.isspace() for letter in record.id):
        return f"the name {record.id!r} is empty or holds white space"
    header = record.id + record.description
    if not (header.isascii() and header.isprintable()):
        return f"the header {header!r} holds signs that FASTQ cannot carry"
    strange = strange_letter(record.sequence) if record.sequence else None
    if strange is not None:
        return (
            f"the sequence of {record.id!r} holds {strange!r}, which is no letter of any sequence"
        )
    return quality_fault(record.sequence, record.qualities)
