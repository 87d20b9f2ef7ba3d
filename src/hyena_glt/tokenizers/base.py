"""What the tokenizers for DNA, RNA and protein share: the Hugging Face contract.

The path of a sequence: text → pieces between the special tokens written in it →
``kmers.KmerCodec`` → ids → truncation, padding, tensors.

No special tokens are put around a sequence: so a token's position stays its base's position, and a
prompt for generation does not end in ``[SEP]``.  The two sequences of a pair are joined by one
``[SEP]``.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, ClassVar, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from transformers import BatchEncoding, PreTrainedTokenizer
from transformers.tokenization_utils_base import TruncationStrategy
from transformers.utils.generic import PaddingStrategy, to_numpy

from hyena_glt.biology.alphabet import Alphabet, describe_foreign
from hyena_glt.errors import AlphabetError, ConfigError
from hyena_glt.tokenizers.batching import pad, padded_length, truncate
from hyena_glt.tokenizers.kmers import (
    FIRST_LETTER_ID,
    SPECIAL_IDS,
    UNK_ID,
    Codec,
    KmerCodec,
    vocabulary_size,
)

MAX_KMER_SIZE = 8

_ROLES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
    "bos_token": "[START]",
    "eos_token": "[END]",
}

# Hugging Face drops a keyword it does not know without a word.
_HF_KEYWORDS = {
    *_ROLES,
    "added_tokens_decoder",
    "backend",
    "chat_template",
    "clean_up_tokenization_spaces",
    "extra_special_tokens",
    "model_input_names",
    "model_max_length",
    "name_or_path",
    "padding_side",
    "split_special_tokens",
    "truncation_side",
    "verbose",
}
_CALL_KEYWORDS = {
    *signature(PreTrainedTokenizer.__call__).parameters,
    *signature(PreTrainedTokenizer._encode_plus).parameters,
    "sanitize_control_tokens",
    "split_special_tokens",
}
_SLOW_OPTIONS = (
    "is_split_into_words",
    "return_length",
    "return_overflowing_tokens",
    "return_special_tokens_mask",
    "return_token_type_ids",
)


class KmerTokenizer(PreTrainedTokenizer):
    """Interface of the tokenizers; use ``DNATokenizer``, ``RNATokenizer`` or ``ProteinTokenizer``.

    Args:
        vocab_size: Most tokens the vocabulary may have.  The attribute of this name holds how many
            it does have.
        kmer_size: Letters per k-mer, 1 to 8.
        include_special_tokens: Whether special tokens written in a sequence, ``ACG[MASK]T``, are
            read as such.  If not, their brackets are foreign letters.
        stride: Letters from the start of a window to the start of the next: ``kmer_size`` (the
            default; a fixed frame from the first letter on) or 1 (one token per letter).  Each
            special token in a sequence starts a new frame.
        ambiguous: What to do with letters that have no token.  ``"n"`` turns the IUPAC ambiguity
            letters for bases into ``[N]`` and others into ``[UNK]``, with a warning; ``"error"``
            refuses both.  N itself is always read.
        **kwargs: Hugging Face's own settings, ``model_max_length`` or ``padding_side`` for example.

    Raises:
        ConfigError: If a setting is unknown or out of range, or if the vocabulary has more than
            ``vocab_size`` tokens; the message gives the size needed.

    Attributes:
        kmer_size: As above.
        stride: As above, never None.
        reserved_size: ``vocab_size`` as given: ids below it that have no token decode as ``[UNK]``.
    """

    alphabet: ClassVar[Alphabet]
    letters: ClassVar[str]
    # True if DNA, RNA and protein have id ranges of their own.
    is_joint: ClassVar[bool] = False
    further_settings: ClassVar[frozenset[str]] = frozenset()
    aliases: ClassVar[Mapping[str, str]] = {}

    model_input_names: list[str] = ["input_ids", "attention_mask"]  # noqa: RUF012 - as in the parent

    def __init__(
        self,
        vocab_size: int = 1000,
        kmer_size: int = 3,
        include_special_tokens: bool = True,
        stride: int | None = None,
        ambiguous: Literal["n", "error"] = "n",
        **kwargs: Any,
    ) -> None:
        self._check_keywords(kwargs)
        if isinstance(kmer_size, bool) or kmer_size not in range(1, MAX_KMER_SIZE + 1):
            raise ConfigError(f"kmer_size must be 1 to {MAX_KMER_SIZE} letters, got {kmer_size!r}")
        if stride not in {None, 1, kmer_size}:
            raise ConfigError(
                f"stride must be 1 or kmer_size ({kmer_size}) letters, or None for the latter; "
                f"got {stride!r}"
            )
        if ambiguous not in {"n", "error"}:
            raise ConfigError(f"ambiguous must be 'n' or 'error', got {ambiguous!r}")
        size = self._size_needed(kmer_size)
        if vocab_size < size:
            raise ConfigError(
                f"{type(self).__name__} with kmer_size={kmer_size} needs a vocabulary of {size} "
                f"tokens and vocab_size allows {vocab_size}: raise vocab_size to {size}, or lower "
                "kmer_size"
            )
        self.kmer_size = kmer_size
        self.reserved_size = vocab_size
        self.stride = stride or kmer_size
        self.ambiguous = ambiguous
        self.include_special_tokens = include_special_tokens
        self._codec = self._make_codec()
        self._id_of_token = {token: i for i, token in enumerate(self._codec.tokens)}
        # What is not handed on here is lost by save_pretrained.
        super().__init__(
            vocab_size=vocab_size,
            kmer_size=kmer_size,
            include_special_tokens=include_special_tokens,
            stride=stride,
            ambiguous=ambiguous,
            **(_ROLES | kwargs),
        )

    @classmethod
    def _check_keywords(cls, kwargs: Mapping[str, Any]) -> None:
        """Refuse misspelt settings; a saved tokenizer brings more of its own and is let through."""
        unknown = sorted(set(kwargs) - _HF_KEYWORDS - cls.further_settings)
        if unknown and "is_local" not in kwargs:
            own = ", ".join(["vocab_size, kmer_size, include_special_tokens, stride and ambiguous",
                             *sorted(cls.further_settings)])  # fmt: skip
            raise ConfigError(f"{cls.__name__} has no setting {unknown[0]!r}; its own are {own}")

    def _size_needed(self, kmer_size: int) -> int:
        """Count the tokens of the vocabulary before it is built."""
        return vocabulary_size(self.letters, self.alphabet_size, kmer_size)

    def _make_codec(self) -> Codec:
        return KmerCodec(
            letters=self.letters,
            alphabet_size=self.alphabet_size,
            kmer_size=self.kmer_size,
            stride=self.stride,
            n_letters=letters_read_as_n(self.alphabet, self.letters, self.ambiguous),
            aliases=self.aliases,
        )

    @property
    def vocab_size(self) -> int:
        """Tokens of the vocabulary; ``len(tokenizer)`` counts tokens added later too."""
        return len(self._codec.tokens)

    @property
    def special_tokens(self) -> dict[str, int]:
        """Special tokens and their ids."""
        return dict(SPECIAL_IDS)

    @property
    def alphabet_size(self) -> int:
        """Canonical letters: 4 bases or 20 amino acids."""
        return len(self.alphabet.letters)

    @property
    def first_letter_id(self) -> int:
        """Id of the first letter; the canonical ones come first, in alphabetical order."""
        return FIRST_LETTER_ID

    @property
    def first_kmer_id(self) -> int:
        """Id of the first k-mer, the others follow in lexicographic order; letters if k is 1."""
        return self._codec.first_kmer_id

    @property
    def bases_per_token(self) -> int:
        """Letters that a k-mer stands for, decoded: ``kmer_size``, or 1 at stride 1."""
        return self.stride

    def get_vocab(self) -> dict[str, int]:
        """Map every token, those added later included, to its id."""
        return self._id_of_token | self._added_tokens_encoder

    def _convert_token_to_id(self, token: str) -> int:
        return self._id_of_token.get(token, UNK_ID)

    def _convert_id_to_token(self, index: int) -> str:
        if 0 <= index < self.vocab_size:
            return self._codec.tokens[index]
        if self.vocab_size <= index < self.reserved_size:
            # A model made for the cap may predict what no token has.
            return self._codec.tokens[UNK_ID]
        raise ValueError(
            f"token id {index} is outside the vocabulary of {len(self)} tokens (vocab_size allows "
            f"{self.reserved_size})"
        )

    def _sequence_ids(self, sequence: str, *, split: bool) -> NDArray[np.int64]:
        """Turn one text into ids; split says to read the special tokens in it letter by letter."""
        read_special_tokens = self.include_special_tokens and not split
        token_ids = SPECIAL_IDS | self._added_tokens_encoder
        first_letters = {token[0] for token in token_ids}
        if not read_special_tokens or not any(letter in sequence for letter in first_letters):
            self._report_foreign(sequence, sequence)
            return self._codec.encode(sequence)
        longest_first = sorted(token_ids, key=len, reverse=True)
        pattern = re.compile("|".join(re.escape(token) for token in longest_first))
        without = pattern.sub(lambda match: self.letters[0] * len(match[0]), sequence)
        self._report_foreign(sequence, without)
        pieces: list[NDArray[np.int64]] = []
        end = 0
        for match in pattern.finditer(sequence):
            pieces.append(self._codec.encode(sequence[end : match.start()]))
            pieces.append(np.array([token_ids[match[0]]]))
            end = match.end()
        return np.concatenate((*pieces, self._codec.encode(sequence[end:])))

    def _report_foreign(self, sequence: str, without_special_tokens: str) -> None:
        """Warn of letters that become ``[UNK]``, or refuse them."""
        positions = self._codec.foreign_positions(without_special_tokens)
        if not positions.size:
            return
        foreign = describe_foreign(sequence, positions.size, int(positions[0]))
        if self.ambiguous == "error":
            raise AlphabetError(
                f"{foreign}; with ambiguous='error' a {type(self).__name__} reads "
                f"{self._codec.read_letters} and nothing else"
            )
        warnings.warn(
            f"{foreign}; the {type(self).__name__} reads them as [UNK]", UserWarning, stacklevel=2
        )

    def tokenize(self, text: str, **kwargs: Any) -> list[str]:  # type: ignore[override]
        """Cut a sequence into tokens.

        Args:
            text: The sequence.
            **kwargs: ``split_special_tokens=True`` reads the brackets of special tokens as letters.

        Returns:
            The tokens as text.
        """
        split = kwargs.get("split_special_tokens", self.split_special_tokens)
        return self.convert_ids_to_tokens(self._sequence_ids(text, split=split).tolist())

    @overload
    def encode(
        self,
        sequence: str,
        max_length: int | None = None,
        *,
        return_tensors: None = None,
        **kwargs: Any,
    ) -> list[int]: ...
    @overload
    def encode(
        self, sequence: str, max_length: int | None = None, *, return_tensors: str, **kwargs: Any
    ) -> BatchEncoding: ...
    def encode(
        self,
        sequence: str,
        max_length: int | None = None,
        *,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> list[int] | BatchEncoding:
        """Encode one sequence.

        Args:
            sequence: The sequence.
            max_length: Most tokens to keep if ``truncation=True`` is given as well; without it
                nothing is ever cut off.
            return_tensors: ``"pt"`` or ``"np"`` for tensors with a batch axis.
            **kwargs: What calling the tokenizer takes.

        Returns:
            The ids.  With ``return_tensors`` a mapping with ``input_ids`` and ``attention_mask``,
            each (1, tokens), that can be given to a model as ``model(**encoding)``.
        """
        encoding = self(sequence, max_length=max_length, return_tensors=return_tensors, **kwargs)
        return encoding["input_ids"] if return_tensors is None else encoding

    def _get_padding_truncation_strategies(  # type: ignore[override]
        self, padding: Any = False, truncation: Any = None, **kwargs: Any
    ) -> tuple[PaddingStrategy, TruncationStrategy, int | None, dict[str, Any]]:
        """Cut off only where that was asked for; Hugging Face does for a bare ``max_length``."""
        return super()._get_padding_truncation_strategies(
            padding=padding, truncation=truncation or False, **kwargs
        )

    def _encode_plus(  # type: ignore[override]
        self, text: Any, text_pair: Any = None, **kwargs: Any
    ) -> BatchEncoding:
        """Encode one sequence or a batch; pairs and rare options take Hugging Face's slow path."""
        unknown = sorted(set(kwargs) - _CALL_KEYWORDS)
        if unknown:
            raise TypeError(f"{type(self).__name__} takes no argument {unknown[0]!r}")
        sequences = [text] if isinstance(text, str) else text
        if isinstance(sequences, (list, tuple)) and not sequences:
            raise ValueError("the batch is empty: give at least one sequence")
        truncation = kwargs.get("truncation_strategy", TruncationStrategy.DO_NOT_TRUNCATE)
        if (
            text_pair is not None
            or not isinstance(sequences, (list, tuple))
            or not all(isinstance(sequence, str) for sequence in sequences)
            or truncation is TruncationStrategy.ONLY_SECOND
            or any(kwargs.get(option) for option in _SLOW_OPTIONS)
        ):
            return super()._encode_plus(text, text_pair, **kwargs)

        split = kwargs.get("split_special_tokens", self.split_special_tokens)
        rows = [self._sequence_ids(sequence, split=split) for sequence in sequences]
        return self._assembled(rows, is_single=isinstance(text, str), options=kwargs)

    def _assembled(
        self, rows: list[NDArray[np.int64]], *, is_single: bool, options: Mapping[str, Any]
    ) -> BatchEncoding:
        """Cut off, fill up and mark the rows of a batch, by the options of a call."""
        truncation = options.get("truncation_strategy", TruncationStrategy.DO_NOT_TRUNCATE)
        max_length = options.get("max_length")
        if truncation is not TruncationStrategy.DO_NOT_TRUNCATE and max_length:
            rows = [truncate(row, max_length, side=self.truncation_side) for row in rows]
        padding = options.get("padding_strategy", PaddingStrategy.DO_NOT_PAD)
        length = padded_length(rows, padding, max_length, options.get("pad_to_multiple_of"))
        side = options.get("padding_side") or self.padding_side
        columns = {
            "input_ids": [pad(row, length, side=side, value=self.pad_token_id) for row in rows]
        }
        with_mask = options.get("return_attention_mask")
        if with_mask or (with_mask is None and "attention_mask" in self.model_input_names):
            ones = (np.ones_like(row) for row in rows)
            columns["attention_mask"] = [pad(row, length, side=side, value=0) for row in ones]
        return_tensors = options.get("return_tensors")
        if return_tensors is not None:
            return BatchEncoding(columns, tensor_type=return_tensors)
        lists = {name: [row.tolist() for row in column] for name, column in columns.items()}
        if is_single:
            return BatchEncoding({name: column[0] for name, column in lists.items()})
        return BatchEncoding(lists)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Leave a sequence as it is; join a pair by ``[SEP]``."""
        if token_ids_1 is None:
            return token_ids_0
        return [*token_ids_0, self.sep_token_id, *token_ids_1]

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Mark special tokens with 1, see Hugging Face; ``[N]`` is a letter and not marked."""
        if already_has_special_tokens:
            return super().get_special_tokens_mask(token_ids_0, token_ids_1, True)
        joined = [] if token_ids_1 is None else [1, *([0] * len(token_ids_1))]
        return [0] * len(token_ids_0) + joined

    def decode(  # type: ignore[override]
        self,
        token_ids: ArrayLike,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> str | list[str]:
        """Turn ids back into text.

        Args:
            token_ids: One id, the ids of a sequence, or a batch of these; lists, array or tensor.
            skip_special_tokens: Whether to leave special tokens out.  ``[N]`` is a letter: it
                reads ``N`` and stays.
            clean_up_tokenization_spaces: Without effect; there are no spaces.

        Returns:
            The sequence in upper case, or a list of them for a batch.

        Raises:
            ValueError: If an id is outside the vocabulary.
        """
        if isinstance(token_ids, Sequence) and any(np.ndim(row) for row in token_ids[:1]):
            return [self._decode(row, skip_special_tokens) for row in token_ids]
        ids = to_numpy(token_ids)
        if np.ndim(ids) == 2:
            return [self._decode(row, skip_special_tokens) for row in ids]
        return self._decode(ids, skip_special_tokens)

    def _decode(  # type: ignore[override]
        self, token_ids: ArrayLike, skip_special_tokens: bool = False, **_: Any
    ) -> str:
        ids = np.atleast_1d(np.asarray(to_numpy(token_ids), dtype=np.int64))
        if skip_special_tokens:
            ids = ids[~np.isin(ids, self.all_special_ids)]
        if ids.max(initial=0) >= self.vocab_size or ids.min(initial=0) < 0:
            return self.convert_tokens_to_string(self.convert_ids_to_tokens(ids.tolist()))
        return self._codec.decode(ids)

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Put tokens together to a sequence; tokens added later stand as they are."""
        return "".join(
            self._codec.decode(np.array([self._id_of_token[token]]))
            if token in self._id_of_token
            else token
            for token in tokens
        )

    def token_spans(self, input_ids: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Say which letters of the sequence each token stands for.

        Args:
            input_ids: (..., tokens) ids; list, array or tensor.

        Returns:
            Starts and lengths in letters (bases or residues), both in the shape of the ids.  Token
            i stands for the letters ``starts[i]`` to ``starts[i] + lengths[i]``, 0-based and
            half-open.  At stride 1 that is the first letter of its k-mer.  Special tokens other
            than ``[N]`` and ``[UNK]`` have length 0.

        Raises:
            ValueError: If an id is outside the vocabulary.
        """
        ids = np.asarray(to_numpy(input_ids), dtype=np.int64)
        outside = (ids < 0) | (ids >= self.vocab_size)
        if outside.any():
            raise ValueError(
                f"token id {ids[outside][0]} is outside the vocabulary of {self.vocab_size} tokens"
            )
        lengths = self._codec.lengths(ids)
        return lengths.cumsum(axis=-1) - lengths, lengths


def letters_read_as_n(alphabet: Alphabet, letters: str, ambiguous: str) -> str:
    """List the letters that become ``[N]``; none where they have tokens of their own.

    Args:
        alphabet: What a sequence may hold.
        letters: Letters that have a token.
        ambiguous: ``"n"``, or ``"error"`` for N alone.
    """
    without_token = [letter for letter in alphabet.ambiguity if letter not in letters]
    return "".join(letter for letter in without_token if letter == "N" or ambiguous == "n")
