"""Plain attention over patches, for the ``attention`` stripe."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


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
        self.project_in = nn.Linear(width, 3 * width, bias=False)
        self.project_out = nn.Linear(width, width, bias=False)

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
