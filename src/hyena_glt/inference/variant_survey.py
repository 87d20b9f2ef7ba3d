"""What a VCF file holds, before a model sees any of it: counts, faults, order."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from hyena_glt.biology.intervals import Variant
from hyena_glt.errors import DataError
from hyena_glt.inference.variant_reference import REASONS, VariantReference
from hyena_glt.io.vcf import iter_vcf

_MOST_CONTIGS = 1000
_LONGEST_ALLELE = 20


class Survey(NamedTuple):
    """What a VCF file holds.

    Attributes:
        records: Lines of variants.
        alternatives: Alleles; a record without any counts as one.
        reasons: How many of them cannot be scored, by the names of
            :data:`~hyena_glt.inference.variant_reference.REASONS`.
        examples: The first one of each, see :func:`described`.
        unsorted: Records that stand behind one of a higher position, or whose contig had ended.
        first_unsorted: The first of these; empty if there is none.
        absent: Contigs that the FASTA file does not have, and how many records lie on each; the
            first 1,000 contigs.
        renamed: Those of them that it has under another name, and that name.
    """

    records: int
    alternatives: int
    reasons: dict[str, int]
    examples: dict[str, str]
    unsorted: int
    first_unsorted: str
    absent: dict[str, int]
    renamed: dict[str, str]


def survey_vcf(path: str | Path, reference: VariantReference) -> Survey:
    """Read a VCF file and look up every variant in the reference.

    Args:
        path: VCF file, plain, gzipped or bgzipped.
        reference: Where the variants should lie.

    Raises:
        DataError: If the file is no VCF file, or a line breaks a rule; names the line.
    """
    reasons: Counter[str] = Counter()
    absent: Counter[str] = Counter()
    examples: dict[str, str] = {}
    renamed: dict[str, str] = {}
    first_unsorted = ""
    records = alternatives = unsorted = 0
    ended: set[str] = set()
    contig, highest = "", 0
    for variant in iter_vcf(path):
        records += 1
        if variant.contig != contig:
            ended.add(contig)
            behind = variant.contig in ended
            ended.discard(variant.contig)
            highest = variant.position
        else:
            behind = variant.position < highest
        contig, highest = variant.contig, max(highest, variant.position)
        if behind:
            unsorted += 1
            first_unsorted = first_unsorted or described(variant)
        found = reference.reasons(variant)
        alternatives += len(found)
        for number, reason in enumerate(found):
            if reason:
                reasons[reason] += 1
                examples.setdefault(reason, described(variant, number))
        if found[0] == "contig_not_in_fasta" and (contig in absent or len(absent) < _MOST_CONTIGS):
            absent[contig] += 1
            other = reference.renamed(contig, variant.position)
            if other is not None:
                renamed.setdefault(contig, other.contig)
    return Survey(
        records, alternatives, dict(reasons), examples, unsorted, first_unsorted, dict(absent),
        renamed,
    )  # fmt: skip


def described(variant: Variant, number: int = 0) -> str:
    """Write a variant for people: ``chr1:1001 A>G``, 1-based; long alleles are cut.

    Args:
        variant: The variant.
        number: Which of its alternatives.
    """
    alleles = (variant.reference, variant.alternatives[number] if variant.alternatives else ".")
    short = [
        letters if len(letters) <= _LONGEST_ALLELE else f"{letters[:_LONGEST_ALLELE]}..."
        for letters in alleles
    ]
    return f"{variant.contig}:{variant.position + 1} {'>'.join(short)}"


def refuse_faults(survey: Survey, path: str | Path) -> None:
    """Refuse a file that holds an allele which cannot be scored, or that is not sorted.

    Args:
        survey: What it holds.
        path: Its name, for the message.

    Raises:
        DataError: Names what is wrong, how often, and where first.
    """
    faults = [
        f"{count:,} {name} ({REASONS[name]}), first {survey.examples[name]}"
        for name, count in survey.reasons.items()
    ]
    if survey.unsorted:
        faults.append(f"{survey.unsorted:,} out of order, first {survey.first_unsorted}")
    if faults:
        raise DataError(f"refused, as --strict asks: {'; '.join(faults)}", path=path)
