"""Plain attention over patches, for the ``attention`` stripe."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hyena_glt.layers.hyena import OperatorState
from hyena_glt.layers.linear import Linear


class PatchAttention(nn.Module):
    """Multi-head attention over patches; a causal one looks back over a window.

    Positions come from the patch encoding.  Time and memory grow with the square of the number of
    patches.

    Args:
        width: Channels.
        heads: Attention heads.
        causal: True if a patch may only see itself and earlier ones.
        window: Patches that a causal one sees, itself included.
    """

    def __init__(self, width: int, heads: int, *, causal: bool, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.window = window
        self.project_in = Linear(width, 3 * width, bias=False)
        self.project_out = Linear(width, width, bias=False)

    def initial_state(self, rows: int) -> OperatorState:
        """The state before the first patch: keys and values of a window's other patches.

        Args:
            rows: Rows of the batch.
        """
        width = self.project_out.weight.shape[0]
        empty = self.project_out.weight.new_zeros(rows, self.window - 1, width)
        return OperatorState(empty, empty.clone())

    def tables(self) -> None:
        """None: attention has no filter."""

    def extend(
        self, x: Float[Tensor, "b p d"], state: OperatorState, earlier: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b p d"], OperatorState]:
        """Process further patches of a sequence; causal attention only.

        Args:
            x: Normalised hidden states of the new patches; all of them exist.
            state: What :meth:`initial_state` or the last call returned.
            earlier: Patches before these.
        """
        rows, count, width = x.shape
        query, key, value = self.project_in(x).chunk(3, dim=-1)
        keys = torch.cat([state.features.to(x), key], dim=1)
        values = torch.cat([state.memory.to(x), value], dim=1)
        step = torch.arange(keys.shape[1], device=x.device)
        past = self.window - 1
        lag = step[past:].unsqueeze(1) - step.unsqueeze(0)
        exists = step >= past - earlier.clamp(max=past).unsqueeze(1)
        visible = (lag >= 0) & (lag < self.window) & exists[:, None, None, :]
        split = [
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, keys, values)
        ]
        mixed = F.scaled_dot_product_attention(split[0], split[1], split[2], attn_mask=visible)
        out = self.project_out(mixed.transpose(1, 2).reshape(rows, count, width))
        kept = keys.shape[1] - past
        return out, OperatorState(keys[:, kept:], values[:, kept:])

    def forward(
        self, x: Float[Tensor, "b p d"], mask: Bool[Tensor, "b p"]
    ) -> Float[Tensor, "b p d"]:
        """Mix the patches of every row.

        Args:
            x: Normalised hidden states.
            mask: True on patches that exist.
        """
        rows, count, width = x.shape
        features = self.project_in(x).view(rows, count, 3, self.heads, width // self.heads)
        query, key, value = features.permute(2, 0, 3, 1, 4)
        step = torch.arange(count, device=x.device)
        lag = step.unsqueeze(1) - step.unsqueeze(0)
        allowed = (lag >= 0) & (lag < self.window) if self.causal else torch.ones_like(lag).bool()
        # An absent patch attends itself, so that no softmax runs over nothing.
        visible = (allowed & mask[:, None, None, :]) | (lag == 0)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return self.project_out(mixed.transpose(1, 2).reshape(rows, count, width))

    def attention_rows(
        self, x: Float[Tensor, "b p d"], mask: Bool[Tensor, "b p"], rows: Int[Tensor, " n"]
    ) -> Float[Tensor, "b n p"]:
        """How much some patches hear of all of them, as the mean over the heads.

        Args:
            x: Normalised hidden states.
            mask: True on patches that exist.
            rows: The patches that hear.
        """
        query, key, _ = self.project_in(x).chunk(3, dim=-1)
        split = [part.unflatten(-1, (self.heads, -1)) for part in (query[:, rows], key)]
        logits = torch.einsum("bnhc,bphc->bhnp", *split) / split[0].shape[-1] ** 0.5
        lag = rows.unsqueeze(1) - torch.arange(x.shape[1], device=x.device)
        allowed = (lag >= 0) & (lag < self.window) if self.causal else torch.ones_like(lag).bool()
        visible = (allowed & mask[:, None, None, :]) | (lag == 0)
        return logits.masked_fill(~visible, -torch.inf).softmax(dim=-1).mean(dim=1)
