# Everything runs in .venv, which is made once and again when the lock or the package changes.
PYTHON ?= python3.12
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# databricks-connect overwrites pyspark, so it lives in an environment of its own
CONNECT_VENV := .venv-connect
CONNECT_READY := $(CONNECT_VENV)/.ready
# checkov pins versions that clash with ours, so it lives apart, too
CHECKOV_VENV := .venv-checkov
CHECKOV_READY := $(CHECKOV_VENV)/.ready
# what benchmarks are held against must not bring its requirements along; the lock leaves out what
# pyKT and obp declare and the parts used here never import (CONTRIBUTING.md)
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
# so do the tools that make the site of docs/
DOCS_VENV := .venv-docs
DOCS_READY := $(DOCS_VENV)/.ready
SOURCES := src tests scripts benchmarks

export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export UV_LINK_MODE ?= hardlink
# where a shell forbids compiled modules to be kept, each process compiles torch and MLflow anew
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test connect test-connect fast nightly fmt lint types imports docs docs-check site wheel bundle infra bench clean

demo: $(READY)
	$(BIN)/deepkt demo

# two workers, each with a Spark session of its own; more threads than cores make all of them wait
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
test fast: export OMP_NUM_THREADS := 1

test: $(READY)
	$(BIN)/python -m pytest $(PARALLEL)

connect: $(CONNECT_READY)

test-connect: $(READY) $(CONNECT_READY)
	$(BIN)/python scripts/connect_tests.py $(CONNECT_VENV)/bin/python

fast: $(READY)
	$(BIN)/python -m pytest tests/unit -m "not slow" $(PARALLEL)

nightly: $(READY) $(CONNECT_READY)
	$(BIN)/python -m pytest tests/unit -m "not slow" --hypothesis-profile=new_examples
	$(BIN)/python -m pytest -m nightly
	$(BIN)/python scripts/connect_tests.py $(CONNECT_VENV)/bin/python tests/spark -m "not data"

fmt: $(READY)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

lint: $(READY)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python scripts/tables_page.py > docs/tables.md
	$(BIN)/python -m deepkt_irt.governance.access_page > docs/access.md
	$(BIN)/python -m deepkt_irt.dashboards.writing
	$(BIN)/python scripts/concept_pictures.py docs/images

docs-check: $(READY)
	@$(BIN)/python scripts/tables_page.py | diff docs/tables.md - || \
		{ echo "docs/tables.md is out of date: run make docs"; exit 1; }
	@$(BIN)/python -m deepkt_irt.governance.access_page | diff docs/access.md - || \
		{ echo "docs/access.md is out of date: run make docs"; exit 1; }
	@$(BIN)/python -m deepkt_irt.dashboards.writing --check

# any warning fails: a link that leads nowhere, a page outside the navigation, a docstring that is wrong;
# but not that Material for MkDocs is looked after until May 2027, which it says each time
site: $(DOCS_READY)
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --strict

wheel: $(READY)
	rm -rf dist
	$(BIN)/uv build --quiet --wheel --out-dir dist

bundle: wheel
	$(BIN)/deepkt bundle-check

infra: $(READY) $(CHECKOV_READY)
	$(BIN)/deepkt infra-check
	$(BIN)/python scripts/template_security.py $(CHECKOV_VENV)/bin/checkov

# make bench ONLY="recovery drift" measures these anew and keeps the other sections
bench: $(READY) $(BENCH_READY)
	$(BIN)/python benchmarks/run_all.py $(if $(ONLY),--only $(ONLY)) $(if $(LAKE),--lake $(LAKE))

clean:
	rm -rf $(VENV) $(CONNECT_VENV) $(CHECKOV_VENV) $(BENCH_VENV) $(DOCS_VENV) dist lake site

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null && $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' || \
		{ echo "Python 3.12 is needed (as python3.12): install it, or name it with make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --editable .
	@[ -n "$(NO_CLASS_ARCHIVE)" ] || $(BIN)/python -m deepkt_irt.jobs.class_archive || true  # Spark starts without it
	@touch $(READY)

$(CONNECT_READY): $(READY) requirements-connect.lock
	$(PYTHON) -m venv --without-pip $(CONNECT_VENV)
	VIRTUAL_ENV=$(CURDIR)/$(CONNECT_VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements-connect.lock
	VIRTUAL_ENV=$(CURDIR)/$(CONNECT_VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $(CONNECT_READY)

$(CHECKOV_READY): $(READY) requirements-checkov.lock
	$(PYTHON) -m venv --without-pip $(CHECKOV_VENV)
	VIRTUAL_ENV=$(CURDIR)/$(CHECKOV_VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements-checkov.lock
	@touch $(CHECKOV_READY)

$(DOCS_READY): $(READY) requirements-docs.lock
	$(PYTHON) -m venv --without-pip $(DOCS_VENV)
	VIRTUAL_ENV=$(CURDIR)/$(DOCS_VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements-docs.lock
	@touch $(DOCS_READY)

# uv's venv keeps itself out of git
$(BENCH_READY): $(READY) requirements-bench.lock
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(BENCH_VENV)
	VIRTUAL_ENV=$(CURDIR)/$(BENCH_VENV) $(BIN)/uv pip install --quiet --no-deps --require-hashes \
		-r requirements-bench.lock
	@touch $(BENCH_READY)
