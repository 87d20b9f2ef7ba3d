"""What stands where patches begin: k-mers and motifs that are frequent at patch boundaries.

sequences + patch starts -> k-mers around the starts, beside those around shuffled positions ->
k-mers that are enriched -> motifs

No label and no attribution is needed.  As many positions as a sequence has patch starts are drawn
from the same sequence, so that its composition is the same on both sides of the comparison.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.alphabet import letter_bytes
from hyena_glt.biology.motif_comparison import false_discovery_rates
from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import ConfigError, DataError

Integers = NDArray[np.int64]

_LETTERS = "ACGT"
_OTHER = 4
_CODES = np.full(256, _OTHER, dtype=np.int64)
for _spelling in ("ACGT", "acgt", "ACGU", "acgu"):
    _CODES[letter_bytes(_spelling)] = range(4)
_LONGEST_KMER = 10
_SHUFFLES = 10  # drawn positions per patch start


class EnrichedKmer(NamedTuple):
    """A k-mer that is frequent where patches begin.

    Attributes:
        kmer: Its letters on the strand of the sequence.
        offset: Its first base, counted from the patch start; 0 begins with the patch.
        seen: How often it stands there.
        expected: How often it would, were the patch starts anywhere in the same sequences.
        q_value: Smallest rate of false discoveries at which it counts, over all k-mers and offsets.
    """

    kmer: str
    offset: int
    seen: int
    expected: float
    q_value: float


class BoundaryMotifs(NamedTuple):
    """What stands at patch boundaries.

    Attributes:
        motif: (2 f) positions, f to either side of a patch start: the letters that stand there.
        counts: (2 f, 4) the letters counted; row f is the first base of the patch.
        shuffled: (4,) share of the letters at shuffled positions.
        bits: (2 f,) information of each position beside shuffled ones; 0 where patch starts fall
            as if by chance.
        kmers: Enriched k-mers, those with the smallest q-value first.
        boundaries: Patch starts that were looked at.
    """

    motif: Motif
    counts: Integers
    shuffled: NDArray[np.float64]
    bits: NDArray[np.float64]
    kmers: list[EnrichedKmer]
    boundaries: int


def boundary_motifs(
    sequences: Sequence[str],
    patch_starts: Sequence[Sequence[int]],
    *,
    k: int = 4,
    flank: int = 8,
    most_q: float = 0.01,
    seed: int = 0,
) -> BoundaryMotifs:
    """Find what is frequent where patches begin.

    Args:
        sequences: DNA or RNA, either case, on the strand that the model read.
        patch_starts: For each sequence the first base of each patch, 0-based; as
            :func:`~hyena_glt.interpretability.compression.compute_compression_statistics` gives
            them.  The start of a sequence is no decision and does not count.
        k: Letters per k-mer, 1 to 10.
        flank: Bases looked at to either side of a start; at least ``k``.
        most_q: k-mers with a greater q-value are not given.
        seed: Of the shuffled positions.

    Returns:
        The motif around patch starts, and the enriched k-mers by offset.

    Raises:
        ConfigError: If ``k`` or ``flank`` is out of range.
        DataError: If sequences and starts do not fit together, or no start is far enough from both
            ends.

    Source:
        Enrichment: one-sided test of two rates, given their sum (Przyborowski and Wilenski 1940,
        Biometrika 31:313), against shuffled positions; correction of Benjamini and Hochberg.
    """
    from scipy.stats import binom

    if not 1 <= k <= _LONGEST_KMER:
        raise ConfigError(f"k must be in [1, {_LONGEST_KMER}], got {k}")
    if flank < k:
        raise ConfigError(f"flank must be at least k = {k} bases, got {flank}")
    if len(sequences) != len(patch_starts):
        raise DataError(f"{len(sequences)} sequences and {len(patch_starts)} lists of patch starts")
    random = np.random.default_rng(seed)
    found, drawn = [], []
    for number, (sequence, starts) in enumerate(zip(sequences, patch_starts, strict=True), start=1):
        codes = _CODES[letter_bytes(sequence)]
        places = np.asarray(starts, dtype=np.int64)
        if places.size and (places.min() < 0 or places.max() >= len(codes)):
            raise DataError(f"sequence {number}: patch starts must lie in [0, {len(codes)})")
        inside = places[(places >= flank) & (places <= len(codes) - flank) & (places > 0)]
        if not inside.size:
            continue
        anywhere = random.integers(flank, len(codes) - flank + 1, size=_SHUFFLES * len(inside))
        found.append(_around(codes, inside, flank))
        drawn.append(_around(codes, anywhere, flank))
    if not found:
        raise DataError(
            f"no patch starts {flank} bases or more from both ends of a sequence: longer sequences "
            "or a smaller flank are needed"
        )
    here, there = np.concatenate(found), np.concatenate(drawn)
    counts = np.stack([(here == base).sum(axis=0) for base in range(4)], axis=1)
    composition = np.bincount(there.ravel(), minlength=5)[:4] + 1.0
    shuffled = composition / composition.sum()
    motif = Motif.from_counts("patch_start", counts + 0.25)
    bits = (motif.probabilities * np.log2(motif.probabilities / shuffled)).sum(axis=1)

    rows: list[tuple[int, int, int, float]] = []
    p_values: list[NDArray[np.float64]] = []
    for column in range(2 * flank - k + 1):
        seen, expected = (
            _kmer_counts(windows[:, column : column + k], k) for windows in (here, there)
        )
        kmers = np.flatnonzero(seen + expected)
        # Half a count each, so that a k-mer never drawn is rare and not impossible.
        chance = (expected[kmers] + 0.5) / (len(there) + 0.5 * 4**k)
        # Given how often it stands at either, so that the noise of the drawn ones counts too.
        both = seen[kmers] + expected[kmers]
        share_here = len(here) / (len(here) + len(there))
        p_values.append(binom.sf(seen[kmers] - 1, both, share_here))
        rows += [
            (int(kmer), column - flank, int(seen[kmer]), float(share * len(here)))
            for kmer, share in zip(kmers, chance, strict=True)
        ]
    q_values = false_discovery_rates(np.concatenate(p_values))
    enriched = [
        EnrichedKmer(_letters(kmer, k), offset, seen, expected, float(q))
        for (kmer, offset, seen, expected), q in zip(rows, q_values, strict=True)
        if q <= most_q
    ]
    enriched.sort(key=lambda one: (one.q_value, -one.seen / one.expected))
    return BoundaryMotifs(motif, counts, shuffled, bits, enriched, len(here))


def _around(codes: Integers, places: Integers, flank: int) -> Integers:
    return codes[places[:, None] + np.arange(-flank, flank)]


def _kmer_counts(windows: Integers, k: int) -> Integers:
    whole = (windows != _OTHER).all(axis=1)
    numbers = windows[whole] @ (4 ** np.arange(k)[::-1])
    return np.bincount(numbers, minlength=4**k)


def _letters(kmer: int, k: int) -> str:
    return "".join(_LETTERS[kmer // 4**place % 4] for place in reversed(range(k)))
