"""In-silico saturation mutagenesis: every base replaced by every other letter.

The prediction's change is what the substitution does.  The method asks the model as a whole, so
nothing is approximated; it is the reference that other attributions are compared with.

Source: Zhou and Troyanskaya 2015, Nature Methods 12:931.
"""

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.interpretability.attribution_result import (
    Attribution,
    Boundaries,
    alphabet_of,
    predict,
    substitution_scores,
)
from hyena_glt.interpretability.held_merging import merging_held
from hyena_glt.model.modes import inference_mode_of


@torch.no_grad()
def in_silico_mutagenesis(
    model: PreTrainedModel,
    ids: Tensor,
    output: int,
    *,
    boundaries: Boundaries = "remerged",
    batch_size: int = 64,
) -> Attribution:
    """Replace every base by every other letter and see what the prediction does.

    A token without a letter (N) is replaced by every letter.

    Args:
        model: A sequence-classification model over single-letter tokens; its mode is restored.
        ids: (1, l) token ids.
        output: Column of the logits to explain.
        boundaries: ``remerged``: mutants are merged as the model would; ``frozen``: the patches of
            the sequence are held.
        batch_size: Mutants per forward pass.

    Returns:
        The score of a base is the prediction minus its mean over the other letters.

    Raises:
        ConfigError: If the model's tokens are k-mers, or it has no such output.
    """
    first, count = alphabet_of(ids, model.config)
    letters = torch.arange(first, first + count, device=ids.device)
    effects = torch.zeros(ids.shape[1], count)
    places, kinds = (ids[0].unsqueeze(1) != letters).nonzero(as_tuple=True)
    with inference_mode_of(model), merging_held(model, ids, boundaries):
        prediction = float(predict(model, ids, output))
        for place, kind in zip(places.split(batch_size), kinds.split(batch_size), strict=True):
            mutants = ids.repeat(len(place), 1)
            mutants[torch.arange(len(place)), place] = letters[kind]
            effects[place.cpu(), kind.cpu()] = predict(model, mutants, output).cpu() - prediction
    own = (ids[0].unsqueeze(1) == letters).cpu()
    return Attribution(substitution_scores(effects, own), effects, prediction)
