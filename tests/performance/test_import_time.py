"""Importing the package costs next to nothing beside importing PyTorch."""

import subprocess
import sys
import time
from pathlib import Path

import hyena_glt


def seconds(statement: str) -> float:
    """Best of three fresh interpreters."""
    environment = {"PYTHONPATH": str(Path(hyena_glt.__file__).parents[1])}
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], env=environment, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_import_is_cheap():
    bare = seconds("pass")
    assert seconds("import hyena_glt") - bare < 0.1 * (seconds("import torch") - bare)
