"""Models larger than the GPU: weights wait in main memory and visit the GPU for one product each.

Hooks on whole blocks, as Accelerate sets them, would not do: a model that generates goes from token
to token through methods of its blocks other than ``forward``.  Their matrices it always calls.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hyena_glt.training.precision import default_device


@contextmanager
def offloaded(model: nn.Module, device: torch.device | None = None) -> Iterator[list[str]]:
    """Keep a model's matrices in main memory and the rest of it on the device.

    On the device are embeddings, filters and norms, and one matrix at a time.  Outputs are those of
    the model wholly on the device.  For inference; afterwards the model is where it was.

    Args:
        model: Any model of the package.
        device: Where to compute; None: the GPU if there is one.  On the CPU everything is in main
            memory anyway, and only the way is the same.

    Yields:
        Names of the layers whose weights stay in main memory.
    """
    device = device or default_device()
    home = next(model.parameters()).device
    hooks = []
    try:
        model.to("cpu")
        matrices = _matrices(model)
        waiting = {id(value) for layer in matrices.values() for value in layer.parameters()}
        for value in [*model.parameters(), *model.buffers()]:
            if id(value) not in waiting:
                value.data = value.data.to(device)
        for layer in matrices.values():
            kept = {name: _kept(value.data, device) for name, value in layer.named_parameters()}
            _place(layer, kept)
            hooks += [
                layer.register_forward_pre_hook(partial(_fetch, kept, device)),
                layer.register_forward_hook(partial(_release, kept), always_call=True),
            ]
        yield list(matrices)
    finally:
        for hook in hooks:
            hook.remove()
        model.to(home)


def _matrices(model: nn.Module) -> dict[str, nn.Linear]:
    """Linear layers by name, but for those that share their weight with another kind of layer."""
    others = {
        id(value)
        for module in model.modules()
        if not isinstance(module, nn.Linear)
        for value in module.parameters(recurse=False)
    }
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and id(module.weight) not in others
    }


def _kept(value: Tensor, device: torch.device) -> Tensor:
    """Page-locked where the device can then copy it by itself."""
    return value.pin_memory() if device.type == "cuda" else value


def _place(layer: nn.Module, values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        layer.get_parameter(name).data = value


def _fetch(kept: dict[str, Tensor], device: torch.device, layer: nn.Module, _: Any) -> None:
    _place(layer, {name: value.to(device, non_blocking=True) for name, value in kept.items()})


def _release(kept: dict[str, Tensor], layer: nn.Module, _: Any, __: Any) -> None:
    _place(layer, kept)
