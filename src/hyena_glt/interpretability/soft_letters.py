"""A model's prediction as a function of shares of letters, which gradients can be taken of.

A position holds one letter.  Between the letters lie mixtures, which no sequence has but which
gradients and paths from one sequence to another need.  Token ids enter a model in four places, and
each takes mixtures here:

* token embeddings: the mean over the letters;
* n-gram embeddings: the mean over the n-grams, whose shares are products of their letters' shares;
* patterns at which patches may start: filters applied to the shares;
* the k-mer readout of a sequence head: left out, for the square root of a count of 0 has no slope;
  :mod:`~hyena_glt.interpretability.readout_share` attributes it exactly.

At sequences, where all shares are 0 or 1, the function is the model itself without the readout.

Axes::

    n  sequences      l  tokens      a  letters, and one column behind them for tokens without one
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.interpretability.attribution_result import Alphabet, Boundaries, column_of
from hyena_glt.interpretability.held_merging import merging_held
from hyena_glt.layers.embedding import NgramEmbedding
from hyena_glt.layers.merger import Merging
from hyena_glt.layers.patterns import PatternScorer
from hyena_glt.model.hyena_glt import HyenaGLT, trunk_of

SoftPrediction = Callable[[Tensor], Tensor]


def shares_of(ids: Tensor, alphabet: Alphabet) -> Tensor:
    """One-hot letters of sequences.

    Args:
        ids: (n, l) token ids.
        alphabet: The letters.

    Returns:
        (n, l, a); the last column is 1 where a token is none of the letters.
    """
    letter = ids - alphabet.first
    known = (letter >= 0) & (letter < alphabet.size)
    return F.one_hot(torch.where(known, letter, alphabet.size), alphabet.size + 1).float()


def other_strand(ids: Tensor, alphabet: Alphabet) -> Tensor:
    """The reverse complement of whole sequences; tokens without a letter are their own complement.

    Args:
        ids: (n, l) token ids.
        alphabet: Letters in the order A C G T (or U).
    """
    flipped = ids.flip(1)
    letter = flipped - alphabet.first
    known = (letter >= 0) & (letter < alphabet.size)
    return torch.where(known, alphabet.first + alphabet.size - 1 - letter, flipped)


@contextmanager
def soft_prediction(
    model: PreTrainedModel, ids: Tensor, output: int, alphabet: Alphabet, boundaries: Boundaries
) -> Iterator[SoftPrediction]:
    """Give the prediction as a function of shares of letters.

    The function takes (k * n, l, a) shares of variants of the sequences, all sequences once or
    several times over, and returns (k * n,) values, without the readout.  No gradient flows
    through the decision where patches start, nor through the confidence in it.

    Args:
        model: A sequence-classification model in inference mode; it is left as it was.
        ids: (n, l) token ids; they decide what stands where a token is no letter.
        output: Column of the logits.
        alphabet: The letters.
        boundaries: ``frozen``: the patches of the sequences; ``remerged``: those that the shares
            give.
    """
    trunk = trunk_of(model)
    strands = [ids]
    averaged = reads_both_strands(model)
    if averaged:
        strands.append(other_strand(ids, alphabet))
    # Letters of the rows that the model is being asked about.
    current: list[Tensor] = []
    with ExitStack() as stack:
        stack.enter_context(merging_held(model, ids, boundaries))
        stack.enter_context(_one_strand_with_gradients(model, trunk))
        for module, replacement in (
            (trunk.initial_merger, _without_gradient),
            (trunk.ngrams, _soft_ngrams(current)),
            (trunk.initial_merger.patterns, _soft_patterns(current)),
            (getattr(model, "kmer_readout", None), _nothing),
        ):
            if module is not None:
                stack.enter_context(module.register_forward_hook(replacement))

        def predicted(shares: Tensor) -> Tensor:
            total = shares.new_zeros(len(shares))
            for number, row_ids in enumerate(strands):
                turned = shares if number == 0 else _complement(shares)
                rows = row_ids.repeat(len(shares) // len(row_ids), 1)
                current[:] = [turned[..., :-1]]
                embeds = _embedded(trunk, rows, turned, alphabet)
                logits = model(rows, inputs_embeds=embeds).logits
                total = total + column_of(logits, output)
            return total / len(strands)

        yield predicted


def reads_both_strands(model: PreTrainedModel) -> bool:
    """True if a model in inference mode averages its predictions over the strands.

    Args:
        model: A sequence-classification model.
    """
    is_face = not isinstance(model, HyenaGLT)
    return is_face and model.config.reverse_complement == "average"


@contextmanager
def _one_strand_with_gradients(model: PreTrainedModel, trunk: HyenaGLT) -> Iterator[None]:
    """Let the model take embeddings and give gradients, whatever its settings; then restore."""
    config, strands, frozen = model.config, model.config.reverse_complement, trunk.frozen
    config.reverse_complement, trunk.frozen = "none", False
    try:
        yield
    finally:
        config.reverse_complement, trunk.frozen = strands, frozen


def _embedded(trunk: HyenaGLT, ids: Tensor, shares: Tensor, alphabet: Alphabet) -> Tensor:
    table = trunk.embeddings.weight
    letters = table[alphabet.first : alphabet.first + alphabet.size]
    mixed = shares[..., :-1].to(table.dtype) @ letters
    return mixed + shares[..., -1:].to(table.dtype) * table[ids]


def _complement(shares: Tensor) -> Tensor:
    """Shares on the other strand."""
    turned = shares.flip(1)
    return torch.cat([turned[..., :-1].flip(-1), turned[..., -1:]], dim=-1)


def _soft_ngrams(current: list[Tensor]) -> Callable[..., Tensor]:
    def hook(ngrams: NgramEmbedding, args: Any, hard: Tensor) -> Tensor:
        (shares,) = current
        if shares.shape[-1] != ngrams.base:
            return hard  # a molecule of the joint vocabulary that has no n-grams
        tables = dict(zip(ngrams.spans, ngrams.tables, strict=True))
        joint, reached, parts = shares, 1, []
        for span in sorted(ngrams.spans):
            while reached < span:
                # An n-gram's number has its earliest letter in front.
                earlier = F.pad(shares, (0, 0, reached, 0))[:, : shares.shape[1]]
                joint = (earlier.unsqueeze(-1) * joint.unsqueeze(-2)).flatten(-2)
                reached += 1
            table: Any = tables[span].weight
            parts.append(joint.to(table.dtype) @ table[1:])
        return sum(parts[1:], parts[0]) / len(parts) ** 0.5

    return hook


def _soft_patterns(current: list[Tensor]) -> Callable[..., Tensor]:
    def hook(patterns: PatternScorer, args: Any, hard: Tensor) -> Tensor:
        (shares,) = current
        if shares.shape[-1] != patterns.alphabet:
            return hard
        return patterns.of_letters(shares, args[1])

    return hook


def _without_gradient(module: nn.Module, args: Any, merging: Merging) -> Merging:
    return merging._replace(probability=merging.probability.detach())


def _nothing(module: nn.Module, args: Any, readout: Tensor) -> Tensor:
    return torch.zeros_like(readout)
