"""What a model says of a window that holds an allele: one way per kind of model.

Each kind is shown token ids and gives numbers; the effect of a variant is the difference of those
numbers between its two alleles.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import NUM_SPECIAL_TOKENS
from hyena_glt.data.collators import MASK_TOKEN_ID
from hyena_glt.errors import ConfigError
from hyena_glt.model.faces import (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
)
from hyena_glt.tasks.losses import MULTI_LABEL, REGRESSION

_NO_KEY = re.compile(r"[^0-9A-Za-z_.]+")


class ScoreColumn(NamedTuple):
    """A number that every scored allele gets.

    Attributes:
        name: Letters, digits, dots and underscores, as VCF allows.
        meaning: One sentence for the header of a file.
    """

    name: str
    meaning: str


class Reading(NamedTuple):
    """A window with one allele on one strand.

    Attributes:
        ids: (l,) token ids.
        first: First token that the allele touches.
        until: Behind the last one.
    """

    ids: NDArray[np.int64]
    first: int
    until: int


class Method(Protocol):
    """What a kind of model gives for a window."""

    @property
    def columns(self) -> Sequence[ScoreColumn]:
        """The numbers, in order."""

    @property
    def shows_alleles(self) -> bool:
        """Whether the model is shown the allele."""

    def shown(self, reading: Reading) -> NDArray[np.int64]:
        """Token ids that the model is shown.

        Args:
            reading: The window.
        """

    def read(self, logits: Tensor, reading: Reading) -> Tensor:
        """The numbers, float64.

        Args:
            logits: Of this window alone.
            reading: The window.
        """


def method_for(model: PreTrainedModel) -> Method:
    """The method that suits a model.

    Args:
        model: A language model, or one with a head for whole sequences.

    Raises:
        ConfigError: If it is neither.
    """
    if isinstance(model, HyenaGLTForCausalLM):
        return _Causal()
    if isinstance(model, HyenaGLTForMaskedLM):
        return _Masked()
    if isinstance(model, HyenaGLTForSequenceClassification):
        return _Head(model.config)
    raise ConfigError(
        "variants are scored by language models and by models with a head for whole sequences, "
        f"got {type(model).__name__}"
    )


class _Causal:
    """Log-likelihood from the allele to the end of the window."""

    columns = (
        ScoreColumn(
            "HGLT_LLR",
            "Log-likelihood of the window with ALT minus that with REF, nats, causal model",
        ),
    )
    shows_alleles = True

    def shown(self, reading: Reading) -> NDArray[np.int64]:
        return reading.ids

    def read(self, logits: Tensor, reading: Reading) -> Tensor:
        # The window's first token has no context; in either window it counts the same.
        first = max(1, reading.first)
        return _log_likelihood(logits[first - 1 : len(reading.ids) - 1], reading.ids[first:])


class _Masked:
    """Log-likelihood of hidden letters at the place of the allele."""

    columns = (
        ScoreColumn(
            "HGLT_LLR",
            "Log-likelihood of hidden ALT minus that of hidden REF (masked marginal), nats",
        ),
    )
    shows_alleles = False

    def shown(self, reading: Reading) -> NDArray[np.int64]:
        ids = reading.ids.copy()
        ids[reading.first : reading.until] = MASK_TOKEN_ID
        return ids

    def read(self, logits: Tensor, reading: Reading) -> Tensor:
        own = slice(reading.first, reading.until)
        return _log_likelihood(logits[own], reading.ids[own])


class _Head:
    """Logits and probabilities, or values, of a head."""

    shows_alleles = True

    def __init__(self, config: Any) -> None:
        self._kind = config.problem_type
        names = [str(config.id2label[number]) for number in range(config.num_labels)]
        if self._kind == REGRESSION:
            kinds = {"DELTA": "Value with ALT minus that with REF"}
        else:
            kinds = {
                "DLOGIT": "Log odds with ALT minus those with REF",
                "DPROB": "Probability with ALT minus that with REF",
            }
        # The first of two classes says what the second does.
        self._first = 1 if self._kind not in {REGRESSION, MULTI_LABEL} and len(names) == 2 else 0
        names = names[self._first :]
        endings = [""] if len(names) == 1 else [f"_{key}" for key in _keys(names)]
        self.columns = tuple(
            ScoreColumn(f"HGLT_{kind}{ending}", f"{meaning}, {name}")
            for kind, meaning in kinds.items()
            for ending, name in zip(endings, names, strict=True)
        )

    def shown(self, reading: Reading) -> NDArray[np.int64]:
        return reading.ids

    def read(self, logits: Tensor, reading: Reading) -> Tensor:
        logits = logits.double()
        if self._kind == REGRESSION:
            return logits
        if self._kind == MULTI_LABEL:
            return torch.cat([logits, logits.sigmoid()])
        odds = [
            logits[number] - torch.cat([logits[:number], logits[number + 1 :]]).logsumexp(dim=0)
            for number in range(self._first, len(logits))
        ]
        return torch.cat([torch.stack(odds), logits.softmax(dim=-1)[self._first :]])


def _log_likelihood(logits: Tensor, ids: NDArray[np.int64]) -> Tensor:
    """Sum over the letters, (1,); N and the like do not count."""
    truth = torch.from_numpy(ids).to(logits.device)
    values = logits.double().log_softmax(dim=-1).gather(1, truth.unsqueeze(1)).squeeze(1)
    return values[truth >= NUM_SPECIAL_TOKENS].sum().unsqueeze(0)


def _keys(names: Sequence[str]) -> list[str]:
    """Names as parts of a VCF key, all different."""
    keys = [_NO_KEY.sub("_", name) for name in names]
    if len(set(keys)) < len(keys):
        keys = [f"{key}_{number}" for number, key in enumerate(keys)]
    return keys
