"""What ``hyena-glt annotate`` does: features of a genome of any size, compared with a truth.

windows of a contig -> probabilities -> genes and other features, tracks -> files, figures
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from hyena_glt.biology.genetic_codes import GeneticCode, genetic_code
from hyena_glt.biology.intervals import Feature, Interval
from hyena_glt.cli.experiment import write_json
from hyena_glt.data.annotation import OTHER
from hyena_glt.data.contig_codes import ContigCodes, random_access
from hyena_glt.data.genome import Region
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.feature_metrics import FeatureMetrics, Span, compare_features
from hyena_glt.inference.annotator import FeatureCaller, GenomeAnnotator
from hyena_glt.inference.gene_caller import CODING, GeneCaller, LongestOrfs
from hyena_glt.inference.tracks import ProbabilityTracks
from hyena_glt.io.bed import write_bed
from hyena_glt.io.features import iter_features
from hyena_glt.io.gff import write_gff3

_GFF = (".gff3", ".gff")
_BED = (".bed",)
_BIGWIG = (".bw", ".bigwig")

# What is compared with the truth; "rules alone": reading frames called without the model.
_BY_MODEL, _AS_RUNS, _BY_RULES, _LONGEST = "model", "runs of a class", "rules alone", "longest ORFs"
_ROWS = {
    "called": "features called",
    "base_precision": "bases: precision", "base_recall": "bases: recall", "base_f1": "bases: F1",
    "precision": "features: precision", "recall": "features: recall", "f1": "features: F1",
    "same_stop": "with a right stop", "start_accuracy": "of these, right start",
}  # fmt: skip


class AnnotateOptions(NamedTuple):
    """What to do, as the command line gives it.

    Attributes:
        regions: ``contig`` or ``contig:first-last`` (1-based, the last base included); none: the
            whole genome.
        orfs: Whether coding runs become reading frames; None: if the classes are CDS+ and CDS-.
        genetic_code: Number of NCBI's table.
        min_codons: Fewest codons of a gene.
        min_length: Fewest bases of other features.
        baseline_codons: Fewest codons of an ORF of the baseline.
        track: Class of a bigWig file; None: one file per class.
        batch_size: Windows per forward pass.
    """

    regions: list[str]
    orfs: bool | None
    genetic_code: int
    min_codons: int
    min_length: int
    baseline_codons: int
    track: str | None
    batch_size: int


def run_annotate(
    model: Path, fasta: Path, output: Path, truth: Path | None, options: AnnotateOptions
) -> None:
    """Annotate a genome, write features or tracks, and compare them with a truth.

    Args:
        model: Folder of a ``train --annotation``.
        fasta: The genome.
        output: GFF3, BED or bigWig, by its ending.
        truth: GFF3, GTF or GenBank file to compare with; None compares with nothing.
        options: The rest.

    Raises:
        ConfigError: If options do not fit the model or each other.
        DataError: If a file breaks a rule, or genome, regions and truth do not fit together.
    """
    console = Console(stderr=True)
    wanted = _kind_of(output)
    annotator = GenomeAnnotator.from_pretrained(model)
    columns = _columns(annotator.labels, options.track, wanted)
    code = genetic_code(options.genetic_code)
    frames = _uses_frames(annotator.labels, options.orfs)
    with ExitStack() as files:
        genome = files.enter_context(random_access(fasta))
        regions = _regions(options.regions, genome.contigs)
        annotated = None if truth is None else _truth(truth, regions, annotator.labels, model)
        if annotated is not None:
            _tell_of_training(console, model, regions)
        tracks = files.enter_context(ProbabilityTracks(columns)) if wanted is _BIGWIG else None
        found = _Found(frames)
        with _progress(console) as bar:
            task = bar.add_task("annotating", total=sum(region.bases for region in regions))
            for region in regions:
                bases = ContigCodes(genome, region)
                callers = _Callers(region, annotator.labels, code, frames, options, found)
                for at, block in annotator.iter_probabilities(
                    bases, batch_size=options.batch_size, both_strands=True
                ):
                    if tracks is not None:
                        tracks.add(region.contig, region.start + at, block)
                    callers.add(bases[at : at + len(block)], block, compare=truth is not None)
                    bar.advance(task, len(block))
                callers.finish(compare=truth is not None)
        if tracks is not None:
            written = tracks.write(output, genome.contigs)
        else:
            _write_features(output, wanted, found.called)
            written = [output]
        lengths = dict(genome.contigs)
    names = ", ".join(map(str, written))
    console.print(
        f"{len(found.called):,} features in {sum(r.bases for r in regions):,} bases: {names}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if annotated is not None:
        spans = [Span(*region, lengths[region.contig]) for region in regions]
        figures = _figures(annotated, found, spans, stranded=annotator.stranded)
        stem = output.name.removesuffix(".gz").rpartition(".")[0]
        path = output.with_name(f"{stem}.metrics.json")
        for kind, methods in figures.items():
            _say(Console(), kind, methods)
        write_json(path, {
            "regions": list(map(str, regions)), "baseline_codons": options.baseline_codons,
            "genetic_code": code.number,
            "kinds": {kind: {name: one._asdict() for name, one in methods.items()}
                      for kind, methods in figures.items()},
        })  # fmt: skip
        console.print(f"figures: {path}", highlight=False, soft_wrap=True)


class _Found:
    """Features by method, contig after contig."""

    def __init__(self, frames: bool) -> None:
        self.frames = frames
        self.called: list[Feature] = []
        self.runs: list[Feature] = []
        self.by_rules: list[Feature] = []
        self.longest: list[Feature] = []


class _Callers:
    """All that reads the bases of one region, block after block."""

    def __init__(
        self, region: Region, labels: list[str], code: GeneticCode, frames: bool,
        options: AnnotateOptions, found: _Found,
    ) -> None:  # fmt: skip
        self.found = found
        self._contig: list[Feature] = []
        self._runs = FeatureCaller(
            region.contig, labels, start=region.start, shortest=options.min_length,
            number=len(found.runs),
        )  # fmt: skip
        self._genes: GeneCaller | None = None
        if not frames:
            return
        place: dict[str, Any] = {"start": region.start, "length": region.bases,
                                 "min_codons": options.min_codons}  # fmt: skip
        before = sum(feature.kind == CODING for feature in found.called)
        self._genes = GeneCaller(region.contig, code, labels, number=before, **place)
        self._rules = GeneCaller(region.contig, code, None, **place)
        self._longest = LongestOrfs(
            region.contig, code, start=region.start, min_codons=options.baseline_codons
        )

    def add(self, codes: Any, block: Any, *, compare: bool) -> None:
        self._take_runs(self._runs.add(block))
        if self._genes is not None:
            self._contig += self._genes.add(codes, block)
            if compare:
                self.found.by_rules += self._rules.add(codes, block)
                self.found.longest += self._longest.add(codes)

    def finish(self, *, compare: bool) -> None:
        self._take_runs(self._runs.finish())
        if self._genes is not None:
            self._contig += self._genes.finish()
            if compare:
                self.found.by_rules += self._rules.finish()
                self.found.longest += self._longest.finish()
        self.found.called += sorted(self._contig, key=lambda one: (one.start, one.end))

    def _take_runs(self, features: Iterable[Feature]) -> None:
        for feature in features:
            self.found.runs.append(feature)
            if self._genes is None or feature.kind != CODING:
                self._contig.append(feature)


def _kind_of(output: Path) -> tuple[str, ...]:
    """Which format a file name asks for."""
    name = output.name.lower()
    for endings in (_GFF, _BED):
        if name.removesuffix(".gz").endswith(endings):
            return endings
    if name.endswith(_BIGWIG):
        return _BIGWIG
    raise ConfigError(
        f"--output {output}: the name must end in .gff3 or .bed (also with .gz), or in .bw"
    )


def _columns(labels: list[str], track: str | None, wanted: tuple[str, ...]) -> dict[int, str]:
    if track is None:
        return dict(enumerate(labels))
    if wanted is not _BIGWIG:
        raise ConfigError("--track chooses the class of a bigWig file: --output must end in .bw")
    if track not in labels:
        raise ConfigError(f"--track {track}: the model has no such class, but {', '.join(labels)}")
    return {labels.index(track): track}


def _uses_frames(labels: list[str], asked: bool | None) -> bool:
    able = {f"{CODING}+", f"{CODING}-"} <= set(labels)
    if asked and not able:
        raise ConfigError(
            f"--orfs needs a model of the classes {CODING}+ and {CODING}-, this one has "
            f"{', '.join(labels)}"
        )
    return able if asked is None else asked


def _regions(asked: list[str], contigs: dict[str, int]) -> list[Region]:
    if not asked:
        return [Region(contig, 0, length) for contig, length in contigs.items()]
    regions = sorted((_region(text, contigs) for text in asked), key=lambda one: one.start)
    order = {name: number for number, name in enumerate(contigs)}
    regions.sort(key=lambda one: order[one.contig])
    for one, other in pairwise(regions):
        if one.contig == other.contig and other.start < one.end:
            raise ConfigError(f"two --region overlap, {one} and {other} (0-based, half-open)")
    return regions


def _region(text: str, contigs: dict[str, int]) -> Region:
    if text in contigs:
        return Region(text, 0, contigs[text])
    there = ", ".join(list(contigs)[:5]) + (", ..." if len(contigs) > 5 else "")
    if ":" not in text:
        raise ConfigError(
            f"--region {text}: expected a contig of the genome ({there}) or contig:first-last"
        )
    region = Region.parse(text)
    if region.contig not in contigs:
        raise ConfigError(
            f"--region {text}: the genome has no contig {region.contig!r}, but {there}"
        )
    if region.end > contigs[region.contig]:
        raise ConfigError(f"--region {text}: {region.contig} has {contigs[region.contig]:,} bases")
    return region


def _truth(
    path: Path, regions: list[Region], labels: list[str], model: Path
) -> dict[str, list[Feature]]:
    """Annotated features by kind, for the kinds that the model knows."""
    kinds = _kinds(labels)
    found: dict[str, list[Feature]] = {kind: [] for kind in kinds}
    other_kinds: set[str] = set()
    other_contigs: set[str] = set()
    contigs = {region.contig for region in regions}
    forward_only = _label_strand(model) == "forward"
    for feature in iter_features(path):
        if feature.contig not in contigs:
            other_contigs.add(feature.contig)
        elif feature.kind not in found:
            other_kinds.add(feature.kind)
        elif not (forward_only and feature.strand == "-"):
            found[feature.kind].append(feature)
    if not any(found.values()) and not other_kinds:
        raise DataError(
            f"no feature lies on {_some(contigs)}; the annotation is of {_some(other_contigs)}",
            path=path,
        )
    for kind in kinds:
        if not found[kind]:
            raise DataError(
                f"no feature of kind {kind!r} lies on {_some(contigs)}; there are "
                f"{_some({name for name in found if found[name]} | other_kinds)}",
                path=path,
            )
    return found


def _kinds(labels: list[str]) -> list[str]:
    names = (name[:-1] if name[-1:] in {"+", "-"} else name for name in labels if name != OTHER)
    return list(dict.fromkeys(names))


def _label_strand(model: Path) -> str | None:
    """How the training treated strands, if the folder is of a training."""
    try:
        settings = yaml.safe_load((model / "config.yaml").read_text(encoding="utf-8"))
        return str(settings["data"]["label_strand"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None


def _tell_of_training(console: Console, model: Path, regions: list[Region]) -> None:
    """Warn where the figures will be of bases that the model was trained on."""
    try:
        parts = json.loads((model / "metrics.json").read_text(encoding="utf-8"))["regions"]
        trained = [_split(text) for text in parts["train"]]
        held_out = " ".join(f"--region {_as_asked(_split(text))}" for text in parts["test"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    seen = sum(
        max(0, min(one.end, other.end) - max(one.start, other.start))
        for one in trained for other in regions if one.contig == other.contig
    )  # fmt: skip
    if seen:
        console.print(
            f"the model was trained on {seen:,} of these bases (by name and place of the contig), "
            f"so the figures flatter it; held out were: {held_out}",
            style="yellow", highlight=False, soft_wrap=True, markup=False,
        )  # fmt: skip


def _as_asked(region: Region) -> str:
    """A region as ``--region`` takes it: 1-based, the last base included."""
    return f"{region.contig}:{region.start + 1}-{region.end}"


def _split(text: str) -> Region:
    contig, _, place = text.rpartition(":")
    start, _, end = place.partition("-")
    return Region(contig, int(start), int(end))


def _some(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:5]) + (f", ... ({len(shown):,})" if len(shown) > 5 else "") or "none"


def _write_features(output: Path, wanted: tuple[str, ...], features: list[Feature]) -> None:
    if wanted is _GFF:
        write_gff3(output, features)
        return
    write_bed(output, (
        Interval(one.contig, one.start, one.end, one.strand, one.attributes["ID"],
                 float(round(1000 * (one.score or 0.0))))
        for one in features
    ))  # fmt: skip


def _figures(
    annotated: dict[str, list[Feature]], found: _Found, spans: list[Span], *, stranded: bool
) -> dict[str, dict[str, FeatureMetrics]]:
    figures: dict[str, dict[str, FeatureMetrics]] = {}
    for kind, truth in annotated.items():
        methods = {_AS_RUNS: found.runs}
        if found.frames and kind == CODING:
            methods = {_BY_MODEL: found.called, **methods, _BY_RULES: found.by_rules,
                       _LONGEST: found.longest}  # fmt: skip
        figures[kind] = {
            name: compare_features(truth, _of_kind(called, kind), spans, stranded=stranded)
            for name, called in methods.items()
        }
    return figures


def _of_kind(features: list[Feature], kind: str) -> Iterator[Feature]:
    return (feature for feature in features if feature.kind == kind)


def _say(console: Console, kind: str, methods: dict[str, FeatureMetrics]) -> None:
    annotated = next(iter(methods.values())).annotated
    table = Table(title=f"{kind}: {annotated:,} annotated")
    table.add_column("")
    for name in methods:
        table.add_column(name, justify="right")
    for field, head in _ROWS.items():
        values = [getattr(one, field) for one in methods.values()]
        cells = [f"{value:,}" if isinstance(value, int) else f"{value:.4f}" for value in values]
        table.add_row(head, *cells)
    console.print(table)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"), BarColumn(), TaskProgressColumn(),
        TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
