"""The number format of a training's arithmetic: fp32, bf16, fp16 or fp8.

==== ================ ======================= ==================================================
mode matrix products  loss                    needs
==== ================ ======================= ==================================================
fp32 fp32             as it is                nothing
bf16 bf16             as it is                a CPU, or a GPU since Ampere
fp16 fp16             scaled before backward  a GPU
fp8  fp8, some bf16   as it is                a GPU since Ada or Hopper, and torchao
==== ================ ======================= ==================================================

In every mode weights, gradients, optimiser, Fourier transforms and losses are fp32, and so are
evaluation and the model that is saved.

Source: Micikevicius et al. 2018, arXiv:1710.03740 (fp16, loss scaling); 2022, arXiv:2209.05433
(fp8).
"""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from types import MethodType
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyena_glt.errors import ConfigError
from hyena_glt.layers.linear import Linear
from hyena_glt.training.settings import OptimizerSettings

Mode = Literal["fp32", "bf16", "fp16", "fp8"]
MODES: tuple[Mode, ...] = ("fp32", "bf16", "fp16", "fp8")

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.bfloat16}
_FIRST_FP8 = (8, 9)  # compute capability
# Products in fp8 take sizes that are multiples of this.
_FP8_MULTIPLE = 16
_FIRST_SCALE = 2.0**16
_GROWTH_INTERVAL = 2000
_NEVER = 2**31 - 1


class Choice(NamedTuple):
    """The mode that a training runs in.

    Attributes:
        mode: One of ``MODES``.
        note: What was asked for and why it was not taken; None if nothing was replaced.
    """

    mode: Mode
    note: str | None


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU; of several processes each has a GPU of its own."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number = os.environ.get("LOCAL_RANK")
    return torch.device("cuda") if number is None else torch.device("cuda", int(number))


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


def has_fp8(device: torch.device) -> bool:
    """True if the processor multiplies fp8 in hardware.

    Args:
        device: CPU or GPU.
    """
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _FIRST_FP8


def has_fast(mode: Mode, device: torch.device) -> bool:
    """True if a mode pays on a processor; whether torchao is installed does not count.

    Args:
        mode: One of ``MODES``.
        device: CPU or GPU.
    """
    if mode == "bf16":
        return has_fast_bf16(device)
    if mode == "fp16":
        return device.type == "cuda"
    return mode == "fp32" or has_fp8(device)


def refusal(mode: Mode, device: torch.device) -> str | None:
    """Why a mode cannot be had; None if it can.

    Args:
        mode: One of ``MODES``.  bf16 is slow, but right, on a CPU without it.
        device: CPU or GPU.
    """
    on_cpu = device.type == "cpu"
    if mode == "bf16" and not on_cpu and not has_fast_bf16(device):
        return "this GPU has no bf16"
    if mode == "fp16" and not has_fast("fp16", device):
        return "a CPU multiplies fp16 more than 20 times as slowly as fp32"
    if mode == "fp8" and not has_fp8(device):
        return f"this {'CPU' if on_cpu else 'GPU'} has no fp8; NVIDIA GPUs since Ada and Hopper do"
    if mode == "fp8" and find_spec("torchao") is None:
        return "needs torchao, which is not installed: pip install 'hyena-glt[fp8]'"
    return None


def choose(settings: OptimizerSettings, device: torch.device) -> Choice:
    """Find the mode for some settings on some hardware.

    Args:
        settings: ``precision`` and ``precision_fallback``.
        device: Where the model is to be trained.

    Raises:
        ConfigError: If the mode cannot be had and no other is wanted; names the reason.
    """
    asked = settings.precision
    best: Mode = "bf16" if has_fast_bf16(device) else "fp32"
    if asked == "auto":
        return Choice(best, None)
    reason = refusal(asked, device)
    if reason is None:
        return Choice(asked, None)
    if settings.precision_fallback:
        return Choice(best, f"precision: {best} in place of {asked} ({reason})")
    raise ConfigError(
        f"{settings.section}.precision={asked}: {reason}; use {best}, or set "
        f"{settings.section}.precision_fallback=true to have it chosen"
    )


class Arithmetic:
    """How one training computes: the format of its products, and the scale of its loss.

    A step is :meth:`autocast` around the forward pass, then :meth:`backward`, :meth:`clip` and
    :meth:`step`.

    Args:
        settings: ``precision``, ``precision_fallback`` and ``loss_scale``.
        device: Where the model is.

    Attributes:
        mode: The mode it runs in.
        note: Why it is another than the one asked for; None if it is that one.
        scaler: Scales the loss in fp16, and has a state to be saved; None in the other modes.

    Raises:
        ConfigError: If the hardware lacks the mode and ``precision_fallback`` is off.
    """

    def __init__(self, settings: OptimizerSettings, device: torch.device) -> None:
        self.device = device
        self.mode, self.note = choose(settings, device)
        self.scaler = _loss_scaler(settings, device) if self.mode == "fp16" else None

    def prepare(self, model: nn.Module) -> None:
        """Make a model ready for the mode; parameters and their names stay what they are.

        Args:
            model: On the device; before it is wrapped or compiled.
        """
        if self.mode == "fp8":
            convert_to_fp8(model)

    def autocast(self) -> AbstractContextManager[object]:
        """Run what is inside in the mode's format; the weights stay fp32."""
        if self.mode == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_AUTOCAST[self.mode])

    def backward(self, loss: Tensor) -> None:
        """Run the backward pass, of the scaled loss where the mode has a scale.

        Args:
            loss: Of one batch.
        """
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def clip(
        self, optimizer: torch.optim.Optimizer, parameters: Iterable[Tensor], max_norm: float
    ) -> Tensor:
        """Take the scale out of the gradients, then scale them down to a norm.

        Args:
            optimizer: Of the model.
            parameters: Of the model.
            max_norm: Largest L2 norm over all gradients.

        Returns:
            The norm before; infinite or nan where fp16 overflowed.
        """
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Move the weights, or, where fp16 overflowed, leave them and lower the scale.

        Args:
            optimizer: Of the model.
        """
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()

    def describe(self) -> str:
        """The mode in words, for the log."""
        if self.scaler is None:
            return self.mode
        return f"{self.mode}, loss scaled by {self.scaler.get_scale():g}"


def convert_to_fp8(model: nn.Module, *, emulate: bool = False) -> list[str]:
    """Let the large products of a model run in fp8 while it trains.

    Those are the :class:`~hyena_glt.layers.linear.Linear` layers whose two sizes are multiples of
    16.  Heads, merger, filters and norms stay as they are, and so does every layer in inference
    mode: one scale for a whole batch would let sequences change each other's predictions.

    Args:
        model: Changed in place; parameters and their names stay.
        emulate: Round to fp8 and multiply in fp32, which runs everywhere.

    Returns:
        Names of the layers.

    Source: torchao's dynamic scaling, one scale per tensor.
    """
    from torchao.float8 import Float8LinearConfig, convert_to_float8_training

    names = [name for name, module in model.named_modules() if _fits_fp8(module, name)]
    # Backward sums over tokens and patches, whose number is a multiple of nothing: pad it.
    config = Float8LinearConfig(pad_inner_dim=True, emulate=emulate)
    convert_to_float8_training(model, module_filter_fn=_fits_fp8, config=config)
    for name in names:
        layer: Any = model.get_submodule(name)
        layer.forward = MethodType(_fp8_in_training, layer)
    return names


def _fits_fp8(module: nn.Module, name: str) -> bool:
    return (
        isinstance(module, Linear)
        and "merger" not in name
        and module.in_features % _FP8_MULTIPLE == 0
        and module.out_features % _FP8_MULTIPLE == 0
    )


def _fp8_in_training(self: nn.Linear, x: Tensor) -> Tensor:
    if self.training:
        return type(self).forward(self, x)
    return F.linear(x, self.weight, self.bias)


def _loss_scaler(settings: OptimizerSettings, device: torch.device) -> torch.amp.GradScaler:
    if settings.loss_scale == "dynamic":
        first, interval = _FIRST_SCALE, _GROWTH_INTERVAL
    else:
        first, interval = settings.loss_scale, _NEVER
    return torch.amp.GradScaler(device.type, init_scale=first, growth_interval=interval)
