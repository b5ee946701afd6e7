# SPDX-License-Identifier: MIT
"""A plugin for pytest: which tests a mutant is put to.

mutmut names every test that comes through the function, most of them by accident. Only those that belong to its module
are run: they are what somebody who changes it reads. And it names them by their whole ids, which pytest cannot find
again if there are backslashes in them; so it is given the functions, and the ids choose from what that collects.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import pytest

__all__ = ["pytest_collection_modifyitems", "pytest_configure"]

_BELONG: Final[Mapping[str, str]] = {
    "exceptions": "errors wire storage",
    "expiry": "expiry vectors",
    "kinds": "kinds wire vectors storage",
    "messages": "wire errors retries vectors",
    "protocol": "wire vectors credentials",
    "device": "device vectors",
    "held": "expiry vectors token",
    "session": "retries transport credentials wire",
    "transport": "transport",
    "credentials": "credentials retries wire",
    "storage": "storage windows command_line prompt",
    "lock": "lock windows sharing",
    "turns": "sharing simulation",
    "upkeep": "sharing token prompt storage clocks simulation",
    "prompt": "prompt command_line",
    "token": "token sharing prompt api",
    "commands": "command_line",
    "__main__": "command_line",
    "__init__": "transport",
}
_CHOSEN = pytest.StashKey[frozenset[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Give pytest what it can find."""
    mutant = os.environ.get("MUTANT_UNDER_TEST", "").split(".")
    asked = config.args
    if len(mutant) > 1:  # ytmusic_oauth.module.function
        files = {f"tests/test_{each}.py" for each in _BELONG.get(mutant[1], _BELONG["__init__"]).split()}
        asked = [each for each in asked if each.split("::")[0] in files] or ["tests/tools/mutation"]
    config.stash[_CHOSEN] = frozenset(each for each in asked if "[" in each)
    config.args = list(dict.fromkeys(each.split("[")[0] for each in asked))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what was asked for."""
    if chosen := config.stash[_CHOSEN]:
        items[:] = [item for item in items if item.nodeid in chosen or "[" not in item.nodeid]
