"""What each process of ``test_distributed`` runs: ``python together.py FOLDER WAY ...``.

Trains in each of the ways, alone or started by ``torchrun``, and leaves losses and weights in the
folder.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.genome import Genome
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import TrainingStopped
from hyena_glt.io.records import SequenceRecord
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.callbacks import Callback
from hyena_glt.training.distributed import rank_count
from hyena_glt.training.multitask import MultiTaskTraining
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.pretraining import Pretraining, divide
from hyena_glt.training.settings import PretrainingSettings, TrainingSettings
from hyena_glt.training.step import StepFigures
from hyena_glt.training.task_batches import TaskData

TOKENIZER = DNATokenizer(kmer_size=1)
TINY: dict[str, Any] = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "dropout": 0.0, "head_dropout": 0.0,
}  # fmt: skip


class Notice(Callback):
    """Tells the first process after step 5 that it will be ended."""

    def on_step(self, step: int, figures: StepFigures) -> None:
        """Send the signal, if it is time."""
        if step == 5:
            os.kill(os.getpid(), signal.SIGTERM)


def slowly(state: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write a checkpoint as a slow disk does, which only the process that writes waits for."""
    time.sleep(1)
    save_file(state, path, metadata=metadata)


def labelled(way: Any, *callbacks: Callback) -> EnhancedTrainingPipeline:
    """A training whose patches have one length, so that all numbers are those of one process."""
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY, causal=False, boundary_scorer="fixed")
    settings = TrainingSettings(
        num_epochs=3, precision="fp32", parallel=way, strand="both", gradient_accumulation=2
    )
    return EnhancedTrainingPipeline(config, settings, progress=False, callbacks=callbacks)


def train(trainer: EnhancedTrainingPipeline, folder: Path) -> None:
    """On 17 sequences of two lengths, in batches of 8: the last has one."""
    random = np.random.default_rng(0)
    rows = [
        {"sequence": "".join(random.choice(list("ACGT"), 20 + 8 * (n % 2))), "labels": n % 3 % 2}
        for n in range(17)
    ]
    parts = create_genomic_dataloaders(rows, rows[:6], TOKENIZER, 8)
    trainer.train(parts["train"], parts["val"], checkpoints=folder)


def several(way: Any, *callbacks: Callback) -> MultiTaskTraining:
    """Classes and values, 9 sequences each in batches of 4: the last leaves one process nothing."""
    random = np.random.default_rng(2)
    rows = ["".join(random.choice(list("ACGT"), 20 + 8 * (n % 2))) for n in range(9)]
    tasks = {}
    for name, kind in (("values", "regression"), ("classes", "classification")):
        labels: list[Any] = [row.count("G") for row in rows]
        labels = labels if kind == "regression" else [count > 5 for count in labels]
        items = [{"sequence": row, "labels": int(at)} for row, at in zip(rows, labels, strict=True)]
        data = GenomicDataset(items, TOKENIZER, None, kind)  # type: ignore[arg-type]
        tasks[name] = TaskData(data, data, "both", weight=1.5)
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY, boundary_scorer="fixed")
    settings = TrainingSettings(
        num_epochs=3, precision="fp32", parallel=way, batch_size=4, task_weighting="uncertainty",
        gradient_accumulation=2,
    )  # fmt: skip
    return MultiTaskTraining(config, tasks, settings, progress=False, callbacks=callbacks)


def pretraining(way: Any) -> Pretraining:
    """A pretraining whose threshold follows the data."""
    letters = "".join(np.random.default_rng(1).choice(list("ACGT"), 6000))
    genome = Genome([SequenceRecord("chr", letters)])
    settings = PretrainingSettings(
        window=64, batch_size=4, steps=6, evaluate_every=3, precision="fp32", parallel=way
    )
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY, max_position_embeddings=512)
    return Pretraining(config, genome, divide(genome, settings), settings, progress=False)


def losses(trainer: EnhancedTrainingPipeline | MultiTaskTraining | Pretraining) -> list[float]:
    """Loss of each step."""
    return [event["loss"] for event in trainer.log.events if event["event"] == "step"]


def same(one: PreTrainedModel, other: PreTrainedModel) -> bool:
    """Whether two models have the same weights, bit for bit."""
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


def running(model: PreTrainedModel) -> list[float]:
    """What the merger followed."""
    merger: Any = model.model.initial_merger
    return [float(merger.threshold), float(merger.score_scale), float(merger.updates)]


def run(folder: Path, way: str) -> None:
    """Train in one way: in one go, stopped and gone on with, and a pretraining."""
    whole, stopped, resumed = labelled(way), labelled(way, Notice()), labelled(way)
    train(whole, folder / f"{way}-whole")
    try:
        with patch("hyena_glt.training.checkpoints.save_file", slowly):
            train(stopped, folder / f"{way}-stopped")
        raise AssertionError("it was to stop")
    except TrainingStopped:
        train(resumed, folder / f"{way}-stopped")
    tasks, cut, again = several(way), several(way, Notice()), several(way)
    score = tasks.run(checkpoints=folder / f"{way}-tasks-whole").score
    try:
        cut.run(checkpoints=folder / f"{way}-tasks")
        raise AssertionError("it was to stop")
    except TrainingStopped:
        again.run(checkpoints=folder / f"{way}-tasks")
    genome = pretraining(way)
    bits = genome.run().bits_per_base
    assert whole.model is not None
    assert resumed.model is not None
    found = {
        "losses": losses(whole), "pretraining": losses(genome), "bits": bits,
        "running": running(genome.model),
        "alike": same(whole.model, resumed.model),
        "tasks": losses(tasks), "score": score, "tasks_alike": same(tasks.model, again.model),
    }  # fmt: skip
    name = f"{way}-{os.environ.get('RANK', 'alone')}"
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    for file, model in ((name, whole.model), (f"{name}-tasks", tasks.model)):
        state = {key: value.clone() for key, value in model.state_dict().items()}
        save_file(state, folder / f"{file}.safetensors")


if __name__ == "__main__":
    if rank_count() > 1:
        dist.init_process_group("gloo")
    for one in sys.argv[2:]:
        run(Path(sys.argv[1]), one)
