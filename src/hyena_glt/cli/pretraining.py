"""One pretraining from a genome to a tested language model: what ``hyena-glt pretrain`` does.

read, divide -> Markov baseline -> train, in parts if need be -> test -> sample -> model, report
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import Tensor

from hyena_glt.biology.sequences import gc_content
from hyena_glt.cli.experiment import (
    Metrics,
    model_fields,
    refuse_existing,
    run_log,
    write_json,
    write_settings,
)
from hyena_glt.cli.resuming import (
    CHECKPOINTS,
    finish,
    finished_meanwhile,
    refuse_changes,
    settings_file,
)
from hyena_glt.cli.watching import PROBED_SEQUENCES, watchers
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.data.genome import Genome, Region
from hyena_glt.data.windows import scored_windows
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.baselines import InterpolatedMarkov
from hyena_glt.evaluation.periodicity import codon_periodicity
from hyena_glt.inference.generation import generate_sequences
from hyena_glt.io.fasta import write_fasta
from hyena_glt.io.records import SequenceRecord
from hyena_glt.model.faces import HyenaGLTForCausalLM
from hyena_glt.model.folder import save_model
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.distributed import is_first_rank
from hyena_glt.training.pretraining import Pretraining, PretrainingRegions, divide
from hyena_glt.training.settings import (
    PretrainingRunSettings,
    PretrainingSettings,
    load_pretraining_settings,
)

# Where the user does not say.  Genomes are long: dropout costs more than it saves, and positions
# reach far beyond the windows.
_MODEL_DEFAULTS: dict[str, Any] = {"target_compression": 6.0, "dropout": 0.0}
_CAUSAL_POSITIONS = 65_536
_ORDER = 12
_PERIODICITY_BASES = 300_000
# One long sample is all of one gene or of none, and its GC content varies by several per cent;
# short ones from many places average that.  A little more than the window of the periodicity.
_STRETCH = 375


def run_pretraining(settings: PretrainingRunSettings, output: Path, command: str) -> Metrics:
    """Pretrain a language model and compare it with a Markov model.

    Args:
        settings: What to pretrain on, and how.
        output: Folder to make.
        command: The command line, for the record.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        OutputError: If the folder exists.
        ConfigError: If a setting breaks a rule.
        DataError: If the genome breaks a rule.
        TrainingError: If the loss stops being a number.
    """
    refuse_existing(output)
    return _run(settings, output, command)


def resume_pretraining(
    output: Path,
    config: Path | None = None,
    overrides: list[str] | None = None,
    flags: dict[str, Any] | None = None,
) -> Metrics:
    """Go on with a pretraining that was interrupted, from its newest checkpoint.

    Args:
        output: Folder of the run.
        config: As given again on the command line; none of the three may change a setting.
        overrides: Likewise.
        flags: Likewise.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        OutputError: If there is no run in the folder, or it is finished.
        ConfigError: If a setting differs from that of the run.
        DataError: If the genome breaks a rule.
        TrainingError: If the loss stops being a number.
    """
    own = settings_file(output)
    settings = load_pretraining_settings(own)
    refuse_changes(settings, load_pretraining_settings(config, overrides, flags, base=own))
    metrics = finished_meanwhile(output)
    return _run(settings, output, None) if metrics is None else metrics


def _run(settings: PretrainingRunSettings, output: Path, command: str | None) -> Metrics:
    """Do it all; without a command the folder is there already."""
    console = Console(stderr=True, quiet=not is_first_rank())
    options = settings.pretraining
    if not options.fasta:
        raise ConfigError("there is no genome to train on: give --fasta")
    tokenizer = DNATokenizer(kmer_size=1)
    config = _model_config(settings, tokenizer)
    genome = Genome.read(options.fasta)
    regions = divide(genome, options)
    try:
        callbacks = watchers(options, output, _probes(genome, regions, options))
        pretraining = Pretraining(config, genome, regions, options, callbacks=callbacks)
    except DataError as error:
        raise DataError(
            f"{error} (pretraining.window={options.window})", path=", ".join(options.fasta)
        ) from None
    _say_sizes(console, genome, regions._replace(train=pretraining.windows.regions))
    baseline = _baseline(genome, regions, options)
    console.print(
        f"{baseline['name']}: {baseline['bits_per_base']:.4f} bits per base", highlight=False
    )
    with run_log(output) as log:
        if command is not None and is_first_rank():
            bits = baseline["bits_per_base"]
            log.write("baseline", name=baseline["name"], test={"bits_per_base": bits})
            write_settings(output, settings, command)
        result = pretraining.run(log=log, checkpoints=output / CHECKPOINTS)
    if not is_first_rank():
        return {}
    save_model(output, pretraining.model, tokenizer)
    metrics: Metrics = {
        "objective": options.objective,
        "test": {"bits_per_base": result.bits_per_base},
        "baseline": baseline,
        "validation": {"bits_per_base": result.validation_bits_per_base},
        "regions": {name: list(map(str, part)) for name, part in regions._asdict().items()},
        "train_seconds": round(result.seconds, 1),
        "parameters": pretraining.model.num_parameters(),
        "best_step": result.best_step,
    }
    if options.objective == "clm" and options.generate:
        console.print(f"sampling {options.generate:,} bases ...", highlight=False)
        metrics["generated"] = _sample(pretraining, tokenizer, output)
    write_json(output / "metrics.json", metrics)
    report = finish(output)
    _say_results(console, metrics)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)
    return metrics


def _probes(
    genome: Genome, regions: PretrainingRegions, options: PretrainingSettings
) -> dict[str, Tensor]:
    """The first validation windows, nothing hidden."""
    windows = scored_windows(genome, regions.validation, options.window)
    return SequenceCollator()(list(islice(windows, PROBED_SEQUENCES)))


def _model_config(settings: PretrainingRunSettings, tokenizer: DNATokenizer) -> HyenaGLTConfig:
    options = settings.pretraining
    causal = options.objective == "clm"
    defaults = _MODEL_DEFAULTS | {"causal": causal}
    if causal:
        defaults["max_position_embeddings"] = _CAUSAL_POSITIONS
    config = HyenaGLTConfig.for_tokenizer(tokenizer, **model_fields(settings, defaults))
    sampled = _stretches(options.generate)[1] if causal and options.generate else 0
    if causal and options.window + sampled > config.max_position_embeddings:
        raise ConfigError(
            f"pretraining.window ({options.window} bases) and the {sampled} that are sampled "
            f"behind it are longer than model.max_position_embeddings "
            f"({config.max_position_embeddings})"
        )
    return config


def _baseline(
    genome: Genome, regions: PretrainingRegions, options: PretrainingSettings
) -> dict[str, Any]:
    """The Markov model on the same regions; it needs no validation, so it learns from these too."""
    seen = [genome.codes(region) for region in [*regions.train, *regions.validation]]
    model = InterpolatedMarkov(_ORDER).fit(seen, seed=options.seed)
    name = f"interpolated Markov, order {_ORDER}"
    if options.objective == "mlm":
        name += ", every base from the left alone"
    bits = model.bits_per_base([genome.codes(region) for region in regions.test])
    return {"name": name, "bits_per_base": bits}


def _sample(pretraining: Pretraining, tokenizer: DNATokenizer, output: Path) -> dict[str, Any]:
    """Let the model go on from held-out sequence, and see whether it looks like the genome."""
    options, model, genome = pretraining.settings, pretraining.model, pretraining.genome
    assert isinstance(model, HyenaGLTForCausalLM)
    count, length = _stretches(options.generate)
    prompts = _places(pretraining.regions.test, count, options.window)
    made = generate_sequences(
        model, tokenizer, [genome.sequence(prompt) for prompt in prompts], length=length,
        seed=options.seed,
    )  # fmt: skip
    records = [
        SequenceRecord(f"generated_{number}", found.new, f"sampled after {prompt}")
        for number, (found, prompt) in enumerate(zip(made, prompts, strict=True), 1)
    ]
    write_fasta(output / "generated.fa", records)
    sequences = [record.sequence for record in records]
    period = codon_periodicity(sequences)
    held_out = max(pretraining.regions.test, key=lambda region: region.bases)
    real = held_out._replace(end=min(held_out.end, held_out.start + _PERIODICITY_BASES))
    return {
        "bases": count * length,
        "stretches": count,
        "gc": gc_content("".join(sequences)),
        "genome_gc": genome.gc_content,
        "periodicity": period.signal,
        "periodicity_shuffled": period.shuffled_mean,
        "periodicity_shuffled_sd": period.shuffled_sd,
        "genome_periodicity": codon_periodicity(genome.sequence(real)).signal,
    }


def _stretches(bases: int) -> tuple[int, int]:
    """How many stretches of how many bases make up the sample."""
    count = max(1, round(bases / _STRETCH))
    return count, -(-bases // count)


def _places(regions: Sequence[Region], count: int, window: int) -> list[Region]:
    """What stands before each stretch: windows evenly spread over the regions."""
    ends = np.cumsum([region.bases for region in regions])
    prompts = []
    for place in ((np.arange(count) + 0.5) * ends[-1] / count).astype(int).tolist():
        region = regions[int(np.searchsorted(ends, place, side="right"))]
        end = region.end - int(ends[regions.index(region)]) + place
        end = min(region.end, max(end, region.start + window))
        prompts.append(Region(region.contig, max(region.start, end - window), end))
    return prompts


def _say_sizes(console: Console, genome: Genome, regions: PretrainingRegions) -> None:
    train, validation, test = (sum(region.bases for region in part) for part in regions)
    count = len(genome.contigs())
    console.print(
        f"{genome.bases:,} bases in {count:,} contig{'s' if count > 1 else ''}: {train:,} to train "
        f"on, {validation:,} for validation, {test:,} held out",
        highlight=False,
        soft_wrap=True,
    )


def _say_results(console: Console, metrics: Metrics) -> None:
    held_out = metrics["regions"]["test"]
    where = held_out[0] if len(held_out) == 1 else f"{len(held_out):,} contigs"
    table = Table(title=f"held out: {where}")
    table.add_column("")
    table.add_column("Hyena-GLT", justify="right")
    table.add_column(metrics["baseline"]["name"], justify="right")
    unit = "bits per base" if metrics["objective"] == "clm" else "bits per hidden base"
    scores = metrics["test"]["bits_per_base"], metrics["baseline"]["bits_per_base"]
    table.add_row(unit, *(f"{bits:.4f}" for bits in scores))
    console.print(table)
    if "generated" in metrics:
        found = metrics["generated"]
        console.print(
            f"{found['bases']:,} bases generated behind {found['stretches']} held-out places:\n"
            f"period-3 signal {found['periodicity']:.2f}, "
            f"genome {found['genome_periodicity']:.2f}, "
            f"shuffled {found['periodicity_shuffled']:.2f} ± {found['periodicity_shuffled_sd']:.2f}"
            f"\nGC {found['gc']:.1%}, genome {found['genome_gc']:.1%}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    console.print(
        f"{metrics['parameters']:,} parameters, trained in {metrics['train_seconds']:.0f} s",
        highlight=False,
    )
