"""Which bases a prediction rests on.

In-silico mutagenesis is the reference method: every base is replaced by every other letter, and
the prediction's change is what that base is worth.  It asks the model as a whole, patch boundaries
included, so nothing is held fixed and nothing is approximated.

Source: Zhou and Troyanskaya 2015, Nature Methods 12:931.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError
from hyena_glt.model.inputs import modalities_of
from hyena_glt.model.modes import inference_mode_of


class Attribution(NamedTuple):
    """Worth of every base for one output.

    Attributes:
        scores: (l,) prediction minus the mean prediction over the other letters at that base.
        effects: (l, letters) change of the prediction if the base becomes the letter; 0 for the
            letter it is.
        prediction: The output for the sequence as it is.
    """

    scores: Tensor
    effects: Tensor
    prediction: float


@torch.no_grad()
def in_silico_mutagenesis(
    model: PreTrainedModel, ids: Tensor, output: int, *, batch_size: int = 64
) -> Attribution:
    """Replace every base by every other letter and see what the prediction does.

    Args:
        model: A sequence-classification model over single-letter tokens; its mode is restored.
        ids: (1, l) token ids.
        output: Column of the logits to explain.
        batch_size: Mutants per forward pass.

    Raises:
        ConfigError: If the model's tokens are k-mers.
    """
    config = model.config
    if config.kmer_size != 1:
        raise ConfigError(
            f"in-silico mutagenesis works on single-letter tokens; kmer_size is {config.kmer_size}"
        )
    first, count = _alphabet(ids, config)
    letters = torch.arange(count, device=ids.device) + first
    length = ids.shape[1]
    mutants = ids.expand(length * len(letters), -1).clone()
    position = torch.arange(length, device=ids.device).repeat_interleave(len(letters))
    mutants[torch.arange(len(mutants)), position] = letters.repeat(length)
    with inference_mode_of(model):
        prediction = float(model(ids).logits[0, output])
        changed = torch.cat(
            [
                model(part).logits[:, output].float().cpu() - prediction
                for part in mutants.split(batch_size)
            ]
        ).view(length, len(letters))
    own = (ids[0].unsqueeze(1) == letters).cpu()
    effects = changed.masked_fill(own, 0.0)
    others = (~own).sum(dim=1).clamp(min=1)
    return Attribution(-effects.sum(dim=1) / others, effects, prediction)


def _alphabet(ids: Tensor, config: Any) -> tuple[int, int]:
    """First id and number of the letters that may stand in a sequence."""
    molecules = [0]
    if config.joint_vocabulary:
        known = modalities_of(ids)
        molecules = known[known >= 0].unique().tolist()
    if len(molecules) != 1:
        raise ConfigError(
            f"in-silico mutagenesis works on one molecule at a time; there are {len(molecules)}"
        )
    own: tuple[int, int] = config.alphabets[molecules[0]]
    return own
