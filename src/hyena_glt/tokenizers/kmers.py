"""From letters to k-mer ids and back, without a loop over the bases.

The vocabulary, the same for every alphabet::

    0 … 7                 [PAD] [UNK] [CLS] [SEP] [MASK] [N] [START] [END]
    8 …                   single letters, the canonical ones first
    then, if k > 1        all k-mers over the canonical letters, in lexicographic order

A sequence is cut into windows of k letters, one every ``stride`` letters.  A window that holds
nothing but canonical letters becomes its k-mer.  Any other window becomes the ``stride`` letters
that only it stands for, one token each, and so do the letters behind the last whole window.  The
first ``stride`` letters of each token, put one after another, are therefore the sequence again.
"""

from collections.abc import Mapping
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SPECIAL_IDS = {
    "[PAD]": 0,
    "[UNK]": 1,
    "[CLS]": 2,
    "[SEP]": 3,
    "[MASK]": 4,
    "[N]": 5,
    "[START]": 6,
    "[END]": 7,
}
"""The special tokens and their ids, those of the Technical Guide."""

UNK_ID = SPECIAL_IDS["[UNK]"]
N_ID = SPECIAL_IDS["[N]"]
FIRST_LETTER_ID = len(SPECIAL_IDS)


def vocabulary_size(letters: str, alphabet_size: int, kmer_size: int) -> int:
    """Count the tokens of a vocabulary without building it.

    Args:
        letters: Letters that have a token of their own.
        alphabet_size: How many of them, from the first on, are canonical.
        kmer_size: Letters per k-mer.

    Returns:
        Special tokens, letters and k-mers together.
    """
    kmers = alphabet_size**kmer_size if kmer_size > 1 else 0
    return FIRST_LETTER_ID + len(letters) + kmers


class Codec(Protocol):
    """What a tokenizer asks of a vocabulary; see :class:`KmerCodec`."""

    tokens: list[str]
    first_kmer_id: int

    @property
    def read_letters(self) -> str:
        """Every letter that does not become ``[UNK]``, upper case."""

    def foreign_positions(self, sequence: str) -> NDArray[np.int64]:
        """Find the letters that become ``[UNK]``."""

    def encode(self, sequence: str) -> NDArray[np.int64]:
        """Turn letters into ids."""

    def decode(self, ids: NDArray[np.int64]) -> str:
        """Turn ids into letters."""

    def lengths(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the letters that each token adds to the text."""


class KmerCodec:
    """The look-up tables of one vocabulary.

    Args:
        letters: Upper-case letters that have a token of their own, canonical ones first.
        alphabet_size: How many of them are canonical.
        kmer_size: Letters per k-mer.
        stride: Letters from one window to the next: ``kmer_size`` or 1.
        n_letters: Letters that become ``[N]``; if there are any, ``[N]`` reads back as ``N``.
        aliases: Letter to the letter it is read as.

    Attributes:
        tokens: The vocabulary, in the order of the ids.
        first_kmer_id: Id of the first k-mer; that of the first letter if k is 1.
        read_letters: Every letter that does not become ``[UNK]``, upper case.
    """

    def __init__(
        self,
        *,
        letters: str,
        alphabet_size: int,
        kmer_size: int,
        stride: int,
        n_letters: str = "",
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.kmer_size = kmer_size
        self.stride = stride
        self.alphabet_size = alphabet_size
        canonical = letters[:alphabet_size]
        kmers = product(canonical, repeat=kmer_size) if kmer_size > 1 else ()
        self.tokens = [*SPECIAL_IDS, *letters, *("".join(kmer) for kmer in kmers)]
        end_of_letters = FIRST_LETTER_ID + len(letters)
        self.first_kmer_id = end_of_letters if kmer_size > 1 else FIRST_LETTER_ID

        letter_ids = {letter: FIRST_LETTER_ID + i for i, letter in enumerate(letters)}
        letter_ids |= dict.fromkeys(n_letters, N_ID)
        letter_ids |= {alias: letter_ids[letter] for alias, letter in (aliases or {}).items()}
        self.read_letters = "".join(letter_ids)
        id_of_byte = bytearray([UNK_ID] * 256)
        for letter, letter_id in letter_ids.items():
            id_of_byte[ord(letter)] = id_of_byte[ord(letter.lower())] = letter_id
        self._id_of_byte = bytes(id_of_byte)
        self._read_bytes = (self.read_letters + self.read_letters.lower()).encode()

        texts = [token[:stride] for token in self.tokens[end_of_letters:]]
        texts = [*SPECIAL_IDS, *letters, *texts]
        if n_letters:
            texts[N_ID] = "N"
        self._texts = np.array(texts, dtype=np.bytes_)
        self._lengths = np.full(len(self.tokens), stride, dtype=np.int64)
        self._lengths[:FIRST_LETTER_ID] = 0
        self._lengths[FIRST_LETTER_ID:end_of_letters] = 1
        self._lengths[[N_ID, UNK_ID]] = 1

    def foreign_positions(self, sequence: str) -> NDArray[np.int64]:
        """Find the letters that become ``[UNK]``.

        Args:
            sequence: Text without special tokens.

        Returns:
            Their positions, 0-based.
        """
        letters = sequence.encode("ascii", "replace")
        # Most sequences are clean, and deleting what is known is the quickest way to see it.
        if not letters.translate(None, delete=self._read_bytes):
            return np.empty(0, dtype=np.int64)
        ids = np.frombuffer(letters.translate(self._id_of_byte), dtype=np.uint8)
        return np.flatnonzero(ids == UNK_ID)

    def encode(self, sequence: str) -> NDArray[np.int64]:
        """Turn letters into ids.

        Args:
            sequence: Text without special tokens, either case.

        Returns:
            (tokens,) ids; as many as letters if the stride is 1.
        """
        letters = sequence.encode("ascii", "replace").translate(self._id_of_byte)
        singles = np.frombuffer(letters, dtype=np.uint8)
        k, stride = self.kmer_size, self.stride
        windows = max((len(singles) - k) // stride + 1, 0)
        if k == 1 or windows == 0:
            return singles.astype(np.int64)

        # Bytes wrap around: special tokens come out above the canonical letters, as the others do.
        codes = singles - np.uint8(FIRST_LETTER_ID)
        columns = [codes[j : j + (windows - 1) * stride + 1 : stride] for j in range(k)]
        # 32 bits hold every id, and may overflow only where the result is not used.
        ranks = columns[0].astype(np.int32)
        for column in columns[1:]:
            ranks *= self.alphabet_size
            ranks += column
        kmers = ranks + np.int64(self.first_kmer_id)

        tail = singles[windows * stride :].astype(np.int64)
        if codes.max() < self.alphabet_size:
            return np.concatenate((kmers, tail))

        broken = np.zeros(windows, dtype=np.bool_)
        for column in columns:
            broken |= column >= self.alphabet_size
        counts = np.where(broken, stride, 1)
        starts = counts.cumsum() - counts
        ids = np.empty(counts.sum(), dtype=np.int64)
        ids[starts[~broken]] = kmers[~broken]
        per_window = singles[: windows * stride].reshape(windows, stride)
        ids[starts[broken, None] + np.arange(stride)] = per_window[broken]
        return np.concatenate((ids, tail))

    def decode(self, ids: NDArray[np.int64]) -> str:
        """Turn ids into letters; special tokens but ``[N]`` are written out, ``[MASK]`` for one.

        Args:
            ids: (tokens,) ids of the vocabulary.

        Returns:
            The text.
        """
        # Rows of a fixed width, filled up with zero bytes, which no token holds.
        return self._texts[ids].tobytes().translate(None, delete=b"\0").decode("ascii")

    def lengths(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the letters that each token adds to the text.

        Args:
            ids: Ids of the vocabulary, any shape.

        Returns:
            ``stride`` for a k-mer, 1 for a letter, ``[N]`` and ``[UNK]``, and 0 for the other
            special tokens, in the shape of the ids.
        """
        return self._lengths[ids]
