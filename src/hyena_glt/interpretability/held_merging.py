"""Patches held as they are while letters change.

Patch boundaries are decisions, and no gradient sees a decision.  An attribution says what it holds
fixed: with *frozen* boundaries the patches of the sequence and the confidence in each of them stay
as they are whatever its letters become; *re-merged*, they are decided anew for every sequence the
model is asked about.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError
from hyena_glt.interpretability.attribution_result import Boundaries
from hyena_glt.layers.merger import Merging
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.ops.boundaries import patches_from_starts


@contextmanager
def merging_held(model: PreTrainedModel, ids: Tensor, boundaries: Boundaries) -> Iterator[None]:
    """Hold the patches of sequences, or let the model decide.

    Inside, the model is asked for variants of all of the sequences, in their order, once or
    several times over in one batch.

    Args:
        model: A model of the package, in inference mode.
        ids: (n, l) token ids of whole sequences.
        boundaries: ``remerged`` changes nothing.

    Raises:
        ConfigError: If ``boundaries`` is neither.
    """
    if boundaries == "remerged":
        yield
        return
    if boundaries != "frozen":
        raise ConfigError(f"boundaries must be 'frozen' or 'remerged', got {boundaries!r}")
    merger = trunk_of(model).initial_merger
    # One per strand that the model reads.
    held: list[Merging] = []

    def remember(module: nn.Module, args: Any, merging: Merging) -> None:
        held.append(merging)

    with merger.register_forward_hook(remember), torch.no_grad():
        model(ids)
    turn = itertools.cycle(held)

    def replace(module: nn.Module, args: Any, merging: Merging) -> Merging:
        return _repeated(next(turn), len(merging.scores))

    with merger.register_forward_hook(replace):
        yield


def _repeated(merging: Merging, rows: int) -> Merging:
    """The same decisions for several variants of every sequence."""
    times = rows // len(merging.scores)
    patches = merging.patches
    starts, mask = patches.starts.repeat(times, 1), patches.token_mask.repeat(times, 1)
    return Merging(
        patches_from_starts(starts, mask),
        merging.scores.repeat(times, 1),
        merging.probability.repeat(times, 1),
        None if merging.entropy is None else merging.entropy.repeat(times, 1),
        None,
    )
