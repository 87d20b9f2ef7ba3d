"""Windows of an annotated genome on disk, with a label for every base.

FASTA with index, features -> windows -> dictionaries of letters and labels, made when asked for
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.intervals import Feature, Interval
from hyena_glt.data.annotation import LabelPainter, Scheme, Strand
from hyena_glt.data.genome import Region
from hyena_glt.data.regions import other_strand, place_of
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.features import iter_features
from hyena_glt.io.indexed_fasta import IndexedFasta


class AnnotatedWindows:
    """Windows of a genome with a label for every base, made when they are asked for.

    A source of dictionaries for ``GenomicDataset(..., task="token_classification")``.  Memory is
    taken by the features alone; the genome stays on disk.

    Args:
        fasta: The genome, or its path.
        features: The annotation, or the path of a GFF3, GTF or GenBank file.  Contigs that the
            genome does not have are left aside.
        window: Bases per window.
        stride: Bases from the start of one window to that of the next; None: ``window``, so that
            every base is in one window.
        kinds: As in :func:`~hyena_glt.data.annotation.base_labels`.
        scheme: Likewise.
        strand: Likewise, but seen from the strand that is read: with ``+`` the
            features of that strand, with ``-`` those of the other one.
        regions: Where windows lie, each wholly within one region (its strand does not matter);
            None: all contigs from end to end.  The last window of a region may be shorter.
        both_strands: Give every window twice: as in the file, and read from the other strand.

    Raises:
        ConfigError: If an option is out of range.
        DataError: If a file cannot be read; a kind occurs nowhere in the annotation; the
            annotation shares no contig with the genome; or as ``base_labels`` does.

    Attributes:
        fasta: The genome.
        label_names: Names of the classes, in the order of their numbers.
    """

    def __init__(
        self,
        fasta: IndexedFasta | str | Path,
        features: Iterable[Feature] | str | Path,
        *,
        window: int,
        stride: int | None = None,
        kinds: Sequence[str] = ("CDS", "exon", "gene"),
        scheme: Scheme = "plain",
        strand: Strand = "both",
        regions: Sequence[Interval | Region] | None = None,
        both_strands: bool = False,
    ) -> None:
        stride = window if stride is None else stride
        if window < 1 or not 1 <= stride <= window:
            raise ConfigError(
                f"window must be at least 1 base and stride from 1 to window, got window={window} "
                f"and stride={stride}"
            )
        self.fasta = fasta if isinstance(fasta, IndexedFasta) else IndexedFasta(fasta)
        self.window, self.stride, self.both_strands = window, stride, both_strands
        path = features if isinstance(features, str | Path) else None
        self._painter = LabelPainter(
            iter_features(features) if isinstance(features, str | Path) else features,
            self.fasta.contigs,
            kinds,
            scheme,
            strand,
            path=path,
        )
        self._painter.check_all_kinds_occur()
        self.label_names = self._painter.names
        if regions is None:
            regions = [Region(contig, 0, length) for contig, length in self.fasta.contigs.items()]
        self._regions = [Region(region.contig, region.start, region.end) for region in regions]
        for region in self._regions:
            if region.bases < 1:
                raise DataError(f"the region {region} is empty")
            for place in (region.start, region.end):
                self.fasta.fetch(region.contig, place, place)  # tells what is out of range
        if not self._regions:
            raise DataError("there is no region to cut windows from")
        counts = [1 + max(0, -(-(region.bases - window) // stride)) for region in self._regions]
        self._last = np.cumsum(counts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Bases of each window."""
        full = np.full(int(self._last[-1]), self.window, dtype=np.int64)
        counts = np.diff(self._last, prepend=0)
        for region, last, count in zip(self._regions, self._last, counts, strict=True):
            full[last - 1] = region.bases - (int(count) - 1) * self.stride
        return np.repeat(full, 2) if self.both_strands else full

    def __len__(self) -> int:
        """Number of windows."""
        return int(self._last[-1]) * (1 + self.both_strands)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One window: ``id`` (``contig:start-end(strand)``), ``sequence``, ``labels`` (l,).

        With ``both_strands`` windows 2 i and 2 i + 1 are the two strands of one place.

        Raises:
            IndexError: If there is no such window.
            DataError: If the file holds something else than letters there.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        number, reverse = divmod(index, 2) if self.both_strands else (index, 0)
        at = int(np.searchsorted(self._last, number, side="right"))
        region = self._regions[at]
        start = region.start + self.stride * (number - int(self._last[at - 1] if at else 0))
        end = min(region.end, start + self.window)
        sequence = self.fasta.fetch(region.contig, start, end)
        labels = self._painter.labels(region.contig, start, end, reverse=bool(reverse))
        place = place_of(region.contig, start, end, "-" if reverse else "+")
        if reverse:
            sequence = other_strand(sequence, place, self.fasta)
        return {"id": place, "sequence": sequence, "labels": labels}
