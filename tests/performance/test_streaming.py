"""Long sequences block by block, and generation: what must not grow with the length."""

import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

import hyena_glt
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLT
from hyena_glt.model.cache import HyenaGLTCache

LONGEST = 2**18

# Peaks of memory only rise: the longer stream comes second, the pass that holds everything last.
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
        max_position_embeddings=240_000, causal=causal,
    )
).eval()
ids = torch.randint(8, 12, (1, 240_000))
peaks = []
for length in (60_000, 240_000):
    for _ in model.stream(ids[:, :length]):
        pass
    peaks.append(peak())
with torch.no_grad():
    model(ids)
print(json.dumps([*peaks, peak()]))
"""


def tiny(**settings):
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=32, num_layers=2, num_attention_heads=4,
        max_position_embeddings=LONGEST, **settings,
    )  # fmt: skip
    torch.manual_seed(0)
    return HyenaGLT(config).eval()


def read_through(model, ids):
    for _ in model.stream(ids):
        pass


def seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "two-sided"])
def test_time_of_a_stream_grows_with_the_length(causal):
    model, ids = tiny(causal=causal), torch.randint(8, 12, (1, LONGEST))
    costs = {}
    for length in (LONGEST // 4, LONGEST):
        read = partial(read_through, model, ids[:, :length])
        costs[length] = min(seconds(read), seconds(read))
    assert costs[LONGEST] / costs[LONGEST // 4] < 4**1.3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize(("causal", "share"), [(True, 0.15), (False, 0.5)])
def test_memory_of_a_stream(causal, share):
    """Causal: that of a block.  Two-sided: that of the patches, below that of the tokens."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, json.dumps(causal)],
        env={**os.environ, "PYTHONPATH": str(Path(hyena_glt.__file__).parents[1])},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    short, long, whole = json.loads(done.stdout)
    # Measured against one forward pass over the longer sequence.
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
            times.append(seconds(partial(model, token, past_key_values=cache)))
    near, far = map(statistics.median, taken)
    assert far / near < 1.5
    # The measure can fail: without a cache the whole context is read for every token.
    near, far = (seconds(partial(model, ids[:, :context])) for context in contexts)
    assert far / near > 1.5
