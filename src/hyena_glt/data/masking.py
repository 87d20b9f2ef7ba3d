"""Which tokens a masked language model has to find: single ones, spans, whole patches.

A *unit* is what is hidden as a whole: a token, or a patch of tokens.

Axes::

    b  sequences in the batch
    l  tokens of the longest one
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Choice(NamedTuple):
    """Tokens to find.

    Attributes:
        chosen: (b, l), True on tokens to find.
        draw: (b, l), uniform in [0, 1) on chosen tokens and the same throughout a span.
    """

    chosen: Tensor
    draw: Tensor


def token_units(input_ids: Tensor) -> Tensor:
    """Every token a unit of its own.

    Args:
        input_ids: (b, l).

    Returns:
        (b, l) number of each token's unit.
    """
    return torch.arange(input_ids.shape[1]).expand_as(input_ids)


def patch_units(attention_mask: Tensor, patch_length: int) -> Tensor:
    """Patches of one length, counted from the first token of each sequence.

    Args:
        attention_mask: (b, l), 1 on tokens; padding on either side.
        patch_length: Tokens in a patch.

    Returns:
        (b, l) number of each token's patch; anything on padding.
    """
    place = attention_mask.cumsum(dim=1) - 1
    return place.clamp(min=0) // patch_length


def started_units(patch_starts: Tensor) -> Tensor:
    """Patches whose first tokens are known.

    Args:
        patch_starts: (b, l), 1 on the first token of each patch, else 0.

    Returns:
        (b, l) number of each token's patch; anything on padding.
    """
    return (patch_starts.cumsum(dim=1) - 1).clamp(min=0)


def choose(
    units: Tensor, probability: float, mean_span: float, generator: torch.Generator
) -> Choice:
    """Choose units at random, singly or in spans.

    Spans of geometric length alternate with gaps of geometric length, both at least one unit, so
    that the share of the chosen is right at every place of the sequence.

    Args:
        units: (b, l) number of each token's unit, from 0.
        probability: Share of the units chosen, on average.
        mean_span: Mean units in a span; 1: each unit is chosen by itself.
        generator: Source of the randomness.

    Returns:
        The choice.

    Source:
        Geometric spans: Joshi et al. 2020, arXiv:1907.10529.
    """
    count = int(units.max()) + 1
    if mean_span == 1:
        draw = torch.rand(len(units), count, generator=generator)
        return Choice((draw < probability).gather(1, units), (draw / probability).gather(1, units))
    starts_chosen = torch.rand(len(units), 1, generator=generator) < probability
    span = torch.empty(len(units), count).geometric_(1 / mean_span, generator=generator)
    # The gap that makes the share right; a mean of at least one unit, as the caller checks.
    mean_gap = mean_span * (1 - probability) / probability
    gap = torch.empty(len(units), count).geometric_(1 / mean_gap, generator=generator)
    is_span = (torch.arange(count) % 2 == 0) == starts_chosen
    stops = torch.where(is_span, span, gap).cumsum(dim=1).clamp(max=count).long()
    begins = torch.zeros(len(units), count + 1, dtype=torch.long)
    run = begins.scatter_(1, stops, 1)[:, :count].cumsum(dim=1)
    draw = torch.rand(len(units), count, generator=generator)
    return Choice(is_span.gather(1, run).gather(1, units), draw.gather(1, run).gather(1, units))


def random_letters(
    input_ids: Tensor,
    ranges: list[tuple[int, int]],
    generator: torch.Generator,
) -> Tensor:
    """Draw for each token another of its own kind: one whose id lies in the same range.

    Args:
        input_ids: (b, l).
        ranges: First id and one past the last of each kind; tokens outside of all stay.
        generator: Source of the randomness.

    Returns:
        (b, l) ids.
    """
    other = input_ids
    for start, stop in ranges:
        inside = (input_ids >= start) & (input_ids < stop)
        letters = torch.randint(start, stop, input_ids.shape, generator=generator)
        other = torch.where(inside, letters, other)
    return other
