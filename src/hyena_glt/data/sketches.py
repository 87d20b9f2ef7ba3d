"""Sequences as sets of k-mers, small enough to compare all with all.

A sequence becomes the set of the hashes of its k-mers (for DNA a k-mer and its reverse complement
are one); of large data a fixed fraction of all hashes is kept (FracMinHash), the same for every
sequence.  Two sequences of identity p share each k-mer with probability about p^k, so that the
fraction c of shared k-mers estimates p as c^(1/k).

    sequences -> Sketches -> similar_pairs (through an inverted index) -> clusters (union-find)

Source:
    Mash: Ondov et al. 2016, Genome Biology 17:132.  FracMinHash and containment: Irber et al.
    2022, bioRxiv 2022.01.11.475838; identity from containment: Hera et al. 2023, Genome Research
    33:1061.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.alphabet import letter_bytes
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.errors import AlphabetError, ConfigError

MoleculeName = Literal["dna", "rna", "protein"]

_LETTERS = {"dna": "ACGT", "rna": "ACGU", "protein": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_LONGEST_KMER = {"dna": 31, "rna": 31, "protein": 12}  # more does not fit into 64 bits
_CHANCE = 0.001  # share of k-mers that two unrelated sequences may have in common
_CROWD = 8  # k-mers of unrelated sequences that may fall on one value of the hash, on average
_LETTERS_AT_ONCE = 4_000_000  # bounds the memory of one step, not the result
_HASHES_KEPT = 20_000_000  # of all sequences together; beyond it hashes are thinned out


@dataclass(frozen=True, eq=False)
class Sketches:
    """The k-mer sets of N sequences.

    Attributes:
        kmer_size: Letters per k-mer.
        scale: One of so many hashes is kept; 1 keeps all, and then the sets are exact.
        members: Number of each hash, 0 to H - 1, sequence after sequence, each once per sequence.
        offsets: (N + 1,) where in ``members`` each sequence begins.
        occurrences: (N,) kept k-mers of each sequence counted with repeats.
    """

    kmer_size: int
    scale: int
    members: NDArray[np.int64]
    offsets: NDArray[np.int64]
    occurrences: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(N,) distinct k-mers kept of each sequence."""
        return np.diff(self.offsets)


def sketch(
    sequences: Sequence[str],
    molecule: MoleculeName = "dna",
    *,
    kmer_size: int | None = None,
    scale: int | None = None,
) -> Sketches:
    """Reduce sequences to the sets of their k-mers.

    Case does not matter, and T and U are one letter.  A k-mer that touches an ambiguity letter of
    DNA or RNA is left out.  A sequence without a whole k-mer counts as one k-mer of its own, so
    that it is like nothing but its copies.

    Args:
        sequences: N sequences, 5' to 3' (or N- to C-terminal).
        molecule: For ``dna`` a k-mer and its reverse complement are one.
        kmer_size: Letters per k-mer.  None takes the shortest at which two unrelated sequences as
            long as the longest share one k-mer in a thousand, and chance matches stay few.
        scale: Keep one of so many hashes.  None keeps all up to 20 million.

    Returns:
        The sets, in the order of the sequences.

    Raises:
        ConfigError: If the molecule is unknown, or a k-mer is empty or too long for 64 bits.
    """
    if molecule not in _LETTERS:
        raise ConfigError(f"molecule must be one of {', '.join(_LETTERS)}, got {molecule!r}")
    k = suitable_kmer_size(sequences, molecule) if kmer_size is None else kmer_size
    if not 1 <= k <= _LONGEST_KMER[molecule]:
        raise ConfigError(
            f"k-mers of {molecule} sequences have 1 to {_LONGEST_KMER[molecule]} letters, got {k}"
        )
    if scale is None:
        scale = max(1, -(-sum(map(len, sequences)) // _HASHES_KEPT))
    if scale < 1:
        raise ConfigError(f"the scale of a sketch must be at least 1, got {scale}")
    highest = np.uint64((2**64 - 1) // scale)

    owners, hashes = [], []
    whole = np.zeros(len(sequences), dtype=np.bool_)
    occurrences = np.zeros(len(sequences), dtype=np.int64)
    for owner, text in _blocks(sequences, k):
        row, value = _kmers(text, owner, k, molecule)
        whole[row] = True
        kept = value <= highest
        owners.append(row[kept])
        hashes.append(value[kept])
        occurrences += np.bincount(row[kept], minlength=len(sequences))
    rest = np.flatnonzero(~whole).tolist()
    owners.append(np.array(rest, dtype=np.int64))
    hashes.append(np.array([_whole_hash(sequences[i], molecule) for i in rest], dtype=np.uint64))
    occurrences[rest] = 1

    owner, value = np.concatenate(owners), np.concatenate(hashes)
    del owners, hashes  # gigabytes, for large data
    different, number = np.unique(value, return_inverse=True)
    width = max(1, len(different))
    owner, members = np.divmod(np.unique(owner * width + number), width)
    offsets = np.searchsorted(owner, np.arange(len(sequences) + 1)).astype(np.int64)
    return Sketches(k, scale, members, offsets, occurrences)


def suitable_kmer_size(sequences: Sequence[str], molecule: MoleculeName) -> int:
    """Choose the k-mer size of :func:`sketch`.

    Args:
        sequences: The sequences to compare.
        molecule: What they are made of.

    Returns:
        Letters per k-mer.

    Source:
        The rule for the length: Ondov et al. 2016, equation 2.
    """
    letters = 20 if molecule == "protein" else 4
    lengths = [len(sequence) for sequence in sequences] or [1]
    needed = max(max(lengths) / _CHANCE, sum(lengths) / _CROWD, 2.0)
    return min(math.ceil(math.log(needed, letters)), _LONGEST_KMER[molecule])


def similar_pairs(
    sketches: Sketches, identity: float, *, behind: int = 0
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float64]]]:
    """Find all pairs of sequences that are at least so much alike.

    The identity of two sequences is c^(1/k), with c the share of the k-mers of the smaller set
    that the larger one has as well: a fragment is identical with what it was cut from.  Where the
    smaller set comes from a repetitive sequence (fewer distinct k-mers than half of all), c is
    twice the shared k-mers over the sum of both sets, lest a run of A be like all that hold one.

    Args:
        sketches: The k-mer sets.
        identity: Threshold, above 0 and at most 1.
        behind: Only pairs whose second sequence has at least this number, and whose first one has
            a smaller one; 0 finds all pairs.

    Yields:
        Number i of a sequence, the numbers j > i of those like it, and their identities; i that
        have none are left out.

    Raises:
        ConfigError: If the threshold is out of range.
    """
    check_identity(identity)
    k, sizes = sketches.kmer_size, sketches.sizes
    least = identity**k * (1 - 1e-12)  # rounding must not part copies
    repetitive = sizes < sketches.occurrences / 2
    owners = np.repeat(np.arange(len(sketches)), sizes)
    order = np.argsort(sketches.members, kind="stable")
    posted = owners[order]
    counts = np.bincount(sketches.members)
    ends = np.cumsum(counts)
    # Where the sequences begin that are still to be compared, in the list of each hash.
    starts = ends - counts
    starts += np.bincount(sketches.members[: sketches.offsets[behind]], minlength=len(counts))
    for i in range(behind or len(sketches)):
        mine = sketches.members[sketches.offsets[i] : sketches.offsets[i + 1]]
        if not behind:
            starts[mine] += 1  # all before i are done, and so is i
        lengths = ends[mine] - starts[mine]
        total = int(lengths.sum())
        if not total:
            continue
        shift = np.repeat(starts[mine] - (np.cumsum(lengths) - lengths), lengths)
        others = posted[shift + np.arange(total)]
        found, shared = _count(others, len(sketches))
        smaller = np.minimum(sizes[found], sizes[i])
        alike = shared / smaller
        dull = np.where(sizes[found] < sizes[i], repetitive[found], repetitive[i])
        alike[dull] = (2 * shared / (sizes[found] + sizes[i]))[dull]
        near = alike >= least
        if near.any():
            yield i, found[near], alike[near] ** (1 / k)


def clusters(sketches: Sketches, identity: float) -> NDArray[np.int64]:
    """Join sequences that are alike, and those alike to them, and so on (single linkage).

    Args:
        sketches: The k-mer sets.
        identity: See :func:`similar_pairs`.

    Returns:
        (N,) number of the cluster of each sequence, numbered by their first sequences.

    Raises:
        ConfigError: If the threshold is out of range.
    """
    parent = np.arange(len(sketches))
    for i, partners, _ in similar_pairs(sketches, identity):
        joined = np.append(partners, i)
        roots = parent[joined]
        while (parent[roots] != roots).any():
            roots = parent[roots]
        # The lowest number is the root, so that the result hangs on no order.
        lowest = roots.min()
        parent[roots] = lowest
        parent[joined] = lowest
    while (parent[parent] != parent).any():
        parent = parent[parent]
    return np.unique(parent, return_inverse=True)[1].astype(np.int64)


def canonical_sequence(sequence: str, molecule: MoleculeName) -> str:
    """Write a sequence so that all its copies are written alike.

    Args:
        sequence: Its letters, in either case.
        molecule: For ``dna`` a sequence and its reverse complement are copies; for RNA, T is U.

    Returns:
        Upper case; for DNA the one of the two strands that comes first in the alphabet.
    """
    letters = sequence.upper()
    if molecule == "protein":
        return letters
    if molecule == "rna":
        return letters.replace("T", "U")
    letters = letters.replace("U", "T")
    try:
        return min(letters, reverse_complement(letters))
    except AlphabetError:  # a letter without a partner: only the sequence itself is a copy
        return letters


def check_identity(identity: float) -> None:
    """Refuse a threshold of identity that means nothing.

    Args:
        identity: Share of equal letters.

    Raises:
        ConfigError: If it is not above 0 and at most 1.
    """
    if not 0 < identity <= 1:
        raise ConfigError(f"the identity must be above 0 and at most 1, got {identity}")


def _count(others: NDArray[np.int64], total: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Say which numbers occur, and how often each."""
    if 8 * len(others) < total:  # sorting few beats counting through all
        return np.unique(others, return_counts=True)
    shared = np.bincount(others, minlength=total)
    found = np.flatnonzero(shared)
    return found, shared[found]


def _blocks(sequences: Sequence[str], k: int) -> Iterator[tuple[NDArray[np.int64], str]]:
    """Lay sequences end to end, a blank behind each; the owner of each letter, and the letters."""
    owners: list[int] = []
    pieces: list[str] = []
    letters = 0
    for number, piece in _pieces(sequences, k):
        owners.append(number)
        pieces.append(piece)
        letters += len(piece)
        if letters >= _LETTERS_AT_ONCE:
            yield _laid_out(owners, pieces)
            owners, pieces, letters = [], [], 0
    if pieces:
        yield _laid_out(owners, pieces)


def _pieces(sequences: Iterable[str], k: int) -> Iterator[tuple[int, str]]:
    """Cut chromosomes so that no block gets too large; neighbours overlap by k - 1 letters."""
    for number, sequence in enumerate(sequences):
        for start in range(0, max(1, len(sequence) - k + 1), _LETTERS_AT_ONCE):
            yield number, sequence[start : start + _LETTERS_AT_ONCE + k - 1]


def _laid_out(owners: list[int], pieces: list[str]) -> tuple[NDArray[np.int64], str]:
    return np.repeat(owners, [len(piece) + 1 for piece in pieces]), " ".join([*pieces, ""])


def _kmers(
    text: str, owner: NDArray[np.int64], k: int, molecule: MoleculeName
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Owner and hash of each whole k-mer."""
    letters = _LETTERS[molecule]
    table = np.full(256, len(letters), dtype=np.uint64)
    table[letter_bytes(letters)] = table[letter_bytes(letters.lower())] = range(len(letters))
    if molecule != "protein":
        table[letter_bytes("TUtu")] = 3
    codes = table[letter_bytes(text)]
    count = max(0, len(codes) - k + 1)
    bits = np.uint64(5 if molecule == "protein" else 2)
    forward = np.zeros(count, dtype=np.uint64)
    backward = np.zeros(count, dtype=np.uint64)
    whole = np.ones(count, dtype=np.bool_)
    for offset in range(k):
        letter = codes[offset : offset + count]
        whole &= letter < len(letters)
        forward = (forward << bits) | letter
        backward |= (np.uint64(3) - letter) << np.uint64(2 * offset)
    forward, backward = forward[whole], backward[whole]
    kmer = np.minimum(forward, backward) if molecule == "dna" else forward
    return owner[:count][whole], _mixed(kmer)


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash 64 bits into 64 bits, one to one (splitmix64, Steele et al. 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _whole_hash(sequence: str, molecule: MoleculeName) -> int:
    """Hash a sequence that has no whole k-mer."""
    text = canonical_sequence(sequence, molecule).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
