"""Sequences as numbers for simple models: how often each k-mer occurs, which base stands where.

Both come as sparse matrices with one row for each sequence.  Only A, C, G and T (or U) count; a
k-mer that touches another letter is left out.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hyena_glt.biology.alphabet import letter_bytes

_NO_BASE = 4
_CODES = np.full(256, _NO_BASE, dtype=np.int64)
for _letters in ("ACGT", "acgt", "ACGU", "acgu"):
    _CODES[letter_bytes(_letters)] = range(4)

_SHORTEST_KMER = 3
_LETTERS_AT_ONCE = 4_000_000  # bounds the memory of the windows, not the result


def kmer_counts(sequences: Sequence[str], k: int, *, both_strands: bool) -> sparse.csr_array:
    """Count the k-mers of each sequence.

    Args:
        sequences: DNA or RNA, 5' to 3'.
        k: Bases per k-mer, at least 1.
        both_strands: Count a k-mer and its reverse complement as one.  The counts are then those
            of the sequence and its reverse complement together.

    Returns:
        (N, 4^k) counts, columns in alphabetical order; with ``both_strands`` only the columns of
        those k-mers that come no later in the alphabet than their reverse complement.
    """
    column, weight = _columns(k, both_strands=both_strands)
    blocks = []
    for block in _blocks(sequences):
        row, kmer = _windows(block, k)
        shape = (len(block), int(column.max()) + 1)
        blocks.append(sparse.coo_array((weight[kmer], (row, column[kmer])), shape=shape).tocsr())
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))


def one_hot_positions(sequences: Sequence[str]) -> sparse.csr_array:
    """Mark which base stands at each position.

    Args:
        sequences: N sequences of one common length L, aligned at their first base.

    Returns:
        (N, 4 L) zeros and ones; column 4 i + b is base b of A, C, G, T at position i (0-based).

    Raises:
        ValueError: If the lengths differ.
    """
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) != 1:
        raise ValueError(
            f"positions need sequences of one length, got {min(lengths)} to {max(lengths)} bases"
        )
    length = lengths.pop()
    codes = _CODES[letter_bytes("".join(sequences))].reshape(len(sequences), length)
    row, position = np.nonzero(codes != _NO_BASE)
    at = 4 * position + codes[row, position]
    shape = (len(sequences), 4 * length)
    return sparse.csr_array(sparse.coo_array((np.ones(len(row)), (row, at)), shape=shape))


def sequence_features(
    sequences: Sequence[str], *, kmer_size: int, both_strands: bool, positional: bool
) -> sparse.csr_array:
    """Put all that a linear model may look at side by side.

    Args:
        sequences: DNA or RNA, 5' to 3'.
        kmer_size: Longest k-mer; all k from 3 (or from this, if it is less) up to it are counted,
            as log(1 + count).  0: none.
        both_strands: See :func:`kmer_counts`.
        positional: Add :func:`one_hot_positions`.

    Returns:
        One row for each sequence.

    Raises:
        ValueError: If positions are asked for and lengths differ.
    """
    sizes = range(min(_SHORTEST_KMER, kmer_size), kmer_size + 1) if kmer_size else ()
    parts = [kmer_counts(sequences, k, both_strands=both_strands).log1p() for k in sizes]
    if positional:
        parts.append(one_hot_positions(sequences))
    return sparse.csr_array(sparse.hstack(parts, format="csr"))


def _blocks(sequences: Sequence[str]) -> Iterator[Sequence[str]]:
    start, letters = 0, 0
    for at, sequence in enumerate(sequences):
        letters += len(sequence)
        if letters > _LETTERS_AT_ONCE or at == len(sequences) - 1:
            yield sequences[start : at + 1]
            start, letters = at + 1, 0


def _windows(sequences: Sequence[str], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the row and the number of each k-mer, all sequences laid end to end."""
    codes = _CODES[letter_bytes("|".join(sequences) + "|" * k)]
    starts = len(codes) - k + 1
    kmer = np.zeros(starts, dtype=np.int64)
    whole = np.ones(starts, dtype=np.bool_)
    for offset in range(k):
        letter = codes[offset : offset + starts]
        kmer = kmer * 4 + letter
        whole &= letter != _NO_BASE
    row = np.repeat(np.arange(len(sequences)), [len(sequence) + 1 for sequence in sequences])
    return row[:starts][whole], kmer[whole]


def _columns(k: int, *, both_strands: bool) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give the column of each k-mer, and how often one occurrence counts there."""
    kmer = np.arange(4**k)
    if not both_strands:
        return kmer, np.ones(len(kmer))
    digits = kmer[:, None] // 4 ** np.arange(k) % 4
    reverse_complement = ((3 - digits) * 4 ** np.arange(k)[::-1]).sum(axis=1)
    canonical = np.minimum(kmer, reverse_complement)
    column = np.unique(canonical, return_inverse=True)[1].astype(np.int64)
    # A palindrome occurs on both strands at once.
    return column, np.where(kmer == reverse_complement, 2.0, 1.0)
