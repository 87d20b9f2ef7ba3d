"""What every tokenizer promises, over all alphabets, k-mer sizes and strides."""

import copy
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import hyena_glt
from hyena_glt.errors import AlphabetError, ConfigError
from hyena_glt.tokenizers import (
    DNATokenizer,
    GenomicTokenizer,
    KmerTokenizer,
    ProteinTokenizer,
    RNATokenizer,
)

SOURCE = Path(hyena_glt.__file__).parents[1]


class JointDNA(GenomicTokenizer):
    """The joint tokenizer with a molecule set keeps the promises of that molecule's own."""

    def __init__(self, vocab_size=1000, kmer_size=1, **kwargs):
        super().__init__(vocab_size, kmer_size, **{"modality": "dna", **kwargs})


class JointRNA(JointDNA):
    def __init__(self, vocab_size=1000, kmer_size=1, **kwargs):
        super().__init__(vocab_size, kmer_size, **{"modality": "rna", **kwargs})


class JointProtein(JointDNA):
    def __init__(self, vocab_size=1000, kmer_size=1, **kwargs):
        super().__init__(vocab_size, kmer_size, **{"modality": "protein", **kwargs})


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[N]", "[START]", "[END]"]
BASES = {DNATokenizer: "ACGT", RNATokenizer: "ACGU", JointDNA: "ACGT", JointRNA: "ACGU"}
JOINT = (JointDNA, JointRNA, JointProtein)
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
CONFIGURATIONS: list[tuple[type[KmerTokenizer], int, int]] = [
    (cls, k, stride)
    for cls in (DNATokenizer, RNATokenizer)
    for k in range(1, 9)
    for stride in sorted({1, k})
] + [(ProteinTokenizer, k, stride) for k in (1, 2, 3) for stride in sorted({1, k})]
CONFIGURATIONS += [(cls, 1, 1) for cls in JOINT]


def name(configuration):
    cls, k, stride = configuration
    return f"{cls.__name__}-k{k}-stride{stride}"


@pytest.fixture(scope="module", params=CONFIGURATIONS, ids=name)
def tokenizer(request):
    cls, k, stride = request.param
    return cls(vocab_size=100_000, kmer_size=k, stride=stride)


SMALL: list[tuple[type[KmerTokenizer], int, int]] = [
    (DNATokenizer, 1, 1),
    (DNATokenizer, 3, 3),
    (DNATokenizer, 3, 1),
    (RNATokenizer, 2, 2),
    (ProteinTokenizer, 1, 1),
    (ProteinTokenizer, 2, 1),
    *((cls, 1, 1) for cls in JOINT),
]


@pytest.fixture(scope="module", params=SMALL, ids=name)
def small(request):
    cls, k, stride = request.param
    return cls(kmer_size=k, stride=stride)


def lossless_letters(tokenizer):
    bases = BASES.get(type(tokenizer))
    return bases + "N" if bases else AMINO_ACIDS + "BJOUXZ*"


def named(tokenizer, letter):
    """Token of a letter: in the joint vocabulary with the molecule before it."""
    return f"{tokenizer.modality}:{letter}" if type(tokenizer) in JOINT else letter


def slow_tokens(tokenizer, sequence):
    """The rule of the tokenizers as an obvious loop, for one piece without special tokens."""
    canonical = BASES.get(type(tokenizer), AMINO_ACIDS)
    letters = sequence.upper()
    if type(tokenizer) in {RNATokenizer, JointRNA}:
        letters = letters.replace("T", "U")

    def single(letter):
        if letter in lossless_letters(tokenizer):
            return "[N]" if letter == "N" and canonical != AMINO_ACIDS else named(tokenizer, letter)
        is_base = canonical != AMINO_ACIDS
        return "[N]" if is_base and letter in "RYSWKMBDHV" else "[UNK]"

    k, stride = tokenizer.kmer_size, tokenizer.stride
    tokens, position = [], 0
    while position < len(letters):
        window = letters[position : position + k]
        if len(window) == k and all(letter in canonical for letter in window):
            tokens.append(named(tokenizer, window))
            position += stride
        elif len(window) < k:
            tokens.append(single(letters[position]))
            position += 1
        else:
            tokens += [single(letter) for letter in letters[position : position + stride]]
            position += stride
    return tokens


texts = st.text("ACGTUNacgtunRYMKDELFBJOXZ* -", max_size=40) | st.text("ACGTN", max_size=60)


@settings(max_examples=60)
@given(data=st.data())
def test_decoding_gives_the_sequence_back(tokenizer, data):
    sequence = data.draw(st.text(lossless_letters(tokenizer), max_size=50))
    assert tokenizer.decode(tokenizer.encode(sequence)) == sequence
    assert tokenizer.decode(tokenizer.encode(sequence.lower())) == sequence


@settings(max_examples=60)
@given(sequence=texts)
@example(sequence="")
@example(sequence="N")
@example(sequence="ACGTACGTACGTNACGTACGTACGTAC")
def test_the_fast_path_agrees_with_a_loop(tokenizer, sequence):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        tokens = tokenizer.tokenize(sequence)
        ids = tokenizer.encode(sequence)
    assert tokens == slow_tokens(tokenizer, sequence)
    assert ids == tokenizer.convert_tokens_to_ids(tokens)
    assert tokenizer.convert_ids_to_tokens(ids) == tokens


@settings(max_examples=40)
@given(data=st.data())
def test_spans_cover_the_sequence(tokenizer, data):
    sequence = data.draw(st.text(lossless_letters(tokenizer), max_size=40))
    ids = tokenizer.encode(sequence)
    starts, lengths = tokenizer.token_spans(ids)
    texts_of_tokens = [tokenizer.decode([token_id]) for token_id in ids]
    assert [sequence[s : s + n] for s, n in zip(starts, lengths, strict=True)] == texts_of_tokens
    assert lengths.sum() == len(sequence)
    assert set(lengths.tolist()) <= {1, tokenizer.bases_per_token}


def test_spans_of_special_tokens(small):
    ids = [6, 5, 0, 1, 4, small.first_letter_id, 7]
    starts, lengths = small.token_spans(np.array([ids, ids[::-1]]))
    assert lengths.tolist() == [[0, 1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1, 0]]
    assert starts[0].tolist() == [0, 0, 1, 1, 2, 2, 3]
    with pytest.raises(ValueError, match="-100 is outside the vocabulary"):
        small.token_spans([8, -100])


def test_the_vocabulary_has_the_promised_layout(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    assert tokens[:8] == SPECIAL
    assert tokenizer.special_tokens == {token: i for i, token in enumerate(SPECIAL)}
    canonical = BASES.get(type(tokenizer), AMINO_ACIDS)
    assert tokenizer.alphabet_size == len(canonical)
    first = tokenizer.first_letter_id
    tokens_of_letters = [named(tokenizer, letter) for letter in canonical]
    assert tokens[first : first + len(canonical)] == tokens_of_letters
    kmers = tokens[tokenizer.first_kmer_id :][: len(canonical) ** tokenizer.kmer_size]
    kmers = [kmer.split(":")[-1] for kmer in kmers]
    assert kmers == sorted(kmers)
    assert len(set(kmers)) == len(canonical) ** tokenizer.kmer_size
    assert {len(kmer) for kmer in kmers} == {tokenizer.kmer_size}
    vocabulary = tokenizer.get_vocab()
    assert [vocabulary[token] for token in tokens] == list(range(len(tokens)))
    assert len(tokenizer) == tokenizer.vocab_size == len(tokens)


def test_the_roles_of_the_special_tokens(small):
    roles = ["pad", "unk", "cls", "sep", "mask", "bos", "eos"]
    assert [getattr(small, f"{role}_token_id") for role in roles] == [0, 1, 2, 3, 4, 6, 7]
    assert 5 not in small.all_special_ids


sequences = st.lists(st.text("ACG", max_size=12), min_size=1, max_size=4)
options = st.fixed_dictionaries(
    {
        "truncation": st.booleans(),
        "max_length": st.sampled_from([None, 1, 3, 8]),
        "padding": st.sampled_from([False, "longest", "max_length"]),
        "padding_side": st.sampled_from([None, "left", "right"]),
        "pad_to_multiple_of": st.sampled_from([None, 4]),
    }
)


@settings(max_examples=100)
@given(batch=sequences, keywords=options, truncation_side=st.sampled_from(["left", "right"]))
def test_batches_are_those_of_hugging_face(small, batch, keywords, truncation_side):
    if keywords["truncation"] and keywords["padding"] and (keywords["max_length"] or 4) % 4:
        keywords = keywords | {"pad_to_multiple_of": None}
    small.truncation_side = truncation_side
    fast = small(batch, **keywords)
    # Asking for the special tokens mask takes the slow path of the parent class.
    slow = small(batch, **keywords, return_special_tokens_mask=True)
    assert fast["input_ids"] == slow["input_ids"]
    assert fast["attention_mask"] == slow["attention_mask"]
    small.truncation_side = "right"


def test_padding_marks_what_is_real(small):
    batch = ["ACGACG", "A", ""]
    alone = [small.encode(sequence) for sequence in batch]
    for side in ("left", "right"):
        padded = small(batch, padding=True, padding_side=side, return_tensors="pt")
        for ids, row, mask in zip(
            alone, padded["input_ids"], padded["attention_mask"], strict=True
        ):
            assert row[mask.bool()].tolist() == ids
            assert (row[~mask.bool()] == 0).all()
            real = (
                mask.bool()[: len(ids)] if side == "right" else mask.bool()[len(row) - len(ids) :]
            )
            assert real.all()
            assert mask.sum() == len(ids)


def test_padding_an_empty_sequence(small):
    encoding = small("", padding="max_length", max_length=3, truncation=True)
    assert encoding["input_ids"] == [0, 0, 0]
    assert encoding["attention_mask"] == [0, 0, 0]
    assert small("")["input_ids"] == []
    assert small("", return_tensors="pt")["input_ids"].shape == (1, 0)


def test_tensors_have_a_batch_axis_and_fit_the_model(small):
    encoding = small.encode("ACGACGA", max_length=64, return_tensors="pt")
    ids = small.encode("ACGACGA")
    assert sorted(encoding) == sorted(small.model_input_names)
    assert encoding["input_ids"].tolist() == [ids]
    assert encoding["attention_mask"].tolist() == [[1] * len(ids)]
    assert str(encoding["input_ids"].dtype) == "torch.int64"
    assert small("ACGACGA", return_tensors="np")["input_ids"].tolist() == [ids]


def test_a_bare_max_length_cuts_nothing_off(small):
    whole = small.encode("ACG" * 30)
    assert small.encode("ACG" * 30, max_length=5) == whole
    assert small("ACG" * 30, max_length=5)["input_ids"] == whole
    assert small.encode("ACG" * 30, 5, truncation=True) == whole[:5]
    assert small.encode("ACG" * 30, max_length=5, truncation=True, padding=True) == whole[:5]


def test_ragged_tensors_are_refused(small):
    with pytest.raises(ValueError, match="padding=True"):
        small(["ACGACG", "A"], return_tensors="pt")


def test_pairs_are_joined_by_sep(small):
    first, second = small.encode("ACGA"), small.encode("CC")
    encoding = small("ACGA", "CC")
    assert encoding["input_ids"] == [*first, 3, *second]
    assert small([("ACGA", "CC"), ("A", "C")])["input_ids"][0] == [*first, 3, *second]
    mask = small("ACGA", "CC", return_special_tokens_mask=True)["special_tokens_mask"]
    assert mask == [0] * len(first) + [1] + [0] * len(second)


def test_batches_decode(small):
    batch = ["ACGACGA", "AC", ""]
    encoding = small(batch, padding=True, return_tensors="pt")
    assert small.decode(encoding["input_ids"], skip_special_tokens=True) == batch
    assert small.batch_decode(encoding["input_ids"].tolist(), skip_special_tokens=True) == batch
    assert small.decode(encoding["input_ids"][2]) == "[PAD]" * encoding["input_ids"].shape[1]
    assert small.decode(small(batch)["input_ids"]) == batch
    assert small.decode(small.first_letter_id) == "A"


@pytest.mark.parametrize("token_id", [-100, 10_000])
def test_ids_outside_the_vocabulary_are_refused(small, token_id):
    with pytest.raises(ValueError, match=f"{token_id} is outside the vocabulary"):
        small.decode([8, token_id])


@settings(max_examples=60)
@given(parts=st.lists(st.sampled_from(SPECIAL) | st.text("ACG", max_size=5), max_size=6))
def test_special_tokens_in_the_text_are_read(small, parts):
    text = "".join(parts)
    expected: list[str] = []
    for piece in re.split(r"(\[[A-Z]+\])", text):
        expected += [piece] if piece in SPECIAL else slow_tokens(small, piece)
    assert small.tokenize(text) == expected
    assert small.encode(text) == small.convert_tokens_to_ids(expected)
    # In the joint vocabulary [N] is N whatever the molecule.
    reads_n = small.alphabet_size == 4 or type(small) in JOINT
    assert small.decode(small.encode(text)) == (text.replace("[N]", "N") if reads_n else text)


def test_special_tokens_in_the_text_can_be_switched_off(small):
    off = type(small)(kmer_size=small.kmer_size, include_special_tokens=False)
    with pytest.warns(UserWarning, match=r"2 foreign letters, the first is '\[' at position 1"):
        ids = off.encode("A[N]A")
    assert ids.count(1) == 2
    with pytest.warns(UserWarning, match="2 foreign letters"):
        assert small("A[N]A", split_special_tokens=True)["input_ids"].count(1) == 2


def test_foreign_letters_become_unk_with_a_warning(small):
    message = r"2 foreign letters, the first is ' ' at position 9 \(0-based\); .* as \[UNK\]"
    with pytest.warns(UserWarning, match=message):
        ids = small.encode("AC[MASK]C GG\u00e9A")
    assert ids.count(1) == 2
    assert small.decode(ids) == "AC[MASK]C[UNK]GG[UNK]A"


def test_foreign_letters_are_refused_on_demand(small):
    strict = type(small)(kmer_size=small.kmer_size, ambiguous="error")
    with pytest.raises(AlphabetError, match="1 foreign letter, the first is ' ' at position 3"):
        strict.encode("ACG A")
    assert strict.tokenize("N") == slow_tokens(small, "N")


def test_an_empty_batch_is_refused(small):
    with pytest.raises(ValueError, match="the batch is empty"):
        small([])


def test_misspelt_arguments_are_refused(small):
    with pytest.raises(ConfigError, match="no setting 'k'"):
        type(small)(k=3)
    with pytest.raises(TypeError, match="takes no argument 'max_len'"):
        small("ACG", max_len=3)


@pytest.mark.parametrize("kmer_size", [0, 9, 2.5, True, "3"])
def test_a_wrong_kmer_size_is_refused(small, kmer_size):
    with pytest.raises(ConfigError, match="kmer_size must be 1 to 8"):
        type(small)(kmer_size=kmer_size)


def test_wrong_settings_are_refused(small):
    with pytest.raises(ConfigError, match="stride must be 1 or kmer_size"):
        type(small)(kmer_size=small.kmer_size, stride=9)
    with pytest.raises(ConfigError, match="ambiguous must be 'n' or 'error'"):
        type(small)(ambiguous="drop")


def test_the_cap_names_the_size_needed(small):
    cls, k = type(small), 1 if type(small) in JOINT else 2
    size = len(cls(vocab_size=10_000, kmer_size=k))
    with pytest.raises(
        ConfigError, match=f"needs a vocabulary of {size} tokens .* allows {size - 1}"
    ):
        cls(vocab_size=size - 1, kmer_size=k)
    assert cls(vocab_size=size, kmer_size=k).vocab_size == size


def test_tokens_can_be_added(small):
    extended = copy.deepcopy(small)
    assert extended.add_tokens(["[SPECIES]"]) == 1
    assert len(extended) == small.vocab_size + 1
    ids = extended.encode("A[SPECIES]C")
    assert ids == [small.encode("A")[0], small.vocab_size, small.encode("C")[0]]
    assert extended.decode(ids) == "A[SPECIES]C"


SETTINGS = [
    {"kmer_size": 2, "stride": 1, "ambiguous": "error", "include_special_tokens": False},
    {"kmer_size": 1, "padding_side": "left", "model_max_length": 77},
]


def settings_of(tokenizer):
    own = ("kmer_size", "stride", "ambiguous", "include_special_tokens")
    names = (*own, "padding_side", "truncation_side", "model_max_length", "vocab_size")
    return {name: getattr(tokenizer, name) for name in names}


@pytest.mark.parametrize("keywords", SETTINGS, ids=["strict", "left"])
@pytest.mark.parametrize("cls", [DNATokenizer, RNATokenizer, ProteinTokenizer])
def test_saved_is_loaded(cls, keywords, tmp_path):
    saved = cls(**keywords)
    saved.save_pretrained(tmp_path)
    copies = [cls.from_pretrained(tmp_path), pickle.loads(pickle.dumps(saved)), copy.copy(saved)]
    for loaded in copies:
        assert settings_of(loaded) == settings_of(saved)
        assert settings_of(loaded) | keywords == settings_of(loaded)
        assert loaded.get_vocab() == saved.get_vocab()
        assert loaded.encode("ACGACGNA") == saved.encode("ACGACGNA")


def test_auto_tokenizer_finds_them_in_a_fresh_process(tmp_path):
    own = (DNATokenizer, RNATokenizer, ProteinTokenizer)
    tokenizers = [*(cls(kmer_size=2, stride=1) for cls in own), GenomicTokenizer(modality="rna")]
    for tokenizer in tokenizers:
        tokenizer.save_pretrained(tmp_path / type(tokenizer).__name__)
    program = (
        "import sys, hyena_glt.tokenizers\n"
        "from transformers import AutoTokenizer\n"
        "for folder in sys.argv[1:]:\n"
        "    tokenizer = AutoTokenizer.from_pretrained(folder)\n"
        "    print(type(tokenizer).__name__, tokenizer.kmer_size, tokenizer.stride)"
    )
    folders = sorted(str(folder) for folder in tmp_path.iterdir())
    result = subprocess.run(
        [sys.executable, "-c", program, *folders],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == [
        "DNATokenizer 2 1", "GenomicTokenizer 1 1", "ProteinTokenizer 2 1", "RNATokenizer 2 1",
    ]  # fmt: skip


def test_ids_that_the_cap_reserves_are_unknown():
    tokenizer = DNATokenizer(vocab_size=1000, kmer_size=3)
    assert tokenizer.decode([8, 999]) == "A[UNK]"
    with pytest.raises(ValueError, match="1000 is outside the vocabulary of 76"):
        tokenizer.decode([1000])
