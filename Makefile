# Each target prepares what it needs: a fresh clone and Python 3.11 are enough.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export PYTHON
BIN := .venv/bin
WORKERS := $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))
ARGS ?=

.PHONY: run region test static check bench bench-sim bench-quick lint types contracts lock compiled wheel clean help setup setup-dev

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup:
	@scripts/setup run

setup-dev:
	@scripts/setup dev

run: setup ## the tour: start the platform, run jobs, see reasons and the bill
	@scripts/tour

region: setup ## Slurm, Kubernetes, Ray and local pools in one queue on this machine, and thirty jobs across them
	@$(BIN)/python scripts/region up && $(BIN)/python scripts/region jobs

test: setup-dev ## every test (ARGS="tests/core -k gang" for some)
	@scripts/test -n $(WORKERS) $(ARGS)

static: setup-dev ## lint, format, types, import contracts: what reads the code without running it
	@scripts/check

check: static test ## all that CI demands: static, then every test

bench: setup-dev ## every benchmark; writes benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/harness.py

bench-sim: setup-dev ## those of the simulator and of the plans' quality alone, half an hour
	@$(BIN)/python benchmarks/harness.py $(patsubst benchmarks/%.py,%,$(wildcard benchmarks/bench_sim_*.py))

bench-quick: setup-dev ## every benchmark, small; writes nothing
	@$(BIN)/python benchmarks/harness.py --quick

lint: setup-dev ## mend what the linter and the formatter can mend
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: setup-dev ## mypy --strict on src
	@$(BIN)/mypy

contracts: setup-dev ## who may import whom
	@$(BIN)/lint-imports

lock: ## pin every dependency again, with hashes and no host
	@scripts/lock

compiled: setup-dev ## suan with its scheduler compiled, once for each state of the source: its folder, for PYTHONPATH
	@$(BIN)/python scripts/compiled.py

wheel: setup-dev ## dist/suan-*.whl, for this platform if there is a C compiler (SUAN_PURE=1: for any)
	@$(BIN)/python -m build --no-isolation --wheel --outdir dist . >/dev/null && ls -1 dist/*.whl

clean: ## remove what can be made again (not .venv, not ~/.suan)
	@rm -rf build dist .cache/lock-venv .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
