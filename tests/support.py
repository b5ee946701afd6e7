# SPDX-License-Identifier: MIT
"""What many tests need: a clock that is moved by hand, and a client of the fake server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from ytmusic_oauth import (
    YOUTUBE,
    Endpoints,
    OAuthCredentials,
    RefreshingToken,
    _commands,
    _refresher,
    credentials,
    session,
    token,
)

NOON = 1_700_000_000


class Clock:
    """Stands in for the module `time`: a wall clock and a monotonic one, which move when told to, or by a sleep."""

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
        """What the package believes the time to be, files, locks and sockets excepted: those wait for real."""
        with pytest.MonkeyPatch.context() as patch:
            for module in (_commands, credentials, session, token, _refresher):
                assert module.time is time
                patch.setattr(module, "time", self)
            yield self


def endpoints(server: FakeGoogle, *, rotates: bool = False) -> Endpoints:
    """Google's ways, at the fake's address."""
    return Endpoints(
        server.device_code_url,
        server.token_url,
        server.revoke_url,
        device_grant=YOUTUBE.device_grant,
        device_code_parameter=YOUTUBE.device_code_parameter,
        authenticate_everywhere=False,
        rotates_refresh_tokens=rotates,
    )


def client(server: FakeGoogle, *, rotates: bool = False) -> OAuthCredentials:
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=endpoints(server, rotates=rotates))


def logged_in(server: FakeGoogle, *, rotates: bool = False) -> RefreshingToken:
    """A token that the fake has just given, by a whole login; the clock that is installed passes the waits."""
    asking = client(server, rotates=rotates)
    code = asking.get_code()
    server.approve(code["user_code"])
    return RefreshingToken(asking, **asking.wait_for_token(code))
