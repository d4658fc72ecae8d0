# Needs make and Python 3.11 or newer, nothing else. PYTHON=... chooses another interpreter,
# VENV=... another place for the environment. pip's own settings hold: an index of CPU builds of
# torch in PIP_EXTRA_INDEX_URL keeps the CUDA libraries off a machine without a GPU.

VENV := .venv
BIN := $(VENV)/bin
SET_UP := $(VENV)/.set-up
FOR_BENCHMARKS := $(VENV)/.set-up-benchmarks
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
PYTHON = $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))

.PHONY: help setup demo test lint bench clean

help:
	@echo "make setup   create $(VENV) with the package and its commands"
	@echo "make demo    enrol, detect and evaluate on the bundled example"
	@echo "make test    set up and run all tests"
	@echo "make lint    check style and formatting"
	@echo "make bench   measure the search against its peers"
	@echo "make clean   remove $(VENV) and caches"

setup: $(SET_UP)

$(SET_UP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; see PYTHON=..." >&2; exit 1; }
	@echo "Setting up $(VENV): downloads packages, takes some minutes"
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[dev]'
	$(BIN)/python tools/mend_torchaudio.py
	@touch $@

$(FOR_BENCHMARKS): $(SET_UP)
	$(INSTALL) --editable '.[benchmarks]'
	@touch $@

demo: $(SET_UP)
	$(BIN)/python examples/demo.py

test: $(SET_UP)
	$(BIN)/python -m pytest
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest tests/kws/test_dtw.py tests/kws/test_search.py \
		tests/kws/test_selection.py tests/kws/test_templates.py

lint: $(SET_UP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

bench: $(FOR_BENCHMARKS)
	$(BIN)/python benchmarks/search_speed.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
