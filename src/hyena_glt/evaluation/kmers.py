"""Sequences as numbers for simple models: how often each k-mer occurs, which base stands where.

Both come as sparse matrices with one row for each sequence.  Only A, C, G and T (or U) count, of
proteins the twenty amino acids; a k-mer that touches another letter is left out.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hyena_glt.biology.alphabet import letter_bytes

Molecule = Literal["dna", "rna", "protein", "mixed"]


class _Letters(NamedTuple):
    """Numbers of the letters of a molecule; others have the number ``size``."""

    codes: NDArray[np.int64]
    size: int
    shortest_kmer: int


def _letters(*spellings: str, shortest_kmer: int) -> _Letters:
    size = len(spellings[0])
    codes = np.full(256, size, dtype=np.int64)
    for spelling in spellings:
        codes[letter_bytes(spelling)] = codes[letter_bytes(spelling.lower())] = range(size)
    return _Letters(codes, size, shortest_kmer)


_BASES = _letters("ACGT", "ACGU", shortest_kmer=3)
_RESIDUES = _letters("ACDEFGHIKLMNPQRSTVWY", shortest_kmer=1)

_LONGEST_MIXED = 2  # of amino acids, beside k-mers of bases
_LETTERS_AT_ONCE = 4_000_000  # bounds the memory of the windows, not the result


def kmer_counts(
    sequences: Sequence[str], k: int, *, both_strands: bool, protein: bool = False
) -> sparse.csr_array:
    """Count the k-mers of each sequence.

    Args:
        sequences: DNA or RNA, 5' to 3', or proteins.
        k: Letters per k-mer, at least 1.
        both_strands: Count a k-mer and its reverse complement as one.  The counts are then those
            of the sequence and its reverse complement together.
        protein: Count amino acids; there is but one strand then.

    Returns:
        (N, 4^k) counts, (N, 20^k) of proteins, columns in alphabetical order; with
        ``both_strands`` only the columns of those k-mers that come no later in the alphabet than
        their reverse complement.
    """
    letters = _RESIDUES if protein else _BASES
    column, weight = _columns(k, letters.size, both_strands=both_strands and not protein)
    blocks = []
    for block in _blocks(sequences):
        row, kmer = _windows(block, k, letters)
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
    codes = _BASES.codes[letter_bytes("".join(sequences))].reshape(len(sequences), length)
    row, position = np.nonzero(codes != _BASES.size)
    at = 4 * position + codes[row, position]
    shape = (len(sequences), 4 * length)
    return sparse.csr_array(sparse.coo_array((np.ones(len(row)), (row, at)), shape=shape))


def sequence_features(
    sequences: Sequence[str],
    *,
    kmer_size: int,
    both_strands: bool,
    positional: bool,
    molecule: Molecule = "dna",
) -> sparse.csr_array:
    """Put all that a linear model may look at side by side.

    Args:
        sequences: DNA or RNA, 5' to 3', or proteins.
        kmer_size: Longest k-mer; all k from 3 (or from this, if it is less) up to it are counted,
            of proteins from 1, as log(1 + count).  0: none.
        both_strands: See :func:`kmer_counts`.
        positional: Add :func:`one_hot_positions`.
        molecule: What the letters are.  ``mixed`` counts bases up to ``kmer_size`` and amino acids
            up to 2 in every sequence.

    Returns:
        One row for each sequence.

    Raises:
        ValueError: If positions are asked for and lengths differ.
    """
    sizes = [] if molecule == "protein" else [(k, False) for k in _sizes(kmer_size, _BASES)]
    if molecule in {"protein", "mixed"}:
        longest = kmer_size if molecule == "protein" else _LONGEST_MIXED
        sizes += [(k, True) for k in _sizes(longest, _RESIDUES)]
    parts = [
        kmer_counts(sequences, k, both_strands=both_strands, protein=protein).log1p()
        for k, protein in sizes
    ]
    if positional:
        parts.append(one_hot_positions(sequences))
    return sparse.csr_array(sparse.hstack(parts, format="csr"))


def _sizes(kmer_size: int, letters: _Letters) -> range:
    return range(min(letters.shortest_kmer, kmer_size) or 1, kmer_size + 1)


def _blocks(sequences: Sequence[str]) -> Iterator[Sequence[str]]:
    start, letters = 0, 0
    for at, sequence in enumerate(sequences):
        letters += len(sequence)
        if letters > _LETTERS_AT_ONCE or at == len(sequences) - 1:
            yield sequences[start : at + 1]
            start, letters = at + 1, 0


def _windows(
    sequences: Sequence[str], k: int, letters: _Letters
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the row and the number of each k-mer, all sequences laid end to end."""
    codes = letters.codes[letter_bytes("|".join(sequences) + "|" * k)]
    starts = len(codes) - k + 1
    kmer = np.zeros(starts, dtype=np.int64)
    whole = np.ones(starts, dtype=np.bool_)
    for offset in range(k):
        letter = codes[offset : offset + starts]
        kmer = kmer * letters.size + letter
        whole &= letter != letters.size
    row = np.repeat(np.arange(len(sequences)), [len(sequence) + 1 for sequence in sequences])
    return row[:starts][whole], kmer[whole]


def _columns(
    k: int, size: int, *, both_strands: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give the column of each k-mer, and how often one occurrence counts there."""
    kmer = np.arange(size**k)
    if not both_strands:
        return kmer, np.ones(len(kmer))
    digits = kmer[:, None] // 4 ** np.arange(k) % 4
    reverse_complement = ((3 - digits) * 4 ** np.arange(k)[::-1]).sum(axis=1)
    canonical = np.minimum(kmer, reverse_complement)
    column = np.unique(canonical, return_inverse=True)[1].astype(np.int64)
    # A palindrome occurs on both strands at once.
    return column, np.where(kmer == reverse_complement, 2.0, 1.0)
