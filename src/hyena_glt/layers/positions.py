"""Where every token sits once tokens are merged into patches.

``BLTPositionManager`` turns patches into the three numbers of the guide (global position, position
in patch, patch length) and back; ``SegmentAwarePositionalEncoding`` turns numbers into vectors.

Axes::

    b  aligned rows
    l  tokens per row
    p  patches per row
    f  fractions given to the encoding
    d  channels

Units: positions and lengths are in tokens unless a name says nucleotides; 0-based, half-open.

Sources: the three features and their scaling are those of the guide ("Step 3: Position Information
Preservation"); sinusoids, Vaswani et al. 2017; the linear map and the periods' ladder are ours.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.layers.filters import BIOLOGICAL_PERIODS
from hyena_glt.layers.linear import Linear
from hyena_glt.ops.boundaries import Patches


class PatchPositions(NamedTuple):
    """The guide's three features of every token, zero on padding.

    Attributes:
        global_position: Position over sequence length; 0 at the first token.
        position_in_patch: 0 at the first token of a patch, 1 at its last; 0 in a patch of one.
        patch_length: Length of the patch over the length of the sequence.
    """

    global_position: Float[Tensor, "b l"]
    position_in_patch: Float[Tensor, "b l"]
    patch_length: Float[Tensor, "b l"]


class BLTPositionManager(nn.Module):
    """Track positions through merging and encode them.

    Holds the encodings of the base level (before merging) and of the patch level.  In causal mode
    only what is known at a token is used: its position, the tokens since its patch began and the
    length of the previous patch; in two-sided mode the sequence's and the patch's lengths too.

    Args:
        config: Model configuration.
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        super().__init__()
        assert config.local_hidden_size is not None
        self.causal = config.causal
        self.bases_per_token = config.bases_per_token
        self.longest_patch = config.max_patch_tokens
        longest = config.max_position_embeddings * config.bases_per_token
        local = config.local_hidden_size
        self.token_encoding = SegmentAwarePositionalEncoding(
            local, 0 if config.causal else 1, longest
        )
        self.query_encoding = SegmentAwarePositionalEncoding(
            local, 2 if config.causal else 4, longest
        )
        self.patch_encoding = SegmentAwarePositionalEncoding(
            config.hidden_size, 1 if config.causal else 3, longest
        )

    def forward(self, patches: Patches) -> PatchPositions:
        """Place every token in its sequence and in its patch.

        Args:
            patches: Where the patches lie.
        """
        column, since, length, total = self._measures(patches)
        real = patches.token_mask
        return PatchPositions(
            column / total * real,
            since / (length - 1).clamp(min=1) * real,
            length / total * real,
        )

    def reconstruct(self, patches: Patches) -> Int[Tensor, "b l"]:
        """Rebuild every token's position from what its patch remembers.

        A patch keeps its start and its length; a token its position in the patch, as a fraction.

        Args:
            patches: Where the patches lie.

        Returns:
            Positions in tokens, exactly 0, 1, 2, ... on real tokens; 0 on padding.
        """
        fraction = self(patches).position_in_patch
        start = patches.first.gather(1, patches.index)
        length = patches.length.gather(1, patches.index)
        position = start + (fraction * (length - 1)).round().long()
        return position * patches.token_mask

    def encode_tokens(
        self, position: Int[Tensor, "_ l"], totals: Int[Tensor, "b 1"] | None = None
    ) -> Float[Tensor, "_ l d"]:
        """Encode the tokens' positions before merging.

        Args:
            position: Position of each token.
            totals: Tokens of each sequence; two-sided models need them.
        """
        fractions = [] if totals is None or self.causal else [position / totals]
        return self.token_encoding(position * self.bases_per_token, fractions)

    def encode_queries(
        self, patches: Patches, position: Int[Tensor, "_ l"]
    ) -> Float[Tensor, "b l d"]:
        """Encode the tokens' places in their patches, for the way back.

        Args:
            patches: Where the patches lie.
            position: Position of each token.
        """
        if self.causal:
            _, since, _, _ = self._measures(patches)
            previous = (patches.index - 1).clamp(min=0)
            before = patches.length.gather(1, previous) * (patches.index > 0)
            return self.encode_causal_queries(position, since, before)
        return self.encode_queries_at(patches)

    def encode_queries_at(
        self, patches: Patches, columns: slice = slice(None)
    ) -> Float[Tensor, "b l d"]:
        """Encode what a two-sided model knows of some tokens' places in their patches.

        Args:
            patches: Where the patches lie.
            columns: Which tokens.
        """
        column, since, length, total = self._measures(patches, columns)
        fractions = [
            column / total,
            since / (length - 1).clamp(min=1),
            length / total,
            length / float(self.longest_patch),
        ]
        return self.query_encoding(column[:1] * self.bases_per_token, fractions)

    def encode_causal_queries(
        self,
        position: Int[Tensor, "_ l"],
        since: Int[Tensor, "b l"],
        before: Int[Tensor, "b l"],
    ) -> Float[Tensor, "b l d"]:
        """Encode what a causal model knows of the tokens' places in their patches.

        Args:
            position: Position of each token.
            since: Tokens of its patch before each token.
            before: Length of the patch before; 0 if there is none.
        """
        scale = float(self.longest_patch)
        return self.query_encoding(position * self.bases_per_token, [since / scale, before / scale])

    def encode_patches(
        self, patches: Patches, offset: Int[Tensor, "b 1"] | int = 0
    ) -> Float[Tensor, "b p d"]:
        """Encode the patches' starts (causal) or centres (two-sided) and lengths.

        Args:
            patches: Where the patches lie.
            offset: Position of each row's first token.
        """
        first, length = patches.first, patches.length
        if self.causal:
            return self.encode_causal_patches(first + offset, length)
        total = patches.token_mask.sum(dim=1, keepdim=True)
        centre = first + (length - 1).clamp(min=0) / 2
        fractions = [length / self.longest_patch, centre / total, length / total]
        return self.patch_encoding((centre + offset) * self.bases_per_token, fractions)

    def encode_causal_patches(
        self, first: Int[Tensor, "b p"], length: Int[Tensor, "b p"]
    ) -> Float[Tensor, "b p d"]:
        """Encode what a causal model knows of its patches.

        Args:
            first: Position of the first token of each patch.
            length: Tokens of each patch.
        """
        return self.patch_encoding(first * self.bases_per_token, [length / self.longest_patch])

    def _measures(
        self, patches: Patches, columns: slice = slice(None)
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Column, tokens since the patch's start, patch length, sequence length of each token."""
        index, mask = patches.index[:, columns], patches.token_mask[:, columns]
        every = torch.arange(patches.index.shape[1], device=index.device)
        column = every[columns].expand_as(index)
        since = (column - patches.first.gather(1, index)) * mask
        length = patches.length.gather(1, index)
        return column, since, length, patches.token_mask.sum(dim=1, keepdim=True)


class SegmentAwarePositionalEncoding(nn.Module):
    """Encode positions and lengths as a learned, linear function of sinusoids and fractions.

    The sinusoids have the periods of codon, helix and nucleosome (3, 8, 10, 21, 147 nucleotides)
    and a geometric ladder from 2 nucleotides to four times the longest sequence.

    Args:
        width: Channels.
        num_fractions: Fractions in [0, 1] given beside the position.
        longest: Longest sequence, in nucleotides.
    """

    periods: Tensor

    def __init__(self, width: int, num_fractions: int, longest: int) -> None:
        super().__init__()
        ladder = torch.logspace(math.log10(2.0), math.log10(4.0 * max(longest, 2)), 20)
        periods = torch.cat([torch.tensor(BIOLOGICAL_PERIODS), ladder])
        self.register_buffer("periods", periods)
        self.waves = Linear(2 * len(periods), width, bias=False)
        # Each fraction enters as itself and as three half-waves, so that both ends stand out.
        self.fractions = Linear(4 * num_fractions, width, bias=False) if num_fractions else None

    def forward(
        self, position: Float[Tensor, "_ n"] | Int[Tensor, "_ n"], fractions: list[Tensor]
    ) -> Float[Tensor, "_ n d"]:
        """Encode.

        Args:
            position: Positions, in nucleotides; one row if all rows of the batch share them.
            fractions: Tensors of shape (b, n).
        """
        # Reducing by the period first keeps the angle exact far into a chromosome.
        turns = torch.remainder(position.double().unsqueeze(-1) / self.periods.double(), 1.0)
        angle = 2 * math.pi * turns.float()
        encoded = self.waves(torch.cat([angle.sin(), angle.cos()], dim=-1))
        if self.fractions is None:
            return encoded
        stacked = torch.stack(fractions, dim=-1).float()
        waves = [torch.cos(math.pi * k * stacked) for k in (1, 2, 3)]
        return encoded + self.fractions(torch.cat([stacked, *waves], dim=-1))
