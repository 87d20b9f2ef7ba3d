"""The choice of the next token, from its likelihood: greedy, drawn, or searched with beams."""

import math
from typing import Any

from hyena_glt.errors import ConfigError
from hyena_glt.tokenizers.base import KmerTokenizer


def decoding_options(
    n: int,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    beams: int,
    greedy: bool,
) -> dict[str, Any]:
    """Check how to choose, and word it for Hugging Face's ``generate``.

    Args:
        n: Sequences per prompt.
        temperature: Divides the logits, or None.
        top_k: Number of likeliest tokens to draw from, or None.
        top_p: Probability of the likeliest tokens to draw from, or None.
        beams: Number of beams; 1 is no search.
        greedy: Whether to take the likeliest token.

    Returns:
        Keyword arguments.  ``num_return_sequences`` is among them where nothing is drawn, since
        beams find all sequences of a prompt together.

    Raises:
        ConfigError: If an argument breaks its rule, or two exclude each other.
    """
    if temperature is not None and not 0 < temperature < math.inf:
        raise ConfigError(f"temperature must be positive, got {temperature:g}")
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top_k must be at least 1 token, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ConfigError(f"top_p must lie in (0, 1], got {top_p:g}")
    if beams < 1:
        raise ConfigError(f"beams must be at least 1, got {beams}")
    if not greedy and beams == 1:
        return {
            "do_sample": True, "temperature": temperature or 1.0,
            "top_k": top_k or 0, "top_p": top_p or 1.0,
        }  # fmt: skip
    if greedy and beams > 1:
        raise ConfigError(f"greedy goes one way; leave out greedy or beams={beams}")
    for name, value in (("temperature", temperature), ("top_k", top_k), ("top_p", top_p)):
        if value is not None:
            raise ConfigError(f"{name} is for sampling; leave it out with greedy and beams")
    if n > beams:
        raise ConfigError(
            f"n={n} sequences per prompt need as many beams, got beams={beams}; sampling gives any "
            "number"
        )
    return {"do_sample": False, "num_beams": beams, "num_return_sequences": n}


def check_stop(
    stop_at: str, tokenizer: KmerTokenizer, gc_range: tuple[float, float] | None, beams: int
) -> None:
    """Refuse letters to stop at that cannot be, or that exclude another argument.

    Args:
        stop_at: Letters that end a sequence.
        tokenizer: Tokenizer of the model.
        gc_range: Range of GC asked for, or None.
        beams: Number of beams.

    Raises:
        ConfigError: Names the argument and the rule.
    """
    if tokenizer.kmer_size != 1:
        raise ConfigError(
            f"stop_at needs tokens of one letter (kmer_size=1), got kmer_size={tokenizer.kmer_size}"
        )
    if not stop_at or not set(stop_at) <= set(tokenizer.alphabet.letters):
        raise ConfigError(
            f"stop_at must be letters out of {tokenizer.alphabet.letters}, got {stop_at!r}"
        )
    if gc_range is not None:
        raise ConfigError("gc_range holds for a known length; leave out stop_at")
    if beams > 1:
        raise ConfigError("beams compare sequences of one length; leave out stop_at")
