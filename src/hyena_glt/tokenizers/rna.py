"""Tokenizer for RNA."""

from collections.abc import Mapping
from typing import ClassVar

from hyena_glt.biology.alphabet import RNA, Alphabet
from hyena_glt.tokenizers.base import KmerTokenizer


class RNATokenizer(KmerTokenizer):
    """Tokenizer for RNA: the bases A, C, G, U, and k-mers of them.

    Lossless over A, C, G, U and N.  T is read as U, since many files of RNA are written with the
    letters of DNA.

    See :class:`~hyena_glt.tokenizers.base.KmerTokenizer` for the arguments.

    Example:
        >>> tokenizer = RNATokenizer(kmer_size=3)
        >>> tokenizer.decode(tokenizer.encode("ATGgcu"))
        'AUGGCU'
    """

    alphabet: ClassVar[Alphabet] = RNA
    letters: ClassVar[str] = RNA.letters
    aliases: ClassVar[Mapping[str, str]] = {"T": "U"}
