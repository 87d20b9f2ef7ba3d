"""The number format that suits a genomic task, on the hardware at hand.

Each task has a wish; where the processor lacks its format, the best that it has takes its place and
the wish stands beside it.

==================== ====== =====================================================================
task                 wish   why
==================== ====== =====================================================================
genome_annotation    fp16   long windows, much arithmetic; gradients are clipped hard
variant_effect       bf16   small differences between large likelihoods; the range of fp32
protein_function     fp8    wide layers; activations are computed again in place of being kept
sequence_generation  bf16   one token at a time; the weights can wait in main memory
classification       bf16   short sequences; no scale to look after
==================== ====== =====================================================================
"""

import difflib
from typing import Any

import torch

from hyena_glt.errors import ConfigError
from hyena_glt.training.precision import Mode, default_device, has_fast

_DTYPES: dict[Mode, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp8": torch.float8_e4m3fn,
}
# What comes next where the wish is not there, best first.
_INSTEAD: tuple[Mode, ...] = ("bf16", "fp16", "fp32")
_WISHES: dict[str, tuple[Mode, dict[str, Any]]] = {
    "genome_annotation": ("fp16", {"loss_scale": "dynamic", "max_grad_norm": 0.5}),
    "variant_effect": ("bf16", {"loss_scale": 2.0**8, "max_grad_norm": 1.0}),
    "protein_function": ("fp8", {"memory_efficient": True}),
    "sequence_generation": ("bf16", {"cpu_offload": True}),
    "classification": ("bf16", {"loss_scale": "dynamic", "max_grad_norm": 1.0}),
}
# Key of such a dictionary -> setting of a training.
_SETTINGS = {"loss_scale": "{section}.loss_scale", "max_grad_norm": "{section}.max_grad_norm",
             "memory_efficient": "model.gradient_checkpointing"}  # fmt: skip


def get_optimal_precision_config(
    task: str, device: torch.device | str | None = None
) -> dict[str, Any]:
    """What to compute a task in, on some hardware.

    Args:
        task: ``genome_annotation``, ``variant_effect``, ``protein_function``,
            ``sequence_generation`` or ``classification``.
        device: Where; None: the GPU if there is one, else the CPU.

    Returns:
        ``dtype``, the format of the matrix products, and what else matters for the task:

        - ``loss_scale``: scale of the loss, if ``dtype`` is fp16 (``"dynamic"`` or a number);
        - ``max_grad_norm``: norm that gradients are clipped to;
        - ``memory_efficient``: True: compute activations again in the backward pass;
        - ``cpu_offload``: True: keep the weights in main memory while generating on a GPU; slower,
          and for models that do not fit;
        - ``requested_dtype``: only where the hardware lacks it: what the task would be best in.

    Raises:
        ConfigError: If the task is unknown; names the nearest.

    Example:
        >>> get_optimal_precision_config("variant_effect", "cpu")["max_grad_norm"]
        1.0
    """
    if task not in _WISHES:
        near = difflib.get_close_matches(task, _WISHES, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"there is no task {task!r}{hint} (known: {', '.join(_WISHES)})")
    wish, others = _WISHES[task]
    place = default_device() if device is None else torch.device(device)
    mode = next(mode for mode in (wish, *_INSTEAD) if has_fast(mode, place))
    config = {"dtype": _DTYPES[mode], **others}
    if mode != wish:
        config["requested_dtype"] = _DTYPES[wish]
    return config


def precision_settings(config: dict[str, Any], section: str = "training") -> dict[str, Any]:
    """The settings of a training that follow from such a configuration.

    ``cpu_offload`` is for generation and sets nothing here.

    Args:
        config: What :func:`get_optimal_precision_config` gave.
        section: ``training`` or ``pretraining``.

    Returns:
        Values by ``section.field``, as :func:`~hyena_glt.training.settings.load_settings` takes
        them.

    Raises:
        ConfigError: If ``dtype`` is not the format of a mode.

    Example:
        >>> precision_settings({"dtype": torch.bfloat16, "max_grad_norm": 0.5})
        {'training.precision': 'bf16', 'training.max_grad_norm': 0.5}
    """
    modes = {dtype: mode for mode, dtype in _DTYPES.items()}
    dtype = config.get("dtype")
    if dtype not in modes:
        known = ", ".join(str(dtype) for dtype in modes)
        raise ConfigError(f"dtype={dtype}: expected one of {known}")
    settings: dict[str, Any] = {f"{section}.precision": modes[dtype]}
    for key, name in _SETTINGS.items():
        if key in config:
            settings[name.format(section=section)] = config[key]
    return settings
