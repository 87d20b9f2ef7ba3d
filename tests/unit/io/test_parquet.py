import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyena_glt.errors import DataError
from hyena_glt.io.formats import read_labelled, read_sequences, write_sequences
from hyena_glt.io.records import LabelledRecord, SequenceRecord


def test_tables_of_other_programs(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table(
        {
            "seq": pa.array(["ACGT", "GG"], pa.large_string()),
            "class": pa.array(["x", "y"]).dictionary_encode(),
            "quality": pa.array([[1, 2, 3, 4], None], pa.list_(pa.uint8())),
            "embedding": pa.array([[0.5], [1.5]], pa.list_(pa.float32())),
        }
    )
    pq.write_table(table, path)
    assert read_labelled(path) == [
        LabelledRecord("row_1", "ACGT", "x", b"\1\2\3\4"),
        LabelledRecord("row_2", "GG", "y"),
    ]
    pq.write_table(table.append_column("y", pa.array([True, False])), path)
    assert [one.label for one in read_labelled(path, label_column="y")] == ["1", "0"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sequence": ["A", None]}, "row 2: the sequence is empty"),
        ({"sequence": [b"A"]}, "row 1: the column 'sequence' holds b'A', no text"),
        ({"reads": ["A"]}, "row 1: no sequence column"),
        ({"sequence": pa.array([], pa.string())}, "no row"),
    ],
)
def test_faults_name_the_row(tmp_path, columns, message):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=message):
        read_sequences(path)


def test_damage_is_found_by_the_checksums(tmp_path):
    path = tmp_path / "x.parquet"
    records = [SequenceRecord(f"r{i}", "ACGT" * (i % 7 + 1)) for i in range(3000)]
    write_sequences(path, records)
    assert read_sequences(path) == records
    whole = path.read_bytes()
    for data in (whole[:-9], whole[:500], whole[: len(whole) // 2] + whole[len(whole) // 2 + 1 :]):
        path.write_bytes(data)
        with pytest.raises(DataError, match="no Parquet file, or a damaged one"):
            read_sequences(path)
    at = len(whole) // 4
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(DataError, match=r"damaged one \(.*CRC"):
        read_sequences(path)
