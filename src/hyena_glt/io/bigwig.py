"""bigWig files: one number per stretch of a genome, as genome browsers show them.

Writing rests on pybigtools.  It only prints what is wrong with its input and leaves a damaged file,
so the input is checked here.  Positions are 0-based and half-open.

Source:
    Kent et al. 2010, BigWig and BigBed, doi:10.1093/bioinformatics/btq351.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from hyena_glt.errors import DataError, OutputError
from hyena_glt.io.atomic import atomic_write

Stretch = tuple[str, int, int, float]


def write_bigwig(path: str | Path, lengths: Mapping[str, int], values: Iterable[Stretch]) -> None:
    """Write a bigWig file, whole or not at all.

    Args:
        path: Where to.
        lengths: Bases of every contig.
        values: Contig, start, end and number of each stretch; contig after contig, and by position
            within each, without overlaps.  They are read one by one, so that a genome costs little
            memory.

    Raises:
        DataError: If there is no stretch, or one lies outside of its contig or out of order.
        OutputError: If the file cannot be written there.
    """
    import pybigtools

    stretches = _checked(path, lengths, values)
    first = next(stretches, None)
    if first is None:
        raise DataError("a bigWig file needs at least one value", path=path)
    source = _Kept(chain([first], stretches))
    with atomic_write(path) as unfinished:
        try:
            pybigtools.open(str(unfinished), "w").write(dict(lengths), source)
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{path}: cannot be written ({error})") from None
        if source.fault is not None:
            raise source.fault
        try:
            pybigtools.open(str(unfinished)).close()
        except (OSError, pybigtools.BBIReadError):
            raise OutputError(f"{path}: cannot be written as bigWig") from None


class _Kept:
    """Values up to the first fault, which the library would print and forget."""

    def __init__(self, values: Iterator[Stretch]) -> None:
        self.values = values
        self.fault: Exception | None = None

    def __iter__(self) -> Iterator[Stretch]:
        try:
            yield from self.values
        except Exception as error:  # noqa: BLE001 - whatever the caller's values raise
            self.fault = error


def _checked(
    path: str | Path, lengths: Mapping[str, int], values: Iterable[Stretch]
) -> Iterator[Stretch]:
    done: set[str] = set()
    contig, end = "", 0
    for stretch in values:
        if stretch[0] != contig:
            done.add(contig)
            contig, end = stretch[0], 0
        if contig in done or contig not in lengths:
            what = "comes twice" if contig in done else "has no length"
            raise DataError(f"the contig {contig!r} {what}", path=path)
        if not end <= stretch[1] < stretch[2] <= lengths[contig]:
            raise DataError(
                f"{contig}:{stretch[1]}-{stretch[2]} overlaps what lies before it, is empty, or "
                f"reaches beyond the contig ({lengths[contig]:,} bases)",
                path=path,
            )
        end = stretch[2]
        yield stretch
