"""Long convolutions chunk by chunk and step by step, with a state that is carried along.

A modal filter is a sum of damped oscillations; each is a one-dimensional linear recurrence

    s[t] = p * s[t - 1] + x[t],   p = exp(-decay + i * frequency)
    y[t] = Re(sum over n of r[n] * s[t][n]),   r = cosine + i * sine

so a sequence may be cut anywhere: the modes' states are all that the rest of it needs.  Inside a
chunk the filter is one Toeplitz matrix product per filter; between chunks the states are carried.
A chunk of one step is the recurrence itself.  Explicit filters carry their last inputs.

Axes::

    b  rows
    t  steps (tokens or patches)
    d  channels
    g  distinct filters; each serves d / g neighbouring channels
    n  oscillations (modes) per filter
    c  steps of a chunk
    k  taps

Sources: modal form and state, Massaroli et al. 2023 (Laughing Hyena), arXiv:2310.18780; chunked
evaluation by matrix products, StripedHyena 2 and Dao and Gu 2024, arXiv:2405.21060, section 6.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hyena_glt.ops.convolution import Modes, fft_length, modal_filter, short_convolution

CHUNK = 64
"""Steps of a chunk: large enough for matrix products, small enough that they cost less than the
states do."""
# Steps scanned at once, a multiple of the chunk: their intermediate results fit the cache.
_SEGMENT = 8192
# Size of the Fourier transforms of an explicit filter, in steps; at least twice the filter.
_TRANSFORM = 2048


class ModalTables(NamedTuple):
    """What the chunked scan needs to know of a filter, for chunks of c steps.

    Attributes:
        toeplitz: Filter value of every pair of steps of a chunk, later step first.
        collect: What each step of a chunk leaves in the states at the chunk's end, real parts
            then imaginary parts.
        read: What the states at a chunk's start give to each of its steps.
        turns: How the states change over so many steps: real and imaginary part of p to the
            power of 0, 1, ..., c.
    """

    toeplitz: Float[Tensor, "g c c"]
    collect: Float[Tensor, "g 2n c"]
    read: Float[Tensor, "g c 2n"]
    turns: Float[Tensor, "m 2 g n"]

    def first(self, steps: int) -> "ModalTables":
        """Tables for a chunk of fewer steps.

        Args:
            steps: At most those of this chunk.
        """
        late = self.collect.shape[2] - steps
        return ModalTables(
            self.toeplitz[:, :steps, :steps], self.collect[:, :, late:], self.read[:, :steps],
            self.turns[: steps + 1],
        )  # fmt: skip


def modal_tables(modes: Modes, steps: int, *, own_step: bool = True) -> ModalTables:
    """Tabulate a modal filter for chunks of a given length.

    Args:
        modes: The filter.
        steps: Length of a chunk.
        own_step: False leaves out lag 0, what a step gives to itself.
    """
    decay, frequency, cosine, sine = modes
    taps = modal_filter(*modes, steps)
    lag = torch.arange(steps, device=decay.device)
    difference = lag.unsqueeze(1) - lag.unsqueeze(0)
    seen = difference >= (0 if own_step else 1)
    toeplitz = taps[:, difference.clamp(min=0)] * seen

    # In fp64, for the angle of a far lag would lose its digits in fp32.
    power = torch.arange(steps + 1, device=decay.device, dtype=torch.float64).view(-1, 1, 1)
    envelope = torch.exp(-decay.double() * power)
    angle = frequency.double() * power
    real, imaginary = envelope * angle.cos(), envelope * angle.sin()
    collect = torch.cat([real[:steps], imaginary[:steps]], dim=-1).flip(0).permute(1, 2, 0)
    a = cosine.double() * real[1:] - sine.double() * imaginary[1:]
    b = -(sine.double() * real[1:] + cosine.double() * imaginary[1:])
    read = torch.cat([a, b], dim=-1).transpose(0, 1)
    turns = torch.stack([real, imaginary], dim=1)
    return ModalTables(toeplitz, collect.float(), read.float(), turns.float())


def modal_scan(
    x: Float[Tensor, "b t d"],
    modes: Modes,
    state: Float[Tensor, "b d m"] | None = None,
    *,
    own_step: bool = True,
    tables: ModalTables | None = None,
) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b d m"]]:
    """Convolve with a modal filter in O(t), going on from a state.

    Args:
        x: Input, zero on steps that do not exist.
        modes: The filter.
        state: States of the modes before the first step, real parts then imaginary parts; None
            at the start of a sequence.
        own_step: False leaves out lag 0.
        tables: Those of the filter for a chunk, if the caller has kept them.

    Returns:
        The output in the type of ``x``, and the states behind the last step, in fp32.
    """
    rows, steps, channels = x.shape
    if tables is None:
        tables = modal_tables(modes, min(CHUNK, steps), own_step=own_step)
    chunk = tables.toeplitz.shape[1]
    if state is None:
        state = x.new_zeros(rows, channels, 2 * modes.decay.shape[1], dtype=torch.float32)
    whole = steps - steps % chunk
    parts = []
    for segment in x[:, :whole].split(_SEGMENT, dim=1) if whole else ():
        y, state = _scan_chunks(segment, tables, state)
        parts.append(y)
    if steps > whole:
        y, state = _scan_chunks(x[:, whole:], tables.first(steps - whole), state)
        parts.append(y)
    return torch.cat(parts, dim=1), state


def _scan_chunks(x: Tensor, tables: ModalTables, state: Tensor) -> tuple[Tensor, Tensor]:
    """Scan a whole number of chunks."""
    rows, steps, channels = x.shape
    filters, length, _ = tables.toeplitz.shape
    share, chunks, modes = channels // filters, steps // length, tables.turns.shape[3]
    # (b, chunks, c, g, s) -> (g, c, b * chunks * s): one matrix product per filter.
    columns = x.reshape(rows, chunks, length, filters, share).permute(3, 2, 0, 1, 4)
    columns = columns.reshape(filters, length, rows * chunks * share)
    inside = tables.toeplitz @ columns
    left = (tables.collect @ columns).float()
    left = left.view(filters, 2 * modes, rows, chunks, share).permute(3, 2, 0, 4, 1)

    # (g, 1, n): the same for all channels of a filter.
    turn_real, turn_imaginary = tables.turns[-1].unsqueeze(2)
    now = state.view(rows, filters, share, 2 * modes)
    entering = []
    for arrived in left:
        entering.append(now)
        real, imaginary = now[..., :modes], now[..., modes:]
        turned = torch.cat(
            [
                real * turn_real - imaginary * turn_imaginary,
                real * turn_imaginary + imaginary * turn_real,
            ],
            dim=-1,
        )
        now = turned + arrived
    # (chunks, b, g, s, 2n) -> (g, 2n, b * chunks * s)
    states = torch.stack(entering).permute(2, 4, 1, 0, 3).reshape(filters, 2 * modes, -1)
    y = inside + tables.read @ states.to(inside.dtype)
    y = y.view(filters, length, rows, chunks, share).permute(2, 3, 1, 0, 4)
    return y.reshape(rows, steps, channels).to(x.dtype), now.reshape(rows, channels, 2 * modes)


def explicit_scan(
    x: Float[Tensor, "b t d"],
    taps: Float[Tensor, "g k"],
    history: Float[Tensor, "b m d"] | None = None,
) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b m d"]]:
    """Convolve causally with explicit taps in O(t), going on from the last inputs.

    Args:
        x: Input, zero on steps that do not exist.
        taps: Filter by lag, 0 first.
        history: The last m = k - 1 inputs; None at the start of a sequence.

    Returns:
        The output, and the last k - 1 inputs.
    """
    rows, steps, channels = x.shape
    length = taps.shape[1]
    if history is None:
        history = x.new_zeros(rows, length - 1, channels)
    whole = torch.cat([history.to(x.dtype), x], dim=1)
    if steps == 1:
        wide = taps.repeat_interleave(channels // taps.shape[0], dim=0)
        y = torch.einsum("bkd,dk->bd", whole.float(), wide.flip(1).float()).unsqueeze(1)
        return y.to(x.dtype), whole[:, 1:]
    # Overlap-save: the circle spoils the first k - 1 outputs of a transform, which are dropped.
    size = max(_TRANSFORM, fft_length(2 * length))
    size = min(size, fft_length(whole.shape[1]))
    spectrum = torch.fft.rfft(taps.float(), n=size)
    if spectrum.shape[0] != channels:
        spectrum = spectrum.repeat_interleave(channels // spectrum.shape[0], dim=0)
    parts = []
    for start in range(0, steps, size - (length - 1)):
        piece = whole[:, start : start + size].float().transpose(1, 2)
        y = torch.fft.irfft(torch.fft.rfft(piece, n=size) * spectrum, n=size)
        parts.append(y[..., length - 1 : piece.shape[2]].transpose(1, 2).to(x.dtype))
    return torch.cat(parts, dim=1), whole[:, whole.shape[1] - (length - 1) :]


def short_scan(
    x: Float[Tensor, "b t d"],
    taps: Float[Tensor, "d k"],
    history: Float[Tensor, "b m d"],
    bias: Float[Tensor, " d"] | None = None,
) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b m d"]]:
    """Convolve causally with a few taps of every channel, going on from the last inputs.

    Args:
        x: Input.
        taps: One filter per channel; ``taps[:, -1]`` meets the current step.
        history: The last m = k - 1 inputs, zero before the start of a sequence.
        bias: Added to every step.

    Returns:
        The output, and the last k - 1 inputs.
    """
    whole = torch.cat([history.to(x.dtype), x], dim=1)
    length = taps.shape[1]
    if x.shape[1] == 1:
        y = torch.einsum("bkd,dk->bd", whole, taps.to(x.dtype)).unsqueeze(1)
        y = y if bias is None else y + bias.to(x.dtype)
    else:
        y = short_convolution(whole, taps, bias, causal=True)[:, length - 1 :]
    return y, whole[:, whole.shape[1] - (length - 1) :]
