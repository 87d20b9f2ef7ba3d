"""The gated feed-forward part of a layer."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from hyena_glt.layers.dropout import ChannelDropout
from hyena_glt.layers.linear import Linear


class GatedMLP(nn.Module):
    """A two-layer perceptron whose hidden channels are gated by SiLU.

    Source: SwiGLU, Shazeer 2020, arXiv:2002.05202.

    Args:
        width: Channels in and out.
        hidden: Channels in between.
        dropout: Probability of dropping an output channel.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.up = Linear(width, 2 * hidden, bias=False)
        self.down = Linear(hidden, width, bias=False)
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Transform every step by itself.

        Args:
            x: Normalised hidden states.
        """
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.dropout(self.down(F.silu(gate) * value))
