"""Rules that a generated sequence keeps: letters only, a range of GC, no stop codon.

Each rule is a logits processor for ``generate(logits_processor=[...])`` and holds with sampling
and with beams.  Processors see the scores before temperature, top-k and top-p, so these choose
among what the rules leave.

The rules never exclude each other.  C and T end no stop codon, so at every step
:class:`OpenReadingFrame` leaves one letter of each kind that :class:`GCRange` tells apart, and that
rule always leaves one kind.

Axes::

    b  rows, beams counted        l  tokens so far, padding on the left included
    v  vocabulary
"""

import math
from abc import abstractmethod
from itertools import product

import torch
from torch import Tensor
from transformers.generation.logits_process import LogitsProcessor

from hyena_glt.biology.codons import STOP_CODONS
from hyena_glt.errors import ConfigError
from hyena_glt.tokenizers.base import KmerTokenizer

# How far, in bases, the number of G and C may run ahead of the range before the end.  With none the
# first base could not be chosen freely; with no limit a model that leaves the range would use all
# its G and C up and end in a long run of A and T.
_GC_SLACK = 10


class SequenceConstraint(LogitsProcessor):
    """Interface of the rules; use one of the classes below."""

    @abstractmethod
    def forbidden(self, input_ids: Tensor, vocabulary: int) -> Tensor:
        """Say which tokens may not come next.

        Args:
            input_ids: (b, l) tokens so far.
            vocabulary: Columns of the scores.

        Returns:
            (b, v) or (1, v), True on forbidden tokens.
        """

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Take the forbidden tokens out.

        Args:
            input_ids: (b, l) tokens so far.
            scores: (b, v) logits or log-probabilities.

        Returns:
            (b, v) scores, minus infinity on forbidden tokens.

        Raises:
            ConfigError: If a row has no token left.
        """
        forbidden = self.forbidden(input_ids, scores.shape[1]).to(scores.device)
        left = scores.masked_fill(forbidden, -math.inf)
        if not bool((left > -math.inf).any(dim=1).all()):
            raise ConfigError(
                f"{type(self).__name__} leaves no token for column {input_ids.shape[1]}: "
                "another rule, or the scores themselves, exclude what it allows"
            )
        return left


class LettersOnly(SequenceConstraint):
    """Generate canonical letters, or k-mers of them, and nothing else.

    Special tokens, ``[N]``, letters that are ambiguous and unused rows of the vocabulary are
    forbidden; for k-mers so are the single letters, which stand for the end of a sequence.

    Args:
        tokenizer: Tokenizer of the model.
        allow_end: Let ``[END]`` through.

    Raises:
        ConfigError: If the tokenizer's k-mers overlap: two in a row might then disagree.
    """

    def __init__(self, tokenizer: KmerTokenizer, *, allow_end: bool = False) -> None:
        if tokenizer.stride != tokenizer.kmer_size:
            raise ConfigError(
                "generation needs tokens that do not overlap (stride = kmer_size); the tokenizer "
                f"has kmer_size={tokenizer.kmer_size}, stride={tokenizer.stride}"
            )
        first = tokenizer.first_kmer_id
        self.allowed = list(range(first, first + tokenizer.alphabet_size**tokenizer.kmer_size))
        if allow_end:
            self.allowed.append(tokenizer.eos_token_id)

    def forbidden(self, input_ids: Tensor, vocabulary: int) -> Tensor:
        """Say which tokens may not come next, see :class:`SequenceConstraint`.

        Args:
            input_ids: (b, l) tokens so far.
            vocabulary: Columns of the scores.
        """
        forbidden = torch.ones(1, vocabulary, dtype=torch.bool, device=input_ids.device)
        forbidden[:, self.allowed] = False
        return forbidden


class GCRange(SequenceConstraint):
    """Hold the fraction of G and C among the new bases in a range; the end result is guaranteed.

    A base is forbidden if the range could no longer be met at the end with it, or if it took the
    number of G and C so far more than 10 bases out of the range.  Tokens that are no bases are
    forbidden too, since every new one must count; rows must run to the full length.

    Args:
        tokenizer: Tokenizer of the model, for single bases of DNA or RNA.
        low: Least fraction of G and C, in [0, 1].
        high: Largest fraction.
        length: New bases.
        prompt_tokens: Columns of ``input_ids`` that are prompt, padding included; they are not
            counted.

    Raises:
        ConfigError: If the tokenizer is of another kind, the range is empty or out of [0, 1], or no
            whole number of bases out of ``length`` lies in it.
    """

    def __init__(
        self, tokenizer: KmerTokenizer, low: float, high: float, *, length: int, prompt_tokens: int
    ) -> None:
        ids = _base_ids(tokenizer, "a range of GC")
        if not 0 <= low <= high <= 1:
            raise ConfigError(
                f"the range of GC must lie in [0, 1], the lower end first; got {low:g}-{high:g}"
            )
        # 0.3 of 10 bases are 3, also where 0.3 * 10 is not.
        self.fewest = math.ceil(low * length - 1e-9)
        self.most = math.floor(high * length + 1e-9)
        if self.fewest > self.most:
            raise ConfigError(
                f"no number of G and C among {length} bases makes a fraction of {low:g}-{high:g}; "
                "widen the range"
            )
        self.low, self.high = low, high
        self.length, self.prompt_tokens = length, prompt_tokens
        self.weak = [ids[base] for base in "AT"]
        self.strong = [ids[base] for base in "GC"]

    def forbidden(self, input_ids: Tensor, vocabulary: int) -> Tensor:
        """Say which tokens may not come next, see :class:`SequenceConstraint`.

        Args:
            input_ids: (b, l) tokens so far.
            vocabulary: Columns of the scores.

        Raises:
            ConfigError: If generation goes on beyond ``length``.
        """
        new = input_ids[:, self.prompt_tokens :]
        after = new.shape[1] + 1
        if after > self.length:
            raise ConfigError(f"GCRange is for {self.length} new bases, and generation goes on")
        strong = torch.isin(new, new.new_tensor(self.strong)).sum(dim=1, keepdim=True)
        fewest = max(math.ceil(self.low * after - _GC_SLACK), self.fewest - (self.length - after))
        most = min(math.floor(self.high * after + _GC_SLACK), self.most)
        forbidden = torch.ones(len(new), vocabulary, dtype=torch.bool, device=new.device)
        forbidden[:, self.weak] = strong < fewest
        forbidden[:, self.strong] = strong + 1 > most
        return forbidden


class OpenReadingFrame(SequenceConstraint):
    """Keep a reading frame open: none of its codons becomes TAA, TAG or TGA.

    Codons that lie in the prompt as a whole are as they are, and a codon with an N is no stop.

    Args:
        tokenizer: Tokenizer of the model, for single bases of DNA or RNA.  Its padding, on the
            left, is not counted.
        start: First base of the frame, 0-based, from the first base of the prompt; + strand.

    Raises:
        ConfigError: If the tokenizer is of another kind, or ``start`` is negative.

    Source:
        Table 1 of the NCBI genetic codes, see :data:`~hyena_glt.biology.codons.STOP_CODONS`.
    """

    def __init__(self, tokenizer: KmerTokenizer, start: int = 0) -> None:
        ids = _base_ids(tokenizer, "an open reading frame")
        if start < 0:
            raise ConfigError(f"the reading frame must start at base 0 or later, got {start}")
        self.start = start
        self.padding = tokenizer.pad_token_id
        self.first_base = tokenizer.first_letter_id
        self.bases = [ids[base] for base in "ACGT"]
        stops = [codon in STOP_CODONS for codon in map("".join, product("ACGT", repeat=3))]
        # The fifth row and column are for what is no base.
        self.ends_in_stop = torch.zeros(5, 5, 4, dtype=torch.bool)
        self.ends_in_stop[:4, :4] = torch.tensor(stops).view(4, 4, 4)

    def forbidden(self, input_ids: Tensor, vocabulary: int) -> Tensor:
        """Say which tokens may not come next, see :class:`SequenceConstraint`.

        Args:
            input_ids: (b, l) tokens so far.
            vocabulary: Columns of the scores.
        """
        rows, width = input_ids.shape
        forbidden = torch.zeros(rows, vocabulary, dtype=torch.bool, device=input_ids.device)
        if width < 2:
            return forbidden
        in_frame = (input_ids != self.padding).sum(dim=1) - self.start
        completes_codon = (in_frame >= 2) & (in_frame % 3 == 2)
        last_two = input_ids[:, -2:] - self.first_base
        last_two = torch.where((last_two >= 0) & (last_two < 4), last_two, 4)
        stops = self.ends_in_stop.to(input_ids.device)[last_two[:, 0], last_two[:, 1]]
        forbidden[:, self.bases] = stops & completes_codon.unsqueeze(1)
        return forbidden


def _base_ids(tokenizer: KmerTokenizer, rule: str) -> dict[str, int]:
    """Ids of A, C, G and T (U)."""
    if tokenizer.alphabet_size != 4:
        raise ConfigError(
            f"{rule} is for DNA and RNA; the tokenizer reads {tokenizer.alphabet.name}"
        )
    if tokenizer.kmer_size != 1:
        raise ConfigError(
            f"{rule} is held base by base, so the tokens must be single bases (kmer_size=1); the "
            f"tokenizer has kmer_size={tokenizer.kmer_size}"
        )
    return {base: tokenizer.first_letter_id + at for at, base in enumerate("ACGT")}
