"""Motifs planted in many sequences at once, and found again.

What counts as an instance is one thing for both: a window whose log-odds score reaches 80 % of the
best that the motif can have.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.motifs import Motif
from hyena_glt.data.simulation.background import Codes, decode, encode
from hyena_glt.data.simulation.features import Feature, Strand
from hyena_glt.errors import ConfigError

Strands = Literal["forward", "both"]

_HIT_SHARE = 0.8
_MOST_ROUNDS = 200


class Hit(NamedTuple):
    """An instance of a motif.

    Attributes:
        start: First base, counted from the 5' end of the strand it lies on, 0-based.
        stop: One past its last base, likewise.
        motif: Number of the motif.
        strand: The strand it lies on.
    """

    start: int
    stop: int
    motif: int
    strand: Strand


def is_palindrome(motif: Motif) -> bool:
    """Tell whether a motif equals its reverse complement, and so has no strand.

    Args:
        motif: The motif.

    Returns:
        Whether it does.
    """
    return np.allclose(motif.probabilities, motif.reverse_complement().probabilities)


def plant(
    codes: Codes,
    rows: NDArray[np.int64],
    arrangement: Sequence[int],
    gap: tuple[int, int],
    motifs: Sequence[Motif],
    strands: Strands,
    rng: np.random.Generator,
) -> list[tuple[Hit, ...]]:
    """Write one arrangement into each of the rows, at a place of its own.

    Args:
        codes: (N, L) bases as numbers; changed in place.
        rows: Which of the N.
        arrangement: Motif numbers, 5' to 3'.
        gap: Fewest and most bases between two motifs.
        motifs: The motifs.
        strands: ``"both"`` puts the arrangement as a whole on a strand at random.
        rng: Source of randomness.

    Returns:
        What was written, for each of the rows.

    Raises:
        ConfigError: If a motif is so vague that hardly an instance of it can be told.
    """
    n, length = len(rows), codes.shape[1]
    chosen = [motifs[number] for number in arrangement]
    if not chosen:
        return [()] * n
    directed = not all(is_palindrome(motif) for motif in chosen)
    minus = (rng.random(n) < 0.5) & (strands == "both" and directed)
    gaps = rng.integers(*gap, size=(n, len(chosen)), endpoint=True)
    gaps[:, 0] = 0
    starts = np.cumsum(gaps, axis=1) + np.cumsum([0, *(len(motif) for motif in chosen[:-1])])
    total = starts[:, -1] + len(chosen[-1])
    starts += rng.integers(length - total + 1)[:, None]
    hits: list[list[Hit]] = [[] for _ in range(n)]
    for at, (number, motif) in enumerate(zip(arrangement, chosen, strict=True)):
        instances = _instances(motif, n, rng)
        instances[minus] = 3 - instances[minus][:, ::-1]
        width = len(motif)
        first = np.where(minus, length - width - starts[:, at], starts[:, at])
        codes[rows[:, None], first[:, None] + np.arange(width)] = instances
        for row in range(n):
            start = int(starts[row, at])
            hits[row].append(Hit(start, start + width, number, "-" if minus[row] else "+"))
    return [tuple(row) for row in hits]


def _threshold(motif: Motif) -> float:
    return _HIT_SHARE * float(motif.log_odds().max(axis=1).sum())


def _instances(motif: Motif, n: int, rng: np.random.Generator) -> Codes:
    """Draw instances that the oracle counts as such."""
    log_odds, threshold = motif.log_odds(), _threshold(motif)
    kept: list[Codes] = []
    missing = n
    for _ in range(_MOST_ROUNDS):
        drawn = encode("".join(motif.sample(rng, n))).reshape(n, len(motif))
        scores = log_odds[np.arange(len(motif)), drawn].sum(axis=1)
        kept.append(drawn[scores >= threshold][:missing])
        missing -= len(kept[-1])
        if missing == 0:
            return np.concatenate(kept)
    raise ConfigError(
        f"motif {motif.name!r} is too vague: hardly any instance reaches {_HIT_SHARE:.0%} of its "
        "best score"
    )


def find_hits(codes: Codes, motifs: Sequence[Motif], strands: Strands) -> list[tuple[Hit, ...]]:
    """Find all instances of the motifs.

    Args:
        codes: (N, L) bases as numbers.
        motifs: The motifs.
        strands: Look at the given strand alone, or at both.

    Returns:
        For each sequence the instances from 5' to 3' on their strand.
    """
    n, length = codes.shape
    # One scan for all: windows across two sequences hold an N and never score.
    joined = "".join(decode(row) + "N" for row in codes)
    hits: list[list[Hit]] = [[] for _ in range(n)]
    for number, motif in enumerate(motifs):
        scores = motif.scan(joined)
        width = len(motif)
        both = strands == "both" and not is_palindrome(motif)
        for strand, line in zip(("+", "-"), scores[: 1 + both], strict=False):
            for column in np.flatnonzero(line >= _threshold(motif)).tolist():
                row, first = divmod(column, length + 1)
                start = first if strand == "+" else length - width - first
                hits[row].append(Hit(start, start + width, number, strand))  # type: ignore[arg-type]
    return [tuple(sorted(row)) for row in hits]


def features_of(hits: Sequence[Hit], motifs: Sequence[Motif], length: int) -> tuple[Feature, ...]:
    """Describe instances by their place on the + strand.

    Args:
        hits: Instances in one sequence.
        motifs: The motifs.
        length: Bases of the sequence.

    Returns:
        Features of kind ``"TF_binding_site"``, by position.
    """
    features = []
    for hit in hits:
        start, stop = (
            (hit.start, hit.stop) if hit.strand == "+" else (length - hit.stop, length - hit.start)
        )
        name = motifs[hit.motif].name
        features.append(Feature("TF_binding_site", name, start, stop, hit.strand))
    return tuple(sorted(features, key=lambda feature: feature.start))
