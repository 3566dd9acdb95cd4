# Every routine act of the house. `make help` lists them.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
export PYTHONPATH := $(CURDIR):$(CURDIR)/client
PINNED := $(VENV)/.pinned
STAMP := $(VENV)/.installed
MEASURED := pareto completion code space designs importance start filters batch relay pages
GENERATED := client/ashgrove/descriptors.binpb
PROTOS := $(shell find protos third_party -name '*.proto' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup protos lock format lint types unit contract integration programs runs platform e2e quick test test-full demo up down logs status migrate describe bench clean

help: ## List every target
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(PINNED): requirements/dev.txt
	@test -x $(PY) || python3 -c 'import sys; sys.exit("Ashgrove needs Python 3.11 or later") if sys.version_info < (3, 11) else None'
	@test -x $(PY) || python3 -m venv $(VENV)
	@echo "setup: installing pinned packages into $(VENV) (about a minute the first time)"
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# The checkout's own two distributions, editable: their entry points and the `ashgrove` command are found as an installed
# package's are. Neither network nor build isolation: what builds them is pinned too.
$(STAMP): $(PINNED) pyproject.toml client/pyproject.toml
	@$(PY) -m pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation -e . -e client
	@touch $@

$(GENERATED): $(STAMP) $(PROTOS) protos/generate.py
	@$(PY) protos/generate.py

setup: $(GENERATED) ## Make .venv and the stubs; everything else does this by itself

protos: $(STAMP) ## Generate stubs and descriptors from protos/
	@$(PY) protos/generate.py

lock: $(STAMP) ## Re-pin requirements/*.txt from requirements/*.in
	@for f in client server dev; do $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --custom-compile-command "make lock" requirements/$$f.in -o requirements/$$f.txt; done

format: setup ## Format protos and Python
	@$(BIN)/buf format -w protos && $(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

lint: setup ## ruff, buf and the dependency rule
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/buf lint && $(BIN)/buf format --diff --exit-code protos && $(BIN)/lint-imports --no-cache

types: setup ## mypy, strict
	@$(BIN)/mypy

unit: setup ## Tests without network or database
	@$(BIN)/pytest tests/unit -q

contract: setup ## One suite over every declared resource
	@$(BIN)/pytest tests/contract -q

integration: programs runs platform ## Real PostgreSQL and Valkey, in-process servers

# The tracks of the integration tests: what runs programs, what runs runs, and everything else.
PROGRAMS := tests/integration/program
RUNS := tests/integration/optimizer
programs: setup
	@$(BIN)/pytest $(PROGRAMS) -q

runs: setup
	@$(BIN)/pytest $(RUNS) -q

platform: setup
	@$(BIN)/pytest $(filter-out $(PROGRAMS) $(RUNS),$(wildcard tests/integration/[a-z]*)) tests/models -q

e2e: setup ## Everything, through Envoy
	@$(BIN)/pytest tests/e2e -q

# Side by side: much of it is waiting, and each track has servers of its own. The longest begins first. TRACKS=1 runs one after another.
TRACKS ?= 4
test: setup ## Lint, types and every test (about 10 minutes on 2 cores)
	@$(MAKE) --no-print-directory --jobs=$(TRACKS) --output-sync=target runs lint programs platform types e2e unit contract

quick: lint types unit contract ## Lint, types, and the tests without a stack

test-full: test ## The tests, kills at every failpoint, and the property tests again with many more examples
	@$(BIN)/pytest tests/crash -q
	@$(BIN)/pytest tests/unit tests/contract tests/integration -q -m hypothesis --hypothesis-profile=thorough

demo: setup ## Run the main job end to end (starts the stack if none runs)
	@$(PY) -m demo

up: setup ## Start the embedded stack and stay in the foreground
	@exec $(PY) -m deploy.local up

down: setup ## Stop the embedded stack
	@$(PY) -m deploy.local down

logs: setup ## Follow the logs of the embedded stack
	@$(PY) -m deploy.local logs

status: setup ## Say what runs, where and how much memory it takes
	@$(PY) -m deploy.local status

migrate: setup ## Apply every service's migrations to the running database
	@$(PY) -m deploy.local migrate

describe: setup ## Print the compiled spec of every resource
	@$(PY) -m services.describe

bench: setup ## Measure everything, beside a stack that runs (`make up`); see benchmarks/README.md
	@$(PY) -m benchmarks
	@for part in $(MEASURED); do $(PY) -m benchmarks $$part || exit 1; done

clean: ## Remove what was generated (not .run)
	@rm -rf $(VENV) $(GENERATED) client/buf client/envoy client/udpa client/validate client/xds client/ashgrove/*/v1
