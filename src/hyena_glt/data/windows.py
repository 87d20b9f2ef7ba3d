"""Windows of a genome: random ones to train on, and those that score every base of a region once.

Both give token ids of single-nucleotide tokens, as ``DNATokenizer(kmer_size=1)`` numbers them, and
labels: the ids again, -100 where a base does not count.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from hyena_glt.config import N_TOKEN_ID, NUM_SPECIAL_TOKENS
from hyena_glt.data.genome import UNKNOWN, Codes, Genome, Region, reverse_complement_codes
from hyena_glt.errors import DataError
from hyena_glt.tasks.losses import IGNORED

TOKEN_OF_BASE = np.array([NUM_SPECIAL_TOKENS + code for code in range(UNKNOWN)] + [N_TOKEN_ID])
"""Token id of each number of a base, as ``DNATokenizer(kmer_size=1)`` has it."""

_MOST_TRIES = 1000


class Places:
    """Where a window may lie: wholly within one region, all starts equally likely.

    Args:
        regions: Those shorter than a window are left out.
        window: Bases per window.

    Raises:
        DataError: If no region is as long as a window.
    """

    def __init__(self, regions: Sequence[Region], window: int) -> None:
        self.regions = [region for region in regions if region.bases >= window]
        if not self.regions:
            longest = max((region.bases for region in regions), default=0)
            raise DataError(
                f"the longest stretch to train on has {longest:,} bases, which is less than one "
                f"window of {window:,}"
            )
        self.window = window
        self._last_starts = np.cumsum([region.bases - window + 1 for region in self.regions])

    def draw(self, random: np.random.Generator) -> Region:
        """One place.

        Args:
            random: Source of randomness.
        """
        place = int(random.integers(self._last_starts[-1]))
        number = int(np.searchsorted(self._last_starts, place, side="right"))
        region = self.regions[number]
        # Counted from the last possible start of the region.
        start = region.end - self.window + 1 - (int(self._last_starts[number]) - place)
        return Region(region.contig, start, start + self.window)


class GenomeWindows(Dataset[dict[str, Any]]):
    """Windows drawn at random from the regions to train on.

    Window i is a function of the seed and of i alone, so a training that was interrupted goes on
    with the right windows from the number of its step.  Windows that are more than half N are drawn
    again.

    Args:
        genome: Where the bases are.
        regions: Where windows may lie, each wholly within one region; all starts are equally
            likely.  Regions shorter than a window are left out.
        window: Bases per window.
        count: How many windows there are.
        seed: Of all draws.
        both_strands: Read every other window, at random, from the other strand.
        repeat_weight: Probability with which a soft-masked base keeps its label, so that repeats
            weigh as much in the mean loss.
        max_position: If given, each window says in ``position_offset`` at which position of a
            sequence of that many bases it is to be thought, drawn from all that fit.

    Raises:
        DataError: If no region is as long as a window.
    """

    def __init__(
        self,
        genome: Genome,
        regions: Sequence[Region],
        window: int,
        count: int,
        *,
        seed: int = 0,
        both_strands: bool = True,
        repeat_weight: float = 1.0,
        max_position: int | None = None,
    ) -> None:
        self.places = Places(regions, window)
        self.genome = genome
        self.window = window
        self.count = count
        self.seed = seed
        self.both_strands = both_strands
        self.repeat_weight = repeat_weight
        self.max_position = max_position

    @property
    def regions(self) -> list[Region]:
        """The regions that hold a window."""
        return self.places.regions

    def __len__(self) -> int:
        """Number of windows."""
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One window: ``input_ids`` and ``labels`` (window,), and perhaps ``position_offset``.

        Raises:
            DataError: If nothing but N is found.
        """
        random = np.random.default_rng((self.seed, index))
        codes, repeats = self._draw(random)
        if self.both_strands and random.random() < 0.5:
            codes, repeats = reverse_complement_codes(codes), repeats[::-1]
        ids = TOKEN_OF_BASE[codes]
        ignored = codes == UNKNOWN
        if self.repeat_weight < 1:
            ignored |= repeats & (random.random(self.window) >= self.repeat_weight)
        item = {
            "input_ids": torch.from_numpy(ids),
            "labels": torch.from_numpy(np.where(ignored, IGNORED, ids)),
        }
        if self.max_position is not None:
            offset = random.integers(0, self.max_position - self.window, endpoint=True)
            item["position_offset"] = torch.tensor(int(offset))
        return item

    def _draw(self, random: np.random.Generator) -> tuple[Codes, NDArray[np.bool_]]:
        for _ in range(_MOST_TRIES):
            part = self.places.draw(random)
            codes = self.genome.codes(part)
            if 2 * np.count_nonzero(codes == UNKNOWN) <= self.window:
                return codes, self.genome.soft_masked(part)
        raise DataError(
            f"{_MOST_TRIES} windows of {self.window:,} bases were drawn, and all were more than "
            "half N"
        )


def scored_windows(
    genome: Genome, regions: Sequence[Region], window: int
) -> Iterator[dict[str, Tensor]]:
    """Cut regions into overlapping windows that together score every base once.

    Each window scores its second half and has the first as context; the first window of a region
    scores all but its very first base, which nothing precedes; the last one ends with the region.
    N is not scored.

    Args:
        genome: Where the bases are.
        regions: What to score, on the strand of the file.
        window: Bases per window; a region that is shorter is one window.

    Yields:
        ``input_ids`` and ``labels``, both (bases,).
    """
    for region in regions:
        codes = genome.codes(region)
        scored = 1
        while scored < len(codes):
            end = min(len(codes), max(window, scored + window // 2))
            start = max(0, end - window)
            ids = torch.from_numpy(TOKEN_OF_BASE[codes[start:end]])
            labels = ids.masked_fill(ids == N_TOKEN_ID, IGNORED)
            labels[: scored - start] = IGNORED
            yield {"input_ids": ids, "labels": labels}
            scored = end
