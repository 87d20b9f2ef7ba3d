"""Numbers that say how good predictions are.

:func:`compute_metrics` is the entry; the task decides which numbers come back.  A number that is
not defined on the data at hand, such as an AUROC where all labels are equal, is nan with a warning
and never 0, since 0 would read as a very bad result.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyena_glt.errors import DataError

MetricTask = Literal["single_label", "multi_label", "regression", "token"]
Metrics = dict[str, float]

IGNORED_LABEL = -100
"""Token label that no metric counts, as in PyTorch and Hugging Face."""

_Array = NDArray[Any]
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def compute_metrics(task: MetricTask, labels: ArrayLike, scores: ArrayLike) -> Metrics:
    """Compare predictions with the truth.

    Args:
        task: What is predicted.

            * ``"single_label"``: one class for each sequence.
            * ``"multi_label"``: any number of T labels for each sequence.
            * ``"regression"``: one or T values for each sequence.
            * ``"token"``: one class for each token; label -100 is left out.
        labels: (N,) class numbers from 0; (N, T) of 0 and 1; (N,) or (N, T) values; or (N, L) or
            (M,) class numbers for tokens.
        scores: (N, C) probabilities, or (N,) probabilities of class 1; (N, T) probabilities;
            (N,) or (N, T) values; or (N, L, C) or (M, C) probabilities for tokens.

    Returns:
        The metrics by name.

        * ``single_label``, ``token``: ``accuracy``, ``mcc``, ``f1_macro``, ``auroc``, ``auprc``.
          With more than two classes the last two are the mean over classes, each against the rest.
        * ``multi_label``: ``subset_accuracy`` (all labels of a sequence right), ``f1_micro``,
          ``f1_macro``, and ``auroc`` and ``auprc`` as the mean over labels; threshold 0.5.
        * ``regression``: ``pearson``, ``spearman``, ``r2``, ``rmse``, ``mae``; with T values the
          mean over them.

        Where a mean meets a class that has no value, the mean of the others is given, with a
        warning.

    Raises:
        DataError: If shapes do not fit together, there is nothing to compare, a score is not
            finite, or a label is no class.

    Source:
        MCC for more than two classes: Gorodkin 2004, Computational Biology and Chemistry 28:367.
        It is 0 where all predictions are equal and the labels are not, the limit given by Chicco
        and Jurman 2020, BMC Genomics 21:6.  AUPRC is the average precision, without interpolation.
    """
    truth, predicted = check_predictions(task, labels, scores)
    if task == "multi_label":
        return _multi_label(truth, predicted)
    if task == "regression":
        return _regression(truth, predicted)
    return _single_label(truth, predicted)


def check_predictions(
    task: MetricTask, labels: ArrayLike, scores: ArrayLike
) -> tuple[_Array, _Floats]:
    """Bring labels and scores into the one shape that each task has.

    Args:
        task: As for :func:`compute_metrics`.
        labels: As there.
        scores: As there.

    Returns:
        Labels and scores: (N,) class numbers and (N, C) probabilities, tokens without a label left
        out; (N, T) truth values and probabilities; (N, T) values both.

    Raises:
        DataError: As :func:`compute_metrics` does.
    """
    truth, predicted = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if task == "token":
        truth, predicted = _flatten_tokens(truth, predicted)
    if truth.shape[:1] != predicted.shape[:1]:
        raise DataError(
            f"labels and scores must have one row for each sample, got shapes {truth.shape} and "
            f"{predicted.shape}"
        )
    if truth.size == 0:
        raise DataError("labels are empty: there is nothing to compare")
    if not np.isfinite(predicted).all():
        bad = int(np.argwhere(~np.isfinite(predicted))[0][0])
        raise DataError(f"scores must be finite, row {bad} (0-based) is {predicted[bad]}")
    if task == "multi_label":
        return _check_multi_label(truth, predicted)
    if task == "regression":
        return _check_regression(truth, predicted)
    return _check_single_label(truth, predicted)


def language_modeling_metrics(total_nats: float, num_tokens: int, num_bases: int) -> Metrics:
    """Say how well a language model predicts, per base and per token.

    Bits per base do not depend on the tokenizer, so that models with k-mers and single bases can
    be compared; a uniform guess is 2 for DNA.

    Args:
        total_nats: Cross-entropy summed (not averaged) over the predicted tokens, in nats.
        num_tokens: How many tokens were predicted.
        num_bases: How many bases these tokens stand for.

    Returns:
        ``bits_per_base``, and ``perplexity`` per token (inf where it overflows).

    Raises:
        DataError: If there are no tokens or no bases, or the sum is not finite.
    """
    if num_tokens < 1 or num_bases < 1:
        raise DataError(f"at least 1 token and 1 base needed, got {num_tokens} and {num_bases}")
    if not math.isfinite(total_nats):
        raise DataError(f"total_nats must be finite, got {total_nats}")
    mean = total_nats / num_tokens
    return {
        "bits_per_base": total_nats / math.log(2) / num_bases,
        "perplexity": math.exp(mean) if mean < 700 else math.inf,
    }


def _check_single_label(labels: _Array, scores: _Floats) -> tuple[_Ints, _Floats]:
    if scores.ndim == 1:
        scores = np.stack([1 - scores, scores], axis=1)
    if labels.ndim != 1 or scores.ndim != 2 or scores.shape[1] < 2:
        raise DataError(
            "labels must be (N,) and scores (N, C) with at least 2 classes, got shapes "
            f"{labels.shape} and {scores.shape}"
        )
    return _class_numbers(labels, scores.shape[1]), scores


def _check_multi_label(labels: _Array, scores: _Floats) -> tuple[_Array, _Floats]:
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise DataError(
            f"labels and scores must both be (N, T), got shapes {labels.shape} and {scores.shape}"
        )
    if not np.isin(labels, (0, 1)).all():
        raise DataError("labels must be 0 or 1, with one column for each label")
    return labels.astype(np.bool_), scores


def _check_regression(labels: _Array, scores: _Floats) -> tuple[_Floats, _Floats]:
    truth = np.asarray(labels, dtype=np.float64)
    if truth.size == len(truth) and scores.size == len(scores):
        truth, scores = truth.reshape(-1, 1), scores.reshape(-1, 1)
    if truth.ndim != 2 or truth.shape != scores.shape:
        raise DataError(
            "labels and scores must both be (N,) or (N, T), got shapes "
            f"{truth.shape} and {scores.shape}"
        )
    if not np.isfinite(truth).all():
        raise DataError("labels must be finite")
    return truth, scores


def _single_label(truth: _Ints, scores: _Floats) -> Metrics:
    from sklearn import metrics

    predicted = scores.argmax(axis=1)
    mcc = math.nan
    if len(np.unique(truth)) > 1:
        mcc = float(metrics.matthews_corrcoef(truth, predicted))
    else:
        _warn("mcc", f"all labels are class {truth[0]}")
    chosen = [1] if scores.shape[1] == 2 else range(scores.shape[1])
    one_hot = np.stack([truth == number for number in chosen], axis=1)
    chances = scores[:, list(chosen)]
    return {
        "accuracy": float((predicted == truth).mean()),
        "mcc": mcc,
        "f1_macro": float(metrics.f1_score(truth, predicted, average="macro", zero_division=0)),
        "auroc": _mean_over_columns("auroc", _auroc, one_hot, chances, list(chosen)),
        "auprc": _mean_over_columns("auprc", _auprc, one_hot, chances, list(chosen)),
    }


def _multi_label(truth: _Array, scores: _Floats) -> Metrics:
    predicted = scores >= 0.5
    columns = list(range(truth.shape[1]))
    micro = _f1(truth.ravel(), predicted.ravel())
    if math.isnan(micro):
        _warn("f1_micro", "no label is set and none predicted")
    return {
        "subset_accuracy": float((truth == predicted).all(axis=1).mean()),
        "f1_micro": micro,
        "f1_macro": _mean_over_columns("f1_macro", _f1, truth, predicted, columns),
        "auroc": _mean_over_columns("auroc", _auroc, truth, scores, columns),
        "auprc": _mean_over_columns("auprc", _auprc, truth, scores, columns),
    }


def _regression(truth: _Floats, scores: _Floats) -> Metrics:
    columns = list(range(truth.shape[1]))
    error = scores - truth
    return {
        "pearson": _mean_over_columns("pearson", _pearson, truth, scores, columns),
        "spearman": _mean_over_columns("spearman", _spearman, truth, scores, columns),
        "r2": _mean_over_columns("r2", _r2, truth, scores, columns),
        "rmse": float(np.sqrt((error**2).mean(axis=0)).mean()),
        "mae": float(np.abs(error).mean()),
    }


def _flatten_tokens(labels: _Array, scores: _Floats) -> tuple[_Ints, _Floats]:
    if scores.ndim < 2 or labels.shape != scores.shape[:-1]:
        raise DataError(
            "labels must be (N, L) and scores (N, L, C), or (M,) and (M, C); got shapes "
            f"{labels.shape} and {scores.shape}"
        )
    counted = labels != IGNORED_LABEL
    if not counted.any():
        raise DataError(f"labels are all {IGNORED_LABEL}: there is nothing to compare")
    return labels[counted], scores[counted]


def _class_numbers(labels: _Array, num_classes: int) -> _Ints:
    numbers = labels.astype(np.int64)
    wrong = np.flatnonzero((numbers != labels) | (numbers < 0) | (numbers >= num_classes))
    if wrong.size:
        raise DataError(
            f"labels must be class numbers in [0, {num_classes}), row {wrong[0]} (0-based) is "
            f"{labels[wrong[0]]}"
        )
    return numbers


def _mean_over_columns(
    name: str,
    metric: Callable[[_Array, _Array], float],
    truth: _Array,
    predicted: _Array,
    columns: list[int],
) -> float:
    values = np.array([metric(truth[:, i], predicted[:, i]) for i in range(truth.shape[1])])
    missing = np.isnan(values)
    if missing.all():
        _warn(name, "the labels, or the predictions, do not vary", stacklevel=5)
        return math.nan
    if missing.any():
        left_out = ", ".join(str(columns[i]) for i in np.flatnonzero(missing))
        reason = f"it has no value for column {left_out}; the mean is over the others"
        _warn(name, reason, end="", stacklevel=5)
    return float(values[~missing].mean())


def _auroc(truth: _Array, scores: _Array) -> float:
    from sklearn.metrics import roc_auc_score

    return math.nan if truth.all() or not truth.any() else float(roc_auc_score(truth, scores))


def _auprc(truth: _Array, scores: _Array) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores)) if truth.any() else math.nan


def _f1(truth: _Array, predicted: _Array) -> float:
    counted = int(truth.sum()) + int(predicted.sum())
    return 2 * int((truth & predicted).sum()) / counted if counted else math.nan


def _pearson(truth: _Array, scores: _Array) -> float:
    from scipy.stats import pearsonr

    return float(pearsonr(truth, scores)[0]) if _both_vary(truth, scores) else math.nan


def _spearman(truth: _Array, scores: _Array) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(truth, scores)[0]) if _both_vary(truth, scores) else math.nan


def _r2(truth: _Array, scores: _Array) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(truth, scores)) if np.ptp(truth) > 0 else math.nan


def _both_vary(truth: _Array, scores: _Array) -> bool:
    return bool(np.ptp(truth) > 0 and np.ptp(scores) > 0)


def _warn(name: str, reason: str, *, end: str = " and so it is nan", stacklevel: int = 4) -> None:
    # The level that leads to whoever called compute_metrics.
    warnings.warn(f"{name}: {reason}{end}", RuntimeWarning, stacklevel=stacklevel)
