# `make demo` and `make test` set up everything they need in .venv and run; nothing else has to be installed.
# PYTHON=python3.12 chooses another Python; PIP_ARGS='...' goes to pip install; JOBS=8 to pytest.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
JOBS ?= 2
PIP_ARGS ?=
BIN := .venv/bin
CODE := $(wildcard src tests benchmarks examples)

.PHONY: help demo test lint clean
help:
	@echo "make demo   set up .venv and generate radio images with the weights in the box (into demo/)"
	@echo "make test   set up .venv and run ruff, mypy, import-linter and pytest"
	@echo "make lint   the same without pytest"
	@echo "make clean  remove .venv, demo/ and caches"

demo: .venv/installed
	$(BIN)/radiff demo -o demo

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

lint: .venv/installed-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv demo build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "radiff needs Python 3.11, 3.12 or 3.13 with the venv module" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# The stamps are older than pyproject.toml when a dependency may have changed.
.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e .
	touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e '.[dev]'
	touch $@ .venv/installed
