"""Tensors that several processes hold in shards, and the way there and back."""

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(value: Tensor) -> Tensor:
    """A tensor in one piece; all processes have to ask for it.

    Args:
        value: Perhaps in shards.
    """
    return value.full_tensor() if isinstance(value, DTensor) else value


def like(value: Tensor, other: Tensor) -> Tensor:
    """A tensor divided as another one is; all processes have to ask for it.

    Args:
        value: In one piece.
        other: Perhaps in shards.
    """
    if not isinstance(other, DTensor):
        return value
    return distribute_tensor(value.to(other.device), other.device_mesh, other.placements)


def local(value: Tensor) -> Tensor:
    """What this process holds of a tensor.

    Args:
        value: Perhaps in shards.
    """
    return value.to_local() if isinstance(value, DTensor) else value
