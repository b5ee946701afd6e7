# SPDX-License-Identifier: MIT
"""What a program that uses `logging` is told. `test_secrets.py` looks for secrets in it."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final, NoReturn

import pytest

from tests.porting.fake_google import FAULTS, FakeGoogle
from tests.support import Clock, logged_in
from tests.test_stores import LATER_LOGIN, VALUES, Memory, Server
from ytmusic_oauth import (
    InvalidGrant,
    MalformedResponse,
    RateLimited,
    RefreshingToken,
    TransportError,
    _log,
    _refresher,
)
from ytmusic_oauth._state import State
from ytmusic_oauth.models import BaseTokenDict

DOCUMENTED: Final = set(re.findall(r"^ *\| `(\w+)` \| [A-Z]+ \|", RefreshingToken.__doc__ or "", re.MULTILINE))
PARTS: Final = ("event", "store", "seconds", "rotated", "taken", "what", "error", "reason")
HOUR: Final = 3600


@pytest.fixture(autouse=True)
def _every_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ytmusic_oauth")


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """Return the parts of each event, except those that only say which store it was."""
    every = [vars(record) for record in caplog.records]
    assert {record["event"] for record in every} <= DOCUMENTED
    return [{part: record[part] for part in PARTS if part in record and part != "store"} for record in every]


def loaded(store: Memory) -> tuple[RefreshingToken, Server]:
    server = Server()
    return RefreshingToken.load(server, store), server


def test_a_refresh_is_logged_with_what_a_metric_needs(
    server: FakeGoogle, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, file = logged_in(server), tmp_path / "oauth.json"
    token.local_cache = file
    clock.sleep(HOUR)
    token.as_auth()
    token.as_auth()
    [record] = caplog.records
    assert (record.name, record.levelname) == ("ytmusic_oauth", "INFO")
    assert record.getMessage() == f"event=refreshed, store={file}, seconds=0.0, rotated=False"
    assert events(caplog) == [{"event": "refreshed", "seconds": 0.0, "rotated": False}]


def test_a_rotation_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.meanwhile = lambda: clock.sleep(1 / 3)
    token = RefreshingToken(server, **VALUES)
    token.refresh()
    assert events(caplog) == [{"event": "refreshed", "seconds": 0.333, "rotated": True}]
    assert vars(caplog.records[0])["store"] == "memory"


def test_a_token_from_the_store_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    store = Memory(VALUES)
    token, server = loaded(store)
    clock.sleep(HOUR)
    RefreshingToken.load(server, store).as_auth()
    caplog.clear()
    token.as_auth()
    assert events(caplog) == [{"event": "adopted"}]
    assert vars(caplog.records[0])["store"] == "Memory"


def test_a_refusal_is_a_warning(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    token, server = loaded(Memory(VALUES))
    server.is_revoked = True
    with pytest.raises(InvalidGrant):
        token.refresh()
    assert events(caplog) == [{"event": "refused", "error": "InvalidGrant", "reason": "invalid_grant"}]
    assert caplog.records[0].levelname == "WARNING"


def test_a_transient_failure_is_logged_with_the_time_of_the_next_try(
    server: FakeGoogle, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    token = logged_in(server)
    clock.sleep(HOUR - 30)
    server.script("token", FAULTS["503"])
    token.as_auth()
    assert events(caplog) == [
        {"event": "failed", "error": "ServerError", "reason": "server_error"},
        {"event": "will_retry", "what": "server", "seconds": 1.0},
    ]
    caplog.clear()
    token.as_auth()
    assert events(caplog) == []


def test_a_malformed_response_is_logged_also_if_its_refresh_token_is_kept(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Malformed(Server):
        def refresh_token(self, refresh_token: str) -> BaseTokenDict:
            return {"access_token": "", "expires_in": 1, "scope": "", "token_type": "Bearer"}

    for server in (Malformed(), Server()):
        server.problems = [MalformedResponse(refresh_token="r9")]
        caplog.clear()
        with pytest.raises(MalformedResponse):
            RefreshingToken(server, **VALUES).refresh()
        assert events(caplog) == [
            {"event": "refused", "error": "MalformedResponse", "reason": "malformed"},
            {"event": "will_retry", "what": "server", "seconds": 1.0},
        ]


def test_a_next_try_is_logged_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    token, server = loaded(Memory(VALUES))
    server.problems = [RateLimited(retry_after=4 / 3)]
    with pytest.raises(RateLimited):
        token.refresh()
    assert events(caplog)[-1] == {"event": "will_retry", "what": "server", "seconds": 1.333}
    caplog.clear()
    token.store_token()
    assert events(caplog) == []
    clock.sleep(2)
    token.refresh()
    assert [event["event"] for event in events(caplog)] == ["refreshed"]


def test_a_thread_that_waits_for_anothers_refresh_logs_nothing(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = threading.Semaphore(0)

    class Counted(_log.Log):
        def __init__(self, state: State, store: str) -> None:
            super().__init__(state, store)
            waiting.release()

    class Failing(Server):
        def refresh_token(self, refresh_token: str) -> NoReturn:
            monkeypatch.setattr(_refresher, "Log", Counted)
            threads.append(pool.submit(token.as_auth))
            assert waiting.acquire(timeout=10)
            raise TransportError

    token = RefreshingToken(Failing(), **VALUES)
    clock.sleep(HOUR)
    threads: list[Future[str]] = []
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(TransportError):
            token.as_auth()
        with pytest.raises(TransportError):
            threads[0].result()
    assert [event["event"] for event in events(caplog)] == ["failed", "will_retry"]


def test_a_conflict_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    store = Memory(VALUES)
    token, server = loaded(store)
    clock.sleep(HOUR)
    server.meanwhile = lambda: store.replace(store.text, json.dumps(LATER_LOGIN))
    token.as_auth()
    assert [event["event"] for event in events(caplog)] == ["refreshed", "conflict", "adopted"]


class Full(Memory):
    def replace(self, before: str | None, after: str) -> NoReturn:
        raise OSError


class Down(Memory):
    def lock(self, timeout: float) -> NoReturn:
        raise OSError


class Slow(Memory):
    """Another process has the lock: for a while, or for longer than there is to wait."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(VALUES)
        self.clock, self.seconds = clock, seconds

    @contextmanager
    def lock(self, timeout: float) -> Iterator[float]:
        if timeout < self.seconds:
            raise TimeoutError
        self.clock.sleep(self.seconds)
        yield float("inf")


def test_a_failed_save_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    token, _ = loaded(Full(VALUES))
    with pytest.warns(RuntimeWarning, match=r"in memory only"):
        token.refresh()
    refreshed, failed, retry = events(caplog)
    assert refreshed["event"] == "refreshed"
    assert failed == {"event": "save_failed", "error": "TokenStoreError", "reason": "token_store"}
    assert retry == {"event": "will_retry", "what": "store", "seconds": 1.0}


def test_a_store_that_cannot_be_locked_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    store = Memory(VALUES)
    token, _ = loaded(store)
    token.keep_in(Memory())
    caplog.clear()
    with pytest.warns(RuntimeWarning, match=r"in memory only"):
        token.keep_in(Down())
    assert events(caplog)[0] == {"event": "store_failed", "error": "TokenStoreError", "reason": "token_store"}


def test_a_store_that_is_down_after_a_while_is_logged_as_that(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Its lock was not waited for: a driver took 5 seconds to find no server."""

    class Unreachable(Memory):
        def lock(self, timeout: float) -> NoReturn:
            clock.advance(5)
            raise OSError

    token, _ = loaded(Memory(VALUES))
    caplog.clear()
    with pytest.warns(RuntimeWarning, match=r"in memory only"):
        token.keep_in(Unreachable())
    assert events(caplog)[0] == {"event": "store_failed", "error": "TokenStoreError", "reason": "token_store"}


@pytest.mark.parametrize(("seconds", "taken"), [(10 / 3, False), (99.0, True)])
def test_waiting_for_the_lock_is_logged(
    clock: Clock, caplog: pytest.LogCaptureFixture, seconds: float, taken: bool
) -> None:
    token, _ = loaded(Slow(clock, seconds))
    if taken:
        clock.sleep(HOUR - 30)
        assert token.as_auth() == "Bearer a0"
    else:
        token.refresh()
    waited = {"event": "waited_for_lock", "seconds": 0.0 if taken else 3.333, "taken": taken}
    assert events(caplog)[0] == waited


class Raising(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise TransportError


def test_a_handler_that_fails_does_not_disturb_a_refresh(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    store = Memory(VALUES)
    token, _ = loaded(store)
    logger, handler = logging.getLogger("ytmusic_oauth"), Raising()
    logger.addHandler(handler)
    try:
        token.refresh()
    finally:
        logger.removeHandler(handler)
    assert token.as_auth() == "Bearer a1"
    assert store.token() == token.as_dict()


def test_a_stand_in_for_logging_does_not_disturb_a_refresh(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    token, _ = loaded(Memory(VALUES))
    monkeypatch.setitem(sys.modules, "logging", ModuleType("logging"))
    token.refresh()
    assert token.as_auth() == "Bearer a1"


def test_a_program_without_logging_or_without_a_handler_is_told_nothing(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token, server = loaded(Memory(VALUES))
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "logging")
        token.refresh()
        assert "logging" not in sys.modules
    monkeypatch.setattr(logging.getLogger("ytmusic_oauth"), "propagate", False)
    server.problems = [TransportError()]
    with pytest.raises(TransportError):
        token.refresh()
    assert capsys.readouterr().err == ""


class Sending(logging.Handler):
    """Sends the records somewhere, with a token that has to be refreshed for it, in another thread."""

    def __init__(self, token: RefreshingToken) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []
        self.token = token

    def handle(self, record: logging.LogRecord) -> bool:
        if not self.threads:
            thread = threading.Thread(target=self.token.refresh, daemon=True)
            self.threads.append(thread)
            thread.start()
            thread.join(10)
        return True


def test_a_handler_can_wait_for_another_thread_that_uses_the_token(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    token, server = loaded(Memory(VALUES))
    logger, handler = logging.getLogger("ytmusic_oauth"), Sending(token)
    logger.addHandler(handler)
    try:
        token.refresh()
        assert [thread.is_alive() for thread in handler.threads] == [False]
    finally:
        logger.removeHandler(handler)
    assert server.refreshes == 2
