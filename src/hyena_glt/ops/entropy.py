"""Uncertainty about the next token, in nats."""

from jaxtyping import Float
from torch import Tensor


def entropy(logits: Float[Tensor, "*batch v"]) -> Float[Tensor, "*batch"]:
    """Shannon entropy of a categorical distribution, in nats.

    Args:
        logits: Unnormalised log-probabilities; a tensor of any float type, computed in fp32.
    """
    log_probability = logits.float().log_softmax(dim=-1)
    return -(log_probability.exp() * log_probability).sum(dim=-1)
