"""How time and memory grow with the length: exponents, which hold on any machine."""

import time

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLT

LENGTHS = [2**power for power in range(12, 16)]


@pytest.fixture(scope="module")
def model():
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=64, num_layers=3, num_attention_heads=4,
        max_position_embeddings=max(LENGTHS), causal=False, target_compression=8.0,
    )  # fmt: skip
    torch.manual_seed(0)
    return HyenaGLT(config).eval()


def exponent(lengths, costs):
    """Slope of the costs over the lengths, both as logarithms."""
    return float(np.polyfit(np.log(lengths), np.log(costs), 1)[0])


def best_time(function, *arguments, **options):
    times = []
    for _ in range(3):
        start = time.process_time()
        function(*arguments, **options)
        times.append(time.process_time() - start)
    return min(times)


def test_time_grows_no_faster_than_n_log_n(model):
    with torch.no_grad():
        inputs = [torch.randint(8, 12, (1, length)) for length in LENGTHS]
        costs = [best_time(model, ids) for ids in inputs]
    assert exponent(LENGTHS, costs) < 1.3


def test_the_exponent_tells_attention_apart():
    """The measure can fail: plain attention is quadratic."""
    with torch.no_grad():
        costs = []
        for length in LENGTHS[:3]:
            x = torch.randn(1, 4, length, 16)
            mask = torch.zeros(length, length)
            attend = torch.nn.functional.scaled_dot_product_attention
            costs.append(best_time(attend, x, x, x, attn_mask=mask))
    assert exponent(LENGTHS[:3], costs) > 1.6


def test_memory_of_training_grows_with_the_length(model):
    kept = []
    for length in LENGTHS[:3]:
        total = 0

        def count(tensor):
            nonlocal total
            total += tensor.numel()
            return tensor

        ids = torch.randint(8, 12, (1, length))
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            model(ids, labels=ids)
        kept.append(total)
    assert exponent(LENGTHS[:3], kept) < 1.1
