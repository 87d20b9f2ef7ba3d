"""Whatever happens to a file on its way, readers give records or say what is wrong, never more."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import DataError
from hyena_glt.io.fasta import read_fasta
from hyena_glt.io.motif_files import read_motifs
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.tables import read_labelled_table, read_sequence_table

FASTA = b">chr1 first\nACGTNACGT\nACGT\n\n>chr2\nGGCC\n"
CSV = b'id,sequence,label\nread1,ACGT,0\n"read,2",TTGA,1\nread3,"GGGG",0\n'
TSV = b"seq\tlabel\nACGT\tpromoter\nTTGA\tother\n"
MEME = (
    b"MEME version 4\n\nALPHABET= ACGT\n\nMOTIF M1 TATA\n"
    b"letter-probability matrix: alength= 4 w= 2 nsites= 9 E= 0\n"
    b"0.1 0.2 0.3 0.4\n0.97 0.01 0.01 0.01\nURL none\n"
)
JASPAR = b">MA1 one\nA [ 1 2 ]\nC [ 3 4 ]\nG [ 5 6 ]\nT [ 7 8 ]\n>MA2\n1 2\n3 4\n5 6\n7 8\n"


def numeric_table(path):
    return read_labelled_table(path, numeric=True)


def several_labels(path):
    return read_labelled_table(path, label_column="label,label")


CASES = [
    pytest.param(read_fasta, FASTA, ".fa", SequenceRecord, id="fasta"),
    pytest.param(read_labelled_table, CSV, ".csv", LabelledRecord, id="csv"),
    pytest.param(read_labelled_table, TSV, ".tsv", LabelledRecord, id="tsv"),
    pytest.param(numeric_table, CSV, ".csv", LabelledRecord, id="numbers"),
    pytest.param(several_labels, CSV, ".csv", LabelledRecord, id="several"),
    pytest.param(read_sequence_table, CSV, ".txt", SequenceRecord, id="sequences"),
    pytest.param(read_motifs, MEME, ".meme", Motif, id="meme"),
    pytest.param(read_motifs, JASPAR, ".pfm", Motif, id="jaspar"),
]


@st.composite
def damage(draw):
    """A function from good bytes to bytes that went wrong somehow."""
    cut = draw(st.floats(0, 1))
    flips = draw(
        st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3)
    )
    inserted = draw(
        st.sampled_from([b"", b"\n", b"\r\n", b"\n\n \n", b"\x00", b"\xff", b'"', b">", b"\t"])
    )
    windows = draw(st.booleans())

    def apply(data: bytes) -> bytes:
        if windows:
            data = data.replace(b"\n", b"\r\n")
        changed = bytearray(data)
        for place, value in flips:
            changed[int(place * len(changed))] = value
        at = int(cut * len(changed))
        return bytes(changed[:at] + inserted + (changed[at:] if inserted else b""))

    return apply


@pytest.mark.parametrize(("read", "good", "suffix", "record"), CASES)
@given(plain=damage(), packed=damage(), zipped=st.booleans())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_files_give_records_or_a_data_error(
    tmp_path, read, good, suffix, record, plain, packed, zipped
):
    data = plain(good)
    if zipped:
        data = packed(gzip.compress(data, mtime=0))
    path = tmp_path / f"file{suffix}{'.gz' if zipped else ''}"
    path.write_bytes(data)
    try:
        records = read(path)
    except DataError as error:
        message = str(error)
    else:
        assert records
        assert all(isinstance(one, record) for one in records)
        return
    assert str(path) in message


@pytest.mark.parametrize(("read", "good", "suffix", "record"), CASES[:3] + CASES[5:])
def test_line_ends_and_blank_lines_change_nothing(tmp_path, read, good, suffix, record):
    plain, windows, packed = (tmp_path / name for name in ("a" + suffix, "b" + suffix, "c.gz"))
    plain.write_bytes(good)
    windows.write_bytes(b"\r\n" + good.replace(b"\n", b"\r\n") + b"\r\n\r\n")
    packed.write_bytes(gzip.compress(good))
    expected = [describe(one) for one in read(plain)]
    assert [describe(one) for one in read(windows)] == expected
    if suffix != ".csv":
        assert [describe(one) for one in read(packed)] == expected


def describe(record):
    if isinstance(record, Motif):
        return record.name, record.probabilities.tolist()
    return record


@pytest.mark.parametrize(("read", "good", "suffix", "record"), CASES)
def test_a_missing_file_a_folder_and_an_empty_file_are_told_apart(
    tmp_path, read, good, suffix, record
):
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / f"absent{suffix}")
    with pytest.raises(DataError, match="folder"):
        read(tmp_path)
    empty = tmp_path / f"empty{suffix}"
    empty.touch()
    with pytest.raises(DataError, match="empty"):
        read(empty)


def test_gzip_faults_are_named(tmp_path):
    path = tmp_path / "x.fa.gz"
    path.write_bytes(FASTA)
    with pytest.raises(DataError, match="no gzip data"):
        read_fasta(path)
    path.write_bytes(gzip.compress(FASTA * 100)[:-12])
    with pytest.raises(DataError, match="cut short"):
        read_fasta(path)
    packed = bytearray(gzip.compress(FASTA * 100))
    packed[-6] ^= 1
    path.write_bytes(packed)
    with pytest.raises(DataError, match="damaged"):
        read_fasta(path)


def test_bytes_that_are_no_text_are_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"sequence,label\nAC\xe9T,1\n")
    with pytest.raises(DataError, match="0xe9"):
        read_labelled_table(path)


def test_the_csv_modules_own_limit_is_left_as_it_was(tmp_path):
    path = tmp_path / "x.csv"
    before = csv.field_size_limit()
    long = "A" * (before + 10)
    path.write_text(f"sequence,label\n{long},1\n")
    assert read_labelled_table(path)[0].sequence == long
    assert csv.field_size_limit() == before
    path.write_text("sequence,label\n,1\n")
    with pytest.raises(DataError):
        read_labelled_table(path)
    assert csv.field_size_limit() == before


def test_a_pipe_can_be_read(tmp_path):
    # What a shell's <(zcat ...) gives: readable once, without a size.
    path = tmp_path / "plain"
    path.write_bytes(FASTA)
    with io.FileIO(path) as handle:
        assert len(read_fasta(Path(f"/dev/fd/{handle.fileno()}"))) == 2
