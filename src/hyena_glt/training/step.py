"""One step of any training, and the state of a model around it.

``engine`` is the loop around what stands here.  A batch may be computed in parts, one after another
and in several processes: each part's loss weighs as much as it has sequences, or tokens, with a
label.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import TrainingError
from hyena_glt.model.faces import HyenaGLTForTokenClassification
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.tasks.losses import IGNORED
from hyena_glt.training.distributed import TrainedModel
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
        tokens: In the batch, padding left out.
        task: That of the batch, where there are several.
    """

    loss: float
    learning_rate: float
    grad_norm: float
    compression_ratio: float
    tokens: int = 0
    task: str = ""

    def entry(self) -> dict[str, float | str]:
        """All that is to be logged: no task where there is but one."""
        return {name: value for name, value in self._asdict().items() if value != ""}


class _Part(NamedTuple):
    """A part of a batch: its arguments, and its share in what is averaged over the whole batch."""

    batch: Batch
    share: float
    entropy_share: float
    token_share: float


class _Counts(NamedTuple):
    """What losses are means of: labels, predicted tokens, tokens; and the rows."""

    labels: float
    predicted: float
    tokens: float
    rows: float


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
    """Move the weights of a model once, in one process; see :func:`take_step`.

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
    trained = TrainedModel(model)
    return take_step(
        trained, batch, optimizer, arithmetic, step=step, total=total, settings=settings
    )


def take_step(
    trained: TrainedModel,
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
        trained: In training mode; perhaps one of several processes.
        batch: Arguments of the model on its device, as far as they are this process's; one without
            labels counts nothing.
        optimizer: Of the model.
        arithmetic: Number format, made from the settings and the model's device.
        step: From 0.
        total: Steps of the whole training, which the schedule needs.
        settings: How weights move.

    Raises:
        TrainingError: If the loss or the norm of its gradient is not a number; names the step.  The
            weights stay as they were.
    """
    rate = learning_rate(step, total, settings)
    for group in optimizer.param_groups:
        group["lr"] = rate
    parts, tokens = _parts(trained, batch, settings.gradient_accumulation)
    alone = len(parts) == 1 and trained.processes.count == 1
    before = {} if alone else trained.running_state()
    optimizer.zero_grad()
    followed, figures = [], torch.zeros(2, dtype=torch.float64)
    for number, part in enumerate(parts):
        if number > 0:
            trained.set_running_state(before)
        with trained.accumulating(number + 1 < len(parts)):
            with arithmetic.autocast():
                output = trained(**part.batch)
            loss = output.logits.sum() * 0 if output.loss is None else output.loss
            figures += torch.stack(
                [loss.detach() * part.share, part.token_share / output.compression_ratio]
            ).to(figures)
            if not alone:
                loss = _weighted(loss, output.entropy_loss, part, trained.processes.count)
                followed.append((part.token_share, trained.running_state()))
            arithmetic.backward(loss)
    if not alone:
        trained.mean_running_state(followed)
    mean, patches = trained.processes.sum(figures.tolist())
    name = settings.section
    advice = f"lower {name}.learning_rate (now {settings.learning_rate:g}) or look at the data"
    if not math.isfinite(mean):
        raise TrainingError(f"step {step + 1}: the loss is {mean}; {advice}")
    norm = trained.clip(arithmetic, optimizer, settings.max_grad_norm)
    if not math.isfinite(norm) and arithmetic.scaler is None:
        raise TrainingError(f"step {step + 1}: the norm of the gradient is {norm}; {advice}")
    arithmetic.step(optimizer)
    return StepFigures(mean, rate, norm, 1 / patches, tokens)


def _parts(trained: TrainedModel, batch: Batch, wanted: int) -> tuple[list[_Part], int]:
    """Cut a batch into parts of about equally many rows, and count its tokens."""
    processes = trained.processes
    own = _counts(trained.model, batch)
    total = _Counts(*processes.sum(own))
    tokens = int(total.tokens)
    # The same number in every process, of which the last may have a row less than the first.
    count = max(1, min(wanted, int(total.rows) // processes.count))
    if count == 1 and processes.count == 1:
        return [_Part(batch, 1.0, 1.0, 1.0)], tokens
    rows = len(batch["input_ids"])
    cuts = [rows * number // count for number in range(count + 1)]
    parts = []
    for start, end in pairwise(cuts):
        part = {
            name: value[start:end] if value.dim() and len(value) == rows else value
            for name, value in batch.items()
        }
        shares = [
            mine / max(1.0, all_) for mine, all_ in zip(_counts(trained.model, part), total,
                                                        strict=True)
        ]  # fmt: skip
        parts.append(_Part(part, *shares[:3]))
    return parts, tokens


def _counts(model: PreTrainedModel, batch: Batch) -> _Counts:
    ids, labels = batch["input_ids"], batch.get("labels")
    if labels is None:
        return _Counts(0, 0, 0, 0)
    mask = batch.get("attention_mask", torch.ones_like(ids))
    tokens = int(mask.sum())
    per_token = labels.shape == ids.shape and not labels.is_floating_point()
    if per_token:
        # A causal model predicts every token but the first.
        shifted = model.config.causal and not isinstance(model, HyenaGLTForTokenClassification)
        count = int((labels[:, int(shifted) :] != IGNORED).sum())
    else:
        count = len(labels)
    return _Counts(count, tokens - len(ids), tokens, len(ids))


def _weighted(loss: Tensor, entropy_loss: Tensor | None, part: _Part, processes: int) -> Tensor:
    """The loss of a part as a share of that of the whole batch.

    Processes average their gradients, hence the factor.  The entropy head's gradient rides on the
    loss, but is a mean over other tokens.
    """
    weighted = loss * (part.share * processes)
    if entropy_loss is None or not entropy_loss.requires_grad:
        return weighted
    own = entropy_loss * ((part.entropy_share - part.share) * processes)
    return weighted + (own - own.detach())


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
