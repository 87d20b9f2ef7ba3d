import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.baselines import (
    INVERSE_PENALTIES,
    InterpolatedMarkov,
    KmerLogisticRegression,
)
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


def test_proteins_are_told_apart_by_their_amino_acids():
    rng = np.random.default_rng(0)
    letters = {"charged": "DEKRDEKRGS", "oily": "AILVAILVGS", "other": "CFHMNPQTWY"}
    names = np.array(list(letters))[np.arange(240) % 3]
    lengths = rng.integers(2, 30, 240)
    proteins = [
        "".join(rng.choice(list(letters[name]), length))
        for name, length in zip(names, lengths, strict=True)
    ]
    model = KmerLogisticRegression(kmer_size=3, both_strands=False, molecule="protein")
    model.fit(proteins[:150], names[:150], (proteins[150:200], names[150:200]))
    assert (model.predict(proteins[200:]) == names[200:]).mean() > 0.9
    np.testing.assert_allclose(
        model.predict_proba(["dekr", "DEXKR"])[0], model.predict_proba(["DEKR"])[0]
    )


def test_bases_and_amino_acids_may_be_mixed():
    rng = np.random.default_rng(0)
    dna = random_sequences(rng, 100)
    proteins = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 40)) for _ in range(100)]
    rna = [sequence.replace("T", "U") for sequence in random_sequences(rng, 100)]
    labels = np.repeat(["dna", "protein", "rna"], 100)
    model = KmerLogisticRegression(both_strands=False, molecule="mixed")
    model.fit([*dna, *proteins, *rna], labels)
    found = model.predict(["ACGTTGCATTAG" * 3, "MKVLAWERTY" * 3, "ACGUUGCAUUAG" * 3])
    assert found.tolist() == ["dna", "protein", "rna"]


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
    with pytest.raises(ConfigError, match=r"\[0, 4\], got 5"):
        KmerLogisticRegression(molecule="protein")
    with pytest.raises(ConfigError, match="both_strands=False"):
        KmerLogisticRegression(molecule="mixed")
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


def slow_log_probability(model, training, codes):
    """The definition, context by context; counts as the model keeps them, from whole k-mers."""
    order, counts = model.order, {}
    for sequence in training:
        other = [4 if base == 4 else 3 - base for base in reversed(sequence)]
        for strand in (list(sequence), other):
            for end in range(order + 1, len(strand) + 1):
                kmer = tuple(strand[end - order - 1 : end])
                if 4 not in kmer:
                    for k in range(order + 1):
                        word = kmer[order - k :]
                        counts[word] = counts.get(word, 0) + 1
    out = []
    for i, base in enumerate(codes):
        p = 0.25
        for k in range(order + 1):
            context = tuple(codes[i - k : i])
            if k > i or 4 in context:
                break
            n = [counts.get((*context, letter), 0) for letter in range(4)]
            c = model.concentrations[k]
            p = ((n[base] if base < 4 else 0) + c * p) / (sum(n) + c)
        out.append(np.nan if base == 4 else np.log2(p))
    return np.array(out)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 4),
    st.lists(st.lists(st.sampled_from([0, 1, 2, 3, 3, 3, 4]), max_size=60), min_size=1, max_size=3),
    st.lists(st.integers(0, 4), max_size=40),
)
def test_the_markov_model_is_its_slow_twin(order, training, codes):
    training = [np.array([0, 1, 2, 3, 0, *part], dtype=np.uint8) for part in training]
    model = InterpolatedMarkov(order).fit(training)
    fast = model.log_probability(np.array(codes, dtype=np.uint8))
    np.testing.assert_allclose(fast, slow_log_probability(model, training, codes), atol=1e-9)


def test_parts_of_a_long_sequence_fit_together(monkeypatch):
    rng = np.random.default_rng(0)
    sequence = rng.choice(5, 3000, p=[0.3, 0.2, 0.2, 0.25, 0.05]).astype(np.uint8)
    whole = InterpolatedMarkov(5).fit([sequence])
    expected = whole.log_probability(sequence)
    monkeypatch.setattr("hyena_glt.evaluation.baselines._BASES_AT_ONCE", 101)
    parts = InterpolatedMarkov(5).fit([sequence])
    for ours, theirs in zip(parts._counts, whole._counts, strict=True):
        assert np.array_equal(ours, theirs)
    np.testing.assert_allclose(parts.log_probability(sequence), expected)


def markov_chain(rng, length, order=3):
    table = rng.dirichlet([0.3] * 4, size=4**order).cumsum(axis=1)[:, :3]
    context, codes = 0, []
    for draw in rng.random(length):
        codes.append(int((draw >= table[context]).sum()))
        context = (context * 4 + codes[-1]) % 4**order
    return np.array(codes, dtype=np.uint8)


def test_the_order_of_a_markov_chain_is_found_and_longer_contexts_do_no_harm():
    codes = markov_chain(np.random.default_rng(1), 24_000)
    train, test = codes[:20_000], codes[20_000:]
    bits = {k: InterpolatedMarkov(k).fit([train]).bits_per_base([test]) for k in (1, 3, 8)}
    assert bits[3] < bits[1] - 0.1
    assert bits[8] < bits[3] + 0.01


def test_random_bases_cost_two_bits():
    codes = np.random.default_rng(2).integers(4, size=60_000).astype(np.uint8)
    model = InterpolatedMarkov(10).fit([codes[:50_000]])
    assert model.bits_per_base([codes[50_000:]]) == pytest.approx(2, abs=0.003)


def test_both_strands_are_learned():
    rng = np.random.default_rng(3)
    codes = markov_chain(rng, 20_000)
    model = InterpolatedMarkov(4).fit([codes[:16_000]])
    other_strand = (3 - codes[16_000:][::-1]).astype(np.uint8)
    assert model.bits_per_base([other_strand]) < 1.85
    turned = InterpolatedMarkov(4).fit([(3 - codes[:16_000][::-1]).astype(np.uint8)])
    for ours, theirs in zip(turned._counts, model._counts, strict=True):
        assert np.array_equal(ours, theirs)


def test_unknown_bases_and_first_ones_do_not_count():
    model = InterpolatedMarkov(2).fit([np.array([0, 1, 2, 3] * 100, dtype=np.uint8)])
    codes = np.array([2, 3, 4, 0, 1], dtype=np.uint8)
    log2 = model.log_probability(codes)
    assert np.isnan(log2).tolist() == [False, False, True, False, False]
    assert model.bits_per_base([codes]) == pytest.approx(-(log2[1] + log2[3] + log2[4]) / 3)
    assert np.isnan(model.bits_per_base([codes[:1]]))


def test_markov_models_say_what_they_cannot_do():
    with pytest.raises(ConfigError, match=r"order must lie in \[0, 13\], got 14"):
        InterpolatedMarkov(14)
    with pytest.raises(DataError, match="no stretch of 4 known bases"):
        InterpolatedMarkov(3).fit([np.array([0, 1, 4, 2, 3], dtype=np.uint8)])


def test_blending_beats_every_single_order_on_a_real_genome(shared_data):
    from hyena_glt.data.genome import Genome

    genome = Genome.read(
        [shared_data / "genomes/ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.fna.gz"]
    )
    train, test = genome.split_regions()
    seen = [genome.codes(region)[:1_000_000] for region in train]
    held_out = [genome.codes(region)[:100_000] for region in test]
    model = InterpolatedMarkov(9).fit(seen)
    blended = model.bits_per_base(held_out)
    own, total = model._evidence(held_out[0])
    single = [
        -np.log2((own[k] + pseudocount) / (total[k] + 4 * pseudocount))[1:].mean()
        for k in range(10)
        for pseudocount in (0.5, 2, 8)
    ]
    assert blended < min(single) - 0.002
    assert 1.9 < blended < 1.96
