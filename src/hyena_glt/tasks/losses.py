"""The loss of each kind of task.

Axes::

    b  sequences
    l  tokens
    c  labels
    v  vocabulary
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from hyena_glt.errors import DataError

REGRESSION = "regression"
SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"

IGNORED = -100


def infer_problem_type(num_labels: int, labels: Tensor) -> str:
    """Kind of a sequence-level task, from its labels.

    Args:
        num_labels: Outputs of the head.
        labels: Whole numbers of shape (b,): classes.  Floats of shape (b, c) with several labels:
            multi-label.  Anything with one output: regression.
    """
    if num_labels == 1:
        return REGRESSION
    return MULTI_LABEL if labels.is_floating_point() and labels.dim() == 2 else SINGLE_LABEL


def sequence_loss(
    logits: Float[Tensor, "b c"], labels: Tensor, problem_type: str | None
) -> Float[Tensor, ""]:
    """Loss of a sequence-level task: cross-entropy, binary cross-entropy or squared error.

    Args:
        logits: Output of the head.
        labels: See :func:`infer_problem_type`.
        problem_type: Kind of the task; None infers it.

    Raises:
        DataError: If a class does not exist or the shapes do not fit.
    """
    kind = problem_type or infer_problem_type(logits.shape[1], labels)
    if kind == REGRESSION:
        target = labels.to(logits.dtype).view(labels.shape[0], -1)
        if target.shape != logits.shape:
            raise DataError(
                f"labels: regression with {logits.shape[1]} outputs needs shape "
                f"{tuple(logits.shape)}, got {tuple(labels.shape)}"
            )
        return F.mse_loss(logits, target)
    if kind == MULTI_LABEL:
        if labels.shape != logits.shape:
            raise DataError(
                f"labels: multi-label needs shape {tuple(logits.shape)}, got {tuple(labels.shape)}"
            )
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    _check_classes(labels, logits.shape[1])
    return F.cross_entropy(logits, labels)


def token_loss(logits: Float[Tensor, "b l c"], labels: Int[Tensor, "b l"]) -> Float[Tensor, ""]:
    """Mean cross-entropy over the tokens whose label is not -100; zero if there is none.

    Args:
        logits: Predictions, one row per token.
        labels: Classes.
    """
    _check_classes(labels[labels != IGNORED], logits.shape[-1])
    if not bool((labels != IGNORED).any()):
        return logits.sum() * 0.0
    return F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED)


def causal_loss(logits: Float[Tensor, "b l v"], labels: Int[Tensor, "b l"]) -> Float[Tensor, ""]:
    """Mean cross-entropy of each token given those before it, in nats.

    Args:
        logits: Predictions; those at t are about token t + 1.
        labels: Token ids, not shifted; -100 is left out.
    """
    return token_loss(logits[:, :-1], labels[:, 1:])


def _check_classes(labels: Tensor, num_labels: int) -> None:
    if labels.numel() and not (int(labels.min()) >= 0 and int(labels.max()) < num_labels):
        worst = int(labels.max()) if int(labels.max()) >= num_labels else int(labels.min())
        raise DataError(f"labels: class {worst} does not exist; expected [0, {num_labels})")
