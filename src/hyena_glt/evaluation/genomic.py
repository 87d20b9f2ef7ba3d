"""One call that scores a model on the tasks it was made for.

Each task is one pass over the test data; the figures are those of scikit-learn.  Confidence
intervals, tables and calibration: :mod:`~hyena_glt.evaluation.detailed`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import N_TOKEN_ID, NUM_SPECIAL_TOKENS
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.evaluator import evaluate
from hyena_glt.evaluation.metrics import language_modeling_metrics
from hyena_glt.model.modes import inference_mode_of
from hyena_glt.tasks.losses import IGNORED

EVALUATED_TASKS = (
    "classification", "multi_label", "token_classification", "regression", "language_modeling",
)  # fmt: skip

Batches = Iterable[dict[str, Tensor]]


def evaluate_genomic_model(
    model: PreTrainedModel, test_loader: Batches | Mapping[str, Batches], tasks: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Score a model on each of several tasks.

    It runs in inference mode and fp32; the mode is restored.

    Args:
        model: A face of the package, or a :class:`~hyena_glt.model.hyena_glt.HyenaGLT` with a head.
        test_loader: Batches with ``labels``, arguments of the model.  Tasks with labels of their
            own have loaders of their own: a dictionary by task.
        tasks: Any of ``classification``, ``multi_label``, ``token_classification``, ``regression``
            and ``language_modeling``.

    Returns:
        Figures by task and name.

        * ``classification``, ``token_classification``: ``accuracy``, ``f1``, ``precision``,
          ``recall``, the last three as the mean over the classes, weighted by how many samples
          have them; a class that is never predicted has precision 0, as scikit-learn counts it.
          Besides ``mcc``, ``f1_macro``, ``auroc``, ``auprc``.  Tokens labelled -100 do not count.
        * ``multi_label``: the same four, of which ``accuracy`` is the share of sequences with all
          labels right, and those of
          :func:`~hyena_glt.evaluation.metrics.compute_metrics`.
        * ``regression``: ``pearson``, ``spearman``, ``r2``, ``rmse``, ``mae``.
        * ``language_modeling``: ``accuracy`` of the most probable token, ``perplexity`` and
          ``bits_per_token``, and ``bits_per_base``, which does not depend on the tokenizer.

        What is not defined on the data, such as the AUROC of one class alone, is nan, with a
        warning.

    Raises:
        ConfigError: If a task does not exist, has no loader, or is ``motif_discovery``, which needs
            known motifs:
            :func:`~hyena_glt.interpretability.motif_quality.evaluate_motif_quality`.
        DataError: If a loader has no batch or no labels, or the labels do not fit the model.

    Source: Technical Guide, "Model Evaluation".
    """
    loaders = _loaders(test_loader, tasks)
    return {task: _scored(model, loader, task) for task, loader in loaders.items()}


def _loaders(
    test_loader: Batches | Mapping[str, Batches], tasks: Sequence[str]
) -> dict[str, Batches]:
    """The loader of each task; faults are named before anything runs."""
    if isinstance(tasks, str):
        raise ConfigError(f"tasks must be a list, such as [{tasks!r}], got {tasks!r}")
    loaders: dict[str, Batches] = {}
    for task in tasks:
        if task == "motif_discovery":
            raise ConfigError(
                "tasks: motif_discovery needs sequences and known motifs, not a loader; use "
                "evaluate_motif_quality (hyena_glt.interpretability.motif_quality)"
            )
        if task not in EVALUATED_TASKS:
            raise ConfigError(f"tasks: {task!r} does not exist; use {', '.join(EVALUATED_TASKS)}")
        if not isinstance(test_loader, Mapping):
            loaders[task] = test_loader
        elif task in test_loader:
            loaders[task] = test_loader[task]
        else:
            raise ConfigError(
                f"test_loader: none for {task}; there are {', '.join(test_loader) or 'none'}"
            )
    return loaders


def _scored(model: PreTrainedModel, loader: Batches, task: str) -> dict[str, float]:
    if task == "language_modeling":
        return _language_modeling(model, loader)
    found = evaluate(model, loader, task)
    if not found.labels.size:
        what = "a batch" if not found.scores.size else "labels"
        raise DataError(f"test_loader: {task} needs {what}, and there is none")
    if task == "regression":
        return found.metrics
    if task == "multi_label":
        predicted: NDArray[Any] = (found.scores >= 0.5).astype(np.int64)
        truth = found.labels.astype(np.int64)
        accuracy = found.metrics["subset_accuracy"]
    else:
        predicted, truth = found.scores.argmax(axis=1), found.labels
        accuracy = found.metrics["accuracy"]
    return {"accuracy": accuracy, **_weighted(truth, predicted), **found.metrics}


def _weighted(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    from sklearn.metrics import precision_recall_fscore_support

    if not truth.any() and truth.ndim == 2:
        # No label is set anywhere: there is nothing to weigh by.
        return dict.fromkeys(("f1", "precision", "recall"), math.nan)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, average="weighted", zero_division=0
    )
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall)}


@torch.no_grad()
def _language_modeling(model: PreTrainedModel, loader: Batches) -> dict[str, float]:
    config: Any = model.config
    device = next(model.parameters()).device
    nats, tokens, bases, right = 0.0, 0, 0, 0
    with inference_mode_of(model):
        for batch in loader:
            if "labels" not in batch:
                raise DataError("test_loader: language_modeling needs labels, and there are none")
            inputs = {name: value.to(device) for name, value in batch.items()}
            output = model(**inputs)
            truth, logits = inputs["labels"], output.logits
            if config.causal:  # what stands at t is about t + 1
                truth, logits = truth[:, 1:], logits[:, :-1]
            counted = truth != IGNORED
            ids = truth[counted]
            nats += float(output.loss) * len(ids)
            tokens += len(ids)
            bases += _bases(ids, config)
            right += int((logits[counted].argmax(dim=-1) == ids).sum())
    if not tokens:
        raise DataError("test_loader: language_modeling needs labels, and no token has one")
    return {
        "accuracy": right / tokens,
        "bits_per_token": nats / math.log(2) / tokens,
        **language_modeling_metrics(nats, tokens, bases),
    }


def _bases(ids: Tensor, config: Any) -> int:
    """Bases (or amino acids) that tokens stand for: single letters come before the k-mers."""
    letters = int(((ids >= NUM_SPECIAL_TOKENS) | (ids == N_TOKEN_ID)).sum())
    kmers = int((ids >= NUM_SPECIAL_TOKENS + config.num_letters).sum())
    return letters + kmers * (config.bases_per_token - 1)
