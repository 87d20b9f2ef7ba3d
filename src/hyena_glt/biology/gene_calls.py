"""Genes chosen among reading frames, by evidence for coding at every base.

reading frames -> score of each -> the best set that hardly overlaps -> genes

A frame scores, in nats: the evidence of its bases, how unlikely so long a frame is by chance in
bases of this composition, how common its start codon is, and, for bacterial codes, how well the
bases before it fit a ribosome binding site.  Of all sets of frames in which neighbours overlap
little, the one with the highest sum is taken (dynamic programming), so that start codons and
overlaps are decided together.

The constants of start codons and binding sites are log-odds of true starts against all others in
the first 2.7 Mb of Escherichia coli K-12 MG1655 (RefSeq NC_000913.3); the rest was chosen on
1 Mb behind it.

Source:
    The idea of one dynamic programme over starts and stops: Hyatt et al. 2010, Prodigal,
    doi:10.1186/1471-2105-11-119.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.genetic_codes import GeneticCode
from hyena_glt.biology.orfs import Codes, Frames, Gene, find_frames

Evidence = NDArray[np.floating]

_WEIGHT = 0.02  # of the evidence: that of neighbouring bases is nearly the same
_STARTS = np.array([0.0, -2.2, -4.0, -4.0])  # ATG, GTG, TTG; runs off the sequence
_BINDING = np.array([-2.3, -2.3, -1.5, 0.4, 2.35, 3.6, 4.0])  # by bases of AGGAGG
_GENE = -10.0  # a frame is a gene
_OVERLAP = -0.1  # per base
_MOST_OVERLAP = 60
_BEFORE_START = 17  # bases that tell of a start codon: a binding site, and what lies between
_JOINED = (1, 4)  # TAATG and ATGA: start and stop share bases, as in operons


def choose_genes(
    codes: Codes,
    evidence: Evidence | None,
    code: GeneticCode,
    *,
    min_codons: int = 30,
    open_left: bool = False,
    open_right: bool = False,
) -> list[Gene]:
    """Choose the genes of a sequence.

    Args:
        codes: (l,) bases.
        evidence: (l, 2) log-odds, in nats, that each base is coding on the strand of the file, and
            on the other; None: only what the bases themselves tell.
        code: Genetic code.
        min_codons: Fewest codons of a gene, stop included.
        open_left: Genes may run off the left end.
        open_right: Genes may run off the right end.

    Returns:
        The genes by position; neighbours overlap by at most 60 bases.
    """
    frames = find_frames(
        codes, code, min_codons=min_codons, open_left=open_left, open_right=open_right
    )
    if evidence is None:
        evidence = np.zeros((len(codes), 2))
    weighted = _WEIGHT * evidence.astype(np.float64)
    scores = _scores(frames, codes, weighted, code)
    good = np.flatnonzero(scores > 0)
    order = good[np.lexsort((frames.start[good], frames.end[good]))]
    return _best_set(frames.rows(order), scores[order], weighted)


def _scores(
    frames: Frames, codes: Codes, weighted: Evidence, code: GeneticCode
) -> NDArray[np.float64]:
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(weighted, axis=0)])
    strand = np.where(frames.forward, 0, 1)
    evidence = sums[frames.end, strand] - sums[frames.start, strand]
    codons = (frames.end - frames.start) / 3
    scores = evidence + codons * _nats_per_codon(codes, code) + _STARTS[frames.codon] + _GENE
    if code.bacterial:
        # Nothing is known before a frame that runs off the sequence.
        scores += np.where(frames.codon < 0, 0.0, _BINDING[frames.binding])
    return np.asarray(scores)


def _nats_per_codon(codes: Codes, code: GeneticCode) -> float:
    """How much a codon that is no stop speaks against a frame by chance."""
    counts = np.bincount(codes, minlength=5)[:4].astype(np.float64)
    # Both strands together.
    share = (counts + counts[::-1]) / max(1.0, 2 * counts.sum())
    stop = sum(float(np.prod([share["ACGT".index(base)] for base in codon]))
               for codon in code.stops)  # fmt: skip
    return -float(np.log1p(-stop))


def _best_set(frames: Frames, scores: NDArray[np.float64], weighted: Evidence) -> list[Gene]:
    """Dynamic programming over frames that are in the order of their ends."""
    gains = np.concatenate([np.zeros((1, 2)), np.cumsum(np.maximum(weighted, 0), axis=0)])
    starts, ends = frames.start.tolist(), frames.end.tolist()
    strands = np.where(frames.forward, 0, 1).tolist()
    total: list[float] = []
    before: list[int] = []
    best_until: list[int] = []  # frame with the highest total so far
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        last_apart = bisect_right(ends, start, 0, row) - 1
        link = best_until[last_apart] if last_apart >= 0 else -1
        reached = total[link] if link >= 0 else 0.0
        for other in range(last_apart + 1, row):
            overlap = ends[other] - start
            if overlap > _MOST_OVERLAP:
                break
            if starts[other] >= start or ends[other] >= end:
                continue
            same = strands[other] == strands[row]
            cost = 0.0 if same and overlap in _JOINED else _OVERLAP * overlap
            if same:  # or else their evidence would count twice
                strand = strands[row]
                cost -= float(gains[ends[other], strand] - gains[start, strand])
            if total[other] + cost > reached:
                link, reached = other, total[other] + cost
        total.append(reached + float(scores[row]))
        before.append(link)
        better = not best_until or total[row] >= total[best_until[-1]]
        best_until.append(row if better else best_until[-1])
    chosen = []
    row = best_until[-1] if best_until else -1
    while row >= 0:
        chosen.append(Gene(
            starts[row], ends[row], "+-"[strands[row]],
            bool(frames.codon[row] >= 0), bool(frames.complete[row]),
        ))  # fmt: skip
        row = before[row]
    return chosen[::-1]


class Called(NamedTuple):
    """A gene and how sure the evidence is of it.

    Attributes:
        gene: Where it lies.
        probability: Mean over its bases that they are coding on its strand; nan without evidence.
    """

    gene: Gene
    probability: float


class GeneStream:
    """Genes of a sequence that comes in blocks, in constant memory.

    About a million bases are looked at together.  Where two neighbouring genes do not overlap,
    far from the end of what is known, what lies before is settled and forgotten.

    Args:
        choose: Chooses the genes of a stretch: takes bases, evidence, and whether genes may run off
            its left and its right end, as :func:`choose_genes` does.
        stretch: Bases looked at together.
        margin: Bases at the end of a stretch in which nothing is settled; longer than a gene.

    """

    def __init__(
        self,
        choose: Callable[[Codes, Evidence | None, bool, bool], list[Gene]],
        *,
        stretch: int = 1 << 20,
        margin: int = 1 << 16,
    ) -> None:
        self._choose = choose
        self._stretch, self._margin = stretch, margin
        self._codes: list[Codes] = []
        self._evidence: list[Evidence] = []
        self._kept = 0
        self._start = 0

    def add(self, codes: Codes, evidence: Evidence | None = None) -> Iterator[Called]:
        """Take the next bases.

        Args:
            codes: (n,) bases, behind those before.
            evidence: (n, 2); None throughout if there is none.

        Yields:
            The genes that are settled, by position from the first base of all.
        """
        self._codes.append(codes)
        if evidence is not None:
            self._evidence.append(evidence)
        self._kept += len(codes)
        if self._kept >= self._stretch:
            yield from self._settle(last=False)

    def finish(self) -> Iterator[Called]:
        """Yield the genes that are left, when the sequence has ended."""
        if self._kept:
            yield from self._settle(last=True)

    def _settle(self, *, last: bool) -> Iterator[Called]:
        codes = np.concatenate(self._codes)
        evidence = np.concatenate(self._evidence) if self._evidence else None
        genes = self._choose(codes, evidence, self._start == 0, last)
        cut = len(codes)
        if not last:
            genes, cut = self._settled(genes, len(codes))
        for gene in genes:
            place = gene._replace(start=gene.start + self._start, end=gene.end + self._start)
            yield Called(place, _probability(gene, evidence))
        self._codes = [codes[cut:]]
        self._evidence = [] if evidence is None else [evidence[cut:]]
        self._kept -= cut
        self._start += cut

    def _settled(self, genes: list[Gene], length: int) -> tuple[list[Gene], int]:
        """The genes that more bases would not change, and where they end."""
        limit = length - self._margin
        # Rather where the next gene keeps the bases before its start codon.
        for room in (_BEFORE_START, 0):
            for count in range(len(genes), 0, -1):
                end = genes[count - 1].end
                if end <= limit and (count == len(genes) or genes[count].start >= end + room):
                    return genes[:count], end
        # No gene ends there; one that will have begun must be left whole.
        first = min((gene.start for gene in genes), default=length)
        return [], max(0, min(first, limit - self._margin))


def _probability(gene: Gene, evidence: Evidence | None) -> float:
    if evidence is None:
        return float("nan")
    own = evidence[gene.start : gene.end, "+-".index(gene.strand)]
    return float(np.mean(1 / (1 + np.exp(-own))))
