# SPDX-License-Identifier: MIT
"""Breaks in the refresh as the user meets it: of one token, of its file, and of many threads and processes at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from ytmusic_oauth import _cycle, _store_access
from ytmusic_oauth._cycle import Cycle
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._refresher import Refresher
from ytmusic_oauth._single_flight import SingleFlight
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth._state import Backoff, State
from ytmusic_oauth._steps import FRESH, Event, Goal, Step, Steps
from ytmusic_oauth._token_text import READ_PATIENCE
from ytmusic_oauth.credentials import Credentials
from ytmusic_oauth.exceptions import OAuthError, TokenFileError

from .registry import constant, replaces

__all__: list[str] = []

ensure, refreshed, after_failure, run = (
    Refresher.ensure_valid,
    Snapshot.refreshed,
    Backoff.after_failure,
    SingleFlight.run,
)
refresh, reload, save = Refresher.refresh, Cycle._reload, Cycle._save

# ---- one token -----------------------------------------------------------------------------------


def _is_valid(state: State) -> bool:
    return state.snapshot.valid.covers(time.time(), time.monotonic())


@replaces(refreshed, "a slow response makes a token valid for longer", caught_by="expiry/relative-*")
def _(old: Snapshot, wall: float, monotonic: float, response: Mapping[str, object]) -> Snapshot:
    return refreshed(old, time.time(), time.monotonic(), response)


@replaces(Cycle.refresh, "a server restart stops the music, though the token is valid", caught_by="expiry/returned-*")
def _(cycle: Cycle) -> Steps:
    return cycle._refresh()


@replaces(ensure, "an expired token is returned because the server is failing", caught_by="expiry/not-returned-*")
def _(refresher: Refresher, credentials: Credentials, goal: Goal = FRESH) -> Snapshot:
    try:
        return ensure(refresher, credentials, goal)
    except OAuthError as error:
        if not error.retryable:
            raise
    return refresher.state.snapshot


@replaces(
    ensure,
    "the end of a login is not reported while the old token is valid",
    caught_by="expiry/revoked-login-*",
)
def _(refresher: Refresher, credentials: Credentials, goal: Goal = FRESH) -> Snapshot:
    try:
        return ensure(refresher, credentials, goal)
    except OAuthError:
        if not _is_valid(refresher.state):
            raise
    return refresher.state.snapshot


@replaces(ensure, "a rejected refresh token is sent again at every read", caught_by="expiry/revoked-login-*")
def _(refresher: Refresher, credentials: Credentials, goal: Goal = FRESH) -> Snapshot:
    refresher.state.refused = None
    return ensure(refresher, credentials, goal)


@replaces(ensure, "a failing server is sent a request at every read", caught_by="expiry/returned-*")
def _(refresher: Refresher, credentials: Credentials, goal: Goal = FRESH) -> Snapshot:
    refresher.state.server_backoff = Backoff()
    return ensure(refresher, credentials, goal)


@replaces(
    ensure,
    "once the token has expired, a failing server is sent a request at every read",
    caught_by="expiry/failing-server-*",
)
def _(refresher: Refresher, credentials: Credentials, goal: Goal = FRESH) -> Snapshot:
    if not _is_valid(refresher.state):
        refresher.state.server_backoff = Backoff()
    return ensure(refresher, credentials, goal)


@replaces(after_failure, "the next request comes before the time in Retry-After", caught_by="expiry/failing-server-*")
def _(backoff: Backoff, monotonic: float, retry_after: float | None = None) -> Backoff:
    return after_failure(backoff, monotonic)


# ---- its file ------------------------------------------------------------------------------------


@replaces(FileStore.replace, "a refreshed token is not saved", caught_by="file/refresh-*")
def _(store: FileStore, before: str | None, after: str) -> bool:
    return True


@replaces(_store_access.warn, "a full disk stops the music", caught_by="file/disk-full")
def _(message: str) -> None:
    raise TokenFileError(message)


@replaces(save, "a token that could not be saved is never saved", caught_by="file/disk-full-for-a-while")
def _(cycle: Cycle, problem: OAuthError | None) -> Generator[Step, Event, bool]:
    is_saved = yield from save(cycle, problem)
    cycle._state.clean = cycle._state.snapshot.token
    return is_saved


@replaces(reload, "a file that is no longer a token file is overwritten", caught_by="file/no-longer-*")
def _(cycle: Cycle, patience: float = READ_PATIENCE) -> Generator[Step, Event, OAuthError | None]:
    yield from reload(cycle, patience)
    return None


# ---- many at once --------------------------------------------------------------------------------


@replaces(State.reconcile, "a token that another process has saved is not used", caught_by="concurrency/*process*")
def _(state: State, there: Snapshot, wall: float, monotonic: float, *, rejected: str | None = None) -> None:
    state.last_read = there.token


@replaces(
    FileStore.lock,
    "two processes refresh at once, and rotation ends the login",
    caught_by="concurrency/two-processes-*",
)
@contextmanager
def _(store: FileStore, timeout: float) -> Generator[float, None, None]:
    yield float("inf")


_turns = threading.Lock()


@replaces(
    refresh,
    "sixteen threads that got a 401 refresh sixteen times",
    caught_by="concurrency/sixteen-threads-after-a-401",
)
def _(refresher: Refresher, credentials: Credentials, rejected: str | None) -> None:
    with _turns:
        refresh(refresher, credentials, None)


@replaces(
    run,
    "sixteen threads send sixteen requests to a failing server",
    caught_by="concurrency/sixteen-threads-share-a-failure",
)
def _(flight: SingleFlight, seen: int | None, work: Callable[[], None], *, wait: bool = True) -> bool:
    tried = False

    def noted() -> None:
        nonlocal tried
        tried = True
        work()

    try:
        return run(flight, seen, noted, wait=wait)
    except OAuthError:
        if not tried:
            work()
        raise


@replaces(run, "every thread waits while one refreshes a valid token", caught_by="concurrency/valid-token-*-threads")
def _(flight: SingleFlight, seen: int | None, work: Callable[[], None], *, wait: bool = True) -> bool:
    return run(flight, seen, work)


constant(
    _cycle,
    "LOCK_WAIT",
    0.0,
    "a process that finds the file locked gives up at once",
    caught_by="cycle-locking/expired-waits*",
)
