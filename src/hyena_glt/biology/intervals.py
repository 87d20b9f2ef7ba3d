"""Stretches of a genome and changes to it: intervals, annotated features, variants.

Positions are 0-based and half-open, in bases, counted on the strand of the reference; readers of
1-based formats (GFF3, GTF, VCF, GenBank) convert, writers convert back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a contig, as a BED line gives it.

    Attributes:
        contig: Name of the contig or chromosome.
        start: First base, 0-based.
        end: Behind the last base.
        strand: ``+``, ``-``, or ``.`` where the strand does not matter or is not known.
        name: What it is called; may be empty.
        score: As the file gives it; None where there is none.
    """

    contig: str
    start: int
    end: int
    strand: str = "."
    name: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """An annotated stretch of a contig, as a GFF3, GTF or GenBank file gives it.

    Attributes:
        contig: Name of the contig.
        start: First base, 0-based.
        end: Behind the last base.
        kind: What it is: ``gene``, ``CDS``, ``exon``, ...
        strand: ``+``, ``-`` or ``.``.
        source: Who annotated it; may be empty.
        score: As the file gives it; None where there is none.
        phase: For a CDS, bases to the first whole codon (0, 1, 2); else None.
        attributes: ID, Parent, gene, product, ...; several values of one key are joined by commas.
    """

    contig: str
    start: int
    end: int
    kind: str
    strand: str = "."
    source: str = ""
    score: float | None = None
    phase: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variant:
    """A change of the reference, as a VCF line gives it.

    Attributes:
        contig: Name of the contig.
        position: First base of ``reference``, 0-based.
        reference: REF allele, on the strand of the reference genome.
        alternatives: ALT alleles, on the same strand; none where the file says ``.``.  Alleles that
            are no bases (``<DEL>``, ``*``, breakends) stand here as they are written.
        id: Name of the variant; empty where the file says ``.``.
    """

    contig: str
    position: int
    reference: str
    alternatives: tuple[str, ...]
    id: str = ""
