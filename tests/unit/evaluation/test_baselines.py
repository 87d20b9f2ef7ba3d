import numpy as np
import pytest

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.baselines import INVERSE_PENALTIES, KmerLogisticRegression
from hyena_glt.evaluation.metrics import compute_metrics
from hyena_glt.io.tables import read_labelled_table


def random_sequences(rng, n, length=60):
    return ["".join(row) for row in rng.choice(list("ACGT"), (n, length))]


def with_word(sequence, word, at=20):
    return sequence[:at] + word + sequence[at + len(word) :]


def test_it_finds_a_planted_word_on_either_strand():
    rng = np.random.default_rng(0)
    sequences = random_sequences(rng, 1200)
    labels = np.arange(1200) % 2
    words = rng.choice(["GATTACA", reverse_complement("GATTACA")], 1200)
    sequences = [
        with_word(sequence, word) if label else sequence
        for sequence, word, label in zip(sequences, words, labels, strict=True)
    ]
    model = KmerLogisticRegression().fit(
        sequences[:800], labels[:800], (sequences[800:1000], labels[800:1000])
    )
    probabilities = model.predict_proba(sequences[1000:])
    assert compute_metrics("single_label", labels[1000:], probabilities)["auroc"] > 0.95
    turned = [reverse_complement(sequence) for sequence in sequences[1000:]]
    np.testing.assert_allclose(model.predict_proba(turned), probabilities)


def test_positions_tell_what_counts_cannot():
    rng = np.random.default_rng(0)
    sequences = random_sequences(rng, 600)
    labels = np.arange(600) % 2
    sequences = [
        with_word(sequence, "TATAAA", 10 if label else 40)
        for sequence, label in zip(sequences, labels, strict=True)
    ]
    right = {}
    for positional in (False, True):
        model = KmerLogisticRegression(kmer_size=0 if positional else 5, positional=positional)
        model.fit(sequences[:400], labels[:400])
        right[positional] = (model.predict(sequences[400:]) == labels[400:]).mean()
    assert right[True] == 1
    assert right[False] < 0.65


def test_classes_may_be_names_and_more_than_two():
    rng = np.random.default_rng(0)
    names = np.array(["intron", "exon", "other"])[np.arange(300) % 3]
    words = {"intron": "GTAAGT", "exon": "CAGCAG", "other": "TTTTTT"}
    sequences = [
        with_word(sequence, words[name])
        for sequence, name in zip(random_sequences(rng, 300), names, strict=True)
    ]
    model = KmerLogisticRegression().fit(sequences, names)
    assert model.classes.tolist() == ["exon", "intron", "other"]
    assert (model.predict(sequences) == names).mean() > 0.9
    assert model.predict_proba([]).shape == (0, 3)


def test_the_penalty_is_chosen_on_the_validation_set():
    rng = np.random.default_rng(0)
    sequences, labels = random_sequences(rng, 80), np.arange(80) % 2
    assert KmerLogisticRegression().fit(sequences, labels).inverse_penalty == 0.1
    scores = {}
    validation = (random_sequences(rng, 60), np.arange(60) % 2)
    chosen = KmerLogisticRegression().fit(sequences, labels, validation)
    for inverse_penalty in INVERSE_PENALTIES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hyena_glt.evaluation.baselines.INVERSE_PENALTIES", (inverse_penalty,))
            model = KmerLogisticRegression().fit(sequences, labels, validation)
        predicted = model.predict_proba(validation[0])
        scores[inverse_penalty] = compute_metrics("single_label", validation[1], predicted)["mcc"]
    assert scores[chosen.inverse_penalty] == max(scores.values())


def test_faults_are_named():
    with pytest.raises(ConfigError, match="kmer_size"):
        KmerLogisticRegression(kmer_size=11)
    with pytest.raises(ConfigError, match="nothing to look at"):
        KmerLogisticRegression(kmer_size=0)
    model = KmerLogisticRegression(positional=True)
    with pytest.raises(DataError, match="two classes"):
        model.fit(["ACGT", "ACGT"], [1, 1])
    with pytest.raises(DataError, match="one label for each"):
        model.fit(["ACGT", "ACGT"], [1])
    with pytest.raises(DataError, match=r"number 1 \(0-based\) has 5"):
        model.fit(["ACGT", "ACGTA"], [0, 1])
    model.fit(["ACGT", "TTTT"], [0, 1])
    with pytest.raises(DataError, match="4 bases"):
        model.predict(["ACG"])


@pytest.mark.parametrize(
    ("task", "options", "least"),
    [
        ("mouse_2", {}, 0.75),
        ("prom_core_tata", {"kmer_size": 0, "positional": True}, 0.70),
    ],
)
def test_published_sets(shared_data, task, options, least):
    parts = []
    for part in ("train", "dev", "test"):
        table = read_labelled_table(
            shared_data / "classification" / "gue" / task / f"{part}.csv.gz"
        )
        labels = np.array([record.label == "1" for record in table]).astype(int)
        parts.append(([record.sequence for record in table], labels))
    model = KmerLogisticRegression(**options).fit(*parts[0], parts[1])
    found = compute_metrics("single_label", parts[2][1], model.predict_proba(parts[2][0]))
    assert found["mcc"] >= least
