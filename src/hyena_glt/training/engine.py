"""The loop of every training: steps, evaluations, checkpoints; alone or in several processes.

``step`` moves the weights once, ``batches`` says what a step sees, ``pipeline``, ``pretraining``
and ``multitask`` say what is trained and how it is scored.  **This file** runs the steps.  All that
is random in a step is a function of the seed, the step and the process, so a training that goes on
from a checkpoint ends with the weights, bit for bit, of one that was left alone.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import TrainingError, TrainingStopped
from hyena_glt.io.atomic import remove_unfinished
from hyena_glt.model.folder import save_model
from hyena_glt.training.batches import BatchSource
from hyena_glt.training.callbacks import Callback, Status
from hyena_glt.training.checkpoints import (
    Best,
    Checkpoint,
    Moved,
    load_checkpoint,
    newest,
    save_checkpoint,
)
from hyena_glt.training.distributed import Processes, TrainedModel, refuse_scaled_shards
from hyena_glt.training.optimization import WeightAverage, make_optimizer
from hyena_glt.training.precision import Arithmetic
from hyena_glt.training.progress import TrainingProgress
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import OptimizerSettings
from hyena_glt.training.step import Batch, calibrated, on_device, seeded, state_of, take_step
from hyena_glt.training.trained_parts import plain

_NAMED_SEQUENCES = 8


class Outcome(NamedTuple):
    """How good a model was at some step.

    Attributes:
        score: Larger is better; the first number that differs decides.
        loss: Mean loss; NaN where there is none.
        metrics: By name.
        text: All of it, for a person.
        headline: Name of the metric that is shown on from here; None shows none.
    """

    score: tuple[float, ...]
    loss: float
    metrics: dict[str, float]
    text: str
    headline: str | None = None


class Schedule(NamedTuple):
    """When what happens.

    Attributes:
        steps: Of the whole training.
        evaluate_every: Steps between evaluations; the last step is followed by one in any case.
        checkpoint_every: Steps between checkpoints, likewise.
        patience: Evaluations without a better score before training stops; 0: never.
    """

    steps: int
    evaluate_every: int
    checkpoint_every: int
    patience: int = 0


class Ending(NamedTuple):
    """How a training ended.

    Attributes:
        steps: Steps taken.
        seconds: Time they took, all parts of the training together if it was interrupted.
        best: The weights that the model now holds, and how good they are.
    """

    steps: int
    seconds: float
    best: Best


class Engine:
    """Train a model and leave its best weights in it.

    Args:
        model: What to train, on its device; the same in all processes.
        settings: How weights move.
        schedule: Steps, evaluations, checkpoints.
        source: What each step sees.
        evaluate: Scores the model as it is, writes it to the log and returns it; it is called in
            the first process only, with the number of steps taken.
        arithmetic: Number format.
        log: Where steps are written.
        processes: Those that train together; None: this one alone.
        checkpoints: Folder of the checkpoints; if it holds one, the training goes on from there.
            None writes none.
        data: What tells the data from others; a checkpoint of others is refused.
        save_best: Folder in which the best model so far is saved, whole.
        callbacks: Hear of all that happens, in the first process.
        progress: Show a progress bar and a line per evaluation.

    Raises:
        ConfigError: If ``parallel`` and ``precision`` do not go together.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        settings: OptimizerSettings,
        schedule: Schedule,
        source: BatchSource,
        evaluate: Callable[[int], Outcome],
        *,
        arithmetic: Arithmetic,
        log: RunLog,
        processes: Processes | None = None,
        checkpoints: Path | None = None,
        data: str = "",
        save_best: Path | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
    ) -> None:
        self.model = model
        self.settings = settings
        self.schedule = schedule
        self.source = source
        self.evaluate = evaluate
        self.arithmetic = arithmetic
        self.processes = processes or Processes("auto", model.device, alone=True)
        self.log = log
        self.checkpoints = checkpoints
        self.data = data
        self.save_best = save_best
        self.callbacks = callbacks if self.processes.is_first else ()
        self.progress = progress and self.processes.is_first
        refuse_scaled_shards(self.processes, arithmetic)

    def run(self) -> Ending:
        """Train to the end, from the newest checkpoint if there is one.

        Raises:
            TrainingError: If the loss stops being a number; names the step and its sequences.
            TrainingStopped: If the process was asked to end (SIGTERM); a checkpoint was written.
            OutputError: If a checkpoint cannot be written; the ones before it stay.
            DataError: If the checkpoint was made with other data.
            ConfigError: If the checkpoint is of another model.
        """
        with seeded(self.settings.seed):
            trained = TrainedModel(self.model, self.processes, compiled=self.settings.compile)
            moved = self._moved(trained)
            at = self._start(moved)
            status: Status = "failed"
            try:
                at = self._train(at, trained, moved)
                status = "finished"
            except (TrainingStopped, KeyboardInterrupt):
                status = "stopped"
                raise
            finally:
                for callback in self.callbacks:
                    callback.on_end(status)
        if self.processes.is_first:
            self.model.load_state_dict(at.best.state)
        self.processes.copy_first(self.model)
        self.model.eval()
        return Ending(at.step, at.seconds, at.best)

    def _moved(self, trained: TrainedModel) -> Moved:
        decay = self.settings.weight_average
        return Moved(
            trained.module,
            make_optimizer(trained.module, self.settings),
            WeightAverage(trained.module, decay) if decay else None,
            self.arithmetic.scaler,
        )

    def _start(self, moved: Moved) -> Checkpoint:
        start = Best(0, (-math.inf,), math.nan, {}, state_of(self.model))
        at = Checkpoint(0, 0.0, start, self.data)
        found = None
        if self.checkpoints is not None:
            if self.processes.is_first:
                remove_unfinished(self.checkpoints)
            # One chooses for all: on another machine a folder may show an older state.
            found = self.processes.from_first(newest(self.checkpoints))
        if found is not None:
            at = load_checkpoint(found, moved, data=self.data)
            with TrainingProgress(0, enabled=self.progress) as bar:
                bar.line(f"going on from {found}: step {at.step} of {self.schedule.steps}")
        self.log.go_back(at.step, at.seconds)
        for callback in self.callbacks:
            callback.on_start(self.schedule.steps, at.step, self.model)
        return at

    def _train(self, at: Checkpoint, trained: TrainedModel, moved: Moved) -> Checkpoint:
        schedule = self.schedule
        step, best = at.step, at.best
        start = time.perf_counter() - at.seconds
        trained.module.train()
        batches = self.source.batches(step)
        over = step >= schedule.steps or self._lost_patience(step, best)
        with (
            TrainingProgress(schedule.steps, enabled=self.progress) as bar,
            _notice(self.checkpoints is not None) as asked_to_end,
        ):
            bar.bar.advance(bar.task, step)
            while not over:
                self._step(step, next(batches), trained, moved, bar)
                step += 1
                last = step == schedule.steps
                if last or step % schedule.evaluate_every == 0:
                    with moved.average or nullcontext():
                        best = self._better(best, step, trained, bar)
                over = last or self._lost_patience(step, best)
                at = Checkpoint(step, time.perf_counter() - start, best, self.data)
                stop = self.checkpoints is not None and self.processes.any(asked_to_end.is_set())
                if stop or over or step % schedule.checkpoint_every == 0:
                    self._save(at, moved)
                if stop and not over:
                    raise TrainingStopped(f"stopped after step {step} of {schedule.steps}")
        return at

    def _step(
        self, step: int, batch: Batch, trained: TrainedModel, moved: Moved, bar: TrainingProgress
    ) -> None:
        seed = np.random.default_rng((self.settings.seed, step, self.processes.rank))
        torch.manual_seed(int(seed.integers(2**62)))
        try:
            figures = take_step(
                trained, on_device(batch, self.model.device), moved.optimizer, self.arithmetic,
                step=step, total=self.schedule.steps, settings=self.settings,
            )._replace(task=self.source.task_of(step))  # fmt: skip
        except TrainingError as error:
            raise TrainingError(
                f"{error}; the batch was {_some(self.source.names(step))}"
            ) from None
        if moved.average is not None:
            moved.average.update()
        self.log.write("step", step=step + 1, epoch=self.source.epoch(step + 1), **figures.entry())
        bar.step(figures.loss, figures.compression_ratio, figures.tokens)
        for callback in self.callbacks:
            callback.on_step(step + 1, figures)

    def _better(self, best: Best, step: int, trained: TrainedModel, bar: TrainingProgress) -> Best:
        """Evaluate the weights of the moment, and return the better ones."""
        trained.show()
        found: tuple[Outcome, bool] | None = None
        state = best.state
        if self.processes.is_first:
            with calibrated(self.model, self.source.calibration(step)):
                outcome = self.evaluate(step)
                better = outcome.score >= best.score
                if better:
                    state = state_of(self.model)
                    if self.save_best is not None:
                        save_model(self.save_best, plain(self.model))
            bar.line(outcome.text + ("  *" if better and outcome.metrics else ""))
            if outcome.headline in outcome.metrics:
                bar.metric(outcome.headline, outcome.metrics[outcome.headline])
            for callback in self.callbacks:
                callback.on_evaluation(
                    "validation", self.source.epoch(step), step, outcome.loss, outcome.metrics
                )
            found = outcome, better
        found = self.processes.from_first(found)
        assert found is not None
        outcome, better = found
        if not better:
            return best
        return Best(step, outcome.score, outcome.loss, outcome.metrics, state)

    def _lost_patience(self, step: int, best: Best) -> bool:
        patience = self.schedule.patience * self.schedule.evaluate_every
        return bool(patience) and best.step > 0 and step - best.step >= patience

    def _save(self, at: Checkpoint, moved: Moved) -> None:
        if self.checkpoints is not None:
            save_checkpoint(
                self.checkpoints, at, moved, kept=self.settings.keep_checkpoints,
                writes=self.processes.is_first,
            )  # fmt: skip
            # Who stops now must not end the others, nor start anew, while the first still writes.
            self.processes.wait()


@contextmanager
def _notice(wanted: bool) -> Iterator[threading.Event]:
    """Note a SIGTERM, by which a cluster says that it will end the process soon."""
    noticed = threading.Event()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield noticed
        return
    before = signal.signal(signal.SIGTERM, lambda *_: noticed.set())
    try:
        yield noticed
    finally:
        signal.signal(signal.SIGTERM, before)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_SEQUENCES
    return ", ".join(names[:_NAMED_SEQUENCES]) + (f" and {more} more" if more > 0 else "")
