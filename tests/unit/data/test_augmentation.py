import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.alphabet import DNA, PROTEIN, RNA
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.augmentation import (
    Augmentation,
    Compose,
    MaskN,
    Mutate,
    RandomShift,
    ReverseComplement,
)
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer, RNATokenizer
from hyena_glt.tokenizers.genomic import GenomicTokenizer

DNA_TEXT = st.text("ACGTNacgtnRY", min_size=1, max_size=60)
ALL: list[Augmentation] = [ReverseComplement(0.5), RandomShift(7), Mutate(0.3), MaskN(0.3)]


def rng(seed=0):
    return np.random.default_rng(seed)


@given(DNA_TEXT, st.integers(0, 2**32), st.sampled_from([*ALL, Compose(ALL)]))
def test_lengths_stay_and_the_generator_alone_decides(sequence, seed, augment):
    labels, qualities = np.arange(len(sequence)), bytes(range(len(sequence)))
    augmented = augment(sequence, rng(seed), labels, qualities)
    assert len(augmented.sequence) == len(augmented.labels) == len(augmented.qualities)
    assert len(augmented.sequence) == len(sequence)
    again = augment(sequence, rng(seed), labels, qualities)
    assert again.sequence == augmented.sequence
    assert again.qualities == augmented.qualities
    assert again.labels.tolist() == augmented.labels.tolist()
    assert labels.tolist() == list(range(len(sequence)))  # the caller's array is as it was
    bare = augment(sequence, rng(seed))
    assert bare == (augmented.sequence, None, None)


@given(DNA_TEXT, st.integers(0, 2**32), st.sampled_from(ALL))
def test_bases_and_what_is_known_of_them_move_together(sequence, seed, augment):
    """Each label names the base it came from; the quality of a base is its place."""
    labels, qualities = np.arange(len(sequence)), bytes(range(1, len(sequence) + 1))
    augmented = augment(sequence, rng(seed), labels, qualities)
    turned = augmented.labels.tolist() != sorted(augmented.labels.tolist(), key=abs)
    for place, (letter, label) in enumerate(
        zip(augmented.sequence, augmented.labels.tolist(), strict=True)
    ):
        if label == -100:
            assert (letter, augmented.qualities[place]) == ("N", 0)
        elif isinstance(augment, ReverseComplement) and turned:
            assert letter == reverse_complement(sequence[label])
            assert augmented.qualities[place] == label + 1
        elif isinstance(augment, RandomShift):
            assert letter == sequence[label]
            assert augmented.qualities[place] == label + 1


@given(DNA_TEXT, st.integers(0, 2**32))
def test_the_other_strand(sequence, seed):
    assert ReverseComplement(0.0)(sequence, rng(seed)).sequence == sequence
    other = ReverseComplement(1.0)(sequence, rng(seed)).sequence
    assert other == reverse_complement(sequence)


def test_either_strand_comes_as_often_as_asked():
    random = rng()
    augment = ReverseComplement(0.3)
    turned = sum(augment("AAC", random).sequence == "GTT" for _ in range(4000))
    assert turned / 4000 == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("alphabet", [RNA, PROTEIN])
def test_rna_and_protein_have_no_other_strand(alphabet):
    with pytest.raises(ConfigError, match=f"reverse complement needs DNA, got {alphabet.name}"):
        ReverseComplement(0.5, alphabet)


@pytest.mark.parametrize("sequence", ["ACGU", "MKLV"])
def test_letters_of_rna_and_protein_are_refused_by_the_other_strand(sequence):
    with pytest.raises(AlphabetError, match="foreign letter"):
        ReverseComplement(1.0)(sequence, rng())


def test_every_shift_is_equally_likely_and_at_least_one_letter_stays():
    random = rng()
    shifted = [RandomShift(2)("ACGT", random).sequence for _ in range(5000)]
    counts = {one: shifted.count(one) for one in set(shifted)}
    assert set(counts) == {"GTNN", "CGTN", "ACGT", "NACG", "NNAC"}
    assert min(counts.values()) > 800
    assert {RandomShift(99)("AC", random).sequence for _ in range(100)} == {"NA", "AC", "CN"}
    assert RandomShift(99)("", random).sequence == ""


def test_proteins_are_filled_and_masked_with_x():
    """N is asparagine."""
    random = rng()
    shifted = {RandomShift(1, PROTEIN)("MKN", random).sequence for _ in range(50)}
    assert shifted == {"KNX", "MKN", "XMK"}
    assert MaskN(1.0, PROTEIN)("MkN*U", random).sequence == "XxX*U"


@pytest.mark.parametrize(
    ("alphabet", "sequence"),
    [(DNA, "ACGTacgt" * 2500), (RNA, "ACGUacgu" * 2500), (PROTEIN, "ACDEFGHIKLMNPQRSTVWY" * 1000)],
)
def test_mutations_come_at_their_rate_and_hit_every_other_letter(alphabet, sequence):
    mutated = Mutate(0.2, alphabet)(sequence, rng()).sequence
    changed = [(a, b) for a, b in zip(sequence, mutated, strict=True) if a != b]
    assert len(changed) / len(sequence) == pytest.approx(0.2, abs=0.015)
    assert all(a.islower() == b.islower() for a, b in changed)
    letters = alphabet.letters
    pairs = {(a.upper(), b.upper()) for a, b in changed}
    assert pairs == {(a, b) for a in letters for b in letters if a != b}


def test_what_is_not_canonical_neither_mutates_nor_is_masked():
    assert Mutate(1.0)("NNRYnn-", rng()).sequence == "NNRYnn-"
    assert MaskN(1.0)("ARnc", rng()).sequence == "NRnn"


def test_masking_comes_at_its_rate_and_takes_the_quality():
    masked = MaskN(0.25)("ACGT" * 2500, rng(), qualities=bytes([30]) * 10_000)
    assert masked.sequence.count("N") / 10_000 == pytest.approx(0.25, abs=0.015)
    assert [q == 0 for q in masked.qualities] == [letter == "N" for letter in masked.sequence]


def test_one_after_the_other():
    random = rng(5)
    by_hand = Mutate(0.5)(RandomShift(3)("ACGTACGT", random).sequence, random).sequence
    composed = Compose([RandomShift(3), Mutate(0.5)])
    assert composed("ACGTACGT", rng(5)).sequence == by_hand
    assert composed.alphabet is DNA
    assert pickle.loads(pickle.dumps(composed))("ACGTACGT", rng(5)).sequence == by_hand


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReverseComplement(1.5), r"probability must lie in \[0, 1\], got 1.5"),
        (lambda: RandomShift(-1), "max_shift must be at least 0 bases, got -1"),
        (lambda: Mutate(-0.1), r"rate must lie in \[0, 1\], got -0.1"),
        (lambda: MaskN(2), r"rate must lie in \[0, 1\], got 2"),
        (lambda: Compose([]), "Compose needs at least one augmentation"),
        (
            lambda: Compose([Mutate(0.1), MaskN(0.1, RNA)]),
            "Compose got augmentations for DNA and RNA; give one kind",
        ),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("augment", ALL)
def test_labels_are_one_per_letter(augment):
    with pytest.raises(DataError, match="2 labels for a sequence of 3 letters"):
        augment("ACG", rng(), labels=np.zeros(2, dtype=np.int64))
    with pytest.raises(DataError, match="4 qualities for a sequence of 3 letters"):
        augment("ACG", rng(), qualities=bytes(4))


@pytest.mark.parametrize(
    ("tokenizer", "modality", "molecule"),
    [
        (RNATokenizer(kmer_size=1), None, "rna"),
        (ProteinTokenizer(), None, "protein"),
        (GenomicTokenizer(), "rna", "rna"),
        (GenomicTokenizer(modality="protein"), None, "protein"),
    ],
)
def test_a_data_set_of_another_molecule_refuses_an_augmentation(tokenizer, modality, molecule):
    """RNA written with T would pass for DNA otherwise."""
    data = [{"sequence": "ACGT"}]
    with pytest.raises(ConfigError, match=f"augment is for DNA, and the sequences are {molecule}"):
        GenomicDataset(data, tokenizer, modality=modality, augment=ReverseComplement(1.0))
    assert len(GenomicDataset(data, DNATokenizer(kmer_size=1), augment=ReverseComplement(1.0))) == 1


def test_of_several_molecules_only_those_it_is_meant_for_are_augmented():
    tokenizer = GenomicTokenizer()
    data = [{"sequence": "AACG", "modality": name} for name in ("dna", "rna", "protein")]
    dataset = GenomicDataset(data, tokenizer, augment=ReverseComplement(1.0))
    found = [tokenizer.decode(dataset[i]["input_ids"]) for i in range(3)]
    assert found == ["CGTT", "AACG", "AACG"]
