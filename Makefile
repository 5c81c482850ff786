# Two commands do everything: `make course` and `make test`.

PYTHON  ?= python3
VENV    := .venv
PY      := $(VENV)/bin/python
FAIRSEQ := ve-fairseq==0.12.3
TORCH   := torch==2.13.0
# Without a GPU: make course TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

.PHONY: env course test test-long lab notebooks base-model lint clean

env: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt Makefile
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 13) else f"Python 3.11 or 3.12 is needed, and $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PY) -m pip install --quiet --index-url $(TORCH_INDEX) $(TORCH))
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(if $(filter Linux x86_64,$(shell uname -sm)),$(PY) -m pip install --quiet --no-deps $(FAIRSEQ))
	touch $@

course: env
	$(PY) -m helpers run --workspace runs/sample

test: env
	$(PY) -m pytest

test-long: env
	$(PY) -m pytest -m "long or not long"

lab: env
	$(PY) -m jupyter lab --notebook-dir=. notebooks/00_setup.ipynb

# Renew the outputs that are stored in the notebooks, in a workspace of their own.
notebooks: env
	ROBERTA_COURSE_HOME=$$(mktemp -d) $(PY) -m nbconvert --to notebook --inplace --execute \
		--ExecutePreprocessor.record_timing=False notebooks/0*.ipynb

# Train the course's own base model again, in an hour or two; it goes on where it was stopped.
# glibc keeps all freed memory: half as fast again, for some gigabytes.
base-model: env
	MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456 $(PY) -m helpers.course_base runs/base-model

lint: env
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache *.egg-info
