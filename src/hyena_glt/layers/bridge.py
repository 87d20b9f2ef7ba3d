"""From tokens to patches and back by attention inside the patch.

On the way up a patch attends its own tokens; on the way down a token attends a few patches: its
own and the neighbours (two-sided), or the last closed ones (causal).  Keys and values of the tokens
are computed once and shared by all blocks that look down.

Axes::

    b  aligned rows
    l  tokens per row
    n  tokens of all rows, row after row (b * l)
    p  patches per row
    w  patches that a token attends
    h  heads
    d  channels of the base level
    e  channels of the patch level

Cost: O(l * w * d) time, never O(p * l).  Source: patch cross-attention of BLT, Pagnoni et al.
2024, arXiv:2412.09871, sections 3.2 and 3.3; the guide's ``CrossAttentionPositionBridge``.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.layers.linear import Linear
from hyena_glt.ops.blocks import stretches
from hyena_glt.ops.boundaries import Patches
from hyena_glt.ops.segments import segment_mean, segment_softmax, segment_sum


class TokenMemory(NamedTuple):
    """Keys and values of the tokens, flattened over the batch, for the patches to attend.

    Attributes:
        keys: One per token.
        values: One per token.
        index: Patch of each token over the whole batch; the number of patches means padding.
        count: Number of patches over the whole batch, absent ones included.
    """

    keys: Float[Tensor, "n d"]
    values: Float[Tensor, "n d"]
    index: Tensor  # type: ignore[assignment]  # both hide a method of the tuple
    count: int  # type: ignore[assignment]


class BridgeTokens(NamedTuple):
    """What patches need of their tokens, flattened over the batch.

    Attributes:
        normed: Normalised hidden states.
        keys: For the patches' attention.
        values: Likewise.
    """

    normed: Float[Tensor, "n d"]
    keys: Float[Tensor, "n d"]
    values: Float[Tensor, "n d"]


class CrossAttentionPositionBridge(nn.Module):
    """Carry information between tokens and patches.

    Args:
        config: Model configuration.
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        super().__init__()
        assert config.local_hidden_size is not None
        local, width = config.local_hidden_size, config.hidden_size
        self.causal = config.causal
        self.window = config.bridge_window
        self.token_norm = nn.LayerNorm(local, eps=config.layer_norm_eps)
        self.token_keys = Linear(local, local, bias=False)
        self.token_values = Linear(local, local, bias=False)
        self.mean_to_patch = Linear(local, width, bias=False)
        self.encode_attention = PatchLookDown(local, local, width, config.num_attention_heads)
        self.heads = config.num_attention_heads
        self.patch_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.patch_keys = Linear(width, local, bias=False)
        self.patch_values = Linear(width, local, bias=False)
        self.decode_query = Linear(local, local, bias=False)
        self.decode_out = Linear(local, local, bias=False)

    def encode_byte_to_patch(
        self, tokens: Float[Tensor, "b l d"], patches: Patches
    ) -> tuple[Float[Tensor, "b p e"], TokenMemory, Float[Tensor, "n h"]]:
        """Summarise the tokens of each patch.

        The query of a patch is the mean of its tokens.

        Args:
            tokens: Base-level hidden states.
            patches: Where the patches lie.

        Returns:
            The patches, the tokens' memory for later blocks, and the attention weight of each
            token in its patch, one per head.
        """
        rows, count = patches.mask.shape
        normed, keys, values = self.encode_tokens(tokens)
        index = patches.flat_index
        memory = TokenMemory(keys, values, index, rows * count)
        mean = segment_mean(normed, index, patches.length.flatten())
        summary, weights = self.summarise(mean, memory)
        return summary.view(rows, count, -1), memory, weights

    def encode_tokens(self, tokens: Float[Tensor, "b l d"]) -> BridgeTokens:
        """Normalise tokens and make keys and values of them.

        Args:
            tokens: Base-level hidden states.
        """
        normed = self.token_norm(tokens).flatten(0, 1)
        return BridgeTokens(normed, self.token_keys(normed), self.token_values(normed))

    def summarise(
        self, mean: Float[Tensor, "s d"], memory: TokenMemory
    ) -> tuple[Float[Tensor, "s e"], Float[Tensor, "n h"]]:
        """Make patches of the mean of their tokens and of what this mean attends among them.

        Args:
            mean: Mean of the normalised tokens of each patch.
            memory: Keys and values of the tokens.

        Returns:
            The patches, and the weight of each token in its patch.
        """
        attended, weights = self.encode_attention(mean, memory)
        return self.mean_to_patch(mean) + attended, weights

    def decode_patch_to_byte(
        self,
        patch_states: Float[Tensor, "b p e"],
        queries: Float[Tensor, "b l d"],
        patches: Patches,
    ) -> tuple[Float[Tensor, "b l d"], Float[Tensor, "b l w h"]]:
        """Bring the patches back to the tokens.

        Args:
            patch_states: Output of the blocks.
            queries: Base-level states with the encoding of their place in the patch.
            patches: Where the patches lie.

        Returns:
            What each token read (zero where it may read nothing yet), and its attention weights
            over the window.
        """
        keys, values = self.patch_memory(patch_states)
        targets, seen = self.targets(patches)
        return self.read_patches(queries, keys, values, targets, seen)

    def targets(
        self, patches: Patches, columns: slice = slice(None)
    ) -> tuple[Int[Tensor, "b l w"], Bool[Tensor, "b l w"]]:
        """Numbers of the patches that tokens attend, and whether there is such a patch.

        Args:
            patches: Where the patches lie.
            columns: Which tokens.
        """
        index, mask = patches.index[:, columns], patches.token_mask[:, columns]
        totals = patches.mask.sum(dim=1).view(-1, 1, 1)
        targets = torch.stack([index + offset for offset in self._offsets()], dim=-1)
        return targets, (targets >= 0) & (targets < totals) & mask.unsqueeze(-1)

    def patch_memory(
        self, patch_states: Float[Tensor, "b p e"]
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b p d"]]:
        """Keys and values of patches, for the tokens to read.

        Args:
            patch_states: Output of the blocks.
        """
        normed = self.patch_norm(patch_states)
        return self.patch_keys(normed), self.patch_values(normed)

    def read_patches(
        self,
        queries: Float[Tensor, "b l d"],
        keys: Float[Tensor, "b p d"],
        values: Float[Tensor, "b p d"],
        targets: Int[Tensor, "b l w"],
        seen: Bool[Tensor, "b l w"],
    ) -> tuple[Float[Tensor, "b l d"], Float[Tensor, "b l w h"]]:
        """Let every token attend a few patches.

        Args:
            queries: One per token.
            keys: One per patch.
            values: One per patch.
            targets: Numbers of the patches that each token attends.
            seen: False where there is no such patch.

        Returns:
            What each token read (zero where it may read nothing), and its attention weights.
        """
        parts = [
            self._read(queries[:, here], keys, values, targets[:, here], seen[:, here])
            for here in stretches(queries)
        ]
        if len(parts) == 1:
            return parts[0]
        read, weights = zip(*parts, strict=True)
        return torch.cat(read, dim=1), torch.cat(weights, dim=1)

    def _read(
        self, queries: Tensor, keys: Tensor, values: Tensor, targets: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        rows, length, _ = queries.shape
        count = keys.shape[1]
        query = self.decode_query(queries).flatten(0, 1)
        heads = _channels_of_heads(self.heads, query)
        row_start = torch.arange(rows, device=queries.device).view(rows, 1, 1) * count
        flat = (row_start + targets.clamp(0, max(0, count - 1))).flatten(0, 1)
        visible = seen.flatten(0, 1)
        keys, values = keys.flatten(0, 1), values.flatten(0, 1)
        logits = [(query * keys.index_select(0, chosen)) @ heads.T for chosen in flat.unbind(1)]
        scaled = torch.stack(logits, dim=1).float() / (query.shape[1] / self.heads) ** 0.5
        weights = scaled.masked_fill(~visible.unsqueeze(-1), -1e9).softmax(dim=1)
        weights = weights * visible.unsqueeze(-1)
        parts = [
            values.index_select(0, chosen) * (weight.to(values.dtype) @ heads)
            for chosen, weight in zip(flat.unbind(1), weights.unbind(1), strict=True)
        ]
        out = self.decode_out(sum(parts[1:], parts[0]))
        shape = (rows, length, weights.shape[1], weights.shape[2])
        return out.view(rows, length, -1), weights.view(shape)

    def _offsets(self) -> list[int]:
        """Patches to read, relative to the token's own."""
        if self.causal:
            return [-step for step in range(1, self.window + 1)]
        half = self.window // 2
        return list(range(-half, self.window - half))


class PatchLookDown(nn.Module):
    """Let every patch attend its own tokens.

    Args:
        query_width: Channels of the patches.
        local: Channels of the tokens' keys and values.
        width: Channels of the result.
        heads: Attention heads.
    """

    def __init__(self, query_width: int, local: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(query_width, local, bias=False)
        self.out = Linear(local, width, bias=False)

    def forward(
        self, patches: Float[Tensor, "s q"], memory: TokenMemory
    ) -> tuple[Float[Tensor, "s e"], Float[Tensor, "n h"]]:
        """Attend.

        Args:
            patches: Queries, flattened over the batch.
            memory: Keys and values of the tokens.

        Returns:
            What each patch read, and the weight of each token in its patch.
        """
        query = self.query(patches)
        query = torch.cat([query, query.new_zeros(1, query.shape[1])])  # the padding's
        heads = _channels_of_heads(self.heads, query)
        logits = (query.index_select(0, memory.index) * memory.keys) @ heads.T
        logits = logits.float() / (query.shape[1] / self.heads) ** 0.5
        weights = segment_softmax(logits, memory.index, memory.count)
        weighted = memory.values * (weights.to(memory.values.dtype) @ heads)
        return self.out(segment_sum(weighted, memory.index, memory.count)), weights


def _channels_of_heads(heads: int, like: Tensor) -> Float[Tensor, "h d"]:
    """One in row h at the channels of head h: sums over heads' channels become matrix products.

    On the CPU these are several times as fast as sums over a short last axis.
    """
    ones = torch.eye(heads, device=like.device, dtype=like.dtype)
    return ones.repeat_interleave(like.shape[1] // heads, dim=1)
