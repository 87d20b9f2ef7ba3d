"""Streaming of packed FASTQ: our checked records beside the library underneath alone.

Simulated reads, about 100 MB unpacked for each length, are packed with gzip and read from the disk
cache.  ``dnaio`` only splits the file into reads; ``hyena_glt`` also checks every letter and
quality, tells the encoding, takes its offset off and makes records.  Both unpack in the thread that
reads; ``dnaio_threaded`` is what ``dnaio.open`` does unless told otherwise, with a second thread
that unpacks.  Lengths are letters per read.

    python benchmarks/formats.py --output benchmarks/results/formats.json

``share`` is our speed over that of ``dnaio``, in wall-clock time; ``cpu_share`` the same in time of
the processor, which other programs do not disturb.  The last line is one JSON object.
"""

import gzip
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dnaio
import numpy as np

from hyena_glt.io.fastq import iter_fastq
from protocol import alternate, finish, parser_of

_UNPACKED = 100_000_000  # bytes


def simulate(path: Path, length: int) -> int:
    """Write random reads with falling qualities, as Illumina names them.

    Args:
        path: Where to, gzipped.
        length: Letters per read.

    Returns:
        How many reads were written.
    """
    rng = np.random.default_rng(0)
    header = "@SIM:1:FCX:{}:{}:{} 1:N:0:ACGTACGT"
    count = _UNPACKED // (2 * length + 42)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    with gzip.open(path, "wb", compresslevel=6) as handle:
        for number in range(count):
            read = letters[rng.integers(0, 4, length)].tobytes()
            scores = 40 - np.abs(rng.normal(0, 6, length)).astype(np.int64)
            signs = (np.clip(scores, 2, 40) + 33).astype(np.uint8).tobytes()
            name = header.format(number % 8 + 1, number // 100, number).encode()
            handle.write(b"%s\n%s\n+\n%s\n" % (name, read, signs))
    return count


def main() -> None:
    """Measure and print."""
    options = parser_of(__doc__, "150,250,1000").parse_args()
    rows = []
    for length in options.lengths:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "reads.fq.gz"
            count = simulate(path, length)
            runs: dict[str, Callable[[], int]] = {
                "dnaio": lambda path=path: _exhaust_dnaio(path, 0),  # type: ignore[misc]
                "dnaio_threaded": lambda path=path: _exhaust_dnaio(path, 1),  # type: ignore[misc]
                "hyena_glt": lambda path=path: sum(1 for _ in iter_fastq(path)),  # type: ignore[misc]
            }
            for name, run in runs.items():
                if run() != count:
                    raise AssertionError(f"{name} did not read {count} reads")
            wall = alternate(runs, options.repeats)
            cpu = {name: min(_cpu_seconds(run) for _ in range(3)) for name, run in runs.items()}
        row = {
            "length": length,
            "reads": count,
            "milliseconds": {name: round(taken) for name, taken in wall.items()},
            "cpu_milliseconds": {name: round(1e3 * taken) for name, taken in cpu.items()},
            "reads_per_second": round(1e3 * count / wall["hyena_glt"]),
            "share": round(wall["dnaio"] / wall["hyena_glt"], 2),
            "cpu_share": round(cpu["dnaio"] / cpu["hyena_glt"], 2),
        }
        rows.append(row)
        print(row)
    finish("formats", options, dnaio=dnaio.__version__, results=rows)


def _exhaust_dnaio(path: Path, threads: int) -> int:
    with dnaio.open(path, open_threads=threads) as reader:
        return sum(1 for _ in reader)


def _cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


if __name__ == "__main__":
    main()
