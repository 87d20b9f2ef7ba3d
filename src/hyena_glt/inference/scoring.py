"""How well a language model knows a sequence: log-likelihood and bits per base.

record -> windows, streamed -> log-likelihood of each token -> sums

What is counted, and how:

* Letters alone are scored.  N, ambiguous letters and special tokens are context, and are counted
  apart.
* A causal model says nothing of a record's first letter, which has no context; it counts as drawn
  uniformly (ln 4 nats, 2 bits, for a base), so that every letter of a record counts.
* A two-sided model gives a *pseudo*-log-likelihood: every eighth token is hidden in turn and
  predicted from the rest.  It is no probability of the sequence and does not compare with that of
  a causal model.
* The probability is the one the model was trained for, over its whole vocabulary.

Units: nats (natural logarithms) for log-likelihoods, bits per base for people; positions are
0-based.

Sources: pseudo-log-likelihood, Salazar et al. 2020, arXiv:1910.14659; there one token is hidden at
a time.
"""

import math
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyena_glt.config import NUM_SPECIAL_TOKENS, HyenaGLTConfig
from hyena_glt.data.collators import MASK_TOKEN_ID
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.layers.merger import nucleotides_of
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.model.modes import inference_mode_of
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel

DEFAULT_BLOCK = 8192
"""Tokens processed at once."""

_TURNS = 8

Values = NDArray[np.float64]


class Scored(NamedTuple):
    """What a model makes of one sequence.

    Attributes:
        log_likelihood: Sum over the scored letters, in nats.
        bases: Letters scored (bases, or residues of a protein).
        bits_per_base: Minus the mean log-likelihood per scored letter, in bits; nan if there is
            none.
        unscored: Tokens that are no letters, N above all.
    """

    log_likelihood: float
    bases: int
    bits_per_base: float
    unscored: int


def score_sequence(
    model: HyenaGLTPreTrainedModel,
    ids: Tensor,
    *,
    block: int = DEFAULT_BLOCK,
    on_block: Callable[[int, Values], None] | None = None,
) -> Scored:
    """Score one sequence of any length; memory for the results does not grow with it.

    Args:
        model: A causal or masked language model.
        ids: (l,) token ids of the sequence.
        block: Most tokens processed at once, see :func:`iter_log_likelihoods`.
        on_block: Called with the position of a block's first token and its log-likelihoods.

    Raises:
        ConfigError: As :func:`iter_log_likelihoods` does.
        DataError: If there is no token.
    """
    total, bases, unscored, start = 0.0, 0, 0, 0
    for values in iter_log_likelihoods(model, ids, block=block):
        if on_block is not None:
            on_block(start, values)
        scored = ~np.isnan(values)
        lengths = nucleotides_of(ids[None, start : start + len(values)], model.config)[0]
        total += float(values[scored].sum())
        bases += int(lengths.cpu().numpy()[scored].sum())
        unscored += int((~scored).sum())
        start += len(values)
    bits = -total / math.log(2) / bases if bases else math.nan
    return Scored(total, bases, bits, unscored)


def iter_log_likelihoods(
    model: HyenaGLTPreTrainedModel, ids: Tensor, *, block: int = DEFAULT_BLOCK
) -> Iterator[Values]:
    """Give the log-likelihood of every token, block after block.

    A sequence longer than a window is read in windows that overlap by half.  The window of a causal
    model is ``max_position_embeddings``, whatever the block, and a token is scored in the first
    window that reaches it, with half a window before it or all that there is.  The window of a
    two-sided model is a block, and a token is scored in the window in whose middle it is.

    Args:
        model: A causal or masked language model.
        ids: (l,) token ids of the sequence; the tokens must not overlap.
        block: Most tokens processed at once, at least 2.

    Yields:
        Log-likelihoods in nats, in the order of the tokens, each once; nan for what is not scored.

    Raises:
        ConfigError: If ``block`` is too small or the model's k-mers overlap.
        DataError: If there is no token.
    """
    config = model.config
    if config.overlapping_kmers:
        raise ConfigError(
            "scores need tokens that do not overlap; the model reads k-mers with stride 1"
        )
    if ids.numel() == 0:
        raise DataError("there is no token to score")
    if min(block, config.max_position_embeddings) < 2:
        raise ConfigError(
            "scores need a context: block and max_position_embeddings must be at least 2 tokens, "
            f"got {block} and {config.max_position_embeddings}"
        )
    for start, values in _log_likelihoods(model, ids, block):
        own = ids[start : start + len(values)]
        if start == 0 and config.causal:
            letters = int(nucleotides_of(own[:1].unsqueeze(0), config))
            values[0] = -letters * math.log(_alphabet_size(int(own[0]), config))
        values[~_is_letter(own, config)] = np.nan
        yield values


def _log_likelihoods(
    model: HyenaGLTPreTrainedModel, ids: Tensor, block: int
) -> Iterator[tuple[int, Values]]:
    """Position of the first token, and log-likelihoods, of each block; the one source of both."""
    causal = model.config.causal
    of_window = _causal if causal else _pseudo
    limit = model.config.max_position_embeddings
    size = limit if causal else min(block, limit)
    done = 0
    for start in count(0, size // 2):
        stop = min(start + size, len(ids))
        last = stop == len(ids)
        until = stop if causal or last else stop - size // 4
        window = ids[start:stop].to(model.device, torch.long)
        with inference_mode_of(model), torch.no_grad():
            values = of_window(model, window, block)[done - start : until - start]
        yield done, values.double().cpu().numpy()
        done = until
        if last:
            return


def _causal(model: HyenaGLTPreTrainedModel, window: Tensor, block: int) -> Tensor:
    """Log-likelihood of each token given those before it; that of the first is not known."""
    trunk = trunk_of(model)
    values = [torch.full((1,), math.nan, device=window.device)]
    for start, hidden in trunk.stream(window, block):
        truth = window[start + 1 : start + 1 + hidden.shape[1]].unsqueeze(1)
        logits = trunk.predict_tokens(hidden[0, : len(truth)])
        values.append(logits.log_softmax(dim=-1).gather(1, truth).squeeze(1))
    return torch.cat(values)


def _pseudo(model: HyenaGLTPreTrainedModel, window: Tensor, _block: int) -> Tensor:
    """Log-likelihood of each token given those around it, but for every eighth one."""
    values = torch.empty(len(window), device=window.device)
    turns = torch.arange(len(window), device=window.device) % _TURNS
    letters = window >= NUM_SPECIAL_TOKENS
    for turn in range(min(_TURNS, len(window))):
        hidden = window.masked_fill((turns == turn) & letters, MASK_TOKEN_ID)
        logits = model(input_ids=hidden.unsqueeze(0)).logits[0, turn::_TURNS]
        truth = window[turn::_TURNS].unsqueeze(1)
        values[turn::_TURNS] = logits.log_softmax(dim=-1).gather(1, truth).squeeze(1)
    return values


def _alphabet_size(token: int, config: HyenaGLTConfig) -> int:
    """Letters of the alphabet that a token belongs to."""
    own = [size for first, size in config.alphabets if first <= token < first + size]
    return own[0] if own else config.alphabet_size


def _is_letter(ids: Tensor, config: HyenaGLTConfig) -> NDArray[np.bool_]:
    """Canonical letters and k-mers of them."""
    letter = ids >= NUM_SPECIAL_TOKENS + config.num_letters
    for first, size in config.alphabets:
        letter |= (ids >= first) & (ids < first + size)
    return np.asarray(letter.cpu().numpy(), dtype=np.bool_)
