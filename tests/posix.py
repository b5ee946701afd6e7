# SPDX-License-Identifier: MIT
"""The functions of `os` and `signal` that Windows and WebAssembly lack, for tests that are skipped elsewhere."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "win32" and sys.platform != "emscripten":
    from os import chown, fchown, fork, geteuid, killpg, lchown, setpgid
    from signal import SIGKILL, alarm
else:

    def chown(path: object, user: int, group: int) -> None:
        raise NotImplementedError

    def fchown(file: int, user: int, group: int) -> None:
        raise NotImplementedError

    lchown = chown

    def fork() -> int:
        raise NotImplementedError

    def geteuid() -> int:
        raise NotImplementedError

    def killpg(group: int, number: int) -> None:
        raise NotImplementedError

    def setpgid(process: int, group: int) -> None:
        raise NotImplementedError

    SIGKILL = 9

    def alarm(seconds: int) -> int:
        raise NotImplementedError


needs_root = pytest.mark.skipif(
    sys.platform in {"win32", "emscripten"} or geteuid() != 0, reason="only root can do this"
)


__all__ = ["SIGKILL", "alarm", "chown", "fchown", "fork", "geteuid", "killpg", "lchown", "needs_root", "setpgid"]
