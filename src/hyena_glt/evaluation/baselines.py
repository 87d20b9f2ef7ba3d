"""Simple models of sequence: what a network must beat to have learned anything.

Logistic regression on k-mer counts for classes; on several public tasks it takes seconds and equals
language models of 100 million parameters.  A Markov model that blends all orders for the next base.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.kmers import Molecule, sequence_features

INVERSE_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of C that are tried on the validation set."""

_DEFAULT_INVERSE_PENALTY = 0.1
_MAX_ITERATIONS = 2000

_NO_BASE = 4
_BASES_AT_ONCE = 1_000_000  # bounds the memory of the look-ups, not the result
_SAMPLED_STRETCHES = 64
_SAMPLED_BASES = 4096  # of each stretch
_LOG_CONCENTRATIONS = (-4.0, 16.0)

Codes = NDArray[np.uint8]


class KmerLogisticRegression:
    """Classify sequences by their k-mer counts, and by the base at each position if asked.

    Counts enter as log(1 + count).

    Args:
        kmer_size: Longest k-mer, in letters.  All k from 3 (or from this, if it is less) up to it
            are counted, of proteins all from 1.  0: no k-mers.
        both_strands: Count the sequence and its reverse complement together, so that both get the
            same prediction.  Positions follow the given strand all the same.
        positional: Add which base stands at each position; sequences must then share one length.
        molecule: What the letters are.  ``mixed`` looks at every sequence as bases and as amino
            acids, of which it counts k-mers up to 2.

    Attributes:
        classes: The classes, in the order of the columns of :meth:`predict_proba`.
        inverse_penalty: The C that was used.

    Raises:
        ConfigError: If there would be no features, ``kmer_size`` is out of [0, 10] ([0, 4] for
            proteins), or strands or positions are asked for where there are none.

    Example:
        >>> model = KmerLogisticRegression(kmer_size=3)
        >>> _ = model.fit(["ATATATAT", "GCGCGCGC"], ["AT-rich", "GC-rich"])
        >>> model.predict(["TATATA"]).tolist()
        ['AT-rich']
    """

    classes: NDArray[Any]
    inverse_penalty: float

    def __init__(
        self,
        *,
        kmer_size: int = 5,
        both_strands: bool = True,
        positional: bool = False,
        molecule: Molecule = "dna",
    ) -> None:
        longest = 4 if molecule == "protein" else 10
        if not 0 <= kmer_size <= longest:
            raise ConfigError(f"kmer_size must lie in [0, {longest}], got {kmer_size}")
        if molecule in {"protein", "mixed"} and (both_strands or positional):
            raise ConfigError(f"molecule={molecule!r} needs both_strands=False, positional=False")
        if kmer_size == 0 and not positional:
            raise ConfigError("there is nothing to look at: kmer_size is 0 and positional is False")
        self.kmer_size = kmer_size
        self.both_strands = both_strands
        self.positional = positional
        self.molecule: Molecule = molecule

    def fit(
        self,
        sequences: Sequence[str],
        labels: ArrayLike,
        validation: tuple[Sequence[str], ArrayLike] | None = None,
    ) -> Self:
        """Learn from labelled sequences.

        Args:
            sequences: Letters of the molecule, 5' to 3' or N- to C-terminal.
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
            molecule=self.molecule,
        )


class InterpolatedMarkov:
    """Predict each base from the up to ``order`` bases before it, all orders blended.

    From order 0 up, the counts n of the bases that followed the last k bases correct the prediction
    of order k - 1 the more, the more there are of them::

        p_k(x) = (n_k(x) + c_k p_{k-1}(x)) / (n_k + c_k),   p_{-1} = 1/4

    The concentrations c_k are fitted together, to the likelihood of training bases that are each
    left out of the counts.  Both strands are counted.

    Costs 4^(order + 1) * 16/3 bytes: 360 MB for order 12.

    Args:
        order: Longest context, in bases.

    Attributes:
        concentrations: (order + 1,) c_0 to c_order.

    Raises:
        ConfigError: If ``order`` is out of [0, 13].

    Example:
        >>> model = InterpolatedMarkov(order=2).fit([np.array([0, 1, 2, 3] * 500, np.uint8)])
        >>> model.bits_per_base([np.array([1, 2, 3, 0] * 100, np.uint8)]) < 0.1
        True

    Source:
        Blending by counts: MacKay and Bauman Peto 1995, Natural Language Engineering 1:289;
        leaving one out: Ney, Essen and Kneser 1994, Computer Speech and Language 8:1; blended
        orders on DNA: Salzberg et al. 1998, Nucleic Acids Research 26:544 (GLIMMER).
    """

    concentrations: NDArray[np.float64]

    def __init__(self, order: int = 12) -> None:
        if not 0 <= order <= 13:
            raise ConfigError(f"order must lie in [0, 13], got {order}")
        self.order = order

    def fit(self, sequences: Sequence[Codes], *, seed: int = 0) -> Self:
        """Count, and fit the concentrations.

        Args:
            sequences: Bases 0 to 3 for A, C, G, T; 4 is unknown.  One strand of each.
            seed: Of the choice of the bases that the concentrations are fitted to.

        Returns:
            The model itself.

        Raises:
            DataError: If no stretch of ``order + 1`` known bases is there.
        """
        highest = np.zeros(4 ** (self.order + 1), dtype=np.int32)
        for sequence in sequences:
            for strand in (sequence, _other_strand(sequence)):
                for kmers in _kmers(strand, self.order + 1):
                    # Sorted, so that neighbours in memory are counted together: ten times as fast.
                    np.add.at(highest, np.sort(kmers), 1)
        if not highest.any():
            raise DataError(f"no stretch of {self.order + 1} known bases to count")
        self._counts = [highest]
        for _ in range(self.order):
            # Summed over the farthest base.
            shorter = self._counts[0].reshape(4, -1).sum(axis=0, dtype=np.int32)
            self._counts.insert(0, shorter)
        self._fit_concentrations(sequences, np.random.default_rng(seed))
        return self

    def log_probability(self, codes: Codes) -> NDArray[np.float64]:
        """Say how probable each base was before it was seen.

        Args:
            codes: (L,) bases 0 to 3; 4 is unknown.

        Returns:
            (L,) log2 probability of each base given those before it; nan where it is unknown.
            Behind the start and behind an unknown base the context is as long as what is known.
        """
        parts = []
        for start in range(0, len(codes), _BASES_AT_ONCE):
            context = min(start, self.order)
            part = codes[start - context : start + _BASES_AT_ONCE]
            own, total = self._evidence(part)
            probability = _blend(own, total, self.concentrations)[-1][context:]
            probability[part[context:] == _NO_BASE] = np.nan
            parts.append(np.log2(probability))
        return np.concatenate(parts) if parts else np.empty(0)

    def bits_per_base(self, sequences: Sequence[Codes]) -> float:
        """Mean surprise over all known bases but the first of each sequence, in bits.

        The first ones are left out because a network that reads from left to right cannot predict
        them either.

        Args:
            sequences: Bases 0 to 3 for A, C, G, T; 4 is unknown.

        Returns:
            Bits per base; nan if there is none to predict.
        """
        surprise = [-self.log_probability(sequence)[1:] for sequence in sequences]
        known = [part[~np.isnan(part)] for part in surprise]
        count = sum(map(len, known))
        return float(sum(part.sum() for part in known) / count) if count else float("nan")

    def _evidence(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Counts of each base behind its contexts, and of all bases behind them.

        Both (order + 1, L); zero where a context is not wholly known.
        """
        own, total = np.zeros((2, self.order + 1, len(codes)))
        kmer = np.zeros(len(codes), dtype=np.int64)
        whole = np.ones(len(codes), dtype=np.bool_)
        for k, counts in enumerate(self._counts[: len(codes)]):
            whole[:k] = False
            whole[k:] &= codes[: len(codes) - k] != _NO_BASE
            kmer[k:] += codes[: len(codes) - k].astype(np.int64) << 2 * k
            # The four bases behind a context stand together.
            rows = counts.reshape(-1, 4)[kmer[whole] >> 2]
            own[k, whole] = np.take_along_axis(rows, kmer[whole, None] & 3, axis=1)[:, 0]
            total[k, whole] = rows.sum(axis=1)
        return own, total

    def _fit_concentrations(self, sequences: Sequence[Codes], rng: np.random.Generator) -> None:
        from scipy.optimize import minimize

        lengths = np.array([len(sequence) for sequence in sequences])
        own_parts, total_parts = [], []
        for _ in range(_SAMPLED_STRETCHES):
            sequence = sequences[rng.choice(len(sequences), p=lengths / lengths.sum())]
            start = rng.integers(max(1, len(sequence) - _SAMPLED_BASES + 1))
            own, total = self._evidence(sequence[start : start + _SAMPLED_BASES])
            own_parts.append(own)
            total_parts.append(total)
        # Each base left out of its own counts; what is not there stays 0.
        own = np.maximum(np.concatenate(own_parts, axis=1) - 1, 0)
        total = np.maximum(np.concatenate(total_parts, axis=1) - 1, own)

        def loss(log_concentrations: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            concentrations = np.exp(log_concentrations)
            p = _blend(own, total, concentrations)
            gradient = np.zeros(len(concentrations))
            slope = -1 / p[-1]
            for k in reversed(range(len(concentrations))):
                share = concentrations[k] / (total[k] + concentrations[k])
                shorter = p[k - 1] if k else 0.25
                gradient[k] = (slope * share * (shorter - p[k])).mean()
                slope *= share
            return float(-np.log(p[-1]).mean()), gradient

        start_values = np.full(self.order + 1, np.log(100.0))
        bounds = [_LOG_CONCENTRATIONS] * (self.order + 1)
        best = minimize(loss, start_values, jac=True, method="L-BFGS-B", bounds=bounds)
        self.concentrations = np.exp(best.x)


def _blend(
    own: NDArray[np.float64], total: NDArray[np.float64], concentrations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probability of each base by every order, (order + 1, L)."""
    blended = np.empty_like(own)
    shorter: Any = 0.25
    for k, concentration in enumerate(concentrations):
        blended[k] = (own[k] + concentration * shorter) / (total[k] + concentration)
        shorter = blended[k]
    return blended


def _kmers(codes: Codes, k: int) -> Iterator[NDArray[np.int32]]:
    """Numbers of all k-mers of known bases, part by part."""
    for start in range(0, len(codes) - k + 1, _BASES_AT_ONCE):
        part = codes[start : start + _BASES_AT_ONCE + k - 1]
        count = len(part) - k + 1
        kmer = np.zeros(count, dtype=np.int32)
        whole = np.ones(count, dtype=np.bool_)
        for offset in range(k):
            base = part[offset : offset + count]
            kmer = kmer * 4 + base
            whole &= base != _NO_BASE
        yield kmer[whole]


def _other_strand(codes: Codes) -> Codes:
    turned = codes[::-1]
    return np.where(turned == _NO_BASE, turned, 3 - turned).astype(np.uint8)


def _one_label_each(sequences: Sequence[str], labels: ArrayLike) -> NDArray[Any]:
    truth = np.asarray(labels)
    if truth.shape != (len(sequences),) or not len(sequences):
        raise DataError(
            f"one label for each sequence needed, and at least one of them; got {len(sequences)} "
            f"sequences and labels of shape {truth.shape}"
        )
    return truth
