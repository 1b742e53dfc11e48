# make demo · make test · make lint · make bench: each sets everything up in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
READY := $(VENV)/.ready

CPP := $(shell find csrc lammps_plugin examples/cpp -name "*.?pp" 2>/dev/null)

.PHONY: demo test lint docs format stubs bench setup clean
.DELETE_ON_ERROR:

setup: $(READY)

# torch comes first and pinned: left to a range, pip would take the newest build. The C++ code is
# compiled in this environment and not in an isolated one, against exactly the packages it runs with.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) scripts/check_prerequisites.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV): Python packages (1 of 2)"
	@$(PIP) pip setuptools
	@$(PIP) torch
	@$(PIP) scikit-build-core pybind11 cmake ninja metatensor-core metatensor-torch metatomic-torch vesin lammps mpich
	@echo "Setting up $(VENV): compiling MD Bridge (2 of 2)"
	@$(PIP) --no-build-isolation --editable '.[lammps,test,lint]'
	@touch $@

demo: $(READY)
	$(BIN)/md-bridge demo

# One test a core, each with one thread: torch is slower with more threads than free cores.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

docs: $(READY)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs

stubs: $(READY)
	$(BIN)/python scripts/make_stubs.py

bench: $(READY)
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) build
