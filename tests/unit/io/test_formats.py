import gzip
import io
import json
import os
import pickle
import sys
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.errors import DataError, OutputError
from hyena_glt.io.formats import (
    detect_format,
    iter_labelled,
    iter_sequences,
    read_labelled,
    read_sequences,
    write_labelled,
    write_sequences,
)
from hyena_glt.io.records import LabelledRecord, SequenceRecord

IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
LETTERS = st.text("ACGTNacgtn*-.RYK", min_size=1, max_size=90)
WORDS = st.text("abc >=|,;\"'", max_size=20).map(lambda text: " ".join(text.split()))


@st.composite
def sequences(draw, *, qualities):
    sequence = draw(LETTERS)
    scores = st.lists(st.integers(0, 93), min_size=len(sequence), max_size=len(sequence))
    return SequenceRecord(
        draw(IDS), sequence, draw(WORDS), bytes(draw(scores)) if qualities else None
    )


def test_reads_are_records_like_any(tmp_path):
    path = tmp_path / "x.fq"
    record = SequenceRecord("r", "ACGT", "d", b"\x02\x28\x1e\x00")
    write_sequences(path, [record])
    (read,) = read_sequences(path)
    assert read == record
    assert repr(read) == repr(record)
    assert hash(read) == hash(record)
    assert pickle.loads(pickle.dumps(read)) == record


def test_the_molecule_of_a_sequence_is_kept(tmp_path):
    records = [SequenceRecord("a", "AC", modality="rna"), SequenceRecord("b", "AC")]
    for ending in (".csv", ".jsonl", ".parquet"):
        write_sequences(tmp_path / f"x{ending}", records)
        assert read_sequences(tmp_path / f"x{ending}") == records


@st.composite
def sequence_lists(draw):
    qualities = draw(st.booleans())
    return draw(st.lists(sequences(qualities=qualities), min_size=1, max_size=5)), qualities


@st.composite
def labelled_lists(draw):
    labels = draw(
        st.sampled_from(
            [
                st.text("xyz0,é ", min_size=1, max_size=5).map(str.strip).filter(bool),
                st.floats(allow_nan=False, allow_infinity=False),
                st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)),
                st.tuples(*2 * [st.floats(allow_nan=False, allow_infinity=False)]),
            ]
        )
    )
    none = st.none()
    first = draw(st.builds(LabelledRecord, IDS, LETTERS, labels, none, st.just("dna")))
    modality = st.sampled_from([None, "dna", "rna", "protein"])
    rest = st.lists(st.builds(LabelledRecord, IDS, LETTERS, labels, none, modality), max_size=4)
    return [first, *draw(rest)]


TEXT_ENDINGS = [".fa", ".fastq", ".csv", ".tsv", ".json", ".jsonl"]
ENDINGS = [*TEXT_ENDINGS, ".parquet", *(ending + ".gz" for ending in TEXT_ENDINGS)]


@pytest.mark.parametrize("ending", ENDINGS)
@given(written=sequence_lists())
@settings(max_examples=25, deadline=None)
def test_sequences_are_read_as_they_were_written(tmp_path_factory, ending, written):
    records, qualities = written
    path = tmp_path_factory.mktemp("formats") / f"x{ending}"
    if ending.startswith(".fastq") and not qualities:
        with pytest.raises(DataError, match=r"record 1: .*no qualities"):
            write_sequences(path, records)
        assert list(path.parent.iterdir()) == []
        return
    assert write_sequences(path, records) == len(records)
    if ending.startswith(".fa") and not ending.startswith(".fastq"):
        records = [SequenceRecord(one.id, one.sequence, one.description) for one in records]
    if ending.startswith(".fastq"):  # the encoding of these few reads may be anyone's guess
        from hyena_glt.io.fastq import iter_fastq

        assert list(iter_fastq(path, encoding="phred+33")) == records
    else:
        assert read_sequences(path) == records
    first = path.read_bytes()
    write_sequences(path, records)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "ending", [one for one in ENDINGS if not one.startswith((".fa", ".fastq"))]
)
@given(records=labelled_lists())
@settings(max_examples=25, deadline=None)
def test_labels_are_read_as_they_were_written(tmp_path_factory, ending, records):
    path = tmp_path_factory.mktemp("formats") / f"x{ending}"
    assert write_labelled(path, records) == len(records)
    label = records[0].label
    numeric = isinstance(label, float) or (
        isinstance(label, tuple) and label != (*map(int, label),)
    )
    numeric |= isinstance(label, tuple) and isinstance(label[0], float)
    assert read_labelled(path, numeric=numeric) == records


def test_labels_in_headers(tmp_path):
    path = tmp_path / "rna.fa"
    records = [LabelledRecord("r1", "ACGU", "tRNA"), LabelledRecord("r2", "GGCC", "5S rRNA")]
    assert write_labelled(path, records) == 2
    assert read_labelled(path, label_column="description") == records
    words = read_labelled(path, label_column="word:2")
    assert [one.label for one in words] == ["tRNA", "5S"]
    with pytest.raises(DataError, match=r":1: record 'r1': the header has no 'word:3'"):
        read_labelled(path, label_column="word:3")
    with pytest.raises(DataError, match=r":1: record 'r1': the label 'tRNA' is no number"):
        read_labelled(path, label_column="word:2", numeric=True)
    with pytest.raises(DataError, match=r"must be 'description' or 'word:2'.*got None"):
        read_labelled(path)
    values = tmp_path / "values.fq"
    write_labelled(values, [LabelledRecord("r", "AC", 0.5, b"\x02\x1e")])
    assert read_labelled(values, label_column="description", numeric=True) == [
        LabelledRecord("r", "AC", 0.5, b"\x02\x1e")
    ]
    with pytest.raises(DataError, match="several labels"):
        write_labelled(path, [LabelledRecord("r", "AC", (0, 1))])


GENBANK = (
    "LOCUS       X   4 bp    DNA     linear   UNK 01-JAN-2000\n"
    "FEATURES             Location/Qualifiers\nORIGIN\n        1 acgt\n//\n"
)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("x.fna.gz", "", "fasta"),
        ("x.FQ.bgz", "", "fastq"),
        ("x.TSV", "", "table"),
        ("x.gbff.gz", "", "genbank"),
        ("x.ndjson", "", "jsonl"),
        ("x.pq", "", "parquet"),
        ("x.txt", "\n>a\nACGT\n", "fasta"),
        ("x.txt", "\ufeff\n>a\nACGT\n", "fasta"),
        ("x", "@a\nACGT\n+\nIIII\n", "fastq"),
        ("x.txt", "sequence\nACGT\n", "table"),
        ("x", '[{"sequence": "ACGT"}]', "json"),
        ("x", '{"data": [{"sequence": "ACGT"}]}', "json"),
        ("x", '{"data": [\n{"sequence": "ACGT"}]}', "json"),
        ("x", '{"data": [{"text": "' + "ACGT" * 2000 + '"}]}', "json"),
        ("x", '{"sequence": "ACGT"}\n{"sequence": "ACGT"}\n', "jsonl"),
        ("x", '{"text": "' + "ACGT" * 2000 + '"}\n', "jsonl"),
        ("x", GENBANK, "genbank"),
    ],
)
def test_formats_are_told_apart(tmp_path, name, text, kind):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert detect_format(path) == kind
    if text:
        assert {record.sequence for record in read_sequences(path)} <= {"ACGT", "ACGT" * 2000}
    packed = tmp_path / "packed.bin"
    packed.write_bytes(gzip.compress(text.encode()))
    if text:
        assert detect_format(packed) == kind
        assert read_sequences(packed) == read_sequences(path)


@contextmanager
def standard_input(data, *, pipe):
    before = sys.stdin
    read, write = os.pipe() if pipe else (-1, -1)
    if pipe:
        os.write(write, data)
        os.close(write)
        sys.stdin = os.fdopen(read, encoding="utf-8")
    else:
        sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    try:
        yield
        assert not sys.stdin.closed
    finally:
        sys.stdin.close()
        sys.stdin = before


@pytest.mark.parametrize("pipe", [True, False])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("ending", TEXT_ENDINGS)
def test_the_standard_input_is_read_in_every_text_format(tmp_path, ending, zipped, pipe):
    path = tmp_path / f"x{ending}"
    qualities = b"\x02\x28\x1e\x00" if ending == ".fastq" else None
    records = [SequenceRecord(f"r{i}", "ACGT", "d", qualities) for i in range(300)]
    write_sequences(path, records)
    data = path.read_bytes()
    with standard_input(gzip.compress(data) if zipped else data, pipe=pipe):
        assert list(iter_sequences("-")) == records


def test_faults_in_the_standard_input_name_their_line():
    with (
        standard_input(b"@r1\nAC\n+\nII\n@r2\nA5\n+\nII\n", pipe=True),
        pytest.raises(DataError, match=r"^-:5: the sequence of 'r2' holds '5'"),
    ):
        read_sequences("-")
    with (
        standard_input(b">r1\nAC\n>r2\nA5\n", pipe=True),
        pytest.raises(DataError, match=r"^-: the sequence of 'r2' holds '5'"),
    ):
        read_sequences("-")
    with standard_input(b"", pipe=True), pytest.raises(DataError, match=r"^-: the file is empty"):
        read_sequences("-")
    with standard_input(b"PAR1\x15", pipe=False), pytest.raises(DataError, match="Parquet cannot"):
        read_sequences("-")


def test_a_pipe_without_an_ending_is_not_read_in_part(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="the name '-'"):
        read_sequences(pipe)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\x1a\x41\x27\x43\0\0\0\0", "2bit"),
        (b"BAM\x01\0\0", "BAM; samtools"),
        (b"PK\x03\x04\0\0", "zip archive"),
        (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"\xff\xfe>\0a\0", "UTF-16"),
        (b"\x7fELF\0\0", "no text file"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_files_that_hold_no_text_are_named(tmp_path, start, message, zipped):
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(start) if zipped else start)
    with pytest.raises(DataError, match=message):
        read_sequences(path)


def test_repeated_names_are_refused_on_request(tmp_path):
    path = tmp_path / "x.jsonl"
    write_sequences(path, [SequenceRecord("a", "AC"), SequenceRecord("a", "GT")])
    assert len(read_sequences(path)) == 2
    with pytest.raises(DataError, match="record 2: the name 'a' occurs twice"):
        list(iter_sequences(path, unique_ids=True))


def test_empty_reads_are_refused_where_sequences_are_wanted(tmp_path):
    path = tmp_path / "x.fq"
    path.write_text("@a\nAC\n+\nI#\n@b\n\n+\n\n")
    with pytest.raises(DataError, match=r":5: read 'b' has no sequence"):
        read_sequences(path)
    with pytest.raises(DataError, match=r":5: read 'b' has no sequence"):
        list(iter_labelled(path, label_column="word:1"))


def test_endings_that_cannot_be_written_are_refused(tmp_path):
    for name in ("x.gb", "x", "x.txt", "-"):
        with pytest.raises(OutputError, match=r"ending must say the format to write: \.fa, "):
            write_sequences(tmp_path / name, [])
    for name in ("x.fa.bgz", "x.parquet.gz"):
        with pytest.raises(OutputError, match="cannot be written packed"):
            write_labelled(tmp_path / name, [])
    for name in ("x.csv", "x.json", "x.jsonl", "x.parquet"):
        with pytest.raises(DataError, match="no record to write"):
            write_sequences(tmp_path / name, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([LabelledRecord("a", "AC", "x"), SequenceRecord("b", "AC")], "labelled and unlabelled"),
        ([LabelledRecord("a", "AC", "x"), LabelledRecord("b", "AC", 0.5)], "of another kind"),
        ([LabelledRecord("a", "AC", "x"), LabelledRecord("b", "AC", "y", b"\1\1")], "qualities"),
        (
            [LabelledRecord("a", "AC", "x"), LabelledRecord("b", "AC", "y", modality="dna")],
            "modality",
        ),
        ([LabelledRecord("a", "AC", "x"), LabelledRecord("b", "AC", " ")], "label ' '"),
        ([LabelledRecord("a", "AC", 1.0), LabelledRecord("b", "AC", float("nan"))], "not finite"),
        ([LabelledRecord("a", "AC", "x"), LabelledRecord("b", "", "y")], "no sequence"),
        ([LabelledRecord("a", "AC", "x"), LabelledRecord("b", "A C", "y")], "holds ' '"),
        ([LabelledRecord("a", "AC", "x"), LabelledRecord("", "AC", "y")], "name ''"),
        ([LabelledRecord("a", "AC", "x", modality="xna")], "'xna'"),
        ([LabelledRecord("a", "AC", "x", b"\1")], "2 letters but 1 qualities"),
        ([LabelledRecord("a", "A", "x", b"\x5e")], "94"),
        ([LabelledRecord("a", "A", ())], "no label"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_a_record_that_could_not_be_read_again_leaves_no_file(tmp_path, ending, records, message):
    with pytest.raises(DataError, match=rf"record \d: .*{message}"):
        write_labelled(tmp_path / f"x{ending}", records)
    assert list(tmp_path.iterdir()) == []


def test_labels_of_several_lengths_or_types_fit_no_table(tmp_path):
    uneven = [LabelledRecord("a", "AC", (0, 1)), LabelledRecord("b", "AC", (0, 1, 1))]
    with pytest.raises(DataError, match="record 2: another number of labels"):
        write_labelled(tmp_path / "x.csv", uneven)
    mixed = [LabelledRecord("a", "AC", (0, 1)), LabelledRecord("b", "AC", (0.5, 1))]
    with pytest.raises(DataError, match=r"record 2: the label \[0.5, 1\] is no whole number"):
        write_labelled(tmp_path / "x.parquet", mixed)
    lines = [SequenceRecord("a", "AC", "two\nlines")]
    with pytest.raises(DataError, match=r"record 1: .*no table can carry"):
        write_sequences(tmp_path / "x.csv", lines)
    with pytest.raises(DataError, match="UTF-8"):
        write_sequences(tmp_path / "x.jsonl", [SequenceRecord("a", "AC", "\ud800")])
    assert list(tmp_path.iterdir()) == []
    write_sequences(tmp_path / "x.jsonl", lines)
    assert json.loads((tmp_path / "x.jsonl").read_text())["description"] == "two\nlines"
    assert read_sequences(tmp_path / "x.jsonl") == lines


def test_sequences_of_a_table_keep_their_molecule(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("id\tsequence\tmolecule\na\tACGT\tDNA\nb\tMKV\tprotein\nc\tACGU\t\n")
    assert [record.modality for record in read_sequences(path)] == ["dna", "protein", None]
