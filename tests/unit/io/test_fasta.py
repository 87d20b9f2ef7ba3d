import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.errors import DataError, OutputError
from hyena_glt.io.fasta import read_fasta, read_labelled_fasta, write_fasta
from hyena_glt.io.records import LabelledRecord, SequenceRecord

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
DESCRIPTIONS = st.text("abc >=|é", max_size=20).map(lambda text: " ".join(text.split()))
RECORDS = st.builds(
    SequenceRecord, NAMES, st.text("ACGTNacgtn*-.RYK", min_size=1, max_size=200), DESCRIPTIONS,
    st.none(), st.none(),
)  # fmt: skip


@given(st.lists(RECORDS, min_size=1, max_size=6), st.integers(1, 90), st.booleans())
def test_what_is_written_is_read_again(tmp_path_factory, records, width, zipped):
    path = tmp_path_factory.mktemp("fasta") / ("x.fa.gz" if zipped else "x.fa")
    assert write_fasta(path, records, width=width) == len(records)
    assert read_fasta(path) == records
    text = (gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()).decode()
    assert all(len(line) <= width for line in text.splitlines() if not line.startswith(">"))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("ACGT\n", 1, "starts with '>', this one with 'ACGT'"),
        (">a\nACGT\n>b\n>c\nAC\n", 3, "'b' has no sequence"),
        ("\n>a\nACGT\n\n>b\n\n", 5, "'b' has no sequence"),
        (">a\nAC\n>\nGT\n", 3, "no name"),
        (">a\nAC\n>b\nAC GT\n", 3, "holds ' '"),
        (">a\nAC\n>b\nAC1GT\n", 3, "holds '1'"),
        ("\x1b[31m\n", 1, r"this one with '\\x1b"),
        (">a\nAC\n>b\nAC\n>é\nGéT\n", 5, "the sequence of 'é' holds 'é'"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path, text, line, message):
    path = tmp_path / "x.fa"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_fasta(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_repeated_names_are_refused_on_request(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a\nAC\n>b\nAC\n>a other\nGT\n")
    assert [record.id for record in read_fasta(path)] == ["a", "b", "a"]
    with pytest.raises(DataError, match=r":5: the name 'a' occurs twice"):
        read_fasta(path, unique_ids=True)


def test_comments_alone_are_no_sequences(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text("# nothing here\n\n")
    with pytest.raises(DataError, match="no sequence"):
        read_fasta(path)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (SequenceRecord("a", ""), "no sequence"),
        (SequenceRecord("a", "AC\nGT"), "holds"),
        (SequenceRecord("a b", "AC"), "white space"),
        (SequenceRecord("a", "AC", "two\nlines"), "cannot carry"),
    ],
)
def test_a_bad_record_leaves_no_file(tmp_path, record, message):
    path = tmp_path / "x.fa"
    with pytest.raises(DataError, match=f"record 2: .*{message}"):
        write_fasta(path, [SequenceRecord("good", "ACGT"), record])
    assert list(tmp_path.iterdir()) == []


def test_lines_need_at_least_one_letter(tmp_path):
    with pytest.raises(ValueError, match="width"):
        write_fasta(tmp_path / "x.fa", [SequenceRecord("a", "A")], width=0)


def test_writing_to_a_folder_is_refused(tmp_path):
    with pytest.raises(OutputError, match="folder"):
        write_fasta(tmp_path, [SequenceRecord("a", "A")])


def test_one_file_per_class(tmp_path):
    for name, sequence in (("yes", "ACGT"), ("no", "TTTT")):
        write_fasta(tmp_path / f"{name}.fa", [SequenceRecord("r1", sequence)])
    files = {"promoter": tmp_path / "yes.fa", "other": tmp_path / "no.fa"}
    assert read_labelled_fasta(files) == [
        LabelledRecord("r1", "ACGT", "promoter"),
        LabelledRecord("r1", "TTTT", "other"),
    ]


def test_published_promoters(shared_data):
    folder = shared_data / "classification" / "cnnprom"
    records = read_labelled_fasta(
        {"promoter": folder / "Ecoli_prom.fa.gz", "other": folder / "Ecoli_non_prom.fa.gz"}
    )
    assert [record.label for record in records].count("promoter") == 839
    assert len(records) == 839 + 3000
    assert sum(len(record.sequence) for record in records) == 67_959 + 243_000
