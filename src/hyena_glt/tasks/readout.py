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
from hyena_glt.layers.embedding import letter_codes, ngram_numbers

# Longest table of counts over the whole sequence (5-mers of DNA), and by stretches (3-mers).
_MOST_COUNTS = 1024
_MOST_BY_STRETCH = 64


class KmerReadout(nn.Module):
    """Predict from the square roots of k-mer counts, of the whole sequence and of its stretches.

    A count's square root has the same noise whatever its size; what a random sequence would have
    is subtracted.

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
        base = config.alphabet_size
        if config.kmer_size > 1 and not config.overlapping_kmers:
            base **= config.kmer_size
        self.base = base
        orders = [n for n in range(1, 9) if base**n <= _MOST_COUNTS] or [1]
        self.orders = orders
        self.by_stretch = [n for n in orders if base**n <= _MOST_BY_STRETCH and keep_position]
        features = sum(base**n * (stretches if n in self.by_stretch else 1) for n in orders)
        self.weight = nn.Parameter(torch.zeros(features, num_labels))
        self.bias = nn.Parameter(torch.zeros(num_labels))

    @torch.no_grad()
    def features(
        self, input_ids: Int[Tensor, "b l"], mask: Bool[Tensor, "b l"]
    ) -> Float[Tensor, "b f"]:
        """Count the k-mers of every sequence.

        Args:
            input_ids: Token ids of aligned rows.
            mask: True on tokens.
        """
        rows, length = input_ids.shape
        code = torch.where(mask, letter_codes(input_ids, self.config), -1)
        column = torch.arange(length, device=code.device)
        place = column / (mask.sum(dim=1, keepdim=True) - 1).clamp(min=1) * (self.stretches - 1)
        centre = torch.arange(self.stretches, device=code.device)
        near = (1 - (place.unsqueeze(-1) - centre).abs()).clamp(min=0)
        parts = []
        for order, number, whole in ngram_numbers(code, self.base, self.orders):
            share = whole.float().unsqueeze(-1)
            if order in self.by_stretch:
                share = share * near
            counts = share.new_zeros(rows, self.base**order, share.shape[2])
            counts.scatter_add_(1, number.unsqueeze(-1).expand_as(share), share)
            expected = counts.sum(dim=1, keepdim=True) / self.base**order
            parts.append((counts.sqrt() - expected.sqrt()).flatten(1))
        return torch.cat(parts, dim=1)

    def forward(
        self, input_ids: Int[Tensor, "b l"], mask: Bool[Tensor, "b l"]
    ) -> Float[Tensor, "b c"]:
        """Predict one row of logits (or values) per sequence.

        Args:
            input_ids: Token ids of aligned rows.
            mask: True on tokens.
        """
        # In fp32 whatever autocast says: thousands of small terms.
        with torch.autocast(input_ids.device.type, enabled=False):
            return self.features(input_ids, mask) @ self.weight.float() + self.bias.float()
