"""Sequence motifs: short patterns with a probability for each base at each position.

A motif of width W is a (W, 4) matrix with the columns A, C, G, T.  Position 0 is its 5′ end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.biology.alphabet import DNA, letter_bytes
from hyena_glt.errors import DataError

UNIFORM = (0.25, 0.25, 0.25, 0.25)

_OTHER = 4
_CODES = np.full(256, _OTHER, dtype=np.uint8)
for _letters in ("ACGT", "acgt", "ACGU", "acgu"):
    _CODES[letter_bytes(_letters)] = range(4)


@dataclass(frozen=True, eq=False)
class Motif:
    """A position probability matrix with a name.

    Args:
        name: What the motif is called, for example ``"TATA-box"``.
        probabilities: (W, 4) array-like, columns A, C, G, T; every row sums to 1.

    Raises:
        DataError: If the matrix has another form, holds negative or infinite numbers, or a row
            does not sum to 1 within 0.001.  Rows are then made to sum to 1 exactly.
    """

    name: str
    probabilities: NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = _as_matrix(self.name, self.probabilities)
        sums = matrix.sum(axis=1, keepdims=True)
        wrong = np.flatnonzero(np.abs(sums - 1) > 1e-3)
        if wrong.size:
            raise DataError(
                f"motif {self.name!r}: the probabilities at position {wrong[0]} (0-based) sum to "
                f"{sums[wrong[0], 0]:g}; each position must sum to 1"
            )
        matrix = matrix / sums
        matrix.flags.writeable = False
        object.__setattr__(self, "probabilities", matrix)

    @classmethod
    def from_consensus(cls, name: str, consensus: str, *, purity: float = 1.0) -> "Motif":
        """Make a motif from a consensus in IUPAC letters.

        Args:
            name: What the motif is called.
            consensus: For example ``"TATAWAW"``; either case, U counts as T.
            purity: Probability, in (0, 1], that a position shows a base its letter allows.  These
                share it equally; the bases not allowed share the rest.  An N is a quarter each.

        Returns:
            The motif, as wide as the consensus is long.

        Raises:
            DataError: If the consensus is empty or holds a letter that IUPAC does not have
                (AlphabetError), or if ``purity`` is out of range.

        Example:
            >>> Motif.from_consensus("R", "R", purity=0.9).probabilities.round(2).tolist()
            [[0.45, 0.05, 0.45, 0.05]]
        """
        if not 0 < purity <= 1:
            raise DataError(f"motif {name!r}: purity must be in (0, 1], got {purity!r}")
        consensus = consensus.upper().replace("U", "T")
        DNA.check_letters(consensus)
        matrix = np.full((len(consensus), 4), 0.25)
        for row, letter in zip(matrix, consensus, strict=True):
            allowed = np.array([base in DNA.ambiguity.get(letter, letter) for base in DNA.letters])
            if not allowed.all():
                row[allowed] = purity / allowed.sum()
                row[~allowed] = (1 - purity) / (~allowed).sum()
        return cls(name, matrix)

    @classmethod
    def from_counts(cls, name: str, counts: ArrayLike, *, pseudocount: float = 0.8) -> "Motif":
        """Make a motif from how often each base was seen at each position.

        Args:
            name: What the motif is called.
            counts: (W, 4) non-negative numbers, columns A, C, G, T.
            pseudocount: Added to each position in all, a quarter to each base, so that a base
                never seen is unlikely and not impossible.

        Returns:
            The motif.

        Raises:
            DataError: If the matrix has another form, or a position has no counts at all.

        Source:
            Default pseudocount: Nishida, Frith and Nakai 2009, Nucleic Acids Research 37:939.
        """
        if pseudocount < 0:
            raise DataError(f"motif {name!r}: pseudocount must be at least 0, got {pseudocount!r}")
        matrix = _as_matrix(name, counts) + pseudocount / 4
        totals = matrix.sum(axis=1, keepdims=True)
        empty = np.flatnonzero(totals == 0)
        if empty.size:
            raise DataError(f"motif {name!r}: position {empty[0]} (0-based) has no counts")
        return cls(name, matrix / totals)

    def __len__(self) -> int:
        """Width in bases."""
        return len(self.probabilities)

    def information_content(self) -> NDArray[np.float64]:
        """Compute the height of each position in a sequence logo.

        Returns:
            (W,) bits against a uniform background.  A position that shows all bases equally has 0,
            one that shows a single base 2.  Not corrected for small samples.

        Source:
            Schneider and Stephens 1990, Nucleic Acids Research 18:6097.
        """
        p = self.probabilities
        surprise = -np.log2(p, where=p > 0, out=np.zeros_like(p))
        return 2.0 - (p * surprise).sum(axis=1)

    def consensus(self) -> str:
        """Write the motif in IUPAC letters.

        Returns:
            One letter for each position: the base with more than half of the probability and at
            least twice that of any other; else the two bases with more than three quarters of it;
            else N.

        Source:
            Cavener 1987, Nucleic Acids Research 15:1353.

        Example:
            >>> Motif("m", np.array([[0.9, 0.1, 0, 0], [0.4, 0, 0.5, 0.1], [0.25] * 4])).consensus()
            'ARN'
        """
        letters = {frozenset(bases): letter for letter, bases in DNA.ambiguity.items()}
        written = []
        for row in self.probabilities:
            first, second = np.argsort(-row, kind="stable")[:2].tolist()
            if row[first] > 0.5 and row[first] >= 2 * row[second]:
                written.append(DNA.letters[first])
            elif row[first] + row[second] > 0.75:
                written.append(letters[frozenset((DNA.letters[first], DNA.letters[second]))])
            else:
                written.append("N")
        return "".join(written)

    def reverse_complement(self) -> "Motif":
        """Turn the motif to the other strand; the name stays."""
        return Motif(self.name, self.probabilities[::-1, ::-1])

    def sample(self, rng: np.random.Generator, n: int) -> list[str]:
        """Draw instances, each position independent of the others.

        Args:
            rng: Source of randomness; the same state gives the same instances.
            n: How many.

        Returns:
            ``n`` strings over ACGT, each as long as the motif is wide.
        """
        draws = rng.random((n, len(self), 1))
        # The last sum is 1 but for rounding; a draw beyond it would be a fifth base.
        thresholds = self.probabilities.cumsum(axis=1)[:, :3]
        codes = (draws >= thresholds).sum(axis=2)
        letters = letter_bytes(DNA.letters)[codes]
        return [row.tobytes().decode("ascii") for row in letters]

    def log_odds(self, background: Sequence[float] = UNIFORM) -> NDArray[np.float64]:
        """Compare the motif with a background, base by base.

        Args:
            background: Probabilities of A, C, G, T outside the motif, each above 0.

        Returns:
            (W, 4) log2(probability / background), -inf where the motif has probability 0.

        Raises:
            DataError: If the background is not four positive numbers that sum to 1.
        """
        expected = np.asarray(background, dtype=np.float64)
        if expected.shape != (4,) or not (expected > 0).all() or abs(expected.sum() - 1) > 1e-3:
            raise DataError(
                f"background must be four positive probabilities that sum to 1, got {background!r}"
            )
        with np.errstate(divide="ignore"):
            return np.log2(self.probabilities / expected)

    def scan(self, sequence: str, background: Sequence[float] = UNIFORM) -> NDArray[np.float64]:
        """Score every window of a sequence on both strands.

        Args:
            sequence: DNA or RNA, either case.
            background: See :meth:`log_odds`; the strand - uses the same one.

        Returns:
            (2, L - W + 1) summed log-odds in bits, with no columns if the sequence is shorter than
            the motif.  Row 0 is the + strand, row 1 the - strand.  Column i is the window that
            covers bases i to i + W (0-based, half-open) of the sequence as written, for both rows.
            A window with a letter other than A, C, G, T, U scores -inf.

        Raises:
            DataError: If the background is no distribution.
        """
        codes = _CODES[letter_bytes(sequence)]
        width = len(self)
        scores = np.zeros((2, max(len(codes) - width + 1, 0)))
        for strand, motif in enumerate((self, self.reverse_complement())):
            table = np.full((width, 5), -np.inf)
            table[:, :4] = motif.log_odds(background)
            for offset in range(width):
                scores[strand] += table[offset][codes[offset : offset + scores.shape[1]]]
        return scores


def _as_matrix(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Check the form of a matrix and copy it."""
    try:
        matrix = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"motif {name!r}: not a matrix of numbers: {error}") from None
    if matrix.ndim != 2 or matrix.shape[0] == 0 or matrix.shape[1] != 4:
        raise DataError(
            f"motif {name!r}: the matrix must have one row for each position and the four columns "
            f"A, C, G, T; its shape is {matrix.shape}"
        )
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise DataError(f"motif {name!r}: the matrix holds negative or infinite numbers")
    return matrix
