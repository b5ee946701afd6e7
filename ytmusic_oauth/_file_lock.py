# SPDX-License-Identifier: MIT
"""The lock of a token file, among processes: the kernel's, so that it dies with whoever holds it.

It is taken on the token file itself, leaves nothing behind, and reaches into containers that share nothing but that
file. (Windows cannot replace a file that is open: there, it is taken on a file beside it.) Where there is no lock to be
had, nobody waits for one: no file yet, a file system or a platform without locks.

With `storage`, the only module that opens token files. Imports `exceptions`.
"""

from __future__ import annotations

import errno
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
# What POSIX, and what Windows, says of a lock that somebody else has.
_TAKEN: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES})

# The files that this process has open for their locks. A forked child has copies of them, and would keep the locks for
# as long as it lives.
_opened: Final[set[int]] = set()


def _forget_inherited() -> None:
    while _opened:
        os.close(_opened.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_inherited)


@contextmanager
def locked(path: str, timeout: float = TIMEOUT) -> Generator[bool, None, None]:
    """Hold the lock of the token file at `path`; answers False where there is none to be had.

    Raises a retryable `TokenFileError` when somebody else holds it for `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while (lock := _try(path)) is None:
        if time.monotonic() >= end:
            problem = f"Somebody else has had the lock of the token file for {timeout:g} s"
            raise TokenFileError(problem, path=path, retryable=True)
        time.sleep(_POLL)
    try:
        yield lock is not _NO_LOCK
    finally:
        lock.close()


class _Lock:
    """A file that is open for its lock. It is closed with its last reference, whatever interrupted its holder."""

    def __init__(self, file: int) -> None:
        self.file = file
        self._process = os.getpid()
        if file >= 0:
            _opened.add(file)

    def close(self) -> None:
        # None at all (that one ends with Python, when `_opened` is gone already); closed; or a forked child's.
        if self.file < 0 or self.file not in _opened or self._process != os.getpid():
            return
        with suppress(OSError, ImportError):
            _lock(self.file, release=True)  # to close it is not enough: a forked child may have it open, too
        # From here on, all that an interrupt can cost is an open file.
        file, self.file = self.file, -1
        _opened.discard(file)
        os.close(file)

    __del__ = close


_NO_LOCK: Final = _Lock(-1)


def _try(path: str) -> _Lock | None:
    """Return the lock, `_NO_LOCK`, or None if somebody else has it."""
    try:
        lock = _Lock(_open(path))
    except OSError:
        return _NO_LOCK
    try:
        _lock(lock.file)
        if _is_current(lock.file, path):
            return lock
    except (OSError, ImportError) as error:
        if getattr(error, "errno", None) not in _TAKEN:
            lock.close()
            return _NO_LOCK
    lock.close()
    return None


def _open(path: str) -> int:
    if sys.platform == "win32":
        return os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT)
    else:
        flags = os.O_NONBLOCK | os.O_NOCTTY
        try:  # NFS locks only what is open for writing
            return os.open(path, os.O_RDWR | flags)
        except OSError:
            return os.open(path, os.O_RDONLY | flags)


def _lock(file: int, *, release: bool = False) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_UNLCK if release else msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN if release else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_current(file: int, path: str) -> bool:
    """Tell whether the file that was opened is still the one at `path`: the last holder may have replaced it."""
    if sys.platform == "win32":
        return True
    else:
        try:
            return os.path.samestat(os.fstat(file), os.stat(path))
        except FileNotFoundError:
            return False
