"""Variants on their reference genome: where they lie, whether REF is right, what stands around.

variant -> contig of the FASTA file -> REF compared -> a reason for each allele that has no score

Positions are 0-based.  Nothing is dropped: an allele that cannot be scored gets the name of a
reason, and :data:`REASONS` says what that means.
"""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from hyena_glt.biology.intervals import Variant
from hyena_glt.errors import ConfigError
from hyena_glt.io.indexed_fasta import IndexedFasta
from hyena_glt.io.vcf import is_sequence

ContigNaming = Literal["as-is", "auto"]
"""How the contigs of a VCF file are looked up in the FASTA file, see :class:`VariantReference`."""

REASONS = {
    "contig_not_in_fasta": "the FASTA file has no such contig",
    "beyond_contig_end": "REF does not lie within the contig",
    "ref_mismatch": "REF is not what the FASTA file has there",
    "no_alternative": "ALT is . (no variant)",
    "symbolic_allele": "ALT is symbolic (<...>): its bases are not told",
    "breakend": "ALT is a breakend",
    "spanning_deletion": "ALT is *, removed by a deletion further up",
    "ambiguous_allele": "an allele holds letters other than A, C, G and T",
    "same_as_ref": "ALT is REF",
    "allele_too_long": "the window is too short for the allele, or the contig ends beside an indel",
}
"""Why an allele has no score: name, as it stands in the output, and meaning."""

_BASES = frozenset("ACGT")
_STRETCH = 1 << 18
_SLICE = re.compile(r"(.+):([\d,]+)-([\d,]+)")
_NOT_A_BASE = str.maketrans({chr(code): "N" for code in range(65, 91) if chr(code) not in _BASES})


class Place(NamedTuple):
    """Where the first base of a contig of the VCF file lies.

    Attributes:
        contig: Contig of the FASTA file.
        shift: What to take from a position to get that in the FASTA file: 0, but for a contig that
            is a slice of a chromosome.
    """

    contig: str
    shift: int


class VariantReference:
    """Look up variants in a genome.

    Args:
        fasta: The genome, or its path.
        naming: ``as-is``: contigs must be named alike.  ``auto``: ``1`` may also be ``chr1`` and
            the reverse, ``MT`` may be ``chrM``, and a contig named ``chr1:1001-2000``, as
            ``samtools faidx`` names them (1-based, both ends included), is that slice of chr1.
            Names that agree as they are go first.

    Raises:
        ConfigError: If ``naming`` is unknown.
        DataError: If the file cannot be read.
    """

    def __init__(self, fasta: IndexedFasta | str | Path, naming: ContigNaming = "as-is") -> None:
        if naming not in {"as-is", "auto"}:
            raise ConfigError(f"contig naming must be as-is or auto, got {naming!r}")
        self.fasta = fasta if isinstance(fasta, IndexedFasta) else IndexedFasta(fasta)
        self.naming = naming
        self._slices: dict[str, list[Place]] = {}
        for name, length in self.fasta.contigs.items():
            found = _SLICE.fullmatch(name)
            if found is not None:
                start, end = (int(text.replace(",", "")) for text in found.groups()[1:])
                if end - start + 1 == length:
                    self._slices.setdefault(found[1], []).append(Place(name, start - 1))
        self._held = ("", 0, "")

    def place(self, contig: str, position: int) -> Place | None:
        """Find a contig.

        Args:
            contig: Its name in the VCF file.
            position: Of a variant on it; slices need it.

        Returns:
            Where it is; None if the FASTA file does not have it under the names allowed.
        """
        if contig in self.fasta.contigs:
            return Place(contig, 0)
        return None if self.naming == "as-is" else self.renamed(contig, position)

    def renamed(self, contig: str, position: int) -> Place | None:
        """Find a contig under its other names, whether they are allowed or not.

        Args:
            contig: Its name in the VCF file.
            position: Of a variant on it.
        """
        names = _other_names(contig)
        for name in names:
            if name in self.fasta.contigs:
                return Place(name, 0)
        slices = [place for name in (contig, *names) for place in self._slices.get(name, [])]
        for place in slices:
            if 0 <= position - place.shift < self.fasta.contigs[place.contig]:
                return place
        return slices[0] if slices else None

    def reasons(self, variant: Variant) -> list[str]:
        """Say which alternatives have no score, and why.

        Args:
            variant: As the VCF file has it.

        Returns:
            One name of :data:`REASONS` per alternative, empty where there is none; one entry if
            there is no alternative.
        """
        of_all = self._reason(variant)
        if of_all or not variant.alternatives:
            return [of_all or "no_alternative"] * max(1, len(variant.alternatives))
        return [_reason_of(variant.reference, allele) for allele in variant.alternatives]

    def context(self, variant: Variant, reach: int) -> tuple[str, int]:
        """Read the bases around a variant that lies within its contig.

        Args:
            variant: As the VCF file has it.
            reach: Bases on either side; fewer where the contig ends.

        Returns:
            The bases, upper case, N for all that is no base; and where REF begins in them.
        """
        place = self.place(variant.contig, variant.position)
        assert place is not None
        at = variant.position - place.shift
        start = max(0, at - reach)
        end = min(self.fasta.contigs[place.contig], at + len(variant.reference) + reach)
        return self._letters(place.contig, start, end).translate(_NOT_A_BASE), at - start

    def _reason(self, variant: Variant) -> str:
        place = self.place(variant.contig, variant.position)
        if place is None:
            return "contig_not_in_fasta"
        start = variant.position - place.shift
        end = start + len(variant.reference)
        if start < 0 or end > self.fasta.contigs[place.contig]:
            return "beyond_contig_end"
        if self._letters(place.contig, start, end) != variant.reference.upper():
            return "ref_mismatch"
        return ""

    def _letters(self, contig: str, start: int, end: int) -> str:
        """Bases, upper case; a longer stretch is kept, for the next variant is often near."""
        name, first, letters = self._held
        if name != contig or start < first or end > first + len(letters):
            first = max(0, start - _STRETCH // 8)
            last = min(self.fasta.contigs[contig], max(end, first + _STRETCH))
            letters = self.fasta.fetch(contig, first, last).upper()
            self._held = (contig, first, letters)
        return letters[start - first : end - first]


def _reason_of(reference: str, allele: str) -> str:
    if allele == "*":
        return "spanning_deletion"
    if allele.startswith("<"):
        return "symbolic_allele"
    if not is_sequence(allele):
        return "breakend"
    if not _BASES.issuperset(reference.upper() + allele.upper()):
        return "ambiguous_allele"
    return "same_as_ref" if reference.upper() == allele.upper() else ""


def _other_names(contig: str) -> list[str]:
    """Names that other archives give to the same contig."""
    bare = contig.removeprefix("chr")
    names = [bare, f"chr{bare}"]
    if bare in {"M", "MT"}:
        names += ["chrM", "MT", "M", "chrMT"]
    return [name for name in names if name != contig]
