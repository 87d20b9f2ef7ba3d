"""The joint vocabulary: three molecules, one table, no letter that is two things."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.tokenizers import DNATokenizer, GenomicTokenizer, ProteinTokenizer, RNATokenizer

TOKENIZER = GenomicTokenizer()
OWN = {"dna": DNATokenizer, "rna": RNATokenizer, "protein": ProteinTokenizer}
LETTERS = {"dna": "ACGTN", "rna": "ACGUN", "protein": ProteinTokenizer.letters}
molecules = st.sampled_from(sorted(OWN))


@given(st.data())
def test_decoding_gives_each_molecule_back(data):
    modality = data.draw(molecules)
    sequence = data.draw(st.text(LETTERS[modality], max_size=40))
    ids = TOKENIZER.encode(sequence, modality=modality)
    assert TOKENIZER.decode(ids) == sequence
    assert TOKENIZER.encode(sequence.lower(), modality=modality) == ids


@given(st.data())
def test_it_reads_what_the_molecules_own_tokenizer_reads(data):
    modality = data.draw(molecules)
    sequence = data.draw(st.text(LETTERS[modality] + "RY", max_size=40))
    own = OWN[modality](kmer_size=1).encode(sequence)
    shift = TOKENIZER.of(modality).first_letter_id - 8
    expected = [i + shift if i >= 8 else i for i in own]
    assert TOKENIZER.encode(sequence, modality=modality) == expected


def test_the_ranges_are_disjoint_and_cover_the_vocabulary():
    assert TOKENIZER.letter_ranges == [(8, 12), (12, 16), (16, 43)]
    assert len(TOKENIZER) == 43
    tokens = TOKENIZER.convert_ids_to_tokens(range(43))
    assert len(set(tokens)) == 43
    assert tokens[8:17] == [
        "dna:A", "dna:C", "dna:G", "dna:T", "rna:A", "rna:C", "rna:G", "rna:U", "protein:A",
    ]  # fmt: skip
    numbers = TOKENIZER.modality_of(np.arange(44))
    assert numbers.tolist() == [-1] * 8 + [0] * 4 + [1] * 4 + [2] * 27 + [-1]
    assert TOKENIZER.modality_of(torch.tensor([[8, 5], [42, 12]])).tolist() == [[0, -1], [2, 1]]


def test_a_batch_may_mix_molecules():
    batch = TOKENIZER(
        ["ACG", "MKV[MASK]", "ACGU"], modality=["dna", "protein", "rna"], padding=True,
        return_tensors="pt",
    )  # fmt: skip
    assert batch["modality_ids"].tolist() == [0, 2, 1]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert batch["input_ids"].tolist() == [[8, 9, 10, 0], [26, 24, 33, 4], [12, 13, 14, 15]]
    cut = TOKENIZER(["ACG", "MKV"], modality=["dna", "protein"], truncation=True, max_length=2)
    assert cut["input_ids"] == [[8, 9], [26, 24]]
    assert TOKENIZER("ACG", modality=["rna"])["input_ids"] == [12, 13, 14]


def test_one_sequence_has_one_number():
    assert TOKENIZER("ACG", modality="rna")["modality_ids"] == 1
    assert TOKENIZER("ACG", modality="rna", return_tensors="pt")["modality_ids"].tolist() == [1]
    assert TOKENIZER(["ACG", "A"], modality="dna")["modality_ids"] == [0, 0]


def test_the_molecule_must_be_named():
    for call in (TOKENIZER, TOKENIZER.encode, TOKENIZER.tokenize):
        with pytest.raises(ConfigError, match=r"must be told the molecule: .*dna, rna, protein"):
            call("ACGT")
    with pytest.raises(ConfigError, match="must be told the molecule"):
        _ = TOKENIZER.alphabet
    with pytest.raises(ConfigError, match="modality must be one of dna, rna, protein, got 'dan'"):
        TOKENIZER("ACGT", modality="dan")
    with pytest.raises(ConfigError, match="got 'dan'"):
        GenomicTokenizer(modality="dan")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="2 modalities for 1 sequences"):
        TOKENIZER(["ACGT"], modality=["dna", "rna"])
    with pytest.raises(ConfigError, match="join the molecules of a gene with encode_joint"):
        TOKENIZER([("A", "C")], modality=["dna"])
    with pytest.raises(ConfigError, match="kmer_size must be 1 for a GenomicTokenizer, got 3"):
        GenomicTokenizer(kmer_size=3)


def test_a_molecule_may_be_set():
    tokenizer = GenomicTokenizer(modality="protein")
    assert tokenizer("MK")["input_ids"] == TOKENIZER("MK", modality="protein")["input_ids"]
    assert tokenizer("ACGU", modality="rna")["input_ids"] == [12, 13, 14, 15]
    assert tokenizer.alphabet is ProteinTokenizer.alphabet
    assert (tokenizer.alphabet_size, tokenizer.first_letter_id) == (20, 16)


def test_foreign_letters_are_those_of_the_molecule():
    with pytest.warns(UserWarning, match="1 foreign letter, the first is 'U' at position 1"):
        assert TOKENIZER.encode("AU", modality="dna") == [8, 1]
    strict = GenomicTokenizer(ambiguous="error")
    with pytest.raises(AlphabetError, match="2 foreign letters, the first is 'M'"):
        strict.encode("MKA", modality="dna")
    assert strict.encode("MKA", modality="protein") == [26, 24, 16]


@pytest.mark.parametrize("modality", [None, "rna"])
def test_saved_is_loaded(tmp_path, modality):
    saved = GenomicTokenizer(modality=modality, ambiguous="error", padding_side="left")
    saved.save_pretrained(tmp_path)
    loaded = GenomicTokenizer.from_pretrained(tmp_path)
    for other in (loaded, pickle.loads(pickle.dumps(saved)), copy.deepcopy(saved)):
        assert (other.modality, other.ambiguous) == (modality, "error")
        assert other.get_vocab() == saved.get_vocab()
        batch = other(["MK", "A"], modality="protein", padding=True)
        assert batch["input_ids"] == [[26, 24], [0, 16]]


@given(st.data())
def test_a_joint_example_holds_its_parts_in_order(data):
    names = data.draw(st.lists(molecules, min_size=1, max_size=3, unique=True))
    parts = {name: data.draw(st.text(LETTERS[name], min_size=1, max_size=9)) for name in names}
    encoding = TOKENIZER.encode_joint(parts)
    ordered = [name for name in ("dna", "rna", "protein") if name in parts]
    assert TOKENIZER.decode(encoding["input_ids"]) == "[SEP]".join(parts[n] for n in ordered)
    numbers = []
    for place, name in enumerate(ordered):
        last = place == len(ordered) - 1
        numbers += [sorted(OWN, key=("dna", "rna", "protein").index).index(name)] * (
            len(parts[name]) + (not last)
        )
    assert encoding["modality_ids"] == numbers
    assert encoding["attention_mask"] == [1] * len(numbers)


def test_a_joint_example_as_tensors():
    encoding = TOKENIZER.encode_joint({"protein": "M", "dna": "AT"}, return_tensors="pt")
    assert encoding["input_ids"].tolist() == [[8, 11, 3, 26]]
    assert encoding["modality_ids"].tolist() == [[0, 0, 0, 2]]


@pytest.mark.parametrize(
    ("parts", "message"),
    [({}, "at least one of"), ({"dna": ""}, "the dna of a joint example is empty")],
)
def test_joint_examples_need_letters(parts, message):
    with pytest.raises(DataError, match=message):
        TOKENIZER.encode_joint(parts)
