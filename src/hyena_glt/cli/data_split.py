"""What ``hyena-glt data split`` does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hyena_glt.cli.data_files import (
    Columns,
    Reading,
    Record,
    counted,
    header_part,
    open_records,
    output_suffix,
    write_records,
    write_rows,
)
from hyena_glt.data.sketches import MoleculeName, suitable_kmer_size
from hyena_glt.data.splits import (
    PARTS,
    Fractions,
    Leakage,
    Split,
    find_leakage,
    identity_clusters,
    random_split,
    split_by_contig,
)
from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.io.atomic import atomic_folder
from hyena_glt.io.files import write_text
from hyena_glt.io.formats import written_format
from hyena_glt.io.records import Label, LabelledRecord

_MOST_CLASSES = 200
_PLACE = re.compile(r"(?P<contig>.+):[0-9,]+-[0-9,]+(?:\([+.-]\))?$")


@dataclass(frozen=True)
class Rule:
    """How to split.

    Attributes:
        by: ``random``, ``contig`` or ``identity``.
        fractions: Shares of the three parts, by comma.
        identity: Threshold of ``identity``, and of the search for leaks.
        molecule: ``dna``, ``rna`` or ``protein``.
        group_column: Column of the groups of ``contig``; None reads the contig off the names.
        test_groups: Groups for the test, by comma.
        validation_groups: Groups for validation, by comma.
        seed: Of all that is drawn.
    """

    by: str
    fractions: str
    identity: float
    molecule: MoleculeName
    group_column: str | None
    test_groups: str | None
    validation_groups: str | None
    seed: int


def run_split(file: Path, output: Path, rule: Rule, format_: str | None, columns: Columns) -> None:
    """Split a file of sequences and look for leaks in the result.

    Args:
        file: The file; ``-`` is the standard input.
        output: Folder to make.
        rule: How to split.
        format_: Ending of the files to write; None writes like the input.
        columns: Which columns hold what.

    Raises:
        ConfigError: If options do not go together.
        DataError: If the file breaks a rule, or cannot be split so.
        OutputError: If the folder exists or cannot be written.
    """
    if output.exists():
        raise OutputError(f"{output} exists; choose another --output or remove it")
    fractions = _fractions(rule.fractions)
    if rule.by != "contig" and (rule.group_column or rule.test_groups or rule.validation_groups):
        raise ConfigError("groups go with --by contig")
    console = Console(stderr=True)
    with console.status("reading"):
        reading = open_records(file, columns, keep_rows=True)
        suffix = output_suffix(format_, file, reading.format)
        records = list(reading.records)
    if reading.rows is None and columns.label is not None:
        texts = [header_part(one, columns.label, file) for one in records]  # type: ignore[arg-type]
        labelled: list[Record] = [
            LabelledRecord(one.id, one.sequence, text, one.qualities)
            for one, text in zip(records, texts, strict=True)
        ]
    else:
        labelled = records
    sequences = [record.sequence for record in records]
    labels = _classes(labelled)
    # One size for the split and for the search for leaks, lest they disagree.
    kmer_size = suitable_kmer_size(sequences, rule.molecule)
    groups: Sequence[str] | None = None
    with console.status("splitting"):
        if rule.by == "random":
            split = random_split(len(records), fractions, labels=labels, seed=rule.seed)
        elif rule.by == "contig":
            groups = _groups(records, reading, rule.group_column, file)
            split = split_by_contig(
                groups,
                fractions,
                test=_names(rule.test_groups),
                validation=_names(rule.validation_groups),
                labels=labels,
                seed=rule.seed,
            )
        else:
            clusters = identity_clusters(sequences, identity=rule.identity, molecule=rule.molecule)
            groups = [str(cluster) for cluster in clusters]
            split = split_by_contig(groups, fractions, labels=labels, seed=rule.seed)
    with console.status("looking for leaks"):
        leaks = _leaks(sequences, split, rule, kmer_size)
    same = written_format(f"result{suffix}") == reading.format
    with atomic_folder(output) as unfinished:
        for name, indices in zip(PARTS, split, strict=True):
            if len(indices):
                path = unfinished / f"{name}{suffix}"
                if same and reading.rows is not None:  # all columns, also those no record carries
                    write_rows(path, [reading.rows[i] for i in indices], file, reading.format)
                else:
                    source = records if same else labelled
                    has_labels = isinstance(source[0], LabelledRecord)
                    write_records(path, [source[i] for i in indices], labelled=has_labels)
        _write_table(unfinished / "split.tsv", records, split, groups, leaks)
    left = [] if same else reading.left
    _report(console, output, split, groups, leaks, rule, left)


def _fractions(text: str) -> Fractions:
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--fractions {text!r}: expected three numbers by comma, as in 0.8,0.1,0.1"
        ) from None
    return train, validation, test


def _names(text: str | None) -> list[str]:
    return [] if text is None else [part.strip() for part in text.split(",")]


def _classes(records: Sequence[Record]) -> list[Label] | None:
    """Labels whose shares the parts can keep: classes, but no values."""
    labels = [record.label for record in records if isinstance(record, LabelledRecord)]
    different = set(labels)
    # Values read as text are not called values, but hardly any occurs twice.
    if not labels or len(different) > min(_MOST_CLASSES, max(2, len(labels) // 2)):
        return None
    return None if any(isinstance(label, float) for label in different) else labels


def _groups(
    records: Sequence[Record], reading: Reading, column: str | None, file: Path
) -> list[str]:
    if column is None:
        found = [_PLACE.fullmatch(record.id) for record in records]
        return [
            record.id if place is None else place["contig"]
            for record, place in zip(records, found, strict=True)
        ]
    if reading.rows is not None:
        for row in reading.rows:
            if column not in row.header.names:
                there = ", ".join(row.header.names)
                raise DataError(f"no column {column!r}; columns are {there}", path=file)
        return [str(row.cells[row.header.names.index(column)]) for row in reading.rows]
    return [header_part(record, column, file) for record in records]  # type: ignore[arg-type]


def _leaks(
    sequences: Sequence[str], split: Split, rule: Rule, kmer_size: int
) -> dict[str, Leakage]:
    """What of validation and test is like a training sequence."""
    train = [sequences[i] for i in split.train]
    return {
        name: find_leakage(
            train,
            [sequences[i] for i in indices],
            identity=rule.identity,
            molecule=rule.molecule,
            kmer_size=kmer_size,
        )
        for name, indices in zip(PARTS[1:], split[1:], strict=True)
        if len(indices)
    }


def _write_table(
    path: Path,
    records: Sequence[Record],
    split: Split,
    groups: Sequence[str] | None,
    leaks: dict[str, Leakage],
) -> None:
    part = {int(i): name for name, indices in zip(PARTS, split, strict=True) for i in indices}
    leaked = {
        int(getattr(split, name)[at]): records[split.train[known]].id
        for name, leak in leaks.items()
        for at, known, _ in leak.nearest
    }
    with write_text(path) as handle:
        handle.write("id\tpart\tgroup\tlike_training_sequence\n")
        for i, record in enumerate(records):
            group = groups[i] if groups is not None else ""
            handle.write(f"{record.id}\t{part[i]}\t{group}\t{leaked.get(i, '')}\n")


def _report(
    console: Console,
    output: Path,
    split: Split,
    groups: Sequence[str] | None,
    leaks: dict[str, Leakage],
    rule: Rule,
    left: Sequence[str],
) -> None:
    total = sum(map(len, split))
    noun = "cluster" if rule.by == "identity" else "group"
    table = Table(title=f"split by {rule.by}")
    table.add_column("part")
    for title in ("sequences", "share", f"{noun}s", "copies of train", "like train"):
        table.add_column(title, justify="right")
    for name, indices in zip(PARTS, split, strict=True):
        held = "" if groups is None else f"{len({groups[i] for i in indices}):,}"
        leak = leaks.get(name)
        found = ("", "") if leak is None else (f"{leak.exact:,}", f"{leak.near:,}")
        table.add_row(name, f"{len(indices):,}", f"{len(indices) / total:.1%}", held, *found)
    Console().print(table)
    if groups is not None:
        sizes = np.unique(list(groups), return_counts=True)[1]
        console.print(
            f"{counted(len(sizes), noun)}, the largest with "
            f"{counted(int(sizes.max()), 'sequence')}",
            highlight=False,
        )
    if any(leak.exact or leak.near for leak in leaks.values()):
        console.print(
            f"[yellow]leaks:[/] sequences of validation or test are copies of training sequences, "
            f"or at least {rule.identity:.0%} identical; split.tsv names them, --by identity "
            "keeps them together",
            highlight=False,
        )
    if left:
        console.print(f"not written: {', '.join(left)}", highlight=False, markup=False)
    console.print(f"{output}", highlight=False, soft_wrap=True, markup=False)
