"""Tokenizer for DNA."""

from typing import ClassVar

from hyena_glt.biology.alphabet import DNA, Alphabet
from hyena_glt.tokenizers.base import KmerTokenizer


class DNATokenizer(KmerTokenizer):
    """Tokenizer for DNA: the bases A, C, G, T, and k-mers of them.

    Lossless over A, C, G, T and N: ``decode(encode(s)) == s`` for upper-case ``s``.  Lower case,
    the mark of soft-masked repeats, is read as upper case.  U is a foreign letter, since a file
    that holds it is most often RNA by mistake; use ``RNATokenizer`` for it.

    See :class:`~hyena_glt.tokenizers.base.KmerTokenizer` for the arguments.

    Example:
        >>> tokenizer = DNATokenizer(kmer_size=3)
        >>> tokenizer.tokenize("ATGGCGNTAGC")
        ['ATG', 'GCG', '[N]', 'T', 'A', 'G', 'C']
        >>> tokenizer.decode(tokenizer.encode("ATGGCGNTAGC"))
        'ATGGCGNTAGC'
    """

    alphabet: ClassVar[Alphabet] = DNA
    letters: ClassVar[str] = DNA.letters
