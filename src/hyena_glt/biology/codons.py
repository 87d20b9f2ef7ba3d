"""The standard genetic code: from triplets of bases to amino acids."""

from functools import lru_cache
from itertools import product

from hyena_glt.biology.alphabet import DNA

_AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"

GENETIC_CODE = dict(
    zip(("".join(codon) for codon in product("TCAG", repeat=3)), _AMINO_ACIDS, strict=True)
)
"""DNA codon to one-letter amino acid, ``*`` for a stop: table 1 of the NCBI genetic codes."""

START_CODONS = ("ATG", "CTG", "TTG")
"""Codons at which translation may begin in table 1; ATG by far the most often."""

STOP_CODONS = tuple(codon for codon, amino_acid in GENETIC_CODE.items() if amino_acid == "*")
"""Codons at which translation ends."""


def translate(sequence: str) -> str:
    """Translate a coding sequence in the frame of its first base.

    Args:
        sequence: DNA or RNA, + strand, either case, IUPAC ambiguity letters allowed.  One or two
            bases after the last whole codon are not translated.

    Returns:
        One amino acid letter per codon, stops as ``*``, and translation goes on behind them.  A
        start codon is translated as anywhere else.  An ambiguous codon becomes the amino acid that
        all its readings share (GCN is A), else ``X``.

    Raises:
        AlphabetError: If a letter is not one of the IUPAC letters for bases.

    Example:
        >>> translate("ATGGCNUAA")
        'MA*'
    """
    bases = sequence.upper().replace("U", "T")
    DNA.check_letters(bases)
    whole = len(bases) - len(bases) % 3
    return "".join(_amino_acid(bases[start : start + 3]) for start in range(0, whole, 3))


@lru_cache(maxsize=15**3)
def _amino_acid(codon: str) -> str:
    readings = product(*(DNA.ambiguity.get(base, base) for base in codon))
    amino_acids = {GENETIC_CODE["".join(reading)] for reading in readings}
    return amino_acids.pop() if len(amino_acids) == 1 else "X"
