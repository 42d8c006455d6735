# Trainyard's verbs. Everything is installed into .venv; nothing outside this folder is touched.
# Another interpreter: make PYTHON=python3.13 demo

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
# The requirements name everything, so pip need not search; Python compiles what it loads, pip would compile ten times as much.
PIP_INSTALL := $(BIN)/python -m pip install -qq --no-deps --no-compile --no-input --disable-pip-version-check
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
# Every process compiles all that it loads anew where nothing may be written down: three seconds for each that starts.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo up test check lint house bench chaos fuzz engines clean openapi coverage prometheus kubernetes slurm drill screenshots image-check

help:  ## Show the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

demo: $(RUNTIME)  ## From nothing to results: start everything, train a sweep of real models, fetch the best
	@$(BIN)/python manage.py demo

up: $(RUNTIME)  ## Run the whole platform on this machine until Ctrl-C
	@$(BIN)/python manage.py up

test: $(DEV)  ## Run the tests
	$(BIN)/python -m pytest -q -n 4 --dist worksteal

check: lint test  ## Everything CI runs: lint, format, types, imports, migrations, Django's checks, tests

lint: $(DEV)
	$(BIN)/python -m pip check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m tests.dead_code
	TRAINYARD_SECRET_KEY=for-the-checks-only $(BIN)/python manage.py check
	TRAINYARD_SECRET_KEY=for-the-checks-only $(BIN)/python manage.py makemigrations --check --dry-run

house: $(DEV)  ## Draw the house into the documents, from the imports between its rooms
	$(BIN)/python -m tests.architecture.house

coverage: $(DEV)  # half as long again as `make test`: not part of `make check`
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n 4 --dist worksteal $(ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/python -m tests.coverage_floors

openapi: $(DEV)  # what tests/api/http/test_schema.py compares with
	TRAINYARD_SECRET_KEY=for-the-checks-only $(BIN)/python manage.py spectacular --format openapi-json --file docs/openapi.json --fail-on-warn

kubernetes: $(VENV)/kubernetes  # a real API server for tests/deploy/, built from Debian 12's source without root: some minutes; without it those tests are skipped

image-check: $(RUNTIME)  # builds the Dockerfile's image on a stand-in base and asks it, as root, with Debian 12's buildah and debootstrap
	@mkdir -p $(VENV)/image && PYTHON=$(BIN)/python IMAGE_CHECK_FOLDER=$(VENV)/image sh tests/deploy/image_check.sh

slurm: $(VENV)/slurm/22.05 $(VENV)/slurm/24.11  # two real Slurms for tests/clusters and tests/executors, unpacked from Debian's packages without root; without them those tests are skipped

drill: $(RUNTIME)  # backs up the platform of `make up`, or of DATABASE_URL, and proves that the backup can be restored
	@$(BIN)/python manage.py backup --drill

screenshots: $(DEV)  # wants `.venv/bin/pip install playwright` and Chromium: tests/screenshots.py
	$(BIN)/python -m tests.screenshots

prometheus: $(VENV)/prometheus  # the real tools for tests/deploy/, on Debian and Ubuntu, without root; those tests take installed ones too, or are skipped

bench: $(DEV)  ## Measure submission, start latency, throughput and memory
	$(BIN)/python -m benchmarks $(ONLY)

chaos: $(DEV)  ## Run a thousand jobs while everything is killed in turn, and prove that nothing was lost or doubled
	$(BIN)/python -m chaos $(ARGS)

fuzz: $(DEV)  ## Play random worlds of the scheduler forward for simulated days, and see whether it keeps its word
	$(BIN)/python -m fuzz $(ARGS)

engines: $(DEV)  ## The demo's training on agents, in a real Kubernetes and in a real Slurm, in one line (docs/engines.md)
	@$(BIN)/python -m tests.engines $(ARGS)

clean:  ## Remove what was installed and cached; the data in .trainyard stays
	rm -rf $(VENV) build trainyard.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python found: install Python 3.11, 3.12 or 3.13 (Debian: apt install python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "Trainyard needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is $$($(PYTHON) -V 2>&1): name another with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian: apt install python3-venv)."; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUNTIME): $(BIN)/python requirements.txt requirements-mcp.txt examples/digits/requirements.txt pyproject.toml
	@echo "Installing the pinned packages (once, about a minute)"
	@$(PIP_INSTALL) -r requirements.txt -r requirements-mcp.txt -r examples/digits/requirements.txt -e .
	@touch $@

$(DEV): $(RUNTIME) requirements-dev.txt
	@echo "Installing the tools for tests and checks"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

$(VENV)/kubernetes: | $(BIN)/python
	@bash tests/deploy/build_kubernetes.sh $@

$(VENV)/slurm/22.05: | $(BIN)/python
	@bash tests/clusters/slurm/build_slurm.sh $@ bookworm

$(VENV)/slurm/24.11: | $(BIN)/python
	@bash tests/clusters/slurm/build_slurm.sh $@ trixie

$(VENV)/prometheus: | $(BIN)/python
	@rm -rf $@.part && mkdir $@.part
	cd $@.part && apt-get -q download prometheus victoria-metrics && for package in *.deb; do dpkg-deb -x $$package . && rm $$package || exit 1; done
	@mv $@.part $@
