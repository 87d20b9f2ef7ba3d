"""Linear readout of k-mer counts, the strong simple model, as a part of the network.

Logistic regression on k-mers needs few sequences and is hard to beat where there are few.  Trained
beside the network, with a loss of its own, it makes other mistakes than the network does, and the
mean of the two is better than either.

Axes::

    b  sequences
    l  tokens
    s  stretches along the sequence
    f  features
    c  labels

Sources: a linear model beside a deep one, Cheng et al. 2016 (Wide & Deep), arXiv:1606.07792; losses
of their own, so that the two stay different, as in ensembles (Hansen and Salamon 1990).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.layers.embedding import (
    error_probability,
    letter_codes,
    ngram_errors,
    ngram_numbers,
)

# Longest table of counts over the whole sequence (5-mers of DNA), and by stretches (3-mers).
_MOST_COUNTS = 1024
_MOST_BY_STRETCH = 64


class KmerReadout(nn.Module):
    """Predict from the square roots of k-mer counts, of the whole sequence and of its stretches.

    A count's square root has the same noise whatever its size; what a random sequence would have
    is subtracted.  In the joint vocabulary DNA, RNA and protein are counted for themselves, each
    with a feature that says if a sequence has any of it.  Where qualities are known, a k-mer counts
    as much as it is likely to be right.

    Args:
        config: Uses the alphabet and the k-mer size.
        num_labels: Classes, labels or values to predict.
        keep_position: Count by stretches of the sequence too.
        stretches: Overlapping stretches, evenly spaced from the first token to the last.
    """

    def __init__(
        self, config: HyenaGLTConfig, num_labels: int, *, keep_position: bool, stretches: int = 16
    ) -> None:
        super().__init__()
        self.config = config
        self.stretches = stretches
        self.keep_position = keep_position
        self.bases = [size for _, size in config.alphabets]
        if config.kmer_size > 1 and not config.overlapping_kmers:
            self.bases = [size**config.kmer_size for size in self.bases]
        features = sum(
            base**n * (stretches if self._by_stretch(base, n) else 1)
            for base in self.bases
            for n in _orders(base)
        )
        if len(self.bases) > 1:
            features += len(self.bases)
        self.weight = nn.Parameter(torch.zeros(features, num_labels))
        self.bias = nn.Parameter(torch.zeros(num_labels))

    @torch.no_grad()
    def features(
        self,
        input_ids: Int[Tensor, "b l"],
        mask: Bool[Tensor, "b l"],
        quality: Float[Tensor, "b l"] | None = None,
    ) -> Float[Tensor, "b f"]:
        """Count the k-mers of every sequence.

        Args:
            input_ids: Token ids of aligned rows.
            mask: True on tokens.
            quality: Phred scores of the tokens.
        """
        rows, length = input_ids.shape
        column = torch.arange(length, device=input_ids.device)
        place = column / (mask.sum(dim=1, keepdim=True) - 1).clamp(min=1) * (self.stretches - 1)
        centre = torch.arange(self.stretches, device=input_ids.device)
        near = (1 - (place.unsqueeze(-1) - centre).abs()).clamp(min=0)
        known = torch.zeros(input_ids.shape, device=input_ids.device)
        wrong = known if quality is None else error_probability(input_ids, quality)
        parts = []
        for base, codes in zip(self.bases, self._codes(input_ids), strict=True):
            code = torch.where(mask, codes, -1)
            orders = _orders(base)
            doubts = ngram_errors(wrong, orders)
            for (order, number, whole), doubt in zip(
                ngram_numbers(code, base, orders), doubts, strict=True
            ):
                share = (whole * (1 - doubt)).unsqueeze(-1)
                if self._by_stretch(base, order):
                    share = share * near
                counts = share.new_zeros(rows, base**order, share.shape[2])
                counts.scatter_add_(1, number.unsqueeze(-1).expand_as(share), share)
                expected = counts.sum(dim=1, keepdim=True) / base**order
                parts.append((counts.sqrt() - expected.sqrt()).flatten(1))
            if len(self.bases) > 1:
                parts.append((code >= 0).any(dim=1, keepdim=True).float())
        return torch.cat(parts, dim=1)

    def forward(
        self,
        input_ids: Int[Tensor, "b l"],
        mask: Bool[Tensor, "b l"],
        quality: Float[Tensor, "b l"] | None = None,
    ) -> Float[Tensor, "b c"]:
        """Predict one row of logits (or values) per sequence.

        Args:
            input_ids: Token ids of aligned rows.
            mask: True on tokens.
            quality: Phred scores of the tokens.
        """
        # In fp32 whatever autocast says: thousands of small terms.
        with torch.autocast(input_ids.device.type, enabled=False):
            features = self.features(input_ids, mask, quality)
            return features @ self.weight.float() + self.bias.float()

    def _by_stretch(self, base: int, order: int) -> bool:
        return self.keep_position and base**order <= _MOST_BY_STRETCH

    def _codes(self, input_ids: Tensor) -> list[Tensor]:
        """Number of each token in its alphabet, for one alphabet after the other; -1: none."""
        if not self.config.joint_vocabulary:
            return [letter_codes(input_ids, self.config)]
        numbers = [(input_ids - first, size) for first, size in self.config.alphabets]
        return [torch.where((at >= 0) & (at < size), at, -1) for at, size in numbers]


def _orders(base: int) -> list[int]:
    """Lengths of the k-mers counted, in tokens."""
    return [n for n in range(1, 9) if base**n <= _MOST_COUNTS] or [1]
