"""Which bases a prediction rests on: one front door to every method.

=========================  ==========================================  ===========================
method                     score of a base                             asks the model
=========================  ==========================================  ===========================
``mutagenesis``            mean loss over the other letters, measured  3 l times
``saliency``               greatest change by one letter, no sign      once, and back
``input_x_gradient``       mean loss over the other letters, by slope  once, and back
``integrated_gradients``   share of the difference to shuffled copies  640 times, and back
=========================  ==========================================  ===========================

Mutagenesis is the reference; it approximates nothing.  The others are quick estimates.
"""

from typing import Literal

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.interpretability.attribution_result import Attribution, Boundaries, alphabet_of
from hyena_glt.interpretability.gradient_attribution import (
    GradientMethod,
    attribute_by_gradients,
)
from hyena_glt.interpretability.mutagenesis import in_silico_mutagenesis
from hyena_glt.interpretability.soft_letters import other_strand

__all__ = ["Attribution", "Method", "attribute", "in_silico_mutagenesis"]

Method = Literal["mutagenesis"] | GradientMethod


def attribute(
    model: PreTrainedModel,
    ids: Tensor,
    output: int,
    *,
    method: Method = "mutagenesis",
    boundaries: Boundaries = "remerged",
    reverse_complement: bool = False,
    batch_size: int = 64,
) -> list[Attribution]:
    """Say what every base of sequences is worth for one output.

    Args:
        model: A sequence-classification model over single-letter tokens; its mode is restored.
        ids: (n, l) token ids of whole sequences of one length, without padding.
        output: Column of the logits to explain.
        method: See the table above.
        boundaries: ``remerged``: patches are decided anew for every sequence the model is asked
            about; ``frozen``: those of the sequence are held.
        reverse_complement: Average over the sequence and its reverse complement.
        batch_size: Sequences per forward pass.

    Returns:
        One attribution per sequence, on the CPU.

    Raises:
        ConfigError: If an argument is none of its choices, the model's tokens are k-mers, it has no
            such output, or there is no other strand.
        DataError: If ``ids`` has another shape or is empty.
    """
    if ids.dim() != 2 or ids.numel() == 0:
        raise DataError(
            f"ids: expected (sequences, tokens), at least one of each, got {tuple(ids.shape)}"
        )
    if not reverse_complement:
        return _of_strand(model, ids, output, method, boundaries, batch_size)
    alphabet = alphabet_of(ids, model.config)
    if alphabet.size != 4:
        raise ConfigError(
            "reverse_complement=True is for nucleotides; these letters have no other strand"
        )
    both = torch.cat([ids, other_strand(ids, alphabet)])
    found = _of_strand(model, both, output, method, boundaries, batch_size)
    pairs = zip(found[: len(ids)], found[len(ids) :], strict=True)
    return [_mean(given, other) for given, other in pairs]


def _of_strand(
    model: PreTrainedModel, ids: Tensor, output: int, method: Method, boundaries: Boundaries,
    batch_size: int,
) -> list[Attribution]:  # fmt: skip
    if method == "mutagenesis":
        return [
            in_silico_mutagenesis(model, one, output, boundaries=boundaries, batch_size=batch_size)
            for one in ids.split(1)
        ]
    return attribute_by_gradients(
        model, ids, output, method=method, boundaries=boundaries, batch_size=batch_size
    )


def _mean(given: Attribution, other: Attribution) -> Attribution:
    """Mean over the strands, in the order of the given one."""
    # Complements stand on the other side of the alphabet's middle.
    effects = (given.effects + other.effects.flip(0, 1)) / 2
    scores = (given.scores + other.scores.flip(0)) / 2
    return Attribution(
        scores,
        effects,
        (given.prediction + other.prediction) / 2,
        _half_sum(given.baseline, other.baseline),
        _half_sum(given.delta, other.delta),
    )


def _half_sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else (one + other) / 2
