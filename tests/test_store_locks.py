# SPDX-License-Identifier: MIT
"""A refresh over a store that is slow, or whose lock is taken or lost. Each test was a login lost in `make engines`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext

import pytest

from tests.support import Clock
from ytmusic_oauth import OAuthError, RefreshingToken, TokenStoreError
from ytmusic_oauth.credentials import Credentials
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict

LIFETIME = 3600


def nothing() -> None:
    pass


DUE = LIFETIME - 30


class Store:
    """A token in memory, and what was done to it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.text: str | None = None
        self.steps: list[str] = []
        self.lease = math.inf
        self.is_taken = False
        self.cannot_save = False
        self.during_read = 0.0
        self.after_replace: Callable[[], None] = nothing

    def read(self) -> str | None:
        self.steps.append("read")
        self.clock.advance(self.during_read)
        return self.text

    def replace(self, before: str | None, after: str) -> bool:
        self.steps.append("replace")
        if self.cannot_save:
            raise ConnectionError
        if self.text != before:
            return False
        self.text = after
        after_replace, self.after_replace = self.after_replace, nothing
        after_replace()
        return True

    @contextmanager
    def lock(self, timeout: float) -> Generator[float, None, None]:
        self.steps.append("lock")
        if self.is_taken:
            raise TimeoutError
        yield self.clock.steady + self.lease
        self.steps.append("release")


class Copy:
    """The same store, as another process has it."""

    def __init__(self, store: Store) -> None:
        self.read, self.replace, self.lock = store.read, store.replace, store.lock


class Server(Credentials):
    """A client of a server that rotates refresh tokens, both in one."""

    def __init__(self, store: Store) -> None:
        super().__init__("id", "secret")
        self.store = store
        self.asked: list[str] = []
        self.during: Callable[[], None] = nothing
        self.error: OAuthError | None = None

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        self.store.steps.append("ask")
        if self.error is not None:
            raise self.error
        self.asked.append(refresh_token)
        during, self.during = self.during, nothing
        during()
        return token(len(self.asked))


def token(number: int, expires_at: int = 0) -> RefreshableTokenDict:
    return {
        "scope": "https://www.googleapis.com/auth/youtube",
        "token_type": "Bearer",
        "access_token": f"access-{number}",
        "refresh_token": f"refresh-{number}",
        "expires_in": LIFETIME,
        "expires_at": expires_at,
    }


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


@pytest.fixture
def server(store: Store) -> Server:
    return Server(store)


@pytest.fixture
def kept(store: Store, server: Server, clock: Clock) -> RefreshingToken:
    """A fresh token in the store."""
    kept = RefreshingToken(server, **token(0, int(clock.wall) + LIFETIME))
    kept.keep_in(store)
    store.steps.clear()
    return kept


@pytest.mark.parametrize("yielded", ["null", "true", '"inf"'])
def test_a_lock_that_yields_no_time_is_an_error_that_names_the_store(
    kept: RefreshingToken, store: Store, server: Server, monkeypatch: pytest.MonkeyPatch, yielded: str
) -> None:
    monkeypatch.setattr(store, "lock", lambda timeout: nullcontext(json.loads(yielded)))
    with pytest.raises(TokenStoreError, match=r"Store\.lock must yield the time at which the lease ends"):
        kept.refresh()
    assert server.asked == []


def test_nothing_is_sent_after_a_read_that_outlived_the_lease(
    kept: RefreshingToken, store: Store, server: Server, clock: Clock
) -> None:
    clock.advance(2 * LIFETIME)
    store.lease, store.during_read = 60.0, 50.0
    with pytest.raises(OAuthError, match="lease") as caught:
        assert kept.access_token
    assert caught.value.retryable
    assert server.asked == []


def test_after_a_sleep_the_store_is_locked_and_read_before_the_next_refresh(
    kept: RefreshingToken, store: Store, server: Server, clock: Clock
) -> None:
    clock.advance(2 * LIFETIME)
    server.during = lambda: clock.advance(2 * LIFETIME)
    assert kept.access_token == "access-2"
    assert server.asked == ["refresh-0", "refresh-1"]
    once = ["lock", "read", "ask", "replace", "release"]
    assert store.steps == once * 2


def test_after_a_sleep_what_another_process_refreshed_is_adopted(
    kept: RefreshingToken, store: Store, server: Server, clock: Clock
) -> None:
    clock.advance(2 * LIFETIME)
    server.during = lambda: clock.advance(2 * LIFETIME)

    def read_elsewhere() -> None:
        """As with a file: the save releases the lock, and another process gets it."""
        store.steps.append("other process")
        assert RefreshingToken.load(server, Copy(store)).access_token == "access-2"

    store.after_replace = read_elsewhere
    assert kept.access_token == "access-2"
    assert server.asked == ["refresh-0", "refresh-1"]


def test_a_lock_that_is_taken_is_tried_once_a_second_while_the_token_is_valid(
    kept: RefreshingToken, store: Store, clock: Clock
) -> None:
    clock.advance(DUE)
    store.is_taken = True
    for _ in range(20):
        assert kept.access_token == "access-0"
        clock.advance(0.1)
    assert store.steps == ["lock"] * 2
    store.is_taken = False
    clock.advance(1)
    assert kept.access_token == "access-1"


class FailingLock:
    """Cannot be acquired: the lock may be another process's."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps

    def __enter__(self) -> float:
        raise ConnectionError

    def __exit__(self, *_: object) -> None:
        self.steps.append("release")


def test_a_lock_that_could_not_be_acquired_is_not_released(
    kept: RefreshingToken, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(2 * LIFETIME)
    monkeypatch.setattr(store, "lock", lambda _: FailingLock(store.steps))
    with pytest.raises(OAuthError, match="ConnectionError"):
        assert kept.access_token
    assert store.steps == []


def test_a_token_that_could_not_be_saved_is_saved_before_the_next_refresh_can_fail(
    kept: RefreshingToken, store: Store, server: Server, clock: Clock
) -> None:
    clock.advance(2 * LIFETIME)
    store.cannot_save = True
    with pytest.warns(RuntimeWarning, match="in memory only"):
        assert kept.access_token == "access-1"
    clock.advance(2 * LIFETIME)
    store.cannot_save = False
    server.error = OAuthError("The server is down", retryable=True)
    with pytest.raises(OAuthError, match="server is down"):
        assert kept.access_token
    assert store.text is not None
    assert "refresh-1" in store.text
