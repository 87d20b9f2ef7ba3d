"""What ``hyena-glt motifs`` does.

sequences -> attributions -> motifs -> known motifs -> MEME, tables, BED, logos, page
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from hyena_glt.biology.intervals import Interval
from hyena_glt.biology.motif_comparison import MotifMatch
from hyena_glt.biology.motifs import Motif
from hyena_glt.cli.experiment import refuse_existing
from hyena_glt.cli.reading import check_letters
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.inference.loading import load_language_model
from hyena_glt.inference.predictor import Predictor
from hyena_glt.interpretability.attribution import Method, attribute
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.interpretability.motif_boundaries import BoundaryMotifs, boundary_motifs
from hyena_glt.interpretability.motif_database import (
    SMALL_DATABASE,
    DatabaseMatches,
    match_database,
)
from hyena_glt.interpretability.motif_database import (
    Method as Comparison,
)
from hyena_glt.interpretability.motif_discovery import DiscoveredMotif, discover_motifs
from hyena_glt.interpretability.motif_logos import write_logo
from hyena_glt.interpretability.motif_report import MotifSearch, write_motif_report
from hyena_glt.io.atomic import atomic_folder
from hyena_glt.io.bed import write_bed
from hyena_glt.io.formats import read_sequences
from hyena_glt.io.motif_files import read_motifs, write_motifs
from hyena_glt.io.records import SequenceRecord
from hyena_glt.model.folder import open_model_folder

_LANGUAGE_MODELS = {"HyenaGLTForCausalLM", "HyenaGLTForMaskedLM"}
_METHOD_WORDS = {
    "input_x_gradient": "input × gradient",
    "mutagenesis": "in-silico mutagenesis",
    "integrated_gradients": "integrated gradients",
}
_AT_ONCE = 16  # sequences between two steps of the bar
_KEPT_MATCHES = 10


@dataclass(frozen=True)
class MotifOptions:
    """What the user asked for.

    Attributes:
        model: Folder of a training or a pretraining.
        fasta: Sequences to explain.
        output: Folder to make.
        database: File of known motifs; None names none.
        target: Class, label or value to explain; None: the second of two classes, or the only
            output there is.
        method: How bases are weighed.
        both_strands: Whether motifs may lie on either strand.
        most_sequences: So many are explained, drawn at random where there are more; 0: all.
        least_sites: Motifs with fewer sites are not given.
        most_q: Greatest q-value of a match that counts.
        comparison: How motifs are compared with known ones.
        boundaries: Whether to look at patch boundaries too.
        batch_size: Sequences per forward pass.
        seed: Of all that is drawn.
        task: Which one of a model of several tasks.
    """

    model: Path
    fasta: Path
    output: Path
    database: Path | None = None
    target: str | None = None
    method: Method = "input_x_gradient"
    both_strands: bool = True
    most_sequences: int = 2000
    least_sites: int = 20
    most_q: float = 0.05
    comparison: Comparison = "auto"
    boundaries: bool = False
    batch_size: int = 64
    seed: int = 0
    task: str | None = None


def run_motifs(options: MotifOptions) -> None:
    """Find the motifs a model rests on, and write them.

    Args:
        options: What the user asked for.

    Raises:
        OutputError: If the folder exists.
        ConfigError: If the model has no such output, or its letters are not nucleotides.
        DataError: If a file breaks a rule.
    """
    refuse_existing(options.output)
    console = Console(stderr=True)
    known = [] if options.database is None else read_motifs(options.database)
    model, tokenizer, output, name = _model(options)
    if tokenizer.alphabet_size != 4:
        raise ConfigError("motifs are made of nucleotides; this model reads proteins")
    both = options.both_strands and "U" not in tokenizer.alphabet.letters
    records = _records(options, model, tokenizer, console)
    sequences = [record.sequence.upper() for record in records]
    found: list[DiscoveredMotif] = []
    if output is not None:
        effects = _effects(model, tokenizer, sequences, output, options, console)
        with console.status("gathering seqlets ..."):
            found = discover_motifs(
                sequences, effects, both_strands=both, least_sites=options.least_sites,
                seed=options.seed,
            )  # fmt: skip
    around: BoundaryMotifs | None = None
    if options.boundaries:
        with console.status("cutting sequences into patches ..."):
            statistics = compute_compression_statistics(model, sequences, tokenizer=tokenizer)
        starts = [one.starts for one in statistics.sequences]
        around = boundary_motifs(sequences, starts, seed=options.seed)
    named = _named(found, known, both, options, console)
    search = MotifSearch(
        model=options.model.resolve().name,
        output=name,
        ids=[record.id for record in records],
        sequences=sequences,
        motifs=found,
        matches=named.matches if known else [[] for _ in found],
        most_q=options.most_q,
        facts=_facts(options, records, known, named),
        letters="ACGU" if "U" in tokenizer.alphabet.letters else "ACGT",
        database="" if options.database is None else options.database.name,
        boundaries=around,
        remarks=_remarks(found, known, output),
    )
    _write(options.output, search, both)
    _say(console, search, options)


def _model(options: MotifOptions) -> tuple[Any, Any, int | None, str]:
    """Model, tokenizer, and number and name of the output to explain; None: there is none."""
    architecture = open_model_folder(options.model).architecture
    if architecture in _LANGUAGE_MODELS:
        if not options.boundaries:
            raise ConfigError(
                f"{options.model}: a language model predicts no class of a sequence; "
                "--boundaries looks for motifs where its patches begin"
            )
        return *load_language_model(options.model), None, ""
    predictor = Predictor.from_pretrained(options.model, options.task)
    if predictor.tokenizer.bases_per_token != 1:
        raise ConfigError(
            f"{options.model}: motifs are read off single bases; the model's tokens are k-mers"
        )
    names = predictor.labels
    wanted = options.target
    if wanted is None:
        two_classes = predictor.task == "classification" and len(names) == 2
        if len(names) != 1 and not two_classes:
            raise ConfigError(f"name what to explain with --class: {', '.join(names)}")
        wanted = names[-1]
    if wanted not in names:
        raise ConfigError(f"--class {wanted!r}: the model knows {', '.join(names)}")
    number = names.index(wanted)
    words = {"regression": "a high value of"}.get(predictor.task, "class")
    return predictor.model, predictor.tokenizer, number, f"{words} {wanted}"


def _records(
    options: MotifOptions, model: Any, tokenizer: Any, console: Console
) -> list[SequenceRecord]:
    records = read_sequences(options.fasta)
    check_letters(records, tokenizer.alphabet, str(options.fasta))
    limit = model.config.max_position_embeddings
    for record in records:
        if not 0 < len(record.sequence) <= limit:
            raise DataError(
                f"{record.id} has {len(record.sequence):,} bases; 1 to {limit:,} are possible "
                "(max_position_embeddings of the model)",
                path=options.fasta,
            )
    if 0 < options.most_sequences < len(records):
        console.print(
            f"{options.most_sequences:,} of {len(records):,} sequences, drawn at random "
            "(--most-sequences)",
            highlight=False,
        )
        random = np.random.default_rng(options.seed)
        drawn = random.choice(len(records), options.most_sequences, replace=False)
        records = [records[at] for at in sorted(drawn.tolist())]
    return records


def _effects(
    model: Any,
    tokenizer: Any,
    sequences: Sequence[str],
    output: int,
    options: MotifOptions,
    console: Console,
) -> list[NDArray[np.float64]]:
    """(l, 4) effects of each sequence; those of one length go together."""
    found: list[NDArray[np.float64]] = [np.empty((0, 4))] * len(sequences)
    device = next(model.parameters()).device
    with _progress(console) as bar:
        step = bar.add_task("explaining", total=len(sequences))
        for rows in _same_length(sequences):
            ids = [tokenizer.encode(sequences[row]) for row in rows]
            attributions = attribute(
                model, torch.tensor(ids, device=device), output,
                method=options.method, batch_size=options.batch_size,
            )  # fmt: skip
            for row, one in zip(rows, attributions, strict=True):
                found[row] = one.effects.double().numpy()
            bar.advance(step, len(rows))
    return found


def _same_length(sequences: Sequence[str]) -> Iterator[list[int]]:
    by_length: dict[int, list[int]] = {}
    for row, sequence in enumerate(sequences):
        by_length.setdefault(len(sequence), []).append(row)
    for rows in by_length.values():
        for first in range(0, len(rows), _AT_ONCE):
            yield rows[first : first + _AT_ONCE]


def _named(
    found: Sequence[DiscoveredMotif],
    known: Sequence[Motif],
    both_strands: bool,
    options: MotifOptions,
    console: Console,
) -> DatabaseMatches:
    if not known or not found:
        return DatabaseMatches([[] for _ in found], "")
    with console.status("comparing with known motifs (TOMTOM compiles for a while at first) ..."):
        return match_database(
            [one.motif for one in found], known, both_strands=both_strands,
            method=options.comparison, most=_KEPT_MATCHES,
        )  # fmt: skip


def _facts(
    options: MotifOptions,
    records: Sequence[SequenceRecord],
    known: Sequence[Motif],
    named: DatabaseMatches,
) -> dict[str, str]:
    facts = {
        "Sequences": f"{len(records):,} of {options.fasta.name}",
        "Attribution": _METHOD_WORDS[options.method],
        "Fewest sites of a motif": str(options.least_sites),
        "Seed": str(options.seed),
    }
    if known:
        facts["Known motifs"] = f"{len(known):,}"
    if named.method:
        facts["Comparison"] = {"tomtom": "TOMTOM (memelite)", "own": "built in"}[named.method]
    return facts


def _remarks(
    found: Sequence[DiscoveredMotif], known: Sequence[Motif], output: int | None
) -> list[str]:
    remarks = []
    if output is not None and not found:
        remarks.append(
            "No motif was found: no stretch of bases speaks for or against the output often "
            "enough. More sequences, fewer sites per motif or a better model may help."
        )
    if 0 < len(known) < SMALL_DATABASE:
        remarks.append(
            f"There are {len(known)} known motifs; with fewer than {SMALL_DATABASE} the q-values "
            "depend much on which these are."
        )
    return remarks


def _write(output: Path, search: MotifSearch, both_strands: bool) -> None:
    """Write all files of the folder, which appears when it is complete."""
    with atomic_folder(output) as folder:
        motifs = [one.motif for one in search.motifs]
        if motifs:
            counts = [len(one.sites) for one in search.motifs]
            write_motifs(folder / "motifs.meme", motifs, sites=counts, both_strands=both_strands)
        if search.output:
            _write_table(folder / "motifs.tsv", _MOTIF_HEADER, _motif_rows(search))
            _write_table(folder / "sites.tsv", _SITE_HEADER, _site_rows(search))
        if search.database:
            _write_table(folder / "matches.tsv", _MATCH_HEADER, _match_rows(search))
        intervals = list(_intervals(search))
        if intervals:
            write_bed(folder / "sites.bed", intervals)
        for motif in motifs:
            write_logo(folder / "logos" / f"{motif.name}.png", motif, letters=search.letters)
        if search.boundaries is not None:
            _write_table(folder / "boundaries.tsv", _KMER_HEADER, search.boundaries.kmers)
            logo = folder / "logos" / "patch_start.png"
            write_logo(logo, search.boundaries.motif, letters=search.letters)
        write_motif_report(folder / "motifs.html", search)


_MOTIF_HEADER = (
    "motif", "consensus", "width", "evidence", "sites", "sequences", "match", "strand", "p", "q",
)  # fmt: skip
_SITE_HEADER = ("motif", "sequence", "start", "end", "strand", "letters", "attribution")
_MATCH_HEADER = ("motif", "match", "rank", "strand", "offset", "overlap", "p", "q")
_KMER_HEADER = ("kmer", "offset", "seen", "expected", "q")


def _motif_rows(search: MotifSearch) -> Iterator[list[Any]]:
    for one, matches in zip(search.motifs, search.matches, strict=True):
        best = _best(matches, search.most_q)
        told = ["", "", "", ""]
        if best is not None:
            told = [best.target.name, best.strand, f"{best.p_value:.3g}", f"{best.q_value:.3g}"]
        yield [
            one.motif.name, _letters(one.motif.consensus(), search), len(one.motif), one.evidence,
            len(one.sites), len({site.sequence for site in one.sites}), *told,
        ]  # fmt: skip


def _site_rows(search: MotifSearch) -> Iterator[list[Any]]:
    for one in search.motifs:
        for site in one.sites:
            yield [
                one.motif.name, search.ids[site.sequence], site.start, site.end, site.strand,
                search.letters_of(site), f"{site.score:.6g}",
            ]  # fmt: skip


def _match_rows(search: MotifSearch) -> Iterator[list[Any]]:
    for one, matches in zip(search.motifs, search.matches, strict=True):
        for rank, match in enumerate(matches, start=1):
            yield [
                one.motif.name, match.target.name, rank, match.strand, match.offset, match.overlap,
                f"{match.p_value:.3g}", f"{match.q_value:.3g}",
            ]  # fmt: skip


def _intervals(search: MotifSearch) -> Iterator[Interval]:
    """Sites by sequence and place; the score is the attribution in thousandths of the greatest."""
    greatest = max((abs(site.score) for one in search.motifs for site in one.sites), default=0.0)
    places = [(site, one.motif.name) for one in search.motifs for site in one.sites]
    for site, name in sorted(places, key=lambda place: (place[0][:3], place[1])):
        score = round(1000 * abs(site.score) / greatest) if greatest else 0
        contig = search.ids[site.sequence]
        yield Interval(contig, site.start, site.end, site.strand, name, float(score))


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(
            [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows
        )


def _say(console: Console, search: MotifSearch, options: MotifOptions) -> None:
    for remark in search.remarks:
        console.print(remark, style="yellow", highlight=False)
    if search.motifs:
        table = Table(title=escape(f"motifs of {search.model}"))
        for name in ("motif", "consensus", "speaks", "sites", "known motif", "q"):
            right = name in {"sites", "q"}
            table.add_column(name, justify="right" if right else "left", overflow="fold")
        for one, matches in zip(search.motifs, search.matches, strict=True):
            best = _best(matches, search.most_q)
            table.add_row(
                one.motif.name, _letters(one.motif.consensus(), search),
                escape(f"{one.evidence} {search.output}"), f"{len(one.sites):,}",
                "" if best is None else escape(best.target.name),
                "" if best is None else f"{best.q_value:.2g}",
            )  # fmt: skip
        Console().print(table)
    if search.boundaries is not None:
        shown = ", ".join(
            f"{one.kmer} at {one.offset:+d} ({one.seen / one.expected:.1f} times chance)"
            for one in search.boundaries.kmers[:3]
        )
        console.print(f"patch starts: {shown or 'no k-mer is enriched'}", highlight=False)
    console.print(
        f"report: {options.output / 'motifs.html'}", highlight=False, markup=False, soft_wrap=True
    )


def _best(matches: Sequence[MotifMatch], most_q: float) -> MotifMatch | None:
    return matches[0] if matches and matches[0].q_value <= most_q else None


def _letters(consensus: str, search: MotifSearch) -> str:
    return consensus.replace("T", search.letters[3])


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip
