import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.data.simulation import background
from hyena_glt.data.simulation.background import MarkovBackground, decode, encode
from hyena_glt.errors import ConfigError, DataError


@given(st.text("ACGT"))
def test_letters_and_numbers(sequence):
    assert decode(encode(sequence)) == sequence
    np.testing.assert_array_equal(encode(sequence.lower()), encode(sequence))


@pytest.mark.parametrize("order", [0, 1, 3])
def test_the_sampled_frequencies_are_those_asked_for(order):
    chain = MarkovBackground.random(order, np.random.default_rng(0), gc=0.4, evenness=3)
    codes = chain.sample(np.random.default_rng(1), 2000, 100)
    learned = MarkovBackground.from_sequences([decode(row) for row in codes], order)
    joint, learned_joint = (
        one.stationary()[:, None] * one.transitions.reshape(-1, 4) for one in (chain, learned)
    )
    assert np.abs(learned_joint - joint).max() < 0.004
    # Every position follows the long-run distribution, the first as the last.
    contexts = chain.stationary().reshape((4,) * order + (1,))
    expected = (contexts * chain.transitions).reshape(-1, 4).sum(axis=0)
    for column in (0, 99):
        found = np.bincount(codes[:, column], minlength=4) / len(codes)
        assert np.abs(found - expected).max() < 0.04


@pytest.mark.parametrize("order", [1, 3])
def test_few_and_many_sequences_are_drawn_alike(order, monkeypatch):
    chain = MarkovBackground.random(order, np.random.default_rng(0), evenness=2)
    few = chain.sample(np.random.default_rng(5), 7, 50)
    monkeypatch.setattr(background, "_FEW_ROWS", 0)
    np.testing.assert_array_equal(chain.sample(np.random.default_rng(5), 7, 50), few)


def test_gc_content():
    codes = MarkovBackground.from_gc(0.3).sample(np.random.default_rng(0), 1, 40_000)[0]
    assert np.isin(codes, (1, 2)).mean() == pytest.approx(0.3, abs=0.01)


def test_a_table_by_hand():
    cycle = np.roll(np.eye(4), 1, axis=1)  # after A comes C, after T comes A
    sequence = decode(MarkovBackground(cycle).sample(np.random.default_rng(0), 1, 9)[0])
    assert sequence in "ACGTACGTACGTACGT"


def test_learning_leaves_out_what_is_no_base():
    learned = MarkovBackground.from_sequences(["CGNCG", "N", ""], 1, pseudocount=1e-9)
    assert learned.transitions[1, 2] == pytest.approx(1)
    with pytest.raises(DataError, match="stretch of 3 bases"):
        MarkovBackground.from_sequences(["ACNGT"], 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MarkovBackground([0.5, 0.5]), "shape"),
        (lambda: MarkovBackground([0.5, 0.5, 0.5, 0.5]), "sum to 1"),
        (lambda: MarkovBackground([1.5, -0.5, 0, 0]), "probabilities"),
        (lambda: MarkovBackground.from_gc(1.1), "gc"),
        (lambda: MarkovBackground.random(9, np.random.default_rng(0)), "order"),
        (lambda: MarkovBackground.random(1, np.random.default_rng(0), gc=0), "gc"),
        (lambda: MarkovBackground.from_sequences(["ACGT"], -1), "order"),
    ],
)
def test_faults_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
