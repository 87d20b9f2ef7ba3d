"""``hyena-glt``: every command, its options and its examples.

Commands import what they need when they run, so that ``--help`` answers at once.
"""

import os
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hyena_glt import __version__
from hyena_glt.cli.data import app as data_app
from hyena_glt.errors import HyenaGLTError, TrainingStopped

app = typer.Typer(
    name="hyena-glt",
    help="Train genomic language models on your own sequences, and use them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data_app, name="data")

_INTERRUPTED = 130  # what typer makes of Ctrl-C, and returns

_SET = typer.Option(
    "--set",
    metavar="SECTION.FIELD=VALUE",
    help="Override any setting, e.g. [cyan]--set training.num_epochs=20[/] or "
    "[cyan]--set model.hidden_size=256[/]. May be repeated.",
)


class Offload(StrEnum):
    """Where weights wait until they are needed."""

    cpu = "cpu"


_TASK = typer.Option("--task", help="Which task, of a model of several.")

_RESUME = typer.Option(
    "--resume", help="Go on with the run in --output from its newest checkpoint."
)
_THRESHOLD = typer.Option(
    "--threshold",
    metavar="P",
    help="Call the second of two classes from this probability on; auto: the threshold that was "
    "best on the validation data of the training.",
)


class Strand(StrEnum):
    """To which strand a label belongs."""

    both = "both"
    forward = "forward"
    auto = "auto"


class Freeze(StrEnum):
    """What a fine-tuning leaves as it is."""

    none = "none"
    backbone = "backbone"


class Objective(StrEnum):
    """What a language model learns to predict."""

    clm = "clm"
    mlm = "mlm"


class Molecule(StrEnum):
    """What the letters are."""

    dna = "dna"
    rna = "rna"
    protein = "protein"
    mixed = "mixed"


class ReadStrand(StrEnum):
    """Which strands of a reference are read."""

    auto = "auto"
    both = "both"
    forward = "forward"
    reverse = "reverse"


class ContigNames(StrEnum):
    """How contigs are looked up."""

    as_is = "as-is"
    auto = "auto"


class BaseMethod(StrEnum):
    """How bases are weighed."""

    input_x_gradient = "input_x_gradient"
    integrated_gradients = "integrated_gradients"
    mutagenesis = "mutagenesis"


class Comparison(StrEnum):
    """How motifs are compared with known ones."""

    auto = "auto"
    tomtom = "tomtom"
    own = "own"


def _version(wanted: bool) -> None:
    if wanted:
        Console().print(f"hyena-glt {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder to write; must not exist.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int, typer.Option(help="Of the simulated sequences and the training.")] = 0,
) -> None:
    """Train on simulated sequences with planted motifs, and look at the result.

    Nothing is downloaded.  The report lands in runs/demo/report.html.

    [bold]Example[/]

        hyena-glt demo
    """
    from hyena_glt.cli.experiment import run_demo

    run_demo(output, seed, _command())


@app.command()
def train(
    output: Annotated[
        Path,
        typer.Option(
            help="Folder for model, metrics, predictions, report; must not exist but to resume."
        ),
    ],
    train: Annotated[
        str | None,
        typer.Option(
            "--train", help="Training sequences with labels: a table, FASTA, JSON, Parquet (.gz)."
        ),
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="Validation sequences; else 10 % are held out.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Test sequences; else 20 % are held out.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="FASTA of class 1, with --negative in place of --train.")
    ] = None,
    negative: Annotated[str | None, typer.Option(help="FASTA of class 0.")] = None,
    test_positive: Annotated[
        str | None, typer.Option(help="Test FASTA of class 1, with --test-negative.")
    ] = None,
    test_negative: Annotated[str | None, typer.Option(help="Test FASTA of class 0.")] = None,
    fasta: Annotated[
        list[str] | None,
        typer.Option(help="Genome with --annotation, in place of --train. May be repeated."),
    ] = None,
    annotation: Annotated[
        str | None,
        typer.Option(
            help="GFF3, GTF or GenBank (.gz) of the features whose bases are to be found."
        ),
    ] = None,
    sequence_column: Annotated[
        str | None, typer.Option(help="Column of the sequences, if its name is unusual.")
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            help="Column of the labels; several by comma: multi-label. In FASTA, description or "
            "word:2 (second word of the header)."
        ),
    ] = None,
    drop_leaked: Annotated[
        bool,
        typer.Option("--drop-leaked", help="Do not train on sequences that the test holds too."),
    ] = False,
    molecule: Annotated[
        Molecule | None,
        typer.Option(help="What the letters are; mixed: the column modality says it."),
    ] = None,
    strand: Annotated[
        Strand | None,
        typer.Option(
            help="both: the label holds for either strand (binding sites). forward: it belongs to "
            "the given strand (promoters, splice sites). auto: decide on the validation data."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data.")] = None,
    precision_for: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="Number format and gradient norm that suit genome_annotation, variant_effect, "
            "protein_function or classification on this machine.",
        ),
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(
            "--from", help="Start from the model in this folder, of a pretraining or another task."
        ),
    ] = None,
    freeze: Annotated[
        Freeze | None,
        typer.Option(help="backbone: leave the weights of --from as they are, train the head."),
    ] = None,
    lora_rank: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Leave them, and train additions of this rank to them beside the head (LoRA).",
        ),
    ] = None,
    resume: Annotated[bool, _RESUME] = False,
    preset: Annotated[str | None, typer.Option(help="Model size: small, medium, large.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings, e.g. the config.yaml of a run.")
    ] = None,
    settings: Annotated[list[str] | None, _SET] = None,
) -> None:
    """Train on labelled sequences or an annotated genome, test, predict, and write a report.

    [bold]Examples[/]

        hyena-glt train --train train.csv --test test.csv --output runs/mine

        hyena-glt train --positive peaks.fa.gz --negative background.fa.gz --output runs/peaks

        hyena-glt train --train reads.tsv --label-column activity --set data.task=regression
        --set training.num_epochs=30 --output runs/activity

        hyena-glt train --molecule rna --train train.fa.gz --test test.fa.gz --label-column word:2
        --output runs/rna

        hyena-glt train --fasta genome.fna.gz --annotation genome.gff.gz --output runs/genes

        hyena-glt train --from runs/genome --train train.csv --output runs/tuned

        hyena-glt train --output runs/mine --resume
    """
    from hyena_glt.cli.experiment import resume_training, run_training
    from hyena_glt.cli.resuming import telling_how_to_go_on
    from hyena_glt.training.settings import load_settings

    flags = {
        "data.train": train, "data.validation": validation, "data.test": test,
        "data.positive": positive, "data.negative": negative,
        "data.test_positive": test_positive, "data.test_negative": test_negative,
        "data.fasta": fasta, "data.annotation": annotation, "data.drop_leaked": drop_leaked or None,
        "data.sequence_column": sequence_column, "data.label_column": label_column,
        "data.molecule": molecule, "training.strand": strand, "training.num_epochs": epochs,
        "training.freeze": freeze, "training.lora_rank": lora_rank, "pretrained": pretrained,
        "preset": preset,
    }  # fmt: skip
    given = {name: value for name, value in flags.items() if value is not None}
    if precision_for is not None:
        from hyena_glt.training.task_specific import (
            get_optimal_precision_config,
            precision_settings,
        )

        given |= precision_settings(get_optimal_precision_config(precision_for))
    with telling_how_to_go_on("train", output):
        if resume:
            resume_training(output, config, settings, given)
        else:
            run_training(load_settings(config, settings, given), output, _command())


@app.command()
def pretrain(
    output: Annotated[
        Path, typer.Option(help="Folder for model, metrics, log; must not exist but to resume.")
    ],
    fasta: Annotated[
        list[str] | None, typer.Option(help="Genome: FASTA (.gz). May be repeated.")
    ] = None,
    objective: Annotated[
        Objective | None,
        typer.Option(
            help="clm: predict each base from those before it (generation, scores). mlm: predict "
            "hidden bases from both sides (features).  [default: clm]"
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Model size: small, medium, large.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps.")] = None,
    window: Annotated[int | None, typer.Option(help="Bases per training window.")] = None,
    resume: Annotated[bool, _RESUME] = False,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings, e.g. the config.yaml of a run.")
    ] = None,
    settings: Annotated[list[str] | None, _SET] = None,
) -> None:
    """Pretrain a language model on a genome; score it on a tenth that is held out.

    The score is bits per base, beside that of a Markov model on the same bases. Lower is better;
    2 bits are chance.

    [bold]Examples[/]

        hyena-glt pretrain --fasta genome.fna.gz --output runs/genome

        hyena-glt pretrain --output runs/genome --resume

        hyena-glt pretrain --fasta chr1.fa.gz --fasta chr2.fa.gz --objective mlm
        --set pretraining.repeat_weight=0.1 --output runs/features
    """
    from hyena_glt.cli.pretraining import resume_pretraining, run_pretraining
    from hyena_glt.cli.resuming import telling_how_to_go_on
    from hyena_glt.training.settings import load_pretraining_settings

    flags = {
        "pretraining.fasta": fasta, "pretraining.objective": objective and objective.value,
        "pretraining.steps": steps, "pretraining.window": window, "preset": preset,
    }  # fmt: skip
    given = {name: value for name, value in flags.items() if value is not None}
    with telling_how_to_go_on("pretrain", output):
        if resume:
            resume_pretraining(output, config, settings, given)
        else:
            run_pretraining(load_pretraining_settings(config, settings, given), output, _command())


@app.command()
def evaluate(
    model: Annotated[Path, typer.Option(help="Folder of a training.")],
    data: Annotated[
        Path, typer.Option("--test", help="Sequences with labels; a genome with --annotation.")
    ],
    annotation: Annotated[
        Path | None,
        typer.Option(
            help="GFF3, GTF or GenBank (.gz) of the genome, for a model of an annotation."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="JSON file for the figures, with tables (TSV) beside it; else printed."),
    ] = None,
    sequence_column: Annotated[str | None, typer.Option(help="Column of the sequences.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of the labels.")] = None,
    task: Annotated[str | None, _TASK] = None,
    threshold: Annotated[str | None, _THRESHOLD] = None,
) -> None:
    """Score a trained model on labelled sequences, or on an annotated genome.

    Every figure comes with a 95 % confidence interval. Tables by class and by length, and the
    calibration, follow; with --output they are written too.

    [bold]Examples[/]

        hyena-glt evaluate --model runs/mine --test other.csv

        hyena-glt evaluate --model runs/genes --test other.fna.gz --annotation other.gff.gz
    """
    from hyena_glt.cli.use import run_evaluation

    run_evaluation(model, data, annotation, output, sequence_column, label_column, task, threshold)


@app.command()
def predict(
    model: Annotated[Path, typer.Option(help="Folder of a training.")],
    data: Annotated[
        Path, typer.Option("--input", help="Sequences: FASTA, FASTQ, a table, ... (.gz).")
    ],
    output: Annotated[
        Path,
        typer.Option(
            help="TSV file to write (features as .gff3 or .bed, for a model of an annotation); - "
            "for the terminal."
        ),
    ] = Path("-"),
    per_base: Annotated[
        Path | None,
        typer.Option(help="TSV file (.gz) for the classes of every base, of such a model."),
    ] = None,
    sequence_column: Annotated[str | None, typer.Option(help="Column of the sequences.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Sequences per forward pass.")] = 64,
    task: Annotated[str | None, _TASK] = None,
    threshold: Annotated[str | None, _THRESHOLD] = None,
) -> None:
    """Predict sequences without labels, or find features in contigs of any length.

    [bold]Examples[/]

        hyena-glt predict --model runs/mine --input new.fa.gz --output predictions.tsv

        hyena-glt predict --model runs/genes --input new.fna.gz --output genes.gff3
    """
    from hyena_glt.cli.use import run_prediction

    run_prediction(model, data, output, per_base, sequence_column, batch_size, task, threshold)


@app.command()
def annotate(
    model: Annotated[Path, typer.Option(help="Folder of a training with --annotation.")],
    fasta: Annotated[Path, typer.Option(help="Genome: FASTA (.gz); - for standard input.")],
    output: Annotated[
        Path, typer.Option(help="Features as .gff3 or .bed (.gz), or probabilities as .bw.")
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            help="GFF3, GTF or GenBank (.gz) to compare with, beside longest ORFs as a baseline."
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONTIG[:FIRST-LAST]",
            help="Only this part, 1-based with the last base included. May be repeated.",
        ),
    ] = None,
    orfs: Annotated[
        bool | None,
        typer.Option(
            "--orfs/--no-orfs",
            help="Genes as open reading frames without introns, or as runs of a class.  "
            "[default: frames for classes CDS+ and CDS-]",
        ),
    ] = None,
    genetic_code: Annotated[
        int, typer.Option(help="NCBI's number: 11 bacteria, archaea and plastids, 1 standard.")
    ] = 11,
    min_codons: Annotated[
        int, typer.Option(min=2, help="Fewest codons of a gene, stop included.")
    ] = 30,
    min_length: Annotated[
        int, typer.Option(min=1, help="Fewest bases of a feature that is no reading frame.")
    ] = 30,
    baseline_codons: Annotated[
        int, typer.Option(min=20, help="Fewest codons of an ORF of the baseline.")
    ] = 100,
    track: Annotated[
        str | None, typer.Option(help="Class of the .bw file; else one file per class.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows per forward pass.")] = 16,
) -> None:
    """Annotate a genome of any size: features, or probabilities for a genome browser.

    With --truth the calls are scored by bases, whole features and start codons.

    [bold]Examples[/]

        hyena-glt annotate --model runs/genes --fasta new.fna.gz --output genes.gff3

        hyena-glt annotate --model runs/genes --fasta ecoli.fna.gz --truth ecoli.gff.gz
        --region NC_000913.3:3713323-4641652 --output held_out.gff3

        hyena-glt annotate --model runs/genes --fasta new.fna.gz --track CDS+ --output plus.bw
    """
    from hyena_glt.cli.annotate import AnnotateOptions, run_annotate

    options = AnnotateOptions(
        region or [], orfs, genetic_code, min_codons, min_length, baseline_codons, track, batch_size
    )
    run_annotate(model, fasta, output, truth, options)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a train or pretrain run.")],
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Write it again as the run goes on; the page reloads itself."),
    ] = False,
) -> None:
    """Write the report of a run: running, crashed or finished.

    The page shows what the run has left in its folder so far, and says what is missing.

    [bold]Examples[/]

        hyena-glt report runs/mine

        hyena-glt report runs/mine --watch
    """
    from hyena_glt.cli.report import run_report

    run_report(run, watch=watch)


@app.command()
def inspect(
    sequence: Annotated[str, typer.Argument(help="Letters, or the path of a FASTA file.")],
    model: Annotated[
        Path | None, typer.Option(help="Folder of a training, whose merger decides.")
    ] = None,
    boundaries: Annotated[
        str | None, typer.Option(help="Patch starts of your own: 0,3,6 (0-based).")
    ] = None,
    rows: Annotated[int, typer.Option(min=0, help="Rows of the position table.")] = 30,
) -> None:
    """Show what the merger does to a sequence: patches in colour, positions in a table.

    Without a model and without boundaries, an untrained merger cuts by sequence patterns alone.

    [bold]Examples[/]

        hyena-glt inspect ATGGCGTTAGCCAAAGGTCCA --boundaries 0,3,6,9,15,18

        hyena-glt inspect genes.fa --model runs/mine
    """
    from hyena_glt.cli.use import run_inspection

    run_inspection(sequence, model, boundaries, rows)


@app.command()
def explain(
    model: Annotated[Path, typer.Option(help="Folder of a training or pretraining.")],
    fasta: Annotated[Path, typer.Option(help="Sequences: FASTA, FASTQ, a table, ... (.gz).")],
    output: Annotated[
        Path,
        typer.Option(
            help="HTML file; or a folder, for pages with tables (TSV) and pictures (PNG)."
        ),
    ] = Path("explain.html"),
    record: Annotated[
        list[str] | None,
        typer.Option(help="Name of a sequence to explain. May be repeated. Else all, up to 20."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="CONTIG:FIRST-LAST",
            help="A stretch to explain, 1-based with the last base included, as in genome "
            "browsers.",
        ),
    ] = None,
    annotation: Annotated[
        Path | None,
        typer.Option(help="Features to draw and to test: GFF3, GTF, GenBank or BED (.gz)."),
    ] = None,
    output_class: Annotated[
        str | None, typer.Option("--class", help="Class to explain; else the one predicted.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="mutagenesis, saliency, input_x_gradient, integrated_gradients, none; "
            "auto: mutagenesis where it is affordable."
        ),
    ] = "auto",
    flank: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Bases around a region that models of single bases read as well.  [default: 200]",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Most letters that are mutated; the cost is its square.")
    ] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, help="Sequences per forward pass.")] = 64,
    task: Annotated[str | None, _TASK] = None,
) -> None:
    """Say why a model predicts what it predicts, on a page for the browser.

    The page shows prediction, attribution, variants, patches and attention base by base, beside an
    annotation; it needs no network. Works with classifiers, models that label bases, and language
    models.

    [bold]Examples[/]

        hyena-glt explain --model runs/mine --fasta new.fa --record seq1

        hyena-glt explain --model runs/genes --fasta genome.fna --region chr1:1001-2000
        --annotation genome.gff3 --output pages/gene
    """
    from hyena_glt.cli.explain import run_explanation

    run_explanation(
        model, fasta, output, records=record or [], region=region, annotation=annotation,
        output_name=output_class, method=method, flank=flank, limit=limit, batch_size=batch_size,
        task=task,
    )  # fmt: skip


@app.command()
def generate(
    model: Annotated[Path, typer.Option(help="Folder of a pretraining with --objective clm.")],
    length: Annotated[int, typer.Option(help="New bases per sequence.")],
    prompt: Annotated[
        str,
        typer.Option(
            help="Letters to go on from, or the path of a FASTA file of them. Without it the "
            "first base is drawn at random."
        ),
    ] = "",
    n: Annotated[int, typer.Option("--n", help="Sequences per prompt.")] = 1,
    temperature: Annotated[
        float | None,
        typer.Option(help="Below 1, likely letters become likelier; above 1, less so. Else 1."),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="Draw from that many likeliest letters only.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Draw from the likeliest letters that together have this probability."),
    ] = None,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Take the likeliest letter each time; draw nothing.")
    ] = False,
    beams: Annotated[
        int, typer.Option(help="More than 1: search for the likeliest sequences.")
    ] = 1,
    gc: Annotated[
        str | None,
        typer.Option(
            metavar="LOW-HIGH",
            help="Fraction of G and C among the new bases of each sequence, e.g. 0.4-0.6.",
        ),
    ] = None,
    orf: Annotated[
        bool,
        typer.Option("--orf", help="No stop codon in the frame of the sequence's first base."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    offload: Annotated[
        Offload | None,
        typer.Option(help="Keep the weights in main memory, for a model larger than the GPU's."),
    ] = None,
    output: Annotated[Path, typer.Option(help="FASTA file to write; - for the terminal.")] = Path(
        "-"
    ),
) -> None:
    """Generate sequences with a causal language model.

    Each FASTA header gives log-likelihood (nats), bits per base and GC fraction of the new bases,
    as the model sees them, whatever the sampling. N and special tokens are never generated.

    [bold]Examples[/]

        hyena-glt generate --model runs/ecoli --prompt ATGAAACGCATT --length 3000 --n 10

        hyena-glt generate --model runs/ecoli --prompt ATG --length 297 --orf --gc 0.45-0.55

        hyena-glt generate --model runs/ecoli --prompt starts.fa --length 500 --temperature 0.8
        --top-p 0.95 --output new.fa.gz
    """
    from hyena_glt.cli.generation import run_generation

    decoding = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "greedy": greedy,
        "beams": beams, "seed": seed,
    }  # fmt: skip
    run_generation(model, prompt, length, n, gc, orf, output, decoding, offload=offload is not None)


@app.command()
def score(
    model: Annotated[Path, typer.Option(help="Folder of a pretraining.")],
    fasta: Annotated[
        Path, typer.Option(help="Sequences of any length: FASTA (.gz); - for standard input.")
    ],
    output: Annotated[Path, typer.Option(help="TSV file to write; - for the terminal.")] = Path(
        "-"
    ),
    per_base: Annotated[
        Path | None,
        typer.Option(help="bedGraph file (.gz) to write: bits of each base, 0-based, half-open."),
    ] = None,
) -> None:
    """Score sequences: log-likelihood (nats) and bits per base of each record.

    2 bits per base are chance; the lower, the better the model knows the sequence. N is not
    scored. The first base of a record counts 2 bits.

    [bold]Examples[/]

        hyena-glt score --model runs/ecoli --fasta genes.fa.gz --output scores.tsv

        hyena-glt score --model runs/ecoli --fasta contigs.fa --per-base bits.bedgraph.gz
    """
    from hyena_glt.cli.generation import run_scoring

    run_scoring(model, fasta, output, per_base)


@app.command()
def variants(
    model: Annotated[Path, typer.Option(help="Folder of a pretraining or a training.")],
    vcf: Annotated[str, typer.Option(help="Variants: VCF (.gz); - for standard input.")],
    fasta: Annotated[Path, typer.Option(help="Reference genome: FASTA, plain or bgzipped.")],
    output: Annotated[
        Path, typer.Option(help="File to write: .vcf, .vcf.gz (with an index), .tsv or .tsv.gz.")
    ],
    embeddings: Annotated[
        Path | None,
        typer.Option(help=".npz or .parquet file for the change of the embedding of each allele."),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(help="Bases around a variant that the model reads.  [default: 1024 or fewer]"),
    ] = None,
    strand: Annotated[
        ReadStrand,
        typer.Option(
            help="Strands of the reference to read; auto: both for language models, for others "
            "what their training meant."
        ),
    ] = ReadStrand.auto,
    contig_naming: Annotated[
        ContigNames,
        typer.Option(
            help="auto: 1 may also be chr1, MT chrM, and a contig chr1:1001-2000 of the FASTA "
            "file is that slice of chr1."
        ),
    ] = ContigNames.as_is,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse a VCF file that is not sorted or holds an allele that cannot be scored, "
            "a REF that is not in the FASTA file above all.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that died, if there is one.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows per forward pass.")] = 32,
    task: Annotated[str | None, _TASK] = None,
) -> None:
    """Score variants: what the model makes of the alternative allele, against the reference.

    Language models give the difference of the log-likelihoods (negative: the alternative is less
    likely), trained models that of log odds and probabilities, or of values.  Every record is
    written again with all it holds; those that cannot be scored say why, and are counted.

    [bold]Examples[/]

        hyena-glt variants --model runs/genome --vcf calls.vcf.gz --fasta ref.fa
        --output scored.vcf.gz

        hyena-glt variants --model runs/mine --vcf calls.vcf --fasta chr17.fa --contig-naming auto
        --output scored.tsv --embeddings changes.npz
    """
    from hyena_glt.cli.variants import run_variants

    settings = {
        "window": window, "strand": strand.value, "contig_naming": contig_naming.value,
        "batch_size": batch_size, "task": task,
    }  # fmt: skip
    run_variants(
        model, vcf, fasta, output, embeddings=embeddings, strict=strict, resume=resume,
        settings=settings,
    )  # fmt: skip


@app.command()
def motifs(
    model: Annotated[Path, typer.Option(help="Folder of a training; with --boundaries any model.")],
    fasta: Annotated[
        Path,
        typer.Option(
            "--fasta",
            "--positive",
            help="Sequences to explain: FASTA, a table, ... (.gz), best a thousand or more, of "
            "both classes.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder to write; must not exist.")],
    database: Annotated[
        Path | None,
        typer.Option(help="Known motifs to compare with: MEME, JASPAR or TRANSFAC (.gz)."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="Class or label to explain; else the second of two classes.",
        ),
    ] = None,
    method: Annotated[
        BaseMethod,
        typer.Option(
            help="How bases are weighed. mutagenesis replaces every base by every other and is the "
            "reference; input_x_gradient estimates the same from one pass."
        ),
    ] = BaseMethod.input_x_gradient,
    both_strands: Annotated[
        bool,
        typer.Option(
            "--both-strands/--forward", help="Whether a motif may lie on either strand of DNA."
        ),
    ] = True,
    most_sequences: Annotated[
        int, typer.Option(min=0, help="Explain so many, drawn at random; 0: all.")
    ] = 2000,
    least_sites: Annotated[
        int, typer.Option(min=2, help="Leave out motifs with fewer sites.")
    ] = 20,
    most_q: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Name a known motif up to this q-value.")
    ] = 0.05,
    comparison: Annotated[
        Comparison,
        typer.Option(
            help="tomtom needs the extra motifs; own is built in; auto takes the first where it is "
            "installed."
        ),
    ] = Comparison.auto,
    boundaries: Annotated[
        bool, typer.Option("--boundaries", help="Look at what stands where patches begin, too.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Sequences per forward pass.")] = 64,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    task: Annotated[str | None, _TASK] = None,
) -> None:
    """Find the sequence motifs that a model's predictions rest on, and name them.

    Bases are weighed, stretches that stand out gathered and aligned, and each group becomes a motif
    with its sites. The folder gets motifs.meme, motifs.tsv, matches.tsv, sites.bed and sites.tsv
    (0-based, half-open), logos/ and motifs.html, a page for the browser.

    A motif speaks for the class that is explained, or against it: of two classes, for the other.

    [bold]Examples[/]

        hyena-glt motifs --model runs/peaks --fasta peaks.fa.gz --database jaspar.meme
        --output runs/peaks_motifs

        hyena-glt motifs --model runs/types --fasta all.fa --class enhancer --method mutagenesis
        --most-sequences 500 --output runs/enhancers

        hyena-glt motifs --model runs/genome --fasta contigs.fa --boundaries --output runs/patches
    """
    from hyena_glt.cli.motifs import MotifOptions, run_motifs

    run_motifs(
        MotifOptions(
            model=model, fasta=fasta, output=output, database=database, target=target,
            method=method.value, both_strands=both_strands, most_sequences=most_sequences,
            least_sites=least_sites, most_q=most_q, comparison=comparison.value,
            boundaries=boundaries, batch_size=batch_size, seed=seed, task=task,
        )
    )  # fmt: skip


def _command() -> str:
    import shlex

    return shlex.join(["hyena-glt", *sys.argv[1:]])


def _say_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as the program speaks, without the line of code that gave it."""
    Console(stderr=True).print(f"warning: {message}", markup=False, soft_wrap=True, highlight=False)


def main() -> None:
    """Run the command line; mistakes of the user end in one line and exit code 2."""
    warnings.showwarning = _say_warning
    try:
        code = app(standalone_mode=False)
    except TrainingStopped as stopped:
        from hyena_glt.training.distributed import is_first_rank

        console = Console(stderr=True, quiet=not is_first_rank())
        console.print(str(stopped), markup=False, soft_wrap=True, highlight=False)
        sys.exit(143)  # as if SIGTERM had ended it
    except HyenaGLTError as error:
        if "RANK" in os.environ:  # of torchrun; else PyTorch need not be loaded for it
            from hyena_glt.training.distributed import let_first_speak

            let_first_speak()
        Console(stderr=True).print(
            f"[red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False
        )
        sys.exit(2)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except typer.Abort:
        sys.exit(_INTERRUPTED)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped")
        sys.exit(_INTERRUPTED)
    except Exception as error:
        show = getattr(error, "show", None)  # click's own usage errors
        if show is None:
            raise
        show()
        sys.exit(2)
    else:
        if code == _INTERRUPTED:
            Console(stderr=True).print("stopped")
        if code:
            sys.exit(code)
