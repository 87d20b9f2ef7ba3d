"""Tokens and n-grams as vectors.

To the embedding of a token are added those of the n-grams that end with it.  For the four letters
of DNA the tables are exact (4**n rows, no hashing), so the first layer already holds the k-mer
counts with which plain logistic regression does well on regulatory sequence.

Where a sequencer says how sure it is of each base, tokens and n-grams weigh less the more likely
they are wrong.

Axes::

    b  rows
    l  tokens
    d  channels of the base level

Sources: hash n-gram embeddings of BLT, Pagnoni et al. 2024, arXiv:2412.09871, section 3.2.1, the
exact tables are ours; Phred scores, Ewing and Green 1998, Genome Research 8:186.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hyena_glt.config import NUM_SPECIAL_TOKENS, HyenaGLTConfig

QUALITY_LEVELS = 64
# Trust starts at zero and must be found in a hundred steps, not in a thousand.
_TRUST_GAIN = 10.0


class TokenTraits(NamedTuple):
    """What is known of tokens beside their ids.

    Attributes:
        quality: (b, l) Phred scores; None if the sequencer said nothing, or the model does not ask.
        modality: (b, l) number of the molecule, -1 where a token has none; None likewise.
    """

    quality: Tensor | None = None
    modality: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "TokenTraits":
        """Change what there is.

        Args:
            change: Applied to each tensor.
        """
        return TokenTraits(*(None if value is None else change(value) for value in self))


class QualityEmbedding(nn.Module):
    """Weigh tokens by how likely they are right, and say how sure the sequencer was.

    A token with probability p of being wrong keeps ``1 - trust * p`` of itself; ``trust`` is
    learned per channel.  To that is added a vector of its Phred score.  Both start at zero, so that
    a fresh layer changes nothing.

    Args:
        config: Uses the width of the base level.
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        super().__init__()
        assert config.local_hidden_size is not None
        self.trust = nn.Parameter(torch.zeros(config.local_hidden_size))
        self.levels = nn.Parameter(torch.zeros(QUALITY_LEVELS, config.local_hidden_size))

    def forward(
        self,
        embedded: Float[Tensor, "b l d"],
        input_ids: Int[Tensor, "b l"],
        quality: Float[Tensor, "b l"],
    ) -> Float[Tensor, "b l d"]:
        """Weigh the embeddings of tokens.

        Args:
            embedded: Embeddings of the tokens.
            input_ids: Token ids of aligned rows; special tokens have no quality.
            quality: Phred scores.
        """
        wrong = error_probability(input_ids, quality)
        level = quality.round().clamp(max=QUALITY_LEVELS - 1).long()
        vector = self.levels[level] * (input_ids >= NUM_SPECIAL_TOKENS).unsqueeze(-1)
        return (embedded * keep(wrong, self.trust) + vector).to(embedded.dtype)


class NgramEmbedding(nn.Module):
    """Sum of the embeddings of the n-grams that end with each token.

    An n-gram that reaches before the sequence, or holds anything but canonical letters, has no
    embedding (row 0, always zero).  In the joint vocabulary DNA and RNA share the tables, and
    protein has none.

    Args:
        config: Uses ``ngram_sizes``, the alphabet, the k-mer size and ``quality_embedding``.
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
        self.trust = (
            nn.Parameter(torch.zeros(len(self.spans), config.local_hidden_size))
            if config.quality_embedding
            else None
        )

    def forward(
        self, input_ids: Int[Tensor, "b l"], quality: Float[Tensor, "b l"] | None = None
    ) -> Float[Tensor, "b l d"]:
        """Look up the n-grams of every token.

        Args:
            input_ids: Token ids of aligned rows.
            quality: Phred scores of the tokens; an n-gram is as good as all of its tokens are.
        """
        code = letter_codes(input_ids, self.config)
        tables = dict(zip(self.spans, self.tables, strict=True))
        spans = sorted(self.spans)
        parts = [
            tables[span](torch.where(whole, number + 1, 0))
            for span, number, whole in ngram_numbers(code, self.base, spans)
        ]
        if quality is not None and self.trust is not None:
            doubts = ngram_errors(error_probability(input_ids, quality), spans)
            parts = [
                part * keep(doubt, self.trust[self.spans.index(span)])
                for span, part, doubt in zip(spans, parts, doubts, strict=True)
            ]
        total: Tensor = sum(parts[1:], parts[0])
        return total / len(parts) ** 0.5


def letter_codes(input_ids: Int[Tensor, "b l"], config: HyenaGLTConfig) -> Int[Tensor, "b l"]:
    """Number of each token's canonical letters among all of their length; -1 if it has none.

    In the joint vocabulary the letters of DNA and RNA have the same numbers, and those of protein
    none.

    Args:
        input_ids: Token ids.
        config: Uses the vocabulary's layout.
    """
    alphabet, kmer = config.alphabet_size, config.kmer_size
    letter = input_ids - NUM_SPECIAL_TOKENS
    if config.joint_vocabulary:
        is_rna = (letter >= alphabet) & (letter < 2 * alphabet)
        letter = torch.where(is_rna, letter - alphabet, letter)
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


def error_probability(
    input_ids: Int[Tensor, "b l"], quality: Float[Tensor, "b l"]
) -> Float[Tensor, "b l"]:
    """Probability that a token was read wrongly, ``10**(-Q / 10)``; 0 for special tokens.

    Args:
        input_ids: Token ids.
        quality: Phred scores Q.
    """
    return torch.where(input_ids >= NUM_SPECIAL_TOKENS, 10 ** (-quality / 10), 0.0)


def ngram_errors(
    wrong: Float[Tensor, "b l"], spans: Iterable[int]
) -> Iterator[Float[Tensor, "b l"]]:
    """Probability that the n-gram that ends with each token holds an error.

    Args:
        wrong: Probability of each token.
        spans: Tokens per n-gram, rising.
    """
    right, reached = 1 - wrong, 1
    whole = right
    for span in spans:
        while reached < span:
            # Nothing is wrong before the sequence.
            earlier = torch.ones_like(right)
            earlier[:, reached:] = right[:, :-reached]
            whole, reached = whole * earlier, reached + 1
        yield 1 - whole


def keep(wrong: Float[Tensor, "b l"], trust: Float[Tensor, " d"]) -> Float[Tensor, "b l d"]:
    """Share of an embedding that is kept.

    Args:
        wrong: Probability that it is that of a misread letter.
        trust: How much that matters, per channel; 0: not at all, 0.1: in full.
    """
    return 1 - wrong.unsqueeze(-1) * trust * _TRUST_GAIN
