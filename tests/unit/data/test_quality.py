import gzip
import pickle
import subprocess
import sys

import numpy as np
import pytest
from Bio.SeqIO.QualityIO import FastqGeneralIterator
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.data.quality import QualityFilter, prepare_genomic_data
from hyena_glt.data.trimming import mean_phred
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.fastq import iter_fastq
from hyena_glt.io.records import SequenceRecord


def read(id_, sequence, qualities=None):
    if isinstance(qualities, int):
        qualities = bytes([qualities] * len(sequence))
    return SequenceRecord(id_, sequence, qualities=qualities)


READS = [
    read("good", "ACGTACGTAC", 35),
    read("short", "ACG", 35),
    read("long", "ACGT" * 10, 35),
    read("n", "ACNNNNNTAC", 35),
    read("poor", "ACGTACGTAC", 12),
    read("empty", "", b""),
]


def test_every_rule_drops_its_read_and_is_named():
    rules = QualityFilter(min_length=5, max_length=20, max_n_fraction=0.1, min_mean_phred=20)
    passed = rules(READS)
    assert [record.id for record in passed] == ["good"]
    summary = passed.summary
    assert summary.dropped == {
        "shorter than 5": 1,
        "longer than 20": 1,
        "more than 10 % N": 1,
        "mean Phred below 20": 1,
        "empty": 1,
    }
    assert (summary.sequences, summary.kept, summary.bases, summary.bases_kept) == (6, 1, 73, 10)
    lines = str(summary).splitlines()
    assert lines[0].split() == ["sequences", "6"]
    assert lines[1].split() == ["kept", "1", "16.7", "%"]
    assert ["dropped:", "more", "than", "10", "%", "N", "1", "16.7", "%"] in map(str.split, lines)


def test_without_rules_only_empty_reads_go():
    passed = QualityFilter()(READS)
    assert [record.id for record in passed] == ["good", "short", "long", "n", "poor"]
    assert passed.summary.dropped == {"empty": 1}


def test_the_summary_counts_along_and_reads_are_drawn_one_at_a_time():
    drawn = []

    def stream():
        for record in READS:
            drawn.append(record.id)
            yield record

    passed = QualityFilter(min_length=5)(stream())
    assert passed.summary.sequences == 0
    assert next(passed).id == "good"
    assert drawn == ["good"]
    assert passed.summary.sequences == 1


def test_low_quality_goes_first_then_the_adapter_then_the_rules():
    adapter = "AGATCGGAAGAGC"
    inner = read("inner", "CCCCCCCC" + adapter + "TTTT", bytes([35] * 21 + [2] * 4))
    only = read("only", adapter, 35)
    passed = QualityFilter(trim_quality=20, adapters=[adapter], min_length=3)([inner, only])
    (kept,) = passed
    assert (kept.sequence, kept.qualities) == ("CCCCCCCC", bytes([35] * 8))
    assert passed.summary.trimmed == {"low quality": 4, "adapter": 8 + 5 + 13}
    assert passed.summary.dropped == {"empty": 1}
    # A tail of low quality does not count against the mean of what is left.
    assert len(list(QualityFilter(trim_quality=20, min_mean_phred=30)([inner]))) == 1
    assert len(list(QualityFilter(min_mean_phred=30)([inner]))) == 0


def test_the_leftmost_of_several_adapters_counts():
    one = read("r", "ACACACGGGGGGTTTTTT")
    (kept,) = QualityFilter(adapters=["TTTTTT", "GGGGGG"])([one])
    assert kept.sequence == "ACACAC"
    assert kept.qualities is None


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("ACGTNn"), st.integers(0, 60)), max_size=30),
        max_size=8,
    ),
    st.integers(1, 10),
    st.floats(0, 1),
    st.integers(0, 40),
    st.none() | st.integers(0, 40),
)
def test_what_passes_keeps_the_rules_and_the_counts_add_up(rows, shortest, n, phred, trim):
    reads = [
        read(str(i), "".join(a for a, _ in row), bytes(q for _, q in row))
        for i, row in enumerate(rows)
    ]
    rules = QualityFilter(
        min_length=shortest, max_n_fraction=n, min_mean_phred=phred, trim_quality=trim
    )
    passed = rules(reads)
    kept = list(passed)
    by_id = {record.id: record for record in reads}
    for record in kept:
        assert by_id[record.id].sequence.startswith(record.sequence)
        assert by_id[record.id].qualities.startswith(record.qualities)
        assert len(record.sequence) == len(record.qualities) >= shortest
        assert record.sequence.upper().count("N") <= n * len(record.sequence) + 1e-9
        assert mean_phred(record.qualities) >= phred - 1e-9
    summary = passed.summary
    assert summary.sequences == len(reads) == len(kept) + sum(summary.dropped.values())
    assert summary.bases_kept == sum(len(record.sequence) for record in kept)
    str(summary)


def test_a_read_of_one_quality_passes_at_that_quality():
    for score in range(94):
        reads = [read(str(length), "A" * length, score) for length in range(1, 60)]
        assert len(list(QualityFilter(min_mean_phred=score)(reads))) == len(reads)


def test_rules_about_quality_need_qualities():
    for rules in (QualityFilter(min_mean_phred=20), QualityFilter(trim_quality=20)):
        with pytest.raises(DataError, match=r"^r: \w+ needs quality scores, and there are none"):
            list(rules([read("r", "ACGT")]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_length": 0}, "min_length must be at least 1 base, got 0"),
        ({"min_length": 9, "max_length": 8}, "max_length must be at least min_length=9, got 8"),
        ({"max_n_fraction": 10}, r"max_n_fraction must lie in \[0, 1\], got 10"),
        ({"min_mean_phred": -1}, "min_mean_phred must be a Phred score from 0 to 93, got -1"),
        ({"trim_quality": 94}, "trim_quality must be a Phred score from 0 to 93, got 94"),
        ({"min_overlap": 0}, "min_overlap must be at least 1 base, got 0"),
        ({"adapters": "ACGT"}, "adapters must be a list of sequences, got 'ACGT'"),
        ({"adapters": [""]}, "adapters must be sequences of letters, got ''"),
        ({"adapters": ["NNN"]}, "adapters must be sequences of letters, got 'NNN'"),
    ],
)
def test_bad_rules_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        QualityFilter(**options)


def guide(sequences):
    """The block of the guide, as it stands there."""
    filtered_sequences = []
    for seq in sequences:
        if seq.count("N") / len(seq) < 0.1:  # noqa: SIM102 - as it stands there
            if set(seq.upper()).issubset({"A", "T", "G", "C", "N"}):
                filtered_sequences.append(seq.upper())
    lengths = [len(seq) for seq in filtered_sequences]
    median_length = np.median(lengths)
    kmer_size = 3 if median_length > 200 else 1
    return filtered_sequences, kmer_size


@given(
    st.lists(
        st.builds(
            lambda text, times: text * times,
            st.text("ACGTNacgtU", min_size=1, max_size=30),
            st.integers(1, 12),
        ),
        max_size=8,
    )
)
def test_data_are_prepared_as_in_the_guide(sequences):
    sequences = ["ACGT", *sequences]
    prepared = prepare_genomic_data(sequences)
    assert tuple(prepared) == guide(sequences)
    assert prepared.summary.kept + sum(prepared.summary.dropped.values()) == len(sequences)


def test_the_pair_says_what_was_dropped():
    prepared = prepare_genomic_data(
        iter(["acgt" * 60, "ACGU" * 60, "ACGTN" * 60, "ACGTnnnnnn"]), max_n_fraction=0.5
    )
    filtered_sequences, kmer_size = prepared
    assert filtered_sequences == ["ACGT" * 60, "ACGTN" * 60]
    assert kmer_size == 3
    assert prepared.sequences is filtered_sequences
    assert prepared.summary.dropped == {
        "letters other than A, C, G, T, N": 1,
        "50 % N or more": 1,
    }
    again = pickle.loads(pickle.dumps(prepared))
    assert again == prepared
    assert again.summary == prepared.summary


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "^there is no sequence in the data$"),
        (["ACGT", ""], r"^sequence 1 \(counted from 0\) must be text of at least one letter, got"),
        (["ACGT", None], r"^sequence 1 \(counted from 0\) must be text of at least one letter, go"),
        ("ACGT", "^sequences is one text; give a list of sequences$"),
        (["NN", "UU"], "^none of 2 sequences is left \\(10 % N or more: 1, letters other than A"),
    ],
)
def test_nothing_to_prepare_is_an_error_in_words(sequences, message):
    with pytest.raises(DataError, match=message):
        prepare_genomic_data(sequences)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1])
def test_a_share_of_n_is_a_share(fraction):
    with pytest.raises(ConfigError, match=rf"max_n_fraction must lie in \(0, 1\], got {fraction}"):
        prepare_genomic_data(["ACGT"], max_n_fraction=fraction)


def test_reads_are_filtered_without_torch():
    code = (
        "import sys; from hyena_glt.data import QualityFilter, prepare_genomic_data, "
        "clean_sequence; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_real_reads_are_kept_as_biopython_reads_them(shared_data):
    path = shared_data / "formats" / "fastq_real" / "reads_1.fq.gz"
    if not path.is_file():
        pytest.skip(f"the shared data is not there: {path}")
    with gzip.open(path, "rt") as lines:
        expected = []
        for title, sequence, quality in FastqGeneralIterator(lines):
            errors = [10 ** (-(ord(sign) - 33) / 10) for sign in quality]
            if sum(errors) / len(errors) <= 0.01 and sequence.count("N") <= 0.02 * len(sequence):
                expected.append((title.split()[0], sequence))
    passed = QualityFilter(min_mean_phred=20, max_n_fraction=0.02)(iter_fastq(path))
    assert [(record.id, record.sequence) for record in passed] == expected
    assert 0 < len(expected) < passed.summary.sequences == 2500
