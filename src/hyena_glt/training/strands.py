"""Batches read from the other strand: bases complemented, and all that belongs to them turned."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hyena_glt.model.hyena_glt import reverse_complement_ids
from hyena_glt.ops.layout import mirror_index
from hyena_glt.tasks.strands import other_strand_classes

# What is known of every token, and turns with it.
_PER_TOKEN = ("quality_scores",)


def turned(
    inputs: dict[str, Tensor], flip: Tensor, class_names: Sequence[str] | None = None
) -> dict[str, Tensor]:
    """Read some sequences of a batch from the other strand.

    Args:
        inputs: Batch of DNA in single-nucleotide tokens, padded on the right.
        flip: (b,), True on the sequences that are turned.
        class_names: Of the labels, if there is one per token: those of one strand (``CDS+``) become
            those of the other.

    Returns:
        The batch with the tensors that changed.
    """
    ids, mask = inputs["input_ids"], inputs["attention_mask"].bool()
    index = mirror_index(mask)
    other = {"input_ids": reverse_complement_ids(ids, mask)}
    for name in _PER_TOKEN:
        if name in inputs:
            other[name] = inputs[name].gather(1, index)
    if class_names is not None:
        labels = inputs["labels"].gather(1, index)
        twins = torch.tensor(other_strand_classes(class_names), device=ids.device)
        other["labels"] = torch.where(labels < 0, labels, twins[labels.clamp(min=0)])
    return inputs | {
        name: torch.where(flip.unsqueeze(1), values, inputs[name]) for name, values in other.items()
    }
