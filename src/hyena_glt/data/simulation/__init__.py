"""Simulated sequence whose truth is known: motifs, genes, repeats and CpG islands in background.

``background`` draws the bases between, ``elements`` the building blocks, ``simulator`` puts them
into one sequence, ``genome`` makes a whole chromosome, ``classification`` makes data sets with
labels, and ``features`` writes the truth to BED and GFF3.
"""

from hyena_glt.data.simulation.background import MarkovBackground
from hyena_glt.data.simulation.classification import (
    DemoDataset,
    SimulatedDataset,
    demo_dataset,
    oracle_accuracy,
    oracle_labels,
    simulate_classification,
)
from hyena_glt.data.simulation.features import Feature, SimulatedSequence, write_bed, write_gff3
from hyena_glt.data.simulation.genome import simulate_genome
from hyena_glt.data.simulation.simulator import SequenceSimulator

__all__ = [
    "DemoDataset",
    "Feature",
    "MarkovBackground",
    "SequenceSimulator",
    "SimulatedDataset",
    "SimulatedSequence",
    "demo_dataset",
    "oracle_accuracy",
    "oracle_labels",
    "simulate_classification",
    "simulate_genome",
    "write_bed",
    "write_gff3",
]
