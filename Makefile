PYTHON ?= python3
ITERATIONS ?= 30
CONFIG ?= evolve_config.yaml
SEED ?= initial_program.py
BIN := .venv/bin
STAMP := $(shell date -u +%Y%m%d-%H%M%S)
OUT ?= results/runs/$(STAMP)

.PHONY: evolve test clean

# The search: an OpenEvolve run over $(SEED), then the leaderboard with the best programs on the holdout windows.
evolve: .venv/installed
	@$(BIN)/eplb check $(CONFIG)
	$(BIN)/openevolve-run $(SEED) evaluator.py --config $(CONFIG) --output $(OUT) --iterations $(ITERATIONS)
	@$(BIN)/eplb leaderboard --run $(OUT) --config $(CONFIG)

# Lint, types, import directions, tests.
test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
