"""Where patches begin: between codons, at the ends of genes and exons, in repeats, at motifs.

patch starts of a sequence + annotated places -> how many meet, against circular shifts

A boundary at position i lies between bases i - 1 and i, whatever strand is read.  What is expected
by chance comes from the same boundaries, all moved along the sequence by a random distance (its end
joined to its start): that keeps their number and the pattern of their distances.  Positions are
0-based and half-open, in bases, on the strand of the sequence.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.biology.intervals import Feature, Interval
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.model.hyena_glt import trunk_of

Boundaries = NDArray[np.bool_]

_CODING = "CDS"
_REPEATS = "repeats (lower case)"


class BoundaryEnrichment(NamedTuple):
    """How often patches begin at some places.

    Attributes:
        name: Of the places.
        places: How many there are.
        observed: Boundaries on them.
        expected: Mean number of boundaries on them, over the shifts.
        fold: Observed over expected; nan where nothing is expected.
        p_value: Two-sided, of a permutation test with circular shifts: the share of shifts, this
            one included, that are at least as far out, doubled.
    """

    name: str
    places: int
    observed: int
    expected: float
    fold: float
    p_value: float


class BoundaryAnalysis(NamedTuple):
    """Where the patches of a sequence begin.

    Attributes:
        compression_ratio: Nucleotides per patch.
        boundaries: How many there are; where a window begins there is none.
        phases: Of those within coding sequence, how many lie before the first, second and third
            base of a codon, as its strand is read.
        enrichments: One for each kind of places.
    """

    compression_ratio: float
    boundaries: int
    phases: tuple[int, int, int]
    enrichments: list[BoundaryEnrichment]


def analyze_boundaries(
    model: PreTrainedModel,
    sequence: str,
    features: Iterable[Feature] = (),
    *,
    elements: Mapping[str, Sequence[Interval]] | None = None,
    tolerance: int = 3,
    permutations: int = 1000,
    seed: int = 0,
    tokenizer: Any | None = None,
) -> BoundaryAnalysis:
    """Compare the patch boundaries of a model with what is known of a sequence.

    Asked for are: boundaries between codons (before the first base of one), at the start and at
    the end of coding sequences, at either end of features of every other kind, within lower-case
    letters, and within the elements given.

    Args:
        model: Any model of the package in single-nucleotide tokens.
        sequence: Letters of any length; cut into windows that the model takes.
        features: Annotation of the sequence; positions count from its first letter.
        elements: Sets of intervals by name, motif occurrences for example.
        tolerance: A boundary counts as being at an end if it is at most so many bases away.
        permutations: Circular shifts.
        seed: Of the shifts.
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.

    Raises:
        ConfigError: If tokens are not single nucleotides, or an option is out of range.
        DataError: If the sequence is empty or a place lies outside of it.

    Example:
        >>> found = analyze_boundaries(model, letters, genes)  # doctest: +SKIP
        >>> found.phases  # doctest: +SKIP
        (412, 263, 270)
    """
    if tolerance < 0 or permutations < 1:
        raise ConfigError(
            f"tolerance must be at least 0 and permutations at least 1, got {tolerance} and "
            f"{permutations}"
        )
    boundaries, ratio = patch_boundaries(model, sequence, tokenizer=tokenizer)
    length = len(sequence)
    own = [_checked(feature, length) for feature in features]
    coding = [feature for feature in own if feature.kind == _CODING]
    places = _places(sequence, own, coding, elements or {}, tolerance)
    random = np.random.default_rng(seed)
    return BoundaryAnalysis(
        ratio,
        int(np.count_nonzero(boundaries)),
        codon_phases(boundaries, coding),
        [
            boundary_enrichment(boundaries, marks, name, permutations, random)
            for name, marks in places.items()
            if marks.any()
        ],
    )


def patch_boundaries(
    model: PreTrainedModel, sequence: str, *, tokenizer: Any | None = None
) -> tuple[Boundaries, float]:
    """Find where patches begin in a sequence of any length.

    Args:
        model: Any model of the package in single-nucleotide tokens.
        sequence: Letters; cut into windows that the model takes.
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.

    Returns:
        (l,) True on the first base of each patch, but not of a window, which begins one whatever
        the sequence; and nucleotides per patch.

    Raises:
        ConfigError: If tokens are not single nucleotides.
        DataError: If the sequence is empty.
    """
    config = trunk_of(model).config
    if config.kmer_size != 1:
        raise ConfigError("boundaries are compared with places in models of single nucleotides")
    if not sequence:
        raise DataError("the sequence is empty: there is nothing to analyse")
    window = config.max_position_embeddings
    starts = range(0, len(sequence), window)
    found = compute_compression_statistics(
        model, [sequence[start : start + window] for start in starts], tokenizer=tokenizer
    )
    boundaries = np.zeros(len(sequence), dtype=np.bool_)
    for start, patches in zip(starts, found.sequences, strict=True):
        boundaries[start + np.array(patches.starts[1:], dtype=np.int64)] = True
    return boundaries, found.compression_ratio


def codon_phases(boundaries: Boundaries, coding: Iterable[Feature]) -> tuple[int, int, int]:
    """Count boundaries by their place in codons.

    Args:
        boundaries: (l,) True where a patch begins.
        coding: Coding sequences, with strand and phase; each exon of a gene is one.

    Returns:
        How many lie before the first, the second and the third base of a codon, in the direction of
        reading.

    Example:
        >>> from dataclasses import replace
        >>> gene = Feature("chr", 2, 11, "CDS", "+", phase=0)
        >>> starts = np.zeros(12, dtype=bool)
        >>> starts[[2, 5, 6]] = True
        >>> codon_phases(starts, [gene]), codon_phases(starts, [replace(gene, strand="-")])
        ((2, 1, 0), (1, 0, 1))
    """
    counts = np.zeros(3, dtype=np.int64)
    for feature in coding:
        before = _before_bases(feature, len(boundaries))
        counts += np.bincount(_phase(before[boundaries[before]], feature), minlength=3)
    one, two, three = counts.tolist()
    return one, two, three


def boundary_enrichment(
    boundaries: Boundaries,
    places: Boundaries,
    name: str,
    permutations: int = 1000,
    random: np.random.Generator | None = None,
) -> BoundaryEnrichment:
    """Test whether boundaries lie on places more or less often than by chance.

    Args:
        boundaries: (l,) True where a patch begins.
        places: (l,) True where a boundary would be one of those asked for.
        name: Of the places.
        permutations: Circular shifts.
        random: Source of randomness; None begins a new one.

    Example:
        >>> every_third = np.arange(300) % 3 == 0
        >>> boundary_enrichment(every_third, every_third, "itself", 99).fold > 2
        True
    """
    random = random or np.random.default_rng(0)
    observed = int(np.count_nonzero(boundaries & places))
    # Counts for every shift at once, as a circular cross-correlation.
    spectrum = np.conj(np.fft.rfft(boundaries)) * np.fft.rfft(places)
    by_shift = np.rint(np.fft.irfft(spectrum, n=len(boundaries))).astype(np.int64)
    drawn = by_shift[random.integers(0, len(boundaries), permutations)]
    expected = float(drawn.mean())
    above, below = np.count_nonzero(drawn >= observed), np.count_nonzero(drawn <= observed)
    tail = (1 + min(above, below)) / (1 + permutations)
    return BoundaryEnrichment(
        name, int(np.count_nonzero(places)), observed, expected,
        observed / expected if expected else float("nan"), float(min(1.0, 2 * tail)),
    )  # fmt: skip


def _places(
    sequence: str,
    features: Sequence[Feature],
    coding: Sequence[Feature],
    elements: Mapping[str, Sequence[Interval]],
    tolerance: int,
) -> dict[str, Boundaries]:
    """What boundaries are looked for at, by name."""
    length = len(sequence)
    places: dict[str, Boundaries] = {}
    if coding:
        codons = np.zeros(length, dtype=np.bool_)
        for feature in coding:
            before = _before_bases(feature, length)
            codons[before[_phase(before, feature) == 0]] = True
        places["between codons"] = codons
        for at, name in enumerate((f"{_CODING} start", f"{_CODING} end")):
            ends = [_ends(feature)[at] for feature in coding]
            places[name] = _around(ends, tolerance, length)
    for kind in sorted({feature.kind for feature in features} - {_CODING}):
        ends = [end for feature in features if feature.kind == kind for end in _ends(feature)]
        places[f"{kind} edge"] = _around(ends, tolerance, length)
    letters = np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)
    places[_REPEATS] = letters >= ord("a")
    for name, intervals in elements.items():
        inside = np.zeros(length, dtype=np.bool_)
        for interval in intervals:
            _check_place(interval.start, interval.end, length, name)
            inside[interval.start : interval.end] = True
        places[name] = inside
    return places


def _before_bases(feature: Feature, length: int) -> NDArray[np.int64]:
    """Boundaries in a sequence, each before a base of a feature as its strand is read."""
    shift = int(feature.strand == "-")
    return np.arange(feature.start + shift, min(feature.end + shift, length))


def _phase(places: NDArray[np.int64], feature: Feature) -> NDArray[np.int64]:
    """Place in the codon of the base that comes next behind a boundary, as the strand is read."""
    shift = feature.phase or 0
    if feature.strand == "-":
        return (feature.end - shift - places) % 3
    return (places - feature.start - shift) % 3


def _ends(feature: Feature) -> tuple[int, int]:
    """Boundaries at the 5′ and at the 3′ end."""
    ends = (feature.start, feature.end)
    return ends[::-1] if feature.strand == "-" else ends


def _around(places: Iterable[int], tolerance: int, length: int) -> Boundaries:
    found = np.zeros(length, dtype=np.bool_)
    for place in places:
        found[max(0, place - tolerance) : place + tolerance + 1] = True
    return found


def _checked(feature: Feature, length: int) -> Feature:
    _check_place(feature.start, feature.end, length, f"the {feature.kind}")
    return feature


def _check_place(start: int, end: int, length: int, what: str) -> None:
    if not 0 <= start < end <= length:
        raise DataError(
            f"{what} at {start}-{end} does not lie within the sequence of {length:,} bases"
        )
