# SPDX-License-Identifier: MIT
"""Carries out the refresh cycle of one token: calls its store, its server and the clocks. `_cycle` decides."""

from __future__ import annotations

import atexit
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from copy import deepcopy
from typing import Callable, Final

from ._cycle import LOCK_WAIT, Cycle, decide
from ._file_lock import FileLock
from ._file_store import FileStore
from ._log import Log
from ._single_flight import CHANGES, SingleFlight, caller
from ._snapshot import Snapshot
from ._state import State
from ._steps import FRESH, Ask, Event, Goal, Lock, Read, Step, Steps, Wait, Warn
from ._store_access import has_type, located, text_in, translated, warn, warn_of_file, wrong_store
from ._token_text import parse_token_text
from ._validation import is_object
from .credentials import Credentials, OAuthCredentials
from .exceptions import OAuthError, TokenStoreError, unexpected
from .store import TokenStore

# A pass through the cycle: a method of `Cycle`.
_Pass = Callable[[Cycle], Steps]
# The thread that holds a lock, the store (locking it again would deadlock), and whether a refresh is under way that may
# replace the refresh token.
_locked: Final[dict[ExitStack, tuple[tuple[object, int], TokenStore, bool]]] = {}


@atexit.register
def _finish() -> None:
    """Wait for a refresh by a daemon thread: at exit, Python stops it, and a new refresh token would be lost."""
    give_up_at = time.monotonic() + LOCK_WAIT
    with suppress(KeyboardInterrupt):
        while _is_rotating() and time.monotonic() < give_up_at:
            time.sleep(0.05)


def _is_rotating() -> bool:
    return any(is_rotating and owner[0] is caller()[0] for owner, _, is_rotating in tuple(_locked.values()))


class Refresher(SingleFlight):
    """Keeps one token fresh for all threads that share it, and keeps it in its store, if it has one.

    It is a `SingleFlight` instead of having one: a program with many accounts needs less memory.
    """

    __slots__ = ("state", "store")

    def __init__(self, state: State, store: TokenStore | None = None) -> None:
        super().__init__()
        self.state = state
        self.store = store

    def __deepcopy__(self, memo: dict[int, object]) -> Refresher:
        # The store is shared.
        return Refresher(deepcopy(self.state, memo), self.store)

    # ---- what a token asks for ----

    def ensure_valid(self, credentials: Credentials, goal: Goal = FRESH) -> Snapshot:
        """Return a valid token, which meets the goal if that is possible without an error.

        Raises an `OAuthError` if the token has expired and cannot be refreshed; `InvalidGrant` even while it is valid.
        """
        while True:
            # Return the snapshot that was judged: another thread may replace it at any time, even by an expired one.
            snapshot, now, seen = self.state.snapshot, _now(), self.generation
            is_valid = _is_valid(snapshot, now)
            task = decide(self.state, goal, now, has_store=self.store is not None)
            if task == "return" or self._is_nested(snapshot, now):
                if is_valid:
                    return snapshot
            elif task == "save":
                self._run_shared(seen, Cycle.save, credentials, wait=False)
            elif task == "refresh":
                self._run_shared(seen, Cycle.refresh, credentials, goal, wait=not is_valid)
            else:
                if task == "look":
                    self._run_shared(seen, Cycle.look, credentials, wait=False)
                if self.state.snapshot is snapshot:
                    raise located(self.store, (self.state.error or OAuthError(retryable=True)).copy())
                continue
            snapshot = self.state.snapshot
            if _is_valid(snapshot, _now()):  # else the machine slept, or another thread changed the token
                return snapshot

    def refresh(self, credentials: Credentials, rejected: str | None) -> None:
        """Get an access token other than `rejected` (None: other than the current one). Raises an `OAuthError`."""
        refreshes = self.state.refreshes
        goal = Goal(rejected=self.state.snapshot.access_token if rejected is None else rejected.split(" ")[-1])
        while self.state.refreshes == refreshes:
            now, seen = _now(), self.generation
            if decide(self.state, goal, now, has_store=False) == "return" or self._is_nested(self.state.snapshot, now):
                return
            if self._run_shared(seen, Cycle.refresh, credentials, goal, wait=True):
                return

    def save(self, credentials: Credentials) -> None:
        """Save the token in its store, if it has one. Raises `TokenStoreError`.

        Does nothing in the middle of this thread's own refresh, which ends with a save.
        """
        if self.store is None or self.is_own():
            return
        self._run_shared(None, Cycle.store, credentials, wait=True)

    def move(self, credentials: Credentials, store: TokenStore | None, *, must_save: bool) -> None:
        """Save the token in another store, replace the token there, and keep ours there from now on.

        In the current store, this is a `save`, which adopts a newer token. If saving fails, raises `TokenStoreError`
        with `must_save`; without, warns and saves later. Does nothing during this thread's own refresh.
        """
        warnings: list[str] = []

        def work() -> None:
            def settle() -> None:
                with CHANGES.lock():
                    if not stays:
                        self.state.moved(there)
                    self.store = kept_in

            stays, kept_in = store is not None and _is_same(store, self.store), store
            there = self.state if stays else State(self.state.snapshot, is_new_login=True)
            try:
                if store is not None:
                    Refresher(there, store).save(credentials)
            except TokenStoreError as error:
                if must_save:
                    stays, kept_in = True, self.store  # nothing has moved
                    raise
                warnings.append(f"{error} The token is in memory only until it can be saved.{there.outlook()}")
                there.store_backoff = there.store_backoff.after_failure(time.monotonic())
            finally:  # even after Ctrl-C: the token may be there already
                try:
                    settle()
                except BaseException:  # Ctrl-C only now
                    settle()
                    raise

        if not self.is_own():
            self.run(None, work)
        if warnings:
            try:
                warn(*warnings)
            except RuntimeWarning:  # with -W error; the login survives, and the next failed save warns
                self.state.store_backoff = self.state.store_backoff._replace(failures=0)

    # ---- threads ----

    def _run_shared(
        self, seen: int | None, way: _Pass, credentials: Credentials, goal: Goal = FRESH, *, wait: bool
    ) -> bool:
        name = "memory" if self.store is None else type(self.store).__name__
        log = Log(self.state, self.store.path if isinstance(self.store, FileStore) else name)
        warnings: list[str] = []
        try:
            has_run = self.run(seen, lambda: warnings.extend(self._carry_out(way, goal, credentials, log)), wait=wait)
        finally:
            log.emit()
        for warning in warnings:  # after the work: what shows a warning may wait for a thread that uses the token
            warn(warning)
        warn_of_file(self.store)
        return has_run

    def _is_nested(self, snapshot: Snapshot, now: Event) -> bool:
        """Whether this thread is refreshing the token already. Raises an `OAuthError` if it has expired."""
        if self.is_own() and not _is_valid(snapshot, now):
            raise OAuthError("This thread is already refreshing this token", retryable=True, reason="no_valid_token")
        return self.is_own()

    # ---- the steps of a cycle ----

    def _carry_out(self, way: _Pass, goal: Goal, credentials: Credentials, log: Log) -> list[str]:
        """Go through the cycle. Returns the warnings: one or none."""
        cycle = Cycle(self.state, _now(), rotates=_rotates(credentials), has_store=self.store is not None, goal=goal)
        held, warning = ExitStack(), None
        try:
            if way is Cycle.store and self.store is not None and self.state.is_new_login:
                # Before anything is read there: it may be another user's trap.
                _check_room(_for_login(self.store))
            warning = self._follow(cycle, way(cycle), held, credentials, log)
        except OAuthError as error:
            raise located(self.store, error) from error.__cause__
        except BaseException:  # Ctrl-C: the process may end, and with it the only copy of a new token
            with suppress(Exception):
                self._follow(cycle, cycle.rescue(is_locked=held in _locked), held, credentials, log)
            raise
        finally:
            try:
                with suppress(Exception):  # the token is saved; failing to release the lock does not matter
                    held.close()
            finally:  # even after another interrupt, which may have left something to close
                _locked.pop(held, None)
                with suppress(Exception):
                    held.close()
        if warning is None:
            return []
        return [f"{located(self.store, warning.error)} {warning.consequence}{self.state.outlook()}"]

    def _follow(self, cycle: Cycle, steps: Steps, held: ExitStack, credentials: Credentials, log: Log) -> Warn | None:
        try:
            with CHANGES.lock():
                step = next(steps)
            while not isinstance(step, Warn):
                began = time.monotonic()
                event = self._do(cycle, step, held, credentials)
                with CHANGES.lock():
                    step = log.send(steps, step, began, event)
        except StopIteration:
            return None
        return step

    def _do(self, cycle: Cycle, step: Step, held: ExitStack, credentials: Credentials) -> Event:
        if isinstance(step, Ask):
            try:
                if self.store is not None and _rotates(credentials):
                    # The refresh token in the store will become invalid. Without room for the new one, the login would
                    # be lost when this process ends.
                    _check_room(self.store)
                    _locked[held] = caller(), self.store, True
                response = cycle.outcome = _ask(credentials, step)
            except OAuthError as error:
                cycle.outcome = error
                return _now()._replace(error=error)
            except Exception as error:  # from a third-party `Credentials`; its message may quote what was sent
                advice = "Correct the class of the credentials."
                return _now()._replace(error=unexpected("credentials.refresh_token", error, advice))
            return _now()._replace(response=response)
        store = self.store
        if isinstance(step, (Wait, Warn)) or store is None:  # without a store, a cycle only asks
            time.sleep(step.seconds if isinstance(step, Wait) else 0.0)
            return _now()
        try:
            with translated():
                if isinstance(step, Lock):
                    held.close()
                    _locked.pop(held, None)
                    return self._lock(store, step.timeout, held)
                # The event has the time after the step: a store may be slow, and the machine may sleep.
                if isinstance(step, Read):
                    text = text_in(store)
                    return _now()._replace(text=text)
                swapped = self._replace(store, step.before, step.after)
                return _now()._replace(swapped=swapped)
        except TokenStoreError as error:
            return _now()._replace(error=error)

    def _replace(self, store: TokenStore, before: str | None, after: str) -> bool:
        """Compare and swap. A token that does not succeed the one that is there is a new login: see `for_login`."""
        state, is_ours = self.state, False
        if before is not None and not state.is_new_login:
            with suppress(TokenStoreError):
                there = parse_token_text(before)["refresh_token"]
                is_ours = there != "" and there in {state.snapshot.refresh_token, *state.superseded}
        if not is_ours:
            store = _for_login(store)
            _check_room(store)  # a file removes the client of the last login before it writes
        return store.replace(before, after)

    def _lock(self, store: TokenStore, timeout: float, held: ExitStack) -> Event:
        me = caller()
        if any(owner == me and _is_same(other, store) for owner, other, _ in tuple(_locked.values())):
            problem = "This thread is already refreshing another token object of the same store"
            return _now()._replace(taken=True, error=TokenStoreError(problem, retryable=True))
        lock: AbstractContextManager[float] | None = None
        try:
            lock = store.lock(timeout)
            if isinstance(lock, FileLock):  # released twice: an interrupt may end the first call before its first line
                held.push(lock)
            until = held.enter_context(lock)
        except TimeoutError:
            return _now()._replace(taken=True)
        except BaseException as error:
            # An interrupt may come after the lock was acquired and before `held` has it.
            if lock is not None and not isinstance(error, Exception):
                with suppress(Exception):
                    lock.__exit__(type(error), error, None)
            raise
        if not has_type(until, int, float):
            raise wrong_store(store, "lock must yield the time at which the lease ends (math.inf: never)")
        _locked[held] = me, store, False
        return _now()._replace(until=until)


def _is_valid(snapshot: Snapshot, now: Event) -> bool:
    return snapshot.valid.covers(now.wall, now.monotonic)


def _is_same(store: TokenStore, other: TokenStore | None) -> bool:
    with translated():
        return store is other or (other is not None and store == other)


def _for_login(store: TokenStore) -> TokenStore:
    with translated():
        for_login: Callable[[], TokenStore] | None = getattr(store, "for_login", None)
        return store if for_login is None else for_login()


def _check_room(store: TokenStore) -> None:
    with translated():
        check_room: Callable[[], object] | None = getattr(store, "check_room", None)
        if check_room is not None:
            check_room()


def _rotates(credentials: Credentials) -> bool:
    rotates: bool = getattr(getattr(credentials, "endpoints", None), "rotates_refresh_tokens", True)
    return rotates


def _now() -> Event:
    return Event(time.time(), time.monotonic())


def _ask(credentials: Credentials, step: Ask) -> Mapping[str, object]:
    # A subclass with ytmusicapi's one-parameter method is called as ytmusicapi calls it.
    if (
        isinstance(credentials, OAuthCredentials)
        and type(credentials).refresh_token is OAuthCredentials.refresh_token
        and "refresh_token" not in vars(credentials)
    ):
        return credentials.refresh_within(step.refresh_token, tries=step.tries, seconds=step.seconds)
    response: object = credentials.refresh_token(step.refresh_token)
    return response if is_object(response) else {}
