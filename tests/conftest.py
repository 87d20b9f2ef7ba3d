"""What all tests share: checked tensor shapes, fixed seeds and the place of the shared data."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import install_import_hook

# Before anything imports the package.  Only the floors whose signatures are tensors: wrapping the
# Hugging Face classes breaks `from_pretrained`.
install_import_hook(["hyena_glt.ops", "hyena_glt.layers", "hyena_glt.tasks"], "beartype.beartype")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _seed() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - what third parties draw from
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real genomes, annotations and benchmark tables, kept beside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared data is not there: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[str, list[str]]]:
    """Give a function that opens an address and returns the page's DOM and its console.

    The browser reaches nothing but this machine.  Options of its own may follow the address.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"no browser on this machine: {', '.join(names)}")

    def opened(address: str, *options: str) -> tuple[str, list[str]]:
        profile = tmp_path_factory.mktemp("profile")
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--enable-logging=stderr", "--dump-dom", f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", *options, address,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE:" in line]

    return opened
