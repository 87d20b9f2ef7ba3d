"""Phred scores as letters, in the two ways in which FASTQ files write them.

A score Q says that a base is wrong with probability 10^(-Q/10).  Phred+33 writes it as the sign
with the code Q + 33 (``!`` to ``~``, Q 0 to 93), Phred+64 (Illumina 1.3 to 1.7) with Q + 64
(``@`` to ``~``, Q 0 to 62).

Source:
    Cock et al. 2010, The Sanger FASTQ file format for sequences with quality scores.
"""

from collections.abc import Set as AbstractSet
from typing import Literal

Encoding = Literal["phred+33", "phred+64"]

OFFSETS: dict[Encoding, int] = {"phred+33": 33, "phred+64": 64}
HIGHEST_SCORE = 93

LAST_SIGN = 126  # "~", the last printable one of ASCII
_ONLY_33_BELOW = 59  # ";": Phred+64 starts at 64, its predecessor (Solexa) at 59
USUAL_33_TOP = 75  # "K": no sequencer but those of long, corrected reads calls above Q 42


_SIGNS = bytes((score + 33) % 256 for score in range(256))


def guess_encoding(signs: AbstractSet[int]) -> tuple[Encoding | None, bool]:
    """Tell the encoding by the signs seen.

    Args:
        signs: Codes of the signs.

    Returns:
        The encoding, and whether it is certain; Phred+33 where both are possible.  None for the
        range of Solexa scores, which are no Phred scores.
    """
    lowest, highest = min(signs, default=LAST_SIGN), max(signs, default=0)
    if highest <= USUAL_33_TOP or lowest < _ONLY_33_BELOW:
        return "phred+33", settles(signs)
    return ("phred+64", True) if lowest >= OFFSETS["phred+64"] else (None, False)


def settles(signs: AbstractSet[int]) -> bool:
    """Whether signs can be Phred+33 only.

    Args:
        signs: Codes of the signs.
    """
    return min(signs, default=LAST_SIGN) < _ONLY_33_BELOW


def quality_fault(sequence: str, qualities: bytes | None) -> str | None:
    """Say what keeps scores from being written.

    Args:
        sequence: Letters.
        qualities: Their scores.

    Returns:
        The fault, or None.
    """
    if qualities is None:
        return "there are no qualities"
    if len(qualities) != len(sequence):
        return f"{len(sequence)} letters but {len(qualities)} qualities"
    highest = max(qualities, default=0)
    if highest > HIGHEST_SCORE:
        return f"a quality is {highest}, and the highest that can be written is {HIGHEST_SCORE}"
    return None


def to_text(qualities: bytes) -> str:
    """Write scores as Phred+33.

    Args:
        qualities: One score per letter, 0 to 93.

    Returns:
        One sign per letter.
    """
    return qualities.translate(_SIGNS).decode("ascii")


def from_text(text: str) -> bytes | None:
    """Read scores written as Phred+33.

    Args:
        text: One sign per letter.

    Returns:
        One score per letter; None if a sign is none from ``!`` to ``~``.
    """
    if not text.isascii() or not text.isprintable() or " " in text:
        return None
    return bytes(code - 33 for code in text.encode("ascii"))
