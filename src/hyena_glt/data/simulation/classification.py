"""Classification tasks with planted motifs, and the answer an oracle gives that knows them.

A sequence carries an arrangement: motif numbers from 5' to 3', ``(0, 1)`` for motif 0 upstream of
motif 1.  Nothing else on the strands that count looks like one of the motifs, by accident or
otherwise, so that the label follows from the letters alone and the oracle is right every time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from hyena_glt.biology.motifs import Motif
from hyena_glt.data.simulation.background import MarkovBackground, decode, encode
from hyena_glt.data.simulation.features import SimulatedSequence
from hyena_glt.data.simulation.planting import (
    Hit,
    Strands,
    features_of,
    find_hits,
    is_palindrome,
    plant,
)
from hyena_glt.errors import ConfigError
from hyena_glt.io.records import LabelledRecord

Rule = Literal["presence", "order", "spacing"]

POSITIVE, NEGATIVE = "positive", "negative"

TATA_BOX = Motif.from_consensus("TATA-box", "TATAAA")
GATA_SITE = Motif.from_consensus("GATA", "AGATAAG")
GC_BOX = Motif.from_consensus("GC-box", "GGGCGGG")

_MOST_ROUNDS = 200
_ANY_GAP = (5, 60)
_NEAR_GAP = (8, 12)
_FAR_GAP = (25, 60)


class _Design(NamedTuple):
    """What a sequence of a class may carry, and how often that is the choice.

    Attributes:
        arrangement: Motif numbers, 5' to 3'.
        gap: Fewest and most bases between two motifs.
        weight: Share within its class.
    """

    arrangement: tuple[int, ...]
    gap: tuple[int, int]
    weight: float


_DESIGNS: dict[str, dict[str, tuple[_Design, ...]]] = {
    "presence": {
        POSITIVE: (_Design((0,), _ANY_GAP, 1.0),),
        NEGATIVE: (_Design((), _ANY_GAP, 1.0),),
    },
    "order": {
        POSITIVE: (_Design((0, 1), _ANY_GAP, 1.0),),
        NEGATIVE: (_Design((1, 0), _ANY_GAP, 1.0),),
    },
    "spacing": {
        POSITIVE: (_Design((0, 1), _NEAR_GAP, 1.0),),
        NEGATIVE: (_Design((0, 1), _FAR_GAP, 1.0),),
    },
    "presence and order": {
        POSITIVE: (_Design((0, 1), _ANY_GAP, 1.0),),
        NEGATIVE: (
            _Design((1, 0), _ANY_GAP, 0.6),
            _Design((0,), _ANY_GAP, 0.2),
            _Design((1,), _ANY_GAP, 0.2),
        ),
    },
}


@dataclass(frozen=True, slots=True)
class SimulatedDataset:
    """Labelled sequences with all that is known about them.

    Attributes:
        sequences: The sequences; features of kind ``"TF_binding_site"`` mark the motifs.
        motifs: The motifs that were planted.
        rule: What makes a sequence positive.
        strands: ``"both"`` if an arrangement may lie on either strand.
    """

    sequences: tuple[SimulatedSequence, ...]
    motifs: tuple[Motif, ...]
    rule: str
    strands: Strands

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.sequences)

    def __iter__(self) -> Iterator[SimulatedSequence]:
        """Yield the sequences."""
        return iter(self.sequences)

    def records(self) -> list[LabelledRecord]:
        """Give what a model may see: names, letters and labels.

        Returns:
            One record per sequence, label ``"positive"`` or ``"negative"``.
        """
        return [LabelledRecord(one.id, one.sequence, one.label or "") for one in self.sequences]


def simulate_classification(
    n: int,
    *,
    length: int = 200,
    rule: Rule = "presence",
    motifs: Sequence[Motif] | None = None,
    strands: Strands = "forward",
    background: MarkovBackground | None = None,
    seed: int = 0,
) -> SimulatedDataset:
    """Simulate a task with two classes of equal size.

    Args:
        n: Number of sequences.
        length: Bases of each.
        rule: What makes a sequence positive.

            * ``"presence"``: it has the motif; negatives do not.
            * ``"order"``: the first motif lies upstream of the second, 5 to 60 bases between them;
              in negatives it is the other way round.
            * ``"spacing"``: 8 to 12 bases lie between the two; in negatives 25 to 60.

            With the last two both classes hold the same motifs, so that counting k-mers tells
            nothing.
        motifs: One motif for presence, two for the others.  Without it TATAAA, or a GATA site and
            a GC box.
        strands: ``"both"`` puts each arrangement as a whole on a strand at random.
        background: What lies between; without it all bases are equally likely.
        seed: The same seed gives the same sequences.

    Returns:
        The sequences, in random order.

    Raises:
        ConfigError: If an argument is out of range, the motifs do not fit into ``length``, or they
            are so common that hardly any sequence is free of them.
    """
    chosen = tuple(motifs or ((TATA_BOX,) if rule == "presence" else (GATA_SITE, GC_BOX)))
    if rule not in ("presence", "order", "spacing"):
        raise ConfigError(f"rule must be 'presence', 'order' or 'spacing', got {rule!r}")
    if len(chosen) != (1 if rule == "presence" else 2):
        wanted = "1 motif" if rule == "presence" else "2 motifs"
        raise ConfigError(f"rule {rule!r} needs {wanted}, got {len(chosen)}")
    return _simulate(n, length, rule, chosen, strands, background, seed)


class DemoDataset(NamedTuple):
    """The data of the demonstration."""

    train: SimulatedDataset
    validation: SimulatedDataset
    test: SimulatedDataset


def demo_dataset(seed: int = 0, n: int = 6000) -> DemoDataset:
    """Simulate the data of the demonstration: 200 bases, a GATA site and a GC box.

    A sequence is positive if the GATA site lies upstream of the GC box.  Of the negatives three
    fifths have both in the other order, the rest one of the two alone: counting k-mers helps with
    the latter only.  All lies on the given strand.

    Args:
        seed: The same seed gives the same sequences.
        n: Sequences in all; a tenth each is for validation and test.

    Returns:
        Three sets without a common sequence.

    Raises:
        ConfigError: If ``n`` is below 20.
    """
    if n < 20:
        raise ConfigError(f"n must be at least 20 sequences, got {n}")
    held_out = n // 10
    sizes = (n - 2 * held_out, held_out, held_out)
    seeds = np.random.SeedSequence(seed).generate_state(3).tolist()
    rule, motifs = "presence and order", (GATA_SITE, GC_BOX)
    return DemoDataset(
        *(
            _simulate(size, 200, rule, motifs, "forward", None, part_seed, prefix=prefix)
            for size, part_seed, prefix in zip(sizes, seeds, ("train", "val", "test"), strict=True)
        )
    )


def oracle_labels(dataset: SimulatedDataset) -> list[str]:
    """Label sequences by scanning them with the true motifs and applying the true rule.

    Only the letters are read, neither the labels nor the planted features.

    Args:
        dataset: The sequences, and the motifs and the rule they were made with.

    Returns:
        A label for each sequence.
    """
    codes = np.stack([encode(one.sequence) for one in dataset.sequences])
    hits = find_hits(codes, dataset.motifs, dataset.strands)
    positive = _DESIGNS[dataset.rule][POSITIVE]
    labels = []
    for row in hits:
        fits = any(
            tuple(hit.motif for hit in row) == design.arrangement
            and all(
                design.gap[0] <= after.start - before.stop <= design.gap[1]
                for before, after in pairwise(row)
            )
            for design in positive
        )
        labels.append(POSITIVE if fits else NEGATIVE)
    return labels


def oracle_accuracy(dataset: SimulatedDataset) -> float:
    """Say how often the oracle is right: the best that any model can do.

    Args:
        dataset: See :func:`oracle_labels`.

    Returns:
        Share of the sequences whose label the oracle gives.
    """
    found = oracle_labels(dataset)
    right = [label == one.label for label, one in zip(found, dataset.sequences, strict=True)]
    return sum(right) / len(right)


def _simulate(
    n: int,
    length: int,
    rule: str,
    motifs: tuple[Motif, ...],
    strands: Strands,
    background: MarkovBackground | None,
    seed: int,
    *,
    prefix: str = "seq",
) -> SimulatedDataset:
    _check(n, length, rule, motifs, strands)
    rng = np.random.default_rng(seed)
    background = background or MarkovBackground.from_gc()
    labels = rng.permutation([POSITIVE] * (n // 2) + [NEGATIVE] * (n - n // 2)).tolist()
    designs = [_choose_design(_DESIGNS[rule][label], rng) for label in labels]
    codes = np.empty((n, length), dtype=np.uint8)
    planted: list[tuple[Hit, ...]] = [()] * n
    pending = np.arange(n)
    for _ in range(_MOST_ROUNDS):
        codes[pending] = background.sample(rng, len(pending), length)
        for design in dict.fromkeys(designs[row] for row in pending):
            rows = np.array([row for row in pending if designs[row] is design])
            written = plant(codes, rows, design.arrangement, design.gap, motifs, strands, rng)
            for row, hits in zip(rows, written, strict=True):
                planted[row] = hits
        found = find_hits(codes[pending], motifs, strands)
        pending = pending[[hits != planted[row] for row, hits in zip(pending, found, strict=True)]]
        if not pending.size:
            break
    else:
        names = ", ".join(motif.name for motif in motifs)
        raise ConfigError(
            f"hardly any {length} random bases are free of {names}: choose longer or clearer "
            "motifs, or shorter sequences"
        )
    sequences = tuple(
        SimulatedSequence(
            f"{prefix}_{row + 1}",
            decode(codes[row]),
            features_of(planted[row], motifs, length),
            label,
        )
        for row, label in enumerate(labels)
    )
    return SimulatedDataset(sequences, motifs, rule, strands)


def _check(n: int, length: int, rule: str, motifs: tuple[Motif, ...], strands: str) -> None:
    if n < 2:
        raise ConfigError(f"n must be at least 2 sequences, one of each class, got {n}")
    if strands not in ("forward", "both"):
        raise ConfigError(f"strands must be 'forward' or 'both', got {strands!r}")
    for designs in _DESIGNS[rule].values():
        for design in designs:
            widths = sum(len(motifs[number]) for number in design.arrangement)
            needed = widths + design.gap[1] * (len(design.arrangement) - 1)
            if needed > length:
                raise ConfigError(
                    f"length must be at least {needed} bases for these motifs and rule {rule!r}, "
                    f"got {length}"
                )
    if strands == "both" and rule != "presence":
        for motif in motifs:
            if is_palindrome(motif):
                raise ConfigError(
                    f"motif {motif.name!r} equals its reverse complement: on both strands rule "
                    f"{rule!r} has no direction to go by"
                )


def _choose_design(designs: Sequence[_Design], rng: np.random.Generator) -> _Design:
    return designs[int(rng.choice(len(designs), p=[design.weight for design in designs]))]
