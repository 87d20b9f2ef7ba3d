import gzip
import io

import pytest
from Bio.SeqIO.QualityIO import FastqGeneralIterator
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.fastq import iter_fastq, write_fastq
from hyena_glt.io.records import SequenceRecord


def put(path, text):
    path.write_bytes(text.encode("latin-1"))
    return path


@st.composite
def reads(draw):
    length = draw(st.integers(0, 60))
    return SequenceRecord(
        draw(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=9)),
        draw(st.text("ACGTN", min_size=length, max_size=length)),
        draw(st.sampled_from(["", "1:N:0:ACGT", "two words", "@+"])),
        bytes(draw(st.lists(st.integers(0, 93), min_size=length, max_size=length))),
    )


def wrapped(text, width):
    return "\n".join(text[at : at + width] for at in range(0, len(text), width)) + "\n"


@given(
    written=st.lists(reads(), min_size=1, max_size=8),
    width=st.sampled_from([5, 80]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    again=st.booleans(),
    blank=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_wrapped_reads_are_the_reads_of_biopython(
    tmp_path_factory, written, width, line_end, again, blank
):
    text = "\n" * blank
    for read in written:
        header = f"{read.id} {read.description}".rstrip()
        signs = "".join(chr(score + 33) for score in read.qualities)
        text += f"@{header}\n{wrapped(read.sequence, width)}+{header * again}\n"
        text += wrapped(signs, width) + "\n" * (blank and not read.sequence)
    folder = tmp_path_factory.mktemp("fastq")
    path = put(folder / "x.fq", text.replace("\n", line_end))
    got = list(iter_fastq(path, encoding="phred+33"))
    assert got == written
    if all(read.sequence for read in written):
        oracle = [(t.split()[0], s) for t, s, _ in FastqGeneralIterator(io.StringIO(text.lstrip()))]
        assert [(read.id, read.sequence) for read in got] == oracle


def test_a_read_that_wraps_late_in_the_file_is_found(tmp_path):
    plain = "".join(f"@r{i}\nACGT\n+\n+5?I\n" for i in range(1234))
    path = put(tmp_path / "x.fq", plain + "@last\nAC\nGT\n+last\nI\nI#\nI\n\n")
    names = [read.id for read in iter_fastq(path)]
    assert names == [*(f"r{i}" for i in range(1234)), "last"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("@a\nAC\n+b\nII\n", 3, r"is called 'a', its '\+' line 'b'"),
        ("@a\nAC\n+\nIII\n", 1, "2 letters but 3 qualities"),
        ("@a\nAC\n+\nI\n@b\nAC\n+\nII\n", 1, "2 letters but 3 qualities"),
        ("@a\nACG\n+\nI\n\n@b\nAC\n+\nII\n", 5, "3 letters but 1 qualities"),
        ("@a\nAC\n+\nII\n@b\nACGT\n+\nII", 5, "cut short: .* after 2 qualities for 4 letters"),
        ("@a\nAC\n+\nII\n@b\nACGT\n", 5, "cut short"),
        ("@a\nAC\n+\nII\n@b", 5, "cut short"),
        ("@a\nAC\n+\nII\n+\nII\n", 5, r"starts with '@', this line with '\+'"),
        ("@a\nAC\n@b\nAC\n+\nII\n", 3, r"a '\+' line is missing"),
        ("@a\nA\tC\n+\nI\tI\n", 1, r"holds '\\t'"),
        ("@a\nA C\n+\nI I\n", 1, "holds ' '"),
        ("@a\nA1C\n+\nIII\n", 1, "holds '1'"),
        ("@a\nAC\n+\nI \n", 1, "quality ' ' of letter 2 is no sign"),
        ("@a\nAC\n+\nI\x7f\n", 1, r"quality '\\x7f' of letter 2"),
        ("@\nAC\n+\nII\n", 1, "no name"),
        ("@a\xe9\nAC\n+\nII\n", 1, "not ASCII"),
        (">a\nAC\n", 1, "starts with '@', this line with '>a'"),
        ("\n\n", None, "holds no read"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_faults_are_told_with_their_line(tmp_path, text, line, message, zipped):
    path = put(tmp_path / "x", text)
    if zipped:
        path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        list(iter_fastq(path))
    place = f"{path}: " if line is None else f"{path}:{line}: "
    assert str(caught.value).startswith(place)


def test_a_fault_far_down_names_its_line(tmp_path):
    good = "@r\nACGT\n+\n+5?I\n" * 2345
    path = put(tmp_path / "x.fq", good + "@bad\nAC.5\n+\nIIII\n" + good)
    with pytest.raises(DataError, match=f":{4 * 2345 + 1}: the sequence of 'bad' holds '5'"):
        list(iter_fastq(path))


def scores(path, **options):
    return [list(read.qualities) for read in iter_fastq(path, **options)]


def fastq_of(*qualities):
    return "".join(f"@r{i}\n{'A' * len(q)}\n+\n{q}\n" for i, q in enumerate(qualities))


def test_the_encoding_is_told_by_the_first_thousand_reads(tmp_path):
    for text, expected in [
        ("!I~", [0, 40, 93]),
        ("5?IJ", [20, 30, 40, 41]),
        ("@@II", [31, 31, 40, 40]),  # both are possible
        ("@Bh~", [0, 2, 40, 62]),
    ]:
        assert scores(put(tmp_path / "x.fq", fastq_of(text))) == [expected]
    explicit = put(tmp_path / "y.fq", fastq_of("@Bh"))
    assert scores(explicit, encoding="phred+33") == [[31, 33, 71]]
    assert scores(explicit, encoding="phred+64") == [[0, 2, 40]]
    with pytest.raises(ConfigError, match="'solexa'"):
        scores(explicit, encoding="solexa")


def test_a_read_that_speaks_against_the_encoding_is_an_error(tmp_path):
    late_33 = put(tmp_path / "a.fq", fastq_of(*["@Bhh"] * 1000, "5555"))
    with pytest.raises(DataError, match=r":4001: the quality '5' of letter 1 is below '@'"):
        scores(late_33)
    late_64 = put(tmp_path / "b.fq", fastq_of(*["@@II"] * 1000, "Ihhh"))
    with pytest.raises(DataError, match=r":4001: the quality 'h' of letter 2 speaks for Phred\+64"):
        scores(late_64)
    assert scores(late_64, encoding="phred+33")[-1] == [40, 71, 71, 71]
    settled = put(tmp_path / "c.fq", fastq_of(*["@@II"] * 1000, "5555", "~~~~"))
    assert scores(settled)[-1] == [93] * 4
    below = put(tmp_path / "d.fq", fastq_of("hh:h"))
    with pytest.raises(DataError, match=r":1: the quality ':' of letter 3 is below '@'"):
        scores(below, encoding="phred+64")


def test_solexa_scores_are_refused(tmp_path):
    path = put(tmp_path / "x.fq", fastq_of(";<=h"))
    with pytest.raises(DataError, match="run from ';' to 'h': these are Solexa scores"):
        scores(path)
    assert scores(path, encoding="phred+33") == [[26, 27, 28, 71]]


def test_empty_reads(tmp_path):
    path = put(tmp_path / "x.fq", "@a\nAC\n+\n+I\n@b\n\n+\n\n@c\n\n+\n")
    assert [read.sequence for read in iter_fastq(path)] == ["AC", "", ""]
    assert [read.qualities for read in iter_fastq(path)] == [b"\x0a\x28", b"", b""]
    with pytest.raises(DataError, match=r":5: read 'b' has no sequence"):
        list(iter_fastq(path, allow_empty=False))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (SequenceRecord("a", "AC"), "no qualities"),
        (SequenceRecord("a", "AC", "", b"\1"), "2 letters but 1 qualities"),
        (SequenceRecord("a", "AC", "", b"\1\x5e"), "a quality is 94"),
        (SequenceRecord("a b", "AC", "", b"\1\1"), "white space"),
        (SequenceRecord("", "AC", "", b"\1\1"), "empty"),
        (SequenceRecord("a", "A5", "", b"\1\1"), "holds '5'"),
        (SequenceRecord("a", "AC", "x\n@b", b"\1\1"), "cannot carry"),
    ],
)
def test_a_bad_record_leaves_no_file(tmp_path, record, message):
    with pytest.raises(DataError, match=f"record 2: .*{message}"):
        write_fastq(tmp_path / "x.fq", [SequenceRecord("a", "A", "", b"\0"), record])
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_iteration_closes_the_file(tmp_path):
    path = put(tmp_path / "x.fq", fastq_of("!I", "!I"))
    iterator = iter_fastq(path)
    next(iterator)
    iterator.close()  # a ResourceWarning would be an error
    path.unlink()
