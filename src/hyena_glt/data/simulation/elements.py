"""The building blocks of a simulated genome: genes, repeats and CpG islands, as letters."""

from collections.abc import Mapping

import numpy as np

from hyena_glt.biology.codons import GENETIC_CODE, STOP_CODONS
from hyena_glt.data.simulation.background import MarkovBackground, decode, encode
from hyena_glt.errors import ConfigError

_CPG_ISLAND = MarkovBackground(
    [
        [0.18, 0.27, 0.43, 0.12],
        [0.17, 0.37, 0.27, 0.19],
        [0.16, 0.34, 0.38, 0.12],
        [0.08, 0.36, 0.38, 0.18],
    ]
)
"""Durbin, Eddy, Krogh and Mitchison 1998, Biological Sequence Analysis, section 3.1, + model;
rounded to two places."""


def random_gene(
    rng: np.random.Generator, num_codons: int, *, usage: Mapping[str, float] | None = None
) -> str:
    """Draw an open reading frame: ATG, sense codons, one stop at the end.

    Args:
        rng: Source of randomness.
        num_codons: Codons in all, start and stop included; at least 2.
        usage: Weight of each codon.  Stops are used at the end only.  Without it all are equal.

    Returns:
        3 * ``num_codons`` bases, 5' to 3', without a stop in frame before the last codon.

    Raises:
        ConfigError: If ``num_codons`` is below 2, or ``usage`` names something that is no codon,
            weighs below 0, or leaves no sense codon.
    """
    if num_codons < 2:
        raise ConfigError(f"num_codons must be at least 2 (start and stop), got {num_codons}")
    weights = dict.fromkeys(GENETIC_CODE, 1.0) if usage is None else dict(usage)
    unknown = sorted(set(weights) - set(GENETIC_CODE))
    if unknown or any(weight < 0 for weight in weights.values()):
        raise ConfigError(f"usage must weigh codons, each at least 0; got {unknown or 'below 0'}")
    sense = {codon: weight for codon, weight in weights.items() if codon not in STOP_CODONS}
    stops = {codon: weights.get(codon, 0.0) for codon in STOP_CODONS}
    if not any(sense.values()):
        raise ConfigError("usage leaves no sense codon")
    if not any(stops.values()):
        stops = dict.fromkeys(STOP_CODONS, 1.0)
    return "ATG" + _draw(rng, sense, num_codons - 2) + _draw(rng, stops, 1)


def mutate(rng: np.random.Generator, sequence: str, rate: float) -> str:
    """Replace bases at random by other bases.

    Args:
        rng: Source of randomness.
        sequence: Bases A, C, G, T.
        rate: Probability that a base is replaced, in [0, 1].

    Returns:
        As many bases.

    Raises:
        ConfigError: If ``rate`` is out of range.
    """
    if not 0 <= rate <= 1:
        raise ConfigError(f"rate must lie in [0, 1], got {rate}")
    codes = encode(sequence)
    hit = rng.random(len(codes)) < rate
    shift = rng.integers(1, 4, size=len(codes), dtype=np.uint8)
    return decode(np.where(hit, (codes + shift) % 4, codes))


def tandem_repeat(
    rng: np.random.Generator, unit: str, copies: int, *, mutation_rate: float = 0.0
) -> str:
    """Write a unit several times in a row, then mutate the whole.

    Args:
        rng: Source of randomness.
        unit: Bases of one copy.
        copies: How many.
        mutation_rate: See :func:`mutate`.

    Returns:
        The repeat.

    Raises:
        ConfigError: If there is nothing to repeat.
    """
    if not unit or copies < 1:
        raise ConfigError(f"a unit and at least 1 copy needed, got {unit!r} and {copies}")
    return mutate(rng, unit * copies, mutation_rate)


def cpg_island(rng: np.random.Generator, length: int) -> str:
    """Draw a CpG island: rich in G and C, with CpG as often as chance has it.

    Args:
        rng: Source of randomness.
        length: Bases.

    Returns:
        The island.
    """
    return decode(_CPG_ISLAND.sample(rng, 1, length)[0])


def _draw(rng: np.random.Generator, weights: Mapping[str, float], n: int) -> str:
    p = np.array(list(weights.values()))
    return "".join(rng.choice(list(weights), size=n, p=p / p.sum()).tolist())
