"""What was put into a simulated sequence, and where: the truth beside the letters."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from hyena_glt.io.atomic import atomic_write

Strand = Literal["+", "-", "."]


@dataclass(frozen=True, slots=True)
class Feature:
    """A stretch of a sequence that means something.

    Attributes:
        kind: What it is, a term of the Sequence Ontology: ``"TF_binding_site"``, ``"CDS"``,
            ``"tandem_repeat"``, ``"dispersed_repeat"``, ``"CpG_island"``.
        name: Which one it is.
        start: First base, 0-based, counted on the + strand whatever the strand of the feature.
        stop: One past the last base.
        strand: ``"-"`` if it reads on the reverse complement, ``"."`` if it has no direction.
    """

    kind: str
    name: str
    start: int
    stop: int
    strand: Strand = "."


@dataclass(frozen=True, slots=True)
class SimulatedSequence:
    """A sequence beside its truth.

    Attributes:
        id: Name of the sequence.
        sequence: Bases A, C, G, T, + strand.
        features: What was planted, by position.
        label: Class of the sequence, if it is part of a classification task.
    """

    id: str
    sequence: str
    features: tuple[Feature, ...]
    label: str | None = None


def write_bed(path: str | Path, sequences: Iterable[SimulatedSequence]) -> None:
    """Write the features as BED with six columns (0-based, half-open).

    Args:
        path: Where to.
        sequences: The sequences that hold the features.

    Raises:
        OutputError: If the file cannot be written there.
    """
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8") as handle:
        for sequence in sequences:
            for feature in sequence.features:
                columns = (
                    sequence.id,
                    feature.start,
                    feature.stop,
                    quote(f"{feature.kind}:{feature.name}", safe=":-+()| ").replace(" ", "_"),
                    0,
                    feature.strand,
                )
                handle.write("\t".join(map(str, columns)) + "\n")


def write_gff3(path: str | Path, sequences: Iterable[SimulatedSequence]) -> None:
    """Write the features as GFF3 (1-based, last base included).

    Args:
        path: Where to.
        sequences: The sequences that hold the features.

    Raises:
        OutputError: If the file cannot be written there.
    """
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8") as handle:
        handle.write("##gff-version 3\n")
        for sequence in sequences:
            handle.write(f"##sequence-region {sequence.id} 1 {len(sequence.sequence)}\n")
            for number, feature in enumerate(sequence.features, start=1):
                columns = (
                    sequence.id,
                    "hyena_glt",
                    feature.kind,
                    feature.start + 1,
                    feature.stop,
                    ".",
                    feature.strand,
                    0 if feature.kind == "CDS" else ".",
                    f"ID={sequence.id}.{number};Name={quote(feature.name, safe=' -+()|:')}",
                )
                handle.write("\t".join(map(str, columns)) + "\n")
