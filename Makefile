# make         set up and run the embedded default study
# make setup   make .venv with pinned requirements and the library s2f
# make test    all tests            make test-fast   those of a few seconds
# make test-gpu   those of what computes on a GPU, there; sets nothing up, as bench-gpu
# make lint    formatters and linters
# make faults  what goes wrong in use, tried through the real commands: expected and found
# make docs    the documentation as a web site, build/site/index.html
# make bench   speed, as ratios and fractions of this machine's limits
# make bench-gpu  all of it on a GPU, in ten minutes; sets nothing up: in an environment with JAX and torch for CUDA
# make clean   delete all results

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: all setup test test-fast test-gpu lint format faults docs bench bench-gpu clean

# Jobs of the embedded study start, compile and read for much of their time, which takes one thread: with three times as
# many as cores (up to 16, for the memory) all are busy, and three of those that would use a GPU run at once, as they
# need little of one (305 s instead of 375 s with twice as many and two). Threads that wait for each other do so without
# spinning, as they share cores. The last option: how often the scheduler looks again for each job that is over; by
# default every second, which takes a fifth of a core at the end of a run.
all: setup
	OMP_WAIT_POLICY=PASSIVE snakemake --cores $$(python -c 'import os; print(min(16, 3 * len(os.sched_getaffinity(0))))') --resources gpu=3 \
		--max-jobs-per-timespan 6000/60s

setup: .venv/.ready

.venv/.ready: requirements.txt requirements-slurm.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.txt --requirement requirements-slurm.txt \
		--constraint constraints.txt
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# four workers on two cores, as a fifth of the time of three is spent waiting; the order of files is that of tests/conftest.py
PYTEST = python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup
	$(PYTEST) --durations 20

test-fast: setup
	$(PYTEST) -m "not slow"

# In one process, as its tests share a card, file by file. What failed, and what was skipped and why, is printed at the end
# and is in build/test-gpu.xml with the card and the versions. Needs the builds for CUDA (docs/cluster.md),
# and therefore depends on nothing: `setup` may put pinned builds for the CPU in their place.
GPU_TESTS = embeddings heads language_model baselines interpretation representation scoring design

test-gpu:
	python -m pytest --gpu -rfEs --junitxml build/test-gpu.xml $(addprefix tests/,$(GPU_TESTS))

lint: setup
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile workflow
	mypy
	snakemake --lint

format: setup
	ruff format .
	ruff check --fix .
	snakefmt Snakefile workflow

faults: setup
	PYTHONPATH=workflow/scripts:tests python -P tests/programs/faults.py

docs: setup
	.venv/bin/python -m pip install --quiet --requirement requirements-docs.txt --constraint constraints.txt
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

bench: setup
	PYTHONPATH=workflow/scripts python -P -m bench
	PYTHONPATH=workflow/scripts python -P -m bench.language_model
	python tests/programs/bench_table_s2.py

bench-gpu:
	PYTHONPATH=workflow/scripts python -P -m bench.gpu

# the slash: results may be a link to a larger disk
clean:
	rm -rf logs benchmarks .snakemake
	mkdir -p results
	find results/ -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
