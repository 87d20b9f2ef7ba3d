"""Whatever happens to a file on its way, readers give records or say what is wrong, never more."""

import csv
import gzip
import io
import tempfile
from pathlib import Path

import pytest
from Bio import bgzf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import DataError
from hyena_glt.io.fasta import read_fasta
from hyena_glt.io.fastq import iter_fastq
from hyena_glt.io.formats import read_labelled, read_sequences, write_labelled, write_sequences
from hyena_glt.io.genbank import GenBankRecord, iter_genbank
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
FASTQ = b"@r1 first\nACGTN\n+\n!+5?I\n@r2\nGGCC\n+r2\nIII#\n"
PACKED_FASTQ = gzip.compress(FASTQ, mtime=0)
WRAPPED = b"@r1 first\nACG\nTN\n+\n!+5\n?I\n\n@r2\nGG\nCC\n+r2\n@II#\n"
JSONL = (
    b'{"id": "a", "sequence": "ACGT", "label": "x", "quality": "!+5?"}\n'
    b'{"id": "b", "sequence": "GGTT", "label": "y", "quality": "IIII"}\n'
)
JSON = b"[" + JSONL.strip().replace(b"\n", b",\n") + b"]\n"
GENBANK = b"".join(
    b"LOCUS       %s                 24 bp    DNA     linear   BCT 01-JAN-2000\n"
    b"DEFINITION  One.\nACCESSION   %s\nVERSION     %s.1\n"
    b"FEATURES             Location/Qualifiers\n"
    b'     source          1..24\n                     /organism="Any one"\n'
    b"     CDS             complement(join(1..3,7..9))\n                     /codon_start=1\n"
    b"ORIGIN\n        1 acgtacgtac gtacgtacgt acgt\n//\n" % (name, name, name)
    for name in (b"AB000001", b"AB000002")
)


def parquet_bytes():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        write_labelled(path, [LabelledRecord(f"r{i}", "ACGT", "x", b"\1\2\3\4") for i in range(9)])
        return path.read_bytes()


def fastq(path):
    return list(iter_fastq(path))


def genbank(path):
    return list(iter_genbank(path))


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
    pytest.param(fastq, FASTQ, ".fq", SequenceRecord, id="fastq"),
    pytest.param(fastq, WRAPPED, ".fq", SequenceRecord, id="wrapped"),
    pytest.param(read_labelled, JSONL, ".jsonl", LabelledRecord, id="jsonl"),
    pytest.param(read_labelled, JSON, ".json", LabelledRecord, id="json"),
    pytest.param(genbank, GENBANK, ".gb", GenBankRecord, id="genbank"),
    pytest.param(read_labelled, parquet_bytes(), ".parquet", LabelledRecord, id="parquet"),
    pytest.param(read_sequences, FASTQ, "", SequenceRecord, id="any-fastq"),
    pytest.param(read_sequences, JSONL, "", SequenceRecord, id="any-jsonl"),
    pytest.param(read_sequences, GENBANK, "", SequenceRecord, id="any-genbank"),
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


TEXTS = [case for case in CASES if case.id not in {"numbers", "several", "parquet"}]


@pytest.mark.parametrize(("read", "good", "suffix", "record"), TEXTS)
def test_line_ends_and_blank_lines_change_nothing(tmp_path, read, good, suffix, record):
    plain, windows, packed = (tmp_path / name for name in ("a" + suffix, "b" + suffix, "c.gz"))
    plain.write_bytes(good)
    windows.write_bytes(b"\r\n" + good.replace(b"\n", b"\r\n") + b"\r\n\r\n")
    packed.write_bytes(gzip.compress(good, mtime=0))
    expected = [describe(one) for one in read(plain)]
    assert [describe(one) for one in read(windows)] == expected
    if suffix != ".csv":
        assert [describe(one) for one in read(packed)] == expected
    if record is not Motif:
        plain.write_bytes(b"\xef\xbb\xbf" + good.replace(b"\n", b"\r"))
        assert [describe(one) for one in read(plain)] == expected


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


@pytest.mark.parametrize(
    ("read", "good", "suffix", "whole"),
    [
        (fastq, FASTQ, ".fq", [FASTQ[: FASTQ.index(b"@r2")]]),
        (fastq, WRAPPED, ".fq", [WRAPPED[: WRAPPED.index(b"@r2")]]),
        (read_labelled, JSON, ".json", []),
        (read_labelled, JSONL, ".jsonl", [JSONL[: JSONL.index(b"\n") + 1]]),
        (genbank, GENBANK, ".gb", [GENBANK[: GENBANK.index(b"//") + 3]]),
        (read_labelled, parquet_bytes(), ".parquet", []),
        (read_fasta, gzip.compress(FASTA, mtime=0), ".fa.gz", []),
        (fastq, 2 * PACKED_FASTQ, ".fq.gz", [PACKED_FASTQ]),
    ],
)
def test_a_file_cut_anywhere_is_no_shorter_file(tmp_path, read, good, suffix, whole):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(good)
    expected = read(path)
    ends = {good.strip(), *(part.strip() for part in whole)}
    for end in range(len(good)):
        path.write_bytes(good[:end])
        if good[:end].strip() in ends:
            assert read(path) == expected[: len(read(path))]
            continue
        with pytest.raises(DataError):
            read(path)


def test_bgzip_cut_between_its_blocks_is_found(tmp_path):
    path = tmp_path / "x.fa.bgz"
    with bgzf.BgzfWriter(str(path)) as handle:
        for _ in range(3):
            handle.write(FASTA)
            handle.flush()
    data = path.read_bytes()
    assert len(read_fasta(path)) == 6
    blocks = [at for at in range(len(data)) if data[at:].startswith(b"\x1f\x8b\x08\x04")]
    assert len(blocks) == 4
    for at in blocks[1:]:
        path.write_bytes(data[:at])
        with pytest.raises(DataError, match="last block of bgzip is missing"):
            read_fasta(path)


@pytest.mark.parametrize("ending", [".fa", ".fq.gz", ".csv", ".json", ".jsonl", ".gb"])
def test_a_line_may_be_as_long_as_a_chromosome(tmp_path, ending):
    sequence = "ACGTACGTNN" * 200_000
    path = tmp_path / f"x{ending}"
    if ending == ".gb":
        head = GENBANK[: GENBANK.index(b"1 acgt")].replace(b"24 bp", b"2000000 bp")
        path.write_bytes(head + b"1 " + sequence.encode() + b"\n//\n")
    else:
        qualities = b"\x0a" * len(sequence) if ending == ".fq.gz" else None
        write_sequences(path, [SequenceRecord("chr1", sequence, "", qualities)])
    assert [one.sequence for one in read_sequences(path)] == [sequence]


def test_gzip_faults_are_named(tmp_path):
    path = tmp_path / "x.fa.gz"
    path.write_bytes(FASTA)
    with pytest.raises(DataError, match="no gzip data"):
        read_fasta(path)
    path.write_bytes(gzip.compress(FASTA * 100, mtime=0)[:-12])
    with pytest.raises(DataError, match="cut short"):
        read_fasta(path)
    packed = bytearray(gzip.compress(FASTA * 100, mtime=0))
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


def test_messages_stay_short_whatever_they_quote(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">" + "name" * 100_000 + "\nAC5T\n")
    with pytest.raises(DataError, match=r":1: the sequence of 'namename.* holds '5'") as caught:
        read_fasta(path)
    assert len(str(caught.value)) < 1000
