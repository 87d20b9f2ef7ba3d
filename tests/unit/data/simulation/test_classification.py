import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.motifs import Motif
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.simulation import (
    MarkovBackground,
    SimulatedDataset,
    SimulatedSequence,
    demo_dataset,
    oracle_accuracy,
    oracle_labels,
    simulate_classification,
)
from hyena_glt.errors import ConfigError
from hyena_glt.evaluation.baselines import KmerLogisticRegression

CONSENSUS = {"TATA-box": "TATAAA", "GATA": "AGATAAG", "GC-box": "GGGCGGG"}


def read(sequence, feature):
    stretch = sequence[feature.start : feature.stop]
    return reverse_complement(stretch) if feature.strand == "-" else stretch


@given(
    rule=st.sampled_from(["presence", "order", "spacing"]),
    strands=st.sampled_from(["forward", "both"]),
    length=st.integers(80, 150),
    seed=st.integers(0, 2**63),
)
@settings(deadline=None, max_examples=40)
def test_the_truth_is_in_the_letters(rule, strands, length, seed):
    data = simulate_classification(20, length=length, rule=rule, strands=strands, seed=seed)
    assert [one.label for one in data.sequences].count("positive") == 10
    assert oracle_accuracy(data) == 1
    for one in data.sequences:
        assert len(one.sequence) == length
        other = reverse_complement(one.sequence)
        for feature in one.features:
            assert 0 <= feature.start < feature.stop <= length
            assert read(one.sequence, feature) == CONSENSUS[feature.name]
            assert strands == "both" or feature.strand == "+"
        for motif in data.motifs:
            word = CONSENSUS[motif.name]
            planted = sum(feature.name == motif.name for feature in one.features)
            there = one.sequence.count(word) + (other.count(word) if strands == "both" else 0)
            assert there == planted


@pytest.mark.parametrize("strands", ["forward", "both"])
def test_the_label_follows_from_the_places(strands):
    for rule in ("order", "spacing"):
        data = simulate_classification(200, rule=rule, strands=strands, seed=1)
        for one in data.sequences:
            left, right = one.features
            assert left.strand == right.strand
            gap = right.start - left.stop
            upstream = left.name if left.strand == "+" else right.name
            if rule == "order":
                assert (upstream == "GATA") == (one.label == "positive")
                assert 5 <= gap <= 60
            else:
                assert upstream == "GATA"
                assert (8 <= gap <= 12) == (one.label == "positive")
                assert (25 <= gap <= 60) == (one.label == "negative")


def test_both_strands_are_used():
    data = simulate_classification(200, strands="both", seed=0)
    strands = [feature.strand for one in data.sequences for feature in one.features]
    assert 30 < strands.count("-") < 70


def test_the_seed_decides():
    first, again, other = (simulate_classification(50, seed=seed) for seed in (4, 4, 5))
    assert first == again
    assert first.sequences[0].sequence != other.sequences[0].sequence


def test_the_oracle_reads_the_letters_and_not_the_truth():
    data = simulate_classification(40, rule="order", strands="both", seed=0)
    blind = [SimulatedSequence(one.id, one.sequence, ()) for one in data.sequences]
    hidden = SimulatedDataset(tuple(blind), data.motifs, data.rule, data.strands)
    assert oracle_labels(hidden) == [one.label for one in data.sequences]
    turned = [
        SimulatedSequence(one.id, reverse_complement(one.sequence), (), one.label)
        for one in data.sequences
    ]
    assert oracle_accuracy(SimulatedDataset(tuple(turned), data.motifs, "order", "both")) == 1
    scrambled = [
        SimulatedSequence(one.id, one.sequence[::-1], (), one.label) for one in data.sequences
    ]
    assert oracle_accuracy(SimulatedDataset(tuple(scrambled), data.motifs, "order", "both")) < 0.6


def test_graded_motifs_and_a_background_of_ones_own():
    motif = Motif.from_consensus("weak", "TGASTCAYG", purity=0.85)
    chain = MarkovBackground.random(2, np.random.default_rng(0), gc=0.4)
    data = simulate_classification(100, motifs=[motif], background=chain, strands="both")
    assert oracle_accuracy(data) == 1
    instances = {read(one.sequence, f) for one in data.sequences for f in one.features}
    assert len(instances) > 10


def test_palindromes_have_no_strand():
    e_box = Motif.from_consensus("E-box", "CACGTG")
    data = simulate_classification(50, motifs=[e_box], strands="both")
    assert oracle_accuracy(data) == 1
    gc_box = Motif.from_consensus("GC", "GGGCGG")
    with pytest.raises(ConfigError, match="'E-box' equals its reverse complement"):
        simulate_classification(50, rule="order", motifs=[gc_box, e_box], strands="both")
    assert oracle_accuracy(simulate_classification(50, rule="order", motifs=[gc_box, e_box])) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 1}, "n must be"),
        ({"rule": "colour"}, "rule must be"),
        ({"strands": "left"}, "strands must be"),
        ({"length": 5}, "at least 6 bases"),
        ({"rule": "order", "length": 73}, "at least 74 bases"),
        ({"rule": "order", "motifs": [Motif.from_consensus("A", "ACGT")]}, "needs 2 motifs"),
        ({"motifs": [Motif.from_consensus("short", "AC")]}, "hardly any 200 random bases"),
        ({"motifs": [Motif("vague", np.tile([0.31, 0.23, 0.23, 0.23], (60, 1)))]}, "too vague"),
    ],
)
def test_faults_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        simulate_classification(**{"n": 20, **options})


def test_counting_kmers_does_not_solve_the_grammar_tasks():
    data = simulate_classification(1500, rule="order", seed=0).records()
    sequences = [record.sequence for record in data]
    labels = np.array([record.label for record in data])
    model = KmerLogisticRegression(both_strands=False).fit(sequences[:1000], labels[:1000])
    assert (model.predict(sequences[1000:]) == labels[1000:]).mean() < 0.58


def test_the_demo_is_clear_to_an_oracle_and_hard_for_kmers():
    demo = demo_dataset(seed=0, n=3000)
    assert [len(part) for part in demo] == [2400, 300, 300]
    assert [record.id for record in demo.test.records()] == [one.id for one in demo.test]
    assert [oracle_accuracy(part) for part in demo] == [1, 1, 1]
    everything = [one.sequence for part in demo for one in part.sequences]
    assert len(set(everything)) == 3000
    assert len({one.id for part in demo for one in part.sequences}) == 3000
    (train, truth), (test, test_truth) = (
        ([r.sequence for r in part.records()], np.array([r.label for r in part.records()]))
        for part in (demo.train, demo.test)
    )
    right = (KmerLogisticRegression().fit(train, truth).predict(test) == test_truth).mean()
    assert 0.5 < right < 0.75
    arrangements = [
        tuple(feature.name for feature in one.features)
        for one in demo.train.sequences
        if one.label == "negative"
    ]
    shares = {kind: arrangements.count(kind) / len(arrangements) for kind in set(arrangements)}
    assert shares == pytest.approx(
        {("GC-box", "GATA"): 0.6, ("GATA",): 0.2, ("GC-box",): 0.2}, abs=0.04
    )
    with pytest.raises(ConfigError, match="at least 20"):
        demo_dataset(n=19)
