"""Time of one generated token behind contexts of different lengths, and size of the cache.

The contexts are read once, block by block, which is not counted; then all of them go on in turns,
token by token, each through the model's cache.  Beside it stands one forward pass over the whole
context, which is what a token would cost without a cache.

    python benchmarks/generation.py --output benchmarks/results/generation.json

A step is what ``generate()`` does per token, without the choice of the token.  Most tokens join the
open patch; one that opens a new patch sends the last one through the deep layers and costs more, so
the mean stands beside the median.  The last line is one JSON object.
"""

import statistics
import time
from functools import partial

import torch

from hyena_glt.model.cache import HyenaGLTCache
from protocol import alternate, compression_of, default_model, finish, parser_of, random_dna

_BLOCK = 8192


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, "1024,4096,16384,65536")
    parser.add_argument("--steps", type=int, default=200, help="tokens generated per context")
    parser.add_argument(
        "--longest-forward", type=int, default=16384, help="longest context run without a cache"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    longest = max(options.lengths) + options.steps
    model = default_model(longest, options.target_compression)
    ids = random_dna(longest)
    # The same tokens follow every context.
    following = ids[:, -options.steps :].split(1, dim=1)
    caches = {length: HyenaGLTCache() for length in options.lengths}
    taken: dict[int, list[float]] = {length: [] for length in options.lengths}
    with torch.no_grad():
        for length, cache in caches.items():
            for part in ids[:, :length].split(_BLOCK, dim=1):
                model(part, past_key_values=cache, logits_to_keep=1)
        for token in following:
            for length, cache in caches.items():
                start = time.perf_counter()
                model(token, past_key_values=cache, logits_to_keep=1)
                taken[length].append(1e3 * (time.perf_counter() - start))

        rows = []
        for length, cache in caches.items():
            whole = None
            if length <= options.longest_forward:
                forward = partial(model, ids[:, :length], logits_to_keep=1)
                whole = round(alternate({"forward": forward}, options.repeats)["forward"], 1)
            row = {
                "context": length,
                "milliseconds_per_token": round(statistics.median(taken[length]), 3),
                "milliseconds_per_token_mean": round(statistics.mean(taken[length]), 3),
                "milliseconds_without_cache": whole,
                "cache_bytes": cache.nbytes(),
            }
            rows.append(row)
            print(row)
    times = {row["context"]: row["milliseconds_per_token"] for row in rows}
    ratio = times[max(times)] / times[min(times)]
    print(f"{max(times)} / {min(times)} nt of context: {ratio:.2f} times as long")
    finish(
        "generation",
        options,
        nucleotides_per_patch=compression_of(model, ids[:, :2048]),
        rows=rows,
        ratio=round(ratio, 3),
    )


if __name__ == "__main__":
    main()
