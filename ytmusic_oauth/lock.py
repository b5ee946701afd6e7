# SPDX-License-Identifier: MIT
"""The lock of a token file, among processes: the kernel's, so that it dies with whoever holds it.

It is taken on the token file itself, leaves nothing behind, and reaches into containers that share nothing but that
file. (Windows cannot replace a file that is open: there, it is taken on a file beside it.) Where there is no lock to be
had, nobody waits for one: no file yet, a file system or a platform without locks.

With `storage`, the only module that opens files. Imports `exceptions`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from .exceptions import TokenFileError

__all__ = ["locked"]

# Seconds.
TIMEOUT: Final = 10.0
_POLL: Final = 0.05

# What this process has locked. A forked child has copies, and would keep the locks for as long as it lives.
_held: Final[set[int]] = set()


def _forget_inherited() -> None:
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_inherited)


@contextmanager
def locked(path: str, timeout: float = TIMEOUT) -> Generator[bool, None, None]:
    """Hold the lock of the token file at `path`; answers False where there is none to be had.

    Raises a retryable `TokenFileError` when somebody else holds it for `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while (file := _try(path)) is None:
        if time.monotonic() >= end:
            problem = f"Somebody else has had the lock of the token file for {timeout:g} s"
            raise TokenFileError(problem, path=path, retryable=True)
        time.sleep(_POLL)
    try:
        yield file != _NO_LOCK
    finally:
        if file in _held:
            _held.remove(file)
            with suppress(OSError):
                _unlock(file)
            os.close(file)


_NO_LOCK: Final = -1


def _try(path: str) -> int | None:
    """Return the open file that is locked now, `_NO_LOCK`, or None if somebody else has it."""
    try:
        file = _open(path)
    except OSError:
        return _NO_LOCK
    try:
        _lock(file)
        mine = _is_current(file, path)
    except (BlockingIOError, PermissionError):  # what POSIX, and what Windows, says of a lock that is taken
        mine = False
    except (OSError, ImportError):
        os.close(file)
        return _NO_LOCK
    except BaseException:
        os.close(file)
        raise
    if not mine:
        os.close(file)
        return None
    _held.add(file)
    return file


def _open(path: str) -> int:
    if sys.platform == "win32":
        return os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    else:
        flags = os.O_NONBLOCK | os.O_NOCTTY
        try:  # NFS locks only what is open for writing
            return os.open(path, os.O_RDWR | flags)
        except OSError:
            return os.open(path, os.O_RDONLY | flags)


def _lock(file: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_current(file: int, path: str) -> bool:
    """Tell whether the file that was opened is still the one at `path`: the last holder may have replaced it."""
    if sys.platform == "win32":
        return True
    else:
        try:
            return os.path.samestat(os.fstat(file), os.stat(path))
        except FileNotFoundError:
            return False


def _unlock(file: int) -> None:
    # To close the file is not enough: a forked child may have it open, too.
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN)
