"""What a person follows a training by: a progress bar, a log, TensorBoard; all from one place.

::

    training loop --> TrainingMonitor --> terminal        progress: loss, metric, speed, time left
                                      --> log.jsonl       run_log
                                      --> tensorboard/    tensorboard, with the pictures of probes
                                      --> other callbacks trackers
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from transformers.modeling_utils import PreTrainedModel

from hyena_glt.training.callbacks import Callback, Status
from hyena_glt.training.probes import Probes
from hyena_glt.training.progress import TrainingProgress
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.step import StepFigures
from hyena_glt.training.tensorboard import TensorBoardCallback

LOG_NAME = "log.jsonl"
TENSORBOARD_NAME = "tensorboard"
_SHOWN_METRICS = 4


class TrainingMonitor(Callback):
    """Show, log and draw a training of your own, or one of a loop that takes callbacks.

    Args:
        folder: Gets ``log.jsonl`` and ``tensorboard``; made if it is not there.  None keeps the
            log in memory and draws nothing.
        tensorboard: Write TensorBoard's files.
        progress: Show a bar and a line per evaluation in the terminal.
        probes: Sequences whose patches are drawn in each evaluation.
        callbacks: Who else is told.

    Example:
        As in the guide, for a loop that reports once an epoch:

        >>> monitor = TrainingMonitor(progress=False)
        >>> monitor.log_metrics({"loss": 0.7}, {"loss": 0.8, "mcc": 0.1})
        >>> monitor.log_metrics({"loss": 0.5}, {"loss": 0.6, "mcc": 0.4})
        >>> [(event["split"], event["loss"]) for event in monitor.log.events]
        [('train', 0.7), ('validation', 0.8), ('train', 0.5), ('validation', 0.6)]
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        tensorboard: bool = True,
        progress: bool = True,
        probes: Probes | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self._told = list(callbacks)
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            if tensorboard:
                self._told.append(TensorBoardCallback(Path(folder) / TENSORBOARD_NAME, probes))
        self.log = RunLog(None if folder is None else Path(folder) / LOG_NAME)
        self._show = progress
        self._bar = TrainingProgress(0, enabled=progress)
        self._open = ExitStack()
        self._step = 0
        self._epoch = 0.0

    def __enter__(self) -> Self:
        """Return the monitor."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End: finished, or what the error says."""
        if kind is None:
            self.on_end("finished")
        else:
            self.on_end("stopped" if issubclass(kind, KeyboardInterrupt) else "failed")

    def log_metrics(
        self, train_metrics: Mapping[str, float], val_metrics: Mapping[str, float] | None = None
    ) -> None:
        """Note the figures of one more epoch.

        Args:
            train_metrics: By name, ``loss`` among them.
            val_metrics: Likewise, on the validation data.
        """
        self._epoch += 1
        # A loop that does not report steps is counted in epochs.
        step = self._step or round(self._epoch)
        for split, metrics in (("train", train_metrics), ("validation", val_metrics)):
            if metrics is not None:
                named = {name: float(value) for name, value in metrics.items()}
                loss = named.pop("loss", float("nan"))
                self.on_evaluation(split, self._epoch, step, loss, named)

    def on_start(
        self, total_steps: int, step: int = 0, model: PreTrainedModel | None = None
    ) -> None:
        """Begin, or go on; the log forgets what happened behind ``step``.

        Args:
            total_steps: Steps of the whole training.
            step: Steps that were taken before.
            model: What is trained.
        """
        self._step = step
        self.log.go_back(step)
        self._open.close()
        self._bar = self._open.enter_context(TrainingProgress(total_steps, enabled=self._show))
        self._bar.bar.advance(self._bar.task, step)
        for callback in self._told:
            callback.on_start(total_steps, step, model)

    def on_step(self, step: int, figures: StepFigures) -> None:
        """Note a step.

        Args:
            step: Its number, from 1.
            figures: What it showed.
        """
        self._step = step
        self.log.write("step", step=step, **figures.entry())
        self._bar.step(figures.loss, figures.compression_ratio, figures.tokens)
        for callback in self._told:
            callback.on_step(step, figures)

    def on_evaluation(
        self, split: str, epoch: float, step: int, loss: float, metrics: Mapping[str, float]
    ) -> None:
        """Note an evaluation.

        Args:
            split: ``train``, ``validation`` or ``test``.
            epoch: Passes over the training data so far.
            step: Steps so far.
            loss: Mean loss; NaN where there is none.
            metrics: By name.
        """
        self.log.write(
            "evaluation", split=split, epoch=epoch, step=step, loss=loss, metrics=dict(metrics)
        )
        shown = list(metrics.items())[:_SHOWN_METRICS]
        figures = "  ".join(f"{name} {value:.4f}" for name, value in shown)
        self._bar.line(f"epoch {epoch:>5.4g}  {split} loss {loss:.4f}  {figures}".rstrip())
        if split == "validation" and shown:
            self._bar.metric(*shown[0])
        for callback in self._told:
            callback.on_evaluation(split, epoch, step, loss, metrics)

    def on_end(self, status: Status) -> None:
        """Close all that was opened.

        Args:
            status: How the training ended.
        """
        self._open.close()
        self.log.close()
        for callback in self._told:
            callback.on_end(status)
