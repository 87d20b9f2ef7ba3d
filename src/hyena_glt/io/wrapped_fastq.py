"""FASTQ reads that may wrap over several lines, parsed strictly and with the line of every fault.

A quality line may begin with ``@`` or ``+`` as well, so only the count of letters says where a read
ends.

Source:
    Cock et al. 2010, The Sanger FASTQ file format for sequences with quality scores.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import dnaio

from hyena_glt.errors import DataError


def parse_reads(
    text: Iterable[str], path: str | Path
) -> Iterator[tuple[int, dnaio.SequenceRecord]]:
    """Parse reads of any number of lines; blank lines between reads are skipped.

    Args:
        text: The lines of a file, in an encoding that decodes anything.
        path: The file, for messages.

    Yields:
        The line where a read begins, 1-based, and the read.

    Raises:
        DataError: If a line is not what it should be, or the file stops within a read.
    """
    lines = enumerate((line.removesuffix("\n") for line in text), 1)
    for start, title in lines:
        if not title.strip():
            continue
        if not title.startswith("@"):
            raise DataError(
                f"a read starts with '@', this line with {title[:20]!r}", path=path, line=start
            )
        name = title[1:].rstrip()
        sequence = _sequence(lines, name, path, start)
        qualities = _qualities(lines, len(sequence), path, start)
        try:
            yield start, dnaio.SequenceRecord(name, sequence, qualities)
        except ValueError:
            message = "a read holds signs that are not ASCII"
            raise DataError(message, path=path, line=start) from None


def _sequence(lines: Iterator[tuple[int, str]], name: str, path: str | Path, start: int) -> str:
    """Take the lines up to and with the one that starts with ``+``."""
    parts: list[str] = []
    for line, part in lines:
        if part.startswith("+"):
            again = part[1:].rstrip()
            if again and again != name:
                raise DataError(
                    f"the read is called {name[:40]!r}, its '+' line {again[:40]!r}",
                    path=path,
                    line=line,
                )
            return "".join(parts)
        if part.startswith("@"):
            raise DataError(
                f"a '+' line is missing: sequence or '+' expected, got {part[:20]!r}",
                path=path,
                line=line,
            )
        parts.append(part)
    raise DataError(
        "the file is cut short: it stops within this read, before its '+' line",
        path=path,
        line=start,
    )


def _qualities(lines: Iterator[tuple[int, str]], letters: int, path: str | Path, start: int) -> str:
    """Take lines until there is a quality for each letter; an empty read has one blank line."""
    parts: list[str] = []
    count = 0
    for line, part in lines:
        parts.append(part)
        count += len(part)
        if count >= letters:
            break
        if not part:
            raise DataError(f"{letters} letters but {count} qualities", path=path, line=line)
    else:
        if count < letters:
            raise DataError(
                f"the file is cut short: it stops within this read, after {count} qualities for "
                f"{letters} letters",
                path=path,
                line=start,
            )
    if count > letters:
        raise DataError(f"{letters} letters but {count} qualities", path=path, line=start)
    return "".join(parts)
