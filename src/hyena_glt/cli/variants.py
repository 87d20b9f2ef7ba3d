"""What ``hyena-glt variants`` does."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from hyena_glt.inference.variant_files import Written, score_vcf, unfinished_folder
from hyena_glt.inference.variant_reference import REASONS
from hyena_glt.inference.variant_survey import Survey
from hyena_glt.inference.variants import VariantScorer
from hyena_glt.model.faces import HyenaGLTForSequenceClassification

_MOST_CONTIGS = 5


def run_variants(
    model: Path,
    vcf: str,
    fasta: Path,
    output: Path,
    *,
    embeddings: Path | None,
    strict: bool,
    resume: bool,
    settings: dict[str, Any],
) -> None:
    """Score the variants of a VCF file, and say what became of them.

    Args:
        model: Folder of a pretraining or a training.
        vcf: VCF file; ``-`` is the standard input.
        fasta: The reference.
        output: VCF or TSV file.
        embeddings: NPZ or Parquet file for the changes of the embeddings; None writes none.
        strict: Refuse a file with an allele that cannot be scored, or that is not sorted.
        resume: Go on with a run that died, if there is one.
        settings: Further arguments of the scorer, ``window`` among them, and ``task``.
    """
    console = Console(stderr=True)
    scorer = VariantScorer.from_pretrained(
        model, fasta, embeddings=embeddings is not None, **settings
    )
    if settings["window"] is None and isinstance(scorer.model, HyenaGLTForSequenceClassification):
        console.print(
            f"the model will read {scorer.window:,} bases around each variant; give it windows as "
            "long as the sequences it was trained on (--window)",
            style="yellow", highlight=False, soft_wrap=True,
        )  # fmt: skip
    with _progress(console) as bar:
        task = bar.add_task("reading", total=None)

        def on_survey(survey: Survey) -> None:
            _say_survey(console, survey)
            bar.update(task, description="scoring", total=survey.records)

        try:
            written = score_vcf(
                scorer, vcf, output, embeddings=embeddings, strict=strict, resume=resume,
                on_survey=on_survey, on_progress=lambda done: bar.update(task, completed=done),
            )  # fmt: skip
        except KeyboardInterrupt:
            if unfinished_folder(output).exists():
                console.print("go on with the same command and --resume", highlight=False)
            raise
    _say_result(console, written, output, scorer)


def _say_survey(console: Console, survey: Survey) -> None:
    """Counts before scoring, and what a user may want to change."""
    if not survey.records:
        console.print("[yellow]the VCF file holds no variants[/]")
    else:
        console.print(
            f"{survey.records:,} records, {survey.alternatives:,} alternatives", highlight=False
        )
    if survey.renamed:
        some = [f"{old} is {new}" for old, new in survey.renamed.items()][:_MOST_CONTIGS]
        records = sum(survey.absent[name] for name in survey.renamed)
        console.print(
            f"{records:,} records lie on contigs that the FASTA file names otherwise "
            f"({', '.join(some)}): --contig-naming auto finds them",
            style="yellow", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    lost = [name for name in survey.absent if name not in survey.renamed]
    if lost:
        dots = ", ..." if len(lost) > _MOST_CONTIGS else ""
        console.print(
            f"contigs that the FASTA file does not have: {', '.join(lost[:_MOST_CONTIGS])}{dots}",
            style="yellow", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    if survey.unsorted:
        console.print(
            f"{survey.unsorted:,} records are out of order, first {survey.first_unsorted}: they "
            "are scored and written as they stand, without an index (bcftools sort orders them)",
            style="yellow", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


def _say_result(console: Console, written: Written, output: Path, scorer: VariantScorer) -> None:
    survey = written.survey
    table = Table(title=f"alternatives of {survey.records:,} records")
    table.add_column("")
    table.add_column("count", justify="right")
    table.add_column("first")
    table.add_row("scored", f"{written.scored:,}", "")
    for name, count in survey.reasons.items():
        table.add_row(f"not scored: {REASONS[name]}", f"{count:,}", survey.examples[name])
    console.print(table, markup=False)
    strands = "both strands" if len(scorer.strands) == 2 else f"strand {scorer.strands[0]}"
    if scorer.model.config.reverse_complement == "average" and len(scorer.strands) == 1:
        strands = "both strands, averaged by the model"
    console.print(f"windows of {scorer.window:,} bases, {strands}", highlight=False)
    if written.resumed:
        console.print(f"{written.resumed:,} records were done already", highlight=False)
    index = "" if written.tabix is None else f", {written.tabix.name}"
    console.print(f"written: {output}{index}", highlight=False, markup=False, soft_wrap=True)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("records"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
