"""``hyena-glt data``: look at sequences, split them, convert them, fetch public ones.

Commands import what they need when they run, so that ``--help`` answers at once.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Look at sequences, split them without leaks, convert them, fetch public ones.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


class Molecule(StrEnum):
    """What the letters are."""

    dna = "dna"
    rna = "rna"
    protein = "protein"


class SplitBy(StrEnum):
    """What a split keeps together."""

    random = "random"
    contig = "contig"
    identity = "identity"


_SEQUENCE_COLUMN = typer.Option(help="Column of the sequences, if its name is unusual.")
_LABEL_COLUMN = typer.Option(
    help="Column of the labels, several by comma. In FASTA and FASTQ, description or word:2 "
    "(second word of the header)."
)
_ID_COLUMN = typer.Option(help="Column of the names, if its name is unusual.")
_MOLECULE = typer.Option(help="What the letters are. DNA is compared on both strands.")
_IDENTITY = typer.Option(help="Share of equal letters from which on sequences count as relatives.")


@app.command()
def split(
    file: Annotated[
        Path, typer.Argument(help="Sequences in any format (.gz); - for standard input.")
    ],
    output: Annotated[
        Path, typer.Option(help="Folder for train, validation and test; must not exist.")
    ],
    by: Annotated[
        SplitBy,
        typer.Option(
            help="random: each sequence by itself. contig: whole chromosomes or groups. "
            "identity: whole clusters of sequences that are alike."
        ),
    ] = SplitBy.identity,
    fractions: Annotated[
        str, typer.Option(metavar="A,B,C", help="Shares of train, validation and test.")
    ] = "0.8,0.1,0.1",
    identity: Annotated[float, _IDENTITY] = 0.8,
    molecule: Annotated[Molecule, _MOLECULE] = Molecule.dna,
    group_column: Annotated[
        str | None,
        typer.Option(
            help="With --by contig: column of the groups. Else the contig is read off names such "
            "as chr1:100-350(+)."
        ),
    ] = None,
    test_groups: Annotated[
        str | None, typer.Option(help="With --by contig: groups for the test, e.g. chr8,chr9.")
    ] = None,
    validation_groups: Annotated[
        str | None, typer.Option(help="With --by contig: groups for validation.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Ending of the files to write, e.g. csv or fa.gz. Else that of the input.",
        ),
    ] = None,
    sequence_column: Annotated[str | None, _SEQUENCE_COLUMN] = None,
    label_column: Annotated[str | None, _LABEL_COLUMN] = None,
    id_column: Annotated[str | None, _ID_COLUMN] = None,
) -> None:
    """Split sequences so that nothing like a test sequence is among the training data.

    Writes train, validation and test, and split.tsv: where each sequence went, with its cluster.
    What of the test is still found among the training data is printed.

    [bold]Examples[/]

        hyena-glt data split promoters.csv --output splits/promoters --identity 0.8

        hyena-glt data split peaks.fa.gz --output splits/peaks --by contig --test-groups chr8
        --validation-groups chr9

        hyena-glt data split ncrna.fa.gz --output splits/ncrna --molecule rna --label-column word:2
    """
    from hyena_glt.cli.data_files import Columns
    from hyena_glt.cli.data_split import Rule, run_split

    rule = Rule(
        by.value, fractions, identity, molecule.value, group_column, test_groups,
        validation_groups, seed,
    )  # fmt: skip
    run_split(file, output, rule, format_, Columns(sequence_column, label_column, id_column))


@app.command()
def stats(
    file: Annotated[
        Path, typer.Argument(help="Sequences in any format (.gz); - for standard input.")
    ],
    validation: Annotated[
        Path | None, typer.Option(help="Validation sequences, to compare with.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Test sequences, to look for leaks.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for stats.json, stats.png and stats.svg.")
    ] = None,
    identity: Annotated[float, _IDENTITY] = 0.8,
    molecule: Annotated[Molecule, _MOLECULE] = Molecule.dna,
    numeric: Annotated[
        bool, typer.Option("--numeric", help="Labels are values, not classes.")
    ] = False,
    sequence_column: Annotated[str | None, _SEQUENCE_COLUMN] = None,
    label_column: Annotated[str | None, _LABEL_COLUMN] = None,
    id_column: Annotated[str | None, _ID_COLUMN] = None,
) -> None:
    """Lengths, GC, N, classes, copies, contradicting labels, and test sequences seen in training.

    [bold]Examples[/]

        hyena-glt data stats train.csv

        hyena-glt data stats train.csv --test test.csv --output looks/mine
    """
    from hyena_glt.cli.data_files import Columns
    from hyena_glt.cli.data_stats import run_stats

    files = {"train": file, "validation": validation, "test": test}
    given = {name: path for name, path in files.items() if path is not None}
    columns = Columns(sequence_column, label_column, id_column, numeric)
    run_stats(given, output, identity, molecule.value, columns)


@app.command()
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="FASTA, FASTQ, GenBank, table, JSON, JSONL, Parquet; BED, GFF, VCF with --fasta; "
            "- for standard input.",
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="File to write, by its ending; - for the terminal."),
    ],
    fasta: Annotated[
        Path | None,
        typer.Option(help="Genome of the intervals or variants: FASTA."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="GFF: only features of this kind, e.g. CDS. May be repeated."),
    ] = None,
    flank: Annotated[int, typer.Option(min=0, help="BED, GFF: bases to add on either side.")] = 0,
    window: Annotated[int, typer.Option(min=1, help="VCF: bases around each variant.")] = 1000,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="bed, gff, gtf or vcf, where the name of IN does not say it.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="Format for the terminal, by its ending, e.g. csv."),
    ] = None,
    min_length: Annotated[int | None, typer.Option(help="Drop shorter sequences.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Drop longer sequences.")] = None,
    max_n: Annotated[
        float | None, typer.Option(help="Drop sequences with a larger share of N.")
    ] = None,
    min_mean_phred: Annotated[
        float | None, typer.Option(help="Drop reads of lower mean quality (needs qualities).")
    ] = None,
    numeric: Annotated[
        bool, typer.Option("--numeric", help="Labels are values, not classes.")
    ] = False,
    sequence_column: Annotated[str | None, _SEQUENCE_COLUMN] = None,
    label_column: Annotated[str | None, _LABEL_COLUMN] = None,
    id_column: Annotated[str | None, _ID_COLUMN] = None,
) -> None:
    """Convert sequences from any format to any other, and filter them on the way.

    What the new format cannot hold, and what is dropped, is printed.

    [bold]Examples[/]

        hyena-glt data convert reads.fastq.gz good.fa.gz --min-mean-phred 20 --max-n 0.1

        hyena-glt data convert ncrna.fa.gz ncrna.csv --label-column word:2

        hyena-glt data convert peaks.bed peaks.fa.gz --fasta genome.fa --flank 100

        zcat reads.fq.gz | hyena-glt data convert - - --to csv
    """
    from hyena_glt.cli.data_convert import Genome, Limits, run_convert
    from hyena_glt.cli.data_files import Columns

    columns = Columns(sequence_column, label_column, id_column, numeric)
    genome = Genome(fasta, tuple(kind or ()), flank, window)
    limits = Limits(min_length, max_length, max_n, min_mean_phred)
    run_convert(source, target, from_, to, columns, genome, limits)


@app.command()
def fetch(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME|URL", help="A name of --list, or an address.")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder to write to; a set gets a folder of its own in it.")
    ] = Path("data"),
    list_: Annotated[
        bool, typer.Option("--list", help="Print all names, or those with NAME.")
    ] = False,
    sha256: Annotated[
        str | None, typer.Option(help="Checksum that the file at an address must have.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Fetch again what is there.")
    ] = False,
) -> None:
    """Fetch public sequences, genomes and motifs; goes on where a connection broke.

    [bold]Examples[/]

        hyena-glt data fetch --list

        hyena-glt data fetch gue/prom_core_all

        hyena-glt data fetch genome/ecoli_k12 --output genomes

        hyena-glt data fetch https://example.org/reads.fastq.gz
    """
    from hyena_glt.cli.data_fetch import run_fetch, run_list

    if list_:
        run_list(name or "")
        return
    if name is None:
        raise typer.BadParameter("give a name or an address, or --list", param_hint="NAME|URL")
    run_fetch(name, output, sha256, overwrite)
