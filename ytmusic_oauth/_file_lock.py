# SPDX-License-Identifier: MIT
"""An inter-process lock on a token file: a kernel lock, released when its holder dies.

It locks the token file itself: no lock file is left behind, and it works across containers that share only that file.
With no file yet, it locks the folder. (Windows cannot replace an open file: there, it locks a file beside it.) Where
locking is impossible, on a file system or platform without locks, callers proceed without it. Any other failure is
raised: "could not lock" is not "there are no locks".

A kernel lock belongs to an open file, which a forked child shares, and keeps as long as it runs. So the child closes
what was open for locking; and a file that was opened while another thread forked is closed and opened again, because
the child may not know about it. An interrupt (Ctrl-C) while the lock is taken releases it, even if its traceback, which
refers to everything, is kept.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Final

from ._single_flight import caller

# Seconds between two tries.
_POLL: Final = 0.05
# How often the file may be replaced between opening and locking it. Some FUSE file systems show a new inode each time:
# then no better lock exists.
_REPLACED: Final = 10
# Errors that mean "held by another process", on POSIX and on Windows.
_TAKEN: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})
# Errors that mean "this file system has no locks". EPERM: a sandbox forbids them; EBADF: NFS, of a file that we may
# only read.
_NO_LOCKS: Final = frozenset(
    {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EPERM, errno.EBADF}
)
# Errors that mean "this file cannot be opened at all": then it cannot be read or written either.
_NO_FILE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS})


# ---- forks ---------------------------------------------------------------------------------------

# Descriptors that this process has open for locking, and the process and thread that opened each.
_opened: Final[dict[int, tuple[object, int]]] = {}
# The threads that are forking, and an object that each fork replaces.
_forking: Final[set[int]] = set()
_last_fork: Final = [object()]


def _before_fork() -> None:
    _forking.add(caller()[1])
    _last_fork[0] = object()


def _after_fork_in_parent() -> None:
    _last_fork[0] = object()
    _forking.discard(caller()[1])


def _after_fork_in_child() -> None:
    _forking.clear()
    while _opened:
        os.close(_opened.popitem()[0])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


# ---- the lock ------------------------------------------------------------------------------------


def locked(path: str, timeout: float) -> AbstractContextManager[bool]:
    """Hold the lock of the token file at `path`. Yields False if locking is not possible here.

    Raises `TimeoutError` if another process has it for `timeout` seconds, `AlreadyLocked` at once if this thread has
    it, and another `OSError` on any other failure.
    """
    return _Locked(path, timeout)


class AlreadyLocked(TimeoutError):
    """This thread has the lock already: it would wait for itself."""


class _Locked:
    """A class, because an interrupt between a generator's `yield` and `with` would keep what the generator holds."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._lock = _NO_LOCK

    def __enter__(self) -> bool:
        lock: _Lock | None = None
        try:
            deadline = time.monotonic() + self._timeout
            while (lock := _try(self._path)) is None:
                if time.monotonic() >= deadline:
                    raise TimeoutError
                time.sleep(_POLL)
            self._lock = lock
        except BaseException:
            if lock is not None:
                lock.close()
            raise
        return lock is not _NO_LOCK

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._lock.close()
        except BaseException:  # an interrupt before it was released
            self._lock.close()
            raise


class _Lock:
    """An open file and its lock. `__del__` closes it, so that an interrupt between acquire and `try` cannot leak it."""

    file = -1

    def __init__(self, file: int) -> None:
        self._caller = caller()  # a new object, so that it also tells this file from a later one with the same number
        self.file = file
        if file >= 0:
            _opened[file] = self._caller

    def is_held_by_this_thread(self) -> bool:
        """Whether this thread has the lock of the same file by another descriptor."""
        status = os.fstat(self.file)
        others = [file for file, holder in _opened.items() if holder == self._caller and file != self.file]
        return any(os.path.samestat(status, os.fstat(file)) for file in others)

    def close(self) -> None:
        # Nothing to do for `_NO_LOCK` (also at interpreter exit, when `_opened` is gone), after `close`, and in a fork.
        if self.file < 0 or _opened.get(self.file) is not self._caller or self._caller[0] is not caller()[0]:
            return
        with suppress(OSError, ImportError):
            _lock(self.file, release=True)  # closing is not enough: a forked child may share the file
        # The lock is released: an interrupt from here on only leaks a descriptor.
        file, self.file = self.file, -1
        _opened.pop(file, None)
        with suppress(OSError):
            os.close(file)

    __del__ = close


_NO_LOCK: Final = _Lock(-1)


def _try(path: str) -> _Lock | None:
    """Return the lock, `_NO_LOCK`, or None if another process holds it."""
    attempt = 1
    while True:
        lock = _try_file(path, is_last=attempt == _REPLACED)
        if lock is None or lock.file >= 0 or lock is _NO_LOCK:
            return lock
        attempt += 1


def _try_file(path: str, *, is_last: bool) -> _Lock | None:
    """As `_try`; a closed lock if the file was replaced meanwhile."""
    try:
        lock = _open_for_lock(path)
    except OSError as error:
        if error.errno in _NO_FILE:
            return _NO_LOCK
        if error.errno in _TAKEN:  # a file lease (fcntl F_SETLEASE)
            return None
        raise
    try:
        _lock(lock.file)
        if not is_last and not _is_current(lock.file, path):
            lock.close()
    except ImportError:
        lock.close()
        return _NO_LOCK
    except OSError as error:
        is_ours = lock.is_held_by_this_thread()
        lock.close()
        if error.errno in _NO_LOCKS:
            return _NO_LOCK
        if error.errno not in _TAKEN:
            raise
        if is_ours:
            raise AlreadyLocked from None
        return None
    except BaseException:
        lock.close()
        raise
    return lock


def _open_for_lock(path: str) -> _Lock:
    while True:
        last_fork = _last_fork[0]
        lock = _Lock(_open(path))
        if _last_fork[0] is last_fork and not _forking - {caller()[1]}:
            return lock
        lock.close()
        time.sleep(0.001)


def _open(path: str) -> int:
    if sys.platform == "win32":
        return os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT)
    else:
        flags = os.O_NONBLOCK | os.O_NOCTTY
        try:
            return os.open(path, os.O_RDWR | flags)  # NFS locks only files that are open for writing
        except FileNotFoundError:
            return os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | flags)
        except OSError as error:
            if error.errno not in _NO_FILE | {errno.EISDIR, errno.ETXTBSY}:
                raise
        return os.open(path, os.O_RDONLY | flags)


def _lock(file: int, *, release: bool = False) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_UNLCK if release else msvcrt.LK_NBLCK, 1)
    else:
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
