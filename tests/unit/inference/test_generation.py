"""Generation against forward passes, rules and arguments."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from hyena_glt.biology.codons import translate
from hyena_glt.biology.sequences import gc_content
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.inference.generation import generate_sequences
from hyena_glt.inference.scoring import score_sequence
from hyena_glt.inference.streamer import SequenceStreamer
from hyena_glt.model.constraints import LettersOnly
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer, RNATokenizer

PROMPTS = ["ATGGCGTTAGCC", "A", "CCGTNAAACGTTTGACGGTAC"]


def next_logits(model, tokenizer, text):
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokenizer.encode(text)])).logits[0, -1]


def likelihood(model, tokenizer, text):
    return score_sequence(model, torch.tensor(tokenizer.encode(text))).log_likelihood


def test_greedy_takes_the_best_letter_of_each_forward_pass(model, tokenizer):
    text = PROMPTS[0]
    for _ in range(20):
        logits = next_logits(model, tokenizer, text)
        text += "ACGT"[int(logits[tokenizer.encode("ACGT")].argmax())]
    (made,) = generate_sequences(model, tokenizer, PROMPTS[0], length=20, greedy=True)
    assert made.sequence == text
    assert made.prompt_length == 12
    assert made.new == text[12:]


def test_prompts_of_unequal_length_go_on_as_if_alone(model, tokenizer):
    together = generate_sequences(model, tokenizer, PROMPTS, length=15, greedy=True)
    two_by_two = generate_sequences(model, tokenizer, PROMPTS, length=15, greedy=True, batch_size=2)
    alone = [generate_sequences(model, tokenizer, p, length=15, greedy=True)[0] for p in PROMPTS]
    for expected, *others in zip(alone, together, two_by_two, strict=True):
        for other in others:
            assert other.sequence == expected.sequence
            assert other.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-4)


@pytest.mark.parametrize("temperature", [None, 0.2])
def test_likelihoods_are_the_models_and_not_those_of_the_sampling(model, tokenizer, temperature):
    (made,) = generate_sequences(
        model, tokenizer, "ATGCC", length=30, temperature=temperature, top_k=3
    )
    expected = likelihood(model, tokenizer, made.sequence) - likelihood(model, tokenizer, "ATGCC")
    assert made.log_likelihood == pytest.approx(expected, abs=1e-3)
    assert made.bits_per_base == pytest.approx(-expected / 30 / math.log(2), abs=1e-4)


def test_the_seed_decides_and_the_callers_random_state_stays(model, tokenizer):
    def draw(seed):
        return generate_sequences(model, tokenizer, ["AC", ""], length=30, n=2, seed=seed)

    before = torch.random.get_rng_state()
    first = draw(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    assert draw(1) == first
    assert {one.sequence for one in draw(2)}.isdisjoint({one.sequence for one in first})
    assert len({one.sequence for one in first}) == 4
    assert [one.prompt_length for one in first] == [2, 2, 0, 0]


def test_sampling_follows_the_models_distribution_over_the_letters(model, tokenizer):
    made = generate_sequences(model, tokenizer, "ATGGC", length=1, n=300, batch_size=300)
    logits = next_logits(model, tokenizer, "ATGGC")[tokenizer.encode("ACGT")]
    expected = logits.softmax(0).numpy()
    counts = np.array([sum(one.new == base for one in made) for base in "ACGT"])
    error = np.sqrt(expected * (1 - expected) / 300)
    assert (np.abs(counts / 300 - expected) < 4 * error).all()
    assert expected.max() > 0.3  # else a uniform draw would pass


def test_top_k_and_top_p_leave_the_tail_out(model, tokenizer):
    logits = next_logits(model, tokenizer, "ATGGC")[tokenizer.encode("ACGT")]
    ranked = ["ACGT"[i] for i in logits.argsort(descending=True)]
    drawn = {
        name: {
            one.new
            for one in generate_sequences(
                model, tokenizer, "ATGGC", length=1, n=100, batch_size=100, **{name: value}
            )
        }
        for name, value in (("top_k", 2), ("top_p", 1e-6), ("temperature", 1e-4))
    }
    best = set(ranked[:1])
    assert drawn == {"top_k": set(ranked[:2]), "top_p": best, "temperature": best}


def test_the_first_base_without_a_prompt_is_drawn_uniformly(model, tokenizer):
    made = generate_sequences(model, tokenizer, length=1, n=200, batch_size=200)
    counts = np.array([sum(one.sequence == base for one in made) for base in "ACGT"])
    assert counts.sum() == 200
    assert (np.abs(counts - 50) < 26).all()
    assert {one.bits_per_base for one in made} == {2.0}
    (whole,) = generate_sequences(model, tokenizer, length=25)
    assert len(whole.sequence) == 25
    expected = likelihood(model, tokenizer, whole.sequence)
    assert whole.log_likelihood == pytest.approx(expected, abs=1e-3)


def test_enough_beams_find_all_sequences_in_their_order(model, tokenizer):
    made = generate_sequences(model, tokenizer, "ATGGC", length=2, beams=16, n=16)
    expected = sorted(
        ("ATGGC" + "".join(pair) for pair in product("ACGT", repeat=2)),
        key=lambda text: -likelihood(model, tokenizer, text),
    )
    assert [one.sequence for one in made] == expected


def test_beams_go_through_prompts_of_unequal_length(model, tokenizer):
    made = generate_sequences(model, tokenizer, PROMPTS, length=10, beams=3, n=2)
    alone = [
        one
        for prompt in PROMPTS
        for one in generate_sequences(model, tokenizer, prompt, length=10, beams=3, n=2)
    ]
    assert [one.sequence for one in made] == [one.sequence for one in alone]
    assert all(a.log_likelihood >= b.log_likelihood for a, b in pairwise(made)
               if a.sequence[: a.prompt_length] == b.sequence[: b.prompt_length])  # fmt: skip


def test_more_sequences_than_there_are_is_refused(model, tokenizer):
    with pytest.raises(ConfigError, match="fewer than n=8 different"):
        generate_sequences(model, tokenizer, "A", length=1, beams=8, n=8)
    with pytest.raises(ConfigError, match="fewer than n=2 different"):
        generate_sequences(model, tokenizer, "", length=1, beams=2, n=2)


@pytest.mark.parametrize("how", [{"n": 3, "seed": 4}, {"beams": 3, "n": 3}, {"greedy": True}])
def test_rules_hold_however_the_letters_are_chosen(model, tokenizer, how):
    prompts = ["ATGGCCA", "", "CATGT"]
    made = generate_sequences(
        model, tokenizer, prompts, length=40, gc_range=(0.6, 0.65), open_reading_frame=1, **how
    )
    for one in made:
        assert len(one.new) == 40
        assert 0.6 <= gc_content(one.new) <= 0.65
        assert "*" not in translate(one.sequence[1:])
    free = generate_sequences(model, tokenizer, prompts, length=40, **how)
    assert not all(0.6 <= gc_content(one.new) <= 0.65 for one in free)


def test_sequences_end_at_the_letters_to_stop_at(model, tokenizer):
    made = generate_sequences(model, tokenizer, ["AAGA", ""], length=60, n=4, stop_at="GA", seed=3)
    for one in made:
        assert one.new.find("GA") in {-1, len(one.new) - 2}
        assert len(one.new) == 60 or one.new.endswith("GA")
        prompt = one.sequence[: one.prompt_length]
        expected = likelihood(model, tokenizer, one.sequence)
        expected -= likelihood(model, tokenizer, prompt) if prompt else 0
        assert one.log_likelihood == pytest.approx(expected, abs=1e-3)
    assert any(len(one.new) < 60 for one in made)


def test_stopping_everywhere_saves_the_remaining_steps(model, tokenizer):
    steps = []
    generate_sequences(
        model, tokenizer, "A", length=100, stop_at="A", seed=1, on_progress=steps.append
    )
    assert len(steps) < 100


def test_progress_counts_every_letter(model, tokenizer):
    steps = []
    generate_sequences(
        model, tokenizer, PROMPTS, length=6, n=2, batch_size=4, on_progress=steps.append
    )
    assert sum(steps) == 36
    assert set(steps) == {4, 2}


def test_kmers_are_generated_whole(build):
    tokenizer = DNATokenizer(kmer_size=3)
    model = build(tokenizer)
    made = generate_sequences(model, tokenizer, ["ATGGCG", ""], length=12, n=2)
    for one in made:
        assert len(one.new) == 12
        assert set(one.new) <= set("ACGT")
        prompt = one.sequence[: one.prompt_length]
        expected = likelihood(model, tokenizer, one.sequence)
        expected -= likelihood(model, tokenizer, prompt) if prompt else 0
        assert one.log_likelihood == pytest.approx(expected, abs=1e-3)
        assert one.bits_per_base == pytest.approx(-expected / 12 / math.log(2), abs=1e-4)
    with pytest.raises(ConfigError, match=r"multiple of the k-mer size \(3\), got 10"):
        generate_sequences(model, tokenizer, length=10)
    with pytest.raises(DataError, match="prompt 2: its 4 letters"):
        generate_sequences(model, tokenizer, ["ATG", "ATGG"], length=9)
    with pytest.raises(ConfigError, match="stop_at needs"):
        generate_sequences(model, tokenizer, length=9, stop_at="TAA")


def test_other_molecules(build):
    rna = RNATokenizer(kmer_size=1)
    (made,) = generate_sequences(
        build(rna), rna, "augT", length=30, open_reading_frame=0, gc_range=(0.3, 0.7)
    )
    assert made.sequence.startswith("AUGT")
    assert set(made.new) <= set("ACGU")
    assert "*" not in translate(made.sequence)
    protein = ProteinTokenizer(kmer_size=1)
    (made,) = generate_sequences(build(protein), protein, "MKV", length=30)
    assert set(made.new) <= set(protein.alphabet.letters)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"length": 0}, "length must be at least 1, got 0"),
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"temperature": 0.0}, "temperature must be positive, got 0"),
        ({"temperature": math.nan}, "temperature must be positive, got nan"),
        ({"top_k": 0}, "top_k must be at least 1 token, got 0"),
        ({"top_p": 0.0}, r"top_p must lie in \(0, 1\], got 0"),
        ({"top_p": 1.5}, r"top_p must lie in \(0, 1\], got 1.5"),
        ({"beams": 0}, "beams must be at least 1, got 0"),
        ({"greedy": True, "beams": 2}, "leave out greedy or beams=2"),
        ({"greedy": True, "temperature": 1.0}, "temperature is for sampling"),
        ({"beams": 2, "top_k": 3}, "top_k is for sampling"),
        ({"beams": 2, "top_p": 0.5}, "top_p is for sampling"),
        ({"greedy": True, "n": 2}, "n=2 sequences per prompt"),
        ({"beams": 2, "n": 3}, "got beams=2"),
        ({"gc_range": (0.9, 0.1)}, "got 0.9-0.1"),
        ({"gc_range": (0.41, 0.42)}, "among 10 bases"),
        ({"open_reading_frame": -1}, "got -1"),
        ({"stop_at": "TAN"}, "letters out of ACGT, got 'TAN'"),
        ({"stop_at": ""}, "letters out of ACGT, got ''"),
        ({"stop_at": "TAA", "beams": 2}, "leave out stop_at"),
        ({"stop_at": "TAA", "gc_range": (0.0, 1.0)}, "leave out stop_at"),
    ],
)
def test_settings_that_break_a_rule_are_refused(model, tokenizer, arguments, words):
    with pytest.raises(ConfigError, match=words):
        generate_sequences(model, tokenizer, "ACG", **{"length": 10, **arguments})


@pytest.mark.parametrize(
    ("prompt", "arguments", "error", "words"),
    [
        ("ACGXT", {}, AlphabetError, "prompt 2: 1 foreign letter, the first is 'X' at position 3"),
        ("AC T", {}, AlphabetError, "' ' at position 2"),
        ("A" * 119, {}, DataError, "prompt 2: 119 tokens and 10 new .* takes, 128"),
        ("CTAAGG", {"open_reading_frame": 1}, DataError, "TAA at position 1 .* starts at 1"),
        ("CTANGG", {"open_reading_frame": 1}, DataError, "'N' at position 3"),
    ],
)
def test_prompts_that_break_a_rule_are_refused(model, tokenizer, prompt, arguments, error, words):
    with pytest.raises(error, match=words):
        generate_sequences(model, tokenizer, ["ACG", prompt], length=10, **arguments)


def test_an_n_before_the_frame_does_no_harm(model, tokenizer):
    (made,) = generate_sequences(model, tokenizer, "NRATG", length=9, open_reading_frame=2)
    assert made.sequence.startswith("NRATG")


def test_a_two_sided_model_names_the_objective(build, tokenizer):
    with pytest.raises(ConfigError, match=r"both ways.*--objective clm"):
        generate_sequences(build(tokenizer, causal=False), tokenizer, "ACG", length=5)


def test_a_streamer_gets_each_letter_at_once(model, tokenizer):
    pieces = []
    ids = torch.tensor([tokenizer.encode("ATGGCG")])
    whole = model.generate(
        input_ids=ids, max_new_tokens=8, do_sample=False, pad_token_id=0,
        logits_processor=[LettersOnly(tokenizer)],
        streamer=SequenceStreamer(tokenizer, pieces.append),
    )  # fmt: skip
    assert pieces[0] == "ATGGCG"
    assert [len(piece) for piece in pieces[1:]] == [1] * 8
    assert "".join(pieces) == tokenizer.decode(whole[0])


def test_a_streamer_refuses_several_sequences(model, tokenizer):
    with pytest.raises(ConfigError, match="one sequence at a time, got 2"):
        model.generate(
            input_ids=torch.tensor([[8, 9], [9, 8]]), max_new_tokens=2, do_sample=False,
            pad_token_id=0, streamer=SequenceStreamer(tokenizer, lambda _: None),
        )  # fmt: skip
