# Everything here needs only make and a Python with pip and venv; the rest goes into .venv.
#
#   PYTHON=python3.12      the interpreter that .venv is made from (3.11 or newer)
#   TORCH_INDEX=<address>  also look for PyTorch there: its CPU index saves gigabytes of CUDA
#   USE_UV=1               install with uv instead of pip
#   WORKERS=4              test processes

PYTHON      ?= python3
WORKERS     ?= 2
TORCH_INDEX ?=
USE_UV      ?=

VENV := .venv
BIN  := $(VENV)/bin

ifeq ($(USE_UV),)
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
else
INSTALL := uv pip install --python $(BIN)/python
endif
ifneq ($(TORCH_INDEX),)
INSTALL += --extra-index-url $(TORCH_INDEX)
endif

# One thread a process: the test processes share the cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help venv demo test check perf docs clean

help: ## This list
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

venv: $(VENV)/.dev-installed ## Install everything a developer needs into .venv

demo: $(VENV)/.installed ## Install what a user needs and run the demonstration
	$(BIN)/hyena-glt demo

test: check ## Install, then every check and every test
	$(PYTEST) src/hyena_glt tests --ignore=tests/performance --doctest-modules -n $(WORKERS) --dist worksteal
	$(PYTEST) tests/performance

check: $(VENV)/.dev-installed ## Lint, format, types, import floors, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

perf: $(VENV)/.dev-installed ## Only the tests of speed and memory
	$(PYTEST) tests/performance

docs: $(VENV)/.dev-installed ## Build the documentation into docs/_build/html
	$(MAKE) -C docs html SPHINXBUILD=$(abspath $(BIN))/sphinx-build

clean: ## Remove caches and builds; .venv stays
	rm -rf build dist htmlcov .coverage .coverage.* .hypothesis docs/_build docs/_api
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

# pip, and not python, marks a whole environment: a venv that failed half-way has only the latter.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hyena-GLT needs Python 3.11 or newer and this is " + sys.version.split()[0] + "; say which to use: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev-installed: pyproject.toml | $(BIN)/pip
	$(INSTALL) -e ".[dev,docs]"
	@touch $@ $(VENV)/.installed
