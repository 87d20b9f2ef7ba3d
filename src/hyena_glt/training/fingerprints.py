"""What tells the data of a training from other data, in a few words."""

import hashlib
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np

from hyena_glt.data.curriculum import CroppedSequences
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.genome import Genome
from hyena_glt.data.labelled_genome import LabelledTiles, LabelledWindows


def fingerprint(dataset: Any) -> str:
    """Number of sequences, and a checksum of them, their names and their labels.

    Args:
        dataset: Of a loader.

    Example:
        >>> from hyena_glt.tokenizers import DNATokenizer
        >>> data = [{"sequence": "ACGT", "labels": "yes"}, {"sequence": "TTT", "labels": "no"}]
        >>> fingerprint(GenomicDataset(data, DNATokenizer(kmer_size=1)))
        '2 sequences (253d38ff)'
    """
    if isinstance(dataset, CroppedSequences):
        dataset = dataset.dataset
    if isinstance(dataset, LabelledWindows | LabelledTiles):
        labelled = dataset.genome
        counts = labelled.counts(labelled.genome.contigs())
        classes = _checksum([repr((labelled.names, counts.tolist())).encode()])
        return f"{len(dataset):,} windows ({classes}) of {genome_fingerprint(labelled.genome)}"
    if not isinstance(dataset, GenomicDataset):
        return f"{len(dataset):,} items"
    labels = [] if dataset.labels is None else dataset.labels
    named = zip(dataset.ids, dataset.sequences, strict=True)
    # One after the other: they may be on disk, and more than memory holds.
    parts = chain(
        (f"{name}\t{letters}\n".encode() for name, letters in named),
        (np.asarray(label).tobytes() for label in labels),
    )
    return f"{len(dataset):,} sequences ({_checksum(parts)})"


def genome_fingerprint(genome: Genome) -> str:
    """Number of bases and contigs, and a checksum of them and their names.

    Args:
        genome: Bases in memory.
    """
    contigs = genome.contigs()
    parts = (part for contig in contigs for part in (str(contig).encode(), genome.codes(contig)))
    return f"{genome.bases:,} bases in {len(contigs):,} contigs ({_checksum(parts)})"


def _checksum(parts: Iterable[Any]) -> str:
    checksum = hashlib.sha256()
    for part in parts:
        checksum.update(part)
    return checksum.hexdigest()[:8]
