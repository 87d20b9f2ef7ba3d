"""A genome in memory, and which of its regions are trained on and which are held out.

FASTA -> one byte per base -> regions for training, regions for the test

Positions are 0-based and half-open, in bases, on the strand of the file.  Bases are numbers: 0 to 3
for A, C, G, T and 4 for N, as which every ambiguity letter is read.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.alphabet import DNA, letter_bytes
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.io.fasta import iter_fasta
from hyena_glt.io.files import plain_suffix
from hyena_glt.io.formats import iter_sequences
from hyena_glt.io.genbank import GENBANK_SUFFIXES
from hyena_glt.io.records import SequenceRecord

Codes = NDArray[np.uint8]

UNKNOWN = 4
"""The number of N."""

_SOFT_MASK = 0x80
_LETTERS = letter_bytes(DNA.letters + "N")
_COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], dtype=np.uint8)
_BYTE_OF_LETTER = np.full(256, UNKNOWN, dtype=np.uint8)
_BYTE_OF_LETTER[letter_bytes(DNA.letters)] = range(4)
_BYTE_OF_LETTER[letter_bytes(DNA.letters.lower())] = [code | _SOFT_MASK for code in range(4)]
_REGION = re.compile(r"(?P<contig>.+):(?P<first>[\d,]+)-(?P<last>[\d,]+)")
# Whole contigs are held out if they come this near to the share that was asked for.
_TOLERANCE = 0.1


class Region(NamedTuple):
    """A stretch of a contig.

    Attributes:
        contig: Name of the contig.
        start: First base, 0-based.
        end: Behind the last base.
    """

    contig: str
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> "Region":
        """Read a region as genome browsers and samtools write it.

        Args:
            text: ``contig:first-last``, 1-based with the last base included; commas are allowed.

        Raises:
            ConfigError: If it is no region.

        Example:
            >>> Region.parse("chr1:1,001-2,000")
            Region(contig='chr1', start=1000, end=2000)
        """
        found = _REGION.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"--region {text!r}: expected contig:first-last, such as chr1:1001-2000"
            )
        first, last = (int(found[name].replace(",", "") or 0) for name in ("first", "last"))
        if not 1 <= first <= last:
            raise ConfigError(
                f"--region {text!r}: positions are 1-based, and the first must not lie behind the "
                "last"
            )
        return cls(found["contig"], first - 1, last)

    @property
    def bases(self) -> int:
        """Its length."""
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.contig}:{self.start}-{self.end}"


class Genome:
    """All contigs of one or several FASTA files, one byte per base.

    Args:
        records: The contigs.

    Raises:
        AlphabetError: If a contig holds letters that DNA does not have.
        DataError: If there is no contig, or two share a name.

    Example:
        >>> genome = Genome([SequenceRecord("plasmid", "ACGTnacgt")])
        >>> genome.codes(Region("plasmid", 2, 7)).tolist()
        [2, 3, 4, 0, 1]
        >>> genome.soft_masked(Region("plasmid", 2, 7)).tolist()
        [False, False, False, True, True]
    """

    def __init__(self, records: Iterable[SequenceRecord]) -> None:
        self._contigs: dict[str, Codes] = {}
        for record in records:
            if record.id in self._contigs:
                raise DataError(f"two contigs have the name {record.id!r}")
            try:
                DNA.check_letters(record.sequence)
            except AlphabetError as error:
                raise AlphabetError(f"{record.id}: {error}") from None
            self._contigs[record.id] = _BYTE_OF_LETTER[letter_bytes(record.sequence)]
        if not self._contigs:
            raise DataError("a genome needs at least one contig")

    @classmethod
    def read(cls, paths: Sequence[str | Path]) -> Self:
        """Read FASTA or GenBank files.

        Args:
            paths: The files, plain or gzipped.  GenBank is what is called ``.gb``, ``.gbk``,
                ``.gbff`` or ``.genbank``.

        Raises:
            DataError: If a file cannot be read or breaks a rule, or two contigs share a name.
        """
        path: str | Path | None = None

        def records() -> Iterator[SequenceRecord]:
            nonlocal path
            for path in paths:
                known = plain_suffix(path) in GENBANK_SUFFIXES
                yield from iter_sequences(path) if known else iter_fasta(path)

        try:
            return cls(records())
        except DataError as error:
            if error.path is not None:
                raise
            raise type(error)(str(error), path=path) from None

    @property
    def bases(self) -> int:
        """Length of all contigs together."""
        return sum(len(codes) for codes in self._contigs.values())

    @property
    def gc_content(self) -> float:
        """Fraction of the known bases that are G or C; nan if there is none."""
        contigs = [self.codes(contig) for contig in self.contigs()]
        strong = sum(np.count_nonzero((codes == 1) | (codes == 2)) for codes in contigs)
        known = sum(np.count_nonzero(codes != UNKNOWN) for codes in contigs)
        return strong / known if known else float("nan")

    def contigs(self) -> list[Region]:
        """Every contig from end to end, in the order of the files."""
        return [Region(name, 0, len(codes)) for name, codes in self._contigs.items()]

    def codes(self, region: Region) -> Codes:
        """The bases of a region, on the strand of the file.

        Args:
            region: Where.

        Returns:
            (bases,) numbers 0 to 4.
        """
        return self._bytes(region) & ~np.uint8(_SOFT_MASK)

    def soft_masked(self, region: Region) -> NDArray[np.bool_]:
        """Which bases of a region are in lower case, the mark of repeats; an N never is.

        Args:
            region: Where.
        """
        return self._bytes(region) >= _SOFT_MASK

    def sequence(self, region: Region) -> str:
        """The letters of a region in upper case, on the strand of the file.

        Args:
            region: Where.
        """
        return _LETTERS[self.codes(region)].tobytes().decode("ascii")

    def split_regions(
        self, holdout: float = 0.1, seed: int = 0
    ) -> tuple[list[Region], list[Region]]:
        """Divide the genome; see :func:`split_regions`.

        Args:
            holdout: Share held out, in (0, 1).
            seed: Of the choice of contigs.
        """
        return split_regions(self.contigs(), holdout, seed)

    def _bytes(self, region: Region) -> Codes:
        return self._contigs[region.contig][region.start : region.end]


def split_regions(
    regions: Sequence[Region], holdout: float, seed: int
) -> tuple[list[Region], list[Region]]:
    """Divide regions into those to train on and those to hold out.

    Whole regions are held out where some of them, in random order, make up the share to within a
    tenth of it.  Otherwise it is one stretch: the end of the longest region, and only if that is
    too short, more of the next longest.

    Args:
        regions: What to divide.
        holdout: Share of the bases to hold out, in (0, 1).
        seed: Of the choice of whole regions.

    Returns:
        What remains, and what is held out, each in the order given.  No base is in both.

    Raises:
        ConfigError: If the share is out of range.
    """
    if not 0 < holdout < 1:
        raise ConfigError(f"holdout must be in (0, 1), got {holdout}")
    # A lone base could not be scored: nothing precedes it.
    wanted = max(2, round(holdout * sum(region.bases for region in regions)))
    whole, taken = set(), 0
    for number in np.random.default_rng(seed).permutation(len(regions)).tolist():
        if taken + regions[number].bases <= wanted * (1 + _TOLERANCE):
            whole.add(number)
            taken += regions[number].bases
    if taken >= wanted * (1 - _TOLERANCE) and len(whole) < len(regions):
        return (
            [region for number, region in enumerate(regions) if number not in whole],
            [region for number, region in enumerate(regions) if number in whole],
        )
    cuts = {region: region.end for region in regions}
    for region in sorted(regions, key=lambda region: -region.bases):
        cuts[region] -= min(wanted, region.bases)
        wanted -= region.end - cuts[region]
    kept = [Region(r.contig, r.start, cut) for r, cut in cuts.items() if cut > r.start]
    held = [Region(r.contig, cut, r.end) for r, cut in cuts.items() if cut < r.end]
    return kept, held


def reverse_complement_codes(codes: Codes) -> Codes:
    """The other strand, 5′ to 3′.

    Args:
        codes: (bases,) numbers 0 to 4.
    """
    return _COMPLEMENT[codes[::-1]]
