"""Sphinx settings; ``cd docs && make html`` builds, and any warning is an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from hyena_glt import __version__

project = "Hyena-GLT"
author = "Hyena-GLT contributors"
copyright = author
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"

autodoc_member_order = "bysource"
# The docstring says what a constant is; its value may be pages long.
autodoc_default_options = {"no-value": True}
autodoc_typehints_format = "short"
autosummary_generate = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Source", "Limits"]
# NamedTuple and dataclass fields would otherwise be described twice.
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"Hyena-GLT {release}"
