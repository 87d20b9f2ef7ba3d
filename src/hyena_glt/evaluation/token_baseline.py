"""A simple model of what single bases are: logistic regression on the k-mers around each base.

What a network that labels bases must beat.  Around a base it counts all k-mers within 50 and within
150 bases, and the codons within 150 bases by their distance from the base modulo 3, since genes are
read in steps of three.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.errors import DataError

FLANK = 150
"""Bases on either side of a base that the model looks at."""

INVERSE_PENALTIES = (0.003, 0.03, 0.3)
"""Values of C that are tried on the validation bases."""

_UNKNOWN = 4
_NEAR = 50
_CODON = 3
# (k, flank, by distance modulo 3)
_VIEWS = ((3, _NEAR, False), (4, FLANK, False), (_CODON, FLANK, True))
_MAX_ITERATIONS = 300
_ROWS_AT_ONCE = 20_000  # bounds the memory of the windows, not the result

Codes = NDArray[np.uint8]


class WindowedKmerRegression:
    """Classify bases by the k-mers around them.

    Counts enter as log(1 + count), on the strand that is given.

    Attributes:
        classes: Numbers of the classes, in the order of the columns of :meth:`predict_proba`.
        inverse_penalty: The C that was used.
    """

    classes: NDArray[np.int64]
    inverse_penalty: float

    def fit(
        self,
        windows: Codes,
        labels: ArrayLike,
        validation: tuple[Codes, ArrayLike],
    ) -> Self:
        """Learn from labelled bases.

        Args:
            windows: (n, 2 * FLANK + 1) bases 0 to 3, 4 where unknown; the labelled one is in the
                middle.  See :func:`windows_around`.
            labels: (n,) classes.
            validation: Other windows and labels, by whose MCC the penalty is chosen.

        Returns:
            The model itself.

        Raises:
            DataError: If there are fewer than two classes.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import matthews_corrcoef

        truth, held_out_truth = np.asarray(labels), np.asarray(validation[1])
        self.classes = np.unique(truth).astype(np.int64)
        if len(self.classes) < 2:
            raise DataError(f"two classes needed at least, all labels are {self.classes.tolist()}")
        features, held_out = _features(windows), _features(validation[0])
        tried: list[tuple[float, float, Any]] = []
        for inverse_penalty in INVERSE_PENALTIES:
            model = LogisticRegression(C=inverse_penalty, max_iter=_MAX_ITERATIONS, tol=1e-3)
            model.fit(features, truth)
            score = float(matthews_corrcoef(held_out_truth, model.predict(held_out)))
            tried.append((score, inverse_penalty, model))
        _, self.inverse_penalty, self._model = max(tried, key=lambda one: one[0])
        return self

    def predict_proba(self, windows: Codes) -> NDArray[np.float64]:
        """Give the probability of each class.

        Args:
            windows: As for :meth:`fit`.

        Returns:
            (n, C), columns as in ``classes``.
        """
        parts = [
            self._model.predict_proba(_features(windows[start : start + _ROWS_AT_ONCE]))
            for start in range(0, len(windows), _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)))


def windows_around(codes: Codes, positions: Sequence[int] | NDArray[np.integer]) -> Codes:
    """The bases around some bases of one contig.

    Args:
        codes: (length,) bases 0 to 3, 4 where unknown.
        positions: 0-based.

    Returns:
        (n, 2 * FLANK + 1); behind the ends of the contig bases are unknown.
    """
    padded = np.pad(codes, FLANK, constant_values=_UNKNOWN)
    return np.asarray(padded[np.asarray(positions)[:, None] + np.arange(2 * FLANK + 1)])


def _features(windows: Codes) -> NDArray[np.float32]:
    parts = []
    for k, flank, by_phase in _VIEWS:
        seen = windows[:, FLANK - flank : FLANK + flank + 1].astype(np.int64)
        starts = seen.shape[1] - k + 1
        kmer = np.zeros((len(seen), starts), dtype=np.int64)
        whole = np.ones(kmer.shape, dtype=np.bool_)
        for offset in range(k):
            base = seen[:, offset : offset + starts]
            kmer = kmer * 4 + base
            whole &= base != _UNKNOWN
        columns = 4**k
        if by_phase:
            kmer += columns * ((np.arange(starts) - flank) % 3)
            columns *= 3
        place = kmer + columns * np.arange(len(seen))[:, None]
        counts = np.bincount(place[whole], minlength=columns * len(seen))
        parts.append(np.log1p(counts.reshape(len(seen), columns)).astype(np.float32))
    return np.concatenate(parts, axis=1)
