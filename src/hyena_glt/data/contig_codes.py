"""Contigs of a FASTA file as numbers, read piece by piece as they are needed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyena_glt.data.genome import Codes, Genome, Region
from hyena_glt.errors import AlphabetError, DataError
from hyena_glt.io.bgzip import is_bgzip
from hyena_glt.io.files import STANDARD_INPUT, open_bytes
from hyena_glt.io.indexed_fasta import IndexedFasta
from hyena_glt.io.records import SequenceRecord


class ContigCodes:
    r"""The bases of a part of a contig, read from the file at each access.

    Args:
        fasta: The genome.
        region: Which part.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "genome.fa"
        >>> _ = path.write_text(">chr1\nACGTN\n")
        >>> codes = ContigCodes(IndexedFasta(path), Region("chr1", 1, 5))
        >>> len(codes), codes[1:4].tolist()
        (4, [2, 3, 4])
    """

    def __init__(self, fasta: IndexedFasta, region: Region) -> None:
        self.fasta = fasta
        self.region = region

    def __len__(self) -> int:
        """Bases."""
        return self.region.bases

    def __getitem__(self, place: slice) -> Codes:
        """Read bases as numbers: 0 to 3 for A, C, G, T, 4 for every other letter of DNA.

        Raises:
            DataError: If the file is damaged.
            AlphabetError: If a letter is none of DNA; names the contig.
        """
        start, stop, _ = place.indices(len(self))
        contig, first = self.region.contig, self.region.start
        letters = self.fasta.fetch(contig, first + start, first + max(start, stop))
        try:
            genome = Genome([SequenceRecord(contig, letters)])
        except AlphabetError as error:
            where = f"{contig}:{first + start}-{first + stop}"
            raise AlphabetError(f"{where}: {error}", path=self.fasta.path) from None
        return genome.codes(Region(contig, 0, len(letters)))


@contextmanager
def random_access(path: str | Path) -> Iterator[IndexedFasta]:
    """Open a FASTA file to be read at any place; one that cannot be is unpacked meanwhile.

    Args:
        path: FASTA file, plain, bgzipped or gzipped; ``-`` is the standard input.

    Yields:
        Its contigs.

    Raises:
        DataError: If the file cannot be read or breaks a rule of FASTA.
    """
    whole = Path(path)
    if str(path) != STANDARD_INPUT:
        with open_bytes(path):  # tells of a file that is missing or empty
            pass
        with whole.open("rb") as handle:
            start = handle.read(18)
        if start[:2] != b"\x1f\x8b" or is_bgzip(start):
            yield IndexedFasta(path)
            return
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / (whole.name.removesuffix(".gz") or "genome.fa")
        with open_bytes(path) as source, unpacked.open("wb") as target:
            shutil.copyfileobj(source, target)
        try:
            fasta = IndexedFasta(unpacked)
        except DataError as error:
            raise DataError(str(error).replace(str(unpacked), str(path))) from None
        yield fasta
