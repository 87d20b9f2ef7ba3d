"""The three long filters of the striped Hyena operator.

All are functions of the absolute lag, never of lag over maximal length, so a model read at
another length is the same function (HyenaDNA's filters stretch).  Two-sided filters hold a second,
anti-causal half.

Axes::

    g  distinct filters
    k  taps
    n  damped oscillations (modes) per filter

Source: SE, MR and LI filters of StripedHyena 2; the modal form with complex poles is that of
Massaroli et al. 2023, arXiv:2310.18780.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hyena_glt.ops.convolution import Modes, modal_filter

# Helix half-turn and turn, codon, major groove, nucleosome: in nucleotides.
BIOLOGICAL_PERIODS = (3.0, 8.0, 10.0, 21.0, 147.0)


class FilterTaps(NamedTuple):
    """Values of a filter by lag.

    Attributes:
        after: Lags 0, 1, 2, ...: what a step gives to itself and to later steps.
        before: Lags 1, 2, ...: what it gives to earlier steps; None if causal.
    """

    after: Float[Tensor, "g k"]
    before: Float[Tensor, "g m"] | None


class MediumFilter(nn.Module):
    """Explicit taps under a learned exponential decay (``MR``).

    Args:
        count: Distinct filters.
        length: Taps.
        causal: False adds the anti-causal half.
    """

    def __init__(self, count: int, length: int, *, causal: bool) -> None:
        super().__init__()
        sides = 1 if causal else 2
        self.taps = nn.Parameter(torch.randn(sides, count, length) / math.sqrt(sides * length / 4))
        # Decay lengths from a few taps to the whole filter, so that filters differ from the start.
        reach = torch.logspace(math.log10(4.0), math.log10(max(8.0, length)), count)
        self.log_decay = nn.Parameter(-reach.log().expand(sides, count).clone())

    def forward(self, steps: int) -> FilterTaps:
        """Evaluate the filter.

        Args:
            steps: Length of the input; taps beyond it are not computed.
        """
        length = min(self.taps.shape[-1], steps)
        lag = torch.arange(length, device=self.taps.device)
        envelope = torch.exp(-self.log_decay.exp().unsqueeze(-1) * lag)
        taps = self.taps[..., :length] * envelope
        return FilterTaps(taps[0], taps[1] if len(taps) > 1 else None)


class LongFilter(nn.Module):
    """A sum of damped oscillations without end (``LI``).

    Half of the modes start as pure decays on a log ladder of lengths, half oscillate: first at the
    biological periods, the rest on a log ladder of periods.

    Args:
        count: Distinct filters.
        modes: Oscillations per filter.
        longest: Longest decay length at the start, in steps.
        causal: False adds the anti-causal half.
    """

    def __init__(self, count: int, modes: int, longest: float, *, causal: bool) -> None:
        super().__init__()
        shape = (1 if causal else 2, count, modes)
        waves = modes // 2
        decays = modes - waves
        lengths = torch.cat(
            [
                torch.logspace(0, math.log10(longest), decays),
                torch.logspace(1, math.log10(longest), waves) if waves else torch.empty(0),
            ]
        )
        ladder = torch.logspace(math.log10(4.0), math.log10(longest), waves)
        periods = torch.cat([torch.tensor(BIOLOGICAL_PERIODS), ladder])[:waves]
        frequency = torch.cat([torch.zeros(decays), 2 * math.pi / periods])
        jitter = torch.exp(0.2 * torch.randn(shape))
        self.log_decay = nn.Parameter(-(lengths.log()) + jitter.log())
        self.frequency = nn.Parameter(frequency * jitter)
        # White noise through one mode gains about 1 / (2 * decay): divide it out.
        gain = torch.sqrt(-torch.expm1(-2 * self.log_decay.detach().exp()) / modes)
        self.cosine = nn.Parameter(torch.randn(shape) * gain)
        self.sine = nn.Parameter(torch.randn(shape) * gain)

    def modes(self) -> list[Modes]:
        """The oscillations of each half: the one for later steps, then that for earlier ones."""
        return [
            Modes(*half)
            for half in zip(
                self.log_decay.exp(), self.frequency, self.cosine, self.sine, strict=True
            )
        ]

    def forward(self, steps: int) -> FilterTaps:
        """Evaluate the filter.

        Args:
            steps: Length of the input.
        """
        sides = [modal_filter(*modes, steps + side) for side, modes in enumerate(self.modes())]
        # Both halves have a lag 0; the later steps' half owns it.
        return FilterTaps(sides[0], sides[1][:, 1:] if len(sides) > 1 else None)
