"""Where the model looks: the bridge's attention, and the one that a Hyena operator implies."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import DataError
from hyena_glt.interpretability.inputs import token_ids, tokenizer_for
from hyena_glt.layers.hyena import HyenaOperator
from hyena_glt.layers.merger import nucleotides_of
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.model.modes import inference_mode_of


class AttentionPatterns(NamedTuple):
    """Attention of one sequence of l tokens in p patches.

    Attributes:
        patch_index: (l,) patch of each token.
        token_to_patch: (l, heads) weight of each token in the summary of its patch.
        patch_to_token: (l, window, heads) weight of each patch a token reads on the way back.
        hyena: Block -> (p, p): how much patch i hears of patch j; rows add up to 1.
        bases: (l,) bases of each token; 0 for special tokens.
        sequence: The letters; empty if token ids of a joint vocabulary were given.
    """

    patch_index: Tensor
    token_to_patch: Tensor
    patch_to_token: Tensor
    hyena: dict[int, Tensor]
    bases: Tensor
    sequence: str

    def received(self) -> Tensor:
        """Attention that each base receives, as the mean over blocks and over the bases that look.

        Returns:
            (bases,) relative to an even share: 1 where a base gets as much as the average one.

        Raises:
            DataError: If no block is a Hyena block.
        """
        if not self.hyena:
            raise DataError("no block of the model has an implicit attention")
        count = next(iter(self.hyena.values())).shape[0]
        sizes = self.bases.new_zeros(count).index_add(0, self.patch_index, self.bases).float()
        share = sizes / sizes.sum()
        heard = torch.stack([share.to(matrix) @ matrix for matrix in self.hyena.values()]).mean(0)
        relative = heard / share.to(heard).clamp(min=1e-12)
        return relative[self.patch_index].repeat_interleave(self.bases)

    def between_tokens(self, block: int) -> Tensor:
        """A block's implicit attention spread over the tokens.

        Args:
            block: Block, counted from 0.

        Returns:
            (l, l): entry (i, j) is the weight that i's patch gives to j's patch.
        """
        matrix = self.hyena[block]
        return matrix[self.patch_index][:, self.patch_index]


@torch.no_grad()
def analyze_attention_patterns(
    model: PreTrainedModel, sequences: Sequence[str | Tensor], *, tokenizer: Any | None = None
) -> list[AttentionPatterns]:
    """Analyze model attention on genomic sequences.

    The implicit attention of a Hyena operator is materialised, which needs memory in the square
    of the number of patches: for sequences of up to some thousand bases.

    Args:
        model: Any model of the package; its mode is restored.
        sequences: Letters or token ids.
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.

    Raises:
        DataError: If a sequence is empty.
    """
    trunk = trunk_of(model)
    with inference_mode_of(trunk):
        return [
            _patterns_of(trunk, token_ids(model, one, tokenizer), one, tokenizer)
            for one in sequences
        ]


def _patterns_of(
    trunk: Any, ids: Tensor, given: str | Tensor, tokenizer: Any | None
) -> AttentionPatterns:
    implied: dict[int, Tensor] = {}

    def remember(block: int) -> Callable[..., None]:
        def hook(operator: HyenaOperator, inputs: tuple[Tensor, Tensor], _: Tensor) -> None:
            implied[block] = operator.implicit_attention(*inputs)[0]

        return hook

    handles = [
        layer.operator.register_forward_hook(remember(block))
        for block, layer in enumerate(trunk.layers)
        if isinstance(layer.operator, HyenaOperator)
    ]
    try:
        encoding = trunk.encode(ids)
    finally:
        for handle in handles:
            handle.remove()
    window = encoding.patch_to_token
    return AttentionPatterns(
        encoding.merging.patches.index[0],
        encoding.token_to_patch,
        window[0],
        implied,
        nucleotides_of(ids, trunk.config)[0],
        _letters(trunk.config, ids, given, tokenizer),
    )


def _letters(config: Any, ids: Tensor, given: str | Tensor, tokenizer: Any | None) -> str:
    if isinstance(given, str):
        return given.upper()
    if tokenizer is None and config.joint_vocabulary:
        return ""
    reader: Any = tokenizer or tokenizer_for(config)
    letters: str = reader.decode(ids[0], skip_special_tokens=True)
    return letters
