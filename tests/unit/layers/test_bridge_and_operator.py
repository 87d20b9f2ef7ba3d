import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.layers.bridge import CrossAttentionPositionBridge
from hyena_glt.layers.embedding import NgramEmbedding
from hyena_glt.layers.hyena import HyenaOperator
from hyena_glt.ops import reference
from hyena_glt.ops.boundaries import patches_from_starts


def bridge_and_patches(causal):
    config = HyenaGLTConfig(hidden_size=32, num_attention_heads=4, causal=causal, bridge_window=3)
    starts = torch.tensor([[1, 0, 0, 1, 0, 1, 0, 0, 1, 0]]).bool()
    return CrossAttentionPositionBridge(config), patches_from_starts(starts, starts | True)


def test_a_patch_reads_its_own_tokens_only():
    bridge, patches = bridge_and_patches(causal=True)
    tokens = torch.randn(1, 10, 16)
    before = bridge.encode_byte_to_patch(tokens, patches)[0]
    tokens[0, 4] += 1.0  # in patch 1
    changed = (bridge.encode_byte_to_patch(tokens, patches)[0] != before).any(dim=-1)
    assert changed.tolist() == [[False, True, False, False]]


def test_encoding_equals_attention_patch_by_patch():
    bridge, patches = bridge_and_patches(causal=True)
    tokens = torch.randn(1, 10, 16)
    summary, memory, weights = bridge.encode_byte_to_patch(tokens, patches)
    normed = bridge.token_norm(tokens)[0]
    for patch, members in enumerate([[0, 1, 2], [3, 4], [5, 6, 7], [8, 9]]):
        own = normed[members]
        query = bridge.encode_attention.query(own.mean(dim=0)).view(4, 4)
        logits = torch.einsum("hk,nhk->nh", query, memory.keys[members].view(-1, 4, 4)) / 2
        attention = logits.softmax(dim=0)
        torch.testing.assert_close(weights[members], attention, atol=1e-5, rtol=1e-4)
        read = torch.einsum("nh,nhk->hk", attention, memory.values[members].view(-1, 4, 4))
        expected = bridge.mean_to_patch(own.mean(dim=0)) + bridge.encode_attention.out(
            read.flatten()
        )
        torch.testing.assert_close(summary[0, patch], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("causal", "readers"),
    # Tokens that read patch 1 (tokens 3 and 4): all later ones; its own and its neighbours'.
    [(True, [5, 6, 7, 8, 9]), (False, [0, 1, 2, 3, 4, 5, 6, 7])],
)
def test_who_reads_a_patch_on_the_way_back(causal, readers):
    bridge, patches = bridge_and_patches(causal)
    states, queries = torch.randn(1, 4, 32), torch.randn(1, 10, 16)
    before, weights = bridge.decode_patch_to_byte(states, queries, patches)
    states[0, 1] += 1.0
    after, _ = bridge.decode_patch_to_byte(states, queries, patches)
    changed = (after != before).any(dim=-1)[0].nonzero().flatten().tolist()
    assert changed == readers
    total = weights.sum(dim=2)[0, :, 0]
    torch.testing.assert_close(total[3:], torch.ones(7))
    assert bool((total[:3] == 0).all()) is causal  # nothing is closed yet in the first patch


@pytest.mark.parametrize("kind", ["SE", "MR", "LI"])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 63, 130])
def test_operator_equals_its_filter_written_out(kind, causal, steps):
    torch.manual_seed(1)
    operator = HyenaOperator(
        8, kind, causal=causal, short_filter_order=3, filter_length=7, filter_size=4,
        filter_modes=6, longest=200.0,
    )  # fmt: skip
    u = torch.randn(2, steps, 8, requires_grad=True)
    twin = u.detach().clone().requires_grad_()
    if kind == "SE":
        slow = reference.short_convolution(twin, operator.taps, causal=causal)
    else:
        after, before = operator.filter(steps)
        if before is not None and before.shape[1] == 0:
            before = None
        slow = reference.long_convolution(twin, after, before)
    fast = operator.convolve(u)
    torch.testing.assert_close(fast, slow, atol=1e-4, rtol=1e-4)
    fast.square().sum().backward()
    slow.square().sum().backward()
    torch.testing.assert_close(u.grad, twin.grad, atol=1e-3, rtol=1e-3)


def test_filters_are_shared_by_channel_groups():
    operator = HyenaOperator(
        8, "LI", causal=True, short_filter_order=3, filter_length=7, filter_size=2
    )
    u = torch.randn(1, 20, 1).expand(1, 20, 8)
    out = operator.convolve(u)
    torch.testing.assert_close(out[..., 0], out[..., 3])
    assert not torch.allclose(out[..., 0], out[..., 4])


def test_ngrams_are_exact_and_end_with_their_token():
    config = HyenaGLTConfig(hidden_size=8, num_attention_heads=2, ngram_sizes=(2, 3))
    ngrams = NgramEmbedding(config)
    letters = "ACGNACG"
    ids = torch.tensor([[5 if c == "N" else 8 + "ACGT".index(c) for c in letters]])
    out = ngrams(ids)[0] * 2**0.5
    two, three = (ngrams.get_parameter(f"tables.{i}.weight") for i in (0, 1))

    def row(word):
        number = 0
        for letter in word:
            number = number * 4 + "ACGT".index(letter)
        return number + 1

    torch.testing.assert_close(out[0], torch.zeros(4))
    torch.testing.assert_close(out[1], two[row("AC")])
    torch.testing.assert_close(out[2], two[row("CG")] + three[row("ACG")])
    torch.testing.assert_close(out[4], torch.zeros(4))
    torch.testing.assert_close(out[6], out[2])


def test_ngrams_of_kmer_tokens_count_nucleotides():
    config = HyenaGLTConfig(hidden_size=8, num_attention_heads=2, kmer_size=3)
    assert config.ngram_sizes == (6,)
    ngrams = NgramEmbedding(config)
    ids = torch.tensor([[12 + 1, 12 + 63, 8, 12 + 2]])  # AAC TTT A AAG
    out = ngrams(ids)[0]
    torch.testing.assert_close(out[1], ngrams.get_parameter("tables.0.weight")[1 * 64 + 63 + 1])
    assert bool((out[[0, 2, 3]] == 0).all())


def test_ngrams_of_overlapping_kmers_count_letters():
    config = HyenaGLTConfig(
        hidden_size=8, num_attention_heads=2, kmer_size=3, overlapping_kmers=True, ngram_sizes=(2,)
    )
    plain = HyenaGLTConfig(hidden_size=8, num_attention_heads=2, ngram_sizes=(2,))
    ngrams, letters = NgramEmbedding(config), NgramEmbedding(plain)
    letters.load_state_dict(ngrams.state_dict())
    kmers = torch.tensor([[12 + 0b000110, 12 + 0b011011, 10, 11]])  # ACG CGT G T
    torch.testing.assert_close(ngrams(kmers), letters(torch.tensor([[8, 9, 10, 11]])))


@pytest.mark.parametrize("length", range(1, 8))
def test_sequences_shorter_than_the_ngrams_are_embedded_like_the_start_of_a_longer_one(length):
    ngrams = NgramEmbedding(HyenaGLTConfig(hidden_size=8, num_attention_heads=2))
    ids = torch.tensor([[8, 11, 9, 10, 8, 9, 11]])
    torch.testing.assert_close(ngrams(ids[:, :length]), ngrams(ids)[:, :length])
