"""One number per sequence, of models that say something of every base.

Attribution explains one number.  These wrap a model so that it gives one: the log-likelihood of a
stretch, or the log-odds of a class over its bases.  The bases around the stretch are part of the
wrapper: the model reads them, and nobody changes them.

Axes::

    n  sequences          l  letters of the stretch
"""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.model.hyena_glt import HyenaGLT, trunk_of


class _Objective(nn.Module):
    """What the wrappers share: the model, and the bases around the stretch.

    Args:
        model: Predicts something for every token.
        left: (a,) token ids before the stretch.
        right: (b,) token ids behind it.
    """

    def __init__(self, model: PreTrainedModel, left: Tensor, right: Tensor) -> None:
        super().__init__()
        self.face = model
        self.config = model.config
        self.left = left
        self.right = right

    @property
    def model(self) -> HyenaGLT:
        """The model without its head."""
        return trunk_of(self.face)

    def _run(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """All token ids, and the logits of all of them."""
        rows = ids.shape[0]
        parts = [self.left.expand(rows, -1), ids, self.right.expand(rows, -1)]
        whole = torch.cat(parts, dim=1)
        output: Any = self.face(input_ids=whole)
        return whole, output.logits


class StretchLikelihood(_Objective):
    """Log-likelihood of a stretch and of what follows it, in nats, by a causal language model.

    Args:
        model: A causal language model.
        left: (a,) token ids before the stretch.
        right: (b,) token ids behind it.
    """

    def forward(self, input_ids: Tensor) -> Any:
        """Score sequences.

        Args:
            input_ids: (n, l) token ids.

        Returns:
            ``logits`` of shape (n, 1).
        """
        whole, logits = self._run(input_ids)
        truth = whole[:, 1:].unsqueeze(2)
        found = logits[:, :-1].log_softmax(dim=-1).gather(2, truth).squeeze(2)
        known = found[:, max(0, len(self.left) - 1) :]
        return SimpleNamespace(logits=known.sum(dim=1, keepdim=True))


class ClassOfStretch(_Objective):
    """Log-odds of a class against all others, as the mean over the bases of a stretch.

    Args:
        model: A token-classification model.
        output: Number of the class.
        left: (a,) token ids before the stretch.
        right: (b,) token ids behind it.
    """

    def __init__(self, model: PreTrainedModel, output: int, left: Tensor, right: Tensor) -> None:
        super().__init__(model, left, right)
        self.output = output

    def forward(self, input_ids: Tensor) -> Any:
        """Score sequences.

        Args:
            input_ids: (n, l) token ids.

        Returns:
            ``logits`` of shape (n, 1).
        """
        _, logits = self._run(input_ids)
        own = logits[:, len(self.left) : logits.shape[1] - len(self.right)].float()
        others = torch.arange(own.shape[2], device=own.device) != self.output
        odds = own[..., self.output] - own[..., others].logsumexp(dim=-1)
        return SimpleNamespace(logits=odds.mean(dim=1, keepdim=True))
