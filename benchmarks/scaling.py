"""Time and memory of the default model on long sequences, read block by block.

Every length runs in a process of its own, so that its peak of memory is its own.  Time is that of
``model.stream``, which gives hidden states for every nucleotide; loading is not counted.

    python benchmarks/scaling.py --output benchmarks/results/scaling.json
    python benchmarks/scaling.py --lengths 65536 --blocks 2048,4096,8192,16384,32768
    python benchmarks/scaling.py --lengths 1000000 --write hidden.npy

``--write`` puts the hidden states on disk as they come, fp16, one row per nucleotide; read them
with ``numpy.load(file, mmap_mode="r")``.  The last line is one JSON object.
"""

import multiprocessing
import statistics
import time
from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyena_glt.model import HyenaGLT
from protocol import (
    compression_of,
    default_model,
    finish,
    numbers,
    parser_of,
    peak_megabytes,
    random_dna,
)

# Sequences longer than this are measured once: they take long enough for noise to even out.
_LONGEST_REPEATED = 100_000


def write(model: HyenaGLT, ids: Tensor, block: int, path: Path) -> None:
    """Stream hidden states into an array on disk.

    Args:
        model: Any model.
        ids: (1, l) token ids.
        block: Tokens per block.
        path: The file, ``.npy``.
    """
    shape = (ids.shape[1], model.config.hidden_size)
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    for start, hidden in model.stream(ids, block):
        # Opened anew for every block: pages that stay mapped would count as memory.
        rows = np.lib.format.open_memmap(path, mode="r+")
        rows[start : start + hidden.shape[1]] = hidden[0].half().numpy()


def measure(length: int, block: int, options: Namespace) -> dict[str, Any]:
    """Run one length; to be called in a process of its own.

    Args:
        length: Nucleotides.
        block: Tokens per block.
        options: The script's options.
    """
    torch.set_num_threads(options.threads)
    model = default_model(length, options.target_compression, causal=not options.two_sided)
    ids = random_dna(length)
    precision = torch.autocast("cpu", torch.bfloat16) if options.bf16 else nullcontext()
    taken = []
    with precision:
        compression = compression_of(model, ids[:, :2048])
        for _ in model.stream(ids[:, :2048]):
            pass
        loaded = peak_megabytes()
        for _ in range(options.repeats if length <= _LONGEST_REPEATED else 1):
            start = time.perf_counter()
            if options.write is None:
                for _ in model.stream(ids, block):
                    pass
            else:
                write(model, ids, block, options.write)
            taken.append(time.perf_counter() - start)
    seconds = statistics.median(taken)
    return {
        "nucleotides": length,
        "block": block,
        "seconds": round(seconds, 3),
        "nucleotides_per_second": round(length / seconds),
        "megabytes_loaded": round(loaded),
        "megabytes_peak": round(peak_megabytes()),
        "megabytes_written": options.write and round(options.write.stat().st_size / 1e6),
        "nucleotides_per_patch": compression,
    }


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, "1000,4000,16000,64000,250000,1000000")
    parser.add_argument("--blocks", type=numbers, default=[8192], help="tokens per block, by comma")
    parser.add_argument("--two-sided", action="store_true", help="a model that looks both ways")
    parser.add_argument("--bf16", action="store_true", help="matrix products in bf16")
    parser.add_argument("--write", type=Path, help="stream the hidden states into this .npy file")
    parser.set_defaults(repeats=3)
    options = parser.parse_args()

    rows = []
    fresh = multiprocessing.get_context("spawn")
    for block in options.blocks:
        for length in options.lengths:
            with ProcessPoolExecutor(1, mp_context=fresh) as process:
                row = process.submit(measure, length, block, options).result()
            rows.append(row)
            print(row)
    growth = {
        f"{longer['nucleotides']}/{shorter['nucleotides']}": round(
            longer["seconds"] / shorter["seconds"], 2
        )
        for shorter, longer in pairwise(rows)
        if longer["block"] == shorter["block"]
    }
    finish(
        "scaling",
        options,
        causal=not options.two_sided,
        precision="bf16" if options.bf16 else "fp32",
        rows=rows,
        growth=growth,
    )


if __name__ == "__main__":
    main()
