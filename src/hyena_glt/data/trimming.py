"""Ends of reads that are not the molecule: low quality towards the 3′ end, and adapters.

Positions are 0-based; "stop" is one past the last letter that is kept.
"""

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.alphabet import letter_bytes

_ERROR_PROBABILITY: NDArray[np.float64] = 10.0 ** (np.arange(256) / -10)


def mean_phred(qualities: bytes) -> float:
    """Mean quality of a read: the Phred score of its mean probability of error.

    A read with Phred 40 and 2 half and half errs at every third base; its mean here is 5, where
    the mean of the scores would be 21.

    Args:
        qualities: Phred score of each letter, one byte each; at least one.

    Returns:
        The score; at most the plain mean of the scores, and equal to it if all are alike.

    Source:
        Edgar and Flyvbjerg 2015, Bioinformatics 31:3476; NanoFilt averages likewise.
    """
    errors = _ERROR_PROBABILITY[np.frombuffer(qualities, dtype=np.uint8)]
    return float(-10 * np.log10(errors.mean()))


def quality_stop(qualities: bytes, threshold: int) -> int:
    """Where a read stops once its 3′ end of low quality is cut off.

    Sums ``threshold - quality`` from the 3′ end leftwards until the sum turns negative, and cuts
    where it was largest: a single good base within a bad end does not save the end.

    Args:
        qualities: Phred score of each letter, one byte each.
        threshold: Score below which a letter counts as bad.

    Returns:
        Letters to keep, from the first on.

    Source:
        The algorithm of BWA, Li and Durbin 2009, Bioinformatics 25:1754, as in cutadapt.
    """
    scores = np.frombuffer(qualities, dtype=np.uint8).astype(np.int64)
    badness = np.cumsum(threshold - scores[::-1])
    negative = np.flatnonzero(badness < 0)
    if negative.size:
        badness = badness[: negative[0]]
    if not badness.size or badness.max() <= 0:
        return len(qualities)
    return len(qualities) - int(badness.argmax()) - 1


def adapter_stop(
    sequence: str, adapter: str, *, max_error_rate: float = 0.1, min_overlap: int = 3
) -> int:
    """Where a read stops once a 3′ adapter and all behind it are cut off.

    The adapter may lie within the read or run over its end.  Mismatches are allowed, insertions
    and deletions are not.  The leftmost match counts.

    Args:
        sequence: Letters of the read, either case.
        adapter: Letters of the adapter, 5′ to 3′, either case; N matches every letter.
        max_error_rate: Most mismatches per letter of the overlap.
        min_overlap: Fewest letters that must overlap.

    Returns:
        Letters to keep, from the first on.

    Example:
        >>> adapter_stop("ACGTACGTAGATCG", "AGATCGGAAGAGC")
        8
    """
    read, pattern = letter_bytes(sequence.upper()), letter_bytes(adapter.upper())
    if len(read) < min_overlap:
        return len(read)
    # What runs over the end of the read matches: the overlap alone counts.
    padded = np.concatenate((read, np.zeros(len(pattern) - 1, dtype=np.uint8)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(pattern))
    differs = (windows != pattern) & (windows != 0) & (pattern != ord("N"))
    overlap = np.minimum(len(pattern), len(read) - np.arange(len(read)))
    allowed = (max_error_rate * overlap + 1e-9).astype(np.int64)
    enough = overlap >= min(min_overlap, len(pattern))
    found = np.flatnonzero((differs.sum(axis=1) <= allowed) & enough)
    return int(found[0]) if found.size else len(read)
