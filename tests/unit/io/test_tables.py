import csv
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.errors import DataError
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.tables import iter_table, read_labelled_table, read_sequence_table

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@given(
    rows=st.lists(
        st.tuples(TEXTS, st.text("ACGTNacgt", min_size=1), TEXTS), min_size=1, max_size=8
    ),
    delimiter=st.sampled_from([",", "\t", ";"]),
    suffix=st.sampled_from([".csv", ".tsv", ".txt"]),
)
def test_tables_are_read_as_the_csv_module_wrote_them(tmp_path_factory, rows, delimiter, suffix):
    path = tmp_path_factory.mktemp("table") / f"x{suffix}"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, delimiter=delimiter).writerows([("id", "sequence", "label"), *rows])
    assert read_labelled_table(path) == [LabelledRecord(*row) for row in rows]
    assert read_sequence_table(path) == [SequenceRecord(id_, seq) for id_, seq, _ in rows]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("sequence,label", LabelledRecord("row_1", "ACGT", "x")),
        ("Seq,Class", LabelledRecord("row_1", "ACGT", "x")),
        ("\ufefftext,target", LabelledRecord("row_1", "ACGT", "x")),
    ],
)
def test_usual_column_names_are_found(tmp_path, header, expected):
    assert read_labelled_table(write(tmp_path / "x.csv", f"{header}\nACGT,x\n")) == [expected]


def test_columns_are_chosen_by_name(tmp_path):
    path = write(tmp_path / "x.csv", "sequence,window,label,site,locus\nAAAA,CCCC,0,1,chr1:5\n")
    records = read_labelled_table(
        path, sequence_column="window", label_column="site", id_column="locus"
    )
    assert records == [LabelledRecord("chr1:5", "CCCC", "1")]


def test_several_label_columns(tmp_path):
    path = write(tmp_path / "x.csv", "sequence,ctcf,sp1\nAAAA,0,1\nCCCC,1,1\n")
    for chosen in ("ctcf,sp1", ["ctcf", "sp1"]):
        assert [r.label for r in read_labelled_table(path, label_column=chosen)] == [(0, 1), (1, 1)]
    numbers = read_labelled_table(path, label_column="ctcf,sp1", numeric=True)
    assert numbers[0].label == (0.0, 1.0)
    assert all(isinstance(value, float) for value in numbers[0].label)


def test_values(tmp_path):
    path = write(tmp_path / "x.csv", "sequence,y\nAAAA,-1.5e-3\n")
    assert read_labelled_table(path, numeric=True)[0].label == -0.0015


@pytest.mark.parametrize(
    ("text", "options", "line", "message"),
    [
        ("a,b\n1,2\n", {}, 1, "none of sequence, seq.* is there; columns of this table: a, b"),
        ("sequence,b\nA,2\n", {}, 1, "no label column"),
        ("sequence,label\nA,1\n", {"label_column": "labl"}, 1, "'labl' .did you mean 'label'"),
        ("sequence,label\nA,1\n", {"id_column": "nr"}, 1, "no id column 'nr'"),
        ("sequence,label,label\nA,1,2\n", {}, 1, "'label' occurs twice"),
        ("sequence,label\nA,1\nC\n", {}, 3, "2 columns expected, as in the header, got 1"),
        ("sequence,label\nA,1\n\nC,1,2\n", {}, 4, "2 columns expected, as in the header, got 3"),
        ("sequence,label\n,1\n", {}, 2, "sequence is empty"),
        ("sequence,label\nA,\n", {}, 2, "label in column 'label' is empty"),
        ("id,sequence,label\n,A,1\n", {}, 2, "id is empty"),
        ("sequence,label\nAC5,1\n", {}, 2, "holds '5'"),
        ("sequence,label\nA,high\n", {"numeric": True}, 2, "'high' is no number"),
        ("sequence,label\nA,nan\n", {"numeric": True}, 2, "'nan' is no number"),
        ("sequence,a,b\nA,1,2\n", {"label_column": "a,b"}, 2, "'b' is '2'"),
        ('sequence,label\nA,"1\n', {}, 2, "not a table"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path, text, options, line, message):
    path = write(tmp_path / "x.csv", text)
    with pytest.raises(DataError, match=message) as caught:
        read_labelled_table(path, **options)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize("read", [read_labelled_table, read_sequence_table])
def test_a_header_alone_is_no_data(tmp_path, read):
    with pytest.raises(DataError, match="no row below the header"):
        read(write(tmp_path / "x.csv", "sequence,label\n\n"))
    with pytest.raises(DataError, match="no header"):
        read(write(tmp_path / "x.csv", "\n\n"))


def test_long_lists_of_columns_are_cut(tmp_path):
    path = write(
        tmp_path / "x.csv", ",".join(f"feature_{i}" for i in range(1000)) + "\n" + "," * 999 + "x"
    )
    with pytest.raises(DataError, match="no sequence column") as caught:
        read_labelled_table(path)
    assert len(str(caught.value)) < 500


def test_tables_read_side_by_side_do_not_disturb_each_other(tmp_path):
    long = "A" * (csv.field_size_limit() + 10)
    first = iter_table(write(tmp_path / "a.csv", "sequence\nA\nC\n"))
    second = iter_table(write(tmp_path / "b.csv", f"sequence\n{long}\n{long}\n"))
    assert [next(first).cells, next(second).cells] == [["A"], [long]]
    assert [row.cells for row in first] == [["C"]]
    assert [row.cells for row in second] == [[long]]


GUE_ROWS = {
    "mouse_2": (2620, 328, 328),
    "prom_core_tata": (4904, 613, 613),
    "tf_2": (19000, 1000, 1000),
}


@pytest.mark.parametrize("task", GUE_ROWS)
def test_published_tables(shared_data, task):
    folder = shared_data / "classification" / "gue" / task
    files = [folder / f"{part}.csv.gz" for part in ("train", "dev", "test")]
    tables = [read_labelled_table(file) for file in files]
    assert tuple(map(len, tables)) == GUE_ROWS[task]
    assert {record.label for table in tables for record in table} == {"0", "1"}
    lines = gzip.decompress(files[1].read_bytes()).decode().splitlines()[1:]
    assert [f"{record.sequence},{record.label}" for record in tables[1]] == lines


def test_other_published_spellings(shared_data):
    folder = shared_data / "classification"
    methylation = folder / "dna_methylation_idna" / "4mC_F.vesca" / "test.tsv.gz"
    assert len(read_labelled_table(methylation)) == 15_796
    promoters = folder / "genomic_benchmarks" / "human_nontata_promoters.test.tsv.gz"
    assert len(read_labelled_table(promoters)) == 9034
