"""Simulated genomes: genes, repeats and CpG islands in background, with their places known."""

from collections.abc import Mapping

import numpy as np

from hyena_glt.data.simulation.background import MarkovBackground, decode
from hyena_glt.data.simulation.elements import cpg_island, mutate, random_gene, tandem_repeat
from hyena_glt.data.simulation.features import SimulatedSequence, Strand
from hyena_glt.data.simulation.simulator import SequenceSimulator

_GENE_CODONS = (60, 400)
_ISLAND_BASES = (300, 1500)
_UNIT_BASES = (2, 12)
_UNIT_COPIES = (10, 40)
_FAMILY_BASES = 300
_DIVERGENCE = 0.1  # of the copies of a repeat from each other's source, per base


def simulate_genome(
    length: int = 100_000,
    *,
    num_genes: int = 20,
    num_islands: int = 5,
    num_tandem_repeats: int = 5,
    num_dispersed_repeats: int = 10,
    background: MarkovBackground | None = None,
    codon_usage: Mapping[str, float] | None = None,
    seed: int = 0,
    id_: str = "chr1",
) -> SimulatedSequence:
    """Simulate one chromosome.

    Genes have 60 to 400 codons and no introns, CpG islands 300 to 1,500 bases, tandem repeats 10 to
    40 copies of 2 to 12 bases, and the dispersed repeats are copies of one element of 300 bases.
    Repeats carry 10 % substitutions.  Genes and dispersed repeats lie on either strand.

    Args:
        length: Bases.
        num_genes: How many open reading frames, kind ``"CDS"``.
        num_islands: How many CpG islands.
        num_tandem_repeats: How many.
        num_dispersed_repeats: How many.
        background: What lies between; without it independent bases with 41 % GC, as in human.
        codon_usage: See :func:`~hyena_glt.data.simulation.elements.random_gene`.
        seed: The same seed gives the same chromosome.
        id_: Its name.

    Returns:
        The chromosome and its features.

    Raises:
        ConfigError: If not all of it fits.
    """
    rng = np.random.default_rng(seed)
    background = background or MarkovBackground.from_gc(0.41)
    canvas = SequenceSimulator(length, rng, background=background)

    def either_strand() -> Strand:
        return "-" if rng.random() < 0.5 else "+"

    # Large ones first, while there is room.
    for number in range(1, num_islands + 1):
        island = cpg_island(rng, int(rng.integers(*_ISLAND_BASES, endpoint=True)))
        canvas.plant(island, kind="CpG_island", name=f"island_{number}", strand=".")
    for number in range(1, num_genes + 1):
        codons = int(rng.integers(*_GENE_CODONS, endpoint=True))
        gene = random_gene(rng, codons, usage=codon_usage)
        canvas.plant(gene, kind="CDS", name=f"gene_{number}", strand=either_strand())
    element = decode(background.sample(rng, 1, _FAMILY_BASES)[0])
    for number in range(1, num_dispersed_repeats + 1):
        copy = mutate(rng, element, _DIVERGENCE)
        name = f"element_{number}"
        canvas.plant(copy, kind="dispersed_repeat", name=name, strand=either_strand())
    for number in range(1, num_tandem_repeats + 1):
        bases = int(rng.integers(*_UNIT_BASES, endpoint=True))
        unit = decode(rng.integers(4, size=bases, dtype=np.uint8))
        copies = int(rng.integers(*_UNIT_COPIES, endpoint=True))
        repeat = tandem_repeat(rng, unit, copies, mutation_rate=_DIVERGENCE)
        canvas.plant(repeat, kind="tandem_repeat", name=f"{unit}_{number}", strand=".")
    return canvas.finish(id_)
