"""Heads that turn hidden states into predictions.

Axes::

    b  sequences
    l  tokens
    p  patches
    d  channels (``hidden_size``)
    c  labels
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Pooling(nn.Module):
    """Mean, maximum and learned attention over the steps of a sequence, side by side.

    A motif is a maximum, composition is a mean; attention finds what neither is.

    Args:
        width: Channels in; three times as many come out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b e"]:
        """Pool every sequence.

        Args:
            x: Hidden states.
            mask: True on steps that exist; every sequence has at least one.
        """
        absent = ~mask.unsqueeze(-1)
        share = mask.unsqueeze(-1).to(x.dtype)
        mean = (x * share).sum(dim=1) / share.sum(dim=1)
        peak = x.masked_fill(absent, torch.finfo(x.dtype).min).amax(dim=1)
        weight = self.score(x).float().masked_fill(absent, -torch.inf).softmax(dim=1)
        attended = (x * weight.to(x.dtype)).sum(dim=1)
        return torch.cat([mean, peak, attended], dim=-1)


class PositionPooling(nn.Module):
    """A coarse picture of the sequence that keeps the order: averages over overlapping stretches.

    Signals bound to a place (a promoter's boxes around the start site) average out in the other
    poolings.  Few channels are kept, so that it cannot learn a sequence by heart.

    Args:
        width: Channels in.
        stretches: Averages along the sequence, evenly spaced from its first to its last base.
        channels: Channels kept of each average.
    """

    def __init__(self, width: int, stretches: int = 16, channels: int = 16) -> None:
        super().__init__()
        self.stretches = stretches
        self.out_width = stretches * channels
        self.reduce = nn.Linear(width, channels)

    def forward(self, x: Float[Tensor, "b l d"], mask: Bool[Tensor, "b l"]) -> Float[Tensor, "b e"]:
        """Pool every sequence.

        Args:
            x: Hidden states; tokens fill a row from column 0.
            mask: True on tokens.
        """
        column = torch.arange(x.shape[1], device=x.device)
        place = column / (mask.sum(dim=1, keepdim=True) - 1).clamp(min=1) * (self.stretches - 1)
        centre = torch.arange(self.stretches, device=x.device)
        weight = (1 - (place.unsqueeze(-1) - centre).abs()).clamp(min=0) * mask.unsqueeze(-1)
        weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-6)
        return torch.einsum("bls,blc->bsc", weight.to(x.dtype), self.reduce(x)).flatten(1)


class SequenceClassificationHead(nn.Module):
    """Predict from a whole sequence: classes, several labels at once, or values.

    Pools bases as well as patches: a short motif lives in the bases, its context in the patches.
    ``scale`` and ``shift`` bring regression to the unit of the labels; they are 1 and 0 otherwise.

    Args:
        hidden_size: Channels of the hidden states.
        num_labels: Classes, labels or values to predict.
        dropout: Probability of dropping a pooled channel.
        keep_position: Pool by stretches of the sequence too.  Left out where a label holds for
            either strand: such a label is seldom bound to a place.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, hidden_size: int, num_labels: int, dropout: float = 0.1, *, keep_position: bool = True
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "hidden_size": hidden_size, "num_labels": num_labels, "dropout": dropout,
            "keep_position": keep_position,
        }  # fmt: skip
        self.token_pooling = Pooling(hidden_size)
        self.patch_pooling = Pooling(hidden_size)
        self.position_pooling = PositionPooling(hidden_size) if keep_position else None
        pooled = 6 * hidden_size
        if self.position_pooling is not None:
            pooled += self.position_pooling.out_width
        self.norm = nn.LayerNorm(pooled)
        self.hidden = nn.Linear(pooled, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden_size, num_labels)
        self.register_buffer("shift", torch.zeros(num_labels))
        self.register_buffer("scale", torch.ones(num_labels))

    def forward(
        self,
        last_hidden_state: Float[Tensor, "b l d"],
        token_mask: Bool[Tensor, "b l"],
        patch_hidden_state: Float[Tensor, "b p d"],
        patch_mask: Bool[Tensor, "b p"],
    ) -> Float[Tensor, "b c"]:
        """Predict one row of logits (or values) per sequence.

        Args:
            last_hidden_state: Base-level states.
            token_mask: True on tokens.
            patch_hidden_state: Patch-level states.
            patch_mask: True on patches that exist.
        """
        views = [
            self.token_pooling(last_hidden_state, token_mask),
            self.patch_pooling(patch_hidden_state, patch_mask),
        ]
        if self.position_pooling is not None:
            views.append(self.position_pooling(last_hidden_state, token_mask))
        pooled = self.dropout(self.norm(torch.cat(views, dim=-1)))
        hidden = F.gelu(self.hidden(pooled))
        return self.out(self.dropout(hidden)).float() * self.scale + self.shift


class TokenClassificationHead(nn.Module):
    """Predict a label for every token.

    Args:
        hidden_size: Channels of the hidden states.
        num_labels: Classes.
        dropout: Probability of dropping a channel.
    """

    def __init__(self, hidden_size: int, num_labels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "hidden_size": hidden_size, "num_labels": num_labels, "dropout": dropout,
        }  # fmt: skip
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden_size, num_labels)

    def forward(self, last_hidden_state: Float[Tensor, "b l d"]) -> Float[Tensor, "b l c"]:
        """Predict one row of logits per token.

        Args:
            last_hidden_state: Base-level states.
        """
        return self.out(self.dropout(last_hidden_state)).float()
