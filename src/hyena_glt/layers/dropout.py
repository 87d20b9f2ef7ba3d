"""Dropout of whole channels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ChannelDropout(nn.Module):
    """Drop channels of a residual branch, the same ones at every step of a sequence.

    Neighbouring steps share most of what they know, so dropping single numbers hides little; one
    draw per channel also costs nothing beside the branch.

    Args:
        probability: Of dropping a channel.

    Source: Tompson et al. 2015, arXiv:1411.4280.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Drop channels in training; do nothing at inference.

        Args:
            x: Output of a branch.
        """
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        mask = torch.empty(x.shape[0], 1, x.shape[2], device=x.device, dtype=x.dtype)
        return x * (mask.bernoulli_(keep) / keep)
