"""One training on several tasks from files to predictions: ``hyena-glt train`` with ``tasks:``.

for each task: read and check, strand, k-mer baseline -> train one model -> test each task -> tables
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import Tensor

from hyena_glt.cli.evaluation import evaluate_test, evaluation_record, of_validation
from hyena_glt.cli.experiment import (
    Metrics,
    decide_strand,
    kmer_baseline,
    label_texts,
    model_config,
    refuse_existing,
    run_log,
    write_json,
    write_settings,
)
from hyena_glt.cli.reading import RunData, make_tokenizer, read_run_data
from hyena_glt.cli.resuming import (
    CHECKPOINTS,
    finish,
    keep_decisions,
    kept_decisions,
    refuse_other_test_data,
    with_test_data,
)
from hyena_glt.cli.watching import PROBED_SEQUENCES, watchers
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.evaluator import METRIC_TASKS
from hyena_glt.inference.predictor import Predictor
from hyena_glt.inference.tables import write_predictions
from hyena_glt.model.folder import save_model
from hyena_glt.tasks.multitask import TaskWeighting, check_task_name
from hyena_glt.tokenizers import GenomicTokenizer
from hyena_glt.training.distributed import is_first_rank
from hyena_glt.training.multitask import MultiTaskResult, MultiTaskTraining
from hyena_glt.training.pipeline import HEADLINE
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import DataSettings, RunSettings, TaskSettings
from hyena_glt.training.task_batches import TaskData

_SHOWN = {
    "single_label": ("accuracy", "mcc", "auroc"),
    "multi_label": ("f1_macro", "auroc"),
    "regression": ("pearson", "spearman"),
}


class _Task(NamedTuple):
    """One task, read and decided upon."""

    data: RunData
    strand: str
    decision: dict[str, Any] | None
    baseline: dict[str, Any] | None

    def decisions(self) -> Metrics:
        """What was found out before the training, for those who go on with it."""
        found = {"strand": self.decision, "baseline": self.baseline}
        return {name: one for name, one in found.items() if one is not None}


def run_tasks(settings: RunSettings, output: Path, command: str | None) -> Metrics:
    """Train one model on several tasks, test and predict each.

    Args:
        settings: The tasks and their data, and how to train.
        output: Folder to make.
        command: The command line, for the record; None goes on with the run in the folder.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        OutputError: If the folder exists.
        ConfigError: If a setting breaks a rule; names the task.
        DataError: If the data of a task break a rule; names the task.
    """
    if command is not None:
        refuse_existing(output)
    for name in settings.tasks:  # before the data of all are read
        check_task_name(name)
    console = Console(stderr=True, quiet=not is_first_rank())
    tokenizer = _tokenizer(settings)
    kept = kept_decisions(output) if command is None else None
    tasks = {name: _read(name, settings, tokenizer, console, kept) for name in settings.tasks}
    parts = [part for task in tasks.values()
             for part in (task.data.train, task.data.validation, task.data.test)]  # fmt: skip
    trainer = MultiTaskTraining(
        model_config(settings, tokenizer, parts),
        {name: _task_data(settings.tasks[name], task) for name, task in tasks.items()},
        settings.training,
        callbacks=watchers(settings.training, output, _probes(tasks, tokenizer)),
    )
    with run_log(output) as log:
        trainer.log = log
        if command is not None and is_first_rank():
            _write_start(settings, output, command, tasks, log)
        result = trainer.run(checkpoints=output / CHECKPOINTS)
        if not is_first_rank():
            return {}
        save_model(output, trainer.model, tokenizer)
        console.print("testing the best epoch ...")
        (output / "predictions").mkdir(exist_ok=True)
        figures = {
            name: _test(name, task, trainer, result, tokenizer, output, log)
            for name, task in tasks.items()
        }
    headlines = [found["test"][HEADLINE[tasks[name].data.train.task]]
                 for name, found in figures.items()]  # fmt: skip
    metrics: Metrics = {
        "task": "multi_task",
        "tasks": figures,
        "mean_headline": float(np.mean(headlines)),
        "train_seconds": round(result.seconds, 1),
        "parameters": trainer.model.num_parameters(),
        "best_epoch": result.best_epoch,
    }
    weighting: TaskWeighting = settings.training.task_weighting
    if weighting == "uncertainty":
        metrics["loss_weights"] = trainer.model.task_weights.factors()
    write_json(output / "metrics.json", metrics)
    finish(output)
    _say_results(console, metrics, output)
    return metrics


def _write_start(
    settings: RunSettings, output: Path, command: str, tasks: Mapping[str, _Task], log: RunLog
) -> None:
    """Keep what was decided, and all settings."""
    for name, task in tasks.items():
        settings.tasks[name].strand = task.strand  # type: ignore[assignment]
        if task.decision is not None:
            reason = task.decision["reason"]
            log.write("note", message=f"{name}: strand: {task.strand}: {reason}")
    keep_decisions(
        output,
        {name: with_test_data(task.decisions(), task.data.test) for name, task in tasks.items()},
    )
    write_settings(output, settings, command)


def _probes(tasks: Mapping[str, _Task], tokenizer: Any) -> dict[str, Tensor]:
    """The first validation sequences of every task, equally many."""
    each = -(-PROBED_SEQUENCES // len(tasks))
    parts = [task.data.validation for task in tasks.values()]
    items = [part[row] for part in parts for row in range(min(each, len(part)))]
    return SequenceCollator(pad_token_id=tokenizer.pad_token_id)(
        [{name: value for name, value in item.items() if name != "labels"} for item in items]
    )


def _tokenizer(settings: RunSettings) -> Any:
    """One tokenizer for all tasks: that of their molecule, or the joint one."""
    if settings.data != DataSettings():
        raise ConfigError("give either data or tasks; what data says belongs into each task")
    tasks = settings.tasks
    for name, task in tasks.items():
        if task.annotation is not None or task.fasta:
            raise ConfigError(
                f"tasks.{name}: annotated genomes are for a training of their own; tasks are about "
                "whole sequences"
            )
        if task.molecule == "mixed":
            raise ConfigError(f"tasks.{name}.molecule must be one of dna, rna, protein")
    for field in ("kmer_size", "ambiguous"):
        found = {name: getattr(task, field) for name, task in tasks.items()}
        if len(set(found.values())) > 1:
            told = ", ".join(f"{name}: {value}" for name, value in found.items())
            raise ConfigError(f"{field} must be the same in all tasks, got {told}")
    first = next(iter(tasks.values()))
    if len({task.molecule for task in tasks.values()}) > 1:
        return GenomicTokenizer(kmer_size=first.kmer_size, ambiguous=first.ambiguous)
    return make_tokenizer(first)


def _read(
    name: str, settings: RunSettings, tokenizer: Any, console: Console, kept: Metrics | None
) -> _Task:
    """Read a task and decide what is not said, or was not decided before."""
    task = settings.tasks[name]
    run = RunSettings(data=task, training=settings.training.model_copy(), model=settings.model)
    if task.strand != "auto":
        run.training.strand = task.strand
    joint = tokenizer.is_joint
    if joint and run.training.strand == "both":
        raise ConfigError(f"task {name}: strand=both is for models of DNA alone")
    try:
        data = read_run_data(run, tokenizer.of(task.molecule) if joint else tokenizer)
        if joint:
            run.training.strand = "forward"
        if kept is None:
            decision = None if joint else decide_strand(run, data)
            baseline = kmer_baseline(run, data) if is_first_rank() else None
        else:
            refuse_other_test_data(kept[name], data.test)
            decision, baseline = kept[name].get("strand"), kept[name].get("baseline")
    except DataError as error:
        raise DataError(f"task {name}: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"task {name}: {error}") from None
    parts = (("train", data.train), ("validation", data.validation), ("test", data.test))
    sizes = ", ".join(f"{len(part):,} {which}" for which, part in parts)
    labels = ", ".join(data.train.label_names[:8]) or "values"
    strand = run.training.strand
    console.print(
        f"{name}: {sizes} sequences; labels: {labels}; strand: {strand}", highlight=False,
        soft_wrap=True,
    )  # fmt: skip
    if baseline is not None:
        mcc = baseline["test"].get("mcc", float("nan"))
        console.print(f"{name}: {baseline['name']}: MCC {mcc:.4f}", highlight=False)
    return _Task(data, strand, decision, baseline)


def _task_data(settings: TaskSettings, task: _Task) -> TaskData:
    strand: Any = task.strand
    molecule: Any = settings.molecule
    return TaskData(task.data.train, task.data.validation, strand, molecule, settings.weight)


def _test(
    name: str,
    task: _Task,
    trainer: MultiTaskTraining,
    result: MultiTaskResult,
    tokenizer: Any,
    output: Path,
    log: RunLog,
) -> Metrics:
    """Predict the test sequences of a task; figures, and a table of the predictions."""
    test = task.data.test
    predictor = Predictor.of_task(trainer.model, tokenizer, name)
    predictions = predictor.predict_dataset(test)
    found, warned = evaluate_test(
        test, predictions, seed=trainer.settings.seed, **of_validation(result.validation[name])
    )
    log.write(
        "evaluation", split="test", task=name, epoch=float(result.best_epoch), step=result.steps,
        loss=None, metrics=found.metrics,
    )  # fmt: skip
    for text in warned:
        log.write("note", message=f"{name}: test: {text}")
    write_predictions(
        output / "predictions" / f"{name}.tsv", test.ids, predictions, label_texts(test)
    )
    figures: Metrics = {
        "task": METRIC_TASKS[test.task],
        "labels": predictions.labels,
        "test": found.metrics,
        **evaluation_record(found),
        "validation": result.validation[name].metrics,
    }
    if task.baseline is not None:
        figures["baseline"] = task.baseline
    if task.decision is not None:
        figures["strand"] = task.decision
    if task.data.leaks.test:
        figures["leaks"] = task.data.leaks._asdict()
    return figures


def _say_results(console: Console, metrics: Metrics, output: Path) -> None:
    table = Table(title="test")
    for column in ("task", "metric"):
        table.add_column(column)
    for column in ("Hyena-GLT", "k-mers"):
        table.add_column(column, justify="right")
    for name, figures in metrics["tasks"].items():
        baseline = figures.get("baseline", {}).get("test", {})
        for metric in _SHOWN[figures["task"]]:
            if metric in figures["test"]:
                own = f"{figures['test'][metric]:.4f}"
                other = f"{baseline[metric]:.4f}" if metric in baseline else ""
                table.add_row(name, metric, own, other)
    console.print(table)
    console.print(
        f"{metrics['parameters']:,} parameters, trained in {metrics['train_seconds']:.0f} s; "
        f"results: {output}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
