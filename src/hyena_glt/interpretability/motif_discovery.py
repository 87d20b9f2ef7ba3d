"""Motifs that a model has learned, found in its attributions.

attributions -> seqlets -> groups -> letters counted under each group -> motif, trimmed, with sites

Seqlets are gathered by what the model makes of them; the motif is then counted from the letters of
the sequences at these places, some bases further to either side, and cut to the stretch that tells
something.  Positions are 0-based and half-open, counted in bases on the strand of the sequence.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.alphabet import letter_bytes
from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import DataError
from hyena_glt.interpretability.motif_clustering import Placed, cluster_seqlets
from hyena_glt.interpretability.seqlets import Evidence, Seqlet, call_seqlets

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SEQLET_WIDTH = 8
"""Bases of the window in which attributions are summed."""

_FLANK = 8  # bases to either side of a seqlet that are compared as well
_SURROUNDINGS = 10  # bases to either side of these that may turn out to belong to the motif
_LEAST_BITS = 0.1  # a position with less costs more than it adds
_LEAST_WIDTH = 4
_SAME_MOTIF = 0.75  # cosine of two matrices, what hangs over counted as unlike
_OTHER = 4
_CODES = np.full(256, _OTHER, dtype=np.int64)
for _letters in ("ACGT", "acgt", "ACGU", "acgu"):
    _CODES[letter_bytes(_letters)] = range(4)


class MotifSite(NamedTuple):
    """One place where a motif was found.

    Attributes:
        sequence: Number of the sequence.
        start: First base.
        end: Behind the last base.
        strand: ``-`` if the motif reads on the reverse complement.
        score: Sum of the attributions over the site; below 0 where it speaks against the output.
    """

    sequence: int
    start: int
    end: int
    strand: Literal["+", "-"]
    score: float


class DiscoveredMotif(NamedTuple):
    """A motif and where it came from.

    Attributes:
        motif: Probabilities of the letters; ``motif_1`` has the most sites.
        counts: (W, 4) letters A, C, G, T at the sites.
        sites: Where it stands, most telling first.
        evidence: Whether it speaks ``for`` or ``against`` the output that was explained.
    """

    motif: Motif
    counts: Integers
    sites: tuple[MotifSite, ...]
    evidence: Evidence


class _Data(NamedTuple):
    """Letters (0 to 3; 4 is another), attributions, frequency of each letter, strands."""

    codes: Sequence[Integers]
    scores: Sequence[Floats]
    background: Floats
    both_strands: bool


class _Place(NamedTuple):
    """Where column 0 of a template stands, and whether it reads to the left from there."""

    sequence: int
    zero: int
    minus: bool


class _Places(NamedTuple):
    """All places of a template of so many columns."""

    places: list[_Place]
    width: int


def discover_motifs(
    sequences: Sequence[str],
    effects: Sequence[Floats],
    *,
    both_strands: bool = True,
    least_sites: int = 20,
    seqlet_width: int = SEQLET_WIDTH,
    seed: int = 0,
) -> list[DiscoveredMotif]:
    """Find the motifs that predictions rest on.

    Args:
        sequences: DNA or RNA, either case.
        effects: For each sequence (l, 4): change of the prediction if a base becomes A, C, G or T
            (U); 0 for the letter it is.  The ``effects`` of
            :class:`~hyena_glt.interpretability.attribution.Attribution`.
        both_strands: Whether a motif may lie on either strand.
        least_sites: Motifs with fewer sites are not given.
        seqlet_width: Bases of the window in which attributions are summed.
        seed: Of the shuffles behind the threshold.

    Returns:
        The motifs, those with the most sites first, named ``motif_1``, ``motif_2``, ...

    Raises:
        DataError: If effects and sequences do not fit together.

    Source:
        After TF-MoDISco, Shrikumar et al. 2018, arXiv:1811.00416; clustering and trimming are
        simpler here.
    """
    codes = [_CODES[letter_bytes(sequence)] for sequence in sequences]
    matrices = [np.asarray(one, dtype=np.float64) for one in effects]
    if [one.shape for one in matrices] != [(len(row), 4) for row in codes]:
        raise DataError(
            "every sequence needs effects of shape (length, 4), one column for each of A, C, G, T"
        )
    # Moved so that the letters of a position sum to 0: what each adds to their mean.
    centred = [one - one.mean(axis=1, keepdims=True) for one in matrices]
    scores = [_scores(one, row) for one, row in zip(matrices, codes, strict=True)]
    composition = np.bincount(np.concatenate([np.empty(0, np.int64), *codes]), minlength=5)[:4]
    data = _Data(codes, scores, (composition + 1) / (composition + 1).sum(), both_strands)
    found: list[DiscoveredMotif] = []
    kinds: tuple[Evidence, ...] = ("for", "against")
    for evidence in kinds:
        seqlets = call_seqlets(scores, evidence, width=seqlet_width, seed=seed)
        sign = 1.0 if evidence == "for" else -1.0
        windows = _windows(seqlets, [sign * one for one in centred], seqlet_width + 2 * _FLANK)
        groups = cluster_seqlets(windows, both_strands=both_strands, least_members=least_sites)
        for places in _merged([_places(group, seqlets) for group in groups], evidence, data):
            one = _motif(places, evidence, data)
            if one is not None and len(one.sites) >= least_sites:
                found.append(one)
    found.sort(key=lambda one: -len(one.sites))
    return [
        one._replace(motif=Motif(f"motif_{number}", one.motif.probabilities))
        for number, one in enumerate(found, start=1)
    ]


def _scores(effects: Floats, codes: Integers) -> Floats:
    """(l,) prediction minus the mean prediction over the other letters; 0 where there is an N."""
    known = codes != _OTHER
    return np.where(known, -effects.sum(axis=1) / 3, 0.0)


def _windows(seqlets: Sequence[Seqlet], matrices: Sequence[Floats], width: int) -> Floats:
    """(n, width, 4) contributions around the seqlets; 0 beyond the ends of a sequence."""
    windows = np.zeros((len(seqlets), width, 4))
    for window, seqlet in zip(windows, seqlets, strict=True):
        first = seqlet.start - _FLANK
        matrix = matrices[seqlet.sequence]
        low, high = max(first, 0), min(first + width, len(matrix))
        window[low - first : high - first] = matrix[low:high]
    return windows


def _places(group: Sequence[Placed], seqlets: Sequence[Seqlet]) -> _Places:
    """Where the template of a group stands; windows of one site agree and count once."""
    width = seqlets[0].stop - seqlets[0].start + 2 * _FLANK
    places: dict[_Place, None] = {}
    for one in group:
        seqlet = seqlets[one.seqlet]
        first = seqlet.start - _FLANK
        zero = first + width - 1 + one.shift if one.minus else first - one.shift
        places[_Place(seqlet.sequence, zero, one.minus)] = None
    return _Places(list(places), width)


def _merged(groups: Sequence[_Places], evidence: Evidence, data: _Data) -> list[_Places]:
    """Lay a group on a larger one whose letters it repeats, though in other attributions."""
    kept: list[_Places] = []
    for group in sorted(groups, key=lambda one: -len(one.places)):
        own = _motif(group, evidence, data)
        if own is None:
            continue
        for number, larger in enumerate(kept):
            other = _motif(larger, evidence, data)
            assert other is not None
            shift, minus, cosine = _overlay(other.motif, own.motif, both_strands=data.both_strands)
            if cosine >= _SAME_MOTIF:
                places = dict.fromkeys(_of_sites(other.sites))
                for sequence, zero, turned in _of_sites(own.sites):
                    # The first column of the larger motif, read along its own strand.
                    along = len(own.motif) - 1 + shift if minus else -shift
                    moved = zero - along if turned else zero + along
                    places[_Place(sequence, moved, turned != minus)] = None
                kept[number] = _Places(list(places), len(other.motif))
                break
        else:
            kept.append(group)
    return kept


def _of_sites(sites: Sequence[MotifSite]) -> list[_Place]:
    return [
        _Place(site.sequence, site.end - 1 if site.strand == "-" else site.start,
               site.strand == "-")
        for site in sites
    ]  # fmt: skip


def _overlay(first: Motif, second: Motif, *, both_strands: bool) -> tuple[int, bool, float]:
    """Column of the first motif at which the second begins, its strand, and how alike they are."""
    best = (0, False, -1.0)
    fixed = first.probabilities - 0.25
    for minus in (False, True)[: 1 + both_strands]:
        moving = second.probabilities - 0.25
        moving = moving[::-1, ::-1] if minus else moving
        size = float(np.sqrt((fixed**2).sum() * (moving**2).sum()))
        for shift in range(1 - len(moving), len(fixed)):
            low, high = max(shift, 0), min(shift + len(moving), len(fixed))
            product = float((fixed[low:high] * moving[low - shift : high - shift]).sum())
            if product / size > best[2]:
                best = (shift, minus, product / size)
    return best


def _motif(group: _Places, evidence: Evidence, data: _Data) -> DiscoveredMotif | None:
    """Count the letters under a group; None if they have nothing in common."""
    columns = np.arange(-_SURROUNDINGS, group.width + _SURROUNDINGS)
    places = group.places
    if sum(place.minus for place in places) * 2 > len(places):
        last = group.width - 1
        places = [
            _Place(sequence, zero - last if minus else zero + last, not minus)
            for sequence, zero, minus in places
        ]
    low, high = _informative(_counts(places, columns, data), data.background)
    if high - low < _LEAST_WIDTH:
        return None
    columns = columns[low:high]
    # Two seqlets of one palindrome may lie on it from both strands: it is one site.
    once = {_span(place, columns): place for place in reversed(places)}
    places = [place for place in places if once[_span(place, columns)] == place]
    sites = []
    for place in places:
        sequence, start, end = _span(place, columns)
        if start >= 0 and end <= len(data.codes[sequence]):
            score = float(data.scores[sequence][start:end].sum())
            sites.append(MotifSite(sequence, start, end, "-" if place.minus else "+", score))
    sites.sort(key=lambda site: (-abs(site.score), site))
    kept = _counts(places, columns, data)
    return DiscoveredMotif(Motif.from_counts("motif", kept), kept, tuple(sites), evidence)


def _counts(places: Sequence[_Place], columns: Integers, data: _Data) -> Integers:
    """(columns, 4) letters that stand at the places."""
    counts = np.zeros((len(columns), 5), dtype=np.int64)
    for sequence, zero, minus in places:
        codes = data.codes[sequence]
        at = zero - columns if minus else zero + columns
        letters = np.full(len(columns), _OTHER)
        inside = (at >= 0) & (at < len(codes))
        letters[inside] = codes[at[inside]]
        if minus:
            letters = np.where(letters == _OTHER, _OTHER, 3 - letters)
        counts[np.arange(len(columns)), letters] += 1
    return counts[:, :4]


def _span(place: _Place, columns: Integers) -> tuple[int, int, int]:
    """Sequence, first base and the one behind the last of the columns at a place."""
    edges = [int(place.zero + (-at if place.minus else at)) for at in columns[[0, -1]]]
    return place.sequence, min(edges), max(edges) + 1


def _informative(counts: Integers, background: Floats) -> tuple[int, int]:
    """The stretch of columns whose information, less what a column costs, is greatest."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = (counts + 0.8 * background) / (totals + 0.8)
    bits = (shares * np.log2(shares / background)).sum(axis=1)
    # Few letters look informative by chance: Schneider et al. 1986, J Mol Biol 188:415.
    bits -= 3 / (2 * np.log(2) * np.maximum(totals[:, 0], 1))
    gains = np.where(totals[:, 0] > 0, bits, 0.0) - _LEAST_BITS
    best, low, high, begin, running = 0.0, 0, 0, 0, 0.0
    for column, gain in enumerate(gains.tolist()):
        if running <= 0:
            begin, running = column, 0.0
        running += gain
        if running > best:
            best, low, high = running, begin, column + 1
    return low, high
