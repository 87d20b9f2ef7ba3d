"""What ``hyena-glt generate`` and ``score`` do."""

import gzip
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from hyena_glt.biology.sequences import gc_content
from hyena_glt.cli.reading import check_letters, letters_or_file
from hyena_glt.errors import ConfigError
from hyena_glt.evaluation.periodicity import codon_periodicity
from hyena_glt.inference.generation import Generated, generate_sequences
from hyena_glt.inference.loading import load_language_model
from hyena_glt.inference.scoring import Values, score_sequence
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.fasta import iter_fasta, write_fasta
from hyena_glt.io.records import SequenceRecord

_STANDARD_INPUT = Path("/dev/stdin")
_SHORTEST_SIGNAL = 100


def run_generation(
    model: Path,
    prompt: str,
    length: int,
    n: int,
    gc: str | None,
    orf: bool,
    output: Path,
    decoding: dict[str, Any],
    *,
    offload: bool = False,
) -> None:
    """Generate sequences, write them as FASTA and compare them with shuffled copies.

    Args:
        model: Folder of a pretraining.
        prompt: Letters, or the path of a FASTA file; may be empty.
        length: New bases.
        n: Sequences per prompt.
        gc: Range of the GC fraction, ``0.4-0.6``; None leaves it free.
        orf: Whether the frame of the first base shall hold no stop codon.
        output: FASTA file; ``-`` is the terminal.
        decoding: Temperature, top-k, top-p, greedy, beams and seed, as in
            :func:`~hyena_glt.inference.generation.generate_sequences`.
        offload: Whether the weights stay in main memory.
    """
    gc_range = None if gc is None else _gc_range(gc)
    network, tokenizer = load_language_model(model, "cpu" if offload else None)
    prompts = [SequenceRecord("generated", "")]
    if prompt:
        prompts, origin = letters_or_file(prompt, "prompt")
        check_letters(prompts, tokenizer.alphabet, origin)
    console = Console(stderr=True)
    with _destination(output) as unfinished:
        with _progress(console) as bar:
            task = bar.add_task("generating", total=length * n * len(prompts))
            made = generate_sequences(
                network,
                tokenizer,
                [record.sequence for record in prompts],
                length=length,
                n=n,
                gc_range=gc_range,
                open_reading_frame=0 if orf else None,
                offload=offload,
                on_progress=lambda letters: bar.advance(task, letters),
                **decoding,
            )
        names = [f"{record.id}_{copy}" for record in prompts for copy in range(1, n + 1)]
        nucleotides = tokenizer.alphabet_size == 4
        records = [
            _record(name, one, nucleotides=nucleotides)
            for name, one in zip(names, made, strict=True)
        ]
        write_fasta(unfinished, records)
    console.print(_summary(made, nucleotides=nucleotides))
    if str(output) != "-":
        console.print(
            f"{_counted(len(made), 'sequence')}: {output}", highlight=False, soft_wrap=True
        )


def run_scoring(model: Path, fasta: Path, output: Path, per_base: Path | None) -> None:
    """Score each record of a FASTA file, one after another.

    Args:
        model: Folder of a pretraining.
        fasta: FASTA file, plain or gzipped; ``-`` is standard input.
        output: TSV file; ``-`` is the terminal.
        per_base: bedGraph file for the bits of each base; None writes none.
    """
    network, tokenizer = load_language_model(model)
    path = _STANDARD_INPUT if str(fasta) == "-" else fasta
    console = Console(stderr=True)
    if not network.config.causal:
        console.print(
            "two-sided model: pseudo-log-likelihoods, which do not compare with those of a causal "
            "model"
        )
    count, bases, total = 0, 0, 0.0
    with ExitStack() as files:
        table = files.enter_context(_text(files.enter_context(_destination(output))))
        tracks = None
        if per_base is not None:
            tracks = files.enter_context(_text(files.enter_context(_destination(per_base))))
        bar = files.enter_context(_progress(console))
        task = bar.add_task("scoring", total=None)
        table.write("id\tlength\tscored_bases\tlog_likelihood\tbits_per_base\n")
        for record in iter_fasta(path):
            check_letters([record], tokenizer.alphabet, str(path))
            encoded = tokenizer(record.sequence, return_tensors="np", return_attention_mask=False)
            ids = torch.from_numpy(encoded["input_ids"][0])
            track = None if tracks is None else _Track(tracks, record.id, tokenizer, ids)

            def on_block(start: int, values: Values, track: "_Track | None" = track) -> None:
                if track is not None:
                    track.write(start, values)
                bar.advance(task, len(values) * tokenizer.bases_per_token)

            scored = score_sequence(network, ids, on_block=on_block)
            table.write(
                f"{record.id}\t{len(record.sequence)}\t{scored.bases}\t"
                f"{scored.log_likelihood:.4f}\t{scored.bits_per_base:.5f}\n"
            )
            count, bases, total = count + 1, bases + scored.bases, total + scored.log_likelihood
    bits = -total / math.log(2) / bases if bases else math.nan
    console.print(
        f"{_counted(count, 'record')}, {_counted(bases, 'letter')} scored, "
        f"{bits:.4f} bits per base",
        highlight=False,
    )


class _Track:
    """The bits of each base of one record, as lines of a bedGraph file."""

    def __init__(self, handle: TextIO, name: str, tokenizer: Any, ids: torch.Tensor) -> None:
        self.handle = handle
        self.name = name
        self.tokenizer = tokenizer
        self.ids = ids
        self.end = 0

    def write(self, start: int, values: Values) -> None:
        """Write a block: the half-open interval of each token, and its bits per base."""
        starts, lengths = self.tokenizer.token_spans(self.ids[start : start + len(values)])
        starts = starts + self.end
        self.end = int(starts[-1] + lengths[-1])
        bits = -values / math.log(2) / lengths
        self.handle.writelines(
            f"{self.name}\t{starts[at]}\t{starts[at] + lengths[at]}\t{bits[at]:.4f}\n"
            for at in np.flatnonzero(~np.isnan(values))
        )


def _record(name: str, made: Generated, *, nucleotides: bool) -> SequenceRecord:
    description = f"log_likelihood={made.log_likelihood:.4f} bits_per_base={made.bits_per_base:.5f}"
    if nucleotides:
        description += f" gc={gc_content(made.new):.4f}"
    return SequenceRecord(name, made.sequence, description)


def _summary(made: Sequence[Generated], *, nucleotides: bool) -> Table:
    """Means over the sequences, and what is left of them in shuffled copies."""
    table = Table(title="new bases")
    table.add_column("mean")
    table.add_column("generated", justify="right")
    table.add_column("shuffled", justify="right")
    letters = sum(len(one.new) for one in made)
    bits = -sum(one.log_likelihood for one in made) / math.log(2) / letters
    table.add_row("bits per base", f"{bits:.4f}", "")
    if nucleotides:
        gc = gc_content("".join(one.new for one in made))
        table.add_row("GC", f"{gc:.4f}", f"{gc:.4f}")
        signals = [codon_periodicity(one.new) for one in made if len(one.new) >= _SHORTEST_SIGNAL]
        if signals:
            signal, shuffled, deviations = np.array(signals).T
            error = float(np.sqrt((deviations**2).sum()) / len(signals))
            table.add_row(
                "period-3 signal", f"{signal.mean():.2f}", f"{shuffled.mean():.2f} ± {error:.2f}"
            )
    return table


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _gc_range(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        return float(low), float(high)
    except ValueError:
        raise ConfigError(f"--gc {text!r}: expected two fractions, as in 0.4-0.6") from None


@contextmanager
def _destination(output: Path) -> Iterator[Path]:
    """Where to write; what is meant for the terminal gets there when it is complete."""
    if str(output) != "-":
        with atomic_write(output) as unfinished:
            yield unfinished
        return
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder) / "result"
        yield unfinished
        with unfinished.open(encoding="utf-8") as handle:
            shutil.copyfileobj(handle, sys.stdout)


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="\n") as handle:
        yield handle


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} bases"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
