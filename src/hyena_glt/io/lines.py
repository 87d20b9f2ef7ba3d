"""Lines of tab-separated columns, as files of intervals, features and variants have them.

The checks that BED, GFF and VCF share stand here, so that all three word a fault alike.
"""

import math
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import NamedTuple

from hyena_glt.errors import DataError
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.files import PACKED_SUFFIXES, open_text

_MOST_DIGITS = 18  # what 64 bits hold; also far below the length at which int() refuses


class Line(NamedTuple):
    """A line and where it stands.

    Attributes:
        path: The file.
        number: 1-based.
        text: Without the line end.
    """

    path: str | Path
    number: int
    text: str

    def fault(self, message: str) -> DataError:
        """Make the error that names this line.

        Args:
            message: What is wrong and which rule it breaks.
        """
        return DataError(message, path=self.path, line=self.number)

    def contig(self, text: str) -> str:
        """Check the name of a contig.

        Args:
            text: The name.

        Raises:
            DataError: If it is empty or holds blanks or control characters.
        """
        if not text or not text.isprintable() or " " in text:
            raise self.fault(f"a contig's name without white space expected, got {text!r}")
        return text

    def whole(self, text: str, name: str, least: int = 0) -> int:
        """Read a position or a count.

        Args:
            text: Digits.
            name: What the number is, for the message.
            least: Smallest legal value.

        Raises:
            DataError: If it is no whole number, or too small.
        """
        if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
            number = int(text)
            if number >= least:
                return number
        raise self.fault(f"{name} must be a whole number of at least {least}, got {text!r}")

    def score(self, text: str) -> float | None:
        """Read a score.

        Args:
            text: A finite number, or ``.`` for none.

        Raises:
            DataError: If it is neither.
        """
        if text == ".":
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.fault(f"the score must be a finite number or '.', got {text!r}")
        return number


def numbered_lines(path: str | Path) -> Generator[Line]:
    """Read a text file line by line.

    Args:
        path: The file, plain, gzipped or bgzipped.

    Yields:
        Every line, blank ones too.

    Raises:
        DataError: If the file is missing, empty, damaged or no text.
    """
    with open_text(path) as handle:
        for number, text in enumerate(handle, start=1):
            yield Line(path, number, text.rstrip("\r\n"))


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write a text file, whole or not at all.

    Args:
        path: Where to; compressed by bgzip, so that tabix can index it, if the name says so
            (``.gz``, ``.bgz``).
        lines: The lines, without their ends.

    Raises:
        DataError: If a line holds something that UTF-8 has no bytes for.
        OutputError: If the file cannot be written there.
    """
    try:
        with atomic_write(path) as unfinished:
            if str(path).lower().endswith(PACKED_SUFFIXES):
                from pysam import BGZFile

                with BGZFile(str(unfinished), "wb", index=None) as packed:
                    for line in lines:
                        packed.write(f"{line}\n".encode())
            else:
                with unfinished.open("w", encoding="utf-8", newline="\n") as handle:
                    handle.writelines(f"{line}\n" for line in lines)
    except UnicodeEncodeError as error:
        sign = error.object[error.start]
        raise DataError(f"{sign!r} cannot be written as UTF-8", path=path) from None


def number_text(number: float) -> str:
    """Write a number so that reading it gives the same one; whole ones without a fraction.

    Args:
        number: Finite.
    """
    return str(int(number)) if number.is_integer() else repr(number)
