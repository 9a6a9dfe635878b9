PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test lint docs

install: .venv/.installed

# The stamp makes a second call free; a changed dependency list installs again.
.venv/.installed: setup.cfg constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/linkgan demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Two workers with one thread each: the tests' tensors are too small to share a core's work.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# Fails on a broken link and on a docstring that cannot be read. The site in site/ loads nothing from elsewhere.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
