# SPDX-License-Identifier: MIT
"""A pytest plugin for WebAssembly: it skips a test when the test uses what WebAssembly lacks.

WebAssembly has no processes, no threads and no listening sockets, and the installed Hypothesis is compiled for another
machine. `run.mjs` loads this plugin before any test.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Final, NoReturn
from unittest.mock import MagicMock

import pytest

from tests import posix


class _WithoutHypothesis(ModuleType):
    """Enough of it to import the tests that use it."""

    HealthCheck = settings = strategies = MagicMock()

    @staticmethod
    def given(*_: object, **__: object) -> pytest.MarkDecorator:
        return pytest.mark.skip(reason="WebAssembly has no Hypothesis")


def _skip_users_of(what: str, *places: tuple[object, str]) -> None:
    def skip(*_: object, **__: object) -> NoReturn:
        pytest.skip(f"WebAssembly has no {what}")

    for owner, name in places:
        pytest.MonkeyPatch().setattr(owner, name, skip, raising=False)


def _bind(unbound: socket.socket, *_: object) -> NoReturn:
    unbound.close()
    pytest.skip("WebAssembly has no listening sockets")


_skip_users_of("processes", (subprocess, "Popen"), (os, "fork"), (posix, "fork"))
_skip_users_of("threads", (threading.Thread, "start"))
_skip_users_of("FIFOs", (os, "mkfifo"))
pytest.MonkeyPatch().setattr(socket.socket, "bind", _bind, raising=False)
sys.modules["hypothesis"] = _WithoutHypothesis("hypothesis")

# These need processes, users, signals, Hypothesis, a lock that another process holds, or a precise clock.
_UNSUITABLE: Final = frozenset(
    {
        "test_bench.py",
        "test_conversation.py",
        "test_file_lock.py",
        "test_porting.py",
        "test_processes.py",
        "test_recipes_stores.py",
        "test_stress.py",
        "test_terminal.py",
        "test_windows.py",
    }
)
# These need links that are not followed, the folders of a real home, IPv6, or TLS.
_UNSUITABLE_TESTS: Final = frozenset(
    {
        "test_a_folder_or_a_link_with_the_name_of_a_temporary_file_is_kept",
        "test_a_folder_is_private_if_no_other_user_can_rename_anything_on_the_way",
        "test_an_ipv6_address_is_connected_to",
        "test_a_key_log_that_cannot_be_written_is_named",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.name in _UNSUITABLE_TESTS:
            item.add_marker(pytest.mark.skip(reason="WebAssembly lacks what it needs"))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path.name in _UNSUITABLE else None
