"""What ``hyena-glt data convert`` does."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hyena_glt.biology.intervals import Variant
from hyena_glt.cli.data_files import (
    Columns,
    Record,
    counted,
    destination,
    open_records,
    output_suffix,
    write_records,
)
from hyena_glt.data.quality import QualityFilter
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.files import plain_suffix
from hyena_glt.io.formats import written_format
from hyena_glt.io.records import LabelledRecord, SequenceRecord

_PLACES = {
    ".bed": "bed", ".gff": "gff", ".gff3": "gff", ".gtf": "gff", ".vcf": "vcf",
}  # fmt: skip
_Counted = TypeVar("_Counted")


@dataclass(frozen=True)
class Genome:
    """Where the sequences of intervals and variants come from.

    Attributes:
        fasta: The genome.
        kinds: Kinds of features to take; empty takes all.
        flank: Bases to add on either side of an interval.
        window: Bases around a variant.
    """

    fasta: Path | None
    kinds: tuple[str, ...]
    flank: int
    window: int


@dataclass(frozen=True)
class Limits:
    """Which sequences to drop; None drops none.

    Attributes:
        min_length: Fewest letters.
        max_length: Most letters.
        max_n: Largest share of N.
        min_mean_phred: Lowest mean quality.
    """

    min_length: int | None
    max_length: int | None
    max_n: float | None
    min_mean_phred: float | None

    def filter(self) -> QualityFilter | None:
        """The filter that keeps them; None where there are none."""
        if all(value is None for value in vars(self).values()):
            return None
        return QualityFilter(
            min_length=1 if self.min_length is None else self.min_length,
            max_length=self.max_length,
            max_n_fraction=self.max_n,
            min_mean_phred=self.min_mean_phred,
        )


def run_convert(
    source: Path,
    target: Path,
    from_: str | None,
    to: str | None,
    columns: Columns,
    genome: Genome,
    limits: Limits,
) -> None:
    """Convert a file of sequences, intervals or variants to a file of sequences.

    Args:
        source: File to read; ``-`` is the standard input.
        target: File to write; ``-`` is the terminal.
        from_: Format of the source where its name does not say; only bed, gff, gtf and vcf.
        to: Ending to write as where the target's name does not say.
        columns: Which columns hold what.
        genome: For intervals and variants.
        limits: Which sequences to drop.

    Raises:
        ConfigError: If options do not go together.
        DataError: If the source breaks a rule.
        OutputError: If the target cannot be written.
    """
    console = Console(stderr=True)
    notes: list[str] = []
    keep = limits.filter()
    places = _places(source, from_)
    labelled = False
    records: Iterable[Record]
    if places is not None:
        suffix = _target_suffix(target, to, source, "fasta")
        read: _Count[Record] = _Count(_cut(source, places, genome, notes))
        name = places
    else:
        if genome.fasta is not None:
            raise ConfigError("--fasta goes with BED, GFF or VCF; name the format with --from")
        reading = open_records(source, columns)
        suffix = _target_suffix(target, to, source, reading.format)
        read = _Count(reading.records)
        labelled, name = reading.labelled, reading.format
        if reading.left:
            notes.append(f"not carried over: {', '.join(reading.left)}")
    output_format = written_format(f"result{suffix}")
    records = _noting(read, output_format, notes)
    passed = None
    if keep is not None:
        # Labels ride along: the filter replaces letters and qualities only.
        passed = keep(records)  # type: ignore[arg-type]
        records = passed
    bar = Progress(
        SpinnerColumn(),
        TextColumn("[bold]converting[/] {task.completed:,.0f} records"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    try:
        with bar, destination(target, suffix) as path:
            task = bar.add_task("converting", total=None)
            told = _telling(records, lambda count: bar.update(task, completed=count))
            written = write_records(path, told, labelled=labelled)
    except DataError as error:
        if error.path is not None:
            raise
        raise DataError(str(error), path=source) from None  # filters know no files
    if passed is not None:
        console.print(str(passed.summary), highlight=False, markup=False)
    console.print(
        f"{source} ({name}): {counted(read.count, 'record')} read; {target} ({output_format}): "
        f"{counted(written, 'record')} written",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    for note in notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)


class _Count(Iterator[_Counted]):
    """Counts what passes through."""

    def __init__(self, items: Iterator[_Counted]) -> None:
        self.items = items
        self.count = 0

    def __next__(self) -> _Counted:
        item = next(self.items)
        self.count += 1
        return item


def _telling(records: Iterable[Record], tell: Callable[[int], None]) -> Iterator[Record]:
    for count, record in enumerate(records, start=1):
        if count % 1000 == 0:
            tell(count)
        yield record


def _noting(records: Iterable[Record], format_: str, notes: list[str]) -> Iterator[Record]:
    """Note what the format cannot hold, once."""
    qualities = modality = False
    for record in records:
        qualities |= record.qualities is not None
        modality |= isinstance(record, LabelledRecord) and record.modality is not None
        yield record
    if qualities and format_ == "fasta":
        notes.append("not carried over: quality scores, which FASTA does not hold")
    if modality and format_ in {"fasta", "fastq"}:
        notes.append(f"not carried over: molecules, which {format_.upper()} does not hold")


def _places(source: Path, from_: str | None) -> str | None:
    """Tell whether the source holds intervals or variants, and which; None for sequences."""
    if from_ is None:
        return _PLACES.get(plain_suffix(source))
    suffix = "." + from_.lower().removeprefix(".")
    if suffix in _PLACES:
        return _PLACES[suffix]
    raise ConfigError(
        f"--from {from_!r}: only bed, gff, gtf and vcf need to be named; formats of sequences are "
        "told by their first letter"
    )


def _target_suffix(target: Path, to: str | None, source: Path, format_: str) -> str:
    """Ending to write as: what is asked for, or what the name says."""
    if str(target) == "-":
        if to is None:
            raise ConfigError("the format to write is not known: name it with --to, e.g. --to fa")
        return output_suffix(to, source, format_)
    if to is not None:
        raise ConfigError("--to goes with - ; a file is written as its ending says")
    written_format(target)
    return plain_suffix(target)


def _cut(source: Path, places: str, genome: Genome, notes: list[str]) -> Iterator[SequenceRecord]:
    """Sequences of intervals or variants."""
    from hyena_glt.data.regions import iter_interval_records, place_of, variant_windows
    from hyena_glt.io.bed import iter_bed
    from hyena_glt.io.gff import iter_gff
    from hyena_glt.io.indexed_fasta import IndexedFasta
    from hyena_glt.io.vcf import is_sequence, iter_vcf

    if genome.fasta is None:
        raise ConfigError(f"{source}: places need their genome; give it with --fasta")
    if genome.kinds and places != "gff":
        raise ConfigError("--kind goes with GFF and GTF")
    fasta = IndexedFasta(genome.fasta)
    if places == "bed":
        yield from iter_interval_records(iter_bed(source), fasta, flank=genome.flank)
        return
    if places == "gff":
        kinds: dict[str, int] = {}
        found = 0

        def chosen() -> Iterator[object]:
            nonlocal found
            for feature in iter_gff(source):
                kinds[feature.kind] = kinds.get(feature.kind, 0) + 1
                if not genome.kinds or feature.kind in genome.kinds:
                    found += 1
                    yield feature

        yield from iter_interval_records(chosen(), fasta, flank=genome.flank)  # type: ignore[arg-type]
        others = {kind: count for kind, count in kinds.items() if kind not in genome.kinds}
        if genome.kinds and not found:
            raise DataError(
                f"no feature of kind {', '.join(genome.kinds)}; there are "
                f"{', '.join(sorted(kinds))}",
                path=source,
            )
        if genome.kinds and others:
            listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(others.items()))
            notes.append(f"features of other kinds, not taken: {listed}")
        return
    skipped = 0

    def counted_variants() -> Iterator[Variant]:
        nonlocal skipped
        for variant in iter_vcf(source):
            skipped += not variant.alternatives
            skipped += sum(not is_sequence(allele) for allele in variant.alternatives)
            yield variant

    reference_of = None
    for one in variant_windows(counted_variants(), fasta, genome.window):
        variant = one.variant
        start = variant.position - one.offset
        place = place_of(variant.contig, start, start + len(one.reference))
        name = f"{variant.contig}:{variant.position + 1}:{variant.reference}"
        if variant is not reference_of:
            yield SequenceRecord(name, one.reference, f"reference {place} offset={one.offset}")
            reference_of = variant
        yield SequenceRecord(
            f"{name}>{one.allele}", one.alternative, f"alternative {place} offset={one.offset}"
        )
    if skipped:
        notes.append(f"alleles without letters (<DEL>, *, .), left out: {skipped:,}")
