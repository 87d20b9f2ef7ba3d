import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hyena_glt.biology.motifs import Motif
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.errors import AlphabetError, DataError


@st.composite
def motifs(draw):
    width = draw(st.integers(1, 6))
    counts = draw(arrays(np.float64, (width, 4), elements=st.integers(0, 50)))
    return Motif.from_counts("drawn", counts, pseudocount=draw(st.sampled_from([0.4, 1.0, 4.0])))


def test_consensus_spreads_the_purity_over_the_letters_it_allows():
    motif = Motif.from_consensus("m", "uRBn", purity=0.9)
    expected = [
        [1 / 30, 1 / 30, 1 / 30, 0.9],
        [0.45, 0.05, 0.45, 0.05],
        [0.1, 0.3, 0.3, 0.3],
        [0.25, 0.25, 0.25, 0.25],
    ]
    np.testing.assert_allclose(motif.probabilities, expected)


def test_counts_with_pseudocount():
    motif = Motif.from_counts("m", [[9, 0, 0, 0], [0, 1, 1, 0]], pseudocount=1)
    np.testing.assert_allclose(
        motif.probabilities, [[0.925, 0.025, 0.025, 0.025], [1 / 12, 5 / 12, 5 / 12, 1 / 12]]
    )


def test_information_content_of_known_columns():
    motif = Motif("m", np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4]))
    np.testing.assert_allclose(motif.information_content(), [2, 1, 0])


def test_sampling_follows_the_matrix_and_the_seed():
    motif = Motif("m", np.array([[0.7, 0.1, 0.2, 0], [0, 0, 0, 1]]))
    instances = motif.sample(np.random.default_rng(1), 20_000)
    assert instances == motif.sample(np.random.default_rng(1), 20_000)
    assert {instance[1] for instance in instances} == {"T"}
    seen = [np.mean([instance[0] == base for instance in instances]) for base in "ACGT"]
    # 5 standard errors of a fraction near 0.7 among 20,000.
    np.testing.assert_allclose(seen, motif.probabilities[0], atol=0.016)
    assert seen[3] == 0
    assert motif.sample(np.random.default_rng(1), 0) == []


@given(motifs())
def test_reverse_complement_turns_the_matrix(motif):
    turned = motif.reverse_complement()
    np.testing.assert_allclose(turned.reverse_complement().probabilities, motif.probabilities)
    for position in range(len(motif)):
        for base, paired in ("AT", "CG", "GC", "TA"):
            here = turned.probabilities[position]["ACGT".index(base)]
            there = motif.probabilities[len(motif) - 1 - position]["ACGT".index(paired)]
            assert here == pytest.approx(there)


@given(motifs(), st.text("ACGTUacgtn", max_size=15))
def test_scan_agrees_with_a_loop(motif, sequence):
    background = (0.3, 0.2, 0.2, 0.3)
    odds = motif.log_odds(background)

    def score(window):
        letters = window.upper().replace("U", "T")
        if "N" in letters:
            return -np.inf
        return sum(odds[i]["ACGT".index(letter)] for i, letter in enumerate(letters))

    dna = sequence.replace("U", "T")
    starts = range(len(sequence) - len(motif) + 1)
    windows = [dna[start : start + len(motif)] for start in starts]
    scores = motif.scan(sequence, background)
    assert scores.shape == (2, len(windows))
    np.testing.assert_allclose(scores[0], [score(window) for window in windows])
    other_strand = [score(reverse_complement(window)) for window in windows]
    np.testing.assert_allclose(scores[1], other_strand)


def test_scan_finds_a_planted_site_on_the_strand_it_is_on():
    motif = Motif.from_consensus("TATA-box", "TATAWAW", purity=0.97)
    background = "GC" * 20
    plus = motif.scan(background[:11] + "TATAAAT" + background)
    minus = motif.scan(background[:11] + reverse_complement("TATAAAT") + background)
    assert np.argwhere(plus == plus.max()).tolist() == [[0, 11]]
    assert np.argwhere(minus == minus.max()).tolist() == [[1, 11]]


def test_a_base_of_probability_zero_cannot_score():
    scores = Motif.from_consensus("m", "AC").scan("ACG")
    assert scores[0].tolist() == [4.0, -np.inf]


@pytest.mark.parametrize(
    ("matrix", "rule"),
    [
        ([], "shape is"),
        ([[0.5, 0.5]], "shape is"),
        ([[1, 2, 3, 4], [1, 2]], "not a matrix of numbers"),
        ([[0.5, 0.5, 0.5, 0.5]], "position 0 .* sum to 2"),
        ([[1, 0, 0, 0], [1.5, -0.5, 0, 0]], "negative"),
        ([[np.nan, 0, 0, 1]], "infinite"),
    ],
)
def test_a_wrong_matrix_is_refused(matrix, rule):
    with pytest.raises(DataError, match=rule):
        Motif("m", matrix)


def test_wrong_arguments_are_refused():
    with pytest.raises(DataError, match="purity must be in"):
        Motif.from_consensus("m", "ACG", purity=0)
    with pytest.raises(AlphabetError, match="'X' at position 1"):
        Motif.from_consensus("m", "AXG")
    with pytest.raises(DataError, match="shape"):
        Motif.from_consensus("m", "")
    with pytest.raises(DataError, match=r"position 1 .* no counts"):
        Motif.from_counts("m", [[1, 0, 0, 0], [0, 0, 0, 0]], pseudocount=0)
    with pytest.raises(DataError, match="pseudocount"):
        Motif.from_counts("m", [[1, 0, 0, 0]], pseudocount=-1)
    with pytest.raises(DataError, match="background"):
        Motif.from_consensus("m", "ACG").scan("ACGT", (0.5, 0.5, 0, 0))


def test_a_motif_cannot_be_changed():
    source = np.full((3, 4), 0.25)
    motif = Motif("m", source)
    source[0] = [1, 0, 0, 0]
    assert motif.probabilities[0, 0] == 0.25
    with pytest.raises(ValueError, match="read-only"):
        motif.probabilities[0, 0] = 1


def test_consensus_is_read_back_from_its_own_motif():
    for letters in ("ACGT", "TATAWAW", "RYSWKMN"):
        assert Motif.from_consensus("m", letters, purity=0.9).consensus() == letters


def test_consensus_needs_a_clear_base():
    rows = [[0.5, 0.3, 0.1, 0.1], [0.6, 0.35, 0.05, 0], [0.51, 0.25, 0.24, 0], [0.4, 0.3, 0.3, 0]]
    assert Motif("m", np.array(rows)).consensus() == "MMAN"
