"""Training, validation and test data that share nothing a model could remember.

Sequences drawn at random leave relatives on both sides: overlapping windows, paralogues, alleles,
the same region on the other strand.  A model that remembers its training data then looks better
than it is.  Whole chromosomes, or whole clusters of sequences that are alike, go to one side here.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.data.sketches import (
    MoleculeName,
    Sketches,
    canonical_sequence,
    check_identity,
    clusters,
    similar_pairs,
    sketch,
)
from hyena_glt.errors import ConfigError, DataError

PARTS = ("train", "validation", "test")

Fractions = tuple[float, float, float]


class Split(NamedTuple):
    """Which sequences go where; every one is in exactly one part.

    Attributes:
        train: Indices of the training data, ascending.
        validation: Indices of the data that decide between models, ascending.
        test: Indices of the data used once, at the end, ascending.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def random_split(
    count: int,
    fractions: Fractions = (0.8, 0.1, 0.1),
    *,
    labels: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Split:
    """Draw sequences at random, each class by its share.

    Nothing keeps relatives together: right for simulated sequences and for sets whose relatives
    were removed before.

    Args:
        count: How many sequences there are.
        fractions: Shares of training, validation and test data; they add up to 1.
        labels: Class of each sequence; None draws from all alike.
        seed: Of the draw.

    Returns:
        The parts; their sizes differ from the shares by less than one sequence.

    Raises:
        ConfigError: If a fraction is out of range.
        DataError: If there are too few sequences.
    """
    _check(fractions, count, labels)
    order = np.random.default_rng(seed).permutation(count)
    if labels is not None:
        # Sorting the shuffled data by class and taking them in turn keeps the shares.
        order = order[np.argsort(_numbered(labels)[order], kind="stable")]
    sizes = _sizes(fractions, count)
    if any(size == 0 and fraction > 0 for size, fraction in zip(sizes, fractions, strict=True)):
        raise DataError(_too_few(count, "sequence", fractions))
    # The parts take turns at the pace of their sizes.
    turns = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes if size])
    part = np.empty(count, dtype=np.int64)
    part[order] = np.repeat(np.arange(3), sizes)[np.argsort(turns, kind="stable")]
    return _as_split(part)


def split_by_contig(
    groups: Sequence[Hashable],
    fractions: Fractions = (0.8, 0.1, 0.1),
    *,
    validation: Sequence[Hashable] = (),
    test: Sequence[Hashable] = (),
    labels: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Split:
    """Keep all that lies on one chromosome, or has one value of any other group, in one part.

    Args:
        groups: Contig, chromosome, patient, species ... of each sequence.
        fractions: Shares to come near to; they add up to 1.  Not used if groups are named.
        validation: Groups for validation, by name.
        test: Groups for the test, by name.  With either, all other groups are training data.
        labels: Class of each sequence, whose shares the parts should keep where groups allow it.
        seed: Decides between equal choices.

    Returns:
        The parts.

    Raises:
        ConfigError: If a fraction is out of range, or a named group is not there or named twice.
        DataError: If there are fewer groups than parts asked for.
    """
    if not validation and not test:
        _check(fractions, len(groups), labels)
        return _whole_groups(_numbered(groups), fractions, labels, seed, "group")
    names = set(groups)
    for name in (*validation, *test):
        if name not in names:
            there = ", ".join(sorted(map(str, names))[:20])
            raise ConfigError(f"there is no group {name!r}; groups of these data: {there}")
    both = set(validation) & set(test)
    if both:
        raise ConfigError(f"{', '.join(map(str, both))}: named for validation and for the test")
    part = [1 if group in set(validation) else 2 if group in set(test) else 0 for group in groups]
    if 0 not in part:
        raise DataError("all groups are held out, none is left for training")
    return _as_split(np.array(part, dtype=np.int64))


def split_by_identity(
    sequences: Sequence[str],
    fractions: Fractions = (0.8, 0.1, 0.1),
    *,
    identity: float = 0.8,
    molecule: MoleculeName = "dna",
    labels: Sequence[Hashable] | None = None,
    kmer_size: int | None = None,
    seed: int = 0,
) -> Split:
    """Keep sequences that are alike in one part.

    No two sequences of different parts have an estimated identity at or above the threshold, and
    none is a copy or (DNA) the reverse complement of one in another part.

    Args:
        sequences: The sequences.
        fractions: Shares to come near to; they add up to 1.  A large cluster may not allow them.
        identity: Sequences at least so much alike go to one part; see
            :func:`~hyena_glt.data.sketches.similar_pairs` for what is measured.
        molecule: ``dna`` (both strands are compared), ``rna`` or ``protein``.
        labels: Class of each sequence, whose shares the parts should keep where clusters allow it.
        kmer_size: Letters per k-mer; None chooses by the lengths.
        seed: Decides between equal choices.

    Returns:
        The parts.

    Raises:
        ConfigError: If an argument is out of range.
        DataError: If there are fewer clusters than parts asked for.
    """
    _check(fractions, len(sequences), labels)
    cluster = identity_clusters(
        sequences, identity=identity, molecule=molecule, kmer_size=kmer_size
    )
    return _whole_groups(cluster, fractions, labels, seed, "cluster")


def identity_clusters(
    sequences: Sequence[str],
    *,
    identity: float = 0.8,
    molecule: MoleculeName = "dna",
    kmer_size: int | None = None,
) -> NDArray[np.int64]:
    """Number the clusters of sequences that are alike.

    Args:
        sequences: N sequences.
        identity: Threshold; see :func:`split_by_identity`.
        molecule: ``dna``, ``rna`` or ``protein``.
        kmer_size: Letters per k-mer; None chooses by the lengths.

    Returns:
        (N,) number of the cluster of each sequence, 0 for that of the first one.

    Raises:
        ConfigError: If an argument is out of range.
    """
    check_identity(identity)
    distinct, copies = _distinct(sequences, molecule)
    cluster = clusters(sketch(distinct, molecule, kmer_size=kmer_size), identity)
    return cluster[copies]


class Leakage(NamedTuple):
    """What of the test data a model may have seen in training.

    Attributes:
        exact: Test sequences that are training sequences, or (DNA) their reverse complements.
        near: Further test sequences that are like a training sequence.
        nearest: (number of the test sequence, number of the training sequence most like it,
            estimated identity) of all of both kinds, in the order of the test sequences.
    """

    exact: int
    near: int
    nearest: tuple[tuple[int, int, float], ...]


def find_leakage(
    train: Sequence[str],
    test: Sequence[str],
    *,
    identity: float = 0.8,
    molecule: MoleculeName = "dna",
    kmer_size: int | None = None,
) -> Leakage:
    """Look for test sequences that are in the training data, or nearly so.

    Args:
        train: Training sequences.
        test: Test sequences.
        identity: What counts as nearly; see :func:`split_by_identity`.
        molecule: ``dna``, ``rna`` or ``protein``.
        kmer_size: Letters per k-mer; None chooses by the lengths.

    Returns:
        Counts, and the nearest training sequence of each leaked test sequence.

    Raises:
        ConfigError: If an argument is out of range.
    """
    check_identity(identity)
    known: dict[str, int] = {}
    for number, sequence in enumerate(train):
        known.setdefault(canonical_sequence(sequence, molecule), number)
    nearest: dict[int, tuple[int, float]] = {}
    others: list[int] = []
    for number, sequence in enumerate(test):
        at = known.get(canonical_sequence(sequence, molecule))
        if at is None:
            others.append(number)
        else:
            nearest[number] = (at, 1.0)
    exact = len(nearest)
    kept = list(known.values())
    sets: Sketches = sketch(
        [*(train[at] for at in kept), *(test[number] for number in others)],
        molecule,
        kmer_size=kmer_size,
    )
    if kept and others:
        for i, partners, identities in similar_pairs(sets, identity, behind=len(kept)):
            for j, alike in zip(partners.tolist(), identities.tolist(), strict=True):
                number = others[j - len(kept)]
                if alike > nearest.get(number, (0, 0.0))[1]:
                    nearest[number] = (kept[i], alike)
    rows = tuple((number, *nearest[number]) for number in sorted(nearest))
    return Leakage(exact, len(nearest) - exact, rows)


def _distinct(
    sequences: Sequence[str], molecule: MoleculeName
) -> tuple[list[str], NDArray[np.int64]]:
    """Drop copies; the sequences that remain, and which of them each sequence is a copy of."""
    numbers: dict[str, int] = {}
    distinct: list[str] = []
    copies = np.empty(len(sequences), dtype=np.int64)
    for at, sequence in enumerate(sequences):
        key = canonical_sequence(sequence, molecule)
        if key not in numbers:
            numbers[key] = len(distinct)
            distinct.append(sequence)
        copies[at] = numbers[key]
    return distinct, copies


def _whole_groups(
    groups: NDArray[np.int64],
    fractions: Fractions,
    labels: Sequence[Hashable] | None,
    seed: int,
    noun: str,
) -> Split:
    """Deal out whole groups, the largest first, each to where most is missing of what it holds."""
    classes = np.zeros(len(groups), dtype=np.int64) if labels is None else _numbered(labels)
    count, width = int(groups.max()) + 1, int(classes.max()) + 1
    held = np.zeros((count, width + 1))  # the last column: of any class
    np.add.at(held, (groups, classes), 1)
    held[:, -1] = held.sum(axis=1)
    totals = held.sum(axis=0)
    missing = np.outer(fractions, totals)
    wanted = [part for part in range(3) if fractions[part] > 0]
    if count < len(wanted):
        raise DataError(_too_few(count, noun, fractions))
    order = np.random.default_rng(seed).permutation(count)
    order = order[np.argsort(-held[order, -1], kind="stable")]
    part_of = np.empty(count, dtype=np.int64)
    empty = set(wanted)
    for rank, group in enumerate(order):
        # As few groups left as parts are empty: each of these gets one of the small last ones.
        choice = sorted(empty) if count - rank <= len(empty) else wanted
        need = (missing[choice] * held[group] / totals).sum(axis=1)
        part = choice[int(need.argmax())]
        part_of[group] = part
        missing[part] -= held[group]
        empty.discard(part)
    return _as_split(part_of[groups])


def _check(fractions: Fractions, count: int, labels: Sequence[Hashable] | None) -> None:
    if len(fractions) != 3 or not all(0 <= fraction <= 1 for fraction in fractions):
        raise ConfigError(
            f"the fractions are three numbers in [0, 1], for training, validation and test data; "
            f"got {', '.join(map(str, fractions))}"
        )
    if abs(sum(fractions) - 1) > 1e-6:
        raise ConfigError(
            f"the fractions must add up to 1, got {' + '.join(map(str, fractions))} = "
            f"{sum(fractions):g}"
        )
    if count == 0:
        raise DataError("there is no sequence to split")
    if labels is not None and len(labels) != count:
        raise ConfigError(f"there must be one label for each of {count} sequences: {len(labels)}")


def _sizes(fractions: Fractions, count: int) -> NDArray[np.int64]:
    """Whole numbers that add up to the count, the largest remainders rounded up."""
    exact = np.array(fractions) * count
    sizes = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(sizes - exact, kind="stable")
    sizes[order[: count - int(sizes.sum())]] += 1
    for part in np.flatnonzero((sizes == 0) & (exact > 0)):
        if sizes.max() > 1:  # no part that was asked for is empty
            sizes[sizes.argmax()] -= 1
            sizes[part] = 1
    return sizes


def _numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def _as_split(part: NDArray[np.int64]) -> Split:
    return Split(*(np.flatnonzero(part == number) for number in range(3)))


def _too_few(count: int, noun: str, fractions: Fractions) -> str:
    parts = sum(fraction > 0 for fraction in fractions)
    there = f"only {count} {noun}" + ("" if count == 1 else "s")
    hint = "; raise the identity, or split at random" if noun == "cluster" else ""
    return f"{there}, and {parts} parts are asked for: each needs at least one{hint}"
