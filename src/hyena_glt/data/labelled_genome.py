"""A genome with one class per base, and windows of it to train and to validate on.

genome, features -> one class per base -> random windows to train on, tiles to score

Classes are numbers; 0 is ``other``, what no feature covers.  A base that no class can be given, N
among them, is -100 and counts nowhere.  Positions are 0-based and half-open, in bases, on the
strand of the file.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from hyena_glt.biology.intervals import Feature
from hyena_glt.data.annotation import OTHER, Strand, base_labels
from hyena_glt.data.genome import UNKNOWN, Genome, Region
from hyena_glt.data.windows import TOKEN_OF_BASE, Places
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tasks.losses import IGNORED

LabelStrand = Literal["both", "forward", "separate"]

_MOST_TRIES = 1000
# A class with a smaller share of the bases would hardly be seen in windows drawn anywhere.
_RARE = 0.02
_RARE_SHARE = 0.25


class LabelledGenome:
    """A genome in memory and one class per base.

    Args:
        genome: The bases.
        classes: (length,) classes of each contig, -100 where there is none.
        names: Names of the classes, in the order of their numbers.
    """

    def __init__(
        self, genome: Genome, classes: dict[str, NDArray[np.int8]], names: Sequence[str]
    ) -> None:
        self.genome = genome
        self.names = list(names)
        self._classes = classes

    def classes(self, region: Region) -> NDArray[np.int64]:
        """The class of each base of a region; -100 where it is N or has none.

        Args:
            region: Where.
        """
        found = self._classes[region.contig][region.start : region.end].astype(np.int64)
        found[self.genome.codes(region) == UNKNOWN] = IGNORED
        return found

    def counts(self, regions: Iterable[Region]) -> NDArray[np.int64]:
        """How many bases of each class some regions have.

        Args:
            regions: Where.
        """
        total = np.zeros(len(self.names), dtype=np.int64)
        for region in regions:
            found = self.classes(region)
            total += np.bincount(found[found >= 0], minlength=len(total))
        return total


def label_genome(
    genome: Genome,
    features: Iterable[Feature],
    kinds: Sequence[str],
    label_strand: LabelStrand = "separate",
) -> LabelledGenome:
    """Give every base a class by the features that cover it.

    Where features of two kinds overlap, the kind named first counts.

    Args:
        genome: The bases.
        features: As an annotation file gives them; those on contigs that the genome lacks are left
            aside.
        kinds: Which features count, ``CDS`` for example.
        label_strand: ``both``: one class per kind, whatever the strand.  ``forward``: one class
            per kind, and only features on the strand of the file count.  ``separate``: two
            classes per kind, as ``CDS+`` and ``CDS-``; bases covered on both strands are -100.

    Raises:
        ConfigError: If no kind is named, or one twice.
        DataError: If a kind is not among the features, none lies on a contig of the genome, one
            reaches beyond it, or has no strand where strands are separate.
    """
    if not kinds or len(set(kinds)) < len(kinds):
        raise ConfigError(f"data.kinds must name one kind or several different ones, got {kinds}")
    wanted: dict[str, list[Feature]] = {}
    seen: Counter[str] = Counter()
    for feature in features:
        seen[feature.kind] += 1
        # What says that a contig is circular need not be of a kind that counts.
        if feature.kind in kinds or "Is_circular" in feature.attributes:
            wanted.setdefault(feature.contig, []).append(feature)
        if feature.kind in kinds and label_strand == "separate" and feature.strand == ".":
            raise DataError(
                f"the {feature.kind} {feature.contig}:{feature.start}-{feature.end} has no strand, "
                "and data.label_strand is separate; both would take it"
            )
    for kind in kinds:
        if kind not in seen:
            there = ", ".join(f"{name} ({count:,})" for name, count in seen.most_common(12))
            raise DataError(f"there is no feature of kind {kind!r}; there are: {there or 'none'}")
    lengths = {contig.contig: contig.bases for contig in genome.contigs()}
    if not lengths.keys() & wanted.keys():
        raise DataError(
            f"no feature lies on a contig of the genome: the features are on "
            f"{_some(wanted)}, the contigs are {_some(lengths)}"
        )
    classes = {
        contig: _classes(wanted.get(contig, []), contig, length, kinds, label_strand)
        for contig, length in lengths.items()
    }
    names = [OTHER, *kinds]
    if label_strand == "separate":
        names = [OTHER, *(f"{kind}{strand}" for kind in kinds for strand in "+-")]
    return LabelledGenome(genome, classes, names)


class LabelledWindows(Dataset[dict[str, Any]]):
    """Windows drawn at random from the regions to train on, as many as cover them once.

    A window is a function of the seed, the epoch and its number.  A class that less than 2 % of
    the bases have is sought out: a quarter of the windows are laid over a random base of such a
    class.  Windows that are more than half N are drawn again.

    Args:
        genome: Bases and classes.
        regions: Where windows may lie.
        window: Bases per window.
        seed: Of all draws.

    Raises:
        DataError: If no region is as long as a window.
    """

    task = "token_classification"

    def __init__(
        self, genome: LabelledGenome, regions: Sequence[Region], window: int, *, seed: int = 0
    ) -> None:
        self.genome = genome
        self.places = Places(regions, window)
        self.window = window
        self.seed = seed
        self.epoch = 0
        self.label_names = genome.names
        self._rare = self._rare_bases()

    @property
    def num_labels(self) -> int:
        """Classes."""
        return len(self.label_names)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose windows come next.

        Args:
            epoch: From 0.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        """Windows in an epoch."""
        return max(1, sum(region.bases for region in self.places.regions) // self.window)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One window: ``input_ids`` and ``labels`` (window,).

        Raises:
            IndexError: Behind the last window.
            DataError: If nothing but N is found.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        random = np.random.default_rng((self.seed, self.epoch, index))
        for _ in range(_MOST_TRIES):
            region = self._draw(random)
            codes = self.genome.genome.codes(region)
            if 2 * np.count_nonzero(codes == UNKNOWN) <= self.window:
                return _item(self.genome, region)
        raise DataError(
            f"{_MOST_TRIES} windows of {self.window:,} bases were drawn, and all were more than "
            "half N"
        )

    def _draw(self, random: np.random.Generator) -> Region:
        if not self._rare or random.random() >= _RARE_SHARE:
            return self.places.draw(random)
        found = self._rare[random.integers(len(self._rare))]
        number, position = found[random.integers(len(found))].tolist()
        region = self.places.regions[number]
        first = max(region.start, position - self.window + 1)
        last = min(region.end - self.window, position)
        start = int(random.integers(first, last, endpoint=True))
        return Region(region.contig, start, start + self.window)

    def _rare_bases(self) -> list[NDArray[np.int64]]:
        """Of each rare class (n, 2): number of the region and position of every base."""
        counts = self.genome.counts(self.places.regions)
        rare = np.flatnonzero((counts > 0) & (counts < _RARE * counts.sum())).tolist()
        places: dict[int, list[NDArray[np.int64]]] = {number: [] for number in rare}
        for at, region in enumerate(self.places.regions if rare else ()):
            classes = self.genome.classes(region)
            for number in rare:
                position = region.start + np.flatnonzero(classes == number)
                places[number].append(np.stack([np.full_like(position, at), position], axis=1))
        return [np.concatenate(found) for found in places.values()]


class LabelledTiles(Dataset[dict[str, Any]]):
    """Windows side by side that label every base of some regions once.

    The last window of a region ends with it; bases that the window before has labelled are
    context there.  A region shorter than a window is one short window.

    Args:
        genome: Bases and classes.
        regions: What to label.
        window: Bases per window.
    """

    task = "token_classification"

    def __init__(self, genome: LabelledGenome, regions: Sequence[Region], window: int) -> None:
        self.genome = genome
        self.label_names = genome.names
        self._tiles = [tile for region in regions for tile in _tiles(region, window)]

    def __len__(self) -> int:
        """Number of windows."""
        return len(self._tiles)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One window: ``input_ids`` and ``labels`` (bases,)."""
        tile = self._tiles[index]
        item = _item(self.genome, tile.region)
        item["labels"][: tile.context] = IGNORED
        return item


class _Tile(NamedTuple):
    region: Region
    context: int


def _tiles(region: Region, window: int) -> list[_Tile]:
    starts = range(region.start, region.end, window)
    tiles = []
    for start in starts:
        end = min(start + window, region.end)
        begin = max(region.start, end - window)
        tiles.append(_Tile(Region(region.contig, begin, end), start - begin))
    return tiles


def _item(genome: LabelledGenome, region: Region) -> dict[str, Any]:
    return {
        "input_ids": torch.from_numpy(TOKEN_OF_BASE[genome.genome.codes(region)]),
        "labels": torch.from_numpy(genome.classes(region)),
    }


def _classes(
    features: list[Feature],
    contig: str,
    length: int,
    kinds: Sequence[str],
    label_strand: LabelStrand,
) -> NDArray[np.int8]:
    def labels(strand: Strand) -> NDArray[np.int8]:
        return base_labels(features, contig, length, kinds, strand=strand)[0].astype(np.int8)

    if label_strand != "separate":
        return labels("both" if label_strand == "both" else "+")
    plus, minus = labels("+"), labels("-")
    both = (plus > 0) & (minus > 0)
    classes = np.where(plus > 0, 2 * plus - 1, 2 * minus)
    return np.where(both, np.int8(IGNORED), classes).astype(np.int8)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (f", ... ({len(names):,})" if len(names) > 3 else "")
