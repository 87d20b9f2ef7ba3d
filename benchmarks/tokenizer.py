"""Throughput of the tokenizers, in millions of bases per second on one core.

Run ``python benchmarks/tokenizer.py``.  The last line printed is JSON.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable

import numpy as np
import transformers

import hyena_glt
from hyena_glt.tokenizers import DNATokenizer


def best_seconds(work: Callable[[], object], repeats: int) -> float:
    """Time the fastest of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bases", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--n-fraction", type=float, default=0.0, help="fraction of the bases that is N"
    )
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[rng.integers(0, 4, arguments.bases)]
    letters[rng.random(arguments.bases) < arguments.n_fraction] = ord("N")
    sequence = letters.tobytes().decode()

    rows = []
    for k, stride in ((1, 1), (3, 3), (3, 1), (6, 6), (6, 1)):
        tokenizer = DNATokenizer(vocab_size=5000, kmer_size=k, stride=stride)
        ids = tokenizer(sequence, return_tensors="np")["input_ids"][0]
        work: dict[str, Callable[[], object]] = {
            "tensor": lambda tokenizer=tokenizer: tokenizer(sequence, return_tensors="pt"),  # type: ignore[misc]
            "list": lambda tokenizer=tokenizer: tokenizer(sequence),  # type: ignore[misc]
            "decode": lambda tokenizer=tokenizer, ids=ids: tokenizer.decode(ids),  # type: ignore[misc]
        }
        speeds = {
            name: round(arguments.bases / best_seconds(run, arguments.repeats) / 1e6, 1)
            for name, run in work.items()
        }
        rows.append({"k": k, "stride": stride, **speeds})
        print(f"k={k} stride={stride}  " + "  ".join(f"{n} {v:7.1f}" for n, v in speeds.items()))

    result = {
        "benchmark": "tokenizer",
        "unit": "Mbase/s",
        "bases": arguments.bases,
        "n_fraction": arguments.n_fraction,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "transformers": transformers.__version__,
        "hyena_glt": hyena_glt.__version__,
        "results": rows,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
