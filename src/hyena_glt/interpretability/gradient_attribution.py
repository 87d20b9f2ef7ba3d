"""Attributions by gradients: one backward pass in place of hundreds of mutants.

Gradients are those of :mod:`~hyena_glt.interpretability.soft_letters`, with respect to the shares
of letters.  What a substitution does is estimated from the slope at the sequence (saliency, input
x gradient), or from its mean along straight lines from shuffled sequences (integrated gradients),
where the scores add up to the difference of the predictions if boundaries are frozen.

Sources: saliency, Simonyan et al. 2014, arXiv:1312.6034; integrated gradients, Sundararajan et al.
2017, arXiv:1703.01365; slopes compared between letters, Majdandzic et al. 2023, Genome Biology
24:109.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError
from hyena_glt.interpretability.attribution_result import (
    Alphabet,
    Attribution,
    Boundaries,
    alphabet_of,
    predict,
    substitution_scores,
)
from hyena_glt.interpretability.held_merging import merging_held
from hyena_glt.interpretability.inputs import token_ids
from hyena_glt.interpretability.readout_share import readout_effects, readout_scores
from hyena_glt.interpretability.soft_letters import shares_of, soft_prediction
from hyena_glt.model.modes import inference_mode_of

GradientMethod = Literal["saliency", "input_x_gradient", "integrated_gradients", "deeplift"]
METHODS = ("mutagenesis", "saliency", "input_x_gradient", "integrated_gradients")

_MOST_TOKENS = 8192

_NO_DEEPLIFT = (
    "method='deeplift' does not hold for this model: DeepLIFT has rules for activations of sums, "
    "and here almost everything is a product (gates, attention, convolutions of products), for "
    "which it falls back on plain gradients; 'integrated_gradients' compares with shuffled "
    "sequences too, and says how complete it is"
)


def gradient_attributions(
    model: PreTrainedModel,
    ids: Tensor,
    output: int,
    *,
    absolute: bool = False,
    boundaries: Boundaries = "remerged",
    batch_size: int = 64,
) -> list[Attribution]:
    """Estimate what every substitution does from the slope at the sequence.

    Args:
        model: A sequence-classification model over single-letter tokens; its mode is restored.
        ids: (n, l) token ids.
        output: Column of the logits to explain.
        absolute: The score of a base is the greatest change, without its sign, that a letter in
            its place makes (saliency); otherwise the mean loss over the other letters (input x
            gradient).
        boundaries: At the sequence itself ``remerged`` and ``frozen`` are the same.
        batch_size: Sequences per pass.

    Returns:
        One attribution per sequence.

    Raises:
        ConfigError: If the model's tokens are k-mers, or it has no such output.
    """
    alphabet = alphabet_of(ids, model.config)
    found = []
    with inference_mode_of(model):
        for part in ids.split(_rows(ids, batch_size)):
            with torch.no_grad():
                predictions = predict(model, part, output)
            shares = shares_of(part, alphabet)
            with (
                torch.enable_grad(),
                soft_prediction(model, part, output, alphabet, boundaries) as soft,
            ):
                shares.requires_grad_()
                (slope,) = torch.autograd.grad(soft(shares).sum(), shares)
            for row, one in enumerate(part.split(1)):
                effects = _effects(slope[row], shares[row].detach())
                effects = (effects + readout_effects(model, one, output, alphabet)).cpu()
                own = shares[row, :, :-1].detach().bool().cpu()
                scores = (
                    effects.abs().amax(dim=1) if absolute else substitution_scores(effects, own)
                )
                found.append(Attribution(scores, effects, float(predictions[row])))
    return found


def integrated_gradients(
    model: PreTrainedModel,
    ids: Tensor,
    output: int,
    *,
    boundaries: Boundaries = "remerged",
    batch_size: int = 64,
    baselines: int = 10,
    steps: int = 64,
    seed: int = 0,
) -> Attribution:
    """Attribute the difference between a sequence and shuffled copies of it.

    Args:
        model: A sequence-classification model over single-letter tokens; its mode is restored.
        ids: (1, l) token ids.
        output: Column of the logits to explain.
        boundaries: ``frozen``: the patches of the sequence all along the path, so that the scores
            add up; ``remerged``: decided anew at every step, and what the jumps do is in ``delta``.
        batch_size: Points of the paths per pass.
        baselines: Shuffled copies.
        steps: Points on each path.
        seed: Of the shuffling.

    Returns:
        The scores add up to prediction - baseline + delta.  Effects are estimated from the mean
        slope along the paths.

    Raises:
        ConfigError: If the model's tokens are k-mers, or it has no such output.
    """
    from captum.attr import IntegratedGradients

    alphabet = alphabet_of(ids, model.config)
    generator = torch.Generator().manual_seed(seed)
    others = torch.cat([_shuffled(ids, alphabet, generator) for _ in range(baselines)])
    shares, start = shares_of(ids, alphabet), shares_of(others, alphabet)
    with inference_mode_of(model):
        with torch.no_grad(), merging_held(model, ids, boundaries):
            prediction = float(predict(model, ids, output))
            at_start = [predict(model, part, output) for part in others.split(batch_size)]
            baseline = float(torch.cat(at_start).mean())
        rows = _rows(ids, batch_size)
        with soft_prediction(model, ids, output, alphabet, boundaries) as soft:
            # Without the inputs it gives the mean slope, which the effects need too.
            method = IntegratedGradients(soft, multiply_by_inputs=False)
            slope = torch.cat(
                [
                    method.attribute(
                        shares.repeat(len(part), 1, 1), part, n_steps=steps,
                        internal_batch_size=rows,
                    )
                    for part in start.split(rows)
                ]
            )  # fmt: skip
    scores = ((shares - start) * slope).sum(dim=2).mean(dim=0)
    scores = scores + readout_scores(model, ids, others, output, alphabet, generator)
    effects = _effects(slope.mean(dim=0), shares[0])
    effects = effects + readout_effects(model, ids, output, alphabet)
    delta = float(scores.sum()) - (prediction - baseline)
    return Attribution(scores.float().cpu(), effects.float().cpu(), prediction, baseline, delta)


def _rows(ids: Tensor, batch_size: int) -> int:
    """Sequences per pass: shares of n-grams are thousands of numbers for every token."""
    return max(1, min(batch_size, _MOST_TOKENS // ids.shape[1]))


def _effects(slope: Tensor, shares: Tensor) -> Tensor:
    """Change by each letter in place of what is there, by the slope.

    The difference between two letters is free of the part of the gradient that leads off the
    sequences, to more or less than one letter in a place.
    """
    own = (slope * shares).sum(dim=-1, keepdim=True)
    return (slope[:, :-1] - own).masked_fill(shares[:, :-1].bool(), 0.0)


def _shuffled(ids: Tensor, alphabet: Alphabet, generator: torch.Generator) -> Tensor:
    """The letters of a sequence in random order; tokens without a letter stay where they are."""
    moved = ids.clone()
    letter = ids[0] - alphabet.first
    places = ((letter >= 0) & (letter < alphabet.size)).nonzero()[:, 0]
    order = torch.randperm(len(places), generator=generator).to(ids.device)
    moved[0, places] = ids[0, places[order]]
    return moved


def compute_gradient_attributions(
    model: PreTrainedModel,
    sequences: Sequence[str | Tensor],
    targets: int | Sequence[int],
    *,
    method: GradientMethod = "input_x_gradient",
    boundaries: Boundaries = "remerged",
    tokenizer: Any | None = None,
    batch_size: int = 64,
) -> list[Attribution]:
    """Gradient-based importance scoring for nucleotides.

    Args:
        model: A sequence-classification model over single-letter tokens; its mode is restored.
        sequences: Letters or token ids, of any lengths.
        targets: Column of the logits to explain, one for all sequences or one for each.
        method: ``saliency``, ``input_x_gradient`` or ``integrated_gradients``.
        boundaries: ``remerged`` or ``frozen``, see :func:`integrated_gradients`.
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.
        batch_size: Sequences, or points of a path, per pass.

    Returns:
        One attribution per sequence, in their order.

    Raises:
        ConfigError: If an argument is none of its choices, there are not as many targets as
            sequences, the model's tokens are k-mers, or it has no such output.
        DataError: If a sequence is empty.
    """
    columns = [targets] * len(sequences) if isinstance(targets, int) else list(targets)
    if len(columns) != len(sequences):
        raise ConfigError(f"targets: {len(columns)} are given for {len(sequences)} sequences")
    rows = [token_ids(model, one, tokenizer) for one in sequences]
    # What has one length and one target goes through the model together.
    together: dict[tuple[int, int], list[int]] = {}
    for number, (ids, column) in enumerate(zip(rows, columns, strict=True)):
        together.setdefault((ids.shape[1], int(column)), []).append(number)
    found: dict[int, Attribution] = {}
    for (_, column), numbers in together.items():
        ids = torch.cat([rows[number] for number in numbers])
        attributions = attribute_by_gradients(
            model, ids, column, method=method, boundaries=boundaries, batch_size=batch_size
        )
        found.update(zip(numbers, attributions, strict=True))
    return [found[number] for number in range(len(rows))]


def attribute_by_gradients(
    model: PreTrainedModel,
    ids: Tensor,
    output: int,
    *,
    method: GradientMethod,
    boundaries: Boundaries,
    batch_size: int,
) -> list[Attribution]:
    """Attribute by one of the gradient methods.

    Args:
        model: A sequence-classification model over single-letter tokens.
        ids: (n, l) token ids.
        output: Column of the logits.
        method: ``saliency``, ``input_x_gradient`` or ``integrated_gradients``.
        boundaries: ``remerged`` or ``frozen``.
        batch_size: Sequences, or points of a path, per pass.

    Raises:
        ConfigError: If there is no such method, or DeepLIFT is asked for.
    """
    if method == "integrated_gradients":
        return [
            integrated_gradients(model, one, output, boundaries=boundaries, batch_size=batch_size)
            for one in ids.split(1)
        ]
    if method in {"saliency", "input_x_gradient"}:
        return gradient_attributions(
            model, ids, output, absolute=method == "saliency", boundaries=boundaries,
            batch_size=batch_size,
        )  # fmt: skip
    if method == "deeplift":
        raise ConfigError(_NO_DEEPLIFT)
    raise ConfigError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
