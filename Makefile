# Every target prepares what it needs by itself: a machine with Python 3.11 or newer and make is enough. The first
# call needs a package index; later ones do not. PYTHON= names another interpreter, UV= another uv.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
UV ?= $(shell command -v uv || echo .uv/bin/uv)
OWN_UV = $(filter .uv/bin/uv,$(UV))
WORKERS ?= auto

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV

BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev

.PHONY: help demo test check check-tools format lint types fix generate bench crash-points fuzz mutants floor
.NOTPARALLEL:

help:
	@echo "make demo      watch a failover between two simulated sites, of both vendors"
	@echo "make test      run every test"
	@echo "make check     format, lint, types, import contracts, tests, freshness: what a change must pass"
	@echo "make check-tools  try it with kubectl, Prometheus, systemd, zsh and fish, which it needs"
	@echo "make fix       format, and mend what ruff can mend"
	@echo "make generate  write the generated files anew"
	@echo "make fuzz      play random runs against the oracle: SEED=FIRST RUNS=HOW_MANY"
	@echo "make mutants   put faults into it one at a time, and see who finds each, which takes half an hour"
	@echo "make bench     measure start-up, looks, the simulator and the daemon against their budgets"
	@echo "make crash-points  kill every verb at each of its points, which takes hours; EVERY=10 for each tenth"
	@echo "make floor     run every test with the lowest versions that pyproject.toml admits"

demo: $(RUNTIME)
	@$(BIN)/replctl demo

# File by file, in their order: the light ones come last, so that no worker is left alone with a heavy one.
SPREAD = -n $(WORKERS) --maxprocesses=8 --dist=loadfile --no-loadscope-reorder

test: $(DEV)
	$(BIN)/pytest -q $(SPREAD)

# The tests hold the import contracts (test_architecture.py) and freshness (test_generated.py; `uv sync --locked`
# refuses a stale lock). Cheap checks come first. `make check test` runs the tests once.
check: format lint types test

# Apart from the tests, which want nothing but Python and make: this wants other people's tools, and fails without.
TOOLS := kubectl=kubernetes-client promtool=prometheus prometheus=prometheus systemd-analyze=systemd mandoc=mandoc \
	zsh=zsh fish=fish
BASH_COMPLETION := /usr/share/bash-completion/bash_completion
check-tools: $(DEV)
	@for tool in $(TOOLS); do command -v "$${tool%=*}" >/dev/null || { \
		echo "check-tools needs $${tool%=*} (Debian, Ubuntu: apt-get install $${tool#*=})" >&2; exit 2; }; done
	@test -r $(BASH_COMPLETION) || { \
		echo "check-tools needs $(BASH_COMPLETION) (Debian, Ubuntu: apt-get install bash-completion)" >&2; exit 2; }
	$(BIN)/pytest -q tests/tools/kubectl.py tests/tools/mandoc.py tests/tools/prometheus.py tests/tools/promtool.py \
		tests/tools/shells.py tests/tools/systemd.py

format: $(DEV)
	$(BIN)/ruff format --check

lint: $(DEV)
	$(BIN)/ruff check

types: $(DEV)
	$(BIN)/mypy

fix: $(DEV)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

generate: $(DEV)
	$(BIN)/python -m replctl.settings.schema
	$(BIN)/python -m replctl.cli.reference .
	$(BIN)/python tests/matrix.py .
	PYTHONPATH=tests $(BIN)/python -m cli.scenes

bench: $(DEV)
	@for bench in tests/bench/*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit; done

EVERY ?= 1
crash-points: $(DEV)
	$(BIN)/python tests/crashpoints.py --every $(EVERY)

# Without SEED the first seed is drawn, and printed; a seed alone decides all of its run.
RUNS ?= 100
fuzz: $(DEV)
	@PYTHONPATH=tests $(BIN)/python -m fuzz.runner $(if $(SEED),--seed $(SEED)) --runs $(RUNS)

mutants: $(DEV)
	@PYTHONPATH=tests $(BIN)/python -m fuzz.mutants

floor: | $(OWN_UV)
	$(UV) venv --quiet --clear --python "$(PYTHON)" .venv-floor
	$(UV) pip install --quiet --python .venv-floor --resolution lowest-direct --editable . --group dev
	.venv-floor/bin/pytest -q $(SPREAD)

# -- set-up --------------------------------------------------------------------------------------------------------

MADE_FROM := pyproject.toml uv.lock replctl/__init__.py
SYNC = @test -n "$(PYTHON)" || { echo "replctl needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 2; }; \
	echo "Setting up .venv, once ..." >&2; $(UV) sync --quiet --locked --python "$(PYTHON)"

$(RUNTIME): $(MADE_FROM) | $(OWN_UV)
	$(SYNC) --inexact --no-default-groups
	@touch $@

$(DEV): $(MADE_FROM) | $(OWN_UV)
	$(SYNC) --group dev
	@touch $@ $(RUNTIME)

.uv/bin/uv:
	@"$(PYTHON)" -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv
