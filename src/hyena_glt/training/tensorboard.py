"""Curves and pictures of a training in TensorBoard's files.

``tensorboard --logdir FOLDER`` shows them, also while the training runs.

========================= =========================================================================
``loss/...``              training and validation loss; of several tasks ``loss/train/TASK``
``training/...``          learning rate, gradient norm, nucleotides per patch, tokens per second
``validation/...``        metrics; those of several tasks as ``validation/TASK/METRIC``
``patches/...``           on fixed probe sequences: histogram of the patch lengths, nucleotides per
                          patch, and pictures of patch boundaries and of the bridge's attention
========================= =========================================================================
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.io.atomic import write_faults_told
from hyena_glt.training.callbacks import Callback, Status, evaluation_scalars, step_scalars
from hyena_glt.training.probes import Probes, draw_attention, draw_boundaries
from hyena_glt.training.step import StepFigures
from hyena_glt.training.throughput import Throughput

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_FLUSH_SECONDS = 10


class TensorBoardCallback(Callback):
    """Write TensorBoard's files as a training goes.

    A training that goes on from a checkpoint leaves no point twice: those behind the checkpoint are
    marked as void.

    Args:
        folder: Where the files lie; made with the first of them.
        probes: Sequences to look at in each evaluation; None looks at none.
    """

    def __init__(self, folder: Path, probes: Probes | None = None) -> None:
        self.folder = folder
        self.probes = probes
        self._model: PreTrainedModel | None = None
        self._writer: SummaryWriter | None = None
        self._throughput = Throughput()

    def on_start(
        self, total_steps: int, step: int = 0, model: PreTrainedModel | None = None
    ) -> None:
        """Open the files; points behind ``step`` that lie there are void.

        Args:
            total_steps: Steps of the whole training.
            step: Steps that were taken before.
            model: What is trained.
        """
        self._model = model
        with write_faults_told(self.folder):
            self._open(step + 1)
        self._throughput.go_on()

    def on_step(self, step: int, figures: StepFigures) -> None:
        """Write the figures of a step.

        Args:
            step: Its number, from 1.
            figures: What it showed.
        """
        rate = self._throughput.step(figures.tokens)
        with write_faults_told(self.folder):
            self._write(step_scalars(figures), step)
            if rate == rate:  # noqa: PLR0124 - not NaN
                self._write({"training/tokens_per_second": rate}, step)

    def on_evaluation(
        self, split: str, epoch: float, step: int, loss: float, metrics: Mapping[str, float]
    ) -> None:
        """Write the figures of an evaluation, and look at the probes.

        Args:
            split: ``validation`` or ``test``.
            epoch: Passes over the training data so far.
            step: Steps so far.
            loss: Mean loss.
            metrics: By name.
        """
        with write_faults_told(self.folder):
            self._write(evaluation_scalars(split, loss, metrics), step)
            if self.probes is not None and self._model is not None and split == "validation":
                self._look(self.probes, self._model, step)
            self._opened().flush()
        self._throughput.go_on()

    def on_end(self, status: Status) -> None:
        """Close the files.

        Args:
            status: How the training ended.
        """
        if self._writer is not None:
            # An error here would take the place of the one that ends the training.
            with suppress(OSError):
                self._writer.close()
            self._writer = None

    def _look(self, probes: Probes, model: PreTrainedModel, step: int) -> None:
        view, writer = probes.look(model), self._opened()
        writer.add_scalar("patches/compression_ratio", view.compression_ratio, step)
        edges = np.arange(int(view.patch_lengths.max()) + 2) - 0.5
        writer.add_histogram("patches/length", view.patch_lengths, step, bins=edges)
        pictures = {
            "patches/boundaries": draw_boundaries(view),
            "patches/bridge_attention": draw_attention(view),
        }
        for tag, picture in pictures.items():
            writer.add_image(tag, picture, step, dataformats="HWC")

    def _write(self, scalars: Mapping[str, float], step: int) -> None:
        writer = self._opened()
        for tag, value in scalars.items():
            writer.add_scalar(tag, value, step)

    def _opened(self) -> "SummaryWriter":
        return self._writer or self._open(None)

    def _open(self, first_step: int | None) -> "SummaryWriter":
        """Open new files; what lies in others from a step on is void."""
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is not None:
            self._writer.close()
        self._writer = SummaryWriter(
            str(self.folder), purge_step=first_step, flush_secs=_FLUSH_SECONDS
        )
        return self._writer
