# SPDX-License-Identifier: MIT
"""Single flight: concurrent callers share one execution.

The only module that uses `threading`, so the guard against forks is here, too: `NO_FORK`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from .exceptions import OAuthError

# Identifies this process. A pid does not: in different pid namespaces, parent and child may have the same one.
_process: Final = [object()]

#: While one thread holds this, no other can fork. It is held during the imports of a refresh, because an import that
#: has begun in one thread never ends in a child that another forks; and from opening a file for locking until the file
#: is noted.
NO_FORK: Final = threading.RLock()


def _after_fork_in_child() -> None:
    _process[0] = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
    os.register_at_fork(before=NO_FORK.acquire, after_in_parent=NO_FORK.release, after_in_child=NO_FORK.release)


class Mutex:
    """A re-entrant lock, so that a signal handler does not wait for the thread that it interrupts."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        # One per process: after a fork, a lock that another thread held would stay locked in the child.
        self._locks: dict[object, threading.RLock] = {}

    def lock(self) -> threading.RLock:
        """Return the lock of this process, for `with`: no interrupt comes between acquiring it and the body."""
        return self._locks.setdefault(_process[0], threading.RLock())


#: Guards every change of a token, which reads old values and installs new ones. Held while values are parsed and
#: compared, never while a store or a server is asked.
CHANGES: Final = Mutex()


class SingleFlight(Mutex):
    """The first caller does the work. Callers that arrive meanwhile share its outcome, or do not wait for it."""

    # The lock guards the work, `generation` and `_error`. Re-entrant, because a signal handler may use the token after
    # `acquire` and before `_owner` is assigned.
    __slots__ = ("_error", "_owner", "generation")

    def __init__(self) -> None:
        super().__init__()
        #: the number of executions whose outcome was shared
        self.generation: int = 0
        self._error: OAuthError | None = None
        self._owner: tuple[object, int] | None = None

    def is_own(self) -> bool:
        """Whether this thread is doing the work. Then a session, a store or a signal handler calls from inside it."""
        return self._owner == caller()

    def run(self, seen: int | None, work: Callable[[], None], *, wait: bool = True) -> bool:
        """Do the work, or wait for the execution that is under way. Returns whether this call did the work.

        `seen` is `generation` as it was when the caller found work to do. If an execution has finished since,
        its outcome is shared: an `OAuthError` is raised again. With None, the work is done in any case, and its outcome
        is not shared. Other exceptions (KeyboardInterrupt) are not shared: the next waiting caller does the work.
        Without `wait`, returns False at once if an execution is under way, and does not raise a shared error.
        """
        lock = self.lock()
        held: list[bool | None] = []
        try:
            # Taking the lock and noting it is one call into C, which no interrupt splits; so is giving it back.
            held.extend(map(lock.acquire, (wait,)))
            if not held[0]:
                return False
            # Acquire it once more by `with`, which always releases it, and give back the first acquisition. A `finally`
            # with `release` could be interrupted before the call.
            with lock:
                held.extend(map(lock.__exit__, (None,), (None,), (None,)))
                return self._run(seen, work, wait)
        except BaseException:
            if held == [True]:  # an interrupt came before it was given back
                lock.release()
            raise

    def _run(self, seen: int | None, work: Callable[[], None], wait: bool) -> bool:
        if seen is not None and self.generation != seen:
            if self._error is not None and wait:
                raise self._error.copy()
            return False
        self._owner = caller()
        try:
            work()
        except OAuthError as error:
            self._share(seen, error.copy())
            raise
        finally:
            self._owner = None
        self._share(seen, None)
        return True

    def _share(self, seen: int | None, error: OAuthError | None) -> None:
        if seen is not None:
            self._error = error
            self.generation += 1


def caller() -> tuple[object, int]:
    """Return the process and the thread that are running."""
    return _process[0], threading.get_ident()
