"""Tokenizer for proteins."""

from typing import Any, ClassVar, Literal

from hyena_glt.biology.alphabet import PROTEIN, Alphabet
from hyena_glt.tokenizers.base import KmerTokenizer


class ProteinTokenizer(KmerTokenizer):
    """Tokenizer for proteins: the twenty amino acids and k-mers of them.

    B, J, O, U, X, Z and the stop ``*`` have tokens of their own, so it is lossless over all of
    them; k-mers hold the twenty only.  N is asparagine, and the token ``[N]`` is not used.

    See :class:`~hyena_glt.tokenizers.base.KmerTokenizer` for the arguments; ``kmer_size`` is 1
    unless said otherwise, and where that text says bases these are residues.

    Example:
        >>> ProteinTokenizer().tokenize("MKN*")
        ['M', 'K', 'N', '*']
    """

    alphabet: ClassVar[Alphabet] = PROTEIN
    letters: ClassVar[str] = PROTEIN.letters + "BJOUXZ*"

    def __init__(
        self,
        vocab_size: int = 1000,
        kmer_size: int = 1,
        include_special_tokens: bool = True,
        stride: int | None = None,
        ambiguous: Literal["n", "error"] = "n",
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab_size, kmer_size, include_special_tokens, stride, ambiguous, **kwargs)
