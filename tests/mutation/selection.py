# SPDX-License-Identifier: MIT
"""A plugin for pytest: mutmut names hundreds of tests by their whole ids, and some of ours have backslashes in them.

pytest can't find those again. So it is given the functions, and the ids choose from what that collects.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

__all__ = ["pytest_collection_modifyitems", "pytest_configure"]

_CHOSEN = pytest.StashKey[Iterable[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Give pytest what it can find."""
    config.stash[_CHOSEN] = [each for each in config.args if "[" in each]
    config.args = list(dict.fromkeys(each.split("[")[0] for each in config.args))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what was asked for."""
    if chosen := set(config.stash[_CHOSEN]):
        items[:] = [item for item in items if item.nodeid in chosen or "[" not in item.nodeid]
