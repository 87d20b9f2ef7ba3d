import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import DataError
from hyena_glt.io.motif_files import read_motifs, write_motifs

HEAD = "MEME version 4\nALPHABET= ACGT\n"
MATRIX = "letter-probability matrix: alength= 4 w= 2\n"


def write(path, text):
    path.write_text(text)
    return path


def test_meme(tmp_path):
    rows = " 0.1 0.2 0.3 0.4\n\n0.5 0.5 0 0\n"
    log_odds = "log-odds matrix: alength= 4 w= 2\n-40 1 2 3\n1 2 3 4\n"
    text = f"{HEAD}MOTIF M1 TBP\n{log_odds}{MATRIX}{rows}URL x\nMOTIF M2\n{MATRIX}{rows}"
    first, second = read_motifs(write(tmp_path / "x.meme", text))
    assert (first.name, second.name) == ("M1 TBP", "M2")
    expected = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0, 0]]
    np.testing.assert_allclose(first.probabilities, expected)
    np.testing.assert_allclose(second.probabilities, expected)


def test_rounded_probabilities_are_made_to_sum_to_one(tmp_path):
    text = f"{HEAD}MOTIF M\nletter-probability matrix:\n0.33 0.33 0.33 0\n"
    (motif,) = read_motifs(write(tmp_path / "x", text))
    np.testing.assert_allclose(motif.probabilities, [[1 / 3, 1 / 3, 1 / 3, 0]])


@pytest.mark.parametrize(
    "text",
    [
        ">MA1 x\nA [ 1 2 ]\nC [3 4]\nG [ 5 6]\nT [ 7 8 ]\n",
        ">MA1\tx\nT 7 8\nG 5 6\nC 3 4\nA 1 2\n",
        ">MA1 x\n1 2\n3 4\n5 6\n7 8\n",
    ],
)
def test_jaspar(tmp_path, text):
    (motif,) = read_motifs(write(tmp_path / "x.jaspar", text))
    assert motif.name == "MA1 x"
    expected = Motif.from_counts("", [[1, 3, 5, 7], [2, 4, 6, 8]])
    np.testing.assert_allclose(motif.probabilities, expected.probabilities)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("AC MA0001\n", 1, "neither MEME"),
        ("chr1\t0\t10\n", 1, "neither MEME"),
        ("AC M1\nPO A C T G\n01 1 2 3 4\n//\n", 2, "columns A, C, G, T"),
        ("AC M1\nPO A C G T\n01 1 2 3\n//\n", 3, "four counts"),
        ("AC M1\nPO A C G T\n01 1 2 x 4\n//\n", 3, "four counts"),
        ("AC M1\nPO A C G T\nXX\n//\n", 2, "no position"),
        ("AC M1\nPO A C G T\n01 1 2 -3 4\n//\n", 2, "negative"),
        (f"{HEAD}MOTIF M\n{MATRIX}.1 .2 .3 .4\n", 4, "2 positions, as w= says, expected, got 1"),
        (f"{HEAD}MOTIF M\n{MATRIX}.1 .2 .3 .4\n.1 .2 .3 .1\n", 6, "sum to 1"),
        (f"{HEAD}MOTIF M\n{MATRIX}.1 .2 .3 .4\n.1 .2 .7\n", 6, "four probabilities"),
        (f"{HEAD}MOTIF M\n{MATRIX}.1 .2 .3 .4\n-.1 .1 .6 .4\n", 6, "four probabilities"),
        (f"{HEAD}MOTIF M\nMOTIF N\n{MATRIX}", 3, "'MOTIF M' has no letter-probability matrix"),
        (f"{HEAD}MOTIF M\n", 3, "has no letter-probability matrix"),
        (f"{HEAD}{MATRIX}", 3, "before any MOTIF"),
        ("MEME version 4\nALPHABET= ACDEFGHIKLMNPQRSTVWY\n", 2, "ACGT"),
        (">m\nA 1\nC 1\nG 1\n", 1, "four lines of counts"),
        ("\n>m\nA 1 2\nC 1 2\nG 1\nT 1 2\n", 5, "equally long"),
        (">m\nA 1\nC 1\nG 1\nA 1\n", 5, "one line of counts for each"),
        (">m\nA 1\nC 1\nG x\nT 1\n", 4, "one line of counts for each"),
        (">m\nA 1\nC 1\nG inf\nT 1\n", 4, "one line of counts for each"),
        (">m\nA 1\nC 1\nG -3\nT 1\n", 1, "negative"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path, text, line, message):
    path = write(tmp_path / "x", text)
    with pytest.raises(DataError, match=message) as caught:
        read_motifs(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize("text", ["# only a comment\n", HEAD])
def test_no_motif_at_all(tmp_path, text):
    with pytest.raises(DataError, match="no motif"):
        read_motifs(write(tmp_path / "x", text))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("HOCOMOCO_H12CORE.meme.gz", 1443),
        ("JASPAR2018_CORE_fungi.pfm.txt.gz", 176),
        ("JASPAR2018_CORE_insects.pfm.txt.gz", 133),
        ("JASPAR2018_CORE_plants.pfm.txt.gz", 489),
        ("JASPAR2018_CORE_vertebrates.pfm.txt.gz", 579),
        ("jaspar_2024_consensus.meme.gz", 182),
        ("yeast_YEASTRACT_20130918.meme.gz", 732),
        ("yeast_macisaac_yeast.v1.meme.gz", 124),
        ("yeast_scpd_matrix.meme.gz", 24),
        ("biopython_small/minimal_test.meme", 3),
        ("biopython_small/SRF.pfm", 1),
    ],
)
def test_published_collections(shared_data, name, count):
    assert len(read_motifs(shared_data / "motifs" / name)) == count


def test_a_published_matrix_number_by_number(shared_data):
    motifs = read_motifs(shared_data / "motifs" / "JASPAR2018_CORE_vertebrates.pfm.txt.gz")
    (arnt,) = (motif for motif in motifs if motif.name == "MA0004.1 Arnt")
    counts = [
        [4, 16, 0, 0],
        [19, 0, 1, 0],
        [0, 20, 0, 0],
        [0, 0, 20, 0],
        [0, 0, 0, 20],
        [0, 0, 20, 0],
    ]
    expected = Motif.from_counts("", counts)
    np.testing.assert_allclose(arnt.probabilities, expected.probabilities)


def test_transfac(tmp_path):
    text = (
        "VV  a database\nXX\n//\nAC MA0001.3\nXX\nID AGL3\nDE  what it is\nPO\tA\tC\tG\tT\n"
        "01\t1.0\t3.0\t5.0\t7.0\n02\t2\t4\t6\t8\tN\nXX\nCC x\n//\n"
        "ID  second\nP0      A      C      G      T\n01 0 0 0 9 T\n"
    )
    first, second = read_motifs(write(tmp_path / "x.transfac", text))
    assert (first.name, second.name) == ("MA0001.3 AGL3", "second")
    expected = Motif.from_counts("", [[1, 3, 5, 7], [2, 4, 6, 8]])
    np.testing.assert_allclose(first.probabilities, expected.probabilities)
    assert second.consensus() == "T"


def test_the_transfac_file_of_jaspar(shared_data):
    motifs = read_motifs(shared_data / "motifs" / "jaspar2024_core.transfac.gz")
    assert len(motifs) == 2346
    assert (motifs[0].name, motifs[0].consensus()) == ("MA0001.3 AGL3", "CCAWWWATAG")


@st.composite
def collections(draw):
    return [
        Motif.from_counts(
            f"motif_{number} {draw(st.sampled_from(['', 'TATA box', 'x=1']))}".strip(),
            draw(arrays(np.int64, (draw(st.integers(1, 5)), 4), elements=st.integers(0, 99))),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


@given(collections())
def test_what_is_written_is_read_back(tmp_path_factory, motifs):
    path = tmp_path_factory.mktemp("motifs") / "x.meme"
    write_motifs(path, motifs, sites=range(len(motifs)))
    again = read_motifs(path)
    assert [motif.name for motif in again] == [motif.name for motif in motifs]
    for one, other in zip(again, motifs, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-6)


def test_other_programs_read_what_is_written(tmp_path):
    from Bio import motifs as bio

    motif = Motif.from_consensus("motif_1 found", "TATAWAW", purity=0.9)
    write_motifs(tmp_path / "x.meme", [motif], sites=[1000], both_strands=False)
    with (tmp_path / "x.meme").open() as handle:
        (found,) = bio.parse(handle, "minimal")
    assert (found.name, found.length, found.num_occurrences) == ("motif_1", 7, 1000)
    np.testing.assert_allclose(found.pwm["A"], motif.probabilities[:, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("motifs", "message"),
    [
        ([], "no motif to write"),
        ([Motif.from_consensus("two\nlines", "A")], "a name on one line"),
        ([Motif.from_consensus(" ", "A")], "a name on one line"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path, motifs, message):
    with pytest.raises(DataError, match=message):
        write_motifs(tmp_path / "x.meme", motifs)
    assert not list(tmp_path.iterdir())
