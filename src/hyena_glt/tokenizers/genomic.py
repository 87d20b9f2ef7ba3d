"""Tokenizer for DNA, RNA and protein in one vocabulary.

The ids::

    0 ... 7      [PAD] [UNK] [CLS] [SEP] [MASK] [N] [START] [END], shared
    8 ... 11     DNA      A C G T
    12 ... 15    RNA      A C G U
    16 ... 42    protein  the twenty amino acids, then B J O U X Z *

A letter means another thing in each molecule (A is adenine or alanine), so each molecule has ids of
its own, and a sequence cannot be read before its molecule is named.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from transformers import BatchEncoding
from transformers.utils.generic import to_numpy

from hyena_glt.biology.alphabet import Alphabet
from hyena_glt.config import MODALITIES, joint_letter_ranges
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tokenizers.base import KmerTokenizer, letters_read_as_n
from hyena_glt.tokenizers.dna import DNATokenizer
from hyena_glt.tokenizers.kmers import FIRST_LETTER_ID, N_ID, SPECIAL_IDS, UNK_ID, KmerCodec
from hyena_glt.tokenizers.protein import ProteinTokenizer
from hyena_glt.tokenizers.rna import RNATokenizer

Modality = Literal["dna", "rna", "protein"]

_KINDS: dict[str, type[KmerTokenizer]] = {
    "dna": DNATokenizer,
    "rna": RNATokenizer,
    "protein": ProteinTokenizer,
}
_RANGES = dict(zip(MODALITIES, joint_letter_ranges(), strict=True))
_SIZE = FIRST_LETTER_ID + sum(count for _, count in _RANGES.values())


class GenomicTokenizer(KmerTokenizer):
    """Tokenizer for DNA, RNA and protein, one token per letter, each molecule in ids of its own.

    Every call names the molecule, and gets ``modality_ids`` (DNA 0, RNA 1, protein 2) beside
    ``input_ids``.  What holds for the tokenizer of a molecule holds here: lossless over its
    letters, T of RNA read as U, lower case as upper case.  ``[N]`` reads back as ``N``.

    Args:
        vocab_size: Most tokens the vocabulary may have; it has 43.
        kmer_size: 1; there are no k-mers.
        include_special_tokens: See :class:`~hyena_glt.tokenizers.base.KmerTokenizer`.
        stride: 1 or None.
        ambiguous: See :class:`~hyena_glt.tokenizers.base.KmerTokenizer`.
        modality: Molecule of the calls that name none; None: they must name one.
        **kwargs: Hugging Face's own settings.

    Raises:
        ConfigError: If a setting is unknown or out of range.

    Example:
        >>> tokenizer = GenomicTokenizer()
        >>> batch = tokenizer(["ACGT", "MK"], modality=["dna", "protein"])
        >>> batch["input_ids"], batch["modality_ids"]
        ([[8, 9, 10, 11], [26, 24]], [0, 2])
        >>> tokenizer.decode(batch["input_ids"])
        ['ACGT', 'MK']
    """

    is_joint: ClassVar[bool] = True
    further_settings: ClassVar[frozenset[str]] = frozenset({"modality"})
    model_input_names: list[str] = ["input_ids", "attention_mask", "modality_ids"]  # noqa: RUF012 - as in the parent

    def __init__(
        self,
        vocab_size: int = 1000,
        kmer_size: int = 1,
        include_special_tokens: bool = True,
        stride: int | None = None,
        ambiguous: Literal["n", "error"] = "n",
        modality: Modality | None = None,
        **kwargs: Any,
    ) -> None:
        self.modality = None if modality is None else _known(modality)
        super().__init__(
            vocab_size, kmer_size, include_special_tokens, stride, ambiguous,
            modality=modality, **kwargs,
        )  # fmt: skip

    @property
    def alphabet(self) -> Alphabet:  # type: ignore[override]
        """Alphabet of the molecule that was set."""
        return _KINDS[self._named(None)].alphabet

    @property
    def letters(self) -> str:  # type: ignore[override]
        """Letters with a token, of the molecule that was set."""
        return _KINDS[self._named(None)].letters

    @property
    def first_letter_id(self) -> int:
        """Id of the first letter of the molecule that was set."""
        return _RANGES[self._named(None)][0]

    @property
    def first_kmer_id(self) -> int:
        """The same as ``first_letter_id``."""
        return self.first_letter_id

    @property
    def letter_ranges(self) -> list[tuple[int, int]]:
        """First id and one past the last of the letters of DNA, RNA and protein."""
        return [(first, first + count) for first, count in _RANGES.values()]

    def of(self, modality: str | None) -> "GenomicTokenizer":
        """This tokenizer with a molecule set.

        Args:
            modality: ``dna``, ``rna`` or ``protein``; None: the one that is set.

        Raises:
            ConfigError: If there is no such molecule, or none is named.
        """
        name = self._named(modality)
        if name == self.modality:
            return self
        other = copy.copy(self)
        other.modality = name
        other._codec = other._make_codec()
        return other

    def modality_of(self, input_ids: ArrayLike) -> NDArray[np.int64]:
        """Say which molecule each token is a letter of.

        Args:
            input_ids: Ids of any shape; list, array or tensor.

        Returns:
            0 for DNA, 1 for RNA, 2 for protein; -1 for special tokens and ids without a token.
        """
        ids = np.asarray(to_numpy(input_ids), dtype=np.int64)
        numbers = np.full(ids.shape, -1, dtype=np.int64)
        for number, (start, stop) in enumerate(self.letter_ranges):
            numbers[(ids >= start) & (ids < stop)] = number
        return numbers

    def encode_joint(
        self, parts: Mapping[str, str], *, return_tensors: str | None = None
    ) -> BatchEncoding:
        """Encode several molecules of one gene as one sequence whose parts see each other.

        Args:
            parts: Sequence by molecule; put down in the order DNA, RNA, protein.
            return_tensors: ``"pt"`` or ``"np"`` for tensors with a batch axis.

        Returns:
            ``input_ids``, ``attention_mask`` and ``modality_ids``, one number per token, with a
            ``[SEP]`` between the parts that counts to the part before it.  As a molecule comes
            once, its number is also that of the part.  (A model's ``segment_ids`` would be wrong
            here: they separate sequences that must not see each other.)

        Raises:
            ConfigError: If there is no such molecule.
            DataError: If there is no part, or one is empty.

        Example:
            >>> encoding = GenomicTokenizer().encode_joint({"rna": "AUG", "protein": "M"})
            >>> encoding["input_ids"], encoding["modality_ids"]
            ([12, 15, 14, 3, 26], [1, 1, 1, 1, 2])
        """
        names = {_known(name): sequence for name, sequence in parts.items()}
        for name, sequence in names.items():
            if not sequence:
                raise DataError(f"the {name} of a joint example is empty; leave it out")
        if not names:
            raise DataError("a joint example needs at least one of dna, rna and protein")
        ids: list[int] = []
        numbers: list[int] = []
        for number, name in enumerate(MODALITIES):
            if name not in names:
                continue
            if ids:
                ids.append(self.sep_token_id)
                numbers.append(numbers[-1])
            own = self.of(name).encode(names[name])
            ids += own
            numbers += [number] * len(own)
        columns = {"input_ids": ids, "attention_mask": [1] * len(ids), "modality_ids": numbers}
        if return_tensors is None:
            return BatchEncoding(columns)
        return BatchEncoding(columns, tensor_type=return_tensors, prepend_batch_axis=True)

    def tokenize(self, text: str, **kwargs: Any) -> list[str]:  # type: ignore[override]
        """Cut a sequence into tokens.

        Args:
            text: The sequence.
            **kwargs: ``modality``, its molecule; and those of ``KmerTokenizer.tokenize``.

        Returns:
            The tokens as text: ``dna:A``, ``protein:M``, ``[N]``.
        """
        own = self.of(kwargs.pop("modality", None))
        return super(GenomicTokenizer, own).tokenize(text, **kwargs)

    def _named(self, modality: str | None) -> str:
        if modality is not None:
            return _known(modality)
        if self.modality is None:
            raise ConfigError(
                "a GenomicTokenizer must be told the molecule: tokenizer(sequences, "
                f"modality='dna'), one of {', '.join(MODALITIES)}, or one for each sequence"
            )
        return self.modality

    def _size_needed(self, kmer_size: int) -> int:
        if kmer_size != 1:
            raise ConfigError(
                f"kmer_size must be 1 for a GenomicTokenizer, got {kmer_size}: its tokens are "
                "single letters"
            )
        return _SIZE

    def _make_codec(self) -> "JointCodec":
        return JointCodec(self.modality, self.ambiguous)

    def _encode_plus(  # type: ignore[override]
        self,
        text: Any,
        text_pair: Any = None,
        modality: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Encode one sequence or a batch, of one molecule or of several."""
        if modality is None or isinstance(modality, str):
            own = self.of(modality)
            encoding = super(GenomicTokenizer, own)._encode_plus(text, text_pair, **kwargs)
            names = [own._named(None)] * (1 if isinstance(text, str) else len(text))
        else:
            names = [_known(name) for name in modality]
            encoding = self._mixed(text, text_pair, names, kwargs)
        numbers: Any = [MODALITIES.index(name) for name in names]
        tensors = kwargs.get("return_tensors")
        if tensors is not None:
            numbers = BatchEncoding({"it": numbers}, tensor_type=tensors)["it"]
        elif isinstance(text, str):
            numbers = numbers[0]
        encoding["modality_ids"] = numbers
        return encoding

    def _mixed(
        self, text: Any, text_pair: Any, names: list[str], options: dict[str, Any]
    ) -> BatchEncoding:
        sequences = [text] if isinstance(text, str) else text
        if text_pair is not None or not all(isinstance(sequence, str) for sequence in sequences):
            raise ConfigError(
                "a modality for each sequence is for a list of single sequences; join the "
                "molecules of a gene with encode_joint"
            )
        if len(names) != len(sequences):
            raise DataError(f"{len(names)} modalities for {len(sequences)} sequences")
        readers = {name: self.of(name) for name in set(names)}
        split = options.get("split_special_tokens", self.split_special_tokens)
        rows = [
            readers[name]._sequence_ids(sequence, split=split)
            for name, sequence in zip(names, sequences, strict=True)
        ]
        return self._assembled(rows, is_single=isinstance(text, str), options=options)


class JointCodec:
    """The look-up tables of the joint vocabulary; see ``kmers.Codec`` for what they do.

    Args:
        modality: Molecule whose letters are read; None: none are, and ids are decoded only.
        ambiguous: ``"n"`` or ``"error"``, as for the tokenizer.
    """

    def __init__(self, modality: str | None, ambiguous: str) -> None:
        letters = [(name, letter) for name in MODALITIES for letter in _KINDS[name].letters]
        self.tokens = [*SPECIAL_IDS, *(f"{name}:{letter}" for name, letter in letters)]
        texts = [*SPECIAL_IDS, *(letter for _, letter in letters)]
        texts[N_ID] = "N"
        self._texts = np.array(texts, dtype=np.bytes_)
        self._lengths = np.ones(len(self.tokens), dtype=np.int64)
        self._lengths[:FIRST_LETTER_ID] = 0
        self._lengths[[N_ID, UNK_ID]] = 1
        self.first_kmer_id = FIRST_LETTER_ID
        self._reader: KmerCodec | None = None
        if modality is None:
            return
        kind = _KINDS[modality]
        self.first_kmer_id = _RANGES[modality][0]
        self._reader = KmerCodec(
            letters=kind.letters,
            alphabet_size=len(kind.alphabet.letters),
            kmer_size=1,
            stride=1,
            n_letters=letters_read_as_n(kind.alphabet, kind.letters, ambiguous),
            aliases=kind.aliases,
        )

    @property
    def _letters(self) -> KmerCodec:
        assert self._reader is not None  # the tokenizer sets a molecule before it reads
        return self._reader

    @property
    def read_letters(self) -> str:
        """Every letter that does not become ``[UNK]``, upper case."""
        return self._letters.read_letters

    def foreign_positions(self, sequence: str) -> NDArray[np.int64]:
        """Find the letters that become ``[UNK]``.

        Args:
            sequence: Text without special tokens.
        """
        return self._letters.foreign_positions(sequence)

    def encode(self, sequence: str) -> NDArray[np.int64]:
        """Turn letters into ids.

        Args:
            sequence: Text without special tokens, either case.
        """
        ids = self._letters.encode(sequence)
        ids[ids >= FIRST_LETTER_ID] += self.first_kmer_id - FIRST_LETTER_ID
        return ids

    def decode(self, ids: NDArray[np.int64]) -> str:
        """Turn ids into letters.

        Args:
            ids: (tokens,) ids of the vocabulary.
        """
        return self._texts[ids].tobytes().translate(None, delete=b"\0").decode("ascii")

    def lengths(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the letters that each token adds to the text.

        Args:
            ids: Ids of the vocabulary, any shape.
        """
        return self._lengths[ids]


def _known(modality: str) -> str:
    if modality not in get_args(Modality):
        raise ConfigError(f"modality must be one of {', '.join(MODALITIES)}, got {modality!r}")
    return modality
