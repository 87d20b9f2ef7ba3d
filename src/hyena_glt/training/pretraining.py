"""Language-model pretraining on a genome: windows in, bits per base out.

Reading order: ``data.genome`` divides the genome, ``data.windows`` cuts windows, **this file** runs
the steps of ``step``, ``checkpoints`` lets a run that died go on.  What step n sees is a function
of the settings and of n alone.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
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
from hyena_glt.model.faces import HyenaGLTForCausalLM, HyenaGLTForMaskedLM
from hyena_glt.tasks.losses import IGNORED
from hyena_glt.training.checkpoints import (
    Best,
    Checkpoint,
    load_checkpoint,
    newest,
    save_checkpoint,
)
from hyena_glt.training.evaluator import evaluate
from hyena_glt.training.optimization import WeightAverage, make_optimizer
from hyena_glt.training.precision import Arithmetic, default_device
from hyena_glt.training.progress import TrainingProgress
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import PretrainingSettings
from hyena_glt.training.step import (
    Batch,
    calibrated,
    on_device,
    seeded,
    state_of,
    training_step,
)

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

        Args:
            log: Where events are written; None keeps them in memory.
            checkpoints: Folder of the checkpoints; if it holds one, the training goes on from
                there.  None writes none.

        Raises:
            TrainingError: If the loss stops being a number; names the step.
            OutputError: If a checkpoint cannot be written.
        """
        settings, model = self.settings, self.model
        self.log = log or self.log
        self.arithmetic.prepare(model)
        with seeded(settings.seed):
            optimizer = make_optimizer(model, settings)
            average = (
                WeightAverage(model, settings.weight_average) if settings.weight_average else None
            )
            at = Checkpoint(0, 0.0, Best(0, float("inf"), state_of(model)))
            found = None if checkpoints is None else newest(checkpoints)
            if found is not None:
                at = load_checkpoint(found, model, optimizer, average)
            self.log.go_back(at.step, at.seconds)
            if at.step == 0 and self.arithmetic.note is not None:
                self.log.write("note", message=self.arithmetic.note)
            at = self._train(at, optimizer, average, checkpoints)
        model.load_state_dict(at.best.state)
        model.eval()
        bits = self.bits_per_base(self.regions.test)
        self._log_bits("test", at.best.step, bits)
        return PretrainingResult(bits, at.best.bits, at.best.step, at.seconds)

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

    def _train(
        self,
        at: Checkpoint,
        optimizer: torch.optim.Optimizer,
        average: WeightAverage | None,
        checkpoints: Path | None,
    ) -> Checkpoint:
        settings = self.settings
        step, best = at.step, at.best
        start = time.perf_counter() - at.seconds
        self.model.train()
        with TrainingProgress(settings.steps, enabled=self.progress) as bar:
            bar.bar.advance(bar.task, step)
            while step < settings.steps:
                figures = training_step(
                    self.model, on_device(self.batch(step), self.device), optimizer,
                    self.arithmetic, step=step, total=settings.steps, settings=settings,
                )  # fmt: skip
                if average is not None:
                    average.update()
                step += 1
                self.log.write("step", step=step, epoch=self._passes(step), **figures._asdict())
                bar.step(figures.loss, figures.compression_ratio)
                last = step == settings.steps
                if last or step % settings.evaluate_every == 0:
                    with average or nullcontext(), self._calibrated():
                        best = self._better(best, step, bar)
                at = Checkpoint(step, time.perf_counter() - start, best)
                due = last or step % settings.checkpoint_every == 0
                if due and checkpoints is not None:
                    save_checkpoint(checkpoints, at, self.model, optimizer, average)
        return at

    def _calibrated(self) -> Any:
        # Whole windows, whatever the curriculum shows at first.
        numbers = range(_CALIBRATION_BATCHES)
        batches = (self._batch_of(self._whole_windows(number), number) for number in numbers)
        return calibrated(self.model, batches)

    def _better(self, best: Best, step: int, bar: TrainingProgress) -> Best:
        """Evaluate the weights of the moment, and return the better ones."""
        bits = self.bits_per_base(self.regions.validation)
        self._log_bits("validation", step, bits)
        better = bits <= best.bits
        bar.line(
            f"step {step:>6}  {self._passes(step):.2f} genomes seen  "
            f"validation {bits:.4f} bits per base{'  *' if better else ''}"
        )
        return Best(step, bits, state_of(self.model)) if better else best

    def _log_bits(self, split: str, step: int, bits: float) -> None:
        self.log.write(
            "evaluation", split=split, epoch=self._passes(step), step=step,
            loss=bits * float(np.log(2)), metrics={"bits_per_base": bits},
        )  # fmt: skip

    def _passes(self, step: int) -> float:
        """How often as many bases as there are to train on have been seen."""
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
