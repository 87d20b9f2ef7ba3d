"""Whether a label belongs to both strands of a sequence or to the one that is given.

A bound site is bound whichever strand it is written on, so a model should treat a sequence and its
reverse complement alike.  A promoter or a splice site has a direction, and such a model would be
blind to it.  Which of the two a data set is, simple models can tell in seconds.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.errors import DataError

StrandTask = Literal["single_label", "multi_label", "regression"]

BOTH_STRANDS = "k-mers, both strands"
GIVEN_STRAND = "k-mers, given strand"
POSITIONS = "k-mers and positions, given strand"
OTHER_STRAND = "best of the given strand, asked about the other"

_KMER_SIZE = 5
_INVERSE_PENALTIES = (0.01, 0.1)
_MOST_LETTERS = 1_000_000  # of training; more would cost time and change no decision
_RESAMPLES = 200
_COMPLEMENT = str.maketrans("ACGTUacgtu", "TGCAAtgcaa")


class StrandDecision(NamedTuple):
    """What was decided, and on what grounds.

    Attributes:
        strand: ``"both"`` or ``"forward"``, the strand as given.
        scores: MCC (Spearman's correlation for values) on the validation set, by model.
        reason: One sentence for people.
    """

    strand: Literal["both", "forward"]
    scores: dict[str, float]
    reason: str


def choose_strand(
    train: tuple[Sequence[str], ArrayLike],
    validation: tuple[Sequence[str], ArrayLike],
    *,
    task: StrandTask = "single_label",
    seed: int = 0,
) -> StrandDecision:
    """Decide whether a label belongs to both strands.

    Linear models on k-mers are trained: one that cannot tell the strands apart, and others that
    can (with the base at each position too, where all sequences have one length).  The label is
    given to the one strand only if, on the validation set, the best model that knows the strand

    * gets worse by more than three standard errors when it reads the other strand, and
    * beats the model that does not know the strand.

    The first alone is not enough: sequences may be turned alike by whoever prepared them, while
    the label does not depend on it.

    Args:
        train: DNA sequences and their labels: (N,) classes, (N, T) of 0 and 1, or (N,) values.
        validation: The same for other sequences, at least two.
        task: What the labels are.
        seed: Seed of the samples that measure chance.

    Returns:
        The decision, with the figures.

    Raises:
        DataError: If sequences and labels do not fit together.
    """
    rng = np.random.default_rng(seed)
    sequences, truth = _sample(*train, task, rng)
    held_out, held_out_truth = _sample(*validation, task, rng)
    turned = [sequence[::-1].translate(_COMPLEMENT) for sequence in held_out]
    options = {BOTH_STRANDS: (True, False), GIVEN_STRAND: (False, False)}
    if len({len(sequence) for sequence in (*sequences, *held_out)}) == 1:
        options[POSITIONS] = (False, True)
    results = {
        name: _predictions(sequences, truth, held_out, held_out_truth, turned, task, *option)
        for name, option in options.items()
    }
    scores = {name: _agreement(task, held_out_truth, both[0]) for name, both in results.items()}
    best = max((name for name in results if name != BOTH_STRANDS), key=scores.__getitem__)
    as_given, as_turned = results[best]
    scores[OTHER_STRAND] = _agreement(task, held_out_truth, as_turned)
    error = _standard_error(task, held_out_truth, as_given, as_turned, rng)
    loss = scores[best] - scores[OTHER_STRAND]
    gain = scores[best] - scores[BOTH_STRANDS]
    measure = "Spearman's correlation" if task == "regression" else "MCC"
    reason = (
        f"validation {measure} {scores[best]:.3f} ({best}) against {scores[BOTH_STRANDS]:.3f} "
        f"({BOTH_STRANDS}) and {scores[OTHER_STRAND]:.3f} (read from the other strand)"
    )
    if gain <= 0:
        return StrandDecision("both", scores, f"the strand does not matter: {reason}")
    if loss <= 3 * error:
        reason += f", too close to the first for {len(held_out):,} sequences"
        return StrandDecision("both", scores, f"it is not sure that the strand matters: {reason}")
    return StrandDecision("forward", scores, f"the strand matters: {reason}")


def _sample(
    sequences: Sequence[str], labels: ArrayLike, task: StrandTask, rng: np.random.Generator
) -> tuple[list[str], NDArray[Any]]:
    truth = np.asarray(labels)
    if len(truth) != len(sequences) or truth.ndim != 1 + (task == "multi_label"):
        raise DataError(
            f"labels of task {task!r} do not fit: {len(sequences)} sequences, labels of shape "
            f"{truth.shape}"
        )
    if len(sequences) < 2:
        raise DataError(f"two sequences needed at least, got {len(sequences)}")
    order = rng.permutation(len(sequences))
    letters = np.cumsum([len(sequences[row]) for row in order])
    chosen = order[: max(2, int(np.searchsorted(letters, _MOST_LETTERS)))]
    return [sequences[row] for row in chosen], truth[chosen]


def _predictions(
    sequences: Sequence[str],
    truth: NDArray[Any],
    held_out: Sequence[str],
    held_out_truth: NDArray[Any],
    turned: Sequence[str],
    task: StrandTask,
    both_strands: bool,
    positional: bool,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Train with the best penalty; predict the validation set as given and turned."""
    from hyena_glt.evaluation.kmers import sequence_features

    fit_features, given, other = (
        sequence_features(
            some, kmer_size=_KMER_SIZE, both_strands=both_strands, positional=positional
        )
        for some in (sequences, held_out, turned)
    )
    tried = [
        _fit_predict(task, inverse_penalty, fit_features, truth, given, other)
        for inverse_penalty in _INVERSE_PENALTIES
    ]
    return max(tried, key=lambda both: _agreement(task, held_out_truth, both[0]))


def _fit_predict(
    task: StrandTask,
    inverse_penalty: float,
    features: Any,
    truth: NDArray[Any],
    given: Any,
    other: Any,
) -> tuple[NDArray[Any], NDArray[Any]]:
    from sklearn.linear_model import LogisticRegression, Ridge

    columns = []
    for column in truth.T if truth.ndim == 2 else [truth]:
        if task == "regression":
            model = Ridge(alpha=1 / inverse_penalty)
        elif len(np.unique(column)) > 1:
            model = LogisticRegression(C=inverse_penalty, max_iter=2000)
        else:
            columns.append((np.full(given.shape[0], column[0]), np.full(other.shape[0], column[0])))
            continue
        model.fit(features, column)
        columns.append((model.predict(given), model.predict(other)))
    as_given, as_turned = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
    if truth.ndim == 1:
        return as_given[:, 0], as_turned[:, 0]
    return as_given, as_turned


def _agreement(task: StrandTask, truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """MCC, its mean over labels, or Spearman's correlation; 0 where they do not vary."""
    from scipy.stats import spearmanr
    from sklearn.metrics import matthews_corrcoef

    if task == "multi_label":
        pairs = zip(truth.T, predicted.T, strict=True)
        return float(np.mean([_agreement("single_label", *pair) for pair in pairs]))
    if len(np.unique(truth)) < 2 or len(np.unique(predicted)) < 2:
        return 0.0
    if task == "regression":
        return float(spearmanr(truth, predicted)[0])
    return float(matthews_corrcoef(truth, predicted))


def _standard_error(
    task: StrandTask,
    truth: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
    rng: np.random.Generator,
) -> float:
    """Bootstrap the difference of two agreements over the same rows."""
    differences = []
    for _ in range(_RESAMPLES):
        rows = rng.integers(len(truth), size=len(truth))
        differences.append(
            _agreement(task, truth[rows], first[rows]) - _agreement(task, truth[rows], second[rows])
        )
    return float(np.std(differences))
