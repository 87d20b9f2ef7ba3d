"""One block of the patch level, and one layer of the base level."""

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.layers.attention import PatchAttention
from hyena_glt.layers.bridge import PatchLookDown, TokenMemory
from hyena_glt.layers.dropout import ChannelDropout
from hyena_glt.layers.hyena import HyenaOperator, OperatorState
from hyena_glt.layers.mlp import GatedMLP
from hyena_glt.ops.blocks import in_stretches
from hyena_glt.ops.recurrence import ModalTables


class HyenaGLTBlock(nn.Module):
    """norm, operator, residual; look down at the tokens, residual; norm, gated MLP, residual.

    Args:
        config: Model configuration.
        layer: Number of the block, from 0; decides the operator's kind and whether the block
            looks down.
    """

    def __init__(self, config: HyenaGLTConfig, layer: int = 0) -> None:
        super().__init__()
        assert config.filter_size is not None
        assert config.intermediate_size is not None
        assert config.local_hidden_size is not None
        width, kind = config.hidden_size, config.block_stripe(layer)
        self.operator_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        if kind == "attention":
            self.operator: HyenaOperator | PatchAttention = PatchAttention(
                width,
                config.num_attention_heads,
                causal=config.causal,
                window=config.attention_window,
            )
        else:
            self.operator = HyenaOperator(
                width,
                kind,
                causal=config.causal,
                short_filter_order=config.short_filter_order,
                filter_length=(
                    config.explicit_filter_length if kind == "SE" else config.medium_filter_length
                ),
                filter_size=config.filter_size,
                filter_modes=config.filter_modes,
                longest=float(max(16, config.max_position_embeddings)),
            )
        self.bridge_norm, self.bridge = None, None
        if layer in config.bridge_layers:
            self.bridge_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
            self.bridge = PatchLookDown(
                width, config.local_hidden_size, width, config.num_attention_heads
            )
        self.mlp_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = GatedMLP(width, config.intermediate_size, config.dropout)
        self.dropout = ChannelDropout(config.dropout)

    def forward(
        self,
        hidden_states: Float[Tensor, "b p e"],
        patch_mask: Bool[Tensor, "b p"],
        memory: TokenMemory | None = None,
    ) -> Float[Tensor, "b p e"]:
        """Process the patches.

        Args:
            hidden_states: Patches.
            patch_mask: True on patches that exist.
            memory: The tokens' keys and values; needed by a block that looks down.
        """
        x = hidden_states
        x = x + self.dropout(self.operator(self.operator_norm(x), patch_mask))
        return self.finish(x, memory)

    def extend(
        self,
        hidden_states: Float[Tensor, "b p e"],
        state: OperatorState,
        earlier: Int[Tensor, " b"],
        memory: TokenMemory,
        tables: ModalTables | None,
    ) -> tuple[Float[Tensor, "b p e"], OperatorState]:
        """Process further patches of a sequence; causal models only.

        Args:
            hidden_states: The new patches; all of them exist.
            state: The operator's state.
            earlier: Patches before these.
            memory: The new patches' tokens.
            tables: Those of the long filter, if there is one.
        """
        x = hidden_states
        normed = self.operator_norm(x)
        if isinstance(self.operator, PatchAttention):
            mixed, state = self.operator.extend(normed, state, earlier)
        else:
            mixed, state = self.operator.extend(normed, state, tables)
        return self.finish(x + mixed, memory), state

    def finish(
        self, x: Float[Tensor, "b p e"], memory: TokenMemory | None
    ) -> Float[Tensor, "b p e"]:
        """Look down and apply the MLP: what a block does to every patch by itself.

        Args:
            x: Patches behind the operator.
            memory: Their tokens; needed by a block that looks down.
        """
        if self.bridge is not None and self.bridge_norm is not None and memory is not None:
            read, _ = self.bridge(self.bridge_norm(x).flatten(0, 1), memory)
            x = x + self.dropout(read.view_as(x))
        return x + self.mlp(self.mlp_norm(x))


class LocalLayer(nn.Module):
    """A Hyena layer of the base level: short explicit filter, narrow gated MLP.

    Args:
        config: Model configuration.
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        super().__init__()
        assert config.local_hidden_size is not None
        width = config.local_hidden_size
        self.operator_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.operator = HyenaOperator(
            width,
            "SE",
            causal=config.causal,
            short_filter_order=config.short_filter_order,
            filter_length=config.explicit_filter_length,
            filter_size=width,
        )
        self.mlp_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = GatedMLP(width, 2 * width, config.dropout)
        self.dropout = ChannelDropout(config.dropout)
        # Steps that the two short convolutions look back together, if causal.
        self.reach = config.short_filter_order + config.explicit_filter_length - 2

    def forward(
        self, hidden_states: Float[Tensor, "b l d"], token_mask: Bool[Tensor, "b l"]
    ) -> Float[Tensor, "b l d"]:
        """Process the tokens.

        Args:
            hidden_states: Base-level states.
            token_mask: True on tokens.
        """
        if self.training:
            return self._layer(hidden_states, token_mask)
        behind = 0 if self.operator.causal else self.reach
        return in_stretches(
            self._layer, hidden_states, token_mask, before=self.reach, behind=behind
        )

    def _layer(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.dropout(self.operator(self.operator_norm(x), mask))
        return x + self.mlp(self.mlp_norm(x))

    def extend(
        self, hidden_states: Float[Tensor, "b l d"], state: OperatorState
    ) -> tuple[Float[Tensor, "b l d"], OperatorState]:
        """Process further tokens of a sequence; causal models only.

        Args:
            hidden_states: The new tokens; all of them exist.
            state: The operator's state.
        """
        mixed, state = self.operator.extend(self.operator_norm(hidden_states), state)
        x = hidden_states + mixed
        return x + self.mlp(self.mlp_norm(x)), state
