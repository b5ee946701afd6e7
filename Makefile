# One target for each thing that a contributor does. Needs Python 3.10 or later and make; each target sets itself up.
PYTHON ?= python3
# What is named on the command line, and not by some variable of the environment. Another Python has environments of its own.
given = $(if $(filter command,$(origin $(1))),$($(1)))
OF := $(subst /,-,$(call given,PYTHON))
VENV := .venv$(OF)
TOOLS := .venv-tools$(OF)
FUZZ := .venv-fuzz
MUTANTS := .venv-mutants$(OF)
BENCH := .venv-bench$(OF)
PEERS := .venv-peers$(OF)
ATHERIS := 3.0.0
INTEROP := .venv-interop$(OF)
PYTHONS := $(addprefix python3.,10 11 12 13 14 15) $(sort $(wildcard $(HOME)/.pyenv/versions/3.1*/bin/python3))
OUR_CLIENT = $(PYTHON) -m tests.porting.clients.python
PLATFORMS := linux darwin win32
TYPE_VERSIONS := 3.10 3.11 3.12 3.13 3.14 3.15
BESIDE := tests/test_typed.py tests/test_porting.py tests/test_embedding.py tests/test_distribution.py tests/test_processes.py

PYODIDE := 314.0.7

.DEFAULT_GOAL := help
unexport PYTHONSAFEPATH
.PHONY: help demo test test-beside types test-all test-again test-wasm torture fuzz mutants certify kit-bites interop \
	bench bench-peers coverage lint format zipapp vendor dist clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo:  ## watch a device login, a refresh and the token file happen over HTTP, against a fake server
	@$(PYTHON) -m tests.tools.demo

test: $(VENV)/ready  ## mypy and every test; PYTHON=python3.12 for another Python, PACKAGE=path/to/a/copy for a vendored copy
ifneq ($(call given,PACKAGE),)
	@$(PYTHON) -m tests.tools.release.suite '$(PACKAGE)' build/suite
	@$(MAKE) --no-print-directory -C build/suite test PACKAGE= VENV=../../$(VENV)
else
	@mkdir -p build; \
	$(MAKE) --no-print-directory test-beside >build/beside.txt 2>&1 & beside=$$!; trap 'kill $$beside 2>/dev/null' INT TERM; \
	echo "beside the other tests, and shown after them: mypy $(BESIDE)"; \
	$(VENV)/bin/python -m pytest $(addprefix --ignore=,$(BESIDE)); tests=$$?; \
	wait $$beside; checks=$$?; cat build/beside.txt; exit $$((tests || checks))
endif

# The types, and what needs them or mostly waits.
test-beside:
	@$(MAKE) --no-print-directory types TYPE_VERSIONS="$(firstword $(TYPE_VERSIONS)) $(lastword $(TYPE_VERSIONS))"
	@$(VENV)/bin/python -m pytest -p no:cacheprovider $(BESIDE)

types: $(VENV)/ready  ## mypy for every platform and every Python version
	@set -e; for platform in $(PLATFORMS); do for version in $(TYPE_VERSIONS); do \
		echo "mypy: $$platform, Python $$version"; \
		$(VENV)/bin/python -m mypy --no-error-summary --cache-dir .mypy_cache/$$platform \
			--platform $$platform --python-version $$version; \
	done; done

test-all:  ## the tests on every Python from 3.10 on that is installed here, also by pyenv
	@set -e; seen=" "; for python in $(PYTHONS); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		case "$$seen" in *" $$version "*) continue;; esac; seen="$$seen$$version "; \
		echo "== Python $$version"; \
		$(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv-$$version; \
	done; echo "== passed on:$$seen"

test-wasm: $(VENV)/ready  ## the tests in WebAssembly: Pyodide in Node
	@if node --version >/dev/null 2>&1; then \
		npm install --silent --no-save --no-package-lock --ignore-scripts --prefix build/wasm pyodide@$(PYODIDE) && \
		node tests/tools/wasm/run.mjs build/wasm/node_modules/pyodide "$(CURDIR)/$(VENV)/bin/python"; \
	else echo "make test-wasm: there is no Node here; nothing was tested"; fi

torture: $(VENV)/ready  ## the worst day, for longer: hundreds of kills, deeper schedules, real mounts (as root)
	YTMUSIC_OAUTH_TORTURE=1 $(VENV)/bin/python -m pytest tests/test_processes.py tests/test_simulation.py

test-again: $(VENV)/ready  ## the tests COUNT=50 times in a row, under load, in any order and on odd dates; SEED= to begin there
	$(VENV)/bin/python -m tests.tools.again --count $(or $(COUNT),50) $(if $(SEED),--seed $(SEED))

fuzz: $(FUZZ)/ready  ## spoiled input for every parser, for SECONDS=60; SEED= to do it again
	$(FUZZ)/bin/python -m tests.tools.fuzz --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

mutants: $(MUTANTS)/ready  ## break the package in thousands of ways: the tests have to notice each; ONLY="expiry held" for some
	$(MUTANTS)/bin/python -m tests.tools.mutation $(call given,ONLY)

certify:  ## put a port to the porting kit: CLIENT="node my_client.js"; our own, if nothing is said
	@$(PYTHON) -m tests.porting --client '$(or $(call given,CLIENT),$(OUR_CLIENT))'

kit-bites:  ## break our own code in a hundred ways, one at a time: the porting kit has to notice each
	@$(PYTHON) -m tests.porting.clients.python.bites

interop: $(INTEROP)/ready  ## beside ytmusicapi, requests, httpx, OAuth servers, a proxy and a browser that others wrote
	$(INTEROP)/bin/python -m pytest tests/interop

bench: $(BENCH)/ready zipapp  ## what things cost, as ratios to what Python itself must spend; ONLY="as_auth import" for some
	@$(BENCH)/bin/python -m tests.tools.bench.table $(ONLY)

bench-peers: $(PEERS)/ready  ## what the same costs with ytmusicapi, google-auth, Authlib, msal and requests-oauthlib
	@$(PEERS)/bin/python -m tests.tools.bench.table --peers

coverage: $(TOOLS)/ready  ## the tests again, failing where a branch of the package is not run
	$(TOOLS)/bin/python -m coverage run -m pytest -q
	$(TOOLS)/bin/python -m coverage report

lint: $(TOOLS)/ready  ## ruff: format, imports, docstrings, bugs, security
	$(TOOLS)/bin/python -m ruff format --check
	$(TOOLS)/bin/python -m ruff check

format: $(TOOLS)/ready  ## let ruff write the format
	$(TOOLS)/bin/python -m ruff check --fix
	$(TOOLS)/bin/python -m ruff format

zipapp:  ## the command line as one file, dist/ytmusic_oauth.pyz
	@$(PYTHON) -m tests.tools.release.single_file dist/ytmusic_oauth.pyz

vendor:  ## DEST=path/to/app/_vendor: copy the package into another program, or update the copy there
	@$(PYTHON) -m tests.tools.release.vendoring '$(call given,DEST)'

dist: $(TOOLS)/ready  ## a wheel and an sdist, looked into before they are handed out
	@$(TOOLS)/bin/python -m tests.tools.release.distribution dist

clean:  ## remove what the other targets made
	rm -rf .venv* .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/ready: tests/requirements/test.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements/test.txt
	@touch $@

$(FUZZ)/ready: tests/requirements/test.txt
	$(PYTHON) -m venv --clear $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements/test.txt
	-$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: atheris==$(ATHERIS)
	@touch $@

$(MUTANTS)/ready: tests/requirements/test.txt tests/requirements/mutants.txt
	$(PYTHON) -m venv --clear $(MUTANTS)
	$(MUTANTS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements/test.txt -r tests/requirements/mutants.txt
	@touch $@

$(BENCH)/ready:  # nothing is installed there: what starts with every Python here would be a part of each floor
	$(PYTHON) -m venv --clear --without-pip $(BENCH)
	@touch $@

$(PEERS)/ready: tests/requirements/peers.txt
	$(PYTHON) -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements/peers.txt
	@touch $@

$(TOOLS)/ready: tests/requirements/test.txt tests/requirements/tools.txt
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements/test.txt -r tests/requirements/tools.txt
	@touch $@

# Without npm, the parts that need Node are left out, and `make interop` says so.
$(INTEROP)/ready: tests/requirements/test.txt tests/requirements/interop.txt tests/interop/package-lock.json
	$(PYTHON) -m venv --clear $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements/test.txt -r tests/requirements/interop.txt
	cp tests/interop/package.json tests/interop/package-lock.json $(INTEROP)
	if command -v npm >/dev/null; then cd $(INTEROP) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; fi
	@touch $@
