import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Interval
from hyena_glt.errors import DataError
from hyena_glt.io.bed import iter_bed, write_bed


def bed(tmp_path, text):
    path = tmp_path / "x.bed"
    path.write_text(text)
    return path


def test_three_to_twelve_columns_and_other_lines(tmp_path):
    assert list(iter_bed(bed(tmp_path, "chr1\t0\t5\nchr2\t7\t7\n"))) == [
        Interval("chr1", 0, 5),
        Interval("chr2", 7, 7),
    ]
    text = (
        'browser position chr1:1-9\ntrack name="a b" useScore=1\n# a comment\n\n'
        "chr1\t1\t9\tpeak\t0.5\t-\t1\t9\t255,0,0\r\n"
    )
    assert list(iter_bed(bed(tmp_path, text))) == [Interval("chr1", 1, 9, "-", "peak", 0.5)]
    assert list(iter_bed(bed(tmp_path, "chr1 3  4 name\n"))) == [
        Interval("chr1", 3, 4, ".", "name")
    ]
    assert list(iter_bed(bed(tmp_path, "chr1\t3\t4\t.\t.\t.\n"))) == [Interval("chr1", 3, 4)]


def test_blocks_are_the_exons(tmp_path):
    path = bed(tmp_path, "c\t100\t200\tt1\t0\t-\t100\t200\t0\t3\t10,5,20,\t0,40,80,\n")
    assert [(block.start, block.end, block.strand) for block in iter_bed(path, blocks=True)] == [
        (100, 110, "-"),
        (140, 145, "-"),
        (180, 200, "-"),
    ]
    assert next(iter_bed(path)) == Interval("c", 100, 200, "-", "t1", 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t0\n", r":1: at least 3 columns expected \(contig, start, end\), got 2"),
        ("chr1\t0\t5\nchr1\t0\t5\tx\n", ":2: 3 columns expected, as in the first line, got 4"),
        ("chr1\t-1\t5\n", "the start must be a whole number of at least 0, got '-1'"),
        ("chr1\t1\t5.5\n", "the end must be a whole number of at least 0, got '5.5'"),
        ("chr1\t1\t" + "9" * 5000 + "\n", "the end must be a whole number"),
        ("chr1\t6\t5\n", "the start 6 lies behind the end 5"),
        ("\t6\t7\n", "a contig's name without white space expected, got ''"),
        ("c\t1\t2\tn\tnan\n", "the score must be a finite number or '.', got 'nan'"),
        ("c\t1\t2\tn\t0\t*\n", r"the strand must be \+, - or ., got '\*'"),
        ("# only\n", "the file holds no interval"),
    ],
)
def test_faults_name_the_line_and_the_rule(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        list(iter_bed(bed(tmp_path, text)))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ("2\t5,5\t0", "2 blocks expected, got 2 sizes and 1 starts"),
        ("2\t5,5\t0,20", "the first block must begin, and the last one end"),
        ("3\t5,9,5\t0,3,15", "the blocks overlap"),
        ("0\t5\t0", "the number of blocks must be a whole number of at least 1"),
        ("1\tx\t0", "a block size must be a whole number"),
    ],
)
def test_faults_of_blocks(tmp_path, blocks, message):
    path = bed(tmp_path, f"c\t0\t20\tn\t0\t+\t0\t20\t0\t{blocks}\n")
    assert len(list(iter_bed(path))) == 1
    with pytest.raises(DataError, match=message):
        list(iter_bed(path, blocks=True))


NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("C", "Z")),
    min_size=1,
    max_size=8,
).filter(lambda name: not name.startswith(("#", "track", "browser")) and name != ".")


@given(
    st.lists(
        st.builds(
            lambda contig, start, length, strand, name, score: Interval(
                contig, start, start + length, strand, name, score
            ),
            NAMES,
            st.integers(0, 10**12),
            st.integers(0, 10**6),
            st.sampled_from("+-."),
            NAMES,
            st.floats(-1e9, 1e9),
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_again(tmp_path, intervals):
    for name in ("x.bed", "x.bed.gz"):
        path = tmp_path / name
        assert write_bed(path, intervals) == len(intervals)
        assert list(iter_bed(path)) == intervals


def test_what_bed_cannot_carry_is_refused_and_nothing_is_left(tmp_path):
    path = tmp_path / "x.bed"
    for wrong in (Interval("a b", 0, 1), Interval("c", 3, 1), Interval("c", 0, 1, name="a\tb")):
        with pytest.raises(DataError, match=r"x\.bed:2: "):
            write_bed(path, [Interval("c", 0, 1), wrong])
    assert not list(tmp_path.iterdir())


GOOD = (
    b"track name=x\nchr1\t0\t90\tn\t5\t+\t0\t90\t0\t2\t10,20,\t0,70,\n"
    b"chr2\t0\t9\tm\t5\t-\t0\t9\t0\t1\t9\t0\n"
)


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4),
    st.integers(0, len(GOOD)),
    st.booleans(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_give_intervals_or_one_line(tmp_path, flips, cut, zipped):
    data = bytearray(GOOD)
    for at, value in flips:
        data[at] = value
    content = bytes(data[:cut])
    path = tmp_path / ("x.bed.gz" if zipped else "x.bed")
    path.write_bytes(gzip.compress(content) if zipped else content)
    try:
        intervals = list(iter_bed(path, blocks=True))
    except DataError as error:
        message = str(error)
    else:
        assert intervals
        assert all(one.contig and 0 <= one.start <= one.end for one in intervals)
        return
    assert str(path) in message
    assert "\n" not in message


def test_odd_and_real_files(shared_data):
    odd = shared_data / "formats/odd/pyfaidx"
    with pytest.raises(DataError, match=r"malformed\.bed:1: at least 3 columns expected"):
        list(iter_bed(odd / "malformed.bed"))
    assert [one.end for one in iter_bed(odd / "regions.bed")] == [999, 5522]
    exons = list(iter_bed(odd / "gene.bed12", blocks=True))
    assert len(exons) == 6
    # The FASTA beside it holds the spliced transcript.
    assert sum(one.end - one.start for one in exons) == 1073
    transcripts = list(
        iter_bed(shared_data / "genomes/yeast_R64-1-1/Scer_polIItranscripts-adjustedTSS.bed.gz")
    )
    assert len(transcripts) == 6445
