"""What ``hyena-glt explain`` does: pages that say why a model predicts what it predicts."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from hyena_glt.biology.intervals import Feature
from hyena_glt.cli.reading import check_letters
from hyena_glt.data.genome import Region
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.inference.explaining import LONGEST, Explainer, Stretch
from hyena_glt.interpretability.explain_page import file_name, write_explanation
from hyena_glt.interpretability.explanation import Explanation, table_text
from hyena_glt.interpretability.pictures import explanation_figure
from hyena_glt.interpretability.readable import metric_name, score
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.bed import iter_bed
from hyena_glt.io.features import iter_features
from hyena_glt.io.formats import iter_sequences
from hyena_glt.io.records import SequenceRecord

MOST_PAGES = 20
DEFAULT_FLANK = 200
# Features that are whole sequences say nothing about a stretch of them.
_WHOLE = frozenset({"region", "source", "chromosome", "contig", "scaffold", "supercontig"})
_MOST_NAMES = 20
_TEST_METRICS = ("mcc", "auroc", "accuracy", "spearman", "r2", "bits_per_base")


def run_explanation(
    model: Path,
    fasta: Path,
    output: Path,
    *,
    records: list[str],
    region: str | None = None,
    annotation: Path | None = None,
    output_name: str | None = None,
    method: str = "auto",
    flank: int | None = None,
    limit: int,
    batch_size: int = 64,
    task: str | None = None,
) -> list[Path]:
    """Explain sequences, or a region of one, and write a page for each.

    Args:
        model: Folder of a training.
        fasta: Sequences.
        output: HTML file, or folder for pages, tables and pictures.
        records: Names of the sequences to explain; empty: all, up to ``MOST_PAGES``.
        region: ``contig:first-last``, 1-based with the last base included.
        annotation: GFF3, GTF, GenBank or BED file of features to draw.
        output_name: Class or output to explain; None takes the predicted one.
        method: Of attribution.
        flank: Bases around a region that models of single bases read too; None: 200.
        limit: Most letters that are mutated.
        batch_size: Sequences per forward pass.
        task: Which one of a model of several tasks.

    Returns:
        The pages.

    Raises:
        ConfigError: If options contradict each other.
        DataError: If a file, a record or the region breaks a rule.
        OutputError: If a page cannot be written.
    """
    console = Console(stderr=True)
    if region is not None and records:
        raise ConfigError("give either --record or --region")
    if flank is not None and region is None:
        raise ConfigError("--flank is for --region")
    explainer = Explainer.from_pretrained(model, task)
    if region is not None:
        whole_sequences = explainer.task not in {"token_classification", "causal_lm", "masked_lm"}
        if whole_sequences and flank:
            raise ConfigError("--flank is for models that say something of every base")
        around = 0 if whole_sequences else DEFAULT_FLANK if flank is None else flank
        room = explainer.model.config.max_position_embeddings
        place = Region.parse(region)
        if explainer.task == "token_classification" and place.end - place.start > room:
            room = LONGEST + 2 * around  # such a model reads it in windows
        stretches = [_cut(fasta, place, around, room)]
    else:
        stretches = [Stretch(one.id, one.id, 0, one.sequence) for one in _chosen(fasta, records)]
    single_page = output.suffix.lower() in {".html", ".htm"}
    if single_page and len(stretches) > 1:
        raise ConfigError(
            f"{len(stretches)} sequences are {len(stretches)} pages: give a folder as --output, or "
            "name one with --record"
        )
    for one in stretches:
        letters = one.left + one.sequence + one.right
        check_letters([SequenceRecord(one.name, letters)], explainer.tokenizer.alphabet, str(fasta))
    features = [] if annotation is None else list(_features(annotation))
    if annotation is not None:
        _warn_of_contigs(console, annotation, features, stretches)
    stems = ["explain"] if len(stretches) == 1 else _stems([one.name for one in stretches])
    pages = []
    for one, stem in zip(stretches, stems, strict=True):
        with _bar(console) as bar:
            work = bar.add_task(f"mutating {one.name}", total=None, visible=False)

            def show(done: int, total: int) -> None:
                bar.update(work, completed=done, total=total, visible=True)  # noqa: B023

            found = explainer.explain(
                one, output=output_name, method=method, limit=limit, batch_size=batch_size,
                features=features, on_progress=show,
                on_cost=lambda words: console.print(f"mutagenesis: {words}", highlight=False),
            )  # fmt: skip
        for remark in found.remarks:
            console.print(remark, style="yellow", highlight=False, markup=False, soft_wrap=True)
        console.print(f"{one.name}: {found.verdict}", highlight=False, markup=False, soft_wrap=True)
        page = output if single_page else output / f"{stem}.html"
        found = replace(found, facts=[*found.facts, *_quality(model)])
        pages.append(write_explanation(found, page, model_name=model.resolve().name))
        if not single_page:
            _write_beside(found, page)
        console.print(f"page: {page}", highlight=False, markup=False, soft_wrap=True)
    return pages


def _cut(fasta: Path, region: Region, flank: int, room: int) -> Stretch:
    """The letters of a region, and as many around it as are asked for and fit."""
    contig, start, end = region
    if end - start > LONGEST:
        raise DataError(
            f"the region has {end - start:,} bases; one page shows at most {LONGEST:,}", path=fasta
        )
    flank = max(0, min(flank, (room - (end - start)) // 2))
    length, fetch = _contig(fasta, contig)
    if end > length:
        raise DataError(
            f"the region ends at {end:,}, and {contig} has {length:,} bases", path=fasta
        )
    left, right = max(0, start - flank), min(length, end + flank)
    letters = fetch(left, right)
    return Stretch(
        f"{contig}:{start + 1}-{end}", contig, start,
        letters[start - left : end - left], letters[: start - left], letters[end - left :],
    )  # fmt: skip


def _contig(fasta: Path, contig: str) -> tuple[int, Callable[[int, int], str]]:
    """Length of a contig, and a function that reads a stretch of it."""
    from hyena_glt.io.indexed_fasta import IndexedFasta

    try:
        genome = IndexedFasta(fasta)
    except DataError:
        whole = _read_through(fasta, contig)  # packed by ordinary gzip, or of another format
        return len(whole), lambda start, end: whole[start:end]
    genome.fetch(contig, 0, 0)  # says which contigs there are if this is none of them
    return genome.contigs[contig], lambda start, end: genome.fetch(contig, start, end)


def _read_through(fasta: Path, contig: str) -> str:
    names = []
    for record in iter_sequences(fasta):
        if record.id == contig:
            return record.sequence
        names.append(record.id)
    known = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise DataError(f"no contig {contig!r}; contigs of this file: {known}", path=fasta)


def _chosen(fasta: Path, names: list[str]) -> list[SequenceRecord]:
    """The records that were named, in that order; all of a small file."""
    if not names:
        found = []
        for record in iter_sequences(fasta):
            found.append(record)
            if len(found) > MOST_PAGES:
                raise DataError(
                    f"there are more than {MOST_PAGES} sequences; name those to explain with "
                    f"--record (may be repeated), such as --record {found[0].id}",
                    path=fasta,
                )
        return found
    wanted: dict[str, SequenceRecord] = {}
    known = []
    for record in iter_sequences(fasta):
        known.append(record.id)
        if record.id in names and record.id not in wanted:
            wanted[record.id] = record
            if len(wanted) == len(set(names)):
                break
    missing = [name for name in names if name not in wanted]
    if missing:
        first = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
        raise DataError(f"no record {missing[0]!r}; records of this file: {first}", path=fasta)
    return [wanted[name] for name in dict.fromkeys(names)]


def _features(path: Path) -> Iterator[Feature]:
    """Features of a BED, GFF3, GTF or GenBank file."""
    if path.name.lower().removesuffix(".gz").endswith(".bed"):
        intervals = list(iter_bed(path))
        names = {one.name for one in intervals if one.name}
        few = len(names) <= _MOST_NAMES  # then they are kinds, such as names of motifs
        for one in intervals:
            kind = one.name if few and one.name else "interval"
            attributes = {} if few else {"Name": one.name}
            yield Feature(
                one.contig, one.start, one.end, kind, one.strand, score=one.score,
                attributes=attributes,
            )  # fmt: skip
        return
    yield from (one for one in iter_features(path) if one.kind not in _WHOLE)


def _warn_of_contigs(
    console: Console, path: Path, features: Iterable[Feature], stretches: list[Stretch]
) -> None:
    contigs = {one.contig for one in features}
    strange = [one.contig for one in stretches if one.contig not in contigs]
    if strange:
        known = ", ".join(sorted(contigs)[:5]) + (", ..." if len(contigs) > 5 else "")
        console.print(
            f"{path}: no feature on {strange[0]}; its contigs: {known or 'none'}",
            style="yellow", highlight=False, markup=False,
        )  # fmt: skip


def _quality(model: Path) -> list[tuple[str, str]]:
    """What the training says of how good the model is, where it says so."""
    try:
        tree = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
        test = {name: float(tree["test"][name]) for name in _TEST_METRICS if name in tree["test"]}
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [(f"on its test data, {metric_name(name)}", score(test[name])) for name in test]


def _stems(names: Iterable[str]) -> list[str]:
    """Names of files, a number behind those that another sequence has taken."""
    found: list[str] = []
    taken: set[str] = set()  # in lower case: not every file system tells the cases apart
    for name in names:
        stem = file_name(name)
        numbered = (f"{stem}_{number}" for number in itertools.count(2))
        free = next(one for one in itertools.chain([stem], numbered) if one.lower() not in taken)
        taken.add(free.lower())
        found.append(free)
    return found


def _write_beside(found: Explanation, page: Path) -> None:
    """Write the table and the picture of a page."""
    with atomic_write(page.with_suffix(".tsv")) as unfinished:
        unfinished.write_text(table_text(found), encoding="utf-8", newline="\n")
    with atomic_write(page.with_suffix(".png")) as unfinished:
        explanation_figure(found).savefig(unfinished, dpi=150)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
