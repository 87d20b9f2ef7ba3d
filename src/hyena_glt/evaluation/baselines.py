"""Logistic regression on k-mer counts: what a model must beat to have learned anything.

On several public tasks this takes seconds and equals language models of 100 million parameters.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.errors import ConfigError, DataError

INVERSE_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of C that are tried on the validation set."""

_DEFAULT_INVERSE_PENALTY = 0.1
_MAX_ITERATIONS = 2000


class KmerLogisticRegression:
    """Classify sequences by their k-mer counts, and by the base at each position if asked.

    Counts enter as log(1 + count).

    Args:
        kmer_size: Longest k-mer, in bases.  All k from 3 (or from this, if it is less) up to it
            are counted.  0: no k-mers.
        both_strands: Count the sequence and its reverse complement together, so that both get the
            same prediction.  Positions follow the given strand all the same.
        positional: Add which base stands at each position; sequences must then share one length.

    Attributes:
        classes: The classes, in the order of the columns of :meth:`predict_proba`.
        inverse_penalty: The C that was used.

    Raises:
        ConfigError: If there would be no features, or ``kmer_size`` is out of [0, 10].

    Example:
        >>> model = KmerLogisticRegression(kmer_size=3)
        >>> _ = model.fit(["ATATATAT", "GCGCGCGC"], ["AT-rich", "GC-rich"])
        >>> model.predict(["TATATA"]).tolist()
        ['AT-rich']
    """

    classes: NDArray[Any]
    inverse_penalty: float

    def __init__(
        self, *, kmer_size: int = 5, both_strands: bool = True, positional: bool = False
    ) -> None:
        if not 0 <= kmer_size <= 10:
            raise ConfigError(f"kmer_size must lie in [0, 10], got {kmer_size}")
        if kmer_size == 0 and not positional:
            raise ConfigError("there is nothing to look at: kmer_size is 0 and positional is False")
        self.kmer_size = kmer_size
        self.both_strands = both_strands
        self.positional = positional

    def fit(
        self,
        sequences: Sequence[str],
        labels: ArrayLike,
        validation: tuple[Sequence[str], ArrayLike] | None = None,
    ) -> Self:
        """Learn from labelled sequences.

        Args:
            sequences: DNA or RNA, 5' to 3'.
            labels: One class for each, numbers or names.
            validation: Other sequences and labels.  With them the penalty is chosen by MCC, and
                the model still learns from the first ones alone; without them C is 0.1.

        Returns:
            The model itself.

        Raises:
            DataError: If the numbers of sequences and labels differ, there are fewer than two
                classes, or positions are asked for and lengths differ.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import matthews_corrcoef

        truth = _one_label_each(sequences, labels)
        self.classes = np.unique(truth)
        if len(self.classes) < 2:
            raise DataError(f"two classes needed at least, all labels are {truth[0]!r}")
        self._length = len(sequences[0])
        features = self._features(sequences)

        def fitted(inverse_penalty: float) -> LogisticRegression:
            model = LogisticRegression(C=inverse_penalty, max_iter=_MAX_ITERATIONS)
            return model.fit(features, truth)

        if validation is None:
            self.inverse_penalty = _DEFAULT_INVERSE_PENALTY
            self._model = fitted(self.inverse_penalty)
            return self
        held_out_truth = _one_label_each(*validation)
        held_out = self._features(validation[0])
        models = [fitted(inverse_penalty) for inverse_penalty in INVERSE_PENALTIES]
        scores = [matthews_corrcoef(held_out_truth, model.predict(held_out)) for model in models]
        best = int(np.argmax(scores))
        self.inverse_penalty, self._model = INVERSE_PENALTIES[best], models[best]
        return self

    def predict_proba(self, sequences: Sequence[str]) -> NDArray[np.float64]:
        """Give the probability of each class.

        Args:
            sequences: N of them, DNA or RNA, 5' to 3'.

        Returns:
            (N, C), columns as in ``classes``.

        Raises:
            DataError: If positions are used and a length differs from that of training.
        """
        if not len(sequences):
            return np.zeros((0, len(self.classes)))
        return np.asarray(self._model.predict_proba(self._features(sequences)))

    def predict(self, sequences: Sequence[str]) -> NDArray[Any]:
        """Give the most probable class.

        Args:
            sequences: N of them, DNA or RNA, 5' to 3'.

        Returns:
            (N,) classes.

        Raises:
            DataError: As :meth:`predict_proba` does.
        """
        return self.classes[self.predict_proba(sequences).argmax(axis=1)]

    def _features(self, sequences: Sequence[str]) -> Any:
        from hyena_glt.evaluation.kmers import sequence_features

        if self.positional:
            for at, sequence in enumerate(sequences):
                if len(sequence) != self._length:
                    raise DataError(
                        f"positions need sequences of one length ({self._length} bases), number "
                        f"{at} (0-based) has {len(sequence)}"
                    )
        return sequence_features(
            sequences,
            kmer_size=self.kmer_size,
            both_strands=self.both_strands,
            positional=self.positional,
        )


def _one_label_each(sequences: Sequence[str], labels: ArrayLike) -> NDArray[Any]:
    truth = np.asarray(labels)
    if truth.shape != (len(sequences),) or not len(sequences):
        raise DataError(
            f"one label for each sequence needed, and at least one of them; got {len(sequences)} "
            f"sequences and labels of shape {truth.shape}"
        )
    return truth
