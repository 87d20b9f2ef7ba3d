"""GFF3 and GTF files: genes, exons and whatever else is annotated on a genome.

Positions in both formats are 1-based with the last base included; features are 0-based and
half-open.

Source:
    GFF3 1.26, https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md;
    GTF 2.2, https://mblab.wustl.edu/GTF22.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

from hyena_glt.biology.intervals import Feature
from hyena_glt.errors import DataError
from hyena_glt.io.lines import Line, number_text, numbered_lines, write_lines

_STRANDS = {"+": "+", "-": "-", ".": ".", "?": "."}
_PHASES = {"0": 0, "1": 1, "2": 2, ".": None}
_GFF3_START = re.compile(r'[^=;"]+=')
_GTF_PAIR = re.compile(r'\s*([^\s;="]+)\s+(?:"([^"]*)"|([^\s;"]+))\s*(?:;\s*|$)')
# Keys whose commas separate values; in all others a comma is part of the text.
_SEVERAL_VALUES = frozenset({"Parent", "Alias", "Note", "Dbxref", "Ontology_term"})
_CONTIG_SAFE = ".:^*$@!+_?-|"
_CONTROL = {code: f"%{code:02X}" for code in (*range(32), 127, ord("%"))}
_RESERVED = _CONTROL | {ord(sign): f"%{ord(sign):02X}" for sign in ";=&"}
_RESERVED_IN_TEXT = _RESERVED | {ord(","): "%2C"}
_RESERVED_IN_KEY = _RESERVED_IN_TEXT | {ord('"'): "%22"}  # else the line would look like GTF


def iter_gff(path: str | Path) -> Iterator[Feature]:
    r"""Read a GFF3 or GTF file; the attributes of the first feature tell which it is.

    Comments and directives (lines that begin with ``#``) are left aside; reading stops at
    ``##FASTA``.  Escapes (``%2C``) of GFF3 are resolved.

    Args:
        path: The file, plain or gzipped.

    Yields:
        The features in the order of the file.  Whether they lie within their contig is not for
        this reader to know.

    Raises:
        DataError: If the file cannot be read, holds no feature, or a line breaks a rule: 9
            columns; whole numbers, the start at least 1 and not behind the end; a score, strand
            and phase of the format; attributes as ``key=value;`` or ``key "value";``, alike in all
            lines.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "genes.gff"
        >>> _ = path.write_text("chr1\tme\tgene\t1\t9\t.\t+\t.\tID=g1;Note=a%2Cb\n")
        >>> gene = next(iter_gff(path))
        >>> gene.start, gene.end, gene.attributes["Note"]
        (0, 9, 'a,b')
    """
    gtf: bool | None = None
    empty = True
    with closing(numbered_lines(path)) as lines:
        for line in lines:
            if line.text.startswith(("##FASTA", ">")):
                break
            if not line.text.strip() or line.text.startswith("#"):
                continue
            columns = line.text.split("\t")
            if len(columns) != 9:
                raise line.fault(f"9 columns expected, separated by tabs, got {len(columns)}")
            attributes: Mapping[str, str] = {}
            if columns[8].strip() not in {"", "."}:
                if gtf is None:
                    gtf = _GFF3_START.match(columns[8]) is None
                attributes = _gtf_pairs(line, columns[8]) if gtf else _pairs(line, columns[8])
            yield _feature(line, columns, attributes)
            empty = False
    if empty:
        raise DataError("the file holds no feature", path=path)


def write_gff3(path: str | Path, features: Iterable[Feature]) -> int:
    """Write a GFF3 file, whole or not at all.

    Args:
        path: Where to; bgzipped if the name ends in ``.gz``.
        features: What to write, in this order.  Commas in ``Parent``, ``Alias``, ``Note``,
            ``Dbxref`` and ``Ontology_term`` separate values; elsewhere they are escaped.

    Returns:
        How many features were written.

    Raises:
        DataError: If a feature breaks a rule of the format.
        OutputError: If the file cannot be written there.
    """
    count = 0

    def lines() -> Iterator[str]:
        nonlocal count
        yield "##gff-version 3"
        for count, feature in enumerate(features, start=1):
            yield _line(feature, Line(path, count + 1, ""))

    write_lines(path, lines())
    return count


def _feature(line: Line, columns: list[str], attributes: Mapping[str, str]) -> Feature:
    contig, source, kind, first, last, score, strand, phase, _ = columns
    start = line.whole(first, "the start", least=1) - 1
    end = line.whole(last, "the end", least=1)
    if start >= end:
        raise line.fault(f"the start {first} lies behind the end {last}")
    if not kind or kind == ".":
        raise line.fault("the kind of feature (column 3) is missing")
    if strand not in _STRANDS:
        raise line.fault(f"the strand must be +, -, . or ?, got {strand!r}")
    if phase not in _PHASES:
        raise line.fault(f"the phase must be 0, 1, 2 or ., got {phase!r}")
    return Feature(
        contig=line.contig(unquote(contig)),
        start=start,
        end=end,
        kind=unquote(kind),
        strand=_STRANDS[strand],
        source="" if source == "." else unquote(source),
        score=line.score(score),
        phase=_PHASES[phase],
        attributes=attributes,
    )


def _pairs(line: Line, text: str) -> dict[str, str]:
    """Attributes of GFF3."""
    attributes: dict[str, str] = {}
    for part in text.split(";"):
        key, equals, value = part.partition("=")
        key = unquote(key.strip())
        if equals and key:
            _add(attributes, key, unquote(value))
        elif part.strip():
            raise line.fault(f"attributes key=value; expected, got {part.strip()[:60]!r}")
    return attributes


def _gtf_pairs(line: Line, text: str) -> dict[str, str]:
    """Attributes of GTF."""
    attributes: dict[str, str] = {}
    at = 0
    while at < len(text):
        pair = _GTF_PAIR.match(text, at)
        if pair is None:
            raise line.fault(f'attributes key "value"; expected, got {text[at:].strip()[:60]!r}')
        _add(attributes, pair[1], pair[3] if pair[2] is None else pair[2])
        at = pair.end()
    return attributes


def _add(attributes: dict[str, str], key: str, value: str) -> None:
    attributes[key] = f"{attributes[key]},{value}" if key in attributes else value


def _line(feature: Feature, place: Line) -> str:
    place.contig(feature.contig)
    if not 0 <= feature.start < feature.end:
        raise place.fault(f"0 <= start < end does not hold: {feature}")
    if not feature.kind:
        raise place.fault(f"the kind of feature is missing: {feature}")
    if feature.strand not in {"+", "-", "."}:
        raise place.fault(f"the strand must be +, - or ., got {feature.strand!r}")
    if feature.phase not in _PHASES.values():
        raise place.fault(f"the phase must be 0, 1, 2 or None, got {feature.phase!r}")
    if not all(key.strip() == key != "" for key in feature.attributes):
        raise place.fault(f"an attribute's name is empty or begins or ends with a blank: {feature}")
    attributes = ";".join(
        f"{key.translate(_RESERVED_IN_KEY)}="
        + value.translate(_RESERVED if key in _SEVERAL_VALUES else _RESERVED_IN_TEXT)
        for key, value in feature.attributes.items()
    )
    return "\t".join(
        (
            quote(feature.contig, safe=_CONTIG_SAFE),
            feature.source.translate(_CONTROL) or ".",
            feature.kind.translate(_CONTROL),
            str(feature.start + 1),
            str(feature.end),
            "." if feature.score is None else number_text(feature.score),
            feature.strand,
            "." if feature.phase is None else str(feature.phase),
            attributes or ".",
        )
    )
