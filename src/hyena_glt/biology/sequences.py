"""Strands, composition and cleaning of sequences as text."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hyena_glt.biology.alphabet import DNA, Alphabet, letter_bytes
from hyena_glt.errors import ConfigError

_GUIDE_LETTERS = b"ACGTN"
_NOT_GUIDE_LETTERS = bytes(set(range(256)) - set(_GUIDE_LETTERS))


def reverse_complement(sequence: str, alphabet: Alphabet = DNA) -> str:
    """Read the other strand, 5′ to 3′.

    Args:
        sequence: Upper, lower or mixed case; may hold IUPAC ambiguity letters.
        alphabet: ``DNA`` or ``RNA``.

    Returns:
        As many letters, in the case they had.  Base i of the result pairs with base L - 1 - i.

    Raises:
        AlphabetError: If a letter is not in the alphabet.
        ConfigError: If the alphabet has no complement.

    Example:
        >>> reverse_complement("AACRn")
        'nYGTT'
    """
    if not alphabet.complement:
        raise ConfigError(f"alphabet {alphabet.name!r} has no complementary strand")
    alphabet.check_letters(sequence)
    letters = "".join(alphabet.complement)
    paired = "".join(alphabet.complement.values())
    table = bytes.maketrans(
        (letters + letters.lower()).encode(), (paired + paired.lower()).encode()
    )
    return sequence.encode().translate(table)[::-1].decode()


def gc_content(sequence: str) -> float:
    """Compute the fraction of bases that are G or C.

    Args:
        sequence: DNA or RNA, either case.

    Returns:
        G, C and S over A, C, G, T, U, S and W, in [0, 1].  Other letters, N among them, count
        neither way; nan if nothing is left to count.
    """
    counts = np.bincount(letter_bytes(sequence.upper()), minlength=256)
    strong = int(counts[list(b"GCS")].sum())
    weak = int(counts[list(b"ATUW")].sum())
    return strong / (strong + weak) if strong + weak else float("nan")


def clean_sequence(sequence: str) -> str:
    """Remove all that is not A, C, G, T or N, and upper-case the rest.

    Letters behind a removed one move to the left: do not clean a sequence whose positions matter.

    Args:
        sequence: Any text, for example with white space and digits, as GenBank prints it.

    Returns:
        What is left; may be empty.

    Source:
        Technical Guide, "Troubleshooting", "Tokenization Issues".
    """
    letters = sequence.upper().encode("ascii", "ignore")
    return letters.translate(None, delete=_NOT_GUIDE_LETTERS).decode("ascii")


class CleanedSequences(NamedTuple):
    """Cleaned sequences, and what cleaning took from them.

    Attributes:
        sequences: What is left of each sequence, in order; some may be empty.
        changed: How many sequences lost a letter.
        emptied: How many sequences lost every letter.
        removed: Sign, upper case, to how often it was removed; the most frequent first.
    """

    sequences: list[str]
    changed: int
    emptied: int
    removed: dict[str, int]

    def summary(self) -> str:
        """Say in words what was removed; U among it means that RNA was cleaned as DNA."""
        if not self.removed:
            return f"{len(self.sequences):,} sequences, nothing removed"
        signs = ", ".join(f"{sign!r} {count:,} times" for sign, count in self.removed.items())
        return (
            f"{self.changed:,} of {len(self.sequences):,} sequences changed, {self.emptied:,} of "
            f"them emptied; removed: {signs}"
        )


def clean_sequences(sequences: Iterable[str]) -> CleanedSequences:
    """Apply :func:`clean_sequence` to several sequences, and count what it removes.

    Args:
        sequences: Any texts.

    Returns:
        The cleaned sequences and the counts.

    Example:
        >>> cleaned = clean_sequences(["acgt", "AC-GUU"])
        >>> cleaned.sequences
        ['ACGT', 'ACG']
        >>> cleaned.summary()
        "1 of 2 sequences changed, 0 of them emptied; removed: 'U' 2 times, '-' 1 times"
    """
    kept: list[str] = []
    removed: Counter[str] = Counter()
    changed = emptied = 0
    for sequence in sequences:
        cleaned = clean_sequence(sequence)
        if cleaned != sequence.upper():
            changed += 1
            emptied += not cleaned
            removed.update(sequence.upper())
        kept.append(cleaned)
    for letter in _GUIDE_LETTERS.decode():
        del removed[letter]
    return CleanedSequences(kept, changed, emptied, dict(removed.most_common()))
