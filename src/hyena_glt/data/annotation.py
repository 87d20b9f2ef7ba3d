"""Labels of every base from annotated features: coding, exon, gene, or none of them.

features (GFF3, GTF, GenBank) -> kinds by priority -> one class per base

One class per base needs rules for overlaps:

- A kind that is named earlier wins over a later one: with ``("CDS", "exon", "gene")`` an exon's
  bases are ``exon`` where it is not translated, and introns are what remains of ``gene``.
- Class 0, ``other``, is what no feature of these kinds covers.
- With ``scheme="bio"`` each class is split in two.  ``B-`` stands on the first base of every
  unbroken stretch of a class, so that no ``I-`` follows another class; ``I-`` stands on the others.
  Features of one class that touch or overlap are stretches of their own, and where they overlap the
  border is where the right-hand one starts (positions of the reference strand).

Positions are 0-based and half-open, in bases.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.intervals import Feature
from hyena_glt.data.regions import place_of
from hyena_glt.errors import ConfigError, DataError

Scheme = Literal["plain", "bio"]
Strand = Literal["both", "+", "-", "separate"]

OTHER = "other"
"""Name of class 0."""


def base_labels(
    features: Iterable[Feature],
    contig: str,
    length: int,
    kinds: Sequence[str],
    *,
    scheme: Scheme = "plain",
    strand: Strand = "both",
) -> tuple[NDArray[np.int64], list[str]]:
    """Label every base of a contig, on the strand of the reference.

    Args:
        features: The annotation; features of other contigs and of other kinds are left aside.
        contig: Name of the contig.
        length: Its bases.
        kinds: Kinds of features that become classes, the most important first.
        scheme: ``plain``, one class per kind; ``bio``, two: see the head of this module.
        strand: ``both``, features of either strand alike; ``+`` or ``-``, only those of that
            strand and those without a strand; ``separate``, classes ``CDS+``, ``CDS-``, ``exon+``,
            ... where ``+`` wins over ``-``.

    Returns:
        (length,) numbers of classes, and the names of the classes.

    Raises:
        ConfigError: If an option is unknown, or kinds are missing or named twice.
        DataError: If a feature reaches beyond the contig (unless the annotation says
            ``Is_circular=true`` of the contig: then it goes on at base 0), or has no strand where
            strands are separate.

    Example:
        >>> genes = [Feature("chr", 2, 8, "gene", "+"), Feature("chr", 4, 6, "CDS", "+")]
        >>> labels, names = base_labels(genes, "chr", 10, ("CDS", "gene"))
        >>> labels.tolist(), names
        ([0, 0, 2, 2, 1, 1, 2, 2, 0, 0], ['other', 'CDS', 'gene'])
        >>> labels, names = base_labels(genes, "chr", 10, ("CDS", "gene"), scheme="bio")
        >>> [names[number] for number in labels[2:8]]
        ['B-gene', 'I-gene', 'B-CDS', 'I-CDS', 'B-gene', 'I-gene']
    """
    painter = LabelPainter(features, {contig: length}, kinds, scheme, strand)
    return painter.labels(contig, 0, length), painter.names


def reverse_labels(labels: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
    """Turn labels of the bases of one strand into those of the other, read 5′ to 3′.

    The order is reversed, classes ``+`` and ``-`` change places, and each ``B-`` moves to the
    other end of its stretch.  Doing so twice gives the labels back.

    Args:
        labels: (l,) as :func:`base_labels` gives them.
        names: Names of the classes.

    Returns:
        (l,) labels; the one at i is that of base l - 1 - i.

    Example:
        >>> names = ["other", "B-gene", "I-gene"]
        >>> reverse_labels(np.array([0, 1, 2, 2, 1, 2, 0]), names).tolist()
        [0, 1, 2, 1, 2, 2, 0]
    """
    bio = len(names) > 1 and names[1].startswith("B-")
    kinds = [OTHER, *names[1 :: 2 if bio else 1]]
    swapped = [_swap(name) for name in kinds]
    swap = np.array([kinds.index(name) if name in kinds else i for i, name in enumerate(swapped)])
    if not bio:
        return np.ascontiguousarray(swap[labels][::-1])
    classes = (labels + 1) // 2
    ends = np.ones(len(labels), dtype=np.bool_)
    ends[:-1] = (labels[1:] % 2 == 1) | (classes[1:] != classes[:-1])
    return np.ascontiguousarray(np.where(classes > 0, 2 * swap[classes] - ends, 0)[::-1])


class _Stretches(NamedTuple):
    """The features of one class on one contig, by start."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    reach: NDArray[np.int64]  # largest end so far

    def within(self, start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Starts and ends of those that overlap a window."""
        first = int(np.searchsorted(self.reach, start, side="right"))
        last = int(np.searchsorted(self.starts, end, side="left"))
        overlap = (self.ends[first:last] > start) & (start < end)
        return self.starts[first:last][overlap], self.ends[first:last][overlap]


class LabelPainter:
    """The features that become labels, ready to label any window.

    A window costs the time of the features in it, whatever the size of the annotation.

    Args:
        features: The annotation; features of other contigs are left aside.
        lengths: Bases of each contig.
        kinds: As in :func:`base_labels`.
        scheme: As in :func:`base_labels`.
        strand: As in :func:`base_labels`.
        path: File of the annotation, for messages.

    Raises:
        ConfigError: As :func:`base_labels` does.
        DataError: As :func:`base_labels` does.

    Attributes:
        names: Names of the classes, in the order of their numbers.
    """

    def __init__(
        self,
        features: Iterable[Feature],
        lengths: Mapping[str, int],
        kinds: Sequence[str],
        scheme: Scheme = "plain",
        strand: Strand = "both",
        *,
        path: str | Path | None = None,
    ) -> None:
        if scheme not in get_args(Scheme):
            raise ConfigError(f"scheme must be plain or bio, got {scheme!r}")
        if strand not in get_args(Strand):
            raise ConfigError(f"strand must be both, +, - or separate, got {strand!r}")
        if isinstance(kinds, str) or not all(kinds) or not 0 < len(set(kinds)) == len(kinds):
            raise ConfigError(f"kinds must be a list of different kinds of features, got {kinds!r}")
        self._kinds, self._scheme, self._strand = list(kinds), scheme, strand
        self._path = path
        classes = self._kinds
        if strand == "separate":
            classes = [kind + sign for kind in kinds for sign in "+-"]
        self.names = [OTHER, *classes]
        if scheme == "bio":
            self.names = [OTHER, *(letter + name for name in classes for letter in ("B-", "I-"))]
        self._other_kinds: set[str] = set()
        self._other_contigs: set[str] = set()
        self._by_contig = self._collect(features, lengths)

    def labels(
        self, contig: str, start: int, end: int, *, reverse: bool = False
    ) -> NDArray[np.int64]:
        """Label a window.

        Args:
            contig: Name of the contig.
            start: First base, 0-based.
            end: Behind the last base.
            reverse: As it is read from the other strand, 5′ to 3′; ``strand`` is then meant from
                that strand.

        Returns:
            (end - start,) numbers of classes.
        """
        classes = np.zeros(end - start, dtype=np.int64)
        starting = np.zeros(end - start, dtype=np.int64)  # class of a feature that starts there
        for number, layer in self._layers(contig, other=reverse):
            for stretches in layer:
                starts, ends = stretches.within(start, end)
                lefts = (starts - start).clip(0)
                for left, right in zip(lefts.tolist(), (ends - start).tolist(), strict=True):
                    classes[left:right] = number
                starting[lefts] = number
        labels = classes
        if self._scheme == "bio":
            begins = starting == classes
            begins[1:] |= classes[1:] != classes[:-1]
            labels = np.where(classes > 0, 2 * classes - begins, 0)
        return reverse_labels(labels, self.names) if reverse else labels

    def check_all_kinds_occur(self) -> None:
        """Refuse kinds that are misspelt and annotations of another genome.

        Raises:
            DataError: If no feature of one of the kinds lies on the contigs.
        """
        found = {key[0] for contig in self._by_contig.values() for key in contig}
        missing = [kind for kind in self._kinds if kind not in found]
        if not missing:
            return
        if not self._by_contig and self._other_contigs:
            raise DataError(
                f"the annotation speaks of {_some(self._other_contigs)}, and none of these contigs "
                "is in the genome",
                path=self._path,
            )
        raise DataError(
            f"the annotation holds no {missing[0]!r} on the contigs of the genome; it holds "
            f"{_some(found | self._other_kinds)}",
            path=self._path,
        )

    def _layers(self, contig: str, *, other: bool) -> Iterator[tuple[int, list[_Stretches]]]:
        """Classes of a contig and their features, the most important last."""
        there = self._by_contig.get(contig, {})
        same, opposite = ("-", "+") if other else ("+", "-")
        shown = {"both": "+-.", "+": same + ".", "-": opposite + "."}
        for number, kind in reversed(list(enumerate(self._kinds))):
            if self._strand == "separate":
                layers = [(2 * number + 2, "-"), (2 * number + 1, "+")]
            else:
                layers = [(number + 1, shown[self._strand])]
            for class_, signs in layers:
                found = [there[kind, sign] for sign in signs if (kind, sign) in there]
                if found:
                    yield class_, found

    def _collect(
        self, features: Iterable[Feature], lengths: Mapping[str, int]
    ) -> dict[str, dict[tuple[str, str], _Stretches]]:
        found: dict[str, dict[tuple[str, str], list[tuple[int, int]]]] = {}
        beyond: list[Feature] = []
        circular: set[str] = set()
        for feature in features:
            if feature.contig not in lengths:
                self._other_contigs.add(feature.contig)
                continue
            if feature.attributes.get("Is_circular") == "true":
                circular.add(feature.contig)
            if feature.kind not in self._kinds:
                self._other_kinds.add(feature.kind)
                continue
            if feature.strand == "." and self._strand == "separate":
                raise DataError(
                    f"{_described(feature)} has no strand, and the strands are to be separate",
                    path=self._path,
                )
            contig = found.setdefault(feature.contig, {})
            stretches = contig.setdefault((feature.kind, feature.strand), [])
            length = lengths[feature.contig]
            if feature.end > length:
                beyond.append(feature)
                stretches.append((0, min(feature.end - length, feature.start)))
            stretches.append((feature.start, min(feature.end, length)))
        for feature in beyond:
            length = lengths[feature.contig]
            if feature.contig not in circular or feature.start >= length:
                raise DataError(
                    f"{_described(feature)} reaches beyond the end of {feature.contig}, which has "
                    f"{length:,} bases and is not marked Is_circular=true",
                    path=self._path,
                )
        return {
            contig: {key: _sorted(stretches) for key, stretches in kinds.items()}
            for contig, kinds in found.items()
        }


def _sorted(stretches: list[tuple[int, int]]) -> _Stretches:
    starts, ends = np.array(sorted(stretches), dtype=np.int64).T
    return _Stretches(starts.copy(), ends.copy(), np.maximum.accumulate(ends))


def _swap(name: str) -> str:
    return name[:-1] + {"+": "-", "-": "+"}.get(name[-1], name[-1])


def _described(feature: Feature) -> str:
    name = feature.attributes.get("ID", "")
    place = place_of(feature.contig, feature.start, feature.end, feature.strand)
    return f"the {feature.kind} {name}{' at ' if name else ''}{place}"


def _some(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "")
