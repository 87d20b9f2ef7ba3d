"""Long sequences block by block, and generation: what must not grow with the length."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import hyena_glt
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLT
from hyena_glt.model.cache import HyenaGLTCache

LONGEST = 2**18

# Peaks of memory only rise, so every line is compared with the one before it.
MEMORY = """
import json, re, sys
import torch
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLT

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

causal = json.loads(sys.argv[1])
model = HyenaGLT(
    HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=32, num_layers=2, num_attention_heads=4,
        max_position_embeddings=400_000, causal=causal,
    )
).eval()
ids = torch.randint(8, 12, (1, 400_000))
peaks = []
for length in (10_000, 100_000, 400_000):
    for _ in model.stream(ids[:, :length]):
        pass
    peaks.append(peak())
with torch.no_grad():
    model(ids[:, :100_000])
print(json.dumps([*peaks, peak()]))
"""


def tiny(**settings):
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=32, num_layers=2, num_attention_heads=4,
        max_position_embeddings=LONGEST, **settings,
    )  # fmt: skip
    torch.manual_seed(0)
    return HyenaGLT(config).eval()


def seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "two-sided"])
def test_time_of_a_stream_grows_with_the_length(causal):
    model, ids = tiny(causal=causal), torch.randint(8, 12, (1, LONGEST))
    costs = {}
    for length in (LONGEST // 4, LONGEST):
        piece = ids[:, :length]
        costs[length] = min(seconds(lambda piece=piece: list(model.stream(piece))) for _ in "ab")
    assert costs[LONGEST] / costs[LONGEST // 4] < 4**1.3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize(("causal", "share"), [(True, 0.1), (False, 0.5)])
def test_memory_of_a_stream(causal, share):
    """Causal: that of a block.  Two-sided: that of the patches, far below that of the tokens."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, json.dumps(causal)],
        env={**os.environ, "PYTHONPATH": str(Path(hyena_glt.__file__).parents[1])},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    _, short, long, whole = json.loads(done.stdout)
    # Beside it, one forward pass over a quarter of the sequence: the measure can fail.
    print(done.stdout)
    assert long - short < share * (whole - short)


@torch.no_grad()
def test_a_step_costs_the_same_behind_any_context():
    model, ids = tiny(), torch.randint(8, 12, (1, LONGEST))
    contexts = (1024, 65536)
    caches = [HyenaGLTCache() for _ in contexts]
    for context, cache in zip(contexts, caches, strict=True):
        for part in ids[:, :context].split(8192, dim=1):
            model(part, past_key_values=cache)
    taken = [[], []]
    for token in ids[:, :200].split(1, dim=1):
        for times, cache in zip(taken, caches, strict=True):
            times.append(seconds(lambda cache=cache, token=token: model(token, past_key_values=cache)))
    near, far = map(statistics.median, taken)
    assert far / near < 1.5
