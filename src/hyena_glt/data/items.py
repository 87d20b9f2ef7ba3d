"""From the letters of one sequence to what a collator takes: ids, labels, qualities, modality."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data._utils.collate import default_collate_fn_map

from hyena_glt.biology.alphabet import DNA
from hyena_glt.config import MODALITIES
from hyena_glt.data.augmentation import Augmentation
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.data.stored_records import StoredRecord
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tasks.losses import IGNORED
from hyena_glt.tokenizers.genomic import GenomicTokenizer
from hyena_glt.tokenizers.kmers import SPECIAL_IDS

_NO_QUALITY = 255
_LONGEST_TOKEN = max(map(len, SPECIAL_IDS))
_LONGEST_CHECKED = 1_000_000  # letters


class Item(dict[str, Any]):
    """What a data set knows of one sequence; a plain ``DataLoader`` pads a batch of them."""


def _pad(batch: list[Item], *, collate_fn_map: Any = None) -> dict[str, torch.Tensor]:
    return SequenceCollator()(batch)


# The guide hands a data set to a DataLoader without a collator; by default PyTorch can stack
# nothing but sequences of one length.
default_collate_fn_map[Item] = _pad


class ItemMaker:
    """Turns records into items of a data set.

    Args:
        tokenizer: One of this package's tokenizers.
        max_length: Most tokens kept of a sequence; None keeps all.
        modality: ``dna``, ``rna`` or ``protein``, for records that do not say; used with a
            ``GenomicTokenizer`` only.
        augment: Changes each sequence before it is tokenised; of several molecules together, only
            those it is meant for.

    Raises:
        ConfigError: If an argument breaks its rule, or ``augment`` is for another molecule.

    Attributes:
        has_cut: Whether any item was longer than ``max_length``.
    """

    def __init__(
        self,
        tokenizer: Any,
        max_length: int | None,
        modality: str | None = None,
        augment: Augmentation | None = None,
    ) -> None:
        if max_length is not None and max_length < 1:
            raise ConfigError(f"max_length must be at least 1 token or None, got {max_length}")
        if modality is not None and modality not in MODALITIES:
            raise ConfigError(f"modality must be one of {', '.join(MODALITIES)}, got {modality!r}")
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.modality = modality
        self.augment = augment
        self.has_cut = False
        self._joint = isinstance(tokenizer, GenomicTokenizer)
        # Special tokens are written in brackets, which no file of sequences may hold; but with
        # words of the user's own, or another tokenizer, all letters have to be seen.
        own_words = any(not word.startswith("[") for word in tokenizer.get_added_vocab())
        self._stride: int | None = None if own_words else getattr(tokenizer, "stride", None)
        molecule = (
            modality or tokenizer.modality
            if self._joint
            else getattr(tokenizer, "alphabet", DNA).name.lower()
        )
        if augment is not None and molecule not in {None, augment.alphabet.name.lower()}:
            raise ConfigError(
                f"augment is for {augment.alphabet.name}, and the sequences are {molecule}: give "
                "augmentations with the alphabet of the sequences"
            )

    @property
    def letters_wanted(self) -> int | None:
        """Letters from the start of a sequence that decide all tokens kept; None for all."""
        # An augmentation may bring the end of a sequence to its start.
        if self.max_length is None or self.augment is not None or self._stride is None:
            return None
        longest = max(self._stride, _LONGEST_TOKEN)
        return self.max_length * longest + longest + int(self.tokenizer.kmer_size)

    @property
    def one_token_per_letter(self) -> bool:
        """Whether the letters of a file alone say how many tokens there are."""
        return self._stride == 1

    def fewest_tokens(self, letters: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Fewest tokens that sequences of a file can have.

        Args:
            letters: How many letters each has.

        Returns:
            Their number; None if the tokenizer does not say.
        """
        if self._stride is None:
            return None
        # A k-mer that holds an N becomes more than one token.
        return letters // self._stride + letters % self._stride + self.added_tokens

    @property
    def added_tokens(self) -> int:
        """Tokens that the tokenizer puts around a sequence."""
        return int(self.tokenizer.num_special_tokens_to_add(pair=False))

    def token_counts(self, records: Sequence[StoredRecord]) -> list[int]:
        """Tokens of each sequence before any is cut off; foreign letters are told of.

        Args:
            records: Some hundreds of them.
        """
        known = self.one_token_per_letter
        short = [one for one in records if not known or len(one.sequence) <= _LONGEST_CHECKED]
        counts: list[int] = []
        if any(len(one.sequence) > _LONGEST_CHECKED for one in short):
            # Lists of Python numbers would take 32 bytes a token.
            return [len(self.tokens(one)) for one in records]
        if short:
            encoded = self.tokenizer(
                [one.sequence for one in short],
                return_attention_mask=False,
                **({"modality": [self._modality(one) for one in short]} if self._joint else {}),
            )["input_ids"]
            counts = [len(row) for row in encoded]
        found = iter(counts)
        return [
            next(found)
            if not known or len(one.sequence) <= _LONGEST_CHECKED
            else len(one.sequence) + self.added_tokens
            for one in records
        ]

    def tokens(self, record: StoredRecord, *, quiet: bool = False) -> NDArray[np.int64]:
        """All ids of a sequence, none cut off.

        Args:
            record: The sequence.
            quiet: Say nothing of foreign letters; they were told of before.
        """
        with warnings.catch_warnings():
            if quiet:
                warnings.simplefilter("ignore")
            encoded = self.tokenizer(
                [record.sequence],
                return_attention_mask=False,
                return_tensors="np",
                **({"modality": self._modality(record)} if self._joint else {}),
            )
        return np.asarray(encoded["input_ids"][0], dtype=np.int64)

    def item(
        self,
        record: StoredRecord,
        *,
        label: Any = None,
        per_base: NDArray[np.integer[Any]] | None = None,
        generator: np.random.Generator | None = None,
        quiet: bool = False,
    ) -> Item:
        """One item.

        Args:
            record: The sequence.
            label: Number or numbers of the whole sequence.
            per_base: Class of each nucleotide, -100 where unknown.
            generator: Of the augmentation.
            quiet: Say nothing of foreign letters.

        Returns:
            ``input_ids`` (l,) and, where known, ``labels`` (of the sequence or (l,)),
            ``quality_scores`` (l,) and ``modality_ids`` ().
        """
        if self.augment is not None and generator is not None and self._is_meant(record):
            changed = self.augment(
                record.sequence,
                generator,
                None if per_base is None else np.asarray(per_base, dtype=np.int64),
                record.qualities,
            )
            record = record._replace(sequence=changed.sequence, qualities=changed.qualities)
            per_base = changed.labels
        tokens = self.tokens(record, quiet=quiet)
        self.has_cut |= self.max_length is not None and len(tokens) > self.max_length
        tokens = tokens[: self.max_length]
        item = Item(input_ids=torch.from_numpy(tokens))
        if per_base is not None:
            item["labels"] = torch.from_numpy(self.token_labels(tokens, per_base))
        elif label is not None:
            item["labels"] = torch.as_tensor(label)
        if record.qualities is not None:
            scores = np.frombuffer(record.qualities, dtype=np.uint8)
            item["quality_scores"] = torch.from_numpy(self._token_qualities(tokens, scores))
        if self._joint:
            item["modality_ids"] = torch.tensor(MODALITIES.index(self._modality(record)))
        return item

    def token_labels(
        self, tokens: NDArray[np.int64], per_base: NDArray[np.integer[Any]]
    ) -> NDArray[np.int64]:
        """One class per token: that of its first nucleotide; -100 for special tokens.

        Args:
            tokens: Ids of the sequence, from its start.
            per_base: Class of each nucleotide.
        """
        starts, lengths = self.tokenizer.token_spans(tokens)
        first = per_base[np.minimum(starts, len(per_base) - 1)]
        return np.where(lengths > 0, first, IGNORED).astype(np.int64)

    def _token_qualities(
        self, tokens: NDArray[np.int64], scores: NDArray[np.uint8]
    ) -> NDArray[np.int64]:
        """The lowest score among the letters of each token; 0 for special tokens."""
        starts, lengths = self.tokenizer.token_spans(tokens)
        end = int(lengths.sum())
        if end > len(scores):
            raise DataError(f"{len(scores)} qualities for the {end} letters of the tokens")
        # The sentinel keeps special tokens behind the last letter within the array.
        lowest = np.minimum.reduceat(np.append(scores[:end], np.uint8(_NO_QUALITY)), starts)
        return np.where(lengths > 0, lowest, 0).astype(np.int64)

    def _is_meant(self, record: StoredRecord) -> bool:
        """Whether the augmentation is for the molecule of a record."""
        assert self.augment is not None
        return not self._joint or self._modality(record) == self.augment.alphabet.name.lower()

    def _modality(self, record: StoredRecord) -> str:
        modality = record.modality or self.modality or self.tokenizer.modality
        if modality is None:
            raise ConfigError(
                "a GenomicTokenizer must be told the molecule: give each record a 'modality', or "
                f"pass modality=, one of {', '.join(MODALITIES)}"
            )
        return str(modality)


def without_cut_token(letters: str) -> str:
    """Leave out the beginning of a special token at the end of letters that were cut off.

    Args:
        letters: The first letters of a sequence.
    """
    bracket = letters.rfind("[", max(0, len(letters) - _LONGEST_TOKEN))
    return letters if bracket < 0 or "]" in letters[bracket:] else letters[:bracket]
