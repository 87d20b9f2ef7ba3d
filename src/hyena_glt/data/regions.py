"""Sequences of intervals and of variants, cut from a genome on disk.

intervals + genome -> one sequence per interval, on its strand
variants + genome -> the reference and the changed sequence, side by side

Positions are 0-based and half-open, in bases, on the strand of the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hyena_glt.biology.alphabet import DNA
from hyena_glt.biology.intervals import Feature, Interval, Variant
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.io.indexed_fasta import IndexedFasta
from hyena_glt.io.records import SequenceRecord
from hyena_glt.io.vcf import is_sequence


def iter_interval_records(
    intervals: Iterable[Interval | Feature], fasta: IndexedFasta, *, flank: int = 0
) -> Iterator[SequenceRecord]:
    """Read the sequences of intervals, each on its own strand.

    Args:
        intervals: Where; strand ``.`` is read as ``+``.
        fasta: The genome.
        flank: Bases to add on either side; fewer where the contig ends before.

    Yields:
        One record per interval, 5′ to 3′ on its strand.  Its id is the name of the interval (of a
        feature its ``ID``), or else the place; the description is the place, flanks included:
        ``contig:start-end(strand)``.

    Raises:
        ConfigError: If ``flank`` is negative.
        DataError: If an interval is empty or does not lie within its contig, or there is no such
            contig; names the genome and the interval.
    """
    if flank < 0:
        raise ConfigError(f"flank must be at least 0 bases, got {flank}")
    for interval in intervals:
        length = fasta.contigs.get(interval.contig, 0)
        start, end = interval.start, interval.end
        if length and start >= end:
            raise DataError(f"{place_of(interval.contig, start, end)} is empty", path=fasta.path)
        if flank and 0 <= start < end <= length:
            start, end = max(0, start - flank), min(length, end + flank)
        place = place_of(interval.contig, start, end, interval.strand)
        sequence = fasta.fetch(interval.contig, start, end)
        if interval.strand == "-":
            sequence = other_strand(sequence, place, fasta)
        if isinstance(interval, Interval):
            name = interval.name
        else:
            name = interval.attributes.get("ID", "")
        id_ = name if name and not any(letter.isspace() for letter in name) else place
        yield SequenceRecord(id_, sequence, place)


class VariantWindow(NamedTuple):
    """The surroundings of a variant without it and with it.

    Attributes:
        reference: Letters of the genome, in the case of the file.
        alternative: The same with REF replaced by the allele.
        offset: Position of the variant's first base in both, 0-based.
        variant: The variant.
        allele: Which of its alternatives.
    """

    reference: str
    alternative: str
    offset: int
    variant: Variant
    allele: str


def variant_windows(
    variants: Iterable[Variant], fasta: IndexedFasta, window: int
) -> Iterator[VariantWindow]:
    """Cut windows around variants, with the reference allele and with each alternative.

    The variant stands in the middle, and all its alleles have the same reference.  At the end of a
    contig the window is moved inwards, but never cuts off an allele; a contig shorter than the
    window is taken whole.  Both sequences begin at the same base.  Behind an insertion the
    alternative holds fewer bases of the genome, behind a deletion more, so that both are equally
    long; only where the contig ends before, one of them may be shorter.

    Args:
        variants: What to look at.  Alleles that are no bases (``<DEL>``, ``*``, breakends) have no
            sequence and are left out.
        fasta: The genome whose strand and positions the variants use.
        window: Bases per window.

    Yields:
        One window per alternative allele, in the order of the variants.

    Raises:
        ConfigError: If ``window`` is below 1.
        DataError: If REF is not what the genome holds, there is no such contig, a variant lies
            outside of it, or an allele does not fit into the window.  The message names the
            genome and the variant (1-based, as in VCF) and gives REF and the genome's letters.
    """
    if window < 1:
        raise ConfigError(f"window must be at least 1 base, got {window}")
    for variant in variants:
        alleles = [allele for allele in variant.alternatives if is_sequence(allele)]
        if alleles:
            _check_reference(variant, fasta)
            yield from _windows(variant, alleles, fasta, window)


def _check_reference(variant: Variant, fasta: IndexedFasta) -> None:
    end = variant.position + len(variant.reference)
    length = fasta.contigs.get(variant.contig)
    if length is not None and not 0 <= variant.position < end <= length:
        raise DataError(
            f"variant {_name(variant)} does not lie within {variant.contig}, which has "
            f"{length:,} bases",
            path=fasta.path,
        )
    there = fasta.fetch(variant.contig, variant.position, end)
    if not all(map(_same_base, variant.reference.upper(), there.upper())):
        raise DataError(
            f"variant {_name(variant)}: REF is {_short(variant.reference)}, but the genome holds "
            f"{_short(there)} there; is it another release of the genome?",
            path=fasta.path,
        )


def _same_base(reference: str, there: str) -> bool:
    # VCF has no ambiguity letters: where the genome has one, REF is one of the bases it stands for.
    return reference == there or (there != "N" and reference in DNA.ambiguity.get(there, ""))


def _windows(
    variant: Variant, alleles: Sequence[str], fasta: IndexedFasta, window: int
) -> Iterator[VariantWindow]:
    removed = len(variant.reference)
    longest = max(removed, *map(len, alleles))
    if longest > window:
        raise DataError(
            f"variant {_name(variant)}: an allele of {longest:,} bases does not fit into a window "
            f"of {window:,}",
            path=fasta.path,
        )
    length = fasta.contigs[variant.contig]
    start = min(variant.position - (window - longest) // 2, length - window)
    start = max(0, start, variant.position + longest - window)
    offset = variant.position - start
    # What a deletion takes away is made up for on the right.
    letters = fasta.fetch(variant.contig, start, min(length, start + window + removed))
    for allele in alleles:
        changed = letters[:offset] + allele + letters[offset + removed :]
        yield VariantWindow(letters[:window], changed[:window], offset, variant, allele)


def _name(variant: Variant) -> str:
    name = f" ({variant.id})" if variant.id else ""
    alternatives = ",".join(map(_short, variant.alternatives))
    return (
        f"{variant.contig}:{variant.position + 1} {_short(variant.reference)}>{alternatives}{name}"
    )


def _short(allele: str) -> str:
    return allele if len(allele) <= 20 else f"{allele[:17]}... ({len(allele)} bases)"


def place_of(contig: str, start: int, end: int, strand: str = ".") -> str:
    """Write a place as text, 0-based and half-open.

    Args:
        contig: Name of the contig.
        start: First base.
        end: Behind the last base.
        strand: Written behind the place unless it is ``.``.

    Example:
        >>> place_of("chr1", 0, 10, "-")
        'chr1:0-10(-)'
    """
    return f"{contig}:{start}-{end}" + (f"({strand})" if strand != "." else "")


def other_strand(sequence: str, place: str, fasta: IndexedFasta) -> str:
    """Reverse-complement letters of a genome; a foreign letter is told with its place.

    Args:
        sequence: DNA, on the strand of the file.
        place: Where it is from.
        fasta: The genome, for the message.

    Raises:
        AlphabetError: If a letter is none of DNA.
    """
    try:
        return reverse_complement(sequence)
    except AlphabetError as error:
        raise AlphabetError(f"{place}: {error}", path=fasta.path) from None
