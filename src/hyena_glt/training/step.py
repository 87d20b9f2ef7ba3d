"""One step of any training, and the state of a model around it.

``pipeline`` (labelled sequences) and ``pretraining`` (genomes) are loops around what stands here.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import TrainingError
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.training.optimization import learning_rate
from hyena_glt.training.precision import Arithmetic
from hyena_glt.training.settings import OptimizerSettings

Batch = dict[str, Tensor]


class StepFigures(NamedTuple):
    """What a step shows, in the words of the log.

    Attributes:
        loss: Mean loss of the batch before the step.
        learning_rate: Of this step.
        grad_norm: L2 norm over all parameters, before clipping; not finite where fp16 overflowed
            and the weights were left alone.
        compression_ratio: Nucleotides per patch in the batch.
    """

    loss: float
    learning_rate: float
    grad_norm: float
    compression_ratio: float


def training_step(
    model: PreTrainedModel,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    arithmetic: Arithmetic,
    *,
    step: int,
    total: int,
    settings: OptimizerSettings,
) -> StepFigures:
    """Move the weights once.

    Args:
        model: In training mode.
        batch: Arguments of the model, labels among them, on its device.
        optimizer: Of the model.
        arithmetic: Number format, made from the settings and the model's device.
        step: From 0.
        total: Steps of the whole training, which the schedule needs.
        settings: How weights move.

    Raises:
        TrainingError: If the loss is not a number; names the step.
    """
    rate = learning_rate(step, total, settings)
    for group in optimizer.param_groups:
        group["lr"] = rate
    with arithmetic.autocast():
        output = model(**batch)
    loss, compression = output.loss.item(), output.compression_ratio.item()
    if not math.isfinite(loss):
        raise TrainingError(
            f"step {step + 1}: the loss is {loss}; lower {settings.section}.learning_rate "
            f"(now {settings.learning_rate:g}) or look at the data"
        )
    optimizer.zero_grad()
    arithmetic.backward(output.loss)
    norm = arithmetic.clip(optimizer, model.parameters(), settings.max_grad_norm)
    arithmetic.step(optimizer)
    return StepFigures(loss, rate, float(norm), compression)


@contextmanager
def calibrated(model: PreTrainedModel, batches: Iterable[Batch]) -> Iterator[None]:
    """Settle the merger's threshold for the weights of the moment; training's comes back.

    Args:
        model: Any model of the package.
        batches: Training data on which the target compression is to hold.
    """
    trunk = trunk_of(model)
    threshold = trunk.initial_merger.threshold
    followed = threshold.clone()
    trunk.calibrate_compression(on_device(batch, model.device) for batch in batches)
    try:
        yield
    finally:
        threshold.copy_(followed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside, and leave the caller's random state as it was.

    Args:
        seed: Of everything that torch draws inside.
    """
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Bring a batch to where the model is.

    Args:
        batch: Tensors by name.
        device: CPU or GPU.
    """
    return {name: value.to(device) for name, value in batch.items()}


def state_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """A copy of all weights and buffers.

    Args:
        model: Any module.
    """
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
