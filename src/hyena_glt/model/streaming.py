"""A causal model as a stream: tokens go in piece by piece, nothing grows with what came before.

``extend`` is the only door: it takes the next tokens of every row and a cache, and gives their
hidden states.  Prompts, long sequences (block after block) and generation (token after token) all
pass through it, so all three are one function.

::

    tokens -> local encoder -> merger: does a patch start here? --no--> read the closed patches
                                          |                                      ^
                                         yes                                     |
                                          v                                      |
                         close the open patch -> blocks -> smoothing -> keys and values

A token reads closed patches only, so a patch needs to be processed once, when the next one starts.

Axes::

    b  rows          l  new tokens       k  patches that close
    d  base level    e  hidden_size      w  bridge window
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.layers.bridge import BridgeTokens, TokenMemory
from hyena_glt.layers.embedding import TokenTraits
from hyena_glt.layers.merger import MergerState
from hyena_glt.layers.patterns import WIDTH
from hyena_glt.model.cache import HyenaGLTCache
from hyena_glt.ops.boundaries import tokens_since
from hyena_glt.ops.scan import bounded, moving_average
from hyena_glt.ops.segments import segment_mean

if TYPE_CHECKING:
    from hyena_glt.model.hyena_glt import HyenaGLT


class _Closing(NamedTuple):
    """Patches that close, every row as many.

    Attributes:
        tokens: Normalised, with keys and values: (n, d) each.
        index: Patch of each token over all rows; b * k on what is no token.
        first: (b, k) position of the first token of each.
        length: (b, k) tokens.
        weight: (b, k) probability of their start; 1 for the first of a sequence.
    """

    tokens: BridgeTokens
    index: Tensor  # type: ignore[assignment]  # hides the tuple's method
    first: Tensor
    length: Tensor
    weight: Tensor


class _Readable(NamedTuple):
    """Closed patches that the new tokens may read.

    Attributes:
        keys: (b, w + k, d), the last w before the new tokens first.
        values: Likewise.
        closed: (b, l) patches closed by the new tokens up to each of them.
        before: (b, l) length of the last closed patch; 0 if there is none.
        earlier: (b,) patches closed before all of these.
    """

    keys: Tensor
    values: Tensor
    closed: Tensor
    before: Tensor
    earlier: Tensor


def extend(
    model: "HyenaGLT",
    cache: HyenaGLTCache,
    input_ids: Tensor,
    position_offset: Tensor | None = None,
    traits: TokenTraits = TokenTraits(),  # noqa: B008 - immutable
) -> Tensor:
    """Process further tokens of every row.

    Args:
        model: A causal model in inference mode.
        cache: State of the rows; an empty one starts them.
        input_ids: (b, l) the next token ids, without padding.
        position_offset: (b,) position of the first token of each row; only with an empty cache.
        traits: Qualities and modalities of the new tokens; qualities in all calls or in none.

    Returns:
        (b, l, e) hidden states of these tokens.

    Raises:
        ConfigError: If the model is two-sided.
        DataError: If a sequence gets longer than ``max_position_embeddings``.
    """
    if not model.config.causal:
        raise ConfigError(
            "a two-sided model (causal=False) cannot be streamed token by token; train a causal "
            "language model (hyena-glt pretrain --objective clm)"
        )
    rows, length = input_ids.shape
    if cache.is_empty:
        _start(model, cache, rows, position_offset)
    _check_length(model, cache, length)
    if rows == 1 or length == 1:
        return _extend(model, cache, input_ids, traits)
    parts, outputs = [], []
    for row in range(rows):
        part = cache.rows_at(torch.tensor([row], device=input_ids.device))
        own = slice(row, row + 1)
        outputs.append(_extend(model, part, input_ids[own], traits.map(itemgetter(own))))
        parts.append(part)
    cache.take(parts)
    return torch.cat(outputs)


def extend_batch(
    model: "HyenaGLT",
    cache: HyenaGLTCache,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    traits: TokenTraits = TokenTraits(),  # noqa: B008 - immutable
) -> Tensor:
    """Process the next columns of a batch, which may be padded while the cache is empty.

    Equal rows are processed once.

    Args:
        model: A causal model in inference mode.
        cache: State of the rows; an empty one starts them.
        input_ids: (b, l) the next token ids.
        attention_mask: (b, l), 1 on tokens.
        traits: Modalities of the new tokens; no qualities.

    Returns:
        (b, l, e) hidden states, zero on padding.

    Raises:
        DataError: If a row has no token, or padding follows tokens that are in the cache.
    """
    columns = input_ids.shape[1]
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    mask = mask.bool()
    if cache.is_empty:
        hidden = _prefill(model, cache, input_ids, mask, traits.modality)
    elif bool(mask.all()):
        hidden = extend(model, cache, input_ids, traits=traits)
    else:
        raise DataError(
            "attention_mask: padding after the tokens in the cache; pad prompts on the left"
        )
    cache.columns += columns
    return hidden


def _prefill(
    model: "HyenaGLT",
    cache: HyenaGLTCache,
    input_ids: Tensor,
    mask: Tensor,
    modality: Tensor | None,
) -> Tensor:
    """Start every row for itself, equal ones together."""
    ids = torch.where(mask, input_ids, -1)
    described = torch.stack([ids, torch.zeros_like(ids) if modality is None else modality], dim=2)
    kinds, row_of = torch.unique(described, dim=0, return_inverse=True)
    parts, outputs = [], []
    for kind, numbers in (described_row.unbind(1) for described_row in kinds):
        real = kind >= 0
        if not bool(real.any()):
            raise DataError("attention_mask: a row has no real token; give a prompt")
        part = HyenaGLTCache()
        traits = TokenTraits(None, None if modality is None else numbers[real].unsqueeze(0))
        hidden = extend(model, part, kind[real].unsqueeze(0), traits=traits)
        out = hidden.new_zeros(1, len(kind), hidden.shape[2])
        out[:, real] = hidden
        parts.append(part)
        outputs.append(out)
    cache.take(parts)
    cache.batch_select_indices(row_of)
    return torch.cat(outputs)[row_of]


def stream_blocks(
    model: "HyenaGLT", input_ids: Tensor, block_size: int, traits: TokenTraits
) -> Iterator[tuple[int, Tensor]]:
    """Hidden states of one long sequence, block after block, in memory that does not grow with it.

    Args:
        model: A causal model in inference mode.
        input_ids: (1, l) token ids.
        block_size: Tokens per block.
        traits: Qualities and modalities of the tokens.

    Yields:
        First token of the block, 0-based, and its (1, n, e) hidden states.
    """
    cache = HyenaGLTCache()
    for start in range(0, input_ids.shape[1], block_size):
        block = slice(start, start + block_size)
        own = traits.map(itemgetter((slice(None), block)))
        yield start, extend(model, cache, input_ids[:, block], traits=own)


def _start(
    model: "HyenaGLT", cache: HyenaGLTCache, rows: int, position_offset: Tensor | None
) -> None:
    """Put the state before the first token into an empty cache."""
    config = model.config
    assert config.local_hidden_size is not None
    like = model.embeddings.weight
    local, window = config.local_hidden_size, config.bridge_window
    counts = like.new_zeros(rows, dtype=torch.long)
    first = counts if position_offset is None else position_offset.long()
    buffer = like.new_zeros(rows, _longest_patch(model), local)
    cache.tensors = {
        "seen": counts, "first": first, "position": first,
        "last_ids": like.new_full((rows, _history(model)), config.pad_token_id or 0).long(),
        "open_keys": buffer, "open_values": buffer.clone(), "open_normed": buffer.clone(),
        "open_first": counts.clone(), "open_weight": like.new_ones(rows, dtype=torch.float32),
        "patches": counts.clone(), "last_length": counts.clone(),
        "smooth": like.new_zeros(rows, config.hidden_size),
        "patch_keys": like.new_zeros(rows, window, local),
        "patch_values": like.new_zeros(rows, window, local),
    }  # fmt: skip
    _set_merger(cache, model.initial_merger.initial_state(rows))
    for name in ("local_encoder", "local_decoder", "layers"):
        for number, layer in enumerate(_layers(model, name)):
            cache.set_operator(f"{name}.{number}", layer.operator.initial_state(rows))
    cache.tables = [block.operator.tables() for block in _layers(model, "layers")]


def _extend(model: "HyenaGLT", cache: HyenaGLTCache, ids: Tensor, traits: TokenTraits) -> Tensor:
    """One row, or one token of every row."""
    tensors = cache.tensors
    length = ids.shape[1]
    history = tensors["last_ids"].shape[1]
    context = torch.cat([tensors["last_ids"], ids], dim=1)
    step = torch.arange(-history, length, device=ids.device)
    places = tensors["position"].unsqueeze(1) + step
    position = places[:, history:]

    hidden = model.embed(context, traits=_with_history(cache, traits, history))[:, history:]
    hidden = hidden + model.position_manager.encode_tokens(position).to(hidden.dtype)
    hidden = _run_local(model, "local_encoder", cache, hidden)

    merger = _merger(cache)
    starts, probability, after = model.initial_merger.extend(hidden, context, places, merger)
    since = tokens_since(starts, merger.since)
    # The first patch of a sequence has nothing before it to be smoothed with.
    weight = torch.where(position == tensors["first"].unsqueeze(1), 1.0, bounded(probability))
    tokens = model.bridge.encode_tokens(hidden)
    if length == 1:
        readable = _advance_by_one(model, cache, tokens, starts[:, 0], weight, position, merger)
    else:
        readable = _advance_by_block(model, cache, tokens, starts[0], weight, position, merger)

    queries = model.local_norm(hidden) + model.position_manager.encode_causal_queries(
        position, since, readable.before
    ).to(hidden.dtype)
    window = model.config.bridge_window
    back = torch.arange(1, window + 1, device=ids.device)
    targets = window + readable.closed.unsqueeze(-1) - back
    exists = (readable.earlier.unsqueeze(1) + readable.closed).unsqueeze(-1) >= back
    read, _ = model.bridge.read_patches(queries, readable.keys, readable.values, targets, exists)
    hidden = _run_local(model, "local_decoder", cache, hidden + read)
    out: Tensor = model.output_norm(model.output_projection(hidden))

    _set_merger(cache, after)
    cache.tensors |= {
        "seen": cache.tensors["seen"] + length,
        "position": cache.tensors["position"] + length,
        "last_ids": context[:, length:],
    }
    return out


def _with_history(cache: HyenaGLTCache, traits: TokenTraits, history: int) -> TokenTraits:
    """Put those of the earlier tokens before them, as far as n-grams reach back."""
    quality, modality = traits
    if quality is not None:
        rows = quality.shape[0]
        earlier = cache.tensors.get("last_quality", quality.new_zeros(rows, history))
        quality = torch.cat([earlier, quality], dim=1)
        cache.tensors["last_quality"] = quality[:, -history:]
    # An earlier token's modality is in what the layers remember.
    return TokenTraits(quality, None if modality is None else F.pad(modality, (history, 0)))


def _advance_by_one(
    model: "HyenaGLT", cache: HyenaGLTCache, tokens: BridgeTokens, starts: Tensor, weight: Tensor,
    position: Tensor, merger: MergerState,
) -> _Readable:  # fmt: skip
    """Close patches where one starts, then add one token to the open patch of every row."""
    closing = (starts & (merger.since > 0)).nonzero().squeeze(1)
    if len(closing):
        part = cache.rows_at(closing)
        held, since = part.tensors, merger.since.index_select(0, closing)
        rows, longest = len(closing), held["open_keys"].shape[1]
        row = torch.arange(rows, device=closing.device).unsqueeze(1)
        slot = torch.arange(longest, device=closing.device)
        index = torch.where(slot < since.unsqueeze(1), row, rows).flatten()
        buffers = BridgeTokens(*(held[f"open_{name}"].flatten(0, 1) for name in _BUFFERS))
        patches = _Closing(
            buffers, index, held["open_first"].unsqueeze(1), since.unsqueeze(1),
            held["open_weight"].unsqueeze(1),
        )  # fmt: skip
        keys, values = _process(model, part, patches)
        held["patch_keys"] = torch.cat([held["patch_keys"][:, 1:], keys], dim=1)
        held["patch_values"] = torch.cat([held["patch_values"][:, 1:], values], dim=1)
        cache.write_rows(closing, part)
    tensors = cache.tensors
    slot = torch.where(starts, 0, merger.since).view(-1, 1, 1)
    for name, new in zip(_BUFFERS, tokens, strict=True):
        buffer = tensors[f"open_{name}"]
        place = slot.expand(-1, 1, buffer.shape[2])
        tensors[f"open_{name}"] = buffer.scatter(1, place, new.unsqueeze(1).to(buffer.dtype))
    tensors["open_first"] = torch.where(starts, position[:, 0], tensors["open_first"])
    tensors["open_weight"] = torch.where(starts, weight[:, 0], tensors["open_weight"])
    return _Readable(
        tensors["patch_keys"], tensors["patch_values"], torch.zeros_like(position),
        tensors["last_length"].unsqueeze(1), tensors["patches"],
    )  # fmt: skip


def _advance_by_block(
    model: "HyenaGLT", cache: HyenaGLTCache, tokens: BridgeTokens, starts: Tensor, weight: Tensor,
    position: Tensor, merger: MergerState,
) -> _Readable:  # fmt: skip
    """Close all patches of one row but the last, which stays open."""
    tensors, held = cache.tensors, int(merger.since)
    earlier, last_length = tensors["patches"], tensors["last_length"]
    # Open patch and new tokens in one row; it begins with a start.
    row = BridgeTokens(*(
        torch.cat([tensors[f"open_{name}"][0, :held], new])
        for name, new in zip(_BUFFERS, tokens, strict=True)
    ))  # fmt: skip
    opened = torch.zeros(held, dtype=torch.bool, device=starts.device)
    opened[:1] = True
    all_starts = torch.cat([opened, starts])
    at = all_starts.nonzero().squeeze(1)
    first = torch.cat([tensors["open_first"][: held > 0], position[0, starts]])
    weights = torch.cat([tensors["open_weight"][: held > 0], weight[0, starts]])
    length, end = at.diff(), int(at[-1])
    keys, values = tensors["patch_keys"], tensors["patch_values"]
    if len(length):
        patches = _Closing(
            BridgeTokens(*(part[:end] for part in row)), all_starts.cumsum(0)[:end] - 1,
            first[None, :-1], length[None], weights[None, :-1],
        )  # fmt: skip
        new_keys, new_values = _process(model, cache, patches)
        keys, values = torch.cat([keys, new_keys], dim=1), torch.cat([values, new_values], dim=1)
    window = model.config.bridge_window
    tensors["patch_keys"], tensors["patch_values"] = keys[:, -window:], values[:, -window:]
    tensors["open_first"], tensors["open_weight"] = first[-1:], weights[-1:]
    for name, part in zip(_BUFFERS, row, strict=True):
        buffer = torch.zeros_like(tensors[f"open_{name}"])
        buffer[0, : len(part) - end] = part[end:]
        tensors[f"open_{name}"] = buffer
    closed = starts.cumsum(0) - int(held == 0)
    before = torch.cat([last_length, length])[closed]
    return _Readable(keys, values, closed.unsqueeze(0), before.unsqueeze(0), earlier)


def _process(model: "HyenaGLT", cache: HyenaGLTCache, patches: _Closing) -> tuple[Tensor, Tensor]:
    """Run closed patches through the blocks; keys and values for the tokens behind them."""
    tensors = cache.tensors
    rows, count = patches.first.shape
    normed, keys, values = patches.tokens
    mean = segment_mean(normed, patches.index, patches.length.flatten())
    memory = TokenMemory(keys, values, patches.index, rows * count)
    summary, _ = model.bridge.summarise(mean, memory)
    encoded = model.position_manager.encode_causal_patches(patches.first, patches.length)
    x = summary.view(rows, count, -1) + encoded.to(summary.dtype)
    for number, block in enumerate(_layers(model, "layers")):
        name = f"layers.{number}"
        x, state = block.extend(
            x, cache.operator(name), tensors["patches"], memory, cache.tables[number]
        )
        cache.set_operator(name, state)
    x = model.final_norm(x)
    # The average so far goes in as a step that takes all of itself.
    carried = torch.cat([tensors["smooth"].unsqueeze(1).to(x.dtype), x], dim=1)
    ones = patches.weight.new_ones(rows, 1)
    weight = torch.cat([ones, patches.weight], dim=1).to(x.dtype)
    x = moving_average(carried, weight)[:, 1:]
    tensors["smooth"] = x[:, -1]
    tensors["patches"] = tensors["patches"] + count
    tensors["last_length"] = patches.length[:, -1]
    return model.bridge.patch_memory(x)


def _layers(model: "HyenaGLT", name: str) -> list[Any]:
    layers: list[Any] = list(getattr(model, name))
    return layers


def _run_local(model: "HyenaGLT", name: str, cache: HyenaGLTCache, hidden: Tensor) -> Tensor:
    for number, layer in enumerate(_layers(model, name)):
        hidden, state = layer.extend(hidden, cache.operator(f"{name}.{number}"))
        cache.set_operator(f"{name}.{number}", state)
    return hidden


def _check_length(model: "HyenaGLT", cache: HyenaGLTCache, length: int) -> None:
    limit = model.config.max_position_embeddings
    longest = int(cache.tensors["position"].max()) + length
    if longest > limit:
        raise DataError(
            f"input_ids: position {longest} lies beyond max_position_embeddings={limit}; raise it "
            "or cut the sequence"
        )


def _longest_patch(model: "HyenaGLT") -> int:
    fixed = model.initial_merger.scorer == "fixed"
    return max(model.config.max_patch_tokens, model.initial_merger.stride if fixed else 1)


def _history(model: "HyenaGLT") -> int:
    """Token ids to remember: what the patterns and the longest n-gram look back."""
    spans = [1] if model.ngrams is None else model.ngrams.spans
    return max(WIDTH, *spans)


def _merger(cache: HyenaGLTCache) -> MergerState:
    return MergerState(*(cache.tensors[f"merger.{name}"] for name in MergerState._fields))


def _set_merger(cache: HyenaGLTCache, state: MergerState) -> None:
    cache.tensors |= {f"merger.{name}": value for name, value in state._asdict().items()}


_BUFFERS = ("normed", "keys", "values")
