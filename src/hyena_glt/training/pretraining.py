"""Language-model pretraining on a genome: windows in, bits per base out.

Reading order: ``data.genome`` divides the genome, ``data.windows`` cuts windows, ``engine`` runs
the steps, **this file** says what they see and how the model is scored.  What step n sees is a
function of the settings and of n alone.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.collators import (
    MASK_TOKEN_ID,
    MaskedLanguageModelCollator,
    SequenceCollator,
)
from hyena_glt.data.curriculum import GrowingWindows
from hyena_glt.data.genome import Genome, Region, split_regions
from hyena_glt.data.windows import GenomeWindows, scored_windows
from hyena_glt.errors import ConfigError
from hyena_glt.evaluation.evaluator import evaluate
from hyena_glt.model.faces import HyenaGLTForCausalLM, HyenaGLTForMaskedLM
from hyena_glt.tasks.losses import IGNORED
from hyena_glt.training.callbacks import Callback
from hyena_glt.training.distributed import Processes, joined
from hyena_glt.training.engine import Engine, Outcome, Schedule
from hyena_glt.training.fingerprints import genome_fingerprint
from hyena_glt.training.precision import Arithmetic, default_device
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import PretrainingSettings
from hyena_glt.training.step import Batch, seeded

# Enough to tell which of two evaluations is better, and seconds of work.
_VALIDATION_BASES = 50_000
_VALIDATION_SHARE = 0.05
_CALIBRATION_BATCHES = 4


class PretrainingRegions(NamedTuple):
    """Which part of the genome serves for what; no base for two things.

    Attributes:
        train: Windows are drawn from here.
        validation: Decides which weights are best.
        test: Held out until the end.
    """

    train: list[Region]
    validation: list[Region]
    test: list[Region]


class PretrainingResult(NamedTuple):
    """How a pretraining ended.

    Attributes:
        bits_per_base: Of the best weights on the test regions; for ``mlm`` per hidden base.
        validation_bits_per_base: The same on the validation regions.
        best_step: Step, from 1, whose weights the model now holds.
        seconds: Time the training took, all its parts together if it was interrupted.
    """

    bits_per_base: float
    validation_bits_per_base: float
    best_step: int
    seconds: float


def divide(genome: Genome, settings: PretrainingSettings) -> PretrainingRegions:
    """Hold out the test regions, then a few bases of the rest for validation.

    Args:
        genome: What to divide.
        settings: Share of the test, and the seed.
    """
    rest, test = genome.split_regions(settings.holdout, settings.seed)
    share = min(_VALIDATION_SHARE, _VALIDATION_BASES / sum(region.bases for region in rest))
    train, validation = split_regions(rest, share, settings.seed)
    return PretrainingRegions(train, validation, test)


class Pretraining:
    """Train a language model on a genome and keep its best weights.

    Args:
        config: Model configuration, causal for ``clm`` and two-sided for ``mlm``.
        genome: Where the bases are.
        regions: What to train on and what to hold out.
        settings: How to train.
        progress: Show a progress bar and a line per evaluation.
        callbacks: Hear of every step and evaluation.

    Raises:
        ConfigError: If a window is longer than ``max_position_embeddings``, or the configuration
            does not fit the objective, or the hardware lacks the precision that is asked for.
        DataError: If no region to train on is as long as a window.
    """

    def __init__(
        self,
        config: HyenaGLTConfig,
        genome: Genome,
        regions: PretrainingRegions,
        settings: PretrainingSettings,
        *,
        progress: bool = True,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        longest = config.max_position_embeddings
        if settings.window > longest:
            raise ConfigError(
                f"pretraining.window ({settings.window} bases) is longer than "
                f"model.max_position_embeddings ({longest})"
            )
        self.config = config
        self.genome = genome
        self.regions = regions
        self.settings = settings
        self.log = RunLog()
        self.progress = progress
        self.callbacks = callbacks
        self.device = default_device()
        self.arithmetic = Arithmetic(settings, self.device)
        self.windows = GenomeWindows(
            genome, regions.train, settings.window, settings.steps * settings.batch_size,
            seed=settings.seed, both_strands=settings.both_strands,
            repeat_weight=settings.repeat_weight,
            max_position=longest if settings.objective == "clm" else None,
        )  # fmt: skip
        self.growing: GrowingWindows | None = None
        if settings.curriculum == "length":
            whole_from = round(settings.curriculum_fraction * settings.steps)
            self.growing = GrowingWindows(self.windows, settings.batch_size, whole_from)
        face = HyenaGLTForCausalLM if settings.objective == "clm" else HyenaGLTForMaskedLM
        with seeded(settings.seed):
            self.model: PreTrainedModel = face(config)
        self.model.to(self.device)  # type: ignore[arg-type]

    def run(
        self, *, log: RunLog | None = None, checkpoints: Path | None = None
    ) -> PretrainingResult:
        """Train to the end, leave the best weights in ``self.model`` and test them.

        Started by ``torchrun``, all processes call this with the same genome.

        Args:
            log: Where events are written; None keeps them in memory.
            checkpoints: Folder of the checkpoints; if it holds one, the training goes on from
                there.  None writes none.

        Raises:
            TrainingError: If the loss stops being a number; names the step.
            TrainingStopped: If SIGTERM ended the training and left a checkpoint.
            OutputError: If a checkpoint cannot be written.
            DataError: If the checkpoint was made with another genome.
        """
        settings = self.settings
        self.log = log or self.log
        self.arithmetic.prepare(self.model)
        if self.arithmetic.note is not None and not self.log.has_note(self.arithmetic.note):
            self.log.write("note", message=self.arithmetic.note)
        schedule = Schedule(settings.steps, settings.evaluate_every, settings.checkpoint_every)
        with joined(settings.parallel, self.device) as processes:
            engine = Engine(
                self.model, settings, schedule, _Source(self, processes), self._score,
                arithmetic=self.arithmetic, log=self.log, processes=processes,
                checkpoints=checkpoints, data=genome_fingerprint(self.genome),
                callbacks=self.callbacks, progress=self.progress,
            )  # fmt: skip
            ending = engine.run()
            bits = 0.0
            if processes.is_first:
                bits = self.bits_per_base(self.regions.test)
                self._log_bits("test", ending.best.step, bits)
            bits = processes.from_first(bits)
        return PretrainingResult(bits, -ending.best.score[0], ending.best.step, ending.seconds)

    def batch(self, step: int) -> Batch:
        """What a step sees.

        Args:
            step: From 0.

        Returns:
            ``input_ids``, ``attention_mask``, ``labels`` (b, window), and for ``clm``
            ``position_offset`` (b,).  Under a curriculum there are more and shorter windows at
            first.
        """
        items = self._whole_windows(step) if self.growing is None else self.growing.batch(step)
        return self._batch_of(items, step)

    def calibration(self) -> Iterator[Batch]:
        """Batches of whole windows, whatever the curriculum shows at first."""
        for number in range(_CALIBRATION_BATCHES):
            yield self._batch_of(self._whole_windows(number), number)

    def _whole_windows(self, step: int) -> list[dict[str, Any]]:
        size = self.settings.batch_size
        return [self.windows[number] for number in range(step * size, (step + 1) * size)]

    def _batch_of(self, items: list[dict[str, Any]], step: int) -> Batch:
        batch = self._collate(items, step)
        if "position_offset" in items[0]:
            batch["position_offset"] = torch.stack([item["position_offset"] for item in items])
        return batch

    def bits_per_base(self, regions: Sequence[Region]) -> float:
        """Score every base of some regions once, on the strand of the file.

        The windows are those of :func:`~hyena_glt.data.windows.scored_windows`.  For ``mlm`` the
        same bases are hidden every time, all of them behind [MASK], and they alone are scored.

        Args:
            regions: What to score.

        Returns:
            Bits per scored base.
        """
        scored = evaluate(self.model, self._scored_batches(regions), "language_modeling")
        return scored.metrics["bits_per_token"]

    def _score(self, step: int) -> Outcome:
        bits = self.bits_per_base(self.regions.validation)
        self._log_bits("validation", step, bits)
        text = (
            f"step {step:>6}  {self.passes(step):.2f} genomes seen  "
            f"validation {bits:.4f} bits per base"
        )
        return Outcome((-bits,), bits * math.log(2), {"bits_per_base": bits}, text, "bits_per_base")

    def _log_bits(self, split: str, step: int, bits: float) -> None:
        self.log.write(
            "evaluation", split=split, epoch=self.passes(step), step=step,
            loss=bits * math.log(2), metrics={"bits_per_base": bits},
        )  # fmt: skip

    def passes(self, step: int) -> float:
        """How often as many bases as there are to train on have been seen.

        Args:
            step: Steps taken so far.
        """
        bases = sum(region.bases for region in self.windows.regions)
        return step * self.settings.batch_size * self.settings.window / bases

    def _scored_batches(self, regions: Sequence[Region]) -> Iterator[Batch]:
        windows = scored_windows(self.genome, regions, self.settings.window)
        number = 0
        while items := list(islice(windows, self.settings.batch_size)):
            batch = self._collate(items, number)
            if self.settings.objective == "mlm":
                seen = batch["input_ids"] != MASK_TOKEN_ID
                batch["labels"] = batch["labels"].masked_fill(seen, IGNORED)
            yield batch
            number += 1

    def _collate(self, items: list[dict[str, Any]], number: int) -> Batch:
        """Make a batch; for ``mlm`` its number decides what is hidden."""
        batch = SequenceCollator()(items)
        if self.settings.objective == "clm":
            return batch
        seed = np.random.default_rng((self.settings.seed, number)).integers(2**32)
        hidden = MaskedLanguageModelCollator(self.config.genomic_vocab_size, seed=int(seed))(items)
        hidden["labels"] = hidden["labels"].masked_fill(batch["labels"] == IGNORED, IGNORED)
        return hidden


class _Source:
    """What each step of a pretraining sees, as far as it is this process's."""

    def __init__(self, pretraining: Pretraining, processes: Processes) -> None:
        self.pretraining = pretraining
        self.processes = processes

    def batches(self, step: int) -> Iterator[Batch]:
        """The batches of the steps from a given one on; without end."""
        rank, every = self.processes.rank, self.processes.count
        for number in count(step):
            batch = self.pretraining.batch(number)
            share = {name: value[rank::every] for name, value in batch.items()}
            if len(share["input_ids"]) == 0:  # fewer windows than processes
                share = {name: value[:1] for name, value in batch.items() if name != "labels"}
            yield share

    def calibration(self, step: int) -> Iterator[Batch]:
        """The same at every step."""
        return self.pretraining.calibration()

    def names(self, step: int) -> list[str]:
        """The windows have no names."""
        return [f"window {row + 1}" for row in range(len(self.pretraining.batch(step)["labels"]))]

    def epoch(self, step: int) -> float:
        """Passes over the genome."""
        return self.pretraining.passes(step)

    def task_of(self, step: int) -> str:
        """No name: there is one task."""
        return ""
