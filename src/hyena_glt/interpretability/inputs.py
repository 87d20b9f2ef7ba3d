"""Sequences made ready for a model: what every analysis starts from."""

from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import DataError
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.tokenizers import GenomicTokenizer, ProteinTokenizer, RNATokenizer
from hyena_glt.tokenizers.base import KmerTokenizer


def tokenizer_for(config: HyenaGLTConfig) -> KmerTokenizer:
    """The tokenizer that a configuration was made for, read off its vocabulary.

    DNA reads as RNA: the two share their ids, and that of RNA reads T as well as U.  The tokenizer
    of a joint vocabulary must be told the molecule; analyses take token ids then.

    Args:
        config: Model configuration.
    """
    if config.joint_vocabulary:
        return GenomicTokenizer(vocab_size=config.genomic_vocab_size)
    kind = RNATokenizer if config.alphabet_size == 4 else ProteinTokenizer
    settings: dict[str, Any] = {
        "vocab_size": config.genomic_vocab_size,
        "kmer_size": config.kmer_size,
        "stride": 1 if config.overlapping_kmers else None,
    }
    return kind(**settings)


def token_ids(
    model: PreTrainedModel, sequence: str | Tensor, tokenizer: Any | None = None
) -> Tensor:
    """Token ids of one sequence, as a batch of one on the model's device.

    Args:
        model: Any model of the package.
        sequence: Letters, or token ids of shape (l,) or (1, l).
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.

    Raises:
        DataError: If the sequence is empty, or there is more than one.
    """
    device = next(model.parameters()).device
    if isinstance(sequence, str):
        ids = (tokenizer or tokenizer_for(trunk_of(model).config)).encode(sequence)
        tensor = torch.tensor(ids, dtype=torch.long)
    else:
        if sequence.dim() > 1 and len(sequence) != 1:
            raise DataError(
                f"one sequence of shape (l,) or (1, l) is wanted, got {tuple(sequence.shape)}"
            )
        tensor = sequence.reshape(-1).long()
    if tensor.numel() == 0:
        raise DataError("the sequence is empty: there is nothing to analyse")
    return tensor.unsqueeze(0).to(device)
