# Two commands: `make train` watches an agent learn, `make test` runs the tests. Both make .venv and install into it
# first, and again only when pyproject.toml or constraints.txt has changed. `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
WORKERS ?= 2

RUN := "$(VENV)/bin/python"
PIP_INSTALL := $(RUN) -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt
PYTEST := $(RUN) -P -m pytest --quiet --numprocesses $(WORKERS) --dist worksteal
# The first folder that is free: runs/seek, runs/seek-2, ...
OUT ?= $(shell out=runs/seek; n=1; while [ -e $$out ]; do n=$$((n + 1)); out=runs/seek-$$n; done; echo $$out)
TRAIN = train --env senseweave/Seek-v0 --out $(OUT)
EXTRAS ?= test

.DEFAULT_GOAL := help
.PHONY: help train pretrained test test-slow test-times check format docs nightly clean
.DELETE_ON_ERROR:

help:
	@echo 'make train    train an agent that sees, hears and is told where to go; more options with ARGS="--seed 1"'
	@echo 'make pretrained  train the agent that ships with the package, by its recipe, and put it there'
	@echo 'make test     run the tests; some of them with ARGS="tests/perception -k gate"'
	@echo 'make test-slow  run the slow tests that it leaves out: quick runs of benchmarks, compiled code, long examples'
	@echo 'make test-times  the same as test, and a table of the processor time of each test file and the slowest tests'
	@echo 'make check    lint, format and type check, changing nothing'
	@echo 'make format   sort imports, fix what can be fixed, format'
	@echo 'make docs     build the site into build/docs; every warning is an error'
	@echo 'make nightly  run the long campaigns: every test, 5,000 examples a property'
	@echo 'make clean    delete .venv and caches; runs/ stays'
	@echo 'PYTHON=python3.12 chooses the Python that makes .venv; it must be 3.11 or newer.'

train: $(VENV)/.installed
	$(info senseweave $(TRAIN) $(ARGS))
	@"$(VENV)/bin/senseweave" $(TRAIN) $(ARGS)

pretrained: $(VENV)/.installed
	$(info python -m senseweave.agent.share $(ARGS))
	@$(RUN) -P -m senseweave.agent.share $(ARGS)

test: $(VENV)/.installed-$(EXTRAS)
	$(info pytest with $(WORKERS) workers, 300 examples a property $(ARGS))
	@$(PYTEST) --hypothesis-profile ci $(ARGS)

test-slow: $(VENV)/.installed-$(EXTRAS)
	$(info pytest with $(WORKERS) workers, the slow tests $(ARGS))
	@$(PYTEST) --hypothesis-profile ci -m 'slow and not nightly' $(ARGS)

test-times:
	@$(MAKE) test ARGS="--processor-times $(ARGS)"

check: $(VENV)/.installed-$(EXTRAS)
	@echo 'ruff check, ruff format --check, basedpyright'
	@status=0; \
	$(RUN) -m ruff check --quiet . || status=1; \
	$(RUN) -m ruff format --quiet --check . || status=1; \
	$(RUN) -m basedpyright --level error || status=1; \
	exit $$status

format: $(VENV)/.installed-$(EXTRAS)
	@$(RUN) -m ruff check --quiet --fix .
	@$(RUN) -m ruff format .

docs: $(VENV)/.installed-docs
	@echo 'sphinx, warnings are errors'
	@$(RUN) -m sphinx -q -E -W --keep-going -b html -d build/doctrees docs build/docs
	@echo 'open build/docs/index.html'

nightly: $(VENV)/.installed-$(EXTRAS)
	$(info pytest with $(WORKERS) workers, every test, 5000 examples a property $(ARGS))
	@SENSEWEAVE_SHAPE_CHECKS=all $(PYTEST) --hypothesis-profile nightly -m '' --timeout 7200 --max-processor-s 7200 $(ARGS)

clean:
	@rm -rf "$(VENV)" build dist senseweave.egg-info .pytest_cache .hypothesis .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'senseweave needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 2; }
	@echo 'making $(VENV)'
	@$(PYTHON) -m venv "$(VENV)"

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo 'installing senseweave into $(VENV); the first time takes some minutes'
	@$(PIP_INSTALL) --editable .
	@touch "$@"

$(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo 'installing senseweave[$*] into $(VENV); the first time takes some minutes'
	@$(PIP_INSTALL) --editable ".[$*]"
	@touch "$(VENV)/.installed" "$@"
