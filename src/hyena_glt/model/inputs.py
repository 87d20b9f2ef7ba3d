"""What a model is told of its tokens beside their ids, checked.

Axes::

    b  rows as the caller made them
    l  columns as the caller made them
"""

import torch
from torch import Tensor

from hyena_glt.config import MODALITIES, HyenaGLTConfig, joint_letter_ranges
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.layers.embedding import TokenTraits

# The largest score that a FASTQ file can hold.
_HIGHEST_PHRED = 93


def checked_traits(
    config: HyenaGLTConfig,
    input_ids: Tensor,
    mask: Tensor,
    quality_scores: Tensor | None,
    modality_ids: Tensor | None,
) -> TokenTraits:
    """Check qualities and modalities, and bring them to one value per token.

    With the joint vocabulary the letters tell the molecule, and ``modality_ids`` may be left out;
    special tokens then have none.

    Args:
        config: Says which of them the model knows.
        input_ids: (b, l) token ids.
        mask: (b, l), True on tokens; values on padding have no effect.
        quality_scores: (b, l) Phred scores, in [0, 93].
        modality_ids: (b,) or (b, l) numbers of the molecules; -1 for a token of none.

    Raises:
        ConfigError: If the model has no embedding for what is given.
        DataError: If a shape or a value breaks its rule, or ``modality_ids`` are needed.
    """
    return TokenTraits(
        _qualities(config, input_ids, mask, quality_scores),
        _modalities(config, input_ids, mask, modality_ids),
    )


def _qualities(
    config: HyenaGLTConfig, input_ids: Tensor, mask: Tensor, scores: Tensor | None
) -> Tensor | None:
    if scores is None:
        return None
    if not config.quality_embedding:
        raise ConfigError(
            "quality_scores are given, and the model has no embedding for them; make it with "
            "HyenaGLTConfig(quality_embedding=True), or leave them out"
        )
    if scores.shape != input_ids.shape:
        raise DataError(
            f"quality_scores: shape {tuple(scores.shape)} differs from that of input_ids, "
            f"{tuple(input_ids.shape)}"
        )
    known = torch.where(mask, scores, 0).float()
    legal = (known >= 0) & (known <= _HIGHEST_PHRED)
    if not bool(legal.all()):
        raise DataError(
            f"quality_scores holds {float(known[~legal][0]):g}; expected Phred scores in "
            f"[0, {_HIGHEST_PHRED}] (was the offset of 33 or 64 taken off?)"
        )
    return known


def _modalities(
    config: HyenaGLTConfig, input_ids: Tensor, mask: Tensor, numbers: Tensor | None
) -> Tensor | None:
    count = config.num_modalities
    if numbers is None:
        if count == 0:
            return None
        if config.joint_vocabulary:
            return modalities_of(input_ids)
        raise DataError(
            f"modality_ids are missing: the model tells {count} kinds of sequence apart "
            "(num_modalities); give one number per sequence or per token"
        )
    if count == 0:
        raise ConfigError(
            "modality_ids are given, and the model has no embedding for them; make it with "
            f"HyenaGLTConfig(num_modalities={len(MODALITIES)}), or leave them out"
        )
    if numbers.shape not in (input_ids.shape, input_ids.shape[:1]):
        raise DataError(
            f"modality_ids: expected shape {tuple(input_ids.shape[:1])}, one number per sequence, "
            f"or {tuple(input_ids.shape)}, one per token; got {tuple(numbers.shape)}"
        )
    if numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool:
        raise DataError(f"modality_ids must be whole numbers, got {numbers.dtype}")
    lowest = 0
    if numbers.dim() == 1:
        numbers = numbers.unsqueeze(1).expand_as(input_ids)
    else:
        lowest = -1
    known = torch.where(mask, numbers, 0).long()
    legal = (known >= lowest) & (known < count)
    if not bool(legal.all()):
        raise DataError(
            f"modality_ids holds {int(known[~legal][0])}; expected numbers in [0, {count}) "
            "(num_modalities), or -1 for single tokens of no molecule"
        )
    return known


def modalities_of(input_ids: Tensor) -> Tensor:
    """Number of the molecule that each token of the joint vocabulary is a letter of.

    Args:
        input_ids: Token ids, any shape.

    Returns:
        0 for DNA, 1 for RNA, 2 for protein; -1 for special tokens and unused ids.
    """
    numbers = torch.full_like(input_ids, -1)
    for number, (first, count) in enumerate(joint_letter_ranges()):
        numbers[(input_ids >= first) & (input_ids < first + count)] = number
    return numbers
