"""What all tests share: checked tensor shapes, fixed seeds and the place of the shared data."""

import random
import sys
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
