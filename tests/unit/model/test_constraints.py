"""The rules of generation: kept whatever the scores say, and never at odds with each other."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import LogitsProcessorList

from hyena_glt.biology.codons import STOP_CODONS
from hyena_glt.biology.sequences import gc_content
from hyena_glt.errors import ConfigError
from hyena_glt.model.constraints import GCRange, LettersOnly, OpenReadingFrame, SequenceConstraint
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer, RNATokenizer

TOKENIZER = DNATokenizer(kmer_size=1)
PAD = TOKENIZER.pad_token_id


def padded(prompts):
    """Ids of the prompts, padded on the left."""
    width = max(map(len, prompts))
    rows = [[PAD] * (width - len(text)) + TOKENIZER.encode(text) for text in prompts]
    return torch.tensor(rows, dtype=torch.long).view(len(prompts), width)


def run(rules, ids, steps, preference):
    """Take the best token that the rules leave; ``preference(step)`` gives scores for all rows."""
    rules = LogitsProcessorList(rules)
    for step in range(steps):
        scores = rules(ids, preference(step).expand(len(ids), -1))
        ids = torch.cat([ids, scores.argmax(dim=1, keepdim=True)], dim=1)
    return ids


def random_preference(seed, bias):
    """Scores that hold on to what they like, specials among it, for a stretch of steps."""
    generator = torch.Generator().manual_seed(seed)
    liking = torch.randn(1, len(TOKENIZER), generator=generator) * bias
    return lambda _: liking + torch.randn(1, len(TOKENIZER), generator=generator)


def letters(ids):
    return TOKENIZER.decode(ids[ids != PAD])


def stops_in(sequence, start):
    return [at for at in range(start, len(sequence) - 2, 3) if sequence[at : at + 3] in STOP_CODONS]


@st.composite
def ranges(draw):
    """A range of GC in per cent that some number of bases out of the length meets."""
    length = draw(st.integers(1, 60))
    count = draw(st.integers(0, length))
    low = draw(st.integers(0, 100 * count // length))
    high = draw(st.integers(-(-100 * count // length), 100))
    return length, low, high


@settings(max_examples=150)
@given(
    wanted=ranges(),
    prompts=st.lists(st.text("ACGTN", max_size=7), min_size=1, max_size=3),
    start=st.none() | st.integers(0, 12),
    seed=st.integers(0, 2**30),
    bias=st.sampled_from([0.0, 1.0, 30.0]),
)
def test_any_range_that_can_be_met_is_met_and_any_frame_stays_open(
    wanted, prompts, start, seed, bias
):
    length, low, high = wanted
    ids = padded(prompts)
    width = ids.shape[1]
    rules = [GCRange(TOKENIZER, low / 100, high / 100, length=length, prompt_tokens=width)]
    if start is not None:
        rules.append(OpenReadingFrame(TOKENIZER, start))
    done = run(rules, ids, length, random_preference(seed, bias))
    for prompt, row in zip(prompts, done, strict=True):
        new = TOKENIZER.decode(row[width:])
        assert set(new) <= set("ACGT")
        assert low * length <= 100 * sum(map(new.count, "GC")) <= high * length
        for at in range(1, length + 1):
            strong = sum(map(new[:at].count, "GC"))
            assert low / 100 * at - 10 - 1e-9 <= strong <= high / 100 * at + 10 + 1e-9
        if start is not None:
            broken = [at for at in stops_in(prompt + new, start) if at + 3 > len(prompt)]
            assert broken == []


def test_a_model_that_leaves_the_range_does_not_pay_in_one_long_run():
    only_g = torch.zeros(1, len(TOKENIZER))
    only_g[0, TOKENIZER.encode("G")] = 9.0
    rule = GCRange(TOKENIZER, 0.4, 0.5, length=1000, prompt_tokens=0)
    new = letters(run([rule], padded([""]), 1000, lambda _: only_g)[0])
    assert gc_content(new) == 0.5
    longest = max(map(len, new.replace("C", "G").replace("T", "A").split("G")))
    assert longest <= 20


def test_a_fraction_is_met_exactly_where_doubles_are_not():
    rule = GCRange(TOKENIZER, 0.3, 0.3, length=10, prompt_tokens=0)
    new = letters(run([rule], padded([""]), 10, random_preference(0, 1.0))[0])
    assert gc_content(new) == pytest.approx(0.3)


@pytest.mark.parametrize(("low", "high", "length"), [(0.4, 0.45, 3), (0.01, 0.99, 1)])
def test_a_range_that_cannot_be_met_is_refused(low, high, length):
    with pytest.raises(ConfigError, match=f"among {length} bases"):
        GCRange(TOKENIZER, low, high, length=length, prompt_tokens=0)


@pytest.mark.parametrize(("low", "high"), [(0.6, 0.4), (-0.1, 0.5), (0.5, 1.1), (math.nan, 1.0)])
def test_a_range_that_is_none_is_refused(low, high):
    with pytest.raises(ConfigError, match="lie in"):
        GCRange(TOKENIZER, low, high, length=10, prompt_tokens=0)


def test_generation_beyond_the_length_is_refused():
    rule = GCRange(TOKENIZER, 0.0, 1.0, length=3, prompt_tokens=2)
    with pytest.raises(ConfigError, match="3 new bases"):
        run([rule], padded(["AC"]), 4, random_preference(0, 1.0))


@pytest.mark.parametrize("tokenizer", [TOKENIZER, RNATokenizer(kmer_size=1)])
@pytest.mark.parametrize("start", range(3))
def test_a_frame_forbids_the_last_letter_of_a_stop_codon_and_nothing_else(tokenizer, start):
    rule = OpenReadingFrame(tokenizer, start)
    for before, first, second in product(range(6), tokenizer.letters, tokenizer.letters):
        text = "C" * before + first + second
        ids = torch.tensor([[PAD, PAD, *tokenizer.encode(text)]])
        forbidden = rule.forbidden(ids, len(tokenizer))[0].nonzero().flatten().tolist()
        in_frame = before >= start and (before - start) % 3 == 0
        codons = [(first + second + third).replace("U", "T") for third in tokenizer.letters]
        expected = [
            id_ for id_, codon in zip(tokenizer.encode(tokenizer.letters), codons, strict=True)
            if in_frame and codon in STOP_CODONS
        ]  # fmt: skip
        assert forbidden == expected


def test_rows_of_a_batch_have_frames_of_their_own():
    ids = padded(["CCTA", "CTA", "TA", "TN"])
    forbidden = OpenReadingFrame(TOKENIZER).forbidden(ids, len(TOKENIZER))
    assert [row.nonzero().flatten().tolist() for row in forbidden] == [
        [], [], TOKENIZER.encode("AG"), [],
    ]  # fmt: skip


def test_a_frame_that_starts_before_the_sequence_is_refused():
    with pytest.raises(ConfigError, match="got -1"):
        OpenReadingFrame(TOKENIZER, -1)


@pytest.mark.parametrize(
    ("tokenizer", "allowed"),
    [
        (TOKENIZER, "ACGT"),
        (RNATokenizer(kmer_size=1), "ACGU"),
        (ProteinTokenizer(kmer_size=1), "ACDEFGHIKLMNPQRSTVWY"),
    ],
)
def test_canonical_letters_alone_are_left(tokenizer, allowed):
    # The model's vocabulary may be larger than the tokenizer's.
    scores = torch.zeros(2, len(tokenizer) + 20)
    left = LettersOnly(tokenizer)(torch.zeros(2, 0, dtype=torch.long), scores)
    for row in left:
        ids = (row > -math.inf).nonzero().flatten().tolist()
        assert [tokenizer.decode([id_]) for id_ in ids] == list(allowed)


def test_kmers_alone_are_left():
    tokenizer = DNATokenizer(kmer_size=2)
    left = LettersOnly(tokenizer)(torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, 100))
    ids = (left[0] > -math.inf).nonzero().flatten().tolist()
    assert [tokenizer.decode([id_]) for id_ in ids] == [
        "".join(pair) for pair in product("ACGT", repeat=2)
    ]


def test_the_end_is_allowed_on_request():
    rule = LettersOnly(TOKENIZER, allow_end=True)
    assert not rule.forbidden(padded(["A"]), 12)[0, TOKENIZER.eos_token_id]
    assert LettersOnly(TOKENIZER).forbidden(padded(["A"]), 12)[0, TOKENIZER.eos_token_id]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LettersOnly(DNATokenizer(kmer_size=3, stride=1)), "kmer_size=3, stride=1"),
        (lambda: OpenReadingFrame(DNATokenizer(kmer_size=3)), "kmer_size=1.*kmer_size=3"),
        (lambda: OpenReadingFrame(ProteinTokenizer(kmer_size=1)), "reads protein"),
        (
            lambda: GCRange(DNATokenizer(kmer_size=2), 0, 1, length=2, prompt_tokens=0),
            "kmer_size=1.*kmer_size=2",
        ),
        (
            lambda: GCRange(ProteinTokenizer(kmer_size=1), 0, 1, length=2, prompt_tokens=0),
            "reads protein",
        ),
    ],
)
def test_tokens_for_which_a_rule_is_not_exact_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


class NoCytosine(SequenceConstraint):
    def forbidden(self, input_ids, vocabulary):
        forbidden = torch.zeros(1, vocabulary, dtype=torch.bool)
        forbidden[0, TOKENIZER.encode("C") + TOKENIZER.encode("G")] = True
        return forbidden


def test_rules_that_leave_nothing_say_so():
    rules = [NoCytosine(), GCRange(TOKENIZER, 1.0, 1.0, length=20, prompt_tokens=1)]
    with pytest.raises(ConfigError, match="GCRange leaves no token for column 1:"):
        run(rules, padded(["A"]), 20, random_preference(0, 1.0))
