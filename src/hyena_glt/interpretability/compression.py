"""What merging did to sequences: patches, their lengths, the compression."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.interpretability.inputs import token_ids
from hyena_glt.layers.merger import nucleotides_of
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.model.modes import inference_mode_of


class SequencePatches(NamedTuple):
    """The patches of one sequence.

    Attributes:
        starts: First nucleotide of each patch, 0-based.
        lengths: Nucleotides in each patch.
        scores: Score of a patch start at every token.
        compression_ratio: Nucleotides per patch.
    """

    starts: list[int]
    lengths: list[int]
    scores: list[float]
    compression_ratio: float


class CompressionStatistics(NamedTuple):
    """Token merging over several sequences.

    Attributes:
        compression_ratio: Nucleotides per patch over all sequences.
        length_histogram: Number of patches by length in nucleotides.
        sequences: The patches of each sequence.
    """

    compression_ratio: float
    length_histogram: dict[int, int]
    sequences: list[SequencePatches]


@torch.no_grad()
def compute_compression_statistics(
    model: PreTrainedModel, sequences: Sequence[str | Tensor], *, tokenizer: Any | None = None
) -> CompressionStatistics:
    """Analyze token merging behavior.

    Args:
        model: Any model of the package; its mode is restored.
        sequences: Letters or token ids.
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.

    Raises:
        DataError: If a sequence is empty.
    """
    trunk = trunk_of(model)
    with inference_mode_of(trunk):
        found = [_patches_of(trunk, token_ids(model, one, tokenizer)) for one in sequences]
    histogram = Counter(length for one in found for length in one.lengths)
    patches = sum(histogram.values())
    total = sum(length * count for length, count in histogram.items())
    ratio = total / patches if patches else float("nan")
    return CompressionStatistics(ratio, dict(sorted(histogram.items())), found)


def _patches_of(trunk: Any, ids: Tensor) -> SequencePatches:
    merging = trunk.encode(ids, tokens=False).merging
    patches = merging.patches
    nucleotides = nucleotides_of(ids, trunk.config)[0]
    before = torch.cat([nucleotides.new_zeros(1), nucleotides.cumsum(0)])
    first = patches.first[0]
    starts = before[first]
    stops = before[first + patches.length[0]]
    lengths = (stops - starts).tolist()
    return SequencePatches(
        starts.tolist(), lengths, merging.scores[0].tolist(), sum(lengths) / len(lengths)
    )
