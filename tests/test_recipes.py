# SPDX-License-Identifier: MIT
"""The recipes for programs with a loop of their own do what they say, against the fake server."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.porting.fake_google import FAULTS, FakeGoogle
from tests.recipes import asyncio_program, dialog, web_service
from tests.support import Clock, client, logged_in
from ytmusic_oauth import (
    AccessDenied,
    DeviceCodeExpired,
    LoginCancelled,
    OAuthError,
    RefreshingToken,
    TokenFileNotFound,
)

# ---- asyncio -------------------------------------------------------------------------------------


@pytest.fixture
def loop_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The recipe waits on the clock that is moved by hand, and other tasks run meanwhile."""
    sleep = asyncio.sleep

    async def pass_by(seconds: float) -> None:
        clock.sleep(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio_program, "time", clock)
    monkeypatch.setattr(asyncio, "sleep", pass_by)
    return clock


def test_asyncio_a_login_waits_and_other_tasks_go_on(server: FakeGoogle, loop_time: Clock) -> None:
    shown: list[tuple[str, str]] = []
    beats: list[float] = []

    async def heart() -> None:
        while True:
            beats.append(loop_time.steady)
            await asyncio.to_thread(bool)

    async def program() -> RefreshingToken:
        heartbeat = asyncio.create_task(heart())
        try:
            return await asyncio_program.login(client(server), lambda link, code: shown.append((link, code)))
        finally:
            heartbeat.cancel()

    server.approve_after = 12
    token = asyncio.run(program())
    [(link, code)] = shown
    assert link.endswith(code)
    assert loop_time.slept == [5, 5, 5]
    assert len(set(beats)) >= 3
    assert server.is_live(token.access_token)


@pytest.mark.parametrize(("end", "raised"), [("deny", AccessDenied), ("expire", DeviceCodeExpired)])
def test_asyncio_a_login_that_ends_says_how(
    server: FakeGoogle, loop_time: Clock, end: str, raised: type[OAuthError]
) -> None:
    def answer(link: str, code: str) -> None:
        getattr(server, end)(code)

    with pytest.raises(raised):
        asyncio.run(asyncio_program.login(client(server), answer))


def test_asyncio_a_login_can_be_cancelled(server: FakeGoogle, loop_time: Clock) -> None:
    async def program() -> None:
        def cancel(link: str, code: str) -> None:
            task.cancel()

        task = asyncio.create_task(asyncio_program.login(client(server), cancel))
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(program())
    assert server.requests_to("token") == []


def test_asyncio_a_hundred_tasks_send_one_refresh(server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(server)
    old = token.access_token
    clock.advance(3590)

    async def program() -> list[str]:
        return await asyncio.gather(*(asyncio_program.authorization(token) for _ in range(100)))

    headers = asyncio.run(program())
    assert len(set(headers)) == 1
    assert old not in headers[0]
    assert len(server.requests_to("token")) == 2


# ---- a dialog ------------------------------------------------------------------------------------


class Screen:
    def __init__(self) -> None:
        self.percents: list[int] = []
        self.message = ""
        self.canceled = False

    def update(self, percent: int, message: str) -> None:
        self.percents.append(percent)
        self.message = message

    def iscanceled(self) -> bool:
        return self.canceled


class Gui:
    """A timer, on the clock that is moved by hand."""

    def __init__(self, server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dialog, "time", clock)
        self.clock = clock
        self.screen = Screen()
        self.outcomes: list[RefreshingToken | OAuthError] = []
        self.login = dialog.Login(client(server), self.screen, self.outcomes.append)

    def run(self, seconds: float) -> None:
        end = self.clock.steady + seconds
        while self.clock.steady < end and (pause := self.login.tick()) is not None:
            assert 0 < pause <= 0.1, "the cancel button would not be seen"
            self.clock.advance(pause)


@pytest.fixture
def gui(server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Gui:
    return Gui(server, clock, monkeypatch)


def test_a_dialog_shows_the_code_and_ends_with_a_token(server: FakeGoogle, gui: Gui) -> None:
    [code] = server.user_codes()
    server.script("token", FAULTS["503"])
    gui.run(20)
    assert code in gui.screen.message
    server.approve(code)
    gui.run(20)
    [token] = gui.outcomes
    assert isinstance(token, RefreshingToken)
    assert server.is_live(token.access_token)
    assert [request.error for request in server.requests_to("token")] == ["", "authorization_pending", ""]


def test_a_dialog_shows_how_the_time_runs_out(gui: Gui) -> None:
    gui.run(3600)
    [error] = gui.outcomes
    assert isinstance(error, DeviceCodeExpired)
    assert gui.screen.percents == sorted(gui.screen.percents)
    assert (gui.screen.percents[0], gui.screen.percents[-1] > 95) == (0, True)


def test_a_dialog_that_is_denied_says_so(server: FakeGoogle, gui: Gui) -> None:
    server.deny(server.user_codes()[0])
    gui.run(20)
    assert [type(outcome) for outcome in gui.outcomes] == [AccessDenied]


def test_a_dialog_that_is_cancelled_asks_nobody_any_more(server: FakeGoogle, gui: Gui) -> None:
    gui.run(1)
    gui.screen.canceled = True
    gui.run(3600)
    assert [type(outcome) for outcome in gui.outcomes] == [LoginCancelled]
    assert server.requests_to("token") == []


# ---- a web service -------------------------------------------------------------------------------

USERS = ["Ada", "../Bob", "..", "Grace@example.org/x", "Zoë"]


@pytest.fixture
def accounts(server: FakeGoogle, clock: Clock, tmp_path: Path) -> web_service.Accounts:
    (tmp_path / "accounts").mkdir()
    accounts = web_service.Accounts(client(server), tmp_path / "accounts")
    for user in USERS:
        accounts.add(user, logged_in(server).as_dict())
    return accounts


def test_a_service_keeps_its_accounts_apart_and_in_their_folder(
    accounts: web_service.Accounts, tmp_path: Path, server: FakeGoogle
) -> None:
    headers = {user: accounts.authorization(user) for user in USERS}
    assert len(set(headers.values())) == len(USERS)
    assert all(server.is_live(header.removeprefix("Bearer ")) for header in headers.values())
    assert len(list((tmp_path / "accounts").iterdir())) == len(USERS)
    assert [path.name for path in tmp_path.iterdir()] == ["accounts"]


def test_a_service_refreshes_once_for_each_account_however_many_threads_serve(
    accounts: web_service.Accounts, server: FakeGoogle, clock: Clock
) -> None:
    clock.advance(3590)
    before = len(server.requests_to("token"))
    start = threading.Barrier(20)

    def serve(n: int) -> str:
        start.wait()
        return accounts.authorization(USERS[n % len(USERS)])

    with ThreadPoolExecutor(20) as threads:
        headers = list(threads.map(serve, range(20)))
    assert len(set(headers)) == len(USERS)
    assert len(server.requests_to("token")) - before == len(USERS)


def test_a_service_logs_in_again_and_forgets(
    accounts: web_service.Accounts, server: FakeGoogle, tmp_path: Path
) -> None:
    old = accounts.authorization("Ada")
    accounts.add("Ada", logged_in(server).as_dict())
    new = accounts.authorization("Ada")
    assert new != old
    accounts.remove("Ada")
    assert not server.is_live(new.removeprefix("Bearer "))
    with pytest.raises(TokenFileNotFound):
        accounts.authorization("Ada")
