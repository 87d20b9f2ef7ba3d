"""A two-sided model over one long sequence, its base level block by block.

A two-sided model must see the whole sequence before it can say anything, but only at the patch
level.  The base level is local: a block of tokens with a few neighbours on either side (the *halo*)
gives the same hidden states as the whole sequence.  So the base level is computed block by block,
as often as it is needed (for the scores, for the patches, for every block that looks down, for the
way back), and only patches are kept.

Axes::

    l  tokens      p  patches      d  base level      e  hidden_size
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hyena_glt.layers.bridge import TokenMemory
from hyena_glt.layers.embedding import TokenTraits
from hyena_glt.layers.patterns import WIDTH
from hyena_glt.ops.boundaries import Patches, patches_from_starts
from hyena_glt.ops.segments import segment_mean

if TYPE_CHECKING:
    from hyena_glt.model.hyena_glt import HyenaGLT


class BlockedPass:
    """One pass of a two-sided model over one sequence.

    Args:
        model: A two-sided model in inference mode.
        input_ids: (1, l) token ids.
        block_size: Tokens per block.
        traits: Qualities and modalities of the tokens.
    """

    def __init__(
        self, model: "HyenaGLT", input_ids: Tensor, block_size: int, traits: TokenTraits
    ) -> None:
        self.model = model
        self.ids = input_ids
        self.traits = traits
        self.block_size = block_size
        self.total = torch.tensor([[input_ids.shape[1]]], device=input_ids.device)
        spans = [1] if model.ngrams is None else model.ngrams.spans
        # Patterns and entropies look two tokens further than their words reach.
        self.halo = max(WIDTH, *spans) + 2 + _reach(model.local_encoder)
        self.decoder_halo = _reach(model.local_decoder)

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        """First token of each block, 0-based, and its hidden states (1, n, e)."""
        scores = torch.cat([self._scores(a, b) for a, b in self._token_blocks()], dim=1)
        merger, mask = self.model.initial_merger, torch.ones_like(self.ids, dtype=torch.bool)
        patches = patches_from_starts(merger.starts(scores, mask), mask)
        probability = merger.probability(scores, patches.starts).gather(1, patches.first)
        x = self.model.smooth(self._patch_level(patches), probability)
        keys, values = self.model.bridge.patch_memory(x)
        del x
        for start, stop in self._token_blocks():
            yield start, self._decode(start, stop, patches, keys, values)

    def _token_blocks(self) -> list[tuple[int, int]]:
        length = self.ids.shape[1]
        return [(a, min(length, a + self.block_size)) for a in range(0, length, self.block_size)]

    def _around(self, start: int, stop: int, halo: int) -> tuple[int, int, slice]:
        """A block with its halo, and where the block lies in it."""
        low, high = max(0, start - halo), min(self.ids.shape[1], stop + halo)
        return low, high, slice(start - low, stop - low)

    def _base(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor, slice]:
        """Embedded tokens, hidden states and positions of a block with its halo."""
        low, high, inner = self._around(start, stop, self.halo)
        position = torch.arange(low, high, device=self.ids.device).unsqueeze(0)
        traits = self.traits.map(lambda values: values[:, low:high])
        embedded = self.model.embed(self.ids[:, low:high], traits=traits)
        encoded = self.model.position_manager.encode_tokens(position, self.total)
        hidden = embedded + encoded.to(embedded.dtype)
        return embedded, _run(self.model.local_encoder, hidden), position, inner

    def _hidden(self, start: int, stop: int) -> Tensor:
        """Output of the local encoder."""
        _, hidden, _, inner = self._base(start, stop)
        return hidden[:, inner]

    def _scores(self, start: int, stop: int) -> Tensor:
        embedded, hidden, position, inner = self._base(start, stop)
        low, high, _ = self._around(start, stop, self.halo)
        ids = self.ids[:, low:high]
        mask = torch.ones_like(ids, dtype=torch.bool)
        return self.model.initial_merger.scores(hidden, embedded, ids, mask, position)[:, inner]

    def _patch_blocks(self, patches: Patches) -> Iterator[tuple[int, int, Tensor, TokenMemory]]:
        """Runs of whole patches: their numbers, the mean of their tokens, and these tokens."""
        ends = (patches.first + patches.length)[0]
        count, begin = len(ends), 0
        while begin < count:
            start = int(patches.first[0, begin])
            end = int(torch.searchsorted(ends, start + self.block_size, right=True))
            end = max(begin + 1, end)
            stop = int(ends[end - 1])
            tokens = self.model.bridge.encode_tokens(self._hidden(start, stop))
            index = patches.index[0, start:stop] - begin
            mean = segment_mean(tokens.normed, index, patches.length[0, begin:end])
            yield begin, end, mean, TokenMemory(tokens.keys, tokens.values, index, end - begin)
            begin = end

    def _patch_level(self, patches: Patches) -> Tensor:
        model, count = self.model, patches.first.shape[1]
        x = model.final_norm.weight.new_empty(1, count, model.config.hidden_size)
        for begin, end, mean, memory in self._patch_blocks(patches):
            part = patches._replace(
                first=patches.first[:, begin:end], length=patches.length[:, begin:end]
            )
            summary, _ = model.bridge.summarise(mean, memory)
            encoded = model.position_manager.encode_patches(part)
            x[0, begin:end] = summary + encoded[0].to(summary.dtype)
        mask = torch.ones(1, count, dtype=torch.bool, device=x.device)
        for block in model.layers:
            layer: Any = block
            x = x + layer.operator(layer.operator_norm(x), mask)
            if layer.bridge is None:
                for part in x.split(self.block_size, dim=1):
                    part.copy_(layer.finish(part, None))
            else:
                for begin, end, _, memory in self._patch_blocks(patches):
                    x[:, begin:end] = layer.finish(x[:, begin:end], memory)
        for part in x.split(self.block_size, dim=1):
            part.copy_(model.final_norm(part))
        return x

    def _decode(
        self, start: int, stop: int, patches: Patches, keys: Tensor, values: Tensor
    ) -> Tensor:
        model = self.model
        low, high, inner = self._around(start, stop, self.decoder_halo)
        hidden = self._hidden(low, high)
        here = slice(low, high)
        queries = model.local_norm(hidden) + model.position_manager.encode_queries_at(
            patches, here
        ).to(hidden.dtype)
        begin = max(0, int(patches.index[0, low]) - model.config.bridge_window)
        end = int(patches.index[0, high - 1]) + model.config.bridge_window + 1
        targets, seen = model.bridge.targets(patches, here)
        read, _ = model.bridge.read_patches(
            queries, keys[:, begin:end], values[:, begin:end], targets - begin, seen
        )
        hidden = _run(model.local_decoder, hidden + read)[:, inner]
        out: Tensor = model.output_norm(model.output_projection(hidden))
        return out


def _run(layers: Any, hidden: Tensor) -> Tensor:
    mask = torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
    for layer in layers:
        hidden = layer(hidden, mask)
    return hidden


def _reach(layers: Any) -> int:
    """Tokens that a stack of local layers looks to either side."""
    return sum(
        layer.operator.featuriser.shape[1] // 2 + layer.operator.taps.shape[1] // 2
        for layer in layers
    )
