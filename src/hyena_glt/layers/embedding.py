"""Tokens and n-grams as vectors.

To the embedding of a token are added those of the n-grams that end with it.  For the four letters
of DNA the tables are exact (4**n rows, no hashing), so the first layer already holds the k-mer
counts with which plain logistic regression does well on regulatory sequence.

Axes::

    b  rows
    l  tokens
    d  channels of the base level

Source: hash n-gram embeddings of BLT, Pagnoni et al. 2024, arXiv:2412.09871, section 3.2.1; the
exact tables are ours.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hyena_glt.config import NUM_SPECIAL_TOKENS, HyenaGLTConfig


class NgramEmbedding(nn.Module):
    """Sum of the embeddings of the n-grams that end with each token.

    An n-gram that reaches before the sequence, or holds anything but canonical letters, has no
    embedding (row 0, always zero).

    Args:
        config: Uses ``ngram_sizes``, the alphabet and the k-mer size.
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        super().__init__()
        assert config.local_hidden_size is not None
        assert config.ngram_sizes is not None
        self.first_letter = NUM_SPECIAL_TOKENS
        self.first_kmer = NUM_SPECIAL_TOKENS + config.num_letters
        self.alphabet = config.alphabet_size
        self.kmer = config.kmer_size
        self.overlapping = config.overlapping_kmers
        self.spans = [size // config.bases_per_token for size in config.ngram_sizes]
        self.tables = nn.ModuleList(
            nn.Embedding(self.alphabet**size + 1, config.local_hidden_size, padding_idx=0)
            for size in config.ngram_sizes
        )

    def codes(self, input_ids: Int[Tensor, "b l"]) -> Int[Tensor, "b l"]:
        """Number of each token's canonical letters among all of their length; -1 if it has none.

        Args:
            input_ids: Token ids.
        """
        if self.kmer == 1:
            code = input_ids - self.first_letter
            return torch.where((code >= 0) & (code < self.alphabet), code, -1)
        code = input_ids - self.first_kmer
        code = torch.where((code >= 0) & (code < self.alphabet**self.kmer), code, -1)
        if not self.overlapping:
            return code
        # An overlapping k-mer stands for its first letter; so does a lone letter.
        letter = input_ids - self.first_letter
        lone = (letter >= 0) & (letter < self.alphabet)
        first = torch.where(code >= 0, code // self.alphabet ** (self.kmer - 1), -1)
        return torch.where(lone, letter, first)

    def forward(self, input_ids: Int[Tensor, "b l"]) -> Float[Tensor, "b l d"]:
        """Look up the n-grams of every token.

        Args:
            input_ids: Token ids of aligned rows.
        """
        code = self.codes(input_ids)
        base = self.alphabet if self.kmer == 1 or self.overlapping else self.alphabet**self.kmer
        first = self.tables[0]
        assert isinstance(first, nn.Embedding)
        total = first.weight.new_zeros(*code.shape, first.embedding_dim)
        number, whole = code.clamp(min=0), code >= 0
        power, reached = base, 1
        for span, table in sorted(zip(self.spans, self.tables, strict=True), key=lambda p: p[0]):
            while reached < span:
                earlier = torch.full_like(code, -1)
                earlier[:, reached:] = code[:, :-reached]
                number = number + power * earlier.clamp(min=0)
                whole = whole & (earlier >= 0)
                power, reached = power * base, reached + 1
            total = total + table(torch.where(whole, number + 1, 0))
        return total / len(self.tables) ** 0.5
