"""K-mer sets against sets made by hand, and pairs against all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data import sketches as module
from hyena_glt.data.sketches import clusters, similar_pairs, sketch, suitable_kmer_size
from hyena_glt.errors import ConfigError

dna = st.text("ACGTNacgt", max_size=40)
protein = st.text("ACDEFGHIKLMNPQRSTVWY", max_size=25)


def kmer_set(sequence, k, molecule):
    """The slow twin: whole k-mers as text."""
    letters = sequence.upper() if molecule != "rna" else sequence.upper().replace("T", "U")
    good = {"dna": "ACGT", "rna": "ACGU"}.get(molecule)
    found = []
    for i in range(len(letters) - k + 1):
        kmer = letters[i : i + k]
        if good is None or set(kmer) <= set(good):
            found.append(min(kmer, reverse_complement(kmer)) if molecule == "dna" else kmer)
    if not found:
        found = [
            "whole " + (min(letters, reverse_complement(letters)) if molecule == "dna" else letters)
        ]
    return set(found), len(found)


def alike(one, other, k, molecule):
    """Identity by the definition of the docstring."""
    sets = sorted((kmer_set(s, k, molecule) for s in (one, other)), key=lambda pair: len(pair[0]))
    (small, count), (large, _) = sets
    shared = len(small & large)
    repetitive = len(small) < count / 2
    share = 2 * shared / (len(small) + len(large)) if repetitive else shared / len(small)
    return share ** (1 / k)


def random_dna(random, length):
    return "".join(random.choice(list("ACGT"), length))


@pytest.mark.parametrize(
    ("molecule", "letters"), [("dna", dna), ("rna", dna), ("protein", protein)]
)
@given(data=st.data(), k=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_sizes_and_pairs_are_those_of_sets_of_text(molecule, letters, data, k):
    sequences = data.draw(st.lists(letters, min_size=2, max_size=6))
    made = sketch(sequences, molecule, kmer_size=k)
    assert made.sizes.tolist() == [len(kmer_set(s, k, molecule)[0]) for s in sequences]
    assert made.occurrences.tolist() == [kmer_set(s, k, molecule)[1] for s in sequences]
    found = {
        (i, j): identity
        for i, partners, identities in similar_pairs(made, 0.3)
        for j, identity in zip(partners.tolist(), identities.tolist(), strict=True)
    }
    for i in range(len(sequences)):
        for j in range(i + 1, len(sequences)):
            expected = alike(sequences[i], sequences[j], k, molecule)
            if expected >= 0.3:
                assert found.pop((i, j)) == pytest.approx(expected)
            else:
                assert (i, j) not in found


def test_blocks_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    sequences = [random_dna(random, n) for n in (500, 3, 120, 0, 77, 1000)]
    whole = sketch(sequences, kmer_size=9)
    monkeypatch.setattr(module, "_LETTERS_AT_ONCE", 50)
    pieces = sketch(sequences, kmer_size=9)
    assert pieces.members.tolist() == whole.members.tolist()
    assert pieces.offsets.tolist() == whole.offsets.tolist()
    assert pieces.occurrences.tolist() == whole.occurrences.tolist()


def test_thinned_sketches_keep_their_share_and_find_the_same_relatives():
    random = np.random.default_rng(1)
    ancestor = random_dna(random, 20_000)
    relative = "".join(
        random.choice(list("ACGT")) if random.random() < 0.04 else base for base in ancestor
    )
    sequences = [ancestor, random_dna(random, 20_000), relative]
    made = sketch(sequences, kmer_size=15, scale=10)
    assert made.sizes / 20_000 == pytest.approx(0.1, rel=0.1)
    ((first, partners, identities),) = similar_pairs(made, 0.9)
    assert (first, partners.tolist()) == (0, [2])
    assert identities[0] == pytest.approx(0.97, abs=0.01)  # a quarter of the changes are none


def test_a_fragment_is_like_its_origin_and_a_run_is_not_like_all_that_hold_one():
    random = np.random.default_rng(2)
    whole = random_dna(random, 1000)
    fragment = reverse_complement(whole[300:400])
    run = "A" * 100
    with_run = random_dna(random, 500) + "A" * 20 + random_dna(random, 500)
    pairs = {
        (i, j)
        for i, found, _ in similar_pairs(sketch([whole, fragment, run, with_run]), 0.8)
        for j in found.tolist()
    }
    assert pairs == {(0, 1)}


def test_chains_are_one_cluster_and_clusters_are_numbered_by_their_first_member():
    random = np.random.default_rng(3)
    a, b, c, lone = (random_dna(random, 200) for _ in range(4))
    sequences = [lone, a + b, c + random_dna(random, 200), b + c]
    made = sketch(sequences)
    assert {(i, j) for i, js, _ in similar_pairs(made, 0.9) for j in js.tolist()} == {
        (1, 3),
        (2, 3),
    }
    assert clusters(made, 0.9).tolist() == [0, 1, 1, 1]


@given(st.lists(st.text("AC", min_size=4, max_size=12), min_size=2, max_size=14))
@settings(max_examples=80, deadline=None)
def test_clusters_are_the_connected_components(sequences):
    made = sketch(sequences, "rna", kmer_size=4)
    slow = list(range(len(sequences)))
    for _ in sequences:  # the lowest number spreads along the chains
        for i, partners, _ in similar_pairs(made, 0.7):
            for j in partners.tolist():
                slow[i] = slow[j] = min(slow[i], slow[j])
    order = sorted(set(slow))
    assert clusters(made, 0.7).tolist() == [order.index(lowest) for lowest in slow]


def test_longer_sequences_take_longer_kmers():
    sizes = [suitable_kmer_size(["A" * n], "dna") for n in (100, 10_000, 5_000_000)]
    assert sizes == [9, 12, 17]
    assert suitable_kmer_size(["M" * 200], "protein") == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kmer_size": 32}, "1 to 31"), ({"kmer_size": 0}, "got 0"),
        ({"molecule": "xna"}, "'xna'"), ({"scale": 0}, "at least 1"),
        ({"molecule": "protein", "kmer_size": 13}, "1 to 12"),
    ],
)  # fmt: skip
def test_impossible_sketches_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        sketch(["ACGT"], **arguments)


@pytest.mark.parametrize("identity", [0, -0.5, 1.01])
def test_impossible_thresholds_are_refused(identity):
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        list(similar_pairs(sketch(["ACGT"]), identity))
