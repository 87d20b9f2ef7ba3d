"""Which weights of a model a training moves: all, those of the head, or small additions to them.

==================  ===========================  ==================================================
setting             moves                        stays
==================  ===========================  ==================================================
(none)              everything                   nothing
``freeze``          head, k-mer readout          the trunk: weights, patches; it has no dropout
``lora_rank``       head, readout, and A and B   every weight W of the trunk; in its blocks' linear
                    of W + B A                   layers W + B A is what counts
==================  ===========================  ==================================================

Source: LoRA, Hu et al. 2021, arXiv:2106.09685.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError
from hyena_glt.layers.block import HyenaGLTBlock, LocalLayer
from hyena_glt.layers.linear import Linear
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.training.settings import TrainingSettings


def check_trained_parts(settings: TrainingSettings) -> None:
    """Refuse settings that cannot be had.

    Args:
        settings: ``freeze`` and ``lora_rank``.

    Raises:
        ConfigError: If both are set, or peft is needed and missing.
    """
    if not settings.lora_rank:
        return
    if settings.freeze != "none":
        raise ConfigError(
            f"training.lora_rank={settings.lora_rank} and training.freeze={settings.freeze}: give "
            "one of the two; with either the weights of the checkpoint stay"
        )
    if find_spec("peft") is None:
        raise ConfigError(
            f"training.lora_rank={settings.lora_rank}: needs peft, which is not installed: "
            "pip install 'hyena-glt[lora]'"
        )


@contextmanager
def trained_parts(model: PreTrainedModel, settings: TrainingSettings) -> Iterator[str | None]:
    """Let a training move what its settings say; afterwards the model is as any other.

    Inside, only the weights that are to move require gradients.  At the end, also at a bad one,
    low-rank additions are merged into the weights, and everything requires what it did before.

    Args:
        model: Any model of the package.
        settings: ``freeze``, ``lora_rank`` and ``lora_alpha``.

    Yields:
        How many weights move, in words; None if all do.

    Raises:
        ConfigError: If the settings cannot be had, or leave nothing to train.
    """
    check_trained_parts(settings)
    if settings.freeze == "none" and not settings.lora_rank:
        yield None
        return
    before = {name: weight.requires_grad for name, weight in model.named_parameters()}
    trunk = trunk_of(model)
    inside = {id(weight) for weight in trunk.parameters()}
    heads = [w for w in model.parameters() if id(w) not in inside and w.requires_grad]
    total = model.num_parameters()
    if settings.lora_rank:
        _add_adapters(model, settings)
        for weight in heads:
            weight.requires_grad_(True)
        what = f"rank {settings.lora_rank} additions to the blocks' linear layers, and the head"
    elif not heads:
        raise ConfigError(
            f"training.freeze={settings.freeze} leaves nothing to train: the head of a language "
            "model is the table of its embeddings"
        )
    else:
        trunk.freeze()
        what = "the head alone"
    moved = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    try:
        yield f"trained: {what}: {moved:,} weights, beside {total:,} of the model"
    finally:
        _merge_adapters(model)
        trunk.unfreeze()
        for name, weight in model.named_parameters():
            weight.requires_grad_(before[name])


def plain(model: PreTrainedModel) -> PreTrainedModel:
    """A model as it is to be saved, low-rank additions merged into its weights.

    Args:
        model: Any model of the package.

    Returns:
        The model itself if it has no additions, else a copy.
    """
    if not hasattr(model, "peft_config"):
        return model
    merged = copy.deepcopy(model)
    _merge_adapters(merged)
    return merged


def _add_adapters(model: PreTrainedModel, settings: TrainingSettings) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    targets = [
        f"{place}.{name}"
        for place, block in model.named_modules()
        if isinstance(block, HyenaGLTBlock | LocalLayer)
        for name, layer in block.named_modules()
        if isinstance(layer, Linear)
    ]
    inject_adapter_in_model(
        LoraConfig(
            r=settings.lora_rank, lora_alpha=settings.lora_alpha, target_modules=targets
        ),
        model,
    )  # fmt: skip


def _merge_adapters(model: PreTrainedModel) -> None:
    if not hasattr(model, "peft_config"):
        return
    from peft.tuners.lora import LoraLayer

    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoraLayer):
            whole: Any = layer
            whole.merge()
            model.set_submodule(name, whole.get_base_layer())
    del model.peft_config
