"""The data of a run: files read, checked letter by letter, split, and made into data sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyena_glt.biology.alphabet import RNA, Alphabet
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import split
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.io.fasta import read_labelled_fasta
from hyena_glt.io.formats import detect_format, read_sequences
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.tables import read_labelled_table
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer, RNATokenizer
from hyena_glt.training.settings import DataSettings, RunSettings

_TOKENIZERS: dict[str, Callable[..., Any]] = {
    "dna": DNATokenizer,
    "rna": RNATokenizer,
    "protein": ProteinTokenizer,
}


@dataclass(frozen=True)
class RunData:
    """The three data sets of a run and the tokenizer that made them.

    Attributes:
        train: Training data.
        validation: Decides which epoch is best.
        test: Held out until the end.
        tokenizer: Tokenizer of all three.
    """

    train: GenomicDataset
    validation: GenomicDataset
    test: GenomicDataset
    tokenizer: Any


def make_tokenizer(settings: DataSettings) -> Any:
    """The tokenizer of a molecule.

    Args:
        settings: Molecule, k-mer size and what to do with ambiguity letters.
    """
    return _TOKENIZERS[settings.molecule](
        vocab_size=10**9, kmer_size=settings.kmer_size, ambiguous=settings.ambiguous
    )


def read_run_data(settings: RunSettings) -> RunData:
    """Read and check all files of a run before anything is written.

    Args:
        settings: Which files, how to read them.

    Raises:
        ConfigError: If no training data are named, or two kinds at once.
        DataError: If a file, a sequence or a label breaks a rule.
    """
    data, seed = settings.data, settings.training.seed
    records = _training_records(data)
    task = _task(data, records)
    if task == "regression" and not (data.positive or data.task == "regression"):
        records = _training_records(data.model_copy(update={"task": "regression"}))
    tokenizer = make_tokenizer(data)
    path = data.train or f"{data.positive}, {data.negative}"

    def dataset(rows: Sequence[LabelledRecord], origin: str, names: Any = None) -> GenomicDataset:
        check_letters(rows, tokenizer.alphabet, origin)
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
    else:
        train, test = split(train, data.test_fraction, seed)
    if data.validation is not None:
        validation = other(data.validation)
    else:
        train, validation = split(train, data.validation_fraction, seed + 1)
    return RunData(train, validation, test, tokenizer)


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
        return read_labelled_fasta({"0": data.negative, "1": data.positive})
    if data.train is None:
        raise ConfigError("there are no training data: give --train, or --positive and --negative")
    return _read_table(data.train, data, numeric=data.task == "regression")


def _read_table(path: str, data: DataSettings, *, numeric: bool) -> list[LabelledRecord]:
    if detect_format(path) == "fasta":
        raise DataError(
            "a FASTA file has no labels; use a table, or --positive and --negative", path=path
        )
    return read_labelled_table(
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
