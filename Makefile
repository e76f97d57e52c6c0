# One door: what CI runs is what a person runs. Needs make and Python 3.11 or newer, nothing else.
# Every target brings its own tools: a virtual environment in .venv, filled from requirements/.

PYTHON ?= python3
JOBS ?= 2

# What does not depend on whether values are frozen: servers and rules of somebody else's, processes of their own,
# what is read from the source, and what the strategies reach.
SAME := --ignore=tests/adapters/stripe --ignore=tests/adapters/test_einvoice.py --ignore=tests/benchmarks \
	--ignore=tests/test_floors.py --ignore=tests/test_packaging.py --ignore=tests/test_tidy.py \
	--ignore=tests/testing/test_strategies.py

# Every process of a test would compile the library and its tests anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

.PHONY: help demo test cover check style types floors bench docs deep format pins clean
.NOTPARALLEL:

help:
	@echo "make demo    replay a slice of a real shop's invoices on SQLite, then audit the books"
	@echo "make test    every test, in both modes of values"
	@echo "make cover   every test once, with branch coverage; takes twice as long as without"
	@echo "make check   style, types, floors"
	@echo "make bench   figures, as ratios to a bare-integer floor; JSON in build/bench.json"
	@echo "make docs    the documentation, in build/site"
	@echo "make deep    the properties with thousands of examples each; takes long"
	@echo "make format  let ruff lay out the code and mend what it can"
	@echo "make pins    compile requirements/ anew (needs uv)"
	@echo "make clean   remove build/ and caches; the virtual environment stays"

# --- The environment: each stamp is newer than what it was made from -------------------------

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("ordercore needs Python 3.11 or newer; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.test: requirements/test.txt | $(VENV)/.made
	$(PIP) install -r requirements/test.txt
	@touch $@

$(VENV)/.lint: requirements/lint.txt | $(VENV)/.made
	$(PIP) install -r requirements/lint.txt
	@touch $@

$(VENV)/.docs: requirements/docs.txt | $(VENV)/.made
	$(PIP) install -r requirements/docs.txt
	@touch $@

# The build backend is pinned with the rest, hence no build isolation.
$(VENV)/.package: pyproject.toml $(VENV)/.test
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# --- What a person asks for ------------------------------------------------------------------

demo: $(VENV)/.package
	@mkdir -p build
	@rm -f build/demo.db build/demo.db-wal build/demo.db-shm build/demo.html build/demo.json
	$(BIN)/ordercore replay examples/data/online_retail.csv.gz --store sqlite:///build/demo.db --report build/demo.html --json build/demo.json
	$(BIN)/python examples/audit.py examples/data/online_retail.csv.gz build/demo.json build/demo.db

# Values are frozen at run time in the first run and plain in the second: both must hold.
# By file, because the examples of a page build on those above them. The first run tries the properties in full;
# the second tries fewer examples of each, and leaves out what is the same in both.
RUN := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test: $(VENV)/.package
	ORDERCORE_CHECKED=1 HYPOTHESIS_PROFILE=ci $(RUN)
	ORDERCORE_CHECKED=0 HYPOTHESIS_PROFILE=again $(RUN) -x $(SAME)

# Apart from `test`, because tracing doubles the time.
cover: $(VENV)/.package
	ORDERCORE_CHECKED=1 HYPOTHESIS_PROFILE=ci $(RUN) --cov --cov-report=term

# `make -k check` goes on after the first complaint.
check: style types floors

style: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.lint $(VENV)/.package
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright --pythonpath $(BIN)/python

floors: $(VENV)/.lint $(VENV)/.package
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.package
	@mkdir -p build
	$(BIN)/python -m benchmarks --json build/bench.json

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

deep: $(VENV)/.package
	HYPOTHESIS_PROFILE=deep $(RUN) tests

# --- For those who change it -----------------------------------------------------------------

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header --no-emit-index-url

pins:
	$(COMPILE) pyproject.toml --all-extras --group test --output-file requirements/test.txt
	$(COMPILE) pyproject.toml --all-extras --group lint --constraints requirements/test.txt --output-file requirements/lint.txt
	$(COMPILE) --group docs --constraints requirements/lint.txt --output-file requirements/docs.txt
	echo 'localstripe==1.15.10' | $(COMPILE) - --output-file requirements/localstripe.txt

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
