"""Optimiser, learning-rate schedule and the moving average of the weights."""

import math
from typing import Self

import torch
from torch import Tensor, nn

from hyena_glt.training.settings import OptimizerSettings
from hyena_glt.training.shards import local


def make_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW with weight decay on weight matrices only.

    Filters, scorers, norms, biases and embedding tables are not decayed: their zero means
    something.

    Args:
        model: Model to train.
        settings: Learning rate and decay.
    """
    matrices = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    trained = [p for p in model.parameters() if p.requires_grad]
    plain = [p for p in trained if id(p) not in matrices]
    groups = [
        {
            "params": [p for p in trained if id(p) in matrices],
            "weight_decay": settings.weight_decay,
        },
        {"params": [p for p in plain if p.dim() > 0], "weight_decay": 0.0},
        # Apart, for they are never divided among processes as the others are.
        {"params": [p for p in plain if p.dim() == 0], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)


def learning_rate(step: int, total: int, settings: OptimizerSettings) -> float:
    """Learning rate of a step: a linear warm-up, then half a cosine down.

    Args:
        step: From 0.
        total: Steps of the whole training.
        settings: Peak, warm-up and end.
    """
    warmup = max(1, round(settings.warmup_fraction * total))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    share = settings.final_fraction + (1 - settings.final_fraction) * cosine
    return settings.learning_rate * share


class WeightAverage:
    """A moving average of the weights over the steps, which is evaluated in their place.

    The decay starts low, so that early averages follow the training.

    Args:
        model: Model in training.
        decay: Share of the old average kept at every step.

    Attributes:
        average: By the name of the parameter.
        steps: Taken into the average so far.

    Source: Polyak and Juditsky 1992; the warm-up is that of TensorFlow's moving averages.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.steps = 0
        self.average = {name: p.detach().clone() for name, p in model.named_parameters()}
        self._trained: list[Tensor] = []

    @torch.no_grad()
    def update(self) -> None:
        """Take one more step into the average."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self._averages(), self._weights(), 1 - decay)

    @torch.no_grad()
    def __enter__(self) -> Self:
        """Put the averages into the model."""
        self._trained = [value.clone() for value in self._weights()]
        self._load(self._averages())
        return self

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        """Put the trained weights back."""
        self._load(self._trained)
        self._trained = []

    @torch.no_grad()
    def _load(self, values: list[Tensor]) -> None:
        for weight, value in zip(self._weights(), values, strict=True):
            weight.copy_(value)

    # Of weights in shards a process moves the part that it holds.
    def _averages(self) -> list[Tensor]:
        return [local(value) for value in self.average.values()]

    def _weights(self) -> list[Tensor]:
        return [local(p.detach()) for p in self.model.parameters()]
