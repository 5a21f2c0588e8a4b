# Each target sets up what it needs in a fresh clone; python3 >= 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SHARED ?= ../shared

.PHONY: demo test check bench docs validate swarm clean

demo: $(READY)  ## the documented cluster loses a node
	$(BIN)/gxsim run scenarios/node-loss.yaml --out out/node-loss

test: $(READY)  ## all tests
	$(BIN)/python -m pytest -n auto

check: $(READY)  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy gxsim

bench: $(READY)  ## benchmarks, as ratios within one run
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=min,median,rounds -p no:xdist

validate: $(READY)  ## replay every recording of the real components
	$(BIN)/gxsim validate tests/truth $(wildcard $(SHARED)/truth)

swarm: $(READY)  ## 10 000 random clusters and fault schedules
	GXSIM_SWARM_SEEDS=10000 $(BIN)/python -m pytest tests/test_swarm.py -n auto

docs: $(READY)  ## write what is generated from the code
	$(BIN)/python docs/generate.py

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gxsim needs Python 3.11 or newer; set PYTHON=")'
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist out *.egg-info
