"""What the k-mer readout of a sequence head adds to a prediction, attributed exactly.

The readout is linear in the square roots of k-mer counts and needs no network, so it is asked
about every mutant outright.

Source: sampled Shapley values, Castro et al. 2009, Computers & Operations Research 36:1726.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.interpretability.attribution_result import Alphabet
from hyena_glt.interpretability.soft_letters import other_strand, reads_both_strands
from hyena_glt.tasks.readout import KmerReadout

_ROWS = 256


@torch.no_grad()
def readout_share(
    model: PreTrainedModel, ids: Tensor, output: int, alphabet: Alphabet
) -> Tensor | None:
    """What the readout adds to one output.

    Args:
        model: A sequence-classification model.
        ids: (n, l) token ids of whole sequences.
        output: Column of the logits.
        alphabet: The letters.

    Returns:
        (n,) values; None if the model has no readout.
    """
    readout = getattr(model, "kmer_readout", None)
    if readout is None:
        return None
    return _share(model, readout, ids, output, alphabet)


@torch.no_grad()
def readout_effects(model: PreTrainedModel, ids: Tensor, output: int, alphabet: Alphabet) -> Tensor:
    """Change of the readout's share if a base becomes another letter.

    Args:
        model: A sequence-classification model.
        ids: (1, l) token ids.
        output: Column of the logits.
        alphabet: The letters.

    Returns:
        (l, letters); 0 everywhere if the model has no readout.
    """
    length = ids.shape[1]
    effects = torch.zeros(length, alphabet.size, device=ids.device)
    readout = getattr(model, "kmer_readout", None)
    if readout is None:
        return effects
    letters = torch.arange(alphabet.size, device=ids.device) + alphabet.first
    places, kinds = (ids[0].unsqueeze(1) != letters).nonzero(as_tuple=True)
    own = _share(model, readout, ids, output, alphabet)
    for place, kind in zip(places.split(_ROWS), kinds.split(_ROWS), strict=True):
        mutants = ids.repeat(len(place), 1)
        mutants[torch.arange(len(place)), place] = letters[kind]
        effects[place, kind] = _share(model, readout, mutants, output, alphabet) - own
    return effects


@torch.no_grad()
def readout_scores(
    model: PreTrainedModel, ids: Tensor, baselines: Tensor, output: int, alphabet: Alphabet,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Worth of each base against other sequences; the sum is the difference of the shares.

    From each baseline the bases become those of the sequence one after the other, in random order,
    and each step is credited to its base.

    Args:
        model: A sequence-classification model.
        ids: (1, l) token ids.
        baselines: (k, l) token ids.
        output: Column of the logits.
        alphabet: The letters.
        generator: Gives the orders.

    Returns:
        (l,) means over the baselines; 0 everywhere if the model has no readout.
    """
    length = ids.shape[1]
    total = torch.zeros(length, device=ids.device)
    readout = getattr(model, "kmer_readout", None)
    if readout is None:
        return total
    for baseline in baselines:
        order = torch.randperm(length, generator=generator).to(ids.device)
        rank = torch.empty_like(order)
        rank[order] = torch.arange(length, device=ids.device)
        done = rank < torch.arange(length + 1, device=ids.device).unsqueeze(1)
        between = torch.where(done, ids, baseline)
        shares = torch.cat(
            [_share(model, readout, part, output, alphabet) for part in between.split(_ROWS)]
        )
        total[order] += shares.diff()
    return total / len(baselines)


def _share(
    model: PreTrainedModel, readout: KmerReadout, ids: Tensor, output: int, alphabet: Alphabet
) -> Tensor:
    strands = [ids]
    if reads_both_strands(model):
        strands.append(other_strand(ids, alphabet))
    mask = torch.ones_like(ids, dtype=torch.bool)
    linear = torch.stack([readout(strand, mask)[:, output] for strand in strands]).mean(dim=0)
    head: Any = model.classifier
    # The prediction is the mean of the network's and the readout's.
    return linear * head.scale[output] / 2
