"""P3 and P4: a stream, a batch and a step give what one forward pass gives."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.model.cache import HyenaGLTCache
from hyena_glt.model.faces import HyenaGLTForCausalLM
from hyena_glt.model.hyena_glt import HyenaGLT
from hyena_glt.model.streaming import extend

TINY: dict[str, Any] = {
    "genomic_vocab_size": 12, "hidden_size": 32, "num_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 64, "local_hidden_size": 32, "max_position_embeddings": 4000,
}  # fmt: skip
KINDS: list[dict[str, Any]] = [
    {},
    {"stripe": ("attention", "LI"), "attention_window": 7},
    {"boundary_scorer": "router", "min_patch_size": 2},
    {"boundary_scorer": "fixed", "target_compression": 5.0},
    {"boundary_scorer": "entropy", "threshold_rule": "absolute", "merge_threshold": 2.0},
    {"boundary_scorer": "pattern", "merge_threshold": -0.3},
    {"local_encoder_layers": 2, "local_decoder_layers": 2, "bridge_layers": (0, 2)},
    {"ngram_sizes": (), "short_filter_order": 1, "filter_size": 8, "bridge_window": 1},
    {"genomic_vocab_size": 76, "kmer_size": 3, "max_segment_length": 24},
]  # fmt: skip


def model_of(**settings):
    torch.manual_seed(0)
    return HyenaGLT(HyenaGLTConfig(**{**TINY, **settings})).eval()


def dna(rows, length, seed=0, vocabulary=12):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(8, vocabulary, (rows, length), generator=generator)


def furthest(one, other):
    return float((one - other).abs().max())


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_blocks_and_steps_equal_one_forward_pass(kind):
    model = model_of(**kind)
    ids = dna(2, 150, vocabulary=model.config.genomic_vocab_size)
    offset = torch.tensor([0, 1234])
    whole = model(ids, position_offset=offset).last_hidden_state
    for cuts in ([50, 1, 1, 28, 70], [1] * 150):
        cache = HyenaGLTCache()
        parts = [
            extend(model, cache, piece, offset if cache.is_empty else None)
            for piece in ids.split(cuts, dim=1)
        ]
        assert furthest(torch.cat(parts, dim=1), whole) < 1e-4


@torch.no_grad()
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 99))
def test_a_sequence_may_be_cut_anywhere(pieces, seed):
    model, ids = model_of(), dna(1, sum(pieces), seed)
    cache = HyenaGLTCache()
    parts = [extend(model, cache, piece) for piece in ids.split(pieces, dim=1)]
    assert furthest(torch.cat(parts, dim=1), model(ids).last_hidden_state) < 1e-4


@torch.no_grad()
def test_the_cache_does_not_grow():
    model, sizes = model_of(), []
    for length in (1, 7, 300, 3000):
        cache = HyenaGLTCache()
        extend(model, cache, dna(1, length))
        sizes.append(cache.nbytes())
    assert len(set(sizes)) == 1


@torch.no_grad()
def test_a_long_sequence_is_streamed_block_by_block():
    model, ids = model_of(), dna(1, 1000)
    parts = list(model.stream(ids[0], block_size=130))
    assert [start for start, _ in parts] == list(range(0, 1000, 130))
    whole = model(ids).last_hidden_state
    assert furthest(torch.cat([hidden for _, hidden in parts], dim=1), whole) < 1e-4


@torch.no_grad()
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if "attention_window" not in kind], ids=str
)
@pytest.mark.parametrize("block_size", [37, 200])
def test_a_two_sided_model_is_blocked_at_the_base_level(kind, block_size):
    model = model_of(**kind, causal=False)
    ids = dna(1, 450, vocabulary=model.config.genomic_vocab_size)
    whole = model(ids).last_hidden_state
    parts = torch.cat([hidden for _, hidden in model.stream(ids, block_size)], dim=1)
    assert furthest(parts, whole) < 1e-4


def test_between_two_blocks_the_callers_modes_are_the_callers():
    model = model_of().train()
    for _ in model.stream(dna(1, 40), block_size=10):
        assert torch.is_grad_enabled()
        assert model.training


@pytest.mark.parametrize("two_sided", [False, True])
def test_fourier_and_chunks_give_the_same_model(two_sided):
    model, ids = model_of(causal=not two_sided).train(False), dna(2, 400)
    results = []
    for evaluation in ("fft", "chunked"):
        model.force_evaluation(evaluation)
        model.zero_grad()
        loss = model(ids, labels=ids).loss
        loss.backward()
        results.append((loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters()}))
    (one, grads), (other, others) = results
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    for name, grad in grads.items():
        assert furthest(grad, others[name]) <= 1e-4 * max(1e-3, float(grad.abs().max())), name


def test_the_plan_says_how_each_layer_is_evaluated():
    model = model_of(target_compression=6.0)
    short = {line.layer: line for line in model.evaluation_plan(600)}
    assert [short[f"layers.{i}"].evaluation for i in range(3)] == ["direct", "fft", "fft"]
    assert short["layers.2"].steps == 100
    assert short["local_encoder.0"].steps == 600
    long = {line.layer: line.evaluation for line in model.evaluation_plan(1_000_000)}
    assert long["layers.2"] == "chunked"
    model.force_evaluation("fft")
    assert {line.evaluation for line in model.evaluation_plan(1_000_000)} == {"direct", "fft"}
    with pytest.raises(ConfigError, match="'slow'"):
        model.force_evaluation("slow")


def left_padded(rows):
    width = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, width - len(row) :] = row
        mask[number, width - len(row) :] = 1
    return ids, mask


@torch.no_grad()
def test_greedy_generation_equals_repeated_forward_passes_alone_and_in_a_padded_batch():
    torch.manual_seed(3)
    model = HyenaGLTForCausalLM(HyenaGLTConfig(**TINY)).eval()
    source = dna(1, 60, seed=5)
    starts = model.model.encode(source).merging.patches.first[0].tolist()
    # Prompts that end with a patch, one token later, and inside one; and a single token.
    lengths = [starts[5], starts[5] + 1, starts[-1], 1]
    prompts = [source[0, :length] for length in lengths]
    expected = []
    for prompt in prompts:
        row = prompt.unsqueeze(0)
        for _ in range(40):
            row = torch.cat([row, model(row).logits[:, -1].argmax(-1, keepdim=True)], dim=1)
        expected.append(row[0, len(prompt) :])
    options = {"max_new_tokens": 40, "do_sample": False, "pad_token_id": 0}
    for prompt, wanted in zip(prompts, expected, strict=True):
        made = model.generate(input_ids=prompt.unsqueeze(0), **options)
        assert torch.equal(made[0, len(prompt) :], wanted)
    ids, mask = left_padded(prompts)
    together = model.generate(input_ids=ids, attention_mask=mask, **options)
    for number, wanted in enumerate(expected):
        assert torch.equal(together[number, ids.shape[1] :], wanted)


@torch.no_grad()
@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 3, "do_sample": False},
        {"do_sample": True, "top_k": 3, "num_return_sequences": 2},
        {"do_sample": True, "top_p": 0.8, "temperature": 0.7},
    ],
    ids=str,
)
def test_generation_with_and_without_the_cache_is_the_same(options):
    model = model_of()
    ids, mask = left_padded([dna(1, n, seed=n)[0] for n in (30, 17, 1)])
    made = []
    for use_cache in (True, False):
        torch.manual_seed(1)
        made.append(
            model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=30, use_cache=use_cache,
                pad_token_id=0, **options,
            )
        )  # fmt: skip
    assert torch.equal(*made)


@torch.no_grad()
def test_a_cache_goes_on_where_the_last_call_ended():
    model, ids = model_of(), dna(2, 80)
    cache = HyenaGLTCache()
    model(ids[:, :50], past_key_values=cache)
    later = model(ids[:, 50:], past_key_values=cache)
    assert later.past_key_values is cache
    assert furthest(later.logits, model(ids).logits[:, 50:]) < 1e-4


def test_what_cannot_be_streamed_is_refused():
    with pytest.raises(ConfigError, match="pretrain --objective clm"):
        extend(model_of(causal=False), HyenaGLTCache(), dna(1, 4))
    with pytest.raises(ConfigError, match="pretrain --objective clm"):
        model_of(causal=False).generate(input_ids=dna(1, 4), max_new_tokens=2)
    with pytest.raises(ConfigError, match="boundary_scorer='track'"):
        extend(model_of(boundary_scorer="track"), HyenaGLTCache(), dna(1, 4))
    model, cache = model_of(max_position_embeddings=20), HyenaGLTCache()
    extend(model, cache, dna(1, 20))
    with pytest.raises(DataError, match=r"position 21 .* max_position_embeddings=20"):
        extend(model, cache, dna(1, 1))
    with pytest.raises(ConfigError, match="cannot go back"):
        cache.crop(3)
    with pytest.raises(DataError, match="pad prompts on the left"):
        model(dna(1, 2), torch.tensor([[0, 1]]), past_key_values=cache)
    with pytest.raises(ConfigError, match="position_offset is for causal"):
        model_of(causal=False)(dna(1, 4), position_offset=torch.tensor([3]))
