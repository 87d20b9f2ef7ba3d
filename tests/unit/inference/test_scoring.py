"""Scores against forward passes worked out by hand."""

import math

import numpy as np
import pytest
import torch

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.inference.scoring import iter_log_likelihoods, score_sequence
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer

LN4 = math.log(4)


def sequence(length, letters="ACGT"):
    return "".join(np.random.default_rng(5).choice(list(letters), length))


def ids_of(tokenizer, text):
    return torch.tensor(tokenizer.encode(text))


def last_given_before(model, ids):
    """Log-likelihood of the last token given all before it, by one forward pass."""
    with torch.no_grad():
        logits = model(input_ids=ids[None, :-1]).logits[0, -1]
    return float(logits.log_softmax(0)[ids[-1]])


def test_the_score_is_the_sum_over_the_letters(model, tokenizer):
    ids = ids_of(tokenizer, sequence(40))
    expected = [-LN4] + [last_given_before(model, ids[: at + 1]) for at in range(1, 40)]
    (values,) = iter_log_likelihoods(model, ids)
    assert values == pytest.approx(expected, abs=1e-4)
    scored = score_sequence(model, ids)
    assert scored.log_likelihood == pytest.approx(sum(expected), abs=1e-3)
    assert scored.bases == 40
    assert scored.unscored == 0
    assert scored.bits_per_base == pytest.approx(-sum(expected) / 40 / math.log(2), abs=1e-4)


def test_one_base_counts_two_bits(model, tokenizer):
    assert score_sequence(model, ids_of(tokenizer, "G")) == (-LN4, 1, 2.0, 0)


def test_n_is_context_and_not_scored(model, tokenizer):
    text = "NNACGNTA"
    ids = ids_of(tokenizer, text)
    (values,) = iter_log_likelihoods(model, ids)
    assert np.isnan(values).tolist() == [letter == "N" for letter in text]
    assert values[2] == pytest.approx(last_given_before(model, ids[:3]), abs=1e-4)
    scored = score_sequence(model, ids)
    assert (scored.bases, scored.unscored) == (5, 3)
    assert scored.log_likelihood == pytest.approx(np.nansum(values))
    assert math.isnan(score_sequence(model, ids_of(tokenizer, "NN")).bits_per_base)


@pytest.mark.parametrize(("length", "window"), [(33, 16), (47, 16), (48, 16), (50, 7), (9, 2)])
def test_long_sequences_are_read_in_windows_with_half_a_window_of_context(
    build, tokenizer, length, window
):
    model = build(tokenizer, max_position_embeddings=window)
    ids = ids_of(tokenizer, sequence(length))
    blocks = list(iter_log_likelihoods(model, ids))
    assert len(blocks[0]) == window
    values = np.concatenate(blocks)
    assert len(values) == length
    step = window // 2
    for at in range(1, length):
        start = max(0, -(-(at + 1 - window) // step)) * step
        expected = last_given_before(model, ids[start : at + 1])
        assert values[at] == pytest.approx(expected, abs=1e-4), at


@pytest.mark.parametrize("block", [2, 10, 127, 128])
def test_the_block_changes_nothing(model, tokenizer, block):
    ids = ids_of(tokenizer, sequence(300))
    whole = np.concatenate(list(iter_log_likelihoods(model, ids)))
    parts = np.concatenate(list(iter_log_likelihoods(model, ids, block=block)))
    assert parts == pytest.approx(whole, abs=1e-4)


def test_blocks_are_reported_with_their_place(model, tokenizer):
    ids = ids_of(tokenizer, sequence(300))
    seen = []
    score_sequence(model, ids, on_block=lambda start, values: seen.append((start, len(values))))
    assert seen == [(0, 128), (128, 64), (192, 64), (256, 44)]


def hidden_likelihood(model, ids, at):
    """Log-likelihood of one token with it and every eighth token hidden."""
    hidden = ids.clone()
    places = [i for i in range(len(ids)) if (i - at) % 8 == 0 and ids[i] >= 8]
    hidden[places] = 4
    with torch.no_grad():
        logits = model(input_ids=hidden[None]).logits[0, at]
    return float(logits.log_softmax(0)[ids[at]])


def test_two_sided_models_predict_what_is_hidden(build, tokenizer):
    model = build(tokenizer, causal=False)
    ids = ids_of(tokenizer, "ACGTNTGCATGGCATTACGA")
    (values,) = iter_log_likelihoods(model, ids)
    for at in range(len(ids)):
        if at == 4:
            assert math.isnan(values[at])
        else:
            assert values[at] == pytest.approx(hidden_likelihood(model, ids, at), abs=1e-4)
    assert len(next(iter_log_likelihoods(model, ids[:3]))) == 3


def test_two_sided_windows_score_their_middle(build, tokenizer):
    model = build(tokenizer, causal=False)
    ids = ids_of(tokenizer, sequence(70))
    values = list(iter_log_likelihoods(model, ids, block=32))
    assert list(map(len, values)) == [24, 16, 16, 14]
    windows = {5: 0, 23: 0, 24: 16, 39: 16, 40: 32, 55: 32, 56: 48, 69: 48}
    for at, start in windows.items():
        expected = hidden_likelihood(model, ids[start : start + 32], at - start)
        assert np.concatenate(values)[at] == pytest.approx(expected, abs=1e-4), at


def test_kmers_count_their_bases(build):
    tokenizer = DNATokenizer(kmer_size=3)
    model = build(tokenizer)
    ids = ids_of(tokenizer, "ATGGCANNNTTTAC")
    scored = score_sequence(model, ids)
    # Three k-mers and two single letters, three N.
    assert (scored.bases, scored.unscored) == (11, 3)
    (values,) = iter_log_likelihoods(model, ids)
    assert values[0] == pytest.approx(-3 * LN4)
    assert scored.bits_per_base == pytest.approx(-np.nansum(values) / 11 / math.log(2))


def test_ambiguous_residues_are_not_scored(build):
    tokenizer = ProteinTokenizer(kmer_size=1)
    scored = score_sequence(build(tokenizer), ids_of(tokenizer, "MBX"))
    assert scored == (pytest.approx(-math.log(20)), 1, pytest.approx(math.log2(20)), 2)


def test_the_model_is_left_in_its_mode(model, tokenizer):
    model.train()
    try:
        for _ in iter_log_likelihoods(model, ids_of(tokenizer, sequence(200))):
            assert model.training
            assert model.model.layers[0].training
            assert torch.is_grad_enabled()
    finally:
        model.eval()


def test_overlapping_kmers_are_refused(build):
    tokenizer = DNATokenizer(kmer_size=3, stride=1)
    with pytest.raises(ConfigError, match="stride 1"):
        score_sequence(build(tokenizer), ids_of(tokenizer, "ACGT"))


def test_nothing_to_score_is_refused(model):
    with pytest.raises(DataError, match="no token"):
        score_sequence(model, torch.zeros(0, dtype=torch.long))


def test_blocks_without_context_are_refused(model, tokenizer):
    with pytest.raises(ConfigError, match="at least 2 tokens, got 1 and 128"):
        score_sequence(model, ids_of(tokenizer, "ACGT"), block=1)
