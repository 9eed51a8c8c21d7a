PYTHON ?= python3
ITERATIONS ?= 30
CONFIG ?= evolve_config.yaml
SEED ?= initial_program.py
GPU_PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest -n 2 --dist loadgroup --durations=10 -rs
# Planners of vLLM and SGLang out of their wheels, once; without a network the tests that need them skip.
ENGINES := $(BIN)/python tests/engines/fetch.py
STAMP := $(shell date -u +%Y%m%d-%H%M%S)
OUT ?= results/runs/$(STAMP)

.PHONY: evolve test lint tests test-all engines control gpu clean

# The search: checks, a stock openevolve-run over $(SEED), which it prints, with a live view; then the leaderboard with the
# best programs on the holdout windows.
evolve: .venv/installed
	@$(BIN)/eplb run $(SEED) --config $(CONFIG) --output $(OUT) --iterations $(ITERATIONS)

# Lint, types and import directions; and, beside them, the tests.
test: .venv/installed-dev
	@$(MAKE) --no-print-directory --jobs=2 lint tests

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: .venv/installed-dev
	-@$(ENGINES)
	$(PYTEST)

# The same with every program of tests/exploits at every sandbox level.
test-all: .venv/installed-dev
	-@$(ENGINES)
	$(PYTEST) --all-levels

# Seeds that stand for engines, held against the modules of the released ones: results/benchmarks/engines.txt.
engines: .venv/installed-dev
	@$(ENGINES)
	$(BIN)/python benchmarks/engines.py

# The control: searches without an LLM, and blind mutation, five seeds each; hours. LLM=NAME=CONFIG adds an endpoint.
control: .venv/installed-plots
	$(BIN)/python benchmarks/control.py $(if $(LLM),--llm $(LLM))

# On a machine with a GPU: the tests on it, then results/gpu. $(GPU_PYTHON) needs torch with CUDA, Triton, numpy, numba, scipy,
# PyYAML and pytest; nothing is installed.
gpu: export PYTHONPATH := src
gpu:
	@$(GPU_PYTHON) benchmarks/gpu.py --check
	$(GPU_PYTHON) -m pytest -p no:cacheprovider -rs tests/gpu
	$(GPU_PYTHON) benchmarks/gpu.py

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

.venv/installed-plots: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[plots]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
