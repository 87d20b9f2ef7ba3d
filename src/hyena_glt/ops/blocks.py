"""Long rows worked through a stretch at a time, while no gradient is wanted.

What is done to every token by itself, or to a token and a few neighbours, needs not be done to all
tokens at once.  A stretch whose intermediate results fit into the processor's cache is faster than
a row whose results travel to memory and back at every step.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_STEPS = 2048
_FEWEST = 256


def stretches(x: Tensor) -> Iterator[slice]:
    """Columns of a batch, stretch by stretch; one stretch where that is faster or needed.

    Args:
        x: (b, t, ...); rows of t steps.
    """
    rows, length = x.shape[:2]
    size = max(_FEWEST, _STEPS // max(1, rows))
    if torch.is_grad_enabled() or x.device.type != "cpu":
        size = length
    for start in range(0, max(1, length), max(1, size)):
        yield slice(start, min(length, start + size))


def in_stretches(
    function: Callable[..., Tensor], *inputs: Tensor, before: int = 0, behind: int = 0
) -> Tensor:
    """Apply a function of neighbouring steps to rows of any length.

    Args:
        function: From tensors (b, t, ...) to one (b, t, ...); step i of its result may depend on
            steps i - before to i + behind of its inputs and on nothing else.
        inputs: Its arguments, all of the same b and t.
        before: Steps that it looks back.
        behind: Steps that it looks ahead.
    """
    length = inputs[0].shape[1]
    out: Tensor | None = None
    for here in stretches(inputs[0]):
        if here.stop - here.start == length:
            return function(*inputs)
        low = max(0, here.start - before)
        part = function(*(x[:, low : here.stop + behind] for x in inputs))
        if out is None:
            out = part.new_empty(part.shape[0], length, *part.shape[2:])
        out[:, here] = part[:, here.start - low : here.stop - low]
    assert out is not None
    return out
