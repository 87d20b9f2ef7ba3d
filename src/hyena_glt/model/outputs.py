"""What the model returns."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.utils.generic import ModelOutput


@dataclass
class HyenaGLTOutput(ModelOutput):
    """Result of a forward pass.

    Axes: b rows, l tokens, p patches (the most of any row), d ``hidden_size``, h heads, c labels,
    w ``bridge_window``.

    Attributes:
        loss: Loss of the task, if labels were given.  The gradient of the entropy head's own
            next-token loss rides along without changing the value.
        logits: (b, c) from a sequence head, (b, l, c) from a token head, (b, l, vocabulary) from
            the language-model head.
        last_hidden_state: (b, l, d), zero on padding; None if tokens were not asked for.
        patch_hidden_state: (b, p, d).
        patch_mask: (b, p), True on patches that exist.
        token_logits: (b, l, c) if a sequence head *and* a token head are attached.
        position_info: Positions through merging; see ``HyenaGLT.forward``.
        attentions: ``{"token_to_patch": (b, l, h), "patch_to_token": (b, l, w, h)}``, on request.
        compression_ratio: Mean nucleotides per patch over the batch.
        entropy_loss: Next-token loss of the entropy head, in nats.
        past_key_values: The cache, where the call was given one.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    last_hidden_state: Tensor | None = None
    patch_hidden_state: Tensor | None = None
    patch_mask: Tensor | None = None
    token_logits: Tensor | None = None
    position_info: dict[str, Tensor] | None = None
    attentions: dict[str, Tensor] | None = None
    compression_ratio: Tensor | None = None
    entropy_loss: Tensor | None = None
    past_key_values: Any = None
