# SPDX-License-Identifier: MIT
"""Who waits for a refresh: reads of 8 threads that take more than 50 ms, while a server takes a second to respond."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from unittest.mock import patch

from tests.porting.fake_google import FakeGoogle
from tests.support import client
from ytmusic_oauth import RefreshingToken, _refresher, _store_access, token

__all__ = ["WAITINGS", "Waited", "Waiting", "waited"]

_THREADS: Final = 8
#: Seconds: what counts as waiting.
_SLOW: Final = 0.05
#: Seconds of the token, and how many are left when the reads begin: due for a refresh, or for one ahead of time.
_LIFETIME: Final = 3600
_DUE: Final = 50
_EARLY: Final = 250


class Waiting(NamedTuple):
    """A way to use a token, and the most reads for each refresh that may wait."""

    name: str
    ahead: bool
    limit: int


class Waited(NamedTuple):
    """How many reads there were, and how many of them waited."""

    reads: int
    slow: int
    refreshes: int


class _Clock:
    """The time, and what was added to it."""

    sleep = staticmethod(time.sleep)

    def __init__(self) -> None:
        self.added = 0.0

    def time(self) -> float:
        return time.time() + self.added

    def monotonic(self) -> float:
        return time.monotonic() + self.added

    @contextmanager
    def installed(self) -> Iterator[None]:
        with ExitStack() as stack:
            for module in (token, _refresher, _store_access):
                stack.enter_context(patch.object(module, "time", self))
            yield


def _server(clock: _Clock) -> FakeGoogle:
    return FakeGoogle(clock=clock.monotonic, approve_after=0, token_lifetime=_LIFETIME, rotate=True)


def waited(case: Waiting, folder: Path, *, delay: float = 1.0, refreshes: int = 5) -> Waited:
    """Let 8 threads read the token in a file at all times, and let it be refreshed so many times."""
    clock = _Clock()
    took: list[float] = []
    is_over = threading.Event()
    with clock.installed(), _server(clock) as server:
        oauth_client = client(server, rotates=True)
        login = oauth_client.token_from_code(oauth_client.get_code()["device_code"])
        used = RefreshingToken(oauth_client, **login)
        used.keep_in(folder / "oauth.json")
        server.log = lambda _: time.sleep(delay)

        def read() -> None:
            while not is_over.wait(0.002):
                began = time.perf_counter()
                used.as_auth()
                took.append(time.perf_counter() - began)

        def tick() -> None:
            while not is_over.wait(0.1):
                used.refresh_ahead(_EARLY + 50)

        before = len(server.requests_to("token"))
        threads = [threading.Thread(target=each) for each in [read] * _THREADS + [tick] * case.ahead]
        for thread in threads:
            thread.start()
        try:
            for count in range(1, refreshes + 1):
                clock.added += used.expires_at - clock.time() - (_EARLY if case.ahead else _DUE)
                server.wait_for_requests(before + count, "token")
                time.sleep(1.5 * delay)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        return Waited(len(took), sum(each > _SLOW for each in took), len(server.requests_to("token")) - before)


WAITINGS: Final = (
    Waiting("8 threads read", ahead=False, limit=1),
    Waiting("8 threads read, one calls refresh_ahead", ahead=True, limit=0),
)
