"""Open reading frames on both strands: where a gene can lie.

bases -> stop codons of six frames -> every start codon upstream of each stop

Bases are numbers: 0 to 3 for A, C, G, T, 4 for N.  Positions are 0-based and half-open, on the
strand of the file; a frame on the other strand ends at its ``start``.  The stop codon belongs to
the frame, as in GFF3.  Three N in frame end a frame, since they mostly mark a gap of unknown
length.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.genetic_codes import GeneticCode

Codes = NDArray[np.uint8]

_COMPLEMENT = np.array([3, 2, 1, 0, 4], dtype=np.uint8)
_SHINE_DALGARNO = (0, 2, 2, 0, 2, 2)  # AGGAGG
_SPACERS = range(3, 12)


class Frames(NamedTuple):
    """Reading frames that could be genes; one row per pair of start and stop.

    Attributes:
        start: First base.
        end: Behind the last base.
        forward: True on the strand of the file.
        codon: Number of the start codon in the genetic code; -1 where the frame runs off the
            beginning (5′) of the sequence.
        complete: False where it runs off the other end (3′), without a stop codon.
        binding: Longest stretch of AGGAGG, in bases, at 3 to 11 bases before the start codon.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    forward: NDArray[np.bool_]
    codon: NDArray[np.int64]
    complete: NDArray[np.bool_]
    binding: NDArray[np.int64]

    def rows(self, chosen: NDArray[np.int64]) -> "Frames":
        """Some of the frames.

        Args:
            chosen: Their numbers, in the order wanted.
        """
        columns: list[NDArray[Any]] = [column[chosen] for column in self]
        return Frames(*columns)


class Gene(NamedTuple):
    """A reading frame that was chosen.

    Attributes:
        start: First base.
        end: Behind the last base.
        strand: ``+`` or ``-``.
        whole_start: False if it runs off the sequence at its 5′ end.
        whole_end: False if it runs off the sequence at its 3′ end.
    """

    start: int
    end: int
    strand: str
    whole_start: bool = True
    whole_end: bool = True


def find_frames(
    codes: Codes,
    code: GeneticCode,
    *,
    min_codons: int = 30,
    open_left: bool = False,
    open_right: bool = False,
) -> Frames:
    """Find all reading frames: every stop codon with every start codon upstream of it.

    Args:
        codes: (l,) bases.
        code: Genetic code.
        min_codons: Shorter frames, stop codon included, are left out.
        open_left: Frames may run off the left end, where the sequence was cut or ends.
        open_right: The same of the right end.

    Returns:
        The frames, by strand and stop.

    Example:
        >>> from hyena_glt.biology.genetic_codes import genetic_code
        >>> codes = np.array(["ACGTN".index(base) for base in "CATGGTGTAAC"], dtype=np.uint8)
        >>> found = find_frames(codes, genetic_code(11), min_codons=2)
        >>> list(zip(found.start.tolist(), found.end.tolist(), found.forward.tolist()))
        [(1, 10, True), (4, 10, True)]
    """
    length = len(codes)
    forward = _one_strand(codes, code, min_codons, open_left, open_right)
    turned = _one_strand(_COMPLEMENT[codes[::-1]], code, min_codons, open_right, open_left)
    backward = turned._replace(
        start=length - turned.end, end=length - turned.start, forward=~turned.forward
    )
    return Frames(*(np.concatenate(pair) for pair in zip(forward, backward, strict=True)))


def longest_orfs(
    codes: Codes, code: GeneticCode, *, min_codons: int = 100, most_overlap: int = 60
) -> list[Gene]:
    """Call genes by length alone: what every gene finder must beat.

    The longest frame from ATG to a stop codon at each stop counts if it has enough codons; the
    longest come first, and one that overlaps those before it too much is left out.  With GTG and
    TTG as starts this baseline does worse.

    Args:
        codes: (l,) bases.
        code: Genetic code, for its stop codons.
        min_codons: Fewest codons, stop included.
        most_overlap: Bases of a frame that longer frames may have taken, on either strand.

    Returns:
        The genes by position.
    """
    frames = find_frames(codes, code._replace(starts=("ATG",)), min_codons=min_codons)
    taken = np.zeros(len(codes), dtype=np.bool_)
    seen: set[tuple[bool, int]] = set()
    genes = []
    for row in np.argsort(frames.start - frames.end, kind="stable").tolist():
        start, end, forward = int(frames.start[row]), int(frames.end[row]), frames.forward[row]
        stop = (bool(forward), end if forward else start)
        if stop in seen:
            continue
        seen.add(stop)
        if np.count_nonzero(taken[start:end]) <= most_overlap:
            taken[start:end] = True
            genes.append(Gene(start, end, "+" if forward else "-"))
    return sorted(genes)


def _one_strand(
    codes: Codes, code: GeneticCode, min_codons: int, open_5: bool, open_3: bool
) -> Frames:
    """Frames on the strand of ``codes``."""
    kinds = _kinds(codes, code)
    binding = _binding(codes)
    parts = [_one_frame(kinds, frame, len(code.starts), min_codons, open_5, open_3)
             for frame in range(3)]  # fmt: skip
    start, end, codon, complete = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((start, end))
    start, end, codon, complete = start[order], end[order], codon[order], complete[order]
    return Frames(start, end, np.ones(len(start), np.bool_), codon, complete, binding[start])


_STOP, _GAP = -2, -3


def _kinds(codes: Codes, code: GeneticCode) -> NDArray[np.int8]:
    """For the codon that begins at each base: number of the start codon, -1, stop or gap."""
    size = max(0, len(codes) - 2)
    kinds = np.full(size, -1, dtype=np.int8)
    if not size:
        return kinds
    first, second, third = codes[:-2], codes[1:-1], codes[2:]
    known = (first < 4) & (second < 4) & (third < 4)
    table = np.full(64, -1, dtype=np.int8)
    for number, codon in enumerate(code.starts):
        table[_number(codon)] = number
    for codon in code.stops:
        table[_number(codon)] = _STOP
    index = 16 * (first & 3) + 4 * (second & 3) + (third & 3)
    kinds[known] = table[index[known]]
    kinds[(first > 3) & (second > 3) & (third > 3)] = _GAP
    return kinds


def _number(codon: str) -> int:
    one, two, three = ("ACGT".index(base) for base in codon)
    return 16 * one + 4 * two + three


_Columns = tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]
]  # start, end, codon, complete


def _one_frame(
    kinds: NDArray[np.int8], frame: int, starts: int, min_codons: int, open_5: bool, open_3: bool
) -> _Columns:
    own = kinds[frame::3]
    ends = np.flatnonzero(own <= _STOP)  # in codons
    has_stop = own[ends] == _STOP
    # What lies behind the last stop or gap reaches to the end of the sequence.
    ends, has_stop = np.append(ends, len(own)), np.append(has_stop, False)
    before = np.append(-1, ends[:-1])  # the stop or gap upstream
    usable = has_stop.copy()
    usable[-1] = open_3
    beginnings = np.flatnonzero((own >= 0) & (own < starts))
    low = np.searchsorted(beginnings, before, side="right")
    high = np.where(usable, np.searchsorted(beginnings, ends), low)
    counts = high - low
    row = np.repeat(np.arange(len(ends)), counts)
    first = np.cumsum(counts) - counts
    start = beginnings[low[row] + np.arange(len(row)) - first[row]] if len(row) else beginnings[:0]
    codon = own[start].astype(np.int64)
    if open_5 and usable[0] and len(own):
        start, row = np.append(start, 0), np.append(row, 0)
        codon = np.append(codon, -1)
    long = ends[row] - start + has_stop[row] >= min_codons
    start, row, codon = start[long], row[long], codon[long]
    return (
        3 * start + frame, 3 * (ends[row] + has_stop[row]) + frame, codon, has_stop[row],
    )  # fmt: skip


def _binding(codes: Codes) -> NDArray[np.int64]:
    """Longest stretch of AGGAGG before each base, at the distances of ribosome binding sites."""
    size, width = len(codes), len(_SHINE_DALGARNO)
    longest = np.zeros(size, dtype=np.int64)  # within the six bases that begin here
    run = np.zeros(size, dtype=np.int64)
    for offset, base in enumerate(_SHINE_DALGARNO):
        same = np.zeros(size, dtype=np.bool_)
        same[: max(0, size - offset)] = codes[offset:] == base
        run = np.where(same, run + 1, 0)
        longest = np.maximum(longest, run)
    found = np.zeros(size, dtype=np.int64)
    for spacer in _SPACERS:
        back = spacer + width
        if back < size:
            found[back:] = np.maximum(found[back:], longest[:-back])
    return found
