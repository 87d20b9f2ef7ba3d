"""Matrix products of the layers, by the faster of PyTorch's two libraries on a CPU."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# oneDNN keeps what it compiled for every number of rows that it has seen; so it gets few of them.
_ROWS = 64


class Linear(nn.Linear):
    """A linear map; without gradients, in fp32 on a CPU, through oneDNN.

    PyTorch sends such products to MKL, which leaves the wide registers of AMD's processors unused.
    oneDNN does not: there it is more than twice as fast, and elsewhere no slower; both are exact to
    fp32.  In bf16, and wherever gradients are wanted, nothing changes.
    """

    def forward(self, x: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        """Apply the map.

        Args:
            x: Inputs, along the last axis.
        """
        if not _by_onednn(x):
            return F.linear(x, self.weight, self.bias)
        rows = x.reshape(-1, x.shape[-1])
        whole = len(rows) - len(rows) % _ROWS
        out = torch.ops.mkldnn._linear_pointwise(
            rows[:whole], self.weight, self.bias, "none", [], ""
        )
        if whole < len(rows):
            out = torch.cat([out, F.linear(rows[whole:], self.weight, self.bias)])
        return out.view(*x.shape[:-1], -1)


def _by_onednn(x: Tensor) -> bool:
    # A graph that is recorded shall hold operations that every backend knows.
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return False
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and x.numel() >= _ROWS * x.shape[-1]
    )
