"""BED files: stretches of a genome, one per line.

Positions in BED are 0-based and half-open, as everywhere in this package.

Source:
    The BED format, version 1.0, https://samtools.github.io/hts-specs/BEDv1.pdf
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from hyena_glt.biology.intervals import Interval
from hyena_glt.errors import DataError
from hyena_glt.io.lines import Line, number_text, numbered_lines, write_lines

_STRANDS = ("+", "-", ".")
_HEADERS = ("track", "browser")


def iter_bed(path: str | Path, *, blocks: bool = False) -> Iterator[Interval]:
    r"""Read a BED file with 3 to 12 columns.

    Columns are separated by tabs, or by blanks where a line has no tab.  Lines that begin with
    ``#``, ``track`` or ``browser`` and blank lines are left aside.  Of the columns behind the
    strand, which many files use as they like, only the blocks are read.

    Args:
        path: BED file, plain or gzipped.
        blocks: Yield every block of a line (column 10 to 12: the exons of a transcript) as an
            interval of its own, with name, score and strand of the line.

    Yields:
        The intervals in the order of the file; blocks from left to right.  An interval may be
        empty (start = end), as BED marks insertions.

    Raises:
        DataError: If the file cannot be read, holds no interval, or a line breaks a rule: at least
            3 columns, as many as the first line has; whole numbers, start not behind the end; a
            strand of ``+``, ``-`` or ``.``; with ``blocks``, 12 columns whose blocks lie one after
            the other within the interval.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "peaks.bed"
        >>> _ = path.write_text("chr1\t9\t20\tpeak1\t7\t-\n")
        >>> next(iter_bed(path))
        Interval(contig='chr1', start=9, end=20, strand='-', name='peak1', score=7.0)
    """
    width = 0
    for line in numbered_lines(path):
        words = line.text.split(maxsplit=1)
        if not words or line.text.startswith("#") or words[0] in _HEADERS:
            continue
        columns = line.text.split("\t") if "\t" in line.text else line.text.split()
        width = width or len(columns)
        if len(columns) < 3:
            raise line.fault(
                f"at least 3 columns expected (contig, start, end), got {len(columns)}"
            )
        if len(columns) != width:
            raise line.fault(f"{width} columns expected, as in the first line, got {len(columns)}")
        interval = _interval(line, columns)
        if blocks:
            yield from _blocks(line, interval, columns)
        else:
            yield interval
    if not width:
        raise DataError("the file holds no interval", path=path)


def write_bed(path: str | Path, intervals: Iterable[Interval]) -> int:
    """Write a BED file with six columns, whole or not at all.

    Args:
        path: Where to; bgzipped if the name ends in ``.gz``.
        intervals: What to write.  No name becomes ``.``; no score becomes 0, as the format asks.

    Returns:
        How many intervals were written.

    Raises:
        DataError: If an interval breaks a rule of the format.
        OutputError: If the file cannot be written there.
    """
    count = 0

    def lines() -> Iterator[str]:
        nonlocal count
        for count, interval in enumerate(intervals, start=1):
            place = Line(path, count, "")
            place.contig(interval.contig)
            if not 0 <= interval.start <= interval.end:
                raise place.fault(f"0 <= start <= end does not hold: {interval}")
            if interval.strand not in _STRANDS:
                raise place.fault(f"the strand must be +, - or ., got {interval.strand!r}")
            if not interval.name.isprintable():
                raise place.fault(f"the name {interval.name!r} holds signs that BED cannot carry")
            yield "\t".join(
                (
                    interval.contig,
                    str(interval.start),
                    str(interval.end),
                    interval.name or ".",
                    number_text(interval.score or 0.0),
                    interval.strand,
                )
            )

    write_lines(path, lines())
    return count


def _interval(line: Line, columns: list[str]) -> Interval:
    start = line.whole(columns[1], "the start")
    end = line.whole(columns[2], "the end")
    if start > end:
        raise line.fault(f"the start {start} lies behind the end {end}")
    name = columns[3] if len(columns) > 3 and columns[3] != "." else ""
    score = line.score(columns[4]) if len(columns) > 4 else None
    strand = columns[5] if len(columns) > 5 else "."
    if strand not in _STRANDS:
        raise line.fault(f"the strand must be +, - or ., got {strand!r}")
    return Interval(line.contig(columns[0]), start, end, strand, name, score)


def _blocks(line: Line, whole: Interval, columns: list[str]) -> Iterator[Interval]:
    if len(columns) != 12:
        raise line.fault(f"12 columns expected where blocks are to be read, got {len(columns)}")
    count = line.whole(columns[9], "the number of blocks", least=1)
    sizes, starts = (
        [line.whole(text.strip(), f"a block {what}") for text in column.rstrip(",").split(",")]
        for what, column in (("size", columns[10]), ("start", columns[11]))
    )
    if len(sizes) != count or len(starts) != count:
        raise line.fault(
            f"{count} blocks expected, got {len(sizes)} sizes and {len(starts)} starts"
        )
    pieces = [
        (whole.start + start, whole.start + start + size)
        for start, size in zip(starts, sizes, strict=True)
    ]
    if pieces[0][0] != whole.start or pieces[-1][1] != whole.end:
        raise line.fault("the first block must begin, and the last one end, with the interval")
    if any(left[1] > right[0] for left, right in pairwise(pieces)):
        raise line.fault("the blocks overlap or are not in order")
    for start, end in pieces:
        yield Interval(whole.contig, start, end, whole.strand, whole.name, whole.score)
