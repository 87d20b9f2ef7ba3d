"""The data of a run: files read, checked letter by letter, split, and made into data sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hyena_glt.biology.alphabet import RNA, Alphabet
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.config import MODALITIES
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import split
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.io.formats import iter_sequences, read_labelled, read_sequences
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.tokenizers import (
    DNATokenizer,
    GenomicTokenizer,
    ProteinTokenizer,
    RNATokenizer,
)
from hyena_glt.training.settings import DataSettings, RunSettings

_TOKENIZERS: dict[str, Callable[..., Any]] = {
    "dna": DNATokenizer,
    "rna": RNATokenizer,
    "protein": ProteinTokenizer,
    "mixed": GenomicTokenizer,
}


class Leaks(NamedTuple):
    """Sequences that are in the test data and in those that a model learns from.

    Attributes:
        test: Test sequences that training or validation data hold too, letter for letter; DNA on
            either strand.
        training: Training and validation sequences that the test data hold.
        dropped: Whether the latter were left out.
    """

    test: int
    training: int
    dropped: bool


@dataclass(frozen=True)
class RunData:
    """The three data sets of a run and the tokenizer that made them.

    Attributes:
        train: Training data.
        validation: Decides which epoch is best.
        test: Held out until the end.
        tokenizer: Tokenizer of all three.
        leaks: Sequences that the test data share with the others.
    """

    train: GenomicDataset
    validation: GenomicDataset
    test: GenomicDataset
    tokenizer: Any
    leaks: Leaks


def make_tokenizer(settings: DataSettings) -> Any:
    """The tokenizer of a molecule.

    Args:
        settings: Molecule, k-mer size and what to do with ambiguity letters.
    """
    return _TOKENIZERS[settings.molecule](
        vocab_size=10**9, kmer_size=settings.kmer_size, ambiguous=settings.ambiguous
    )


def read_run_data(settings: RunSettings, tokenizer: Any = None) -> RunData:
    """Read and check all files of a run before anything is written.

    Args:
        settings: Which files, how to read them.
        tokenizer: Reads the sequences; None takes that of the molecule.

    Raises:
        ConfigError: If no training data are named, or two kinds at once.
        DataError: If a file, a sequence or a label breaks a rule.
    """
    data, seed = settings.data, settings.training.seed
    _check_test_files(data)
    records = _training_records(data)
    task = _task(data, records)
    if task == "regression" and not (data.positive or data.task == "regression"):
        records = _training_records(data.model_copy(update={"task": "regression"}))
    if tokenizer is None:
        tokenizer = make_tokenizer(data)
    path = data.train or f"{data.positive}, {data.negative}"
    has_qualities = records[0].qualities is not None
    reads_qualities = settings.model.get("quality_embedding", has_qualities)

    def dataset(rows: Sequence[LabelledRecord], origin: str, names: Any = None) -> GenomicDataset:
        check_records(rows, tokenizer, origin)
        if not reads_qualities:
            rows = [row._replace(qualities=None) for row in rows]
        try:
            return GenomicDataset(rows, tokenizer, None, task, label_names=names)  # type: ignore[arg-type]
        except DataError as error:
            raise DataError(str(error), path=origin) from None

    columns = (data.label_column or "").split(",")
    train = dataset(records, path, columns if task == "multi_label" and len(columns) > 1 else None)
    if task == "classification" and len(train.label_names) < 2:
        raise DataError(
            f"all {len(train)} labels are {train.label_names[0]!r}; classification needs two",
            path=path,
        )
    names = train.label_names or None

    def other(file: str) -> GenomicDataset:
        return dataset(_read_table(file, data, numeric=task == "regression"), file, names)

    if data.test is not None:
        test = other(data.test)
    elif data.test_positive is not None and data.test_negative is not None:
        rows = _read_classes(data.test_positive, data.test_negative)
        test = dataset(rows, f"{data.test_positive}, {data.test_negative}", names)
    else:
        train, test = split(train, data.test_fraction, seed)
    if data.validation is not None:
        validation = other(data.validation)
    else:
        train, validation = split(train, data.validation_fraction, seed + 1)
    train, validation, leaks = _without_leaks(train, validation, test, data)
    return RunData(train, validation, test, tokenizer, leaks)


def check_letters(
    records: Sequence[LabelledRecord | SequenceRecord], alphabet: Alphabet, origin: str
) -> None:
    """Refuse sequences with letters outside an alphabet.

    Args:
        records: The sequences of a file.
        alphabet: What they may hold.
        origin: The file, for the message.

    Raises:
        AlphabetError: Names file and sequence, the number of foreign letters and the first one.
    """
    for record in records:
        # RNA is often published with the letters of its gene; the RNA tokenizer reads T as U.
        letters = record.sequence
        if alphabet is RNA:
            letters = letters.replace("T", "U").replace("t", "u")
        try:
            alphabet.check_letters(letters)
        except AlphabetError as error:
            raise AlphabetError(f"{record.id}: {error}", path=origin) from None


def check_records(
    records: Sequence[LabelledRecord | SequenceRecord], tokenizer: Any, origin: str
) -> None:
    """Refuse sequences that a tokenizer does not read.

    Args:
        records: The sequences of a file.
        tokenizer: Tokenizer of one molecule, or of the joint vocabulary.
        origin: The file, for the message.

    Raises:
        DataError: If a sequence does not say its molecule, and the tokenizer reads several.
        AlphabetError: If a sequence holds letters that its molecule does not have.
    """
    if not tokenizer.is_joint or tokenizer.modality is not None:
        check_letters(records, tokenizer.alphabet, origin)
        return
    alphabets = {name: tokenizer.of(name).alphabet for name in MODALITIES}
    for record in records:
        if record.modality is None:
            raise DataError(
                f"{record.id}: it is not said which molecule this is; with several molecules each "
                f"sequence needs one of {', '.join(MODALITIES)} in the column modality",
                path=origin,
            )
        check_letters([record], alphabets[record.modality], origin)


def letters_or_file(text: str, name: str) -> tuple[list[SequenceRecord], str]:
    """Read an argument that is either a sequence or the path of a file of sequences.

    Args:
        text: Letters, or a path; what has an ending or a slash is a path.
        name: Name of a sequence given as letters.

    Returns:
        The sequences, and what to call their origin in a message.

    Raises:
        DataError: If the file cannot be read or breaks a rule.
    """
    path = Path(text)
    try:
        is_path = bool(path.suffix) or "/" in text or path.is_file()
    except OSError:  # letters too long for the name of a file
        is_path = False
    if is_path:
        return read_sequences(path), text
    return [SequenceRecord(name, text)], f"the {name}"


def _training_records(data: DataSettings) -> list[LabelledRecord]:
    if (data.positive is None) != (data.negative is None):
        raise ConfigError("--positive and --negative belong together: one FASTA per class")
    if data.positive is not None and data.negative is not None:
        if data.train is not None:
            raise ConfigError("give either --train or --positive and --negative")
        return _read_classes(data.positive, data.negative)
    if data.train is None:
        raise ConfigError(
            "there are no training data: give --train, or --positive and --negative, or --fasta "
            "and --annotation"
        )
    return _read_table(data.train, data, numeric=data.task == "regression")


def _check_test_files(data: DataSettings) -> None:
    if (data.test_positive is None) != (data.test_negative is None):
        raise ConfigError("--test-positive and --test-negative belong together")
    if data.test_positive is not None and data.test is not None:
        raise ConfigError("give either --test or --test-positive and --test-negative")


def _read_classes(positive: str, negative: str) -> list[LabelledRecord]:
    return [
        LabelledRecord(record.id, record.sequence, label, record.qualities)
        for label, path in (("0", negative), ("1", positive))
        for record in iter_sequences(path)
    ]


def _without_leaks(
    train: GenomicDataset, validation: GenomicDataset, test: GenomicDataset, data: DataSettings
) -> tuple[GenomicDataset, GenomicDataset, Leaks]:
    """Find what test and training data share; leave it out of the latter if asked to."""
    learned = [
        [_spelling(sequence, data.molecule) for sequence in part.sequences]
        for part in (train, validation)
    ]
    tested = [_spelling(sequence, data.molecule) for sequence in test.sequences]
    held = set(tested)
    shared = set().union(*learned) & held
    found = Leaks(
        sum(letters in shared for letters in tested),
        sum(letters in shared for part in learned for letters in part),
        bool(shared) and data.drop_leaked,
    )
    if not found.dropped:
        return train, validation, found
    kept = []
    for part, letters in zip((train, validation), learned, strict=True):
        rows = [row for row, own in enumerate(letters) if own not in shared]
        if not rows:
            raise DataError("--drop-leaked: nothing is left to train on; the test holds it all")
        kept.append(part.subset(rows))
    return kept[0], kept[1], found


def _spelling(sequence: str, molecule: str) -> str:
    """The letters by which equal sequences are found; of DNA those of either strand."""
    letters = sequence.upper()
    if molecule == "dna":
        return min(letters, reverse_complement(letters))
    return letters.replace("U", "T") if molecule == "rna" else letters


def _read_table(path: str, data: DataSettings, *, numeric: bool) -> list[LabelledRecord]:
    return read_labelled(
        path,
        sequence_column=data.sequence_column,
        label_column=data.label_column,
        numeric=numeric,
    )


def _task(data: DataSettings, records: Sequence[LabelledRecord]) -> str:
    """The task asked for, or what the labels look like.

    Several label columns are multi-label; numbers with a fraction are regression; the rest are
    classes.
    """
    if data.task != "auto":
        return data.task
    if isinstance(records[0].label, tuple):
        return "multi_label"
    fractions = 0
    for record in records:
        try:
            fractions += not float(str(record.label)).is_integer()
        except ValueError:
            return "classification"
    return "regression" if fractions else "classification"
