"""How the benchmarks measure, and what they write down beside the figures.

Rivals take turns on the same input in one process, so that a busy machine slows all of them; the
median of the turns counts.  The result is one JSON object, printed last and written to a file if
one is named, with the command, the commit, the hardware and the versions it was measured with.
"""

import argparse
import json
import os
import platform
import re
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import hyena_glt
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLT


def numbers(text: str) -> list[int]:
    """Read whole numbers.

    Args:
        text: By comma.
    """
    return [int(part) for part in text.split(",")]


def parser_of(doc: str | None, lengths: str) -> argparse.ArgumentParser:
    """The options that all benchmarks have.

    Args:
        doc: Docstring of the script.
        lengths: Default of ``--lengths``.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--lengths", type=numbers, default=numbers(lengths), help=f"by comma; {lengths}"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="turns that count")
    parser.add_argument(
        "--target-compression", type=float,
        help="nucleotides per patch to calibrate the model to; without it the default threshold",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, help="write the JSON to this file as well")
    return parser


def random_dna(length: int) -> Tensor:
    """Token ids of a random sequence in single nucleotides, (1, length), always the same ones.

    Args:
        length: Nucleotides.
    """
    return torch.randint(8, 12, (1, length), generator=torch.Generator().manual_seed(0))


def default_model(
    longest: int, target_compression: float | None, *, causal: bool = True, **settings: Any
) -> HyenaGLT:
    """The default model with random weights, in inference mode.

    Args:
        longest: Longest sequence, in nucleotides.
        target_compression: Nucleotides per patch to calibrate it to; None: the default threshold.
        causal: False: two-sided.
        settings: Other fields that differ from the default.
    """
    torch.manual_seed(0)
    config = HyenaGLTConfig(
        max_position_embeddings=longest, target_compression=target_compression, causal=causal,
        **settings,
    )  # fmt: skip
    model = HyenaGLT(config).eval()
    ids = random_dna(min(longest, 2048))
    model.calibrate_compression([{"input_ids": ids, "attention_mask": torch.ones_like(ids)}])
    return model


@torch.no_grad()
def compression_of(model: HyenaGLT, ids: Tensor) -> float:
    """Nucleotides per patch.

    Args:
        model: Any model.
        ids: (1, l) token ids.
    """
    return round(float(model(ids, logits_to_keep=1).compression_ratio), 2)


def alternate(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median wall-clock milliseconds of runs that take turns; a first turn warms up.

    Args:
        runs: What to run, by name.
        repeats: Turns that count.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(taken) for name, taken in times.items()}


def peak_megabytes() -> float:
    """Most memory that this process has held so far, in 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: there a process starts with the peak of the one that started it.
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def finish(benchmark: str, options: argparse.Namespace, **result: Any) -> None:
    """Print the result as the last line, and write it to ``--output``.

    Args:
        benchmark: Name of the benchmark.
        options: The script's options.
        result: The figures.
    """
    record = {
        "benchmark": benchmark,
        "command": shlex.join(["python", *sys.argv]),
        "date": date.today().isoformat(),
        "commit": _commit(),
        "hardware": f"{_processor()}, {os.cpu_count()} cores",
        "threads": options.threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hyena_glt": hyena_glt.__version__,
        **result,
    }
    if options.output is not None:
        options.output.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record))


def _commit() -> str | None:
    """Commit of the working tree, marked if files differ from it; None outside of one."""
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        told = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()


def _processor() -> str:
    """Name of the processor, with the vector instructions that it has."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    text = cpuinfo.read_text()
    name = re.search(r"model name\s*: (.+)", text)
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    vectors = [flag for flag in known if f" {flag} " in text]
    return f"{name[1] if name else platform.machine()} ({', '.join(vectors)})"
