"""The Hyena operator: a gated convolution in place of attention.

    y = out(q * (filter * (k * v) + skip * k * v))

q, k and v are affine in the input and featurised by a short convolution each.  Three kinds of
filter are striped over the depth of the model: ``SE`` (a few explicit taps), ``MR`` (medium,
explicit, decaying) and ``LI`` (long, implicit).

Axes::

    b  rows
    t  steps: tokens at the base level, patches above it
    d  channels

Sources: Poli et al. 2023, arXiv:2302.10866; StripedHyena 2.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hyena_glt.layers.filters import LongFilter, MediumFilter
from hyena_glt.ops.convolution import long_convolution, short_convolution


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
        self.project_in = nn.Linear(width, 3 * width, bias=False)
        self.project_out = nn.Linear(width, width, bias=False)
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
        mixed = self.convolve(gated) + self.skip.to(x.dtype) * gated
        return self.project_out(query * mixed)

    def convolve(self, u: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Apply the operator's filter alone.

        Args:
            u: Input, zero on steps that do not exist.
        """
        if self.kind == "SE":
            return short_convolution(u, self.taps, causal=self.causal)
        after, before = self.filter(u.shape[1])
        return long_convolution(u, after, before)

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

    def _featurise(self, x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values."""
        projected = self.project_in(_zero_absent(x, mask))
        features = short_convolution(projected, self.featuriser, causal=self.causal)
        query, key, value = features.chunk(3, dim=-1)
        gate = self.gate_bias.to(x.dtype)
        return query + gate[0], key + gate[1], value


def _zero_absent(x: Tensor, mask: Tensor) -> Tensor:
    """Zero the steps that do not exist; batches of equal lengths have none."""
    if bool(mask.all()):
        return x
    return x * mask.unsqueeze(-1).to(x.dtype)
