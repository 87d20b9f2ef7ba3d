"""Which number format the arithmetic runs in."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from hyena_glt.errors import ConfigError


def has_fast_bf16(device: torch.device) -> bool:
    """True if the processor multiplies bf16 in hardware.

    Args:
        device: CPU or GPU.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = torch.cpu
    return device.type == "cpu" and bool(
        cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported()
    )


def autocast(
    precision: Literal["auto", "fp32", "bf16"], device: torch.device
) -> AbstractContextManager[object]:
    """Run what is inside in the chosen format; master weights stay fp32.

    Args:
        precision: ``auto`` is bf16 where it is fast, else fp32.
        device: Where the model is.

    Raises:
        ConfigError: If bf16 is asked for on a GPU that lacks it.
    """
    fast = has_fast_bf16(device)
    if precision == "bf16" and device.type == "cuda" and not fast:
        raise ConfigError("training.precision=bf16: this GPU has no bf16; use fp32")
    if precision == "bf16" or (precision == "auto" and fast):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
