# SPDX-License-Identifier: MIT
"""Shared by many tests: a clock that only the test moves, and clients of the fake server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest.mock import patch

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from ytmusic_oauth import (
    YOUTUBE,
    Endpoints,
    OAuthCredentials,
    RefreshingToken,
    _commands,
    _login,
    _refresher,
    _store_access,
    _terminal,
    credentials,
    session,
    token,
)
from ytmusic_oauth._file_lock import FileLock

NOON = 1_700_000_000


class Clock:
    """Replaces the module `time`: a wall clock and a monotonic clock, which only `advance` and `sleep` move."""

    def __init__(self, wall: float = NOON, monotonic: float = 1000.0) -> None:
        self.wall = wall
        self.steady = monotonic
        self.slept: list[float] = []

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    @contextmanager
    def installed(self) -> Iterator[Clock]:
        """Give the package this clock, except for files, locks and sockets: those wait in real time."""
        with ExitStack() as patches:
            for module in (_commands, _login, _terminal, credentials, session, token, _refresher, _store_access):
                assert module.time is time
                patches.enter_context(patch.object(module, "time", self))
            yield self


@contextmanager
def counted(owner: type, name: str) -> Iterator[threading.Semaphore]:
    """Count the calls of a method as they begin, with a semaphore for the tests to wait for."""
    calls, method = threading.Semaphore(0), getattr(owner, name)

    def call(*arguments: object, **options: object) -> object:
        calls.release()
        return method(*arguments, **options)

    with patch.object(owner, name, call):
        yield calls


def endpoints(server: FakeGoogle, *, rotates: bool = False) -> Endpoints:
    """Return endpoints like Google's, at the fake server's address."""
    return replace(
        YOUTUBE,
        device_code_url=server.device_code_url,
        token_url=server.token_url,
        revoke_url=server.revoke_url,
        rotates_refresh_tokens=rotates,
    )


def client(server: FakeGoogle, *, rotates: bool = False) -> OAuthCredentials:
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=endpoints(server, rotates=rotates))


def logged_in(server: FakeGoogle, *, rotates: bool = False) -> RefreshingToken:
    """Log in at the fake server, and return the token. The installed clock skips the waits."""
    oauth_client = client(server, rotates=rotates)
    code = oauth_client.get_code()
    server.approve(code["user_code"])
    return RefreshingToken(oauth_client, **oauth_client.wait_for_token(code))


@contextmanager
def file_lock(path: str, timeout: float) -> Iterator[bool]:
    """Hold the lock of a token file. The value is False if locking is not possible."""
    is_locked: list[bool] = []
    with FileLock(path, timeout, lambda: is_locked.append(True), lambda error: error):
        yield bool(is_locked)
