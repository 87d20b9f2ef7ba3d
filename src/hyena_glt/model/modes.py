"""Inference mode for as long as an analysis takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def inference_mode_of(model: nn.Module) -> Iterator[None]:
    """Switch a model to inference, and every part of it back to the mode it was in.

    Args:
        model: Any module.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
