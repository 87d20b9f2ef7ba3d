"""The public names: complete, agreeing, and free of heavy imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hyena_glt

SOURCE = Path(hyena_glt.__file__)
HEAVY = ("torch", "transformers", "sklearn", "scipy", "matplotlib")


def heavy_modules_after(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and say which heavy packages it loaded."""
    program = f"import sys\n{statement}\nprint(*(m for m in {HEAVY} if m in sys.modules))"
    environment = {"PYTHONPATH": str(SOURCE.parents[1])}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert heavy_modules_after("import hyena_glt") == set()


def test_importing_the_biology_loads_nothing_heavy():
    statement = "import hyena_glt.biology.codons, hyena_glt.biology.motifs"
    assert heavy_modules_after(statement) == set()


def test_the_import_check_can_fail():
    assert "torch" in heavy_modules_after("import torch")


def type_checking_imports() -> dict[str, str]:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: statement.module
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }


def test_type_checkers_and_users_see_the_same_names():
    assert type_checking_imports() == hyena_glt._HOME
    assert sorted(hyena_glt._HOME) == sorted(hyena_glt.__all__)
    assert set(hyena_glt._HOME) <= set(dir(hyena_glt))


@pytest.mark.parametrize("name", sorted(hyena_glt._HOME))
def test_every_public_name_imports_and_is_documented(name):
    assert getattr(hyena_glt, name).__doc__


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="HyenaGTL"):
        _ = hyena_glt.HyenaGTL
