"""Predictions and metrics of a model over a loader."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.evaluation.metrics import MetricTask, compute_metrics
from hyena_glt.evaluation.token_metrics import TokenCounts
from hyena_glt.model.modes import inference_mode_of
from hyena_glt.tasks.losses import IGNORED

# Task of a dataset -> task of the metrics.
METRIC_TASKS: dict[str, MetricTask] = {
    "classification": "single_label",
    "multi_label": "multi_label",
    "regression": "regression",
    "token_classification": "token",
}


class Evaluation(NamedTuple):
    """A model's predictions over a data set.

    Attributes:
        loss: Mean loss over what has a label: rows, or tokens; nan without labels.
        metrics: By name; empty without labels.
        labels: As the loader gives them, row after row; for token classification those of the
            tokens that have one; empty without labels and for language modelling.
        scores: Probabilities (values for regression), row after row; for token classification one
            row per labelled token (without labels, per token); empty for language modelling, and
            for token classification if they are not kept.
    """

    loss: float
    metrics: dict[str, float]
    labels: NDArray[Any]
    scores: NDArray[Any]


def probabilities(logits: Tensor, task: str) -> Tensor:
    """Turn logits into what a person reads.

    Args:
        logits: Output of a head.
        task: Task of the data set.
    """
    if task == "regression":
        return logits
    if task == "multi_label":
        return logits.sigmoid()
    return logits.softmax(dim=-1)


def metrics_of(task: str, labels: NDArray[Any], scores: NDArray[Any]) -> dict[str, float]:
    """Metrics of a task's predictions.

    Args:
        task: Task of the data set, one of ``METRIC_TASKS``.
        labels: As the data set numbers them.
        scores: (n, c) probabilities, or (n, t) values for regression.
    """
    if task == "regression" and scores.shape[-1] == 1:
        labels, scores = labels.reshape(-1), scores.reshape(-1)
    return compute_metrics(METRIC_TASKS[task], labels, scores)


@torch.no_grad()
def evaluate(
    model: PreTrainedModel,
    loader: Iterable[dict[str, Tensor]],
    task: str,
    *,
    keep_tokens: bool = True,
) -> Evaluation:
    """Run a model over a loader, in fp32 and inference mode; the mode is restored.

    Args:
        model: A face of the package.
        loader: Batches of ``input_ids``, ``attention_mask`` and, if known, ``labels``.
        task: Task of the data set.
        keep_tokens: Keep labels and scores of every token.  Without, those of token
            classification are counted batch by batch, in memory that does not grow with them.
    """
    per_token = task in {"token_classification", "language_modeling"}
    device = next(model.parameters()).device
    losses: list[tuple[float, int]] = []
    labels: list[NDArray[Any]] = []
    scores: list[NDArray[Any]] = []
    counts: TokenCounts | None = None
    with inference_mode_of(model):
        for batch in loader:
            inputs = {name: value.to(device) for name, value in batch.items()}
            output = model(**inputs)
            truth = batch.get("labels")
            if truth is not None:
                count = int((truth != IGNORED).sum()) if per_token else len(truth)
                losses.append((float(output.loss), count))
            if task == "language_modeling":
                continue
            rows = probabilities(output.logits, task).float().cpu()
            if per_token:
                known = batch["attention_mask"].bool() if truth is None else truth != IGNORED
                rows = rows[known]
                truth = None if truth is None else truth[known]
            if per_token and truth is not None and not keep_tokens:
                counts = counts or TokenCounts(rows.shape[-1])
                counts.add(truth.numpy(), rows.numpy())
                continue
            scores.append(rows.numpy())
            if truth is not None:
                labels.append(truth.numpy())
    all_scores = np.concatenate(scores) if scores else np.empty(0)
    if not losses:
        return Evaluation(float("nan"), {}, np.empty(0), all_scores)
    all_labels = np.concatenate(labels) if labels else np.empty(0)
    total = sum(count for _, count in losses)
    loss = sum(value * count for value, count in losses) / max(1, total)
    if counts is not None:
        metrics = counts.metrics()
    elif task in METRIC_TASKS:
        metrics = metrics_of(task, all_labels, all_scores)
    else:
        metrics = {"bits_per_token": loss / float(np.log(2))}
    return Evaluation(loss, metrics, all_labels, all_scores)
