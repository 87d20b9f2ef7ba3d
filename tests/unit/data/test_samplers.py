import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.data.samplers import LengthGroupedBatches
from hyena_glt.errors import ConfigError


def epoch(lengths, batch_size, seed=0, number=0):
    sampler = LengthGroupedBatches(lengths, batch_size, seed)
    sampler.set_epoch(number)
    return list(sampler)


@given(
    st.lists(st.integers(1, 500), max_size=400),
    st.integers(1, 40),
    st.integers(0, 2**31),
    st.integers(0, 50),
)
def test_every_sequence_comes_exactly_once_an_epoch(lengths, batch_size, seed, number):
    batches = epoch(lengths, batch_size, seed, number)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert len(LengthGroupedBatches(lengths, batch_size, seed)) == len(batches)
    assert all(len(batch) <= batch_size for batch in batches)
    assert sum(len(batch) < batch_size for batch in batches) <= 1


def test_the_order_is_a_function_of_seed_and_epoch_and_of_nothing_else():
    lengths = list(range(1, 101))
    sampler = LengthGroupedBatches(lengths, 8, seed=3)
    list(sampler)  # what was drawn before does not matter ...
    np.random.default_rng().random()
    sampler.set_epoch(5)
    once = list(sampler)
    assert once == list(sampler)  # ... nor how often
    assert once == epoch(lengths, 8, seed=3, number=5)
    assert once != epoch(lengths, 8, seed=3, number=6)
    assert once != epoch(lengths, 8, seed=4, number=5)
    # Epoch 1 of seed 0 is not epoch 0 of seed 1.
    assert epoch(lengths, 8, 0, 1) != epoch(lengths, 8, 1, 0)


def test_batches_hold_similar_lengths():
    lengths = np.random.default_rng(0).integers(10, 1000, 640)
    grouped = epoch(lengths.tolist(), 16)
    padded = sum(len(batch) * lengths[batch].max() for batch in grouped)
    shuffled = np.random.default_rng(1).permutation(640).reshape(-1, 16)
    padded_without = sum(16 * lengths[batch].max() for batch in shuffled)
    assert padded / lengths.sum() < 1.05
    assert padded_without / lengths.sum() > 1.5


def test_long_and_short_batches_are_mixed():
    means = [sum(batch) / len(batch) for batch in epoch(list(range(1000)), 10)]
    assert means != sorted(means)
    assert abs(np.mean(means[:50]) - np.mean(means[50:])) < 200


def test_equal_lengths_are_shuffled():
    order = [index for batch in epoch([7] * 64, 8) for index in batch]
    assert order != sorted(order)


def test_a_batch_holds_at_least_one():
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        LengthGroupedBatches([1, 2], 0)
