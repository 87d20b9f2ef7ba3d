"""Features of a genome from any file that annotates one: GFF3, GTF or GenBank."""

from collections.abc import Iterator
from pathlib import Path

from hyena_glt.biology.intervals import Feature
from hyena_glt.io.files import plain_suffix
from hyena_glt.io.genbank import GENBANK_SUFFIXES, iter_genbank
from hyena_glt.io.gff import iter_gff


def iter_features(path: str | Path) -> Iterator[Feature]:
    r"""Read the features of an annotation.

    Args:
        path: GFF3, GTF or GenBank, plain or gzipped.  GenBank is what is called ``.gb``, ``.gbk``,
            ``.gbff`` or ``.genbank``; its letters are left aside.

    Yields:
        Features in the order of the file, 0-based and half-open; of one in several parts each part.

    Raises:
        DataError: If the file cannot be read or breaks a rule of its format.

    Example:
        >>> path = getfixture("tmp_path") / "genes.gff3"
        >>> _ = path.write_text("chr\tme\tCDS\t1\t9\t.\t+\t0\tID=a\n")
        >>> next(iter_features(path)).end
        9
    """
    if plain_suffix(path) in GENBANK_SUFFIXES:
        for record in iter_genbank(path):
            yield from record.features
    else:
        yield from iter_gff(path)
