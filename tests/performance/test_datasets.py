"""Large files as data sets: what is in memory is where the letters are, not the letters."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hyena_glt

# In a process of its own, for a peak of memory never falls.
PEAK = """
import json, re, sys, warnings
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.tokenizers import DNATokenizer

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

tokenizer = DNATokenizer(kmer_size=1)
tokenizer("ACGT", return_tensors="np")
warnings.simplefilter("ignore")  # of what is cut off
before = peak()
dataset = GenomicDataset(sys.argv[1], tokenizer, 1000, task="language_modeling")
for number in range(0, len(dataset), max(1, len(dataset) // 500)):
    dataset[number]
print(json.dumps([len(dataset), int(dataset.lengths.sum()), peak() - before]))
"""


def letters(count):
    return np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(0).integers(0, 4, count)]


def opened(path):
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(hyena_glt.__file__).parents[1])},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout)


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak is read from /proc"
)


def test_two_long_contigs_take_no_memory(tmp_path):
    path = tmp_path / "genome.fa"
    with path.open("wb") as handle:
        for contig in (b"chr1", b"chr2"):
            lines = np.full((800_000, 61), ord("\n"), dtype=np.uint8)
            lines[:, :60] = letters(800_000 * 60).reshape(-1, 60)
            handle.write(b">" + contig + b"\n" + lines.tobytes())
    count, tokens, megabytes = opened(path)
    assert (count, tokens) == (2, 2000)
    assert megabytes < 30  # of a file of 98; a block of it and what was imported meanwhile


@pytest.mark.parametrize("kind", ["fa", "csv"])
def test_many_records_take_their_index(tmp_path, kind):
    path = tmp_path / f"reads.{kind}"
    bases = letters(100_000 * 400).tobytes()
    form = b">%d\n%s\n" if kind == "fa" else b"%d,%s\n"
    with path.open("wb") as handle:
        handle.write(b"" if kind == "fa" else b"id,sequence\n")
        for number in range(100_000):
            handle.write(form % (number, bases[number * 400 : (number + 1) * 400]))
    count, tokens, megabytes = opened(path)
    assert (count, tokens) == (100_000, 40_000_000)
    # About 40 bytes a record, and some blocks; held as text it would be 45 at least.
    assert megabytes < 30


def test_packed_letters_take_a_byte_each(tmp_path):
    """And so the measure can fail."""
    path = tmp_path / "reads.fa.gz"
    bases = letters(100_000 * 400).tobytes()
    with gzip.open(path, "wb", compresslevel=1) as handle:
        for number in range(100_000):
            handle.write(b">%d\n%s\n" % (number, bases[number * 400 : (number + 1) * 400]))
    count, tokens, megabytes = opened(path)
    assert (count, tokens) == (100_000, 40_000_000)
    assert 38 < megabytes < 80
