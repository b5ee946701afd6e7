# One target for each task of a contributor. Needs make and Python 3.10 or later; each target sets up what it needs.
PYTHON ?= python3
# The value of a variable that is set on make's command line. Variables of the shell with the same name do not count.
given = $(if $(filter command,$(origin $(1))),$(value $(1)))
# Not $(MAKE), which `make -n` would run.
submake = $(MAKE) --no-print-directory
# Names of folders reach Python in the environment: neither make nor a shell reads what is in them.
unexport DEST PACKAGE
# Each Python that is named by PYTHON=... has environments of its own.
SUFFIX := $(addprefix -,$(subst /,-,$(patsubst /%,%,$(call given,PYTHON))))
VENV := .venv$(SUFFIX)
TOOLS := .venv-tools$(SUFFIX)
DOCS := .venv-docs$(SUFFIX)
FUZZ := .venv-fuzz$(SUFFIX)
MUTANTS := .venv-mutants$(SUFFIX)
PEERS := .venv-peers$(SUFFIX)
INTEROP := .venv-interop$(SUFFIX)
CERTIFY := .venv-certify$(SUFFIX)
ENGINES := .venv-engines$(SUFFIX)
BENCH := .venv-bench$(SUFFIX)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps

PYTHONS := $(addprefix python3.,10 11 12 13 14 15) $(sort $(wildcard $(HOME)/.pyenv/versions/3.1*/bin/python3))
RELEASE_PYTHONS := python3.8 python3.9 $(PYTHONS) $(sort $(wildcard $(HOME)/.pyenv/versions/3.[89].*/bin/python3))
PLATFORMS := linux darwin win32
TYPE_VERSIONS := 3.10 3.11 3.12 3.13 3.14 3.15
# These tests mostly wait for child processes. They run while the others do.
SLOW_TESTS := tests/test_typed.py tests/test_porting.py tests/test_embedding.py tests/test_distribution.py tests/test_processes.py

ATHERIS := 3.0.0
PYODIDE := 314.0.7

.DEFAULT_GOAL := help
unexport PYTHONSAFEPATH
.PHONY: help demo test test-beside types test-all test-again test-wasm torture fuzz mutants certify kit kit-bites interop \
	engines bench bench-peers coverage lint format docs zipapp vendor dist release clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo:  ## show a login, a refresh and the token file, over HTTP, with a fake server on this machine
	@$(PYTHON) -m tests.tools.demo

test: export YTMUSIC_OAUTH_PACKAGE = $(call given,PACKAGE)
test: $(VENV)/ready  ## type-check and run all tests; PYTHON=python3.12 uses that Python, PACKAGE=path/to/a/copy tests a vendored copy
ifneq ($(call given,PACKAGE),)
	@$(PYTHON) -m tests.tools.release.suite build/suite
	@$(submake) -C build/suite test PACKAGE= VENV=../../$(VENV)
else
	@mkdir -p build; \
	$(submake) test-beside >build/slow.txt 2>&1 & slow=$$!; trap 'kill $$slow 2>/dev/null' INT TERM; \
	echo "In the background, shown at the end: mypy $(SLOW_TESTS)"; \
	$(VENV)/bin/python -m pytest $(addprefix --ignore=,$(SLOW_TESTS)); tests=$$?; \
	wait $$slow; checks=$$?; cat build/slow.txt; exit $$((tests || checks))
endif

test-beside:
	@$(submake) types TYPE_VERSIONS="$(firstword $(TYPE_VERSIONS)) $(lastword $(TYPE_VERSIONS))"
	@$(VENV)/bin/python -m pytest -p no:cacheprovider $(SLOW_TESTS)

types: $(VENV)/ready  ## type-check for every platform and every Python version
	@set -e; for platform in $(PLATFORMS); do for version in $(TYPE_VERSIONS); do \
		echo "mypy: $$platform, Python $$version"; \
		$(VENV)/bin/python -m mypy --no-error-summary --cache-dir .mypy_cache/$$platform \
			--platform $$platform --python-version $$version; \
	done; done

test-all:  ## run the tests with every installed Python from 3.8 on, pyenv's and PyPy included; SHORT=1 runs some of them; ONLY="3.8 3.13"
	@$(PYTHON) -m tests.tools.versions $(if $(SHORT),--short) $(call given,ONLY)

test-wasm: $(VENV)/ready  ## run the tests in WebAssembly: Pyodide in Node
	@if node --version >/dev/null 2>&1; then \
		npm install --silent --no-save --no-package-lock --ignore-scripts --prefix build/wasm pyodide@$(PYODIDE) && \
		node tests/tools/wasm/run.mjs build/wasm/node_modules/pyodide "$(CURDIR)/$(VENV)/bin/python"; \
	else echo "make test-wasm: Node is not installed; nothing was tested"; fi

torture: $(VENV)/ready  ## stress tests: hundreds of kills, deeper schedules, real mounts (as root); SECONDS=600 of everything at random
	YTMUSIC_OAUTH_TORTURE=1 YTMUSIC_OAUTH_STRESS=$(or $(SECONDS),600) $(VENV)/bin/python -m pytest tests/test_stress.py tests/test_interrupts.py tests/test_processes.py tests/test_simulation.py tests/test_file_store.py tests/test_file_lock.py

test-again: $(VENV)/ready  ## find flaky tests: COUNT=50 runs under load, in random order, on odd dates; SEED= repeats them
	$(VENV)/bin/python -m tests.tools.again --count $(or $(COUNT),50) $(if $(SEED),--seed $(SEED))

fuzz: $(FUZZ)/ready  ## fuzz every parser for SECONDS=60; SEED= repeats a run
	$(FUZZ)/bin/python -m tests.tools.fuzz --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

mutants: $(MUTANTS)/ready  ## mutation testing: the tests must catch every mutant; ONLY="_expiry _snapshot" for some modules; AGAIN=1 for survivors
	$(MUTANTS)/bin/python -m tests.tools.mutation $(if $(AGAIN),--survivors) $(call given,ONLY)

certify: $(if $(call given,CLIENT),,$(CERTIFY)/ready)  ## test a port with the porting kit: CLIENT="node my_client.js"; without CLIENT, all of this project
ifneq ($(call given,CLIENT),)
	@$(PYTHON) -m tests.porting --client '$(CLIENT)' $(foreach pattern,$(call given,ONLY),--only '$(pattern)')
else
	@$(CERTIFY)/bin/python -m tests.tools.certify $(call given,ONLY)
endif

kit:  ## build the porting kit as one file, dist/oauth-device-kit.pyz
	@$(PYTHON) -m tests.tools.release.kit dist/oauth-device-kit.pyz

kit-bites:  ## check that the porting kit catches a hundred known bugs in Python, and more in Node and Go
	@$(PYTHON) -m tests.porting.clients.python.bites
	@$(PYTHON) -m tests.porting.clients.planted

interop: $(INTEROP)/ready $(INTEROP)/node_modules  ## test with third-party software: ytmusicapi, HTTP clients, OAuth servers, a proxy, a browser
	$(INTEROP)/bin/python -m pytest tests/interop

engines: $(ENGINES)/ready  ## try the recipes for token stores on real servers, with kills, stops and forks; SHORT=1 takes 3 minutes
	@$(ENGINES)/bin/python -m tests.tools.engines $(if $(SHORT),--short) $(call given,ONLY)

bench: $(BENCH)/ready zipapp  ## measure what things cost, as ratios to what Python itself must spend; ONLY="as_auth import" for some
	@$(BENCH)/bin/python -m tests.tools.bench.table $(ONLY)

bench-peers: $(PEERS)/ready  ## measure the same with ytmusicapi, google-auth, Authlib, msal and requests-oauthlib
	@$(PEERS)/bin/python -m tests.tools.bench.table --peers

coverage: $(TOOLS)/ready  ## run the tests; lists what they do not cover of the package, and fails below 99.5 %
	$(TOOLS)/bin/python -m coverage run -m pytest -q
	$(TOOLS)/bin/python -m coverage report

lint: $(TOOLS)/ready  ## check with ruff: format, imports, docstrings, bugs, security
	$(TOOLS)/bin/python -m ruff format --check
	$(TOOLS)/bin/python -m ruff check

format: $(TOOLS)/ready  ## format with ruff
	$(TOOLS)/bin/python -m ruff check --fix
	$(TOOLS)/bin/python -m ruff format

docs: $(DOCS)/ready  ## build the API reference: build/docs/index.html
	@rm -rf build/docs
	@$(DOCS)/bin/python -m tests.tools.docs build/docs

zipapp:  ## build the command line as one file, dist/ytmusic_oauth.pyz
	@$(PYTHON) -m tests.tools.release.single_file dist/ytmusic_oauth.pyz

vendor: export YTMUSIC_OAUTH_DEST = $(call given,DEST)
vendor:  ## copy the package into another program, or update the copy there: DEST=path/to/app/_vendor; FORCE=1 overwrites changes
	@$(PYTHON) -m tests.tools.release.vendoring

dist: $(TOOLS)/ready  ## build and verify a wheel and an sdist
	@$(TOOLS)/bin/python -m tests.tools.release.distribution dist

release: $(TOOLS)/ready  ## build a release from a clean tree, and check it: wheel, sdist, zipapp and porting kit
	@$(TOOLS)/bin/python -m tests.tools.release.release dist $(RELEASE_PYTHONS)

clean:  ## remove everything that the other targets made
	rm -rf .venv* .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each environment has what its file in tests/requirements lists.
define environment
	@$(PYTHON) -c 'import venv; from ensurepip import bootstrap' 2>/dev/null || \
		{ echo 'make: $(PYTHON) lacks venv. On Debian and Ubuntu: apt install $(notdir $(PYTHON))-venv' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python $(PIP_INSTALL) -r $<
	@for packages in $(@D)/lib/python*/site-packages; do \
		cp tests/offline.py $$packages && echo 'import offline' >$$packages/offline.pth; done
	@touch $@
endef

$(VENV)/ready: tests/requirements/test.txt tests/offline.py
	$(environment)

.venv-%$(SUFFIX)/ready: tests/requirements/%.txt tests/requirements/test.txt tests/offline.py
	$(environment)

# atheris has wheels for few machines. Without it, `make fuzz` is not guided by coverage.
$(FUZZ)/ready: tests/requirements/test.txt
	$(environment)
	-$(FUZZ)/bin/python $(PIP_INSTALL) --only-binary :all: atheris==$(ATHERIS)

# Empty, without even pip: whatever is installed here starts with each Python and would be a part of each floor.
$(BENCH)/ready:
	$(PYTHON) -m venv --clear --without-pip $(BENCH)
	@touch $@

# Without npm, `make interop` leaves out what needs Node, and says so.
$(INTEROP)/node_modules: $(INTEROP)/ready tests/interop/package-lock.json
	cp tests/interop/package.json tests/interop/package-lock.json $(INTEROP)
	if command -v npm >/dev/null; then cd $(INTEROP) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; fi
	@mkdir -p $@ && touch $@
