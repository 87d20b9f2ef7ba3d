"""Random changes of a sequence that leave its label true: other strand, shift, mutations, N.

Every augmentation is called in one way, by which a data set calls it too::

    augment(sequence, generator, labels=None, qualities=None)
        -> Augmented(sequence, labels, qualities)

``labels`` are those per base (l,) and ``qualities`` the Phred bytes; both move with the bases and
come back None if they went in as None.  The length never changes.  All randomness comes from the
generator that is passed, so a data set that makes it from (seed, epoch, index) draws the same
letters in every worker and after a resume.  ``augment.alphabet`` is the kind of sequence that it
was made for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.alphabet import DNA, Alphabet, letter_bytes
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tasks.losses import IGNORED

_LOWER = 0x20
"""Bit by which an ASCII letter in lower case differs from its upper case."""


class Augmented(NamedTuple):
    """A sequence after augmentation, with what is known per base.

    Attributes:
        sequence: As many letters as before, 5′ to 3′.
        labels: One number per base (l,), -100 where unknown; None without labels per base.
        qualities: Phred score of each letter, one byte each; None without qualities.
    """

    sequence: str
    labels: NDArray[np.int64] | None = None
    qualities: bytes | None = None


class Augmentation(Protocol):
    """What can be called as an augmentation; see the head of this module."""

    @property
    def alphabet(self) -> Alphabet:
        """Kind of sequence that may be passed."""

    def __call__(
        self,
        sequence: str,
        generator: np.random.Generator,
        labels: NDArray[np.int64] | None = None,
        qualities: bytes | None = None,
    ) -> Augmented:
        """Change a sequence; see the head of this module."""


@dataclass(frozen=True)
class ReverseComplement:
    """Read the other strand, with some probability.

    Labels per base are mirrored with their bases.  Labels that say which strand or which end comes
    first (``+`` and ``-``, or the B of BIO) mean something else on the other strand: do not use
    this augmentation with them.

    Args:
        probability: Of reading the other strand, in [0, 1].
        alphabet: DNA and nothing else: an RNA is read in one direction, a protein has no strand.

    Raises:
        ConfigError: If the probability is out of range or the alphabet is not DNA.

    Example:
        >>> always = ReverseComplement(1.0)
        >>> always("AACG", np.random.default_rng(0), labels=np.array([1, 1, 0, 0]))
        Augmented(sequence='CGTT', labels=array([0, 0, 1, 1]), qualities=None)
    """

    probability: float = 0.5
    alphabet: Alphabet = DNA

    def __post_init__(self) -> None:
        """Refuse what has no other strand."""
        _check_share("probability", self.probability)
        if self.alphabet.name != DNA.name:
            raise ConfigError(
                f"reverse complement needs DNA, got {self.alphabet.name}: "
                "only double-stranded DNA can be read from the other strand"
            )

    def __call__(
        self,
        sequence: str,
        generator: np.random.Generator,
        labels: NDArray[np.int64] | None = None,
        qualities: bytes | None = None,
    ) -> Augmented:
        """Change a sequence; see the head of this module.

        Args:
            sequence: DNA, either case.
            generator: Source of the randomness.
            labels: One number per base.
            qualities: Phred score of each letter.

        Raises:
            AlphabetError: If the other strand is read and a letter is not DNA (U, for example).
        """
        _check_lengths(sequence, labels, qualities)
        if generator.random() >= self.probability:
            return Augmented(sequence, labels, qualities)
        return Augmented(
            reverse_complement(sequence, self.alphabet),
            None if labels is None else labels[::-1].copy(),
            None if qualities is None else qualities[::-1],
        )


@dataclass(frozen=True)
class RandomShift:
    """Move a sequence some bases to the left or right.

    What is pushed out at one end is lost; the other end is filled with the letter for "any" (N,
    for protein X), label -100 and quality 0, since nothing is known of the neighbouring sequence.
    At least one letter stays.

    Args:
        max_shift: Most bases moved; every shift from ``-max_shift`` to ``max_shift`` is equally
            likely.
        alphabet: Kind of sequence.

    Raises:
        ConfigError: If ``max_shift`` is negative.
    """

    max_shift: int
    alphabet: Alphabet = DNA

    def __post_init__(self) -> None:
        """Refuse a negative distance."""
        if self.max_shift < 0:
            raise ConfigError(f"max_shift must be at least 0 bases, got {self.max_shift}")

    def __call__(
        self,
        sequence: str,
        generator: np.random.Generator,
        labels: NDArray[np.int64] | None = None,
        qualities: bytes | None = None,
    ) -> Augmented:
        """Change a sequence; see the head of this module.

        Args:
            sequence: Letters of the alphabet, either case.
            generator: Source of the randomness.
            labels: One number per base.
            qualities: Phred score of each letter.
        """
        _check_lengths(sequence, labels, qualities)
        length = len(sequence)
        farthest = min(self.max_shift, max(0, length - 1))
        shift = int(generator.integers(-farthest, farthest, endpoint=True))
        kept = slice(max(0, -shift), length - max(0, shift))
        before, after = max(0, shift), max(0, -shift)
        filler = _any_letter(self.alphabet)
        return Augmented(
            filler * before + sequence[kept] + filler * after,
            None
            if labels is None
            else np.pad(labels[kept], (before, after), constant_values=IGNORED),
            None if qualities is None else bytes(before) + qualities[kept] + bytes(after),
        )


@dataclass(frozen=True)
class Mutate:
    """Substitute letters by other letters of the alphabet.

    Only canonical letters are substituted, and only by another canonical one: never from or to N.
    Case, labels and qualities stay.

    Args:
        rate: Probability of each letter, in [0, 1].
        alphabet: Kind of sequence.

    Raises:
        ConfigError: If the rate is out of range.
    """

    rate: float
    alphabet: Alphabet = DNA

    def __post_init__(self) -> None:
        """Refuse what is not a share."""
        _check_share("rate", self.rate)

    def __call__(
        self,
        sequence: str,
        generator: np.random.Generator,
        labels: NDArray[np.int64] | None = None,
        qualities: bytes | None = None,
    ) -> Augmented:
        """Change a sequence; see the head of this module.

        Args:
            sequence: Letters of the alphabet, either case.
            generator: Source of the randomness.
            labels: One number per base.
            qualities: Phred score of each letter.
        """
        _check_lengths(sequence, labels, qualities)
        letters, number, chosen = _choose(sequence, self.rate, self.alphabet, generator)
        canonical = letter_bytes(self.alphabet.letters)
        # A step of 1 to n - 1 letters around the alphabet never ends where it began.
        step = generator.integers(1, len(canonical), size=chosen.size)
        other = canonical[(number[chosen] + step) % len(canonical)]
        letters[chosen] = other | (letters[chosen] & _LOWER)
        return Augmented(letters.tobytes().decode("ascii"), labels, qualities)


@dataclass(frozen=True)
class MaskN:
    """Replace letters by the one for "any": N, for protein X.

    Labels stay; the quality of a replaced letter becomes 0, as that of a base that was not called.

    Args:
        rate: Probability of each canonical letter, in [0, 1].
        alphabet: Kind of sequence.

    Raises:
        ConfigError: If the rate is out of range.
    """

    rate: float
    alphabet: Alphabet = DNA

    def __post_init__(self) -> None:
        """Refuse what is not a share."""
        _check_share("rate", self.rate)

    def __call__(
        self,
        sequence: str,
        generator: np.random.Generator,
        labels: NDArray[np.int64] | None = None,
        qualities: bytes | None = None,
    ) -> Augmented:
        """Change a sequence; see the head of this module.

        Args:
            sequence: Letters of the alphabet, either case.
            generator: Source of the randomness.
            labels: One number per base.
            qualities: Phred score of each letter.
        """
        _check_lengths(sequence, labels, qualities)
        letters, _, chosen = _choose(sequence, self.rate, self.alphabet, generator)
        letters[chosen] = ord(_any_letter(self.alphabet)) | (letters[chosen] & _LOWER)
        if qualities is not None:
            scores = np.frombuffer(qualities, dtype=np.uint8).copy()
            scores[chosen] = 0
            qualities = scores.tobytes()
        return Augmented(letters.tobytes().decode("ascii"), labels, qualities)


class Compose:
    """Several augmentations, one after the other.

    Args:
        augmentations: At least one, all for one kind of sequence.

    Raises:
        ConfigError: If there is none, or they are for different kinds.

    Example:
        >>> augment = Compose([ReverseComplement(0.5), RandomShift(3), Mutate(0.01)])
        >>> augment("ACGTACGT", np.random.default_rng(3)).sequence
        'GTACGTNN'
    """

    def __init__(self, augmentations: Sequence[Augmentation]) -> None:
        if not augmentations:
            raise ConfigError("Compose needs at least one augmentation")
        kinds = sorted({one.alphabet.name for one in augmentations})
        if len(kinds) > 1:
            raise ConfigError(f"Compose got augmentations for {' and '.join(kinds)}; give one kind")
        self.augmentations = tuple(augmentations)

    @property
    def alphabet(self) -> Alphabet:
        """Kind of sequence that may be passed."""
        return self.augmentations[0].alphabet

    def __call__(
        self,
        sequence: str,
        generator: np.random.Generator,
        labels: NDArray[np.int64] | None = None,
        qualities: bytes | None = None,
    ) -> Augmented:
        """Change a sequence; see the head of this module.

        Args:
            sequence: Letters of the alphabet, either case.
            generator: Source of the randomness.
            labels: One number per base.
            qualities: Phred score of each letter.
        """
        augmented = Augmented(sequence, labels, qualities)
        for augment in self.augmentations:
            augmented = augment(
                augmented.sequence, generator, augmented.labels, augmented.qualities
            )
        return augmented


def _choose(
    sequence: str, rate: float, alphabet: Alphabet, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Letters (to write on), their numbers in the alphabet (-1: none), and positions drawn."""
    numbers = np.full(256, -1, dtype=np.int64)
    canonical = letter_bytes(alphabet.letters)
    numbers[canonical] = numbers[canonical | _LOWER] = np.arange(len(canonical))
    letters = letter_bytes(sequence).copy()
    number = numbers[letters]
    chosen = np.flatnonzero((generator.random(len(letters)) < rate) & (number >= 0))
    return letters, number, chosen


def _any_letter(alphabet: Alphabet) -> str:
    """The ambiguity letter that stands for all canonical ones."""
    return next(
        letter for letter, meaning in alphabet.ambiguity.items() if meaning == alphabet.letters
    )


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} must lie in [0, 1], got {value}")


def _check_lengths(
    sequence: str, labels: NDArray[np.int64] | None, qualities: bytes | None
) -> None:
    for name, values in (("labels", labels), ("qualities", qualities)):
        if values is not None and len(values) != len(sequence):
            raise DataError(f"{len(values)} {name} for a sequence of {len(sequence)} letters")
