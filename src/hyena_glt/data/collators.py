"""Sequences of unequal length made into one padded batch.

Axes::

    b  sequences in the batch
    l  tokens of the longest one
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from hyena_glt.config import NUM_SPECIAL_TOKENS
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tasks.losses import IGNORED

MASK_TOKEN_ID = 4


class SequenceCollator:
    """Pad to the longest sequence of the batch, and mask what was padded.

    Args:
        pad_token_id: Id of padding.
        max_length: Most tokens kept of a sequence; None keeps all.
        pad_to_multiple_of: Length of the batch is rounded up to a multiple of it.
        padding_side: ``right`` or ``left``.

    Raises:
        ConfigError: If an argument breaks its rule.

    Example:
        >>> batch = SequenceCollator()([{"input_ids": [8, 9]}, {"input_ids": [8]}])
        >>> batch["attention_mask"].tolist()
        [[1, 1], [1, 0]]
    """

    def __init__(
        self,
        pad_token_id: int = 0,
        max_length: int | None = None,
        pad_to_multiple_of: int = 1,
        padding_side: Literal["right", "left"] = "right",
    ) -> None:
        if padding_side not in {"right", "left"}:
            raise ConfigError(f"padding_side must be right or left, got {padding_side!r}")
        if pad_to_multiple_of < 1:
            raise ConfigError(f"pad_to_multiple_of must be at least 1, got {pad_to_multiple_of}")
        if max_length is not None and max_length < 1:
            raise ConfigError(f"max_length must be at least 1 token or None, got {max_length}")
        self.pad_token_id = pad_token_id
        self.max_length = max_length
        self.pad_to_multiple_of = pad_to_multiple_of
        self.padding_side = padding_side

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Make a batch.

        Args:
            batch: Items of a data set: ``input_ids`` and perhaps ``labels``.

        Returns:
            ``input_ids`` and ``attention_mask`` (b, l), int64; ``labels`` if the items have them:
            (b, l) padded with -100 if there is one per token, else stacked.

        Raises:
            DataError: If the batch is empty, or labels are missing or of unequal lengths.
        """
        if not batch:
            raise DataError("the batch is empty: give at least one sequence")
        rows = [torch.as_tensor(item["input_ids"])[: self.max_length] for item in batch]
        longest = max(len(row) for row in rows)
        width = -(-longest // self.pad_to_multiple_of) * self.pad_to_multiple_of
        collated = {
            "input_ids": self._pad(rows, width, self.pad_token_id),
            "attention_mask": self._pad([torch.ones_like(row) for row in rows], width, 0),
        }
        has_labels = ["labels" in item for item in batch]
        if all(has_labels):
            collated["labels"] = self._labels(batch, width)
        elif any(has_labels):
            raise DataError(
                f"item {has_labels.index(False)} of the batch has no labels, where others have"
            )
        return collated

    def _labels(self, batch: Sequence[dict[str, Any]], width: int) -> Tensor:
        labels = [torch.as_tensor(item["labels"]) for item in batch]
        per_token = all(
            label.dim() == 1
            and not label.is_floating_point()
            and len(label) == len(item["input_ids"])
            for label, item in zip(labels, batch, strict=True)
        )
        if per_token:
            return self._pad([label[: self.max_length] for label in labels], width, IGNORED)
        if len({label.shape for label in labels}) > 1:
            raise DataError(
                f"labels of shapes {', '.join(str(tuple(label.shape)) for label in labels)}: "
                "expected one shape, or one whole number per token"
            )
        return torch.stack(labels)

    def _pad(self, rows: list[Tensor], width: int, value: int) -> Tensor:
        out = torch.full((len(rows), width), value, dtype=torch.long)
        for target, row in zip(out, rows, strict=True):
            if self.padding_side == "right":
                target[: len(row)] = row
            else:
                target[width - len(row) :] = row
        return out


class CausalLanguageModelCollator(SequenceCollator):
    """Pad, and let the tokens be their own labels (the model shifts them)."""

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Make a batch; see :class:`SequenceCollator`.

        Args:
            batch: Items of a data set.
        """
        collated = super().__call__(batch)
        mask = collated["attention_mask"].bool()
        collated["labels"] = collated["input_ids"].masked_fill(~mask, IGNORED)
        return collated


class MaskedLanguageModelCollator(SequenceCollator):
    """Pad, and hide some letters for the model to find.

    Of the chosen tokens 80 % become [MASK], 10 % a random letter or k-mer, 10 % stay.  Special
    tokens, N included, are never chosen.

    Args:
        vocab_size: Tokens of the vocabulary.
        mask_probability: Share of the tokens chosen.
        seed: Of the choice.
        **options: Those of :class:`SequenceCollator`.

    Source: Devlin et al. 2019, arXiv:1810.04805.
    """

    def __init__(
        self, vocab_size: int, mask_probability: float = 0.15, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(**options)
        if not 0 < mask_probability < 1:
            raise ConfigError(f"mask_probability must lie in (0, 1), got {mask_probability}")
        self.vocab_size = vocab_size
        self.mask_probability = mask_probability
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Make a batch; see :class:`SequenceCollator`.

        Args:
            batch: Items of a data set.
        """
        collated = super().__call__(batch)
        ids = collated["input_ids"]
        draw = torch.rand(ids.shape, generator=self.generator)
        chosen = (draw < self.mask_probability) & (ids >= NUM_SPECIAL_TOKENS)
        collated["labels"] = ids.masked_fill(~chosen, IGNORED)
        share = draw / self.mask_probability
        other = torch.randint(
            NUM_SPECIAL_TOKENS, self.vocab_size, ids.shape, generator=self.generator
        )
        hidden = ids.masked_fill(chosen & (share < 0.8), MASK_TOKEN_ID)
        collated["input_ids"] = torch.where(chosen & (share >= 0.9), other, hidden)
        return collated
