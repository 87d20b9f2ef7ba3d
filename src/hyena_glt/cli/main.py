"""``hyena-glt``: every command, its options and its examples.

Commands import what they need when they run, so that ``--help`` answers at once.
"""

import sys
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
        typer.Option(help="GFF3 or GTF (.gz) of the features whose bases are to be found."),
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
        typer.Option(help="GFF3 or GTF (.gz) of the genome, for a model of an annotation."),
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


def _command() -> str:
    import shlex

    return shlex.join(["hyena-glt", *sys.argv[1:]])


def main() -> None:
    """Run the command line; mistakes of the user end in one line and exit code 2."""
    try:
        app(standalone_mode=False)
    except TrainingStopped as stopped:
        Console(stderr=True).print(str(stopped), markup=False, soft_wrap=True, highlight=False)
        sys.exit(143)  # as if SIGTERM had ended it
    except HyenaGLTError as error:
        Console(stderr=True).print(
            f"[red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False
        )
        sys.exit(2)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped")
        sys.exit(130)
    except Exception as error:
        show = getattr(error, "show", None)  # click's own usage errors
        if show is None:
            raise
        show()
        sys.exit(2)


if __name__ == "__main__":
    main()
