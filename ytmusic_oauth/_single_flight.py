# SPDX-License-Identifier: MIT
"""Work that many threads ask for at once, and that is done once. The only module that knows of threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy

from .exceptions import OAuthError

__all__ = ["SingleFlight", "copy_error"]


class SingleFlight:
    """Whoever comes first works; those who came meanwhile wait, and share what came of it.

    Remember `number`, look whether there is work to do, and `take` a turn with what you remembered: if a turn has ended
    since, it was yours too.
    """

    __slots__ = ("_error", "_locks", "_owner", "generation")

    def __init__(self) -> None:
        self.generation: int = 0
        self._error: OAuthError | None = None
        # Guard the work and the two above. One for each process: a lock that another thread of the parent held while
        # it forked stays locked in the child for ever.
        self._locks: dict[int, AbstractContextManager[bool]] = {}
        self._owner: tuple[int, int] | None = None

    def run(self, seen: int, work: Callable[[], None]) -> bool:
        """Do the work, or wait until it is done; tell which it was. Raises what the work raised.

        What is no `OAuthError`, such as Ctrl-C, ends nobody else's turn: the next in line does the work. The work may
        come back here, from a session that uses the token or a signal handler that reads it: then nothing is done.
        """
        me = (os.getpid(), threading.get_ident())
        if self._owner == me:
            return False
        with self._lock():
            if self.generation != seen:
                if self._error is not None:
                    raise copy_error(self._error)
                return False
            self._owner = me
            try:
                work()
            except OAuthError as error:
                self._error = copy_error(error)  # without the traceback, which holds all that was at hand
                self.generation += 1
                raise
            finally:
                self._owner = None
            self._error = None
            self.generation += 1
            return True

    def aside(self, work: Callable[[], object]) -> bool:
        """Do other work while nobody has a turn. False, and nothing is done, in the middle of a turn of one's own."""
        me = (os.getpid(), threading.get_ident())
        if self._owner == me:
            return False
        with self._lock():
            self._owner = me
            try:
                work()
            finally:
                self._owner = None
        return True

    def _lock(self) -> AbstractContextManager[bool]:
        # Re-entrant: a signal handler may read the token just before `_owner` tells that it is ours.
        return self._locks.setdefault(os.getpid(), threading.RLock())


def copy_error(error: OAuthError) -> OAuthError:
    """Copy an error for another thread to raise; somebody's own subclass may not let itself be copy_error."""
    try:
        return copy(error)
    except TypeError:
        return error.with_traceback(None)
