import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.ops import boundaries, reference


@st.composite
def scored_batches(draw):
    rows, length = draw(st.integers(1, 4)), draw(st.integers(1, 90))
    density = draw(st.sampled_from([0.0, 0.05, 0.3, 0.8, 1.0]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    candidates = torch.rand(rows, length, generator=generator) < density
    lengths = torch.randint(1, length + 1, (rows, 1), generator=generator)
    smallest = draw(st.integers(1, 9))
    largest = smallest + draw(st.integers(0, 20))
    return candidates, torch.arange(length) < lengths, smallest, largest


@settings(deadline=None, max_examples=300)
@given(scored_batches())
def test_pointer_doubling_equals_walking_from_left_to_right(batch):
    candidates, mask, smallest, largest = batch
    fast = boundaries.greedy_starts(candidates, mask, min_size=smallest, max_size=largest)
    slow = reference.greedy_starts(candidates, mask, min_size=smallest, max_size=largest)
    assert torch.equal(fast, slow)


@settings(deadline=None, max_examples=100)
@given(scored_batches())
def test_patches_cover_every_token_once_within_the_limits(batch):
    candidates, mask, smallest, largest = batch
    starts = boundaries.greedy_starts(candidates, mask, min_size=smallest, max_size=largest)
    patches = boundaries.patches_from_starts(starts, mask)
    assert torch.equal(patches.length.sum(dim=1), mask.sum(dim=1))
    for row in range(len(mask)):
        lengths = patches.length[row][patches.mask[row]]
        assert int(lengths.max()) <= largest
        assert bool((lengths[:-1] >= smallest).all())
        assert torch.equal(patches.first[row][patches.mask[row]], starts[row].nonzero().flatten())


@settings(deadline=None, max_examples=50)
@given(scored_batches(), st.integers(0, 89))
def test_boundaries_are_incremental(batch, cut):
    """Starts up to a position do not depend on candidates behind it."""
    candidates, mask, smallest, largest = batch
    changed = candidates.clone()
    changed[:, cut + 1 :] = ~changed[:, cut + 1 :]
    first = boundaries.greedy_starts(candidates, mask, min_size=smallest, max_size=largest)
    second = boundaries.greedy_starts(changed, mask, min_size=smallest, max_size=largest)
    assert torch.equal(first[:, : cut + 1], second[:, : cut + 1])


def test_a_million_tokens_need_no_loop():
    candidates = torch.rand(1, 1_000_000) < 0.1
    mask = torch.ones_like(candidates)
    starts = boundaries.greedy_starts(candidates, mask, min_size=2, max_size=32)
    gaps = starts[0].nonzero().flatten().diff()
    assert int(gaps.min()) >= 2
    assert int(gaps.max()) <= 32


def test_flat_index_sends_padding_behind_the_last_patch():
    mask = torch.tensor([[True, True, True], [True, False, False]])
    patches = boundaries.patches_from_starts(
        torch.tensor([[True, False, True], [True, False, False]]), mask
    )
    assert patches.flat_index.tolist() == [0, 0, 1, 2, 4, 4]
