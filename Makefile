# Two commands do everything: `make serve` and `make test`. Each sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CTNODE := $(BIN)/ctnode
CONFIG ?= config.yaml
DEMO_DIR ?= build/demo
# A file by one process: most tests wait for other programs, so two do.
PYTEST_ARGS ?= -n 2 --dist loadfile

.PHONY: help setup setup-test serve demo test lint audit docs bench clean

help:  ## Show this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## Create .venv with the product

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=24'
	$(BIN)/python -m pip install --quiet 'torch>=2.9,<2.14'
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

setup-test: $(VENV)/.installed-test  ## The same, with what the tests need

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

serve: setup  ## Run the node on config.yaml
	$(CTNODE) serve --config $(CONFIG)

demo: setup  ## Node, small PACS and simulated CT on this machine; prints the SR that came back
	$(CTNODE) demo $(DEMO_DIR)

lint: setup-test  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup-test  ## All checks: lint, then every test; real peers are installed (root) or named
	@deploy/install-test-peers.sh
	$(MAKE) --no-print-directory lint
	PATH="$$PATH:$(CURDIR)/$(BIN)" TCP_NODELAY=1 $(BIN)/pytest $(PYTEST_ARGS)

audit: setup-test  ## Known vulnerabilities of what a user installs; asks pypi.org, or osv.dev
	$(BIN)/pytest -rs tests/test_advisories.py

docs: setup-test  ## Write the parts of the documents that are made from the code
	$(BIN)/python -m tests.documents.blocks

bench: setup-test  ## Receiving beside others; associations; the console; the gate; completion; models
	for n in 1 2 4 8 16; do PATH="$$PATH:$(CURDIR)/$(BIN)" $(CTNODE) bench receive --associations $$n || exit 1; done
	$(CTNODE) bench association
	$(CTNODE) bench console
	$(CTNODE) bench gate
	$(CTNODE) bench completion
	$(CTNODE) bench models
	$(CTNODE) bench results

clean:  ## Remove the virtual environment and build products; never the node's data
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
