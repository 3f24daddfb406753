# Every target sets up what it needs, in a virtual environment in VENV with the tested versions: the
# quickstart the package with two extras, all others what tests and documentation need as well.
PYTHON ?= python3
VENV ?= .venv
# processes that run tests at the same time
JOBS ?= 2

PIP := $(VENV)/bin/python -m pip
PYTEST := $(VENV)/bin/python -m pytest -n $(JOBS)
TORCH_READY := $(VENV)/.torch
QUICKSTART_READY := $(VENV)/.quickstart
READY := $(VENV)/.ready
LITERT_READY := $(VENV)/.litert
# packages for OptunaHub, with the checks of its registry; ruff finds these by itself
HUB := examples/optunahub
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: quickstart test litert lint types coverage docs clean

quickstart: $(QUICKSTART_READY)
	$(VENV)/bin/python examples/quickstart.py

test: $(READY)
	$(PYTEST)

# The tests that need LiteRT's packages, of 1.2 GB.
litert: $(LITERT_READY)
	$(PYTEST) -m litert $$(grep -rl --include='test_*.py' 'mark\.litert' tests)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mdformat --check $(HUB)/package

# What users of type checkers see: at least 99 % of the public symbols have a known type. Types of
# other packages are left out (--ignoreexternal), since NumPy's arrays, torch's modules, Optuna's
# studies and Plotly's figures all count as unknown.
types: $(READY)
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --config-file $(HUB)/pyproject.toml --follow-imports=skip $(HUB)/package
	PATH="$(abspath $(VENV))/bin:$$PATH" PYTHONPATH="$(CURDIR)" \
		basedpyright --ignoreexternal --verifytypes optuna_ofa >$(VENV)/types.txt || true
	@awk '/^Type completeness score/ { score = $$4 + 0 } / error: / { print last; print } { last = $$0 } \
		END { print "Type completeness:", score, "%"; exit score < 99 }' $(VENV)/types.txt

coverage: $(READY)
	$(PYTEST) --cov --cov-report=term-missing:skip-covered

# Warnings are errors: a link that leads nowhere, a docstring that is no reStructuredText.
docs: $(READY)
	$(VENV)/bin/python -m sphinx -q -W --keep-going -b html docs docs/_build
	@echo 'The site is docs/_build/index.html'

clean:
	rm -rf .venv build docs/_build dist *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch goes first, so that a build of that version which is already there is kept; pip is upgraded
# before, since dependency groups need pip 25.1 and a new environment may have an older one.
$(TORCH_READY): constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Python 3.11 or newer is needed; name one with: make PYTHON=python3.12' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip
	$(PIP) install --quiet $(TORCH)
	@touch $@

$(QUICKSTART_READY): $(TORCH_READY) pyproject.toml
	$(PIP) install --quiet -c constraints.txt -e ".[image,dashboard]"
	@touch $@

$(READY): $(TORCH_READY) pyproject.toml
	$(PIP) install --quiet -c constraints.txt -e . --group dev
	@touch $@

$(LITERT_READY): $(READY)
	$(PIP) install --quiet -c constraints.txt --group litert
	@touch $@
