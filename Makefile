# make demo       set up and read the sample study; results in demo-output/
# make test       set up and pass the tests
# make test-slow  the tests that take minutes
# make lint       ruff and mypy
# make docs       the documents and the reference as a site; open site/index.html
# make shell      a shell that knows the command spectbonemetseg
# make benchmark  tables of times and memory of the reading pipeline and of the module
# make fuzz       shows every reader bytes that nobody foresaw, FUZZ_SECONDS each

# Slicer's own Python, 3.12, before others; pyenv keeps its versions off the path.
CANDIDATES := python3.12 $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin/python) python3.13 python3.11 python3
PYTHON ?= $(firstword $(foreach name,$(CANDIDATES),$(shell $(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(name))))
VENV ?= .venv
BIN := $(VENV)/bin
SAMPLE := Resources/Sample/simulated_scan.dcm
TRUTH := Resources/Sample/truth.nii.gz
export TF_CPP_MIN_LOG_LEVEL = 3
export MPLBACKEND = Agg
# The tests start some hundred processes, which would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

FUZZ_SECONDS ?= 60

.PHONY: demo shell test test-slow lint docs benchmark fuzz clean

$(VENV)/bin/python:
	$(if $(PYTHON),,$(error Python 3.11, 3.12 or 3.13 is needed; name it with PYTHON=/path/to/python))
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	@echo "Setting up in $(VENV): some hundred MB are fetched, which takes a few minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[slicer,completion,results]'
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@echo "Setting up in $(VENV): some hundred MB are fetched, which takes a few minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/spectbonemetseg segment $(SAMPLE) --output demo-output --scene demo-output/simulated_scan.mrb
	$(BIN)/python -m SpectBoneMetSegTrainingLib.evaluation.truth_picture demo-output/simulated_scan $(SAMPLE) $(TRUTH) demo-output/truth.png
	@echo "Look at demo-output/simulated_scan/overview.png and demo-output/truth.png; open demo-output/simulated_scan.mrb in 3D Slicer."

shell: $(VENV)/.demo
	PATH="$(abspath $(BIN)):$$PATH" $${SHELL:-/bin/sh}

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPY_NUM_WORKERS=2 $(BIN)/mypy

$(VENV)/.docs: pyproject.toml | $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs site
	@echo "Open site/index.html."

benchmark: $(VENV)/.test
	$(BIN)/python Testing/benchmarks/pipeline.py
	$(BIN)/python Testing/benchmarks/panel.py
	$(BIN)/python Testing/benchmarks/archive.py

fuzz: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=3' || echo "Without atheris inputs are drawn at random."
	for reader in $$($(BIN)/python Testing/fuzz/readers.py --list); do $(BIN)/python Testing/fuzz/readers.py $$reader --seconds $(FUZZ_SECONDS) || exit 1; done

clean:
	rm -rf $(VENV) demo-output site docs/api build *.egg-info
