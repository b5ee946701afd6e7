# SPDX-License-Identifier: MIT
"""A pytest plugin: which tests are run for a mutant.

`TESTS` is the one place that says so. mutmut itself would run every test that comes through the changed function, most
of them by accident. It also names tests by their whole ids, which pytest cannot find again if they have a backslash.
So pytest is given the functions, and the ids choose among what it collects.

A test that starts a process is skipped: the mutant exists in this process alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import pytest

__all__ = ["TESTS", "pytest_collection_modifyitems", "pytest_configure"]

# For each module of the package, its tests. The slow ones come last: the first that fails ends the run.
TESTS: Final[Mapping[str, str]] = {
    "__init__": "transport",
    "__main__": "command_line",
    "_client_file": "remembered command_line",
    "_command_line": "command_line",
    "_commands": "command_line",
    "_login": "login command_line",
    "_client_choice": "command_line remembered",
    "_options": "command_line",
    "_output": "command_line terminal prompt",
    "_cycle": "cycle vectors simulation",
    "_expiry": "expiry vectors",
    "_file_kinds": "file_login",
    "_file_lock": "file_lock windows file_store sharing",
    "_file_owner": "windows file_store file_login login",
    "_file_store": "file_store file_login windows command_line prompt",
    "_file_write": "file_store windows",
    "_http": "transport",
    "_log": "log",
    "_messages": "wire errors vectors",
    "_redaction": "wire errors vectors",
    "_refresher": "sharing stores token prompt file_store clocks simulation",
    "_retries": "retries wire vectors",
    "_single_flight": "sharing simulation",
    "_snapshot": "expiry vectors token refresh_tokens",
    "_state": "cycle vectors simulation file_store",
    "_steps": "cycle vectors",
    "_store_access": "stores file_store file_login remembered command_line",
    "_keyboard": "terminal",
    "_terminal": "prompt command_line terminal",
    "_token_text": "cycle vectors file_login file_store",
    "_validation": "validation wire vectors",
    "credentials": "credentials retries wire",
    "device": "device vectors",
    "exceptions": "errors wire stores file_login",
    "protocol": "wire vectors credentials errors",
    "session": "retries credentials wire transport",
    "store": "stores",
    "token": "token stores prompt api file_login sharing",
    "transport": "transport",
}
_CHOSEN = pytest.StashKey[frozenset[str]]()


def _files(modules: Sequence[str]) -> Sequence[str]:
    return list(dict.fromkeys(f"tests/test_{each}.py" for module in modules for each in TESTS[module].split()))


def pytest_configure(config: pytest.Config) -> None:
    """Replace what mutmut asks for."""
    _, _, function = os.environ.get("MUTANT_UNDER_TEST", "").partition(".")
    if not function:  # a run of all these tests, before there are mutants
        config.args = [*_files(os.environ.get("MUTATED", "").split() or list(TESTS))]
        return
    files = _files([function.partition(".")[0]])
    asked = sorted(
        (each for each in config.args if each.split("::")[0] in files),
        key=lambda each: (files.index(each.split("::")[0]), each),
    )
    config.stash[_CHOSEN] = frozenset(each for each in asked if "[" in each)
    # Without any, a folder that has no tests: the mutant survives.
    config.args = list(dict.fromkeys(each.split("[")[0] for each in asked)) or ["tests/tools/mutation"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the ids that mutmut chose."""
    if chosen := config.stash.get(_CHOSEN, frozenset()):
        items[:] = [item for item in items if item.nodeid in chosen or "[" not in item.nodeid]


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(*_: object, **__: object) -> NoReturn:
        pytest.skip("a mutant exists in one process")

    monkeypatch.setattr(subprocess, "Popen", skip)
    monkeypatch.setattr(os, "fork", skip, raising=False)


@pytest.fixture(autouse=True)
def _trampolines_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the functions of mutmut, through which it calls ours: a warning names the first line outside the package."""
    if trampolines := sys.modules.get("mutmut.mutation.trampoline"):
        monkeypatch.setattr(trampolines, "__package__", "ytmusic_oauth")
