# SPDX-License-Identifier: MIT
"""A plugin of pytest for WebAssembly: a test that asks for what is not there is skipped, and no other.

There are no processes, no threads and no sockets to listen on, and Hypothesis is compiled for another machine.
`run.mjs` loads this before any test.
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


class _WithoutHypothesis(ModuleType):
    """Enough of it to import what uses it."""

    HealthCheck = settings = strategies = MagicMock()

    @staticmethod
    def given(*_: object, **__: object) -> pytest.MarkDecorator:
        return pytest.mark.skip(reason="WebAssembly has no Hypothesis")


def _lacking(what: str, *places: tuple[object, str]) -> None:
    def ask(*_: object, **__: object) -> NoReturn:
        pytest.skip(f"WebAssembly has no {what}")

    for owner, name in places:
        pytest.MonkeyPatch().setattr(owner, name, ask, raising=False)


def _bind(unbound: socket.socket, *_: object) -> NoReturn:
    unbound.close()
    pytest.skip("WebAssembly has nobody to listen to")


_lacking("processes", (subprocess, "Popen"), (os, "fork"))
_lacking("threads", (threading.Thread, "start"))
_lacking("FIFOs", (os, "mkfifo"))
pytest.MonkeyPatch().setattr(socket.socket, "bind", _bind, raising=False)
sys.modules["hypothesis"] = _WithoutHypothesis("hypothesis")

# Of no use without: processes, users and signals; another Hypothesis; a lock that somebody else could have; a watch.
_ELSEWHERE: Final = frozenset(
    {
        "test_bench.py",
        "test_conversation.py",
        "test_file_lock.py",
        "test_porting.py",
        "test_processes.py",
        "test_windows.py",
    }
)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path.name in _ELSEWHERE else None
