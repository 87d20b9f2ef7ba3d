"""What a set of sequences is like: lengths, composition, classes, copies, and what leaks.

Numbers that decide how to train (lengths, classes) and whether a test can be believed (copies,
contradicting labels, test sequences that are in the training data).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.alphabet import letter_bytes
from hyena_glt.data.sketches import MoleculeName, canonical_sequence
from hyena_glt.data.splits import Leakage, find_leakage
from hyena_glt.errors import DataError, OutputError
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.records import Label, LabelledRecord, SequenceRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

_MOST_CLASSES = 30  # rows of a table and bars of a plot; beyond it the rarest are summed up
_COLOURS = ("#3b6ea5", "#c8792b", "#4f9a5b", "#8a5aa8")


class Quantiles(NamedTuple):
    """Where a measure lies.

    Attributes:
        minimum: Least.
        lower: A quarter of the sequences lie at or below.
        median: Half of them.
        upper: Three quarters of them.
        maximum: Most.
    """

    minimum: float
    lower: float
    median: float
    upper: float
    maximum: float


@dataclass(frozen=True)
class SequenceStatistics:
    """One set of sequences in numbers.

    Attributes:
        count: Sequences.
        letters: Letters of all sequences together.
        length: Quantiles of the lengths, in letters.
        n50: Half of all letters are in sequences at least that long.
        gc: G and C over A, C, G, T and U of all sequences; None for protein.
        gc_quantiles: The same of each sequence; None for protein.
        unknown: Share of letters that are N (protein: X).
        composition: How often each letter occurs, upper case.
        classes: Sequences of each class, the most frequent first.  With several labels per
            sequence, those that have each label; empty without labels or for values.
        values: Quantiles of the labels where they are values; None for classes.
        copies: Sequences that repeat an earlier one, in either case of letters.
        reverse_copies: Sequences (DNA) whose reverse complement is an earlier one.
        conflicts: Sequences whose copies bear another label.
        lengths: Length of each sequence, for plots.
        gc_fractions: GC of each sequence that has any, for plots; empty for protein.
    """

    count: int
    letters: int
    length: Quantiles
    n50: int
    gc: float | None
    gc_quantiles: Quantiles | None
    unknown: float
    composition: dict[str, int]
    classes: dict[str, int]
    values: Quantiles | None
    copies: int
    reverse_copies: int
    conflicts: int
    lengths: NDArray[np.int64] = field(repr=False)
    gc_fractions: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class DataStatistics:
    """One or more sets of sequences in numbers, and what they share.

    Attributes:
        molecule: ``dna``, ``rna`` or ``protein``.
        parts: The numbers of each set, by its name.
        identity: What counted as alike in the search for leaks.
        leakage: What of the second set of a pair is in the first, by both names.
        examples: For each such pair up to ten (test id, training id, identity).
    """

    molecule: MoleculeName
    parts: dict[str, SequenceStatistics]
    identity: float
    leakage: dict[tuple[str, str], Leakage]
    examples: dict[tuple[str, str], list[tuple[str, str, float]]]

    def as_dict(self) -> dict[str, Any]:
        """Give all numbers as JSON can hold them.

        Returns:
            Nested dictionaries, without the values for plots.
        """
        parts = {}
        for name, part in self.parts.items():
            fields = asdict(part)
            del fields["lengths"], fields["gc_fractions"]
            for key in ("length", "gc_quantiles", "values"):
                quantiles = getattr(part, key)
                fields[key] = None if quantiles is None else quantiles._asdict()
            parts[name] = fields
        leaks = [
            {
                "train": train,
                "test": test,
                "exact": leak.exact,
                "near": leak.near,
                "of": self.parts[test].count,
                "examples": [
                    {"test_id": one, "train_id": other, "identity": round(identity, 4)}
                    for one, other, identity in self.examples[train, test]
                ],
            }
            for (train, test), leak in self.leakage.items()
        ]
        return {
            "molecule": self.molecule, "parts": parts, "identity": self.identity, "leakage": leaks,
        }  # fmt: skip


def compute_statistics(
    parts: Mapping[str, Sequence[SequenceRecord | LabelledRecord]],
    *,
    molecule: MoleculeName = "dna",
    identity: float = 0.8,
) -> DataStatistics:
    """Count, measure and compare sets of sequences.

    Args:
        parts: Records by the name of the set, training data first.
        molecule: What the letters are; for ``dna`` the reverse complement is a copy too.
        identity: From where on a sequence counts as known from an earlier set.

    Returns:
        The numbers of each set, and for each pair of sets what of the later is in the earlier.

    Raises:
        ConfigError: If the identity or the molecule is out of range.
        DataError: If a set is empty.
    """
    for name, records in parts.items():
        if not records:
            raise DataError(f"{name}: there is no sequence")
    leakage: dict[tuple[str, str], Leakage] = {}
    examples: dict[tuple[str, str], list[tuple[str, str, float]]] = {}
    names = list(parts)
    for at, test in enumerate(names):
        for train in names[:at]:
            one, other = parts[train], parts[test]
            leak = find_leakage(
                [record.sequence for record in one],
                [record.sequence for record in other],
                identity=identity,
                molecule=molecule,
            )
            leakage[train, test] = leak
            examples[train, test] = [
                (other[i].id, one[j].id, alike) for i, j, alike in leak.nearest[:10]
            ]
    measured = {name: _measure(records, molecule) for name, records in parts.items()}
    return DataStatistics(molecule, measured, identity, leakage, examples)


def statistics_table(statistics: DataStatistics) -> "Table":
    """Lay the numbers out for a terminal.

    Args:
        statistics: The numbers.

    Returns:
        A table with a column for each set.
    """
    from rich.table import Table

    parts = list(statistics.parts.values())
    table = Table()
    table.add_column(statistics.molecule)
    for name in statistics.parts:
        table.add_column(name, justify="right")

    def row(name: str, values: Iterable[str]) -> None:
        table.add_row(name, *values)

    row("sequences", (f"{part.count:,}" for part in parts))
    row("letters", (f"{part.letters:,}" for part in parts))
    for name in Quantiles._fields:
        row(f"length, {name}", (f"{getattr(part.length, name):,.0f}" for part in parts))
    row("N50", (f"{part.n50:,}" for part in parts))
    if statistics.molecule != "protein":
        row("GC", (_share(part.gc) for part in parts))
    row("X" if statistics.molecule == "protein" else "N", (_share(part.unknown) for part in parts))
    row("copies within", (f"{part.copies:,}" for part in parts))
    if statistics.molecule == "dna":
        row("reverse-complement copies", (f"{part.reverse_copies:,}" for part in parts))
    labelled = any(part.classes or part.values for part in parts)
    if labelled:
        row("copies with another label", (f"{part.conflicts:,}" for part in parts))
    table.add_section()
    for name in _shown_classes(parts):
        row(f"class {name}", (_class_cell(part, name) for part in parts))
    hidden = len({name for part in parts for name in part.classes}) - _MOST_CLASSES
    if hidden > 0:
        row(f"{hidden} further classes", ("" for _ in parts))
    if any(part.values for part in parts):
        for name in Quantiles._fields:
            row(f"value, {name}", (_value_cell(part, name) for part in parts))
    table.add_section()
    for train in list(statistics.parts)[:-1]:
        cells = {test: statistics.leakage.get((train, test)) for test in statistics.parts}
        row(f"copies of {train}", (_leak_cell(cells[t], "exact", statistics, t) for t in cells))
        row(
            f"further ≥ {statistics.identity:.0%} like {train}",
            (_leak_cell(cells[t], "near", statistics, t) for t in cells),
        )
    return table


def plot_statistics(statistics: DataStatistics, save_path: str | Path | None = None) -> "Figure":
    """Draw lengths, GC and classes of each set.

    Args:
        statistics: The numbers.
        save_path: File to write (its ending decides: PNG, SVG, PDF); None writes nothing.

    Returns:
        The figure.

    Raises:
        OutputError: If the file cannot be written, or its ending names no format.
    """
    from matplotlib.figure import Figure

    names = _shown_classes(list(statistics.parts.values()))
    panels = ["length"]
    if any(len(part.gc_fractions) for part in statistics.parts.values()):
        panels.append("gc")
    if names:
        panels.append("classes")
    figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    axes = dict(zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True))

    longest = max(int(part.lengths.max()) for part in statistics.parts.values())
    shortest = min(int(part.lengths.min()) for part in statistics.parts.values())
    wide = longest > 20 * max(1, shortest)  # a few long sequences would squash all others
    edges = (
        np.geomspace(max(1, shortest), longest + 1, 41)
        if wide
        else np.linspace(shortest - 0.5, longest + 0.5, min(41, longest - shortest + 2))
    )
    for number, (name, part) in enumerate(statistics.parts.items()):
        style: dict[str, Any] = {
            "label": name, "color": _COLOURS[number % len(_COLOURS)], "histtype": "step",
            "linewidth": 1.5,
        }  # fmt: skip
        axes["length"].hist(
            part.lengths, edges, weights=np.full(part.count, 1 / part.count), **style
        )
        if len(part.gc_fractions):
            shares = np.full(len(part.gc_fractions), 1 / len(part.gc_fractions))
            axes["gc"].hist(part.gc_fractions, np.linspace(0, 1, 51), weights=shares, **style)
        if names:
            width = 0.8 / len(statistics.parts)
            heights = [part.classes.get(one, 0) / part.count for one in names]
            axes["classes"].bar(
                np.arange(len(names)) + number * width,
                heights,
                width,
                label=name,
                color=style["color"],
            )
    axes["length"].set(title="Length", xlabel="letters", ylabel="share of the sequences")
    if wide:
        axes["length"].set_xscale("log")
    if "gc" in axes:
        axes["gc"].set(title="GC", xlabel="G and C over A, C, G, T", ylabel="share")
    if names:
        middle = np.arange(len(names)) + 0.4 - 0.4 / len(statistics.parts)
        turned = 90 if max(map(len, names)) * len(names) > 40 else 0
        axes["classes"].set_xticks(middle, names, rotation=turned)
        axes["classes"].set(title="Classes", ylabel="share")
    if len(statistics.parts) > 1:
        axes["length"].legend(frameon=False)
    if save_path is not None:
        with atomic_write(save_path) as unfinished:
            try:
                figure.savefig(unfinished, dpi=150)
            except ValueError as error:
                raise OutputError(f"{save_path}: cannot be drawn ({error})") from None
    return figure


def _measure(
    records: Sequence[SequenceRecord | LabelledRecord], molecule: MoleculeName
) -> SequenceStatistics:
    lengths = np.array([len(record.sequence) for record in records], dtype=np.int64)
    total = np.zeros(256, dtype=np.int64)
    fractions = []
    for record in records:
        counts = np.bincount(letter_bytes(record.sequence.upper()), minlength=256)
        total += counts
        strong, weak = _strong_and_weak(counts)
        if molecule != "protein" and strong + weak:
            fractions.append(strong / (strong + weak))
    strong, weak = _strong_and_weak(total)
    has_gc = molecule != "protein" and strong + weak > 0
    descending = np.sort(lengths)[::-1]
    half = int(np.searchsorted(np.cumsum(descending), lengths.sum() / 2))
    labels = [record.label for record in records if isinstance(record, LabelledRecord)]
    classes, values = _balance(labels)
    copies, reverse_copies, conflicts = _copies(records, molecule)
    unknown = total[ord("X" if molecule == "protein" else "N")]
    return SequenceStatistics(
        count=len(records),
        letters=int(lengths.sum()),
        length=_quantiles(lengths),
        n50=int(descending[half]),
        gc=strong / (strong + weak) if has_gc else None,
        gc_quantiles=_quantiles(fractions) if fractions else None,
        unknown=int(unknown) / max(1, int(lengths.sum())),
        composition={chr(code): int(total[code]) for code in np.flatnonzero(total)},
        classes=classes,
        values=values,
        copies=copies,
        reverse_copies=reverse_copies,
        conflicts=conflicts,
        lengths=lengths,
        gc_fractions=np.array(fractions),
    )


def _strong_and_weak(counts: NDArray[np.int64]) -> tuple[int, int]:
    return int(counts[list(b"GC")].sum()), int(counts[list(b"ATU")].sum())


def _quantiles(values: Sequence[float] | NDArray[Any]) -> Quantiles:
    return Quantiles(*(float(q) for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])))


def _balance(labels: Sequence[Label]) -> tuple[dict[str, int], Quantiles | None]:
    """Sequences of each class, or quantiles of values."""
    counts: Counter[str] = Counter()
    values: list[float] = []
    for label in labels:
        if isinstance(label, tuple):
            counts.update(f"label {i + 1}" for i, one in enumerate(label) if one)
        elif isinstance(label, str):
            counts[label] += 1
        else:
            values.append(label)
    return dict(counts.most_common()), _quantiles(values) if values else None


def _copies(
    records: Sequence[SequenceRecord | LabelledRecord], molecule: MoleculeName
) -> tuple[int, int, int]:
    """Copies, copies on the other strand, and sequences whose copies bear another label."""
    seen: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, Counter[Label]] = defaultdict(Counter)
    copies = reverse_copies = 0
    for record in records:
        letters = record.sequence.upper()
        key = canonical_sequence(letters, molecule)
        if letters in seen[key]:
            copies += 1
        elif seen[key]:
            # T and U are one letter, so another spelling on the same strand is a plain copy.
            same_strand = any(letters.replace("U", "T") == o.replace("U", "T") for o in seen[key])
            copies += same_strand
            reverse_copies += not same_strand
        seen[key].add(letters)
        if isinstance(record, LabelledRecord):
            labels[key][record.label] += 1
    conflicts = sum(count.total() for count in labels.values() if len(count) > 1)
    return copies, reverse_copies, conflicts


def _shown_classes(parts: Sequence[SequenceStatistics]) -> list[str]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.classes)
    frequent = [name for name, _ in total.most_common(_MOST_CLASSES)]
    return sorted(frequent)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _class_cell(part: SequenceStatistics, name: str) -> str:
    count = part.classes.get(name, 0)
    return f"{count:,} ({count / part.count:.1%})"


def _value_cell(part: SequenceStatistics, name: str) -> str:
    return "" if part.values is None else f"{getattr(part.values, name):.4g}"


def _leak_cell(leak: Leakage | None, kind: str, statistics: DataStatistics, test: str) -> str:
    if leak is None:
        return ""
    count = getattr(leak, kind)
    return f"{count:,} ({count / statistics.parts[test].count:.1%})"
