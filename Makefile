# One target for each thing that a contributor does. Needs Python 3.10 or later and make; each target sets itself up.
PYTHON ?= python3
VENV := .venv
TOOLS := .venv-tools
PYTHONS := $(addprefix python3.,10 11 12 13 14 15) $(sort $(wildcard $(HOME)/.pyenv/versions/3.1*/bin/python3))
CLIENT ?= $(PYTHON) -m tests.porting.clients.python
PLATFORMS := linux darwin win32
TYPE_VERSIONS := 3.10 3.11 3.12 3.13 3.14 3.15

.DEFAULT_GOAL := help
.PHONY: help demo test types test-all torture certify kit-bites coverage lint format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo:  ## watch a device login, a refresh and the token file happen over HTTP, against a fake server
	@$(PYTHON) -m tests.demo

test: $(VENV)/ready  ## mypy and every test; PYTHON=python3.12 chooses another Python
	@$(MAKE) --no-print-directory types TYPE_VERSIONS="$(firstword $(TYPE_VERSIONS)) $(lastword $(TYPE_VERSIONS))"
	$(VENV)/bin/python -m pytest

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

torture: $(VENV)/ready  ## the worst day, for longer: hundreds of kills, deeper schedules, real mounts (as root)
	YTMUSIC_OAUTH_TORTURE=1 $(VENV)/bin/python -m pytest tests/test_processes.py tests/test_simulation.py

certify:  ## put a port to the porting kit: CLIENT="node my_client.js"; our own, if nothing is said
	@$(PYTHON) -m tests.porting --client "$(CLIENT)"

kit-bites:  ## break our own code in a hundred ways, one at a time: the porting kit has to notice each
	@$(PYTHON) -m tests.porting.clients.python.bites

coverage: $(TOOLS)/ready  ## the tests again, failing where a branch of the package is not run
	$(TOOLS)/bin/python -m coverage run -m pytest -q
	$(TOOLS)/bin/python -m coverage report

lint: $(TOOLS)/ready  ## ruff: format, imports, docstrings, bugs, security
	$(TOOLS)/bin/python -m ruff format --check
	$(TOOLS)/bin/python -m ruff check

format: $(TOOLS)/ready  ## let ruff write the format
	$(TOOLS)/bin/python -m ruff check --fix
	$(TOOLS)/bin/python -m ruff format

clean:  ## remove what the other targets made
	rm -rf .venv* .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/ready: tests/requirements.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements.txt
	@touch $@

$(TOOLS)/ready: tests/requirements.txt tests/requirements-tools.txt
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements.txt -r tests/requirements-tools.txt
	@touch $@
