"""The period of three bases that codons leave in genes.

Codon usage makes each of the three codon positions prefer other bases, so the spectrum of coding
sequence has a peak at one third of a cycle per base; other sequence has none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.alphabet import DNA, letter_bytes
from hyena_glt.errors import DataError

_WINDOW = 351
_SHUFFLES = 20


class CodonPeriodicity(NamedTuple):
    """The period-3 signal of a sequence, and what chance gives.

    Attributes:
        signal: Power at one third of a cycle per base over the mean power at all other
            frequencies but 0; about 1 without periodicity.
        shuffled_mean: The same of shuffled copies, on average.
        shuffled_sd: Its standard deviation from copy to copy.
    """

    signal: float
    shuffled_mean: float
    shuffled_sd: float


def codon_periodicity(sequences: str | Sequence[str], *, seed: int = 0) -> CodonPeriodicity:
    """Measure the period-3 signal.

    The spectrum is that of the four sequences that mark with 1 where A, C, G and T stand, summed.
    It is taken in windows of 351 bases one after another, and their signals are averaged, since
    genes begin and end, each in its own frame.

    Args:
        sequences: DNA or RNA, one or several, either case, either strand; other letters than the
            four bases mark nothing.  What does not fill a last window of its sequence is left out;
            where the shortest is shorter than a window, windows are as short, but for the one or
            two bases behind its last codon.
        seed: Of the shuffling.

    Returns:
        The signal, and that of 20 copies with the bases of all in random order.

    Raises:
        DataError: If a sequence has fewer than 6 bases, or there is none.

    Source:
        Tiwari, Ramachandran, Bhattacharya, Bhattacharya and Ramaswamy 1997, Computer Applications
        in the Biosciences 13:263.
    """
    if isinstance(sequences, str):
        sequences = [sequences]
    shortest = min(map(len, sequences), default=0)
    if shortest < 6:
        raise DataError(f"periodicity needs at least 6 bases, got {shortest}")
    window = min(_WINDOW, shortest // 3 * 3)
    letters = letter_bytes(
        "".join(
            sequence[: len(sequence) // window * window].upper().replace("U", "T")
            for sequence in sequences
        )
    ).copy()
    signal = _signal(letters, window)
    rng = np.random.default_rng(seed)
    shuffled = []
    for _ in range(_SHUFFLES):
        rng.shuffle(letters)
        shuffled.append(_signal(letters, window))
    return CodonPeriodicity(signal, float(np.mean(shuffled)), float(np.std(shuffled)))


def _signal(letters: NDArray[np.uint8], window: int) -> float:
    """Mean over the windows of the power at 1/3 over the mean power."""
    bases = letter_bytes(DNA.letters)
    # (windows, codons, 3, 4) -> how often each base stands at each codon position
    marks = letters.reshape(-1, window // 3, 3, 1) == bases
    counts = marks.sum(axis=1).astype(np.float64)
    at_third = np.abs(np.fft.fft(counts, axis=1)[:, 1]) ** 2
    number = counts.sum(axis=1)
    # Parseval: the powers of a row of zeros and ones sum to its length times its ones.
    others = (window * number - number**2).sum(axis=1) / (window - 1)
    ratio = at_third.sum(axis=1) / np.where(others > 0, others, 1)
    return float(ratio.mean())
