"""The letters of DNA, RNA and protein, and what the ambiguous ones stand for.

Everything here ignores case: lower case marks soft-masked repeats and says nothing of the letter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import AlphabetError


def letter_bytes(sequence: str) -> NDArray[np.uint8]:
    """View a sequence as one byte for each letter.

    Args:
        sequence: Any text.

    Returns:
        Read-only ASCII codes, one per character; a character that ASCII lacks becomes ``?``, so
        index i is always character i.
    """
    return np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Alphabet:
    """Which letters a kind of sequence may hold.

    Attributes:
        name: ``"DNA"``, ``"RNA"`` or ``"protein"``.
        letters: The canonical letters, upper case, in the order that ids and matrix columns follow.
        ambiguity: IUPAC letter to the canonical letters that it may stand for.
        extra: Letters outside the canonical ones that stand for themselves.
        complement: Letter to the letter on the other strand; empty for protein.

    Source:
        Letters: IUPAC-IUB, Cornish-Bowden 1985, Nucleic Acids Research 13:3021, and for protein
        IUPAC-IUBMB JCBN 1984 with the later U (selenocysteine) and O (pyrrolysine).
    """

    name: str
    letters: str
    ambiguity: Mapping[str, str]
    extra: str = ""
    complement: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_letters(self) -> str:
        """Every letter that is legal, upper case: canonical, ambiguous, extra."""
        return self.letters + "".join(self.ambiguity) + self.extra

    def check_letters(self, sequence: str) -> None:
        """Refuse a sequence that holds a letter from outside the alphabet.

        Args:
            sequence: Upper, lower or mixed case; may be empty.

        Raises:
            AlphabetError: If a letter is foreign.  Gaps, digits and white space are foreign too.
                The message gives the number of foreign letters, and the first one with its
                position (0-based).
        """
        foreign = ~_membership(self.all_letters)[letter_bytes(sequence)]
        if foreign.any():
            first = int(foreign.argmax())
            raise AlphabetError(
                f"{describe_foreign(sequence, foreign.sum(), first)}; "
                f"{self.name} may hold {self.all_letters}"
            )


def describe_foreign(sequence: str, count: int, first: int) -> str:
    """Word what is wrong with a sequence that holds foreign letters.

    Args:
        sequence: The sequence.
        count: How many of its letters are foreign.
        first: Position of the first one, 0-based.

    Returns:
        For example ``"2 foreign letters, the first is 'U' at position 7 (0-based)"``.
    """
    letters = "letter" if count == 1 else "letters"
    return (
        f"{count} foreign {letters}, the first is {sequence[first]!r} at position {first} (0-based)"
    )


def _membership(letters: str) -> NDArray[np.bool_]:
    """Which of the 256 bytes are one of the letters, in either case."""
    member = np.zeros(256, dtype=np.bool_)
    member[letter_bytes(letters + letters.lower())] = True
    return member


_DNA_AMBIGUITY = {
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
_DNA_COMPLEMENT = dict(zip("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN", strict=True))


def _as_rna(mapping: Mapping[str, str]) -> dict[str, str]:
    return {key.replace("T", "U"): value.replace("T", "U") for key, value in mapping.items()}


DNA = Alphabet("DNA", "ACGT", _DNA_AMBIGUITY, complement=_DNA_COMPLEMENT)
"""Deoxyribonucleic acid: A, C, G, T and the IUPAC ambiguity letters."""

RNA = Alphabet("RNA", "ACGU", _as_rna(_DNA_AMBIGUITY), complement=_as_rna(_DNA_COMPLEMENT))
"""Ribonucleic acid: A, C, G, U and the IUPAC ambiguity letters."""

PROTEIN = Alphabet(
    "protein",
    "ACDEFGHIKLMNPQRSTVWY",
    {"B": "DN", "J": "IL", "X": "ACDEFGHIKLMNPQRSTVWY", "Z": "EQ"},
    extra="OU*",
)
"""Amino acids; the extra letters are pyrrolysine, selenocysteine and the stop."""
