"""Packages that load their names on first use: all names are there, and torch is not."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import hyena_glt

PACKAGES = [
    f"hyena_glt.{name}"
    for name in ("data", "evaluation", "inference", "interpretability", "io", "training")
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_that_of_its_home(name):
    package = import_module(name)
    assert sorted(package.__all__) == sorted(package._HOME)
    for public in package.__all__:
        assert getattr(package, public) is getattr(import_module(package._HOME[public]), public)


@pytest.mark.parametrize("name", PACKAGES)
def test_other_names_are_missing(name):
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Nothing'"):
        import_module(name).Nothing  # noqa: B018 - the look-up is the test


def test_importing_the_packages_costs_no_torch():
    heavy = ("torch", "transformers", "sklearn", "matplotlib")
    code = (
        f"import sys, {', '.join(PACKAGES)}\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    environment = {"PYTHONPATH": str(Path(hyena_glt.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
