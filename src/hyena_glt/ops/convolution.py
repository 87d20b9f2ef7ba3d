"""Depthwise convolutions: short ones tap by tap, long ones through the Fourier transform.

Axes::

    b  rows
    t  steps (tokens or patches)
    d  channels
    k  taps
    g  filters; each serves d / g neighbouring channels

Padding must be zero in the input: a convolution then cannot tell it from the outside.

Sources: gated long convolution, Poli et al. 2023, arXiv:2302.10866; filters shared by channel
groups, StripedHyena 2.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


class Modes(NamedTuple):
    """The damped oscillations of a modal filter.

    Attributes:
        decay: Rates, per step; positive.
        frequency: Radians per step.
        cosine: Amplitudes of the cosines (the real part of the residues).
        sine: Amplitudes of the sines (the imaginary part).
    """

    decay: Float[Tensor, "g n"]
    frequency: Float[Tensor, "g n"]
    cosine: Float[Tensor, "g n"]
    sine: Float[Tensor, "g n"]


def short_convolution(
    x: Float[Tensor, "b t d"],
    taps: Float[Tensor, "d k"],
    bias: Float[Tensor, " d"] | None = None,
    *,
    causal: bool,
) -> Float[Tensor, "b t d"]:
    """Convolve every channel with a few explicit taps.

    ``taps[:, -1]`` meets the current step when causal; the middle tap does when two-sided (k is
    odd then).

    Args:
        x: Input, zero on padding.
        taps: One filter per channel.
        bias: Added to every step.
        causal: True if step t may only see steps up to t.
    """
    width = taps.shape[1]
    # Two-dimensional with channels last: on the CPU the backward pass is 4x that of conv1d.
    image = x.transpose(1, 2).unsqueeze(2)
    weight = taps.to(x.dtype)[:, None, None, :]
    shift = None if bias is None else bias.to(x.dtype)
    # Padding both sides and cutting the end off spares a padded copy of the input.
    margin = width - 1 if causal else width // 2
    out = F.conv2d(image, weight, shift, padding=(0, margin), groups=x.shape[2])
    return out.squeeze(2).transpose(1, 2)[:, : x.shape[1]]


def fft_length(minimum: int) -> int:
    """Smallest power of two that holds ``minimum`` steps.

    Args:
        minimum: Steps needed.
    """
    return 1 << max(minimum - 1, 1).bit_length()


def long_convolution(
    x: Float[Tensor, "b t d"],
    after: Float[Tensor, "g k"],
    before: Float[Tensor, "g m"] | None = None,
) -> Float[Tensor, "b t d"]:
    """Convolve every channel with a long filter, in O(t log t), in fp32 whatever the input type.

        y[t] = sum over lags j >= 0 of after[j] * x[t - j]
             + sum over lags j >= 1 of before[j - 1] * x[t + j]

    Args:
        x: Input, zero on padding.
        after: Filter by lag, 0 first: what a step gives to the steps after it.
        before: Filter by lag, 1 first: what a step gives to the steps before it (two-sided).

    Returns:
        Output in the type of ``x``.
    """
    steps, channels = x.shape[1], x.shape[2]
    size = fft_length(2 * steps)
    after = after[:, :steps].float()
    kernel = F.pad(after, (0, size - after.shape[1]))
    if before is not None and steps > 1:
        # A lag of -j is a lag of size - j on the circle; the two halves never meet.
        mirrored = before[:, : steps - 1].float().flip(1)
        kernel = kernel + F.pad(mirrored, (size - mirrored.shape[1], 0))
    spectrum = torch.fft.rfft(kernel, n=size)
    if spectrum.shape[0] != channels:
        spectrum = spectrum.repeat_interleave(channels // spectrum.shape[0], dim=0)
    signal = torch.fft.rfft(x.float().transpose(1, 2), n=size)
    out = torch.fft.irfft(signal * spectrum, n=size)[..., :steps]
    return out.transpose(1, 2).to(x.dtype)


def modal_filter(
    decay: Float[Tensor, "g n"],
    frequency: Float[Tensor, "g n"],
    cosine: Float[Tensor, "g n"],
    sine: Float[Tensor, "g n"],
    steps: int,
) -> Float[Tensor, "g steps"]:
    """Sum damped oscillations into a filter that never ends.

        h[t] = sum over n of exp(-decay[n] * t) * (cosine[n] * cos(frequency[n] * t)
                                                   - sine[n] * sin(frequency[n] * t))

    The lag t is absolute, in steps; it is never divided by a maximal length, so the filter of a
    longer input continues that of a shorter one.

    Args:
        decay: Rates, per step; positive.
        frequency: Radians per step.
        cosine: Amplitudes of the cosines (the real part of the residues).
        sine: Amplitudes of the sines (the imaginary part).
        steps: Lags wanted, from 0.
    """
    # exp(p * (a * block + b)) = exp(p * a * block) * exp(p * b): two short tables and a matrix
    # product instead of one exponential per lag and mode.  The tables are made in fp64, for the
    # angle of a far lag would lose its digits in fp32.
    block = max(1, math.isqrt(steps - 1) + 1)
    blocks = -(-steps // block)
    coarse = torch.arange(blocks, device=decay.device, dtype=torch.float64) * block
    fine = torch.arange(block, device=decay.device, dtype=torch.float64)
    rate, angle = decay.double().unsqueeze(1), frequency.double().unsqueeze(1)
    envelope = torch.exp(-rate * coarse.unsqueeze(-1))
    turn = angle * coarse.unsqueeze(-1)
    real, imaginary = envelope * turn.cos(), envelope * turn.sin()
    cosine, sine = cosine.double().unsqueeze(1), sine.double().unsqueeze(1)
    left = torch.cat(
        [cosine * real - sine * imaginary, -(sine * real + cosine * imaginary)], dim=-1
    )
    envelope = torch.exp(-rate * fine.unsqueeze(-1))
    turn = angle * fine.unsqueeze(-1)
    right = torch.cat([envelope * turn.cos(), envelope * turn.sin()], dim=-1)
    taps = left.float() @ right.float().transpose(1, 2)
    return taps.flatten(1)[:, :steps]
