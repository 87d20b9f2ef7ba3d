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
from hyena_glt.data.masking import (
    choose,
    patch_units,
    random_letters,
    started_units,
    token_units,
)
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
            batch: Items of a data set: ``input_ids`` and perhaps ``labels``, ``quality_scores``
                (one per token) and ``modality_ids`` (one per sequence or per token).

        Returns:
            ``input_ids`` and ``attention_mask`` (b, l), int64; and what the items have of
            ``labels``: (b, l) padded with -100 if there is one per token, else stacked;
            ``quality_scores``: (b, l) Phred, 0 on padding; ``modality_ids``: (b,), or (b, l) with 0
            on padding if an item has one per token.

        Raises:
            DataError: If the batch is empty, some items lack what others have, or there is not one
                value per token where there should be.
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
        if _all_have(batch, "labels"):
            collated["labels"] = self._labels(batch, width)
        if _all_have(batch, "quality_scores"):
            collated["quality_scores"] = self._per_token(batch, "quality_scores", width)
        if _all_have(batch, "modality_ids"):
            if all(torch.as_tensor(item["modality_ids"]).dim() == 0 for item in batch):
                collated["modality_ids"] = torch.tensor(
                    [int(item["modality_ids"]) for item in batch]
                )
            else:
                collated["modality_ids"] = self._per_token(batch, "modality_ids", width)
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

    def _per_token(self, batch: Sequence[dict[str, Any]], name: str, width: int) -> Tensor:
        """One value per token, (b, l); a single value of a sequence counts for all its tokens."""
        rows = []
        for number, item in enumerate(batch):
            row, tokens = torch.as_tensor(item[name]), len(item["input_ids"])
            if name == "modality_ids" and row.dim() == 0:
                row = row.expand(tokens)
            if row.shape != (tokens,):
                raise DataError(
                    f"item {number} of the batch: {name} of shape {tuple(row.shape)} for "
                    f"{tokens} tokens; expected one per token"
                )
            rows.append(row[: self.max_length])
        return self._pad(rows, width, 0)

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

    Of the chosen tokens 80 % become [MASK], 10 % a random letter or k-mer, 10 % stay; spans and
    patches share one fate.  Special tokens, N included, are never chosen.

    Args:
        vocab_size: Tokens of the vocabulary.
        mask_probability: Share of the tokens chosen.
        seed: Of the choice.
        mean_span: Mean length of the spans that are chosen, in tokens, or in patches if aligned to
            them; lengths are geometric.  1 chooses each token (patch) by itself.
        align_to_patches: Choose whole patches: of so many tokens each, counted from the first
            token of the sequence; or ``starts``: those of the items' ``patch_starts`` (l,), True on
            the first token of each.  None chooses tokens.
        letter_ranges: For a joint vocabulary the ids of each modality's letters, first and one
            past the last: ``GenomicTokenizer().letter_ranges``.  A random letter is then one of
            the same modality.
        **options: Those of :class:`SequenceCollator`.

    Raises:
        ConfigError: If an argument breaks its rule.

    Source: Devlin et al. 2019, arXiv:1810.04805.
    """

    def __init__(
        self,
        vocab_size: int,
        mask_probability: float = 0.15,
        seed: int = 0,
        *,
        mean_span: float = 1,
        align_to_patches: int | Literal["starts"] | None = None,
        letter_ranges: Sequence[tuple[int, int]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not 0 < mask_probability < 1:
            raise ConfigError(f"mask_probability must lie in (0, 1), got {mask_probability}")
        shortest = max(1.0, mask_probability / (1 - mask_probability))
        if mean_span != 1 and mean_span <= shortest:
            raise ConfigError(
                f"mean_span must be 1, or more than {shortest:g} at "
                f"mask_probability={mask_probability}, got {mean_span}"
            )
        if isinstance(align_to_patches, int):
            if align_to_patches < 1:
                raise ConfigError(
                    f"align_to_patches must be at least 1 token, got {align_to_patches}"
                )
        elif align_to_patches not in {None, "starts"}:
            raise ConfigError(
                "align_to_patches must be a number of tokens, 'starts' or None, "
                f"got {align_to_patches!r}"
            )
        self.vocab_size = vocab_size
        self.mask_probability = mask_probability
        self.mean_span = mean_span
        self.align_to_patches = align_to_patches
        self.letter_ranges = _checked_ranges(letter_ranges, vocab_size)
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Make a batch; see :class:`SequenceCollator`.

        Args:
            batch: Items of a data set.

        Raises:
            DataError: If the patches' starts are asked for and an item has none.
        """
        collated = super().__call__(batch)
        ids = collated["input_ids"]
        units = self._units(batch, collated["attention_mask"])
        choice = choose(units, self.mask_probability, self.mean_span, self.generator)
        chosen = choice.chosen & (ids >= NUM_SPECIAL_TOKENS)
        collated["labels"] = ids.masked_fill(~chosen, IGNORED)
        other = random_letters(ids, self.letter_ranges, self.generator)
        hidden = ids.masked_fill(chosen & (choice.draw < 0.8), MASK_TOKEN_ID)
        collated["input_ids"] = torch.where(chosen & (choice.draw >= 0.9), other, hidden)
        return collated

    def _units(self, batch: Sequence[dict[str, Any]], mask: Tensor) -> Tensor:
        if self.align_to_patches is None:
            return token_units(mask)
        if isinstance(self.align_to_patches, int):
            return patch_units(mask, self.align_to_patches)
        for number, item in enumerate(batch):
            if "patch_starts" not in item:
                raise DataError(
                    f"item {number} of the batch has no patch_starts, "
                    "which align_to_patches='starts' needs"
                )
        return started_units(self._per_token(batch, "patch_starts", mask.shape[1]))


class MultiModalCollator(SequenceCollator):
    """Pad DNA, RNA and proteins into one batch, and see that each has its own tokens.

    Args:
        letter_ranges: Ids of each modality's letters, first and one past the last, in the order of
            the modalities' numbers: ``GenomicTokenizer().letter_ranges``.
        **options: Those of :class:`SequenceCollator`.

    Raises:
        ConfigError: If a range is empty or holds a special token.

    Example:
        >>> collator = MultiModalCollator([(8, 12), (12, 16)])
        >>> dna = {"input_ids": [8, 9], "modality_ids": 0}
        >>> rna = {"input_ids": [12], "modality_ids": 1}
        >>> collator([dna, rna])["modality_ids"].tolist()
        [0, 1]
    """

    def __init__(self, letter_ranges: Sequence[tuple[int, int]], **options: Any) -> None:
        super().__init__(**options)
        self.letter_ranges = _checked_ranges(letter_ranges, None)

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Make a batch; see :class:`SequenceCollator`.

        Args:
            batch: Items of a data set, each with ``modality_ids``.

        Raises:
            DataError: If an item does not say its modality, the number is none of a modality, or a
                token belongs to another modality.
        """
        collated = super().__call__(batch)
        if "modality_ids" not in collated:
            raise DataError("the items of the batch have no modality_ids")
        modality = collated["modality_ids"].view(len(batch), -1)
        count = len(self.letter_ranges)
        unknown = (modality < -1) | (modality >= count)
        if bool(unknown.any()):
            raise DataError(
                f"modality_ids must lie in [0, {count}), or be -1 on special tokens; "
                f"got {int(modality[unknown][0])}"
            )
        # The last row is that of -1.
        start, stop = torch.tensor([*self.letter_ranges, (0, 0)])[modality].unbind(dim=-1)
        ids = collated["input_ids"]
        foreign = (ids >= NUM_SPECIAL_TOKENS) & ((ids < start) | (ids >= stop))
        if bool(foreign.any()):
            row, column = (int(place) for place in foreign.nonzero()[0])
            raise DataError(
                f"item {row} of the batch: token {int(ids[row, column])} is not one of modality "
                f"{int(modality.expand_as(ids)[row, column])}; was it made by another tokenizer?"
            )
        return collated


def _all_have(batch: Sequence[dict[str, Any]], name: str) -> bool:
    have = [name in item for item in batch]
    if any(have) and not all(have):
        raise DataError(f"item {have.index(False)} of the batch has no {name}, where others have")
    return all(have)


def _checked_ranges(
    ranges: Sequence[tuple[int, int]] | None, vocab_size: int | None
) -> list[tuple[int, int]]:
    """Ranges of ids as given, or the one range of a vocabulary of one modality."""
    if ranges is None:
        assert vocab_size is not None
        return [(NUM_SPECIAL_TOKENS, vocab_size)]
    for start, stop in ranges:
        if not NUM_SPECIAL_TOKENS <= start < stop or (vocab_size is not None and stop > vocab_size):
            limit = "" if vocab_size is None else f" and end at {vocab_size} at most"
            raise ConfigError(
                f"letter_ranges must begin at {NUM_SPECIAL_TOKENS} or later, hold an id{limit}; "
                f"got ({start}, {stop})"
            )
    return [(int(start), int(stop)) for start, stop in ranges]
