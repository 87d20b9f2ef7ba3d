"""Where each contig of a FASTA file lies, so that any stretch is read without the rest.

The index is that of samtools: a ``.fai`` file with name, bases, offset of the first base, bases per
line and bytes per line of each contig.  Files are scanned in large blocks, without a loop over
lines.

Source:
    https://www.htslib.org/doc/faidx.html
"""

import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import DataError

_BLOCK = 1 << 24  # bytes read at once
_NEWLINE, _RETURN, _HEADER, _COMMENT = b"\n\r>#"


class ContigEntry(NamedTuple):
    """One line of a ``.fai`` file.

    Attributes:
        bases: Length of the contig.
        offset: Byte at which its first base lies (in the unpacked file).
        line_bases: Bases in each line but the last.
        line_bytes: The same with the line end.
    """

    bases: int
    offset: int
    line_bases: int
    line_bytes: int

    def byte_of(self, base: int) -> int:
        """Byte at which a base lies.

        Args:
            base: Position in the contig, 0-based.
        """
        line, rest = divmod(base, self.line_bases)
        return self.offset + line * self.line_bytes + rest


Index = dict[str, ContigEntry]


def scan_fasta(handle: BinaryIO, path: str | Path) -> Index:
    """Find all contigs of a FASTA file.

    Args:
        handle: The unpacked bytes, from their beginning.
        path: Name of the file, for messages.

    Returns:
        The contigs, in the order of the file; at least one.

    Raises:
        DataError: If there is no contig, one has no name or no bases or the name of an earlier
            one, its lines are not all equally long but for the last, or a carriage return stands
            in the middle of a line.
    """
    scan = _Scan(path)
    lines = 0
    offset = 0  # in the file, of the block
    start = 0  # in the file, of the line that is open
    kind = last = 0  # first byte of the open line; last byte of the block before
    header = b""  # what earlier blocks hold of an open header line
    while block := handle.read(_BLOCK):
        data = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(data == _NEWLINE)
        if b"\r" in block or last == _RETURN:
            scan.returns(data, ends, last, lines + 1)
        if start == offset:
            kind = block[0]
        if len(ends):
            starts = np.concatenate(([start - offset], ends[:-1] + 1))
            kinds = data[starts.clip(0)]
            kinds[0] = kind
            before = data[ends - 1]
            if ends[0] == 0:
                before[0] = last
            widths = ends + 1 - starts
            bases = widths - 1 - ((before == _RETURN) & (widths > 1))
            done = 0
            for number in np.flatnonzero((kinds == _HEADER) | (kinds == _COMMENT)).tolist():
                scan.lines(widths[done:number], bases[done:number], lines + done + 1)
                text = block[max(0, int(starts[number])) : int(ends[number])]
                if number == 0:
                    text, header = header + text, b""
                scan.header(text, offset + int(ends[number]) + 1, lines + number + 1)
                done = number + 1
            scan.lines(widths[done:], bases[done:], lines + done + 1)
            lines += len(ends)
            start = offset + int(ends[-1]) + 1
            kind = block[start - offset] if start < offset + len(block) else 0
        if kind in {_HEADER, _COMMENT}:
            header += block[max(0, start - offset) :]
        offset += len(block)
        last = block[-1]
    if start < offset:  # the last line has no end
        length = offset - start
        if kind in {_HEADER, _COMMENT}:
            scan.header(header, offset, lines + 1)
        else:
            scan.open_line(length - (last == _RETURN), lines + 1)
    return scan.finish()


class _Scan:
    """The contigs found so far, and the one whose lines are being counted."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.index: Index = {}
        self.name = ""
        self.header_line = 0
        self.offset = 0
        self.bases = self.line_bases = self.line_bytes = 0
        self.short = False  # the last line of the contig has been seen

    def header(self, text: bytes, offset: int, line: int) -> None:
        """Begin a contig whose bases start at a byte of the file."""
        if text.startswith(b"#"):
            if self.header_line:
                raise DataError("a comment within a sequence", path=self.path, line=line)
            return
        self._close()
        try:
            name = (*text[1:].decode("utf-8").split(maxsplit=1), "")[0]
        except UnicodeDecodeError:
            raise DataError("the header is no text", path=self.path, line=line) from None
        if not name:
            raise DataError("a record has no name after '>'", path=self.path, line=line)
        if name in self.index:
            raise DataError(f"the name {name!r} occurs twice", path=self.path, line=line)
        self.name, self.header_line, self.offset = name, line, offset
        self.bases = self.line_bases = self.line_bytes = 0
        self.short = False

    def returns(
        self, block: NDArray[np.uint8], ends: NDArray[np.int64], last: int, line: int
    ) -> None:
        """Refuse a carriage return that is not before a line feed.

        Readers of whole files see the end of a line there, and lines are told by line feeds here.
        """
        if last == _RETURN and block[0] != _NEWLINE:
            raise self._lone_return(line)
        places = np.flatnonzero(block[:-1] == _RETURN)
        lone = places[block[places + 1] != _NEWLINE]
        if len(lone):
            raise self._lone_return(line + int(np.searchsorted(ends, lone[0])))

    def lines(self, widths: NDArray[np.int64], bases: NDArray[np.int64], first: int) -> None:
        """Count consecutive lines without a header among them; the first one has a number."""
        if not len(widths):
            return
        if not self.header_line:
            if bases.any():
                line = first + int(np.flatnonzero(bases)[0])
                raise DataError("a FASTA file starts with '>'", path=self.path, line=line)
            return
        at = 0
        if not self.line_bases and bases[0]:
            self.line_bases, self.line_bytes = int(bases[0]), int(widths[0])
        if not self.short and self.line_bases:
            unequal = np.flatnonzero((widths != self.line_bytes) | (bases != self.line_bases))
            at = int(unequal[0]) if len(unequal) else len(widths)
            self.bases += at * self.line_bases
            if at < len(widths) and bases[at] <= self.line_bases:
                self.bases += int(bases[at])
                self.short = True
                at += 1
        # What follows the last line, or an empty line, may be empty lines alone.
        if at < len(widths) and bases[at:].any():
            raise self._unequal(first + at + int(np.flatnonzero(bases[at:])[0]))

    def open_line(self, bases: int, line: int) -> None:
        """Count the last line of the file, which has no end."""
        width = bases + max(1, self.line_bytes - self.line_bases)
        self.lines(np.array([width]), np.array([bases]), line)

    def finish(self) -> Index:
        """Give the index."""
        self._close()
        if not self.index:
            raise DataError("the file holds no sequence", path=self.path)
        return self.index

    def _close(self) -> None:
        if not self.header_line:
            return
        if not self.bases:
            raise DataError(
                f"record {self.name!r} has no sequence", path=self.path, line=self.header_line
            )
        self.index[self.name] = ContigEntry(
            self.bases, self.offset, self.line_bases, self.line_bytes
        )

    def _lone_return(self, line: int) -> DataError:
        return DataError(
            "a carriage return in the middle of a line, so no place in the file can be computed; "
            "write the file anew with the line ends of one system",
            path=self.path,
            line=line,
        )

    def _unequal(self, line: int) -> DataError:
        return DataError(
            f"the lines of {self.name!r} are not all equally long, so no place in it can be "
            f"computed: all but the last must hold {self.line_bases} letters; write the file anew "
            "with equal lines",
            path=self.path,
            line=line,
        )


def index_text(index: Index) -> str:
    """Write an index as the text of a ``.fai`` file.

    Args:
        index: The contigs.
    """
    return "".join("\t".join((name, *map(str, entry))) + "\n" for name, entry in index.items())


def read_index(text: str) -> Index | None:
    """Read the text of a ``.fai`` file.

    Args:
        text: As :func:`index_text` writes it.

    Returns:
        The contigs; None if the text is no index of a FASTA file.
    """
    index: Index = {}
    for line in text.rstrip("\n").split("\n"):
        name, *fields = line.split("\t")
        if len(fields) != 4 or not all(field.isascii() and field.isdigit() for field in fields):
            return None
        entry = ContigEntry(*map(int, fields))
        if not 0 < entry.line_bases < entry.line_bytes or not entry.bases:
            return None
        index[name] = entry
    return index or None


def agrees(index: Index, handle: BinaryIO) -> bool:
    """Check an index against the file it may belong to, at its first and its last contig.

    Args:
        index: The contigs.
        handle: The plain FASTA file.
    """
    size = handle.seek(0, os.SEEK_END)
    ordered = sorted(index.items(), key=lambda item: item[1].offset)
    end = end_of(index)
    if end > size:
        return False
    for name, entry in (ordered[0], ordered[-1]):
        start = max(0, entry.offset - (1 << 16))
        handle.seek(start)
        header = handle.read(entry.offset - start).rpartition(b"\n>")[2].removeprefix(b">")
        if not header.endswith(b"\n") or header.split()[:1] != [name.encode()]:
            return False
    handle.seek(end)
    return not handle.read(_BLOCK).strip()


def end_of(index: Index) -> int:
    """Byte behind the last base of the (unpacked) file.

    Args:
        index: The contigs.
    """
    return max(entry.byte_of(entry.bases - 1) for entry in index.values()) + 1
