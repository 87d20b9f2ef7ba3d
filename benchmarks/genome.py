"""A genome on disk: time to open it, random windows per second, memory.

Writes a simulated genome of several contigs into a folder (1 Gb and a bgzipped 100 Mb; both are
removed at the end), opens each in a fresh process without an index, and again in another one with
it, and reads random windows.

    python benchmarks/genome.py --folder /tmp --output benchmarks/results/genome.json

The file lies in the page cache, as it was just written.  Memory is the most that the process held,
interpreter and NumPy included.  The last line is one JSON object.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hyena_glt.io.indexed_fasta import IndexedFasta

_LINE = 60
_LINES_AT_ONCE = 200_000


def write_genome(path: Path, bases: int, contigs: int) -> None:
    """Write random bases, 60 letters per line.

    Args:
        path: Where to.
        bases: Of all contigs together.
        contigs: How many, all equally long.
    """
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    generator = np.random.default_rng(0)
    with path.open("wb") as handle:
        for number in range(contigs):
            handle.write(f">chr{number + 1}\n".encode())
            lines = bases // contigs // _LINE
            for start in range(0, lines, _LINES_AT_ONCE):
                count = min(_LINES_AT_ONCE, lines - start)
                block = np.full((count, _LINE + 1), ord("\n"), dtype=np.uint8)
                block[:, :_LINE] = letters[generator.integers(0, 4, (count, _LINE), dtype=np.uint8)]
                handle.write(block.tobytes())


def measure(path: Path, windows: int, window: int) -> dict[str, float]:
    """Open a genome and read random windows; meant for a process that does nothing else.

    Args:
        path: The FASTA file.
        windows: How many.
        window: Bases each.
    """
    start = time.perf_counter()
    genome = IndexedFasta(path)
    opened = time.perf_counter()
    draw = random.Random(0)
    contigs = list(genome.contigs.items())
    places = []
    for _ in range(windows):
        contig, length = draw.choice(contigs)
        places.append((contig, draw.randrange(length - window)))
    begin = time.perf_counter()
    for contig, at in places:
        genome.fetch(contig, at, at + window)
    taken = time.perf_counter() - begin
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return {
        "opening_seconds": round(opened - start, 4),
        "windows_per_second": round(windows / taken),
        "peak_megabytes": round(int(found[1]) * 1024 / 1e6, 1),
    }


def in_a_fresh_process(path: Path, options: argparse.Namespace) -> dict[str, float]:
    """Let :func:`measure` run in a new interpreter.

    Args:
        path: The FASTA file.
        options: The script's options.
    """
    words = ["--measure", path, "--windows", options.windows, "--window", options.window]
    command = [sys.executable, __file__, *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where the genomes are written meanwhile")
    parser.add_argument("--bases", type=int, default=1_000_000_000)
    parser.add_argument("--packed-bases", type=int, default=100_000_000, help="of the bgzipped one")
    parser.add_argument("--contigs", type=int, default=8)
    parser.add_argument("--windows", type=int, default=50_000)
    parser.add_argument("--window", type=int, default=1000, help="bases per window")
    parser.add_argument("--threads", type=int, default=1, help="written down only: all is serial")
    parser.add_argument("--output", type=Path, help="write the JSON to this file as well")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measure(options.measure, options.windows, options.window)))
        return

    import pysam

    from protocol import finish  # imports torch, whose memory is not to be counted

    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "genome.fa"
        packed = Path(folder) / "genome.fa.gz"
        for bases, file in ((options.bases, path), (options.packed_bases, packed)):
            write_genome(path, bases, options.contigs)
            if file is packed:
                pysam.tabix_compress(str(path), str(packed))
            first = in_a_fresh_process(file, options)
            second = in_a_fresh_process(file, options)
            row = {
                "format": "FASTA" if file is path else "bgzip",
                "bases": bases,
                "bytes": file.stat().st_size,
                "first_opening_seconds": first["opening_seconds"],
                "first_peak_megabytes": first["peak_megabytes"],
                "second_opening_seconds": second["opening_seconds"],
                "windows_per_second": second["windows_per_second"],
                "peak_megabytes": second["peak_megabytes"],
            }
            rows.append(row)
            print(row)
    finish("genome", options, window=options.window, windows=options.windows, rows=rows)


if __name__ == "__main__":
    main()
