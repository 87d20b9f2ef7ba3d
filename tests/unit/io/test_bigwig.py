import pybigtools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.errors import DataError, OutputError
from hyena_glt.io.bigwig import write_bigwig

GAPS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(0, 100)), max_size=12)


def read(path):
    file = pybigtools.open(str(path))
    return {contig: [tuple(record) for record in file.records(contig)] for contig in file.chroms()}


@settings(max_examples=30, deadline=None)
@given(GAPS, GAPS)
def test_what_is_written_is_read_again(tmp_path_factory, first, second):
    stretches = []
    for contig, gaps in (("b", first), ("a", second)):
        at = 0
        for gap, length, value in gaps:
            stretches.append((contig, at + gap, at + gap + length, value / 64))
            at += gap + length
    path = tmp_path_factory.mktemp("tracks") / "track.bw"
    if not stretches:
        with pytest.raises(DataError, match="at least one value"):
            write_bigwig(path, {"b": 200, "a": 200}, stretches)
        return
    write_bigwig(path, {"b": 200, "a": 200}, iter(stretches))
    expected = {}
    for contig, *record in stretches:
        expected.setdefault(contig, []).append(tuple(record))
    assert read(path) == expected


@pytest.mark.parametrize(
    ("stretches", "said"),
    [
        ([("a", 0, 5, 1.0), ("a", 4, 8, 1.0)], "a:4-8 overlaps"),
        ([("a", 0, 101, 1.0)], "beyond the contig"),
        ([("a", 0, 5, 1.0), ("a", 7, 7, 1.0)], "a:7-7"),
        ([("c", 0, 5, 1.0)], "'c' has no length"),
        ([("a", 0, 5, 1.0), ("b", 0, 5, 1.0), ("a", 6, 9, 1.0)], "'a' comes twice"),
    ],
)
def test_faults_leave_no_file_and_nothing_printed(tmp_path, capfd, stretches, said):
    path = tmp_path / "track.bw"
    with pytest.raises(DataError, match=said):
        write_bigwig(path, {"a": 100, "b": 100}, iter(stretches))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().out == ""


def test_faults_of_the_source_come_through(tmp_path):
    def source():
        yield ("a", 0, 5, 1.0)
        raise OutputError("the disk is full")

    with pytest.raises(OutputError, match="the disk is full"):
        write_bigwig(tmp_path / "track.bw", {"a": 100}, source())
    assert list(tmp_path.iterdir()) == []
