"""Motif collections from MEME, JASPAR and TRANSFAC files, and written as MEME.

All give one matrix per motif.  MEME (minimal format, version 4 and later) holds probabilities, one
line per position; JASPAR holds counts, one line per base; TRANSFAC counts, one line per position.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import DataError
from hyena_glt.io.files import open_text
from hyena_glt.io.lines import write_lines

_BASES = "ACGT"
_TRANSFAC_KEYS = ("AC", "ID", "DE", "VV", "XX")


class _Line(NamedTuple):
    number: int  # 1-based
    text: str


def read_motifs(path: str | Path) -> list[Motif]:
    """Read all motifs of a MEME, JASPAR or TRANSFAC file, told apart by the first line.

    Args:
        path: The file, plain or gzipped.  MEME begins with ``MEME version``.  JASPAR has ``>name``
            and then four lines of counts, with or without their base and brackets; a lone matrix
            without a ``>`` line takes the name of the file.  TRANSFAC begins with a line of two
            letters such as ``AC`` and ends a motif with ``//``.

    Returns:
        The motifs in the order of the file, named as there (identifier and name); at least one.
        Counts become probabilities by :meth:`~hyena_glt.biology.motifs.Motif.from_counts`.

    Raises:
        DataError: If the file cannot be read, is in none of these formats, or a matrix breaks a
            rule; names the line.

    Source:
        https://meme-suite.org/meme/doc/meme-format.html and
        https://jaspar.elixir.no/docs/ (formats).
    """
    with open_text(path) as handle:
        stripped = (_Line(number, text.strip()) for number, text in enumerate(handle, 1))
        lines = [line for line in stripped if line.text and not line.text.startswith("#")]
    if not lines:
        raise DataError("the file holds no motif", path=path)
    if lines[0].text.startswith("MEME version"):
        motifs = list(_meme(lines, path))
    elif lines[0].text.startswith(">") or _numbers(lines[0].text):
        motifs = list(_jaspar(lines, path))
    elif lines[0].text.split()[0] in _TRANSFAC_KEYS and len(lines) > 1:
        motifs = list(_transfac(lines, path))
    else:
        raise DataError(
            "neither MEME (begins with 'MEME version') nor JASPAR (begins with '>') nor TRANSFAC "
            "(begins with 'AC')",
            path=path,
            line=lines[0].number,
        )
    if not motifs:
        raise DataError("the file holds no motif", path=path)
    return motifs


def _meme(lines: Sequence[_Line], path: str | Path) -> Iterator[Motif]:
    header: _Line | None = None
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.text.startswith("ALPHABET"):
            letters = line.text.partition("=")[2].strip()
            if letters != _BASES:
                raise DataError(
                    f"DNA motifs are wanted (ALPHABET= ACGT), got {line.text!r}",
                    path=path,
                    line=line.number,
                )
        elif line.text.startswith("MOTIF"):
            if header is not None:
                raise _no_matrix(header, path)
            header = line
        elif line.text.startswith("letter-probability matrix"):
            if header is None:
                raise DataError("a matrix before any MOTIF line", path=path, line=line.number)
            rows = _following_rows(lines, at)
            at += len(rows)
            name = " ".join(header.text.split()[1:]) or f"motif at line {header.number}"
            yield _meme_motif(name, line, rows, path)
            header = None
    if header is not None:
        raise _no_matrix(header, path)


def _no_matrix(header: _Line, path: str | Path) -> DataError:
    return DataError(
        f"{header.text!r} has no letter-probability matrix", path=path, line=header.number
    )


def _following_rows(lines: Sequence[_Line], at: int) -> list[_Line]:
    stop = at
    while stop < len(lines) and _numbers(lines[stop].text):
        stop += 1
    return list(lines[at:stop])


def _meme_motif(name: str, head: _Line, rows: Sequence[_Line], path: str | Path) -> Motif:
    width = re.search(r"\bw=\s*(\d+)", head.text)
    if not rows or (width and int(width.group(1)) != len(rows)):
        wanted = f"{width.group(1)} positions, as w= says," if width else "at least 1 position"
        raise DataError(
            f"motif {name!r}: {wanted} expected, got {len(rows)}", path=path, line=head.number
        )
    matrix = []
    for row in rows:
        values = _numbers(row.text)
        total = sum(values)
        # Files round to 2 to 6 places, and their rows sum to 1 only so far.
        if len(values) != 4 or min(values) < 0 or not math.isclose(total, 1, abs_tol=0.02):
            raise DataError(
                f"motif {name!r}: four probabilities that sum to 1 expected, got {row.text!r}",
                path=path,
                line=row.number,
            )
        matrix.append([value / total for value in values])
    return _checked(lambda: Motif(name, np.array(matrix)), path, head)


def _jaspar(lines: Sequence[_Line], path: str | Path) -> Iterator[Motif]:
    headers = [at for at, line in enumerate(lines) if line.text.startswith(">")]
    if not headers:
        name = Path(str(path).removesuffix(".gz")).stem
        yield _jaspar_motif(name, lines[0], lines, path)
    for at, stop in pairwise([*headers, len(lines)]):
        name = " ".join(lines[at].text[1:].split()) or f"motif at line {lines[at].number}"
        yield _jaspar_motif(name, lines[at], lines[at + 1 : stop], path)


def _jaspar_motif(name: str, head: _Line, rows: Sequence[_Line], path: str | Path) -> Motif:
    if len(rows) != 4:
        raise DataError(
            f"motif {name!r}: four lines of counts expected (A, C, G, T), got {len(rows)}",
            path=path,
            line=head.number,
        )
    by_base: dict[str, list[float]] = {}
    for row, base in zip(rows, _BASES, strict=True):
        match = re.fullmatch(r"(?:([ACGT])\s*)?(?:\[\s*([^\[\]]*)\]|([^\[\]]*))", row.text)
        values = _numbers((match.group(2) or match.group(3) or "") if match else "")
        written = (match.group(1) if match else None) or base
        if (
            not values
            or written in by_base
            or len(values) != len(next(iter(by_base.values()), values))
        ):
            raise DataError(
                f"motif {name!r}: one line of counts for each of A, C, G, T, all equally long, "
                f"expected; got {row.text!r}",
                path=path,
                line=row.number,
            )
        by_base[written] = values
    if set(by_base) != set(_BASES):
        raise DataError(f"motif {name!r}: A, C, G or T is missing", path=path, line=head.number)
    counts = list(zip(*(by_base[base] for base in _BASES), strict=True))
    return _checked(lambda: Motif.from_counts(name, counts), path, head)


def _transfac(lines: Sequence[_Line], path: str | Path) -> Iterator[Motif]:
    words: dict[str, str] = {}
    head: _Line | None = None
    counts: list[list[float]] = []
    for line in lines:
        key, *rest = line.text.split()
        if line.text == "//":
            if head is not None:
                yield _transfac_motif(words, head, counts, path)
            words, head, counts = {}, None, []
        elif head is None and key.upper() in {"PO", "P0"}:
            if rest[:4] != list(_BASES):
                raise DataError(
                    f"the columns A, C, G, T expected, got {line.text!r}",
                    path=path,
                    line=line.number,
                )
            head = line
        elif head is None:
            words.setdefault(key, " ".join(rest))
        elif key.isdigit():
            values = _numbers(" ".join(rest[:4]))
            if len(values) != 4:
                raise DataError(
                    f"four counts expected behind the position, got {line.text!r}",
                    path=path,
                    line=line.number,
                )
            counts.append(values)
    if head is not None:
        yield _transfac_motif(words, head, counts, path)


def _transfac_motif(
    words: dict[str, str], head: _Line, counts: list[list[float]], path: str | Path
) -> Motif:
    parts = dict.fromkeys(words[key] for key in ("AC", "ID") if words.get(key))
    name = " ".join(parts) or f"motif at line {head.number}"
    if not counts:
        raise DataError(f"motif {name!r}: no position follows", path=path, line=head.number)
    return _checked(lambda: Motif.from_counts(name, counts), path, head)


def write_motifs(
    path: str | Path,
    motifs: Sequence[Motif],
    *,
    sites: Sequence[int] | None = None,
    both_strands: bool = True,
) -> None:
    """Write motifs in the minimal MEME format, which all tools of the MEME suite read.

    Args:
        path: Where to; bgzipped if the name ends in ``.gz``.
        motifs: At least one; the first word of a name is its identifier there.
        sites: How many sites each motif was made from; None leaves it out.
        both_strands: What the file says about the strands that were looked at.

    Raises:
        DataError: If there is no motif, or a name is empty or no single line.
        OutputError: If the file cannot be written there.

    Source:
        https://meme-suite.org/meme/doc/meme-format.html
    """
    if not motifs:
        raise DataError("there is no motif to write", path=path)
    for motif in motifs:
        if not motif.name.strip() or not motif.name.isprintable():
            raise DataError(f"a motif needs a name on one line, got {motif.name!r}", path=path)
    counts = [""] * len(motifs) if sites is None else [f" nsites= {count}" for count in sites]

    def lines() -> Iterator[str]:
        yield from ("MEME version 4", "", f"ALPHABET= {_BASES}", "")
        yield from (f"strands: {'+ -' if both_strands else '+'}", "")
        yield from ("Background letter frequencies", "A 0.25 C 0.25 G 0.25 T 0.25")
        for motif, count in zip(motifs, counts, strict=True):
            yield from ("", f"MOTIF {motif.name}")
            yield f"letter-probability matrix: alength= 4 w= {len(motif)}{count}"
            for row in motif.probabilities:
                yield " ".join(f"{value:.6f}" for value in row)

    write_lines(path, lines())


def _checked(build: Callable[[], Motif], path: str | Path, head: _Line) -> Motif:
    try:
        return build()
    except DataError as error:
        raise DataError(str(error), path=path, line=head.number) from None


def _numbers(text: str) -> list[float]:
    """Read a line of finite numbers; empty if anything else is on it."""
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        return []
    return values if all(math.isfinite(value) for value in values) else []
