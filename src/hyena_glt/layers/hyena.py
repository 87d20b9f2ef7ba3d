"""The Hyena operator: a gated convolution in place of attention.

    y = out(q * (filter * (k * v) + skip * k * v))

q, k and v are affine in the input and featurised by a short convolution each.  Three kinds of
filter are striped over the depth of the model: ``SE`` (a few explicit taps), ``MR`` (medium,
explicit, decaying) and ``LI`` (long, implicit).

Axes::

    b  rows
    t  steps: tokens at the base level, patches above it
    d  channels

Three evaluations give the same result: through the Fourier transform, chunk by chunk, and step by
step from a state (``extend``).

Sources: Poli et al. 2023, arXiv:2302.10866; StripedHyena 2.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hyena_glt.layers.filters import LongFilter, MediumFilter
from hyena_glt.layers.linear import Linear
from hyena_glt.ops.convolution import long_convolution, short_convolution
from hyena_glt.ops.recurrence import (
    CHUNK,
    ModalTables,
    explicit_scan,
    modal_scan,
    modal_tables,
    short_scan,
)

Evaluation = Literal["direct", "fft", "chunked"]
# Steps beyond which the chunked scan is faster (and smaller) than one transform of everything, on a
# CPU, with gradients and without (benchmarks/convolution.py).
_LONGEST_TRANSFORM = {"LI": 8192, "MR": 1024}


class OperatorState(NamedTuple):
    """What a causal operator remembers of the steps so far; its size does not depend on them.

    Attributes:
        features: (b, k - 1, 3d) last inputs of the featuriser.
        memory: Last gated inputs (``SE``, ``MR``), (b, k - 1, d), or the states of the modes
            (``LI``), (b, d, 2n).
    """

    features: Tensor
    memory: Tensor


class HyenaOperator(nn.Module):
    """Mix steps by a gated convolution in O(t log t).

    Args:
        width: Channels.
        kind: ``SE``, ``MR`` or ``LI``.
        causal: True if a step may only see earlier ones.
        short_filter_order: Taps of the featuriser.
        filter_length: Taps of the explicit filters (``SE``, ``MR``).
        filter_size: Distinct long filters (``MR``, ``LI``); each serves ``width / filter_size``
            channels.
        filter_modes: Oscillations per filter (``LI``).
        longest: Longest decay length at the start, in steps (``LI``).
    """

    def __init__(
        self,
        width: int,
        kind: str,
        *,
        causal: bool,
        short_filter_order: int,
        filter_length: int,
        filter_size: int,
        filter_modes: int = 16,
        longest: float = 2048.0,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.causal = causal
        self.forced: Evaluation | None = None
        self.project_in = Linear(width, 3 * width, bias=False)
        self.project_out = Linear(width, width, bias=False)
        featuriser = torch.zeros(3 * width, short_filter_order)
        featuriser[:, -1 if causal else short_filter_order // 2] = 1.0
        noise = 0.3 * torch.randn_like(featuriser) / short_filter_order**0.5
        self.featuriser = nn.Parameter(featuriser + noise)
        # Gates start around one, so that the operator starts as a plain convolution: products of
        # three small random features would hardly pass a gradient.
        self.gate_bias = nn.Parameter(torch.ones(2, width))
        self.skip = nn.Parameter(torch.ones(width))
        if kind == "SE":
            self.taps = nn.Parameter(torch.randn(width, filter_length) / filter_length**0.5)
        elif kind == "MR":
            self.filter: MediumFilter | LongFilter = MediumFilter(
                filter_size, filter_length, causal=causal
            )
        else:
            self.filter = LongFilter(filter_size, filter_modes, longest, causal=causal)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]
    ) -> Float[Tensor, "b t d"]:
        """Mix the steps of every row.

        Args:
            x: Normalised hidden states.
            mask: True on steps that exist; the others are zeroed before every convolution.
        """
        query, key, value = self._featurise(x, mask)
        gated = _zero_absent(key * value, mask)
        if self.kind == "SE":
            mixed = short_convolution(gated, self._taps_with_skip(), causal=self.causal)
        else:
            mixed = self.convolve(gated) + self.skip.to(x.dtype) * gated
        return self.project_out(query * mixed)

    def convolve(self, u: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Apply the operator's filter alone.

        Args:
            u: Input, zero on steps that do not exist.
        """
        if self.kind == "SE":
            return short_convolution(u, self.taps, causal=self.causal)
        if self.evaluation(u.shape[1]) == "fft":
            after, before = self.filter(u.shape[1])
            return long_convolution(u, after, before)
        if isinstance(self.filter, LongFilter):
            sides = self.filter.modes()
            later, _ = modal_scan(u, sides[0])
            if self.causal:
                return later
            # Lag 0 belongs to the other half.
            return later + modal_scan(u.flip(1), sides[1], own_step=False)[0].flip(1)
        after, before = self.filter(u.shape[1])
        later, _ = explicit_scan(u, after)
        if before is None:
            return later
        return later + explicit_scan(u.flip(1), F.pad(before, (1, 0)))[0].flip(1)

    def evaluation(self, steps: int) -> Evaluation:
        """How the filter is evaluated on an input of a given length.

        Args:
            steps: Tokens or patches.
        """
        if self.kind == "SE":
            return "direct"
        return self.forced or ("fft" if steps <= _LONGEST_TRANSFORM[self.kind] else "chunked")

    def initial_state(self, rows: int) -> OperatorState:
        """The state before the first step.

        Args:
            rows: Rows of the batch.
        """
        width = self.skip.shape[0]
        features = self.skip.new_zeros(rows, self.featuriser.shape[1] - 1, 3 * width)
        if self.kind == "SE":
            shape: tuple[int, ...] = (rows, self.taps.shape[1] - 1, width)
        elif isinstance(self.filter, LongFilter):
            shape = (rows, width, 2 * self.filter.log_decay.shape[-1])
        else:
            shape = (rows, self.filter.taps.shape[-1] - 1, width)
        return OperatorState(features, self.skip.new_zeros(shape))

    def tables(self) -> ModalTables | None:
        """Tables of a long filter for the chunked scan; None for the other kinds."""
        if self.kind == "LI" and isinstance(self.filter, LongFilter):
            return modal_tables(self.filter.modes()[0], CHUNK)
        return None

    def extend(
        self,
        x: Float[Tensor, "b t d"],
        state: OperatorState,
        tables: ModalTables | None = None,
    ) -> tuple[Float[Tensor, "b t d"], OperatorState]:
        """Process further steps of a sequence; causal operators only.

        Args:
            x: Normalised hidden states of the new steps; all of them exist.
            state: What :meth:`initial_state` or the last call returned.
            tables: Those of the long filter, if there is one.
        """
        features, history = short_scan(
            self.project_in(x), self.featuriser, state.features, self._gates()
        )
        query, key, value = features.chunk(3, dim=-1)
        gated = key * value
        if self.kind == "SE":
            mixed, memory = short_scan(gated, self._taps_with_skip(), state.memory)
            return self.project_out(query * mixed), OperatorState(history, memory)
        if isinstance(self.filter, LongFilter):
            mixed, memory = modal_scan(gated, self.filter.modes()[0], state.memory, tables=tables)
        else:
            after, _ = self.filter(self.filter.taps.shape[-1])
            mixed, memory = explicit_scan(gated, after, state.memory)
        mixed = mixed + self.skip.to(x.dtype) * gated
        return self.project_out(query * mixed), OperatorState(history, memory)

    def implicit_attention(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]
    ) -> Float[Tensor, "b t t"]:
        """The attention matrix that the operator never forms: how much step i hears of step j.

        The operator is ``y[i] = sum over j of q[i] * h[i - j] * k[j] * v[j]`` per channel; entry
        (i, j) is the norm over the channels of ``q[i] * h[i - j] * k[j]``, rows scaled to add up
        to 1.  Needs O(t * t * d) memory: for short inputs.

        Args:
            x: Normalised hidden states.
            mask: True on steps that exist.
        """
        query, key, _ = self._featurise(x, mask)
        key = _zero_absent(key, mask)
        steps, width = x.shape[1], x.shape[2]
        impulses = torch.eye(steps, device=x.device, dtype=x.dtype).unsqueeze(-1)
        # Row j: the response to an impulse at j, that is h[i - j] for every i.
        response = self.convolve(impulses.expand(steps, steps, width)) + self.skip * impulses
        squared = torch.einsum("bid,jid,bjd->bij", query.square(), response.square(), key.square())
        weight = squared.clamp(min=0).sqrt()
        return weight / weight.sum(dim=-1, keepdim=True).clamp(min=1e-12)

    def implicit_attention_rows(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"], rows: Int[Tensor, " n"]
    ) -> Float[Tensor, "b n t"]:
        """Some rows of :meth:`implicit_attention`, in O(t * d) memory beside the result.

        Args:
            x: Normalised hidden states.
            mask: True on steps that exist.
            rows: The steps that hear, each below t.
        """
        query, key, _ = self._featurise(x, mask)
        heard = _zero_absent(key, mask).square()
        steps, width = x.shape[1], x.shape[2]
        impulse = x.new_zeros(1, 2 * steps - 1, width)
        impulse[0, steps - 1] = 1.0
        # Row steps - 1 + lag is the filter at that lag.
        taps = (self.convolve(impulse) + self.skip * impulse)[0].square().flip(0)
        squared = [
            torch.einsum(
                "bjd,bd->bj",
                heard * taps[steps - 1 - row : 2 * steps - 1 - row],
                query[:, row].square(),
            )
            for row in rows.tolist()
        ]
        weight = torch.stack(squared, dim=1).clamp(min=0).sqrt()
        return weight / weight.sum(dim=-1, keepdim=True).clamp(min=1e-12)

    def _featurise(self, x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values."""
        projected = self.project_in(_zero_absent(x, mask))
        features = short_convolution(projected, self.featuriser, self._gates(), causal=self.causal)
        query, key, value = features.chunk(3, dim=-1)
        return query, key, value

    def _gates(self) -> Tensor:
        """What is added to queries, keys and (nothing) values."""
        return torch.cat([self.gate_bias.flatten(), torch.zeros_like(self.skip)])

    def _taps_with_skip(self) -> Tensor:
        """Explicit taps to which the skip connection is added at the step itself."""
        own = torch.zeros_like(self.taps[0])
        own[-1 if self.causal else len(own) // 2] = 1.0
        return self.taps + self.skip.unsqueeze(1) * own


def _zero_absent(x: Tensor, mask: Tensor) -> Tensor:
    """Zero the steps that do not exist; batches of equal lengths have none."""
    if bool(mask.all()):
        return x
    return x * mask.unsqueeze(-1).to(x.dtype)
