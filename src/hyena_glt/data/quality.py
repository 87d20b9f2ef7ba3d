"""Reads and sequences that are good enough to learn from, and a count of those that are not.

records -> trim low quality -> trim adapters -> length, N, mean quality -> kept records
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hyena_glt.data.trimming import adapter_stop, mean_phred, quality_stop
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.records import SequenceRecord

_LONG = 200
"""Median length, in bases, above which the guide takes 3-mers."""


@dataclass
class FilterSummary:
    """What a filter dropped and trimmed so far, and why.

    Attributes:
        sequences: Sequences that came in.
        kept: Sequences that came out.
        bases: Letters that came in.
        bases_kept: Letters that came out.
        dropped: Reason to the number of sequences dropped for it.
        trimmed: What was cut off to the number of letters cut off, dropped sequences included.
    """

    sequences: int = 0
    kept: int = 0
    bases: int = 0
    bases_kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    trimmed: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str) -> None:
        """Count a dropped sequence.

        Args:
            reason: Why.
        """
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def trim(self, what: str, letters: int) -> None:
        """Count letters that were cut off.

        Args:
            what: What they were.
            letters: How many; 0 leaves no line in the table.
        """
        if letters:
            self.trimmed[what] = self.trimmed.get(what, 0) + letters

    def __str__(self) -> str:
        """A table, one line for each reason."""
        rows = [
            ("sequences", self.sequences, ""),
            ("  kept", self.kept, _share(self.kept, self.sequences)),
            *(
                (f"  dropped: {reason}", count, _share(count, self.sequences))
                for reason, count in self.dropped.items()
            ),
            ("bases", self.bases, ""),
            ("  kept", self.bases_kept, _share(self.bases_kept, self.bases)),
            *(
                (f"  trimmed: {what}", count, _share(count, self.bases))
                for what, count in self.trimmed.items()
            ),
        ]
        width = max(len(name) for name, _, _ in rows)
        digits = max(len(f"{count:,}") for _, count, _ in rows)
        return "\n".join(
            f"{name:<{width}}  {count:>{digits},}  {share:>7}".rstrip()
            for name, count, share in rows
        )


class FilteredRecords(Iterator[SequenceRecord]):
    """The records that pass, one at a time; ``summary`` counts along.

    Attributes:
        summary: What was dropped and trimmed up to the record that came last.
    """

    def __init__(self, records: Iterator[SequenceRecord], summary: FilterSummary) -> None:
        self._records = records
        self.summary = summary

    def __next__(self) -> SequenceRecord:
        """The next record that passes."""
        return next(self._records)


@dataclass(frozen=True)
class QualityFilter:
    """Rules that a read must keep; only those that are given are applied.

    Low quality is trimmed first, then adapters; the rules look at what is left.  A read that
    breaks several rules is counted for the first, in the order of the arguments below.

    Args:
        min_length: Fewest letters; what is trimmed to nothing is always dropped.
        max_length: Most letters.
        max_n_fraction: Largest share of N among the letters.
        min_mean_phred: Lowest mean quality: the Phred score of the mean probability of error, see
            :func:`~hyena_glt.data.trimming.mean_phred`.
        trim_quality: Phred score below which the 3′ end is cut off (algorithm of BWA).
        adapters: Adapters at the 3′ end, 5′ to 3′; at the leftmost match of any of them the read
            is cut.  At most one mismatch in ten letters, no insertions or deletions.
        min_overlap: Fewest letters of an adapter that must be there, at the end of a read.

    Raises:
        ConfigError: If an argument breaks its rule.

    Example:
        >>> reads = [
        ...     SequenceRecord("good", "ACGTACGT", qualities=bytes([30] * 8)),
        ...     SequenceRecord("bad", "ACGTACGT", qualities=bytes([5] * 8)),
        ... ]
        >>> passed = QualityFilter(min_mean_phred=20)(reads)
        >>> [record.id for record in passed]
        ['good']
        >>> print(passed.summary)
        sequences                        2
          kept                           1   50.0 %
          dropped: mean Phred below 20   1   50.0 %
        bases                           16
          kept                           8   50.0 %
    """

    min_length: int = 1
    max_length: int | None = None
    max_n_fraction: float | None = None
    min_mean_phred: float | None = None
    trim_quality: int | None = None
    adapters: Sequence[str] = ()
    min_overlap: int = 3

    def __post_init__(self) -> None:
        """Check the rules."""
        if self.min_length < 1:
            raise ConfigError(f"min_length must be at least 1 base, got {self.min_length}")
        if self.max_length is not None and self.max_length < self.min_length:
            raise ConfigError(
                f"max_length must be at least min_length={self.min_length}, got {self.max_length}"
            )
        if self.max_n_fraction is not None and not 0 <= self.max_n_fraction <= 1:
            raise ConfigError(f"max_n_fraction must lie in [0, 1], got {self.max_n_fraction}")
        for name in ("min_mean_phred", "trim_quality"):
            score = getattr(self, name)
            if score is not None and not 0 <= score <= 93:
                raise ConfigError(f"{name} must be a Phred score from 0 to 93, got {score}")
        if self.min_overlap < 1:
            raise ConfigError(f"min_overlap must be at least 1 base, got {self.min_overlap}")
        if isinstance(self.adapters, str):
            raise ConfigError(f"adapters must be a list of sequences, got {self.adapters!r}")
        for adapter in self.adapters:
            if not adapter.isascii() or not adapter.isalpha() or set(adapter.upper()) == {"N"}:
                raise ConfigError(f"adapters must be sequences of letters, got {adapter!r}")

    def __call__(self, records: Iterable[SequenceRecord]) -> FilteredRecords:
        """Filter records, one at a time.

        Args:
            records: Reads; with qualities if a rule asks for them.

        Returns:
            An iterator over the reads that pass, trimmed, with a ``summary``.  It raises a
            DataError that names the record if a rule needs qualities that are not there.
        """
        summary = FilterSummary()
        return FilteredRecords(self._passing(records, summary), summary)

    def _passing(
        self, records: Iterable[SequenceRecord], summary: FilterSummary
    ) -> Iterator[SequenceRecord]:
        for record in records:
            summary.sequences += 1
            summary.bases += len(record.sequence)
            trimmed = self._trim(record, summary)
            reason = self._broken_rule(trimmed)
            if reason is not None:
                summary.drop(reason)
                continue
            summary.kept += 1
            summary.bases_kept += len(trimmed.sequence)
            yield trimmed

    def _trim(self, record: SequenceRecord, summary: FilterSummary) -> SequenceRecord:
        stop = length = len(record.sequence)
        if self.trim_quality is not None:
            stop = quality_stop(_qualities(record, "trim_quality"), self.trim_quality)
            summary.trim("low quality", length - stop)
        if self.adapters:
            rest = record.sequence[:stop]
            before = stop
            stop = min(
                adapter_stop(rest, adapter, min_overlap=self.min_overlap)
                for adapter in self.adapters
            )
            summary.trim("adapter", before - stop)
        if stop == length:
            return record
        qualities = None if record.qualities is None else record.qualities[:stop]
        return record._replace(sequence=record.sequence[:stop], qualities=qualities)

    def _broken_rule(self, record: SequenceRecord) -> str | None:
        length = len(record.sequence)
        if length < self.min_length:
            return f"shorter than {self.min_length}" if length else "empty"
        if self.max_length is not None and length > self.max_length:
            return f"longer than {self.max_length}"
        if self.max_n_fraction is not None and _n_share(record.sequence) > self.max_n_fraction:
            return f"more than {100 * self.max_n_fraction:g} % N"
        if self.min_mean_phred is not None:
            # 23 bases of Phred 20 average to 19.999999999999996.
            mean = mean_phred(_qualities(record, "min_mean_phred")) + 1e-9
            if mean < self.min_mean_phred:
                return f"mean Phred below {self.min_mean_phred:g}"
        return None


class _SequencesAndSize(NamedTuple):
    sequences: list[str]
    kmer_size: int


class PreparedData(_SequencesAndSize):
    """The pair (sequences, k-mer size) of the guide, and what was dropped on the way.

    Attributes:
        sequences: Sequences that passed, upper case, in order.
        kmer_size: Letters per token that suit their length.
        summary: How many sequences were dropped, and why.
    """

    summary: FilterSummary


def prepare_genomic_data(sequences: Iterable[str], *, max_n_fraction: float = 0.1) -> PreparedData:
    """Keep the sequences of A, C, G, T and little N, and choose a k-mer size for them.

    Args:
        sequences: DNA, either case.
        max_n_fraction: Share of N, in either case, from which on a sequence is dropped.

    Returns:
        What unpacks into the sequences and the k-mer size: 3 if their median length is above 200,
        else 1.  Its ``summary`` counts what was dropped.

    Raises:
        ConfigError: If ``max_n_fraction`` is not in (0, 1].
        DataError: If there is no sequence, one is empty or not text, or none is left.

    Example:
        >>> prepared = prepare_genomic_data(["acgt", "ANNT", "ACGU"])
        >>> filtered_sequences, kmer_size = prepared
        >>> filtered_sequences, kmer_size
        (['ACGT'], 1)
        >>> prepared.summary.dropped
        {'10 % N or more': 1, 'letters other than A, C, G, T, N': 1}

    Source:
        Technical Guide, "Best Practices", "Data Preparation".
    """
    if not 0 < max_n_fraction <= 1:
        raise ConfigError(f"max_n_fraction must lie in (0, 1], got {max_n_fraction}")
    if isinstance(sequences, str):
        raise DataError("sequences is one text; give a list of sequences")
    summary = FilterSummary()
    kept: list[str] = []
    for number, sequence in enumerate(sequences):
        if not isinstance(sequence, str) or not sequence:
            raise DataError(
                f"sequence {number} (counted from 0) must be text of at least one letter, "
                f"got {sequence!r}"
            )
        summary.sequences += 1
        summary.bases += len(sequence)
        if _n_share(sequence) >= max_n_fraction:
            summary.drop(f"{100 * max_n_fraction:g} % N or more")
        elif not set(sequence.upper()) <= set("ACGTN"):
            summary.drop("letters other than A, C, G, T, N")
        else:
            kept.append(sequence.upper())
            summary.bases_kept += len(sequence)
    summary.kept = len(kept)
    if not kept:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in summary.dropped.items())
        raise DataError(
            f"none of {summary.sequences} sequences is left ({reasons})"
            if reasons
            else "there is no sequence in the data"
        )
    median = float(np.median([len(sequence) for sequence in kept]))
    prepared = PreparedData(kept, 3 if median > _LONG else 1)
    prepared.summary = summary
    return prepared


def _qualities(record: SequenceRecord, rule: str) -> bytes:
    if record.qualities is None:
        raise DataError(f"{record.id}: {rule} needs quality scores, and there are none (FASTQ has)")
    return record.qualities


def _n_share(sequence: str) -> float:
    return (sequence.count("N") + sequence.count("n")) / len(sequence)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""
