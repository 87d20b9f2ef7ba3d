"""Splits: every sequence once, shares kept, no relatives on two sides."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.sketches import similar_pairs, sketch, suitable_kmer_size
from hyena_glt.data.splits import (
    find_leakage,
    identity_clusters,
    random_split,
    split_by_contig,
    split_by_identity,
)
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.fasta import read_fasta


def random_dna(random, length):
    return "".join(random.choice(list("ACGT"), length))


def mutated(random, sequence, rate):
    return "".join(random.choice(list("ACGT")) if random.random() < rate else b for b in sequence)


def family(random, members, length=150, rate=0.05):
    """Relatives of one ancestor, on either strand."""
    ancestor = random_dna(random, length)
    copies = [mutated(random, ancestor, rate) for _ in range(members)]
    return [reverse_complement(c) if random.random() < 0.5 else c for c in copies]


def part_of(split, count):
    part = np.full(count, -1)
    for number, indices in enumerate(split):
        assert (np.diff(indices) > 0).all()
        assert (part[indices] == -1).all()
        part[indices] = number
    assert (part >= 0).all()
    return part


fractions = st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (0.9, 0.1, 0.0), (1.0, 0.0, 0.0)])


@given(st.integers(10, 300), fractions, st.integers(0, 5), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_random_splits_keep_sizes_and_classes(count, shares, seed, classes):
    labels = [str(i % classes) for i in range(count)]
    split = random_split(count, shares, labels=labels, seed=seed)
    part = part_of(split, count)
    for number, share in enumerate(shares):
        assert abs((part == number).sum() - share * count) < 1 + (share * count < 1)
        for label, total in Counter(labels).items():
            held = sum(part[i] == number for i in range(count) if labels[i] == label)
            assert abs(held - share * total) <= 2
    again = random_split(count, shares, labels=labels, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(split, again, strict=True))


def test_the_seed_changes_the_draw():
    assert random_split(50, seed=1).test.tolist() != random_split(50, seed=2).test.tolist()


@given(
    st.lists(st.integers(0, 12), min_size=20, max_size=150).filter(lambda g: len(set(g)) >= 3),
    st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_groups_stay_whole(groups, seed):
    split = split_by_contig(groups, (0.6, 0.2, 0.2), seed=seed)
    part = part_of(split, len(groups))
    assert all(
        len({part[i] for i in range(len(groups)) if groups[i] == g}) == 1 for g in set(groups)
    )
    assert all(len(indices) for indices in split)


def test_many_small_groups_come_near_the_shares_of_every_class():
    random = np.random.default_rng(0)
    groups = random.integers(0, 200, 2000).tolist()
    labels = (random.random(2000) < 0.2).tolist()
    part = part_of(split_by_contig(groups, (0.7, 0.1, 0.2), labels=labels), 2000)
    for label in (True, False):
        held = np.bincount(part[np.array(labels) == label], minlength=3)
        assert held / held.sum() == pytest.approx([0.7, 0.1, 0.2], abs=0.02)


def test_named_chromosomes_go_where_they_are_named():
    chromosomes = ["chr1", "chr8", "chr2", "chr9", "chr1", "chr8"]
    split = split_by_contig(chromosomes, test=["chr8"], validation=["chr9"])
    assert [indices.tolist() for indices in split] == [[0, 2, 4], [3], [1, 5]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"test": ["chr8 "]}, "no group 'chr8 '; groups of these data: chr1, chr8"),
        ({"test": ["chr8"], "validation": ["chr8"]}, "chr8: named for validation and for the test"),
        ({"test": ["chr1", "chr8"]}, "none is left for training"),
        ({}, "only 2 groups, and 3 parts"),
        ({"fractions": (0.5, 0.2, 0.2)}, "add up to 1, got 0.5 [+] 0.2 [+] 0.2 = 0.9"),
        ({"fractions": (1.2, -0.1, -0.1)}, "in \\[0, 1\\]"),
        ({"labels": ["a"]}, "one label for each of 2 sequences: 1"),
    ],
)
def test_impossible_splits_are_refused(arguments, words):
    with pytest.raises((ConfigError, DataError), match=words):
        split_by_contig(["chr1", "chr8"], **arguments)


@given(st.integers(0, 10_000), st.sampled_from([0.75, 0.85, 0.95]), st.sampled_from(["dna", "rna"]))
@settings(max_examples=20, deadline=None)
def test_no_two_parts_hold_relatives(seed, identity, molecule):
    random = np.random.default_rng(seed)
    sequences = [s for _ in range(12) for s in family(random, int(random.integers(1, 5)))]
    sequences = [sequences[i] for i in random.permutation(len(sequences))]
    split = split_by_identity(sequences, (0.6, 0.2, 0.2), identity=identity, molecule=molecule)
    part = part_of(split, len(sequences))
    k = suitable_kmer_size(sequences, molecule)
    sets = [kmers(sequence, k, molecule) for sequence in sequences]
    for i, j in combinations(range(len(sequences)), 2):
        one, other = sets[i], sets[j]
        close = (len(one & other) / min(len(one), len(other))) ** (1 / k) >= identity
        assert part[i] == part[j] or not close


def kmers(sequence, k, molecule):
    found = (sequence[i : i + k] for i in range(len(sequence) - k + 1))
    return {min(s, reverse_complement(s)) if molecule == "dna" else s for s in found}


def test_families_are_the_clusters():
    random = np.random.default_rng(4)
    families = [family(random, 5, rate=0.03) for _ in range(20)]
    cluster = identity_clusters([s for one in families for s in one], identity=0.8)
    assert cluster.reshape(20, 5).tolist() == [[i] * 5 for i in range(20)]


def test_the_other_strand_is_a_relative_of_dna_alone():
    random = np.random.default_rng(5)
    one = random_dna(random, 100)
    pair = [one, reverse_complement(one)]
    assert identity_clusters(pair, molecule="dna").tolist() == [0, 0]
    assert identity_clusters(pair, molecule="rna").tolist() == [0, 1]


def test_copies_without_a_whole_kmer_stay_together():
    sequences = ["ACG", "NNNNNNNNNN", "acg", "CGT", "TTT", "nnnnnnnnnn"]
    assert identity_clusters(sequences).tolist() == [0, 1, 0, 0, 2, 1]
    assert identity_clusters(["MK", "MKV", "MK"], molecule="protein").tolist() == [0, 1, 0]


def test_one_cluster_cannot_be_split():
    random = np.random.default_rng(6)
    with pytest.raises(DataError, match=r"only 1 cluster, .* raise the identity"):
        split_by_identity(family(random, 10, rate=0.01))


def test_leaks_are_counted_and_traced():
    random = np.random.default_rng(7)
    train = [random_dna(random, 120) for _ in range(30)]
    test = [
        random_dna(random, 120),
        train[3].lower(),
        reverse_complement(train[5]),
        mutated(random, train[9], 0.05),
    ]
    leak = find_leakage(train, test)
    assert (leak.exact, leak.near) == (2, 1)
    assert [(i, j) for i, j, _ in leak.nearest] == [(1, 3), (2, 5), (3, 9)]
    assert leak.nearest[2][2] == pytest.approx(0.96, abs=0.04)
    assert find_leakage(train, test[:1]) == (0, 0, ())


def test_a_published_set_leaks(shared_data):
    folder = shared_data / "classification/ncrna_nrc"
    train, test = (
        [r.sequence for r in read_fasta(folder / f"dataset_Rfam_{name}_13classes.fasta.gz")]
        for name in ("6320", "validated_2600")
    )
    leak = find_leakage(train, test, molecule="rna", identity=0.9)
    assert leak.exact == 347
    assert leak.near > 0
    nearest = {i: train[j] for i, j, alike in leak.nearest if alike == 1.0 and train[j] == test[i]}
    assert len(nearest) >= 347


def test_a_published_set_can_be_split_without_leaks(shared_data):
    path = shared_data / "classification/ncrna_nrc/dataset_Rfam_validated_2600_13classes.fasta.gz"
    records = read_fasta(path)
    sequences = [record.sequence for record in records]
    labels = [record.description for record in records]
    split = split_by_identity(sequences, identity=0.9, molecule="rna", labels=labels)
    part = part_of(split, len(sequences))
    assert np.bincount(part) / len(part) == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    for i, partners, _ in similar_pairs(sketch(sequences, "rna"), 0.9):
        assert (part[partners] == part[i]).all()
    held, learnt = ([sequences[i] for i in split[at]] for at in (2, 0))
    assert find_leakage(learnt, held, molecule="rna", identity=0.9)[:2] == (0, 0)
