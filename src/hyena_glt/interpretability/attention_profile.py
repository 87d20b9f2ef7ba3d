"""How far a model looks, and at which bases: the attention of every block, mapped to bases.

The implicit attention of a Hyena operator is asked row by row for a sample of query bases, so a
sequence of any length that the model takes can be looked at; the whole matrix is never made.  A
base of a patch of n bases gets 1/n of what the patch gets.

Axes::

    l  bases of the sequence
    m  stretches of a map, at most ``MAP_SIZE``
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.interpretability.inputs import token_ids
from hyena_glt.layers.attention import PatchAttention
from hyena_glt.layers.hyena import HyenaOperator
from hyena_glt.layers.merger import nucleotides_of
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.model.modes import inference_mode_of

MAP_SIZE = 96
"""Most stretches of a map, in each direction."""

Values = NDArray[np.float64]


class BlockAttention(NamedTuple):
    """Where one block looks.

    Attributes:
        kind: ``SE``, ``MR``, ``LI`` or ``attention``.
        received: (l,) share of the attention that each base gets; adds up to 1.
        by_distance: (l,) share of the attention at each distance, in bases; adds up to 1.
        mean_weight: (l,) mean weight of a base at each distance from the query; nan at distances
            that no query has.
        map: (m, m) entry (i, j): share of the attention of the i-th stretch of the sequence that
            goes to the j-th one; rows add up to 1.
    """

    kind: str
    received: Values
    by_distance: Values
    mean_weight: Values
    map: Values

    def reach(self, share: float = 0.5) -> int:
        """Distance within which a share of the attention lies, in bases.

        Args:
            share: Of the attention, in (0, 1].
        """
        return int(np.searchsorted(np.cumsum(self.by_distance), share * (1 - 1e-9)))


class AttentionProfile(NamedTuple):
    """The attention of one sequence of l bases.

    Attributes:
        blocks: By number of the block.
        bridge: (l,) weight of each base in the summary of its patch, times the bases of the patch:
            1 where no base of a patch counts more than another.
        look_down: The same for the blocks that look at the bases again, by number of the block.
        window: Weight of each patch that a base reads on the way back, as the mean over the bases;
            in the order of the sequence, the own patch in the middle, or (causal) the last closed
            patch first.
        queries: Number of bases that were asked where they look.
    """

    blocks: dict[int, BlockAttention]
    bridge: Values
    look_down: dict[int, Values]
    window: Values
    queries: int


@torch.no_grad()
def attention_profiles(
    model: PreTrainedModel,
    sequences: Sequence[str | Tensor],
    *,
    queries: int = 256,
    tokenizer: Any | None = None,
) -> list[AttentionProfile]:
    """Say how far every block looks, and which bases get how much of the attention.

    Looks at the given strand only, also where a model averages over both.

    Args:
        model: Any model of the package; its mode is restored.
        sequences: Letters or token ids.
        queries: Bases that are asked, spread evenly; in a shorter sequence all of them.
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.

    Raises:
        DataError: If a sequence is empty, or longer than the model takes.
    """
    trunk = trunk_of(model)
    with inference_mode_of(trunk):
        return [_profile(trunk, token_ids(model, one, tokenizer), queries) for one in sequences]


class _Tokens(NamedTuple):
    """Where the tokens of a sequence lie.

    Attributes:
        patch: Patch of each token.
        share: Part of its patch's attention that each token gets.
        start: First base of each token.
        bases: Bases of each token; 0 for special tokens.
        asked: Tokens whose attention is looked at.
    """

    patch: Tensor
    share: Tensor
    start: Tensor
    bases: Tensor
    asked: Tensor


def _profile(trunk: Any, ids: Tensor, queries: int) -> AttentionProfile:
    inputs: dict[int, tuple[Tensor, Tensor]] = {}
    looked: dict[int, Tensor] = {}

    def keep(block: int) -> Callable[..., None]:
        def hook(_: Any, given: tuple[Tensor, Tensor]) -> None:
            inputs[block] = given

        return hook

    def keep_weights(block: int) -> Callable[..., None]:
        def hook(_: Any, given: Any, out: tuple[Tensor, Tensor]) -> None:
            looked[block] = out[1]

        return hook

    handles = []
    for block, layer in enumerate(trunk.layers):
        handles.append(layer.operator.register_forward_pre_hook(keep(block)))
        if layer.bridge is not None:
            handles.append(layer.bridge.register_forward_hook(keep_weights(block)))
    try:
        encoding = trunk.encode(ids)
    finally:
        for handle in handles:
            handle.remove()

    patches = encoding.merging.patches
    bases = nucleotides_of(ids, trunk.config)[0]
    number = patches.index[0]
    per_patch = torch.zeros(patches.mask.shape[1], dtype=bases.dtype, device=bases.device)
    per_patch = per_patch.index_add(0, number, bases)
    letters = torch.nonzero(bases)[:, 0]
    chosen = torch.linspace(0, len(letters) - 1, min(queries, len(letters)), dtype=torch.float64)
    tokens = _Tokens(
        number,
        bases / per_patch[number].clamp(min=1),
        bases.cumsum(0) - bases,
        bases,
        letters[chosen.round().long().to(letters.device)],
    )
    blocks = {
        block: _block(layer.operator, trunk.config.block_stripe(block), inputs[block], tokens)
        for block, layer in enumerate(trunk.layers)
    }

    def relative(weights: Tensor) -> Values:
        mean = weights[: len(bases)].float().mean(dim=-1) / tokens.share.clamp(min=1e-12)
        return _numbers(mean.repeat_interleave(bases))

    assert encoding.patch_to_token is not None
    return AttentionProfile(
        blocks,
        relative(encoding.token_to_patch),
        {block: relative(weights) for block, weights in looked.items()},
        _numbers(encoding.patch_to_token[0].float().mean(dim=(0, 2))),
        len(tokens.asked),
    )


def _block(
    operator: HyenaOperator | PatchAttention,
    kind: str,
    inputs: tuple[Tensor, Tensor],
    tokens: _Tokens,
) -> BlockAttention:
    rows, which = tokens.patch[tokens.asked].unique(return_inverse=True)
    if isinstance(operator, HyenaOperator):
        heard = operator.implicit_attention_rows(*inputs, rows)[0]
    else:
        heard = operator.attention_rows(*inputs, rows)[0]
    length = int(tokens.bases.sum())
    size = min(MAP_SIZE, length)
    device = tokens.bases.device
    letter = tokens.bases > 0
    start, bases = tokens.start[letter], tokens.bases[letter]
    received = torch.zeros(len(start), dtype=torch.float64, device=device)
    by_distance = torch.zeros(length, dtype=torch.float64, device=device)
    pairs = torch.zeros_like(by_distance)
    coarse = torch.zeros(size, size, dtype=torch.float64, device=device)
    stretch = start * size // length
    for row, asked in zip(which.tolist(), tokens.asked.tolist(), strict=True):
        weight = (heard[row][tokens.patch] * tokens.share)[letter].double()
        received += weight
        distance = (start - tokens.start[asked]).abs()
        by_distance.index_add_(0, distance, weight)
        pairs.index_add_(0, distance, bases.double())
        coarse[int(tokens.start[asked]) * size // length].index_add_(0, stretch, weight)
    per_base = (received / bases).repeat_interleave(bases)
    return BlockAttention(
        kind,
        _numbers(per_base / per_base.sum()),
        _numbers(by_distance / by_distance.sum()),
        _numbers(by_distance / pairs.masked_fill(pairs == 0, torch.nan)),
        _numbers(coarse / coarse.sum(dim=1, keepdim=True).clamp(min=1e-12)),
    )


def _numbers(values: Tensor) -> Values:
    return np.asarray(values.double().cpu().numpy(), dtype=np.float64)
