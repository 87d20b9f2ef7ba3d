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

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Bool, Float, Int
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
        self.config = config
        self.base = config.alphabet_size
        if config.kmer_size > 1 and not config.overlapping_kmers:
            self.base **= config.kmer_size
        self.spans = [size // config.bases_per_token for size in config.ngram_sizes]
        self.tables = nn.ModuleList(
            nn.Embedding(config.alphabet_size**size + 1, config.local_hidden_size, padding_idx=0)
            for size in config.ngram_sizes
        )

    def forward(self, input_ids: Int[Tensor, "b l"]) -> Float[Tensor, "b l d"]:
        """Look up the n-grams of every token.

        Args:
            input_ids: Token ids of aligned rows.
        """
        code = letter_codes(input_ids, self.config)
        tables = dict(zip(self.spans, self.tables, strict=True))
        parts = [
            tables[span](torch.where(whole, number + 1, 0))
            for span, number, whole in ngram_numbers(code, self.base, sorted(self.spans))
        ]
        total: Tensor = sum(parts[1:], parts[0])
        return total / len(parts) ** 0.5


def letter_codes(input_ids: Int[Tensor, "b l"], config: HyenaGLTConfig) -> Int[Tensor, "b l"]:
    """Number of each token's canonical letters among all of their length; -1 if it has none.

    Args:
        input_ids: Token ids.
        config: Uses the vocabulary's layout.
    """
    alphabet, kmer = config.alphabet_size, config.kmer_size
    letter = input_ids - NUM_SPECIAL_TOKENS
    is_letter = (letter >= 0) & (letter < alphabet)
    if kmer == 1:
        return torch.where(is_letter, letter, -1)
    code = input_ids - NUM_SPECIAL_TOKENS - config.num_letters
    code = torch.where((code >= 0) & (code < alphabet**kmer), code, -1)
    if not config.overlapping_kmers:
        return code
    # An overlapping k-mer stands for its first letter; so does a lone letter.
    first = torch.where(code >= 0, code // alphabet ** (kmer - 1), -1)
    return torch.where(is_letter, letter, first)


def ngram_numbers(
    code: Int[Tensor, "b l"], base: int, spans: Iterable[int]
) -> Iterator[tuple[int, Int[Tensor, "b l"], Bool[Tensor, "b l"]]]:
    """Number the n-grams that end with each token.

    Args:
        code: Number of each token, in [0, base); -1 if it has none.
        base: Different tokens.
        spans: Tokens per n-gram, rising.

    Yields:
        The span, the n-gram's number in [0, base**span), and True where all of its tokens exist.
    """
    number, whole = code.clamp(min=0), code >= 0
    power, reached = base, 1
    for span in spans:
        while reached < span:
            earlier = torch.full_like(code, -1)
            earlier[:, reached:] = code[:, :-reached]
            number = number + power * earlier.clamp(min=0)
            whole = whole & (earlier >= 0)
            power, reached = power * base, reached + 1
        yield span, number, whole
