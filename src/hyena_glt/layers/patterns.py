"""Sequence patterns at which a patch may start.

A small convolution over the letters, initialised with biology and learned further: start and stop
codons, TATA box, CpG, runs of one letter or of two, and the phase of the codon.

Axes::

    b  aligned rows
    l  tokens per row
    a  letters of the alphabet
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from hyena_glt.config import NUM_SPECIAL_TOKENS, HyenaGLTConfig

WIDTH = 8
_SHARPNESS = 6.0

# Pattern and the score it adds, in nats.  A patch is more likely to start behind these ...
_BEHIND = {
    "TAA": 0.4, "TAG": 0.4, "TGA": 0.4, "ATG": 0.4, "CG": 0.3, "TATAAA": 0.5,
    "AAAA": -0.4, "CCCC": -0.4, "GGGG": -0.4, "TTTT": -0.4,
    "ATATAT": -0.4, "ACACAC": -0.4, "AGAGAG": -0.4, "CGCGCG": -0.4,
}  # fmt: skip
# ... and, where the model may look ahead, before these.
_BEFORE = {"ATG": 0.6, "TATAAA": 0.6, "CG": 0.3}


class PatternScorer(nn.Module):
    """Score every position by the letters around it.

    Args:
        config: Uses the alphabet, the k-mer size and ``causal``: a causal scorer sees only the
            letters before the position.
    """

    letters: Tensor

    def __init__(self, config: HyenaGLTConfig) -> None:
        super().__init__()
        self.causal = config.causal
        self.alphabet = config.alphabet_size
        self.bases_per_token = config.bases_per_token
        self.register_buffer("letters", letters_of_tokens(config))
        behind = _BEHIND if self.alphabet == 4 else {}
        before = _BEFORE if self.alphabet == 4 and not config.causal else {}
        free = 2  # filters without a name, for what biology did not think of
        count = len(behind) + len(before) + free
        width = WIDTH if config.causal else 2 * WIDTH
        weight = torch.zeros(count, self.alphabet, width)
        bias = torch.zeros(count)
        for row, word in enumerate(behind):
            _write_word(weight[row], word, WIDTH - len(word))
            bias[row] = 0.5 - len(word)
        for row, word in enumerate(before, start=len(behind)):
            _write_word(weight[row], word, WIDTH)
            bias[row] = 0.5 - len(word)
        weight[-free:] = 0.1 * torch.randn(free, self.alphabet, width)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)
        self.scores = nn.Parameter(torch.tensor([*behind.values(), *before.values(), 0.1, -0.1]))
        self.codon_phase = nn.Parameter(torch.tensor([0.02, 0.0]))

    def forward(
        self, input_ids: Int[Tensor, "b l"], position: Int[Tensor, "_ l"]
    ) -> Float[Tensor, "b l"]:
        """Score the start of a patch at every token, in nats.

        Args:
            input_ids: Token ids of aligned rows.
            position: Position of each token, in tokens.
        """
        rows, length = input_ids.shape
        letters = self.letters[input_ids].view(rows, length * self.letters.shape[1], -1)
        return self.of_letters(letters, position)

    def of_letters(
        self, letters: Float[Tensor, "b n a"], position: Int[Tensor, "_ l"]
    ) -> Float[Tensor, "b l"]:
        """Score the start of a patch at every token, in nats.

        Args:
            letters: One-hot letters, or shares of letters, of all tokens one behind the other.
            position: Position of each token, in tokens.
        """
        signal = letters.to(self.weight.dtype).transpose(1, 2)
        # The window ends just before the position, or reaches as far behind it when two-sided.
        ahead = 0 if self.causal else WIDTH - 1
        matches = F.conv1d(F.pad(signal, (WIDTH, ahead)), self.weight, self.bias)
        matches = matches[:, :, : signal.shape[2] : self.letters.shape[1]]
        score = torch.einsum("bcl,c->bl", torch.sigmoid(_SHARPNESS * matches), self.scores)
        # Reduced before it becomes a float: the phase stays exact far into a chromosome.
        angle = 2 * math.pi * (position * self.bases_per_token % 3) / 3
        phase = self.codon_phase[0] * angle.cos() + self.codon_phase[1] * angle.sin()
        return score + phase


def letters_of_tokens(config: HyenaGLTConfig) -> Float[Tensor, "v n a"]:
    """One-hot letters of every token; all zero where a token has no canonical letter.

    Args:
        config: Uses the vocabulary's layout.

    Returns:
        Tensor of shape (vocabulary, bases per token, alphabet).
    """
    alphabet, per_token, kmer = config.alphabet_size, config.bases_per_token, config.kmer_size
    table = torch.zeros(config.genomic_vocab_size, per_token, alphabet)
    first_kmer = NUM_SPECIAL_TOKENS + config.num_letters
    for letter in range(min(alphabet, config.genomic_vocab_size - NUM_SPECIAL_TOKENS)):
        table[NUM_SPECIAL_TOKENS + letter, 0, letter] = 1
        if config.joint_vocabulary:
            # RNA, behind DNA, has the same bases.
            table[NUM_SPECIAL_TOKENS + alphabet + letter, 0, letter] = 1
    if kmer > 1:
        count = min(alphabet**kmer, config.genomic_vocab_size - first_kmer)
        number = torch.arange(max(count, 0))
        for place in range(per_token):
            letter = number // alphabet ** (kmer - 1 - place) % alphabet
            table[first_kmer + number, place, letter] = 1
    return table


def _write_word(filter_rows: Tensor, word: str, start: int) -> None:
    for offset, letter in enumerate(word):
        filter_rows["ACGT".index(letter), start + offset] = 1.0
