# SPDX-License-Identifier: MIT
"""An inter-process lock on a token file: a kernel lock, released when its holder dies.

It locks the token file itself: no lock file is left behind, and it works across containers that share only that file.
If there is no file yet, it locks the folder. (Windows cannot replace an open file: there, it locks a file beside it,
and leaves that behind.) Where locking is impossible, on a file system or platform without locks, or for a file
that cannot be opened, callers proceed without it. Any other failure is raised.

A kernel lock belongs to an open file, which a forked child shares and would keep open as long as it runs. So the child
closes each file that is open for locking. While a thread opens one, other threads cannot fork. A signal handler of the
same thread can: after that, the parent closes the file and opens it again, because the child has a copy that it does
not know of. An interrupt (Ctrl-C) while the lock is being acquired releases it, even if the program keeps the
traceback, whose frames keep the lock object alive.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakSet

from ._single_flight import NO_FORK

# Seconds between two tries.
_POLL: Final = 0.05
_UNTIL_RELEASED: Final = float("inf")
# How often the file may be replaced between opening and locking it. Some FUSE file systems show a new inode each time:
# then no better lock exists.
_REPLACED: Final = 10
# Errors that mean "held by another process", on POSIX and on Windows.
_TAKEN: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})
# Errors that mean "this file system has no locks". EPERM: a sandbox forbids them; EBADF: NFS, for a file that we may
# only read.
_NO_LOCKS: Final = frozenset(
    {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EPERM, errno.EBADF}
)
# Errors that mean "this file cannot be opened at all": then it cannot be read or written either.
_NO_FILE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS})


# ---- forks ---------------------------------------------------------------------------------------

# What this process has open for locking.
_open_locks: Final[WeakSet[FileLock]] = WeakSet()
# An object that each fork replaces.
_last_fork: Final = [object()]


def _after_fork_in_parent() -> None:
    _last_fork[0] = object()


def _after_fork_in_child() -> None:
    while _open_locks:
        _open_locks.pop().forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


# ---- the lock ------------------------------------------------------------------------------------


class FileLock:
    """The lock of the token file at `path`, as a store has it: a context manager, to be used once.

    Calls `on_locked` while it is held, unless locking is not possible here. Raises `TimeoutError` if another process
    holds it for all of `timeout` seconds, and what `failed` returns for any other failure.

    A class, not a generator: an interrupt between its `yield` and the body of the `with` would leave the lock held.
    """

    # The file that is open for locking; -1: none.
    _file = -1

    def __init__(
        self, path: str, timeout: float, on_locked: Callable[[], None], failed: Callable[[OSError], Exception]
    ) -> None:
        self._path, self._timeout, self._on_locked, self._failed = path, timeout, on_locked, failed

    def __enter__(self) -> float:
        deadline = time.monotonic() + self._timeout
        try:
            while (is_locked := self._try()) is None:
                if time.monotonic() >= deadline:
                    raise TimeoutError
                time.sleep(_POLL)
            if is_locked:
                self._on_locked()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError) and error.errno is not None:  # even ETIMEDOUT of a network file system
                raise self._failed(error) from error
            raise
        return _UNTIL_RELEASED  # a constant: a call could be interrupted, and the lock would stay held

    def __exit__(self, *_: object) -> None:
        try:
            self._close()
        except BaseException:  # an interrupt before it was released
            self._close()
            raise

    def _try(self) -> bool | None:
        """Take the lock: False if locking is not possible here, None if another process has it."""
        attempt = 0
        while True:
            attempt += 1
            try:
                self._open()
                _lock(self._file)
                if attempt == _REPLACED or _is_current(self._file, self._path):
                    return True
                self._close()
            except ImportError:
                self._close()
                return False
            except OSError as error:
                impossible = _NO_FILE if self._file < 0 else _NO_LOCKS
                self._close()
                if error.errno in impossible:
                    return False
                if error.errno in _TAKEN:  # or, if it could not be opened, a file lease (fcntl F_SETLEASE)
                    return None
                raise

    def _open(self) -> None:
        last_fork = None
        while last_fork is not _last_fork[0]:
            self._close()
            last_fork = _last_fork[0]
            with NO_FORK:
                self._file = _open(self._path)
                _open_locks.add(self)

    def _close(self) -> None:
        if self._file < 0:
            return
        with suppress(OSError, ImportError):
            _lock(self._file, release=True)  # closing is not enough: a forked child may share the file
        self.forget()  # the lock is released: an interrupt from here on only leaks a descriptor

    __del__ = _close  # an interrupt may come before the first line of `__exit__`

    def forget(self) -> None:
        """Close the file, and leave the lock to the process that has it."""
        file, self._file = self._file, -1
        _open_locks.discard(self)
        with suppress(OSError):
            os.close(file)


def _open(path: str) -> int:
    if sys.platform == "win32":
        return os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT)
    else:
        flags = os.O_NONBLOCK | os.O_NOCTTY
        try:
            return os.open(path, os.O_RDWR | flags)  # NFS locks only files that are open for writing
        except FileNotFoundError:
            return os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY)
        except OSError as error:
            if error.errno not in _NO_FILE | {errno.EISDIR, errno.ETXTBSY}:
                raise
        return os.open(path, os.O_RDONLY | flags)


def _lock(file: int, *, release: bool = False) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_UNLCK if release else msvcrt.LK_NBLCK, 1)
    else:
        with NO_FORK:
            import fcntl

        fcntl.flock(file, fcntl.LOCK_UN if release else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_current(file: int, path: str) -> bool:
    """Whether the opened file is still the one at `path`: the last holder may have replaced or created it."""
    if sys.platform == "win32":
        return True
    else:
        status = os.fstat(file)
        try:
            return os.path.samestat(status, os.stat(path))
        except FileNotFoundError:
            return stat.S_ISDIR(status.st_mode)
