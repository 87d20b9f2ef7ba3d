"""VCF files: variants of a genome, read with every line checked, and written back with scores.

Positions in VCF are 1-based; variants are 0-based.  Each line is split and checked here, since the
library's own message for any bad row is "truncated file".

Source:
    VCF 4.3, https://samtools.github.io/hts-specs/VCFv4.3.pdf
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from hyena_glt.biology.alphabet import DNA
from hyena_glt.biology.intervals import Variant
from hyena_glt.errors import DataError
from hyena_glt.io.lines import Line, numbered_lines, write_lines

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
"""The columns that every VCF file has."""

_BASES = re.compile(f"[{DNA.all_letters}]+", re.IGNORECASE)
_ALLELE = re.compile(
    rf"{_BASES.pattern}"  # bases
    r"|\*"  # removed by a deletion further up
    r"|<[^<>\s,]+>"  # symbolic
    r"|[A-Za-z]*[\[\]][^\[\]\s,]+[\[\]][A-Za-z]*"  # a breakend and its mate
    r"|\.[A-Za-z]+|[A-Za-z]+\.",  # a breakend without a mate
    re.IGNORECASE,
)
_INFO_KEY = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")
_INFO_ESCAPES = str.maketrans({"%": "%25", ";": "%3B", "=": "%3D", " ": "%20", "\t": "%09"})


def is_sequence(allele: str) -> bool:
    """Tell alleles that are bases from symbolic ones, ``*`` and breakends.

    Args:
        allele: REF, or one of ALT.

    Example:
        >>> [is_sequence(allele) for allele in ("ACG", "<DEL>", "*", "G]17:198982]")]
        [True, False, False, False]
    """
    return _BASES.fullmatch(allele) is not None


def iter_vcf(path: str | Path) -> Iterator[Variant]:
    """Read the variants of a VCF file; quality, filters, INFO and samples are left aside.

    Args:
        path: VCF file, plain, gzipped or bgzipped.

    Yields:
        One variant per line, in the order of the file, with all its alternatives.

    Raises:
        DataError: If the file cannot be read, has no ``#CHROM`` line, or a line breaks a rule: as
            many columns as the header, a position of at least 0, REF of bases, each ALT of bases,
            symbolic, ``*`` or a breakend.
    """
    for variant, _ in iter_vcf_rows(path):
        yield variant


def iter_vcf_rows(path: str | Path) -> Iterator[tuple[Variant, list[str]]]:
    """Read the variants of a VCF file together with the text of their columns.

    Args:
        path: VCF file, plain, gzipped or bgzipped.

    Yields:
        The variant, and its line as :func:`write_vcf` takes it.

    Raises:
        DataError: As :func:`iter_vcf` does.
    """
    width = 0
    line: Line | None = None
    with closing(numbered_lines(path)) as lines:
        for line in lines:
            if line.text.startswith("#CHROM"):
                width = _header_width(line)
            elif line.text.strip() and not line.text.startswith("##"):
                if not width:
                    raise line.fault(
                        f"a VCF file has the line {' '.join(COLUMNS)} before its first variant"
                    )
                columns = line.text.split("\t")
                if len(columns) != width:
                    raise line.fault(
                        f"{width} columns expected, as in the header, got {len(columns)}"
                    )
                yield _variant(line, columns), columns
    if not width:
        raise DataError(f"this is no VCF file: there is no line {' '.join(COLUMNS)}", path=path)


def vcf_header(path: str | Path) -> list[str]:
    """Read the header of a VCF file.

    Args:
        path: VCF file, plain, gzipped or bgzipped.

    Returns:
        Its lines, the last one that of the columns.

    Raises:
        DataError: If the file cannot be read or has no ``#CHROM`` line.
    """
    header = []
    with closing(numbered_lines(path)) as lines:
        for line in lines:
            if not line.text.startswith("#"):
                break
            header.append(line.text)
            if line.text.startswith("#CHROM"):
                _header_width(line)
                return header
    raise DataError(f"this is no VCF file: there is no line {' '.join(COLUMNS)}", path=path)


def declare_info(
    header: Sequence[str], key: str, number: str, kind: str, description: str
) -> list[str]:
    """Declare an INFO field in a header; an older declaration of the same key is replaced.

    Args:
        header: Lines as :func:`vcf_header` gives them.
        key: Name of the field.
        number: Values per variant: ``1``, ``A`` (one per alternative), ``R``, ``G`` or ``.``.
        kind: ``Integer``, ``Float``, ``Flag``, ``Character`` or ``String``.
        description: What the values are.

    Returns:
        The new header.

    Raises:
        DataError: If the key is none that VCF allows.
    """
    if not _INFO_KEY.fullmatch(key):
        raise DataError(f"an INFO key is made of letters, digits, _ and ., got {key!r}")
    kept = [line for line in header if not line.startswith(f"##INFO=<ID={key},")]
    text = description.replace("\\", "\\\\").replace('"', '\\"')
    declared = f'##INFO=<ID={key},Number={number},Type={kind},Description="{text}">'
    return [*kept[:-1], declared, kept[-1]]


def add_info(columns: Sequence[str], key: str, values: Sequence[str]) -> list[str]:
    """Set an INFO field of one line.

    Args:
        columns: The line, as :func:`iter_vcf_rows` gives it.
        key: Name of the field; an older value of it is replaced.
        values: As text, for example one per alternative; ``.`` where there is none.

    Returns:
        The new line.

    Example:
        >>> add_info(["1", "9", ".", "A", "G,T", ".", ".", "DP=3"], "LLR", ["-1.5", "0.2"])[7]
        'DP=3;LLR=-1.5,0.2'
    """
    old = [] if columns[7] == "." else columns[7].split(";")
    kept = [field for field in old if field and field.partition("=")[0] != key]
    written = ",".join(value.replace(",", "%2C").translate(_INFO_ESCAPES) for value in values)
    return [*columns[:7], ";".join([*kept, f"{key}={written}"]), *columns[8:]]


def write_vcf(path: str | Path, header_lines: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a VCF file, whole or not at all.

    Args:
        path: Where to; bgzipped if the name ends in ``.gz`` or ``.bgz``.
        header_lines: The header, from ``##fileformat`` to ``#CHROM``.
        rows: The columns of each variant as text, positions 1-based.

    Returns:
        How many variants were written.

    Raises:
        DataError: If the header is incomplete, or a row breaks a rule of the format.
        OutputError: If the file cannot be written there.
    """
    if not header_lines or not header_lines[0].startswith("##fileformat=VCF"):
        raise DataError("a VCF header begins with ##fileformat=VCF", path=path)
    width = _header_width(Line(path, len(header_lines), header_lines[-1]))
    count = 0

    def lines() -> Iterator[str]:
        nonlocal count
        yield from header_lines
        for count, row in enumerate(rows, start=1):
            text = "\t".join(row)
            line = Line(path, len(header_lines) + count, text)
            columns = text.split("\t")
            if len(columns) != width or "\n" in text or "\r" in text:
                raise line.fault(f"{width} columns expected, as in the header, got {text[:60]!r}")
            _variant(line, columns)
            yield text

    write_lines(path, lines())
    return count


def _header_width(line: Line) -> int:
    # Some files separate the names by blanks, and only the names.
    columns = line.text.split("\t") if "\t" in line.text else line.text.split()
    if tuple(columns[:8]) != COLUMNS:
        raise line.fault(f"the header must begin with {' '.join(COLUMNS)}")
    return len(columns)


def _variant(line: Line, columns: Sequence[str]) -> Variant:
    contig, position, id_, reference, alternatives = columns[:5]
    # 0 is the telomere (VCF 4.3, section 1.6.1), a place before the first base.
    start = line.whole(position, "POS", least=0) - 1
    if not is_sequence(reference):
        raise line.fault(f"REF must be bases, got {reference[:60]!r}")
    alleles = () if alternatives == "." else tuple(alternatives.split(","))
    for allele in alleles:
        if not _ALLELE.fullmatch(allele):
            raise line.fault(
                f"each ALT must be bases, *, <...>, a breakend, or . alone, got {allele[:60]!r}"
            )
    return Variant(line.contig(contig), start, reference, alleles, "" if id_ == "." else id_)
