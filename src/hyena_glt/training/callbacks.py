"""What may watch a training: called at its start, after every step and evaluation, at its end.

The loop calls; a callback never changes weights, data or random state, so that a training that is
watched ends with the same weights as one that is not.
"""

import math
from collections.abc import Mapping
from typing import Literal

from transformers.modeling_utils import PreTrainedModel

from hyena_glt.training.step import StepFigures

Status = Literal["finished", "stopped", "failed"]


class Callback:
    """Watches a training; overrides what it wants to hear of, the rest does nothing.

    Steps and epochs count what has been done: the first step is 1.
    """

    def on_start(
        self, total_steps: int, step: int = 0, model: PreTrainedModel | None = None
    ) -> None:
        """Training begins, or goes on from a checkpoint.

        Args:
            total_steps: Steps of the whole training.
            step: Steps that were taken before; what was heard of later ones will come again.
            model: What is trained, to be looked at; None where nobody shows it.
        """

    def on_step(self, step: int, figures: StepFigures) -> None:
        """A step was taken.

        Args:
            step: Its number, from 1.
            figures: What it showed.
        """

    def on_evaluation(
        self, split: str, epoch: float, step: int, loss: float, metrics: Mapping[str, float]
    ) -> None:
        """The model was scored.

        Args:
            split: ``validation`` or ``test``.
            epoch: Passes over the training data so far.
            step: Steps so far.
            loss: Mean loss; NaN where there is none.
            metrics: By name; NaN where the data do not define them.
        """

    def on_end(self, status: Status) -> None:
        """Training is over.

        Args:
            status: ``finished``; ``stopped`` by a person or a cluster, to go on later; ``failed``.
        """


def step_scalars(figures: StepFigures) -> dict[str, float]:
    """The figures of a step by the names they have in TensorBoard and its like.

    Args:
        figures: What a step showed.

    Returns:
        Finite figures only.
    """
    # Losses of different tasks in one curve would show which task was drawn, and nothing else.
    named = {
        f"loss/train/{figures.task}" if figures.task else "loss/train": figures.loss,
        "training/learning_rate": figures.learning_rate,
        "training/grad_norm": figures.grad_norm,
        "training/compression_ratio": figures.compression_ratio,
    }
    return {name: value for name, value in named.items() if math.isfinite(value)}


def evaluation_scalars(split: str, loss: float, metrics: Mapping[str, float]) -> dict[str, float]:
    """The figures of an evaluation, likewise.

    Args:
        split: ``validation`` or ``test``.
        loss: Mean loss.
        metrics: By name; those of several tasks are ``TASK/METRIC``.

    Returns:
        Finite figures only.
    """
    named = {f"loss/{split}": loss} | {f"{split}/{name}": value for name, value in metrics.items()}
    return {name: value for name, value in named.items() if math.isfinite(value)}
