"""Exponential moving averages with a weight of their own at every step.

    y[t] = weight[t] * x[t] + (1 - weight[t]) * y[t - 1],   y[0] = weight[0] * x[0]

A step is the affine map y -> a*y + b; maps compose associatively, so doubling the reach of every
map gives all prefixes in log2(length) passes (Hillis and Steele 1986).  No division and no
logarithm, so it is exact where a weight is 0 or 1.

Source: the smoothing module of H-Net, arXiv:2507.07955, section 2.2.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def moving_average(
    x: Float[Tensor, "b p d"], weight: Float[Tensor, "b p"]
) -> Float[Tensor, "b p d"]:
    """Smooth a sequence with a weight per step.

    Args:
        x: Values.
        weight: Weight of the new value, in [0, 1].

    Returns:
        The running averages.
    """
    keep = (1 - weight).unsqueeze(-1)
    value = weight.unsqueeze(-1) * x
    reach = 1
    while reach < x.shape[1]:
        value = torch.cat(
            [value[:, :reach], value[:, reach:] + keep[:, reach:] * value[:, :-reach]], dim=1
        )
        keep = torch.cat([keep[:, :reach], keep[:, reach:] * keep[:, :-reach]], dim=1)
        reach *= 2
    return value


def bounded(weight: Float[Tensor, "b p"]) -> Float[Tensor, "b p"]:
    """Keep weights off 0 and 1, so that no value is lost and none stands alone.

    Args:
        weight: In [0, 1].
    """
    return weight.clamp(1e-4, 1 - 1e-4)
