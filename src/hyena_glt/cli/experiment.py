"""One training from files to report: what ``hyena-glt train`` and ``demo`` do.

read and check -> decide the strand -> k-mer baseline -> train -> test -> model, tables, report
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from hyena_glt import __version__
from hyena_glt.cli.evaluation import evaluate_test, evaluation_record, interval_text, of_validation
from hyena_glt.cli.molecules import metrics_by_modality, say_by_modality
from hyena_glt.cli.reading import RunData, read_run_data
from hyena_glt.cli.resuming import (
    CHECKPOINTS,
    finish,
    finished_meanwhile,
    keep_decisions,
    kept_decisions,
    refuse_changes,
    refuse_other_test_data,
    settings_file,
    with_test_data,
)
from hyena_glt.cli.watching import first_sequences, watchers
from hyena_glt.config import PRESETS, HyenaGLTConfig
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.evaluation.baselines import KmerLogisticRegression
from hyena_glt.evaluation.evaluator import METRIC_TASKS
from hyena_glt.evaluation.metrics import compute_metrics
from hyena_glt.evaluation.strand import choose_strand
from hyena_glt.inference.predictor import Predictions, Predictor
from hyena_glt.inference.tables import write_predictions
from hyena_glt.interpretability.attribution import in_silico_mutagenesis
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.io.atomic import atomic_write
from hyena_glt.model.folder import save_model
from hyena_glt.training.curriculum import curriculum_options
from hyena_glt.training.distributed import is_first_rank
from hyena_glt.training.finetuning import StartingPoint, starting_point
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.precision import choose, default_device
from hyena_glt.training.run_log import RunLog, finite
from hyena_glt.training.settings import ModelSettings, RunSettings, load_settings

# Where the user does not say: two-sided, six nucleotides per patch.
MODEL_DEFAULTS: dict[str, Any] = {"causal": False, "target_compression": 6.0}
_EXAMPLES = 4
_DEMO_TRAINING = {"num_epochs": 4, "strand": "forward"}
_LONGEST_EXAMPLE = 512
# A model is made for longer sequences than those of its preset without being asked, up to here.
_LONGEST_BY_ITSELF = 8192
_LONGEST_OF_PROTEINS = 3  # amino acids per k-mer of the baseline

Metrics = dict[str, Any]


def run_training(settings: RunSettings, output: Path, command: str) -> Metrics:
    """Train, test, predict and report.

    Args:
        settings: What to train on, and how.
        output: Folder to make.
        command: The command line, for the record.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        OutputError: If the folder exists.
        ConfigError: If a setting breaks a rule.
        DataError: If the data break a rule.
    """
    return _train(settings, output, command)


def resume_training(
    output: Path,
    config: Path | None = None,
    overrides: list[str] | None = None,
    flags: dict[str, Any] | None = None,
) -> Metrics:
    """Go on with a training that was interrupted, from its newest checkpoint.

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
        DataError: If the data break a rule, or are others than those of the run.
    """
    own = settings_file(output)
    settings = load_settings(own)
    refuse_changes(settings, load_settings(config, overrides, flags, base=own))
    metrics = finished_meanwhile(output)
    return _train(settings, output, None) if metrics is None else metrics


def _train(settings: RunSettings, output: Path, command: str | None) -> Metrics:
    """Do it all; without a command the folder is there already."""
    choose(settings.training, default_device())  # refused before anything is read or written
    start = starting_point(settings)
    if settings.tasks:
        from hyena_glt.cli.multitask import run_tasks

        return run_tasks(settings, output, command)
    if settings.data.annotation is not None or settings.data.fasta:
        from hyena_glt.cli.annotation import run_annotation

        if settings.training.curriculum != "none":
            raise ConfigError(
                "training.curriculum is for labelled sequences; the windows of an annotated genome "
                "have one length"
            )
        return run_annotation(settings, output, command, start)
    if command is not None:
        refuse_existing(output)
    return _run(settings, output, command, start)


def _run(
    settings: RunSettings, output: Path, command: str | None, start: StartingPoint | None = None
) -> Metrics:
    console = Console(stderr=True, quiet=not is_first_rank())
    data = read_run_data(settings, None if start is None else start.tokenizer)
    parts = (data.train, data.validation, data.test)
    config = model_config(settings, data.tokenizer, parts, start)
    _say_sizes(console, data)
    if command is None:
        extra = kept_decisions(output)
        refuse_other_test_data(extra, data.test)
    else:
        extra = _decide(settings, data, start)
    curriculum = curriculum_options(settings.training, data.train, settings.data.molecule)
    with run_log(output) as log:
        if command is not None and is_first_rank():
            _write_start(console, settings, output, command, data, extra, log)

        loaders = create_genomic_dataloaders(
            data.train, data.validation, batch_size=settings.training.batch_size,
            seed=settings.training.seed, **curriculum,
        )  # fmt: skip
        callbacks = watchers(settings.training, output, first_sequences(loaders["val"]))
        pipeline = EnhancedTrainingPipeline(
            config, settings.training, start=start, log=log, callbacks=callbacks
        )
        result = pipeline.train(loaders["train"], loaders["val"], checkpoints=output / CHECKPOINTS)
        if not is_first_rank():
            return {}
        assert pipeline.model is not None
        save_model(output, pipeline.model, data.tokenizer)

        predictor = Predictor.from_pretrained(output)
        console.print("testing the best epoch ...")
        predictions = predictor.predict_dataset(data.test)
        found, warned = evaluate_test(
            data.test, predictions, seed=settings.training.seed, **of_validation(result.validation)
        )
        test = found.metrics
        for text in warned:
            log.write("note", message=f"test: {text}")
        by_modality = metrics_by_modality(data.test, predictions.scores)
        if by_modality:
            extra["by_modality"] = by_modality
        log.write("evaluation", split="test", epoch=float(result.best_epoch), step=result.steps,
                  loss=None, metrics=test)  # fmt: skip
        examples = _examples(predictor, data.test, predictions)
        metrics: Metrics = {
            "task": METRIC_TASKS[data.train.task],
            "labels": predictions.labels,
            "test": test,
            **evaluation_record(found),
            "validation": result.validation.metrics if result.validation else {},
            "train_seconds": round(result.seconds, 1),
            "parameters": pipeline.model.num_parameters(),
            "best_epoch": result.best_epoch,
            "compression_ratio": examples["compression_ratio"],
            **extra,
        }
    write_predictions(
        output / "predictions.tsv", data.test.ids, predictions, label_texts(data.test)
    )
    write_json(output / "examples.json", examples)
    write_json(output / "metrics.json", metrics)
    report = finish(output)
    say_results(console, metrics, report)
    return metrics


def _decide(settings: RunSettings, data: RunData, start: StartingPoint | None) -> Metrics:
    """What is found out before the training: the strand, and how good a simple model is."""
    decisions: Metrics = {}
    if data.leaks.test:
        decisions["leaks"] = data.leaks._asdict()
    strand = decide_strand(settings, data, start)
    if strand is not None:
        decisions["strand"] = strand
    baseline = kmer_baseline(settings, data) if is_first_rank() else None
    if baseline is not None:
        decisions["baseline"] = baseline
    return decisions


def _write_start(
    console: Console, settings: RunSettings, output: Path, command: str, data: RunData,
    decisions: Metrics, log: RunLog,
) -> None:  # fmt: skip
    """Say and keep what was decided, and all settings."""
    if data.leaks.test:
        log.write("note", message=_leak_sentence(data))
    strand, baseline = decisions.get("strand"), decisions.get("baseline")
    if strand is not None:
        log.write("note", message=f"strand: {strand['strand']}: {strand['reason']}")
        console.print(f"strand: [bold]{strand['strand']}[/] ({strand['reason']})", soft_wrap=True)
    if baseline is not None:
        log.write("baseline", name=baseline["name"], test=baseline["test"])
    keep_decisions(output, with_test_data(decisions, data.test))
    write_settings(output, settings, command)


def run_log(output: Path) -> RunLog:
    """The log of a run, in its folder; that of all processes but the first is in memory.

    Args:
        output: Folder of the run; made if needed.
    """
    if not is_first_rank():
        return RunLog()
    output.mkdir(parents=True, exist_ok=True)
    return RunLog(output / "log.jsonl")


def run_demo(output: Path, seed: int, command: str) -> Metrics:
    """Train on simulated sequences whose truth is known.

    The sequences and the truth are left in the folder ``data`` of the output.

    Args:
        output: Folder to make.
        seed: Of simulation and training.
        command: The command line, for the record.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        OutputError: If the folder exists.
    """
    from hyena_glt.data.simulation import demo_dataset, oracle_accuracy, write_bed

    refuse_existing(output)
    simulated = demo_dataset(seed)
    folder = output / "data"
    folder.mkdir(parents=True)
    files = {}
    for name in ("train", "validation", "test"):
        part = getattr(simulated, name)
        rows = "".join(f"{s.id}\t{s.sequence}\t{s.label}\n" for s in part.sequences)
        files[name] = str(folder / f"{name}.tsv")
        Path(files[name]).write_text("id\tsequence\tlabel\n" + rows, encoding="utf-8")
        write_bed(folder / f"{name}.bed", part.sequences)
    console = Console(stderr=True)
    console.print(
        "simulated promoters of 200 nt: positive where a GATA site lies upstream of a GC box, "
        "negative in the other order or with one of the two alone"
    )
    settings = RunSettings.model_validate(
        {"data": files, "training": {"seed": seed, **_DEMO_TRAINING}}
    )
    metrics = _run(settings, output, command)
    accuracy = metrics["test"]["accuracy"]
    baseline = metrics["baseline"]["test"]["accuracy"]
    console.print(
        f"accuracy on held-out sequences: [bold]{accuracy:.3f}[/]; k-mer logistic regression: "
        f"{baseline:.3f}; a scan with the true motifs: {oracle_accuracy(simulated.test):.3f}",
        highlight=False,
    )
    return metrics


def label_texts(dataset: GenomicDataset) -> list[str]:
    """The truth in words.

    Args:
        dataset: Labelled sequences.
    """
    if dataset.task == "classification":
        return [dataset.label_names[i] for i in dataset.labels]
    if dataset.task == "multi_label":
        return [
            ";".join(name for name, on in zip(dataset.label_names, row, strict=True) if on)
            for row in dataset.labels
        ]
    return [";".join(f"{value:.6g}" for value in np.atleast_1d(row)) for row in dataset.labels]


def write_json(path: Path, tree: Any) -> None:
    """Write JSON, whole or not at all; numbers that are not finite become null.

    Args:
        path: File.
        tree: What to write.
    """
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(finite(tree), indent=2) + "\n", encoding="utf-8")


def refuse_existing(output: Path) -> None:
    """Refuse to write into a folder that is there already.

    Args:
        output: Folder to make.

    Raises:
        OutputError: If it exists.
    """
    if is_first_rank() and output.exists():
        raise OutputError(f"{output} exists; choose another --output or remove it")


def write_settings(output: Path, settings: ModelSettings, command: str) -> None:
    """Write all settings of a run to ``config.yaml``.

    Args:
        output: Folder of the run.
        settings: Of the run.
        command: The command line, for the record.
    """
    tree = {"command": command, "version": __version__, **settings.model_dump(mode="json")}
    if tree.get("pretrained") is not None:
        del tree["preset"]  # the checkpoint decides the size
    with atomic_write(output / "config.yaml") as unfinished:
        unfinished.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def model_fields(settings: ModelSettings, defaults: dict[str, Any]) -> dict[str, Any]:
    """The fields of a model's configuration, from the weakest source to the strongest.

    Args:
        settings: Preset, and what the user sets.
        defaults: What a command sets over the preset; a target compression among them yields where
            the user decides the patches otherwise.
    """
    fields = {k: v for k, v in PRESETS[settings.preset].items() if k != "genomic_vocab_size"}
    fields |= defaults | settings.model
    if "target_compression" not in settings.model and (
        fields.get("boundary_scorer") == "fixed" or "merge_threshold" in settings.model
    ):
        fields["target_compression"] = None
    return fields


def model_config(
    settings: ModelSettings,
    tokenizer: Any,
    parts: Sequence[GenomicDataset],
    start: StartingPoint | None = None,
) -> HyenaGLTConfig:
    """The configuration of a model that can read some data.

    Args:
        settings: Preset, and what the user sets.
        tokenizer: Of the data.
        parts: All data sets.
        start: Checkpoint that decides the rest.

    Raises:
        ConfigError: If a field breaks its rule.
        DataError: If a sequence is longer than the model takes.
    """
    if start is not None:
        config = start.config_for(settings.model)
    else:
        fields = model_fields(settings, MODEL_DEFAULTS)
        needed = max(int(part.lengths.max()) for part in parts)
        if "max_position_embeddings" not in settings.model and needed <= _LONGEST_BY_ITSELF:
            fields["max_position_embeddings"] = max(fields["max_position_embeddings"], needed)
        fields.setdefault("quality_embedding", any("quality_scores" in part[0] for part in parts))
        config = HyenaGLTConfig.for_tokenizer(tokenizer, **fields)
    limit = config.max_position_embeddings
    for dataset in parts:
        longest = int(dataset.lengths.argmax())
        if dataset.lengths[longest] > limit:
            raise DataError(
                f"{dataset.ids[longest]} has {dataset.lengths[longest]} tokens, more than "
                f"max_position_embeddings={limit}; add --set "
                f"model.max_position_embeddings={dataset.lengths[longest]}"
            )
    return config


def decide_strand(
    settings: RunSettings, data: RunData, start: StartingPoint | None = None
) -> dict[str, Any] | None:
    """Decide the strand and say why.

    Args:
        settings: ``training.strand`` becomes ``both`` or ``forward``.
        data: Validation data decide.
        start: Checkpoint that may be able to read one strand only.

    Returns:
        The strand, the reason and the scores; None where there is nothing to decide.

    Raises:
        ConfigError: If both strands are asked for where there are none.
    """
    can_flip = settings.data.molecule == "dna" and settings.data.kmer_size == 1
    asked = settings.training.strand
    if not can_flip:
        if asked == "both":
            raise ConfigError(
                "training.strand=both needs DNA in single-nucleotide tokens (data.molecule=dna, "
                "data.kmer_size=1)"
            )
        settings.training.strand = "forward"
        return None
    one_way = None if start is None else start.one_way
    if one_way is not None:
        if asked == "both":
            raise ConfigError(f"training.strand=both: {one_way}")
        settings.training.strand = "forward"
        return {"strand": "forward", "reason": one_way}
    if asked != "auto":
        return None
    task = METRIC_TASKS[data.train.task]
    if task == "regression" and data.train.num_labels > 1:
        settings.training.strand = "forward"
        reason = "not decided for several values; give --strand both if they hold for either strand"
        return {"strand": "forward", "reason": reason}
    decision = choose_strand(
        (data.train.sequences, data.train.labels),
        (data.validation.sequences, data.validation.labels),
        task=task,  # type: ignore[arg-type]
        seed=settings.training.seed,
    )
    settings.training.strand = decision.strand
    return {"strand": decision.strand, "reason": decision.reason, "scores": decision.scores}


def kmer_baseline(settings: RunSettings, data: RunData) -> dict[str, Any] | None:
    """k-mer logistic regression on the same data; only for classes.

    Args:
        settings: Molecule and strand.
        data: To learn from, and to test on.

    Returns:
        Its name and its test figures; None without classes.
    """
    if data.train.task != "classification":
        return None
    molecule = settings.data.molecule
    both_strands = settings.training.strand == "both"
    bases = molecule in {"dna", "rna"}
    equal = bases and len({len(s) for part in (data.train, data.validation, data.test)
                           for s in part.sequences}) == 1  # fmt: skip
    model = KmerLogisticRegression(
        kmer_size=_LONGEST_OF_PROTEINS if molecule == "protein" else 5,
        both_strands=both_strands,
        positional=equal and not both_strands,
        molecule=molecule,
    )
    model.fit(
        data.train.sequences, data.train.labels, (data.validation.sequences, data.validation.labels)
    )
    scores = np.zeros((len(data.test), data.train.num_labels))
    scores[:, model.classes] = model.predict_proba(data.test.sequences)
    name = "k-mer logistic regression"
    if model.positional:
        name += " with positions"
    found = {"name": name, "test": compute_metrics("single_label", data.test.labels, scores)}
    by_modality = metrics_by_modality(data.test, scores)
    return {**found, "by_modality": by_modality} if by_modality else found


def _examples(
    predictor: Predictor, test: GenomicDataset, predictions: Predictions
) -> dict[str, Any]:
    """Patch statistics of the test data, and a few sequences explained base by base."""
    sample = [test[row]["input_ids"] for row in range(min(len(test), 500))]
    statistics = compute_compression_statistics(predictor.model, sample)
    tree: dict[str, Any] = {
        "patch_length_histogram": {
            "unit": "nucleotides",
            "counts": {str(k): v for k, v in statistics.length_histogram.items()},
        },
        "compression_ratio": statistics.compression_ratio,
        "attribution_method": (
            "in-silico mutagenesis: change of the output when the base is replaced, averaged over "
            "the other letters"
        ),
        "examples": [],
    }
    if predictor.model.config.kmer_size != 1:
        return tree
    truth = label_texts(test)
    confidence = predictions.scores.max(axis=1)
    for row in _chosen(predictions, truth, [len(s) for s in test.sequences]):
        output = 0 if predictions.task == "regression" else int(predictions.scores[row].argmax())
        ids = test[row]["input_ids"].unsqueeze(0)
        found = in_silico_mutagenesis(predictor.model, ids.to(predictor.device), output)
        patches = compute_compression_statistics(predictor.model, [ids]).sequences[0]
        tree["examples"].append(
            {
                "id": test.ids[row],
                "sequence": test.sequences[row].upper(),
                "label": truth[row],
                "prediction": predictions.names[row],
                "probability": None if predictions.task == "regression" else confidence[row],
                "patch_starts": patches.starts,
                "attribution": [round(x, 5) for x in found.scores.tolist()],
            }
        )
    return tree


def _chosen(predictions: Predictions, truth: list[str], lengths: list[int]) -> list[int]:
    """The surest right prediction of each class, then the surest mistake; for values, extremes."""
    if predictions.task == "regression":
        by_value = [r for r in np.argsort(predictions.scores[:, 0]).tolist()
                    if lengths[r] <= _LONGEST_EXAMPLE]  # fmt: skip
        return [*by_value[:1], *by_value[-2:]] if len(by_value) > 2 else by_value
    surest = np.argsort(-predictions.scores.max(axis=1), kind="stable").tolist()
    short = [row for row in surest if lengths[row] <= _LONGEST_EXAMPLE]
    rows: list[int] = []
    for name in sorted(set(truth)):
        right = [r for r in short if truth[r] == name == predictions.names[r]]
        rows += right[: max(1, (_EXAMPLES - 1) // 2)]
    wrong = [r for r in short if truth[r] != predictions.names[r]]
    rows = rows[: _EXAMPLES - 1] + wrong[:1]
    return rows or short[:_EXAMPLES]


def _say_sizes(console: Console, data: RunData) -> None:
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
    names = data.train.label_names
    labels = ", ".join(names[:8]) + (f", ... ({len(names)})" if len(names) > 8 else "")
    console.print(f"{sizes} sequences; labels: {labels or 'values'}", highlight=False)
    if data.leaks.test:
        console.print(_leak_sentence(data), style="yellow", highlight=False, soft_wrap=True)


def _leak_sentence(data: RunData) -> str:
    leaks = data.leaks
    found = (
        f"{leaks.test:,} of {len(data.test):,} test sequences are in the training or validation "
        "data too, letter for letter"
    )
    if leaks.dropped:
        return f"{found}; {leaks.training:,} sequences were left out there"
    return f"{found}; --drop-leaked leaves them out there"


def say_results(console: Console, metrics: Metrics, report: Path) -> None:
    """Print the test figures beside those of the baseline.

    Args:
        console: Where to.
        metrics: What ``metrics.json`` holds.
        report: Where the report is.
    """
    table = Table(title="test")
    table.add_column("metric")
    table.add_column("Hyena-GLT", justify="right")
    table.add_column("95 % interval", justify="right")
    baseline = metrics.get("baseline", {}).get("test", {})
    ranges = metrics.get("evaluation", {}).get("intervals", {})
    if baseline:
        table.add_column(metrics["baseline"]["name"], justify="right")
    for name, value in metrics["test"].items():
        cells = [name, f"{value:.4f}", interval_text(ranges.get(name))]
        table.add_row(*cells, *([f"{baseline.get(name, float('nan')):.4f}"] if baseline else []))
    console.print(table)
    if metrics.get("threshold") is not None:
        console.print(
            f"class {metrics['labels'][1]} from a probability of {metrics['threshold']:.3g} on, "
            f"the best on the validation data: mcc {metrics['test_at_threshold']['mcc']:.4f}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    say_by_modality(
        console, metrics.get("by_modality", {}), metrics.get("baseline", {}).get("by_modality")
    )
    console.print(
        f"{metrics['parameters']:,} parameters, {metrics['compression_ratio']:.2f} nucleotides per "
        f"patch, trained in {metrics['train_seconds']:.0f} s",
        highlight=False,
    )
    console.print(f"report: {report}", highlight=False, soft_wrap=True)
