# Each target sets everything up in .venv first; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt
READY := $(VENV)/.ready

# all C++ of the repository and nothing that git ignores; of an unpacked archive, our folders
CPP = $(shell git ls-files --cached --others --exclude-standard '*.cpp' '*.hpp' 2>/dev/null \
	|| find csrc lammps_plugin examples tests -name '*.?pp')

.PHONY: help setup demo test lint format stubs docs wheel bench clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY) ## an editable installation in .venv, with everything that the other targets need

# torch comes first and pinned: left to a range, pip would take the newest build. The C++ code is
# compiled in this environment and not in an isolated one, against exactly the packages it runs with.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) scripts/check_prerequisites.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV): Python packages (1 of 2)"
	@$(INSTALL) pip setuptools
	@$(INSTALL) torch
	@$(INSTALL) scikit-build-core pybind11 cmake ninja metatensor-core metatensor-torch metatomic-torch vesin lammps mpich
	@echo "Setting up $(VENV): compiling MD Bridge (2 of 2)"
	@$(INSTALL) --no-build-isolation --editable '.[all,test,lint,docs]'
	@touch $@

demo: $(READY) ## the main job, on the bundled model: a few minutes
	$(BIN)/md-bridge demo

# One test a core, each with one thread: torch is slower with more threads than free cores.
# Where the time goes is at the end of what it prints.
test: $(READY) ## all tests but those of minutes; TESTS="-m slow" for those
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --durations=50 --durations-min=2 $(TESTS)

lint: $(READY) ## ruff, mypy, clang-format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP)

format: $(READY) ## let ruff and clang-format mend what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

docs: $(READY) ## the documentation site, in build/docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs

stubs: $(READY) ## md_bridge/_core.pyi anew, after a change of the bindings
	$(BIN)/python scripts/make_stubs.py

wheel: $(READY) ## dist/md_bridge-*.whl, which installs without a compiler
	rm -rf dist
	$(PIP) wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .
	$(BIN)/python scripts/check_wheel_contents.py dist/md_bridge-*.whl

# pet-kokkos brings nothing with it; where it cannot be had, its rows say so
bench: $(READY) ## speed beside the alternatives, 20 minutes; BENCH=--quick for two
	@$(INSTALL) metatomic-ase pet-kokkos || echo "pet-kokkos cannot be installed: left out"
	$(BIN)/md-bridge bench --out build/bench $(BENCH)

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist
