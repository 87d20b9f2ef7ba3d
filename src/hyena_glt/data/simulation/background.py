"""Background sequence: random bases that depend on the few bases before them.

Bases are numbers here, 0 to 3 for A, C, G, T.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.biology.alphabet import DNA, letter_bytes
from hyena_glt.errors import ConfigError, DataError

Codes = NDArray[np.uint8]

_LETTERS = letter_bytes(DNA.letters)
_NO_BASE = 4
_CODE_OF_BYTE = np.full(256, _NO_BASE, dtype=np.uint8)
_CODE_OF_BYTE[_LETTERS] = range(4)
_CODE_OF_BYTE[letter_bytes(DNA.letters.lower())] = range(4)

_HIGHEST_ORDER = 8
_FEW_ROWS = 16  # below this a plain loop over the bases beats one NumPy call per position


def encode(sequence: str) -> Codes:
    """Turn letters into numbers.

    Args:
        sequence: DNA, either case.

    Returns:
        One number per base, 0 to 3 for A, C, G, T, and 4 for any other letter.
    """
    return _CODE_OF_BYTE[letter_bytes(sequence)]


def decode(codes: Codes) -> str:
    """Turn numbers 0 to 3 into letters.

    Args:
        codes: (L,) numbers.

    Returns:
        A sequence of L bases, upper case.
    """
    return _LETTERS[codes].tobytes().decode("ascii")


class MarkovBackground:
    """A Markov chain over the four bases.

    Args:
        transitions: Probability of each base given the ``order`` bases before it: an array of
            shape (4,) * order + (4,), for order 0 simply (4,).  The axes are the bases from the
            farthest to the nearest, the last one is the base that follows.

    Raises:
        ConfigError: If the shape is another, or the last axis does not sum to 1.
    """

    def __init__(self, transitions: ArrayLike) -> None:
        table = np.asarray(transitions, dtype=np.float64)
        if table.ndim < 1 or set(table.shape) != {4} or table.ndim > _HIGHEST_ORDER + 1:
            raise ConfigError(
                f"transitions must have shape (4,) * order + (4,), order 0 to {_HIGHEST_ORDER}; "
                f"got {table.shape}"
            )
        if (table < 0).any() or not np.allclose(table.sum(axis=-1), 1, atol=1e-6):
            raise ConfigError("transitions must be probabilities that sum to 1 over the last axis")
        self.transitions = table
        self.order = table.ndim - 1

    @classmethod
    def from_gc(cls, gc: float = 0.5) -> "MarkovBackground":
        """Make independent bases with a given GC content.

        Args:
            gc: Share of G and C together, in [0, 1].

        Returns:
            A background of order 0.

        Raises:
            ConfigError: If ``gc`` is out of range.
        """
        if not 0 <= gc <= 1:
            raise ConfigError(f"gc must lie in [0, 1], got {gc}")
        return cls([(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])

    @classmethod
    def random(
        cls, order: int, rng: np.random.Generator, *, gc: float = 0.5, evenness: float = 20.0
    ) -> "MarkovBackground":
        """Draw the transitions at random around a GC content.

        Args:
            order: Bases that the next one depends on.
            rng: Source of randomness.
            gc: Share of G and C around which the probabilities lie, strictly between 0 and 1.
            evenness: The higher, the less a base depends on those before it (concentration of the
                Dirichlet distribution).

        Returns:
            The background.

        Raises:
            ConfigError: If an argument is out of range.
        """
        if not 0 <= order <= _HIGHEST_ORDER:
            raise ConfigError(f"order must lie in [0, {_HIGHEST_ORDER}], got {order}")
        if not 0 < gc < 1 or evenness <= 0:
            raise ConfigError(f"gc must lie in (0, 1) and evenness above 0, got {gc}, {evenness}")
        return cls(rng.dirichlet(cls.from_gc(gc).transitions * evenness, size=(4,) * order))

    @classmethod
    def from_sequences(
        cls, sequences: Sequence[str], order: int, *, pseudocount: float = 1.0
    ) -> "MarkovBackground":
        """Learn the transitions from real sequence.

        Args:
            sequences: DNA; stretches with other letters are left out.
            order: Bases that the next one depends on.
            pseudocount: Added to each count.

        Returns:
            The background.

        Raises:
            ConfigError: If ``order`` is out of range or ``pseudocount`` is not positive.
            DataError: If no stretch of ``order + 1`` bases is there.
        """
        if not 0 <= order <= _HIGHEST_ORDER or pseudocount <= 0:
            raise ConfigError(
                f"order must lie in [0, {_HIGHEST_ORDER}] and pseudocount above 0, got {order}, "
                f"{pseudocount}"
            )
        codes = encode("N".join(sequences)).astype(np.int64)
        windows = (
            np.lib.stride_tricks.sliding_window_view(codes, order + 1)
            if (len(codes) > order)
            else np.empty((0, order + 1), dtype=np.int64)
        )
        windows = windows[(windows != _NO_BASE).all(axis=1)]
        if not len(windows):
            raise DataError(f"no stretch of {order + 1} bases to learn a background from")
        numbers = windows @ 4 ** np.arange(order + 1)[::-1]
        counts = np.bincount(numbers, minlength=4 ** (order + 1)).reshape(-1, 4) + pseudocount
        return cls((counts / counts.sum(axis=1, keepdims=True)).reshape((4,) * (order + 1)))

    def stationary(self) -> NDArray[np.float64]:
        """Compute how often each context occurs in the long run.

        Returns:
            (4^order,) probabilities of the contexts, the farthest base counting most.
        """
        contexts = np.full(4**self.order, 4.0**-self.order)
        by_context = self.transitions.reshape(-1, 4)
        for _ in range(1000):
            # The farthest base leaves, the new one enters.
            following = (contexts[:, None] * by_context).reshape(4, -1).sum(axis=0)
            if np.abs(following - contexts).max() < 1e-12:
                break
            contexts = following
        return contexts / contexts.sum()

    def sample(self, rng: np.random.Generator, n: int, length: int) -> Codes:
        """Draw sequences, each from the long-run distribution on.

        Args:
            rng: Source of randomness.
            n: Number of sequences.
            length: Bases of each.

        Returns:
            (n, length) numbers 0 to 3.
        """
        context = rng.choice(4**self.order, size=n, p=self.stationary())
        draws = rng.random((n, length))
        # Three thresholds; a fourth, 1 but for rounding, could let a draw through.
        thresholds = self.transitions.reshape(-1, 4).cumsum(axis=1)[:, :3]
        if self.order == 0:
            return (draws[..., None] >= thresholds[0]).sum(axis=-1, dtype=np.uint8)
        if n < _FEW_ROWS:
            return _walk_one_by_one(draws, context, thresholds)
        codes = np.empty((n, length), dtype=np.uint8)
        for at in range(length):
            base = (draws[:, at, None] >= thresholds[context]).sum(axis=1)
            codes[:, at] = base
            context = (context * 4 + base) % len(thresholds)
        return codes


def _walk_one_by_one(
    draws: NDArray[np.float64], contexts: NDArray[np.int64], thresholds: NDArray[np.float64]
) -> Codes:
    rows = thresholds.tolist()
    codes = np.empty(draws.shape, dtype=np.uint8)
    for number, first_context in enumerate(contexts.tolist()):
        context = first_context
        bases = []
        for draw in draws[number].tolist():
            first, second, third = rows[context]
            base = (draw >= first) + (draw >= second) + (draw >= third)
            bases.append(base)
            context = (context * 4 + base) % len(rows)
        codes[number] = bases
    return codes
