import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.layers.positions import BLTPositionManager
from hyena_glt.ops.boundaries import patches_from_starts


def patches_at(starts, length):
    flags = torch.zeros(1, length, dtype=torch.bool)
    flags[0, starts] = True
    return patches_from_starts(flags, torch.ones_like(flags))


@pytest.mark.parametrize("causal", [True, False])
def test_the_guides_table(causal):
    manager = BLTPositionManager(HyenaGLTConfig(causal=causal))
    positions = manager(patches_at([0, 3, 6, 9, 15, 18], 21))
    rows = {
        token: tuple(round(float(feature[0, token]), 3) for feature in positions)
        for token in (0, 1, 2, 10)
    }
    assert rows == {
        0: (0.000, 0.000, 0.143),
        1: (0.048, 0.500, 0.143),
        2: (0.095, 1.000, 0.143),
        10: (0.476, 0.200, 0.286),
    }


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3000), st.integers(0, 1000), st.floats(0.01, 1.0))
def test_positions_are_rebuilt_exactly(length, seed, density):
    generator = torch.Generator().manual_seed(seed)
    starts = torch.rand(1, length, generator=generator) < density
    starts[0, 0] = True
    patches = patches_from_starts(starts, torch.ones_like(starts))
    rebuilt = BLTPositionManager(HyenaGLTConfig()).reconstruct(patches)
    assert torch.equal(rebuilt[0], torch.arange(length))


def test_causal_queries_know_nothing_of_what_comes():
    """Encodings of tokens before a later patch do not change with that patch."""
    manager = BLTPositionManager(HyenaGLTConfig(causal=True))
    one = manager.encode_queries(patches_at([0, 4, 9], 20), torch.arange(20).unsqueeze(0))
    other = manager.encode_queries(patches_at([0, 4, 9, 14], 30), torch.arange(30).unsqueeze(0))
    torch.testing.assert_close(one[:, :14], other[:, :14])


def test_far_positions_keep_their_digits():
    manager = BLTPositionManager(HyenaGLTConfig(max_position_embeddings=2_000_000))
    encoding = manager.token_encoding
    encoding.periods.fill_(3.0)
    # Half a million codons further every codon wave is where it was.
    torch.testing.assert_close(
        encoding(torch.tensor([[1_500_001]]), []), encoding(torch.tensor([[1]]), [])
    )
