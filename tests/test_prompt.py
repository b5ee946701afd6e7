# SPDX-License-Identifier: MIT
"""A login at a terminal: what its user sees, and what is left if it goes wrong."""

from __future__ import annotations

import io
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.porting.fake_google import FakeGoogle, Reply
from tests.support import Clock, client
from ytmusic_oauth import AccessDenied, OAuthToken, RefreshingToken, TokenFileError


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Set what happens until the user presses Enter; nothing, unless a test says otherwise."""

    def set_to(happens: Callable[[], object]) -> None:
        def read(prompt: str) -> str:
            print(prompt, end="")
            happens()
            return ""

        monkeypatch.setattr("builtins.input", read)

    set_to(lambda: None)
    return set_to


Enter = Callable[[Callable[[], object]], None]


def answering(server: FakeGoogle, clock: Clock, seconds: float) -> Callable[[], None]:
    """A user who needs so long to confirm."""

    def confirm() -> None:
        clock.advance(seconds)
        server.approve(server.user_codes()[0])

    return confirm


def test_it_shows_link_and_code_and_asks_once_when_the_user_is_done(
    server: FakeGoogle, clock: Clock, enter: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(answering(server, clock, 20))
    token = RefreshingToken.prompt_for_token(client(server))
    assert server.is_live(token.access_token)
    assert token.local_cache is None
    shown = capsys.readouterr().out
    assert f"{server.verification_url}?user_code=ABCD-0001" in shown
    assert "the code is ABCD-0001" in shown
    assert shown.count("Press Enter") == 1
    assert "Not confirmed yet" not in shown
    assert len(server.requests_to("token")) == 1


@pytest.mark.usefixtures("enter")
@pytest.mark.parametrize("polls", [2, 5])
def test_enter_too_early_is_no_failure(
    server: FakeGoogle, clock: Clock, capsys: pytest.CaptureFixture[str], polls: int
) -> None:
    server.approve_after = 5 * polls - 1
    token = RefreshingToken.prompt_for_token(client(server))
    assert server.is_live(token.access_token)
    shown = capsys.readouterr().out
    assert shown.count("Not confirmed yet") == shown.count("the code lives for 30 more minutes") == 1
    assert clock.slept == [5] * polls


def test_the_browser_is_sent_to_the_link_that_is_shown(
    server: FakeGoogle, clock: Clock, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    enter(answering(server, clock, 5))
    RefreshingToken.prompt_for_token(client(server), open_browser=True)
    assert opened == [f"{server.verification_url}?user_code=ABCD-0001"]
    RefreshingToken.prompt_for_token(client(server))
    assert len(opened) == 1, "only where it was asked for"


def test_a_browser_that_does_not_start_costs_no_login(
    server: FakeGoogle, clock: Clock, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(link: str) -> None:
        raise webbrowser.Error(link)

    monkeypatch.setattr(webbrowser, "open", fail)
    enter(answering(server, clock, 5))
    assert server.is_live(RefreshingToken.prompt_for_token(client(server), open_browser=True).access_token)


@pytest.mark.parametrize("stdin", ["at its end", "closed", "unreadable", "missing"])
def test_where_nobody_can_press_enter_it_just_polls(
    server: FakeGoogle, clock: Clock, stdin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(size: int = -1) -> str:
        raise OSError

    closed, unreadable = io.StringIO(), io.StringIO()
    closed.close()
    monkeypatch.setattr(unreadable, "readline", fail)
    ways = {"at its end": io.StringIO(), "closed": closed, "unreadable": unreadable, "missing": None}
    monkeypatch.setattr(sys, "stdin", ways[stdin])
    server.approve_after = 7
    assert server.is_live(RefreshingToken.prompt_for_token(client(server)).access_token)
    assert clock.slept == [5, 5]


def test_the_token_is_stored_and_kept_fresh_in_its_file(
    server: FakeGoogle, clock: Clock, enter: Enter, tmp_path: Path
) -> None:
    path = tmp_path / "oauth.json"
    enter(answering(server, clock, 5))
    token = RefreshingToken.prompt_for_token(client(server), to_file=str(path))
    assert token.local_cache == path
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()
    clock.advance(3600)
    assert token.access_token == OAuthToken.from_json(path).access_token


@pytest.mark.usefixtures("enter")
def test_the_file_of_an_old_login_is_replaced(server: FakeGoogle, tmp_path: Path) -> None:
    path = tmp_path / "oauth.json"
    path.touch()
    for _ in range(2):
        server.approve_after = 0
        token = RefreshingToken.prompt_for_token(client(server), to_file=str(path))
        assert OAuthToken.from_json(path).as_dict() == token.as_dict()


def test_a_file_that_is_something_else_is_kept_and_the_user_not_bothered(server: FakeGoogle, tmp_path: Path) -> None:
    path = tmp_path / "package.json"
    path.write_text('{"name": "something else"}')
    with pytest.raises(TokenFileError, match=r"package\.json"):
        RefreshingToken.prompt_for_token(client(server), to_file=str(path))
    assert path.read_text() == '{"name": "something else"}'
    assert server.transcript == []


def test_a_place_where_nothing_can_be_written_is_found_out_before_the_login(server: FakeGoogle, tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match=r"missing/oauth\.json: No token file can be written here: "):
        RefreshingToken.prompt_for_token(client(server), to_file=str(tmp_path / "missing" / "oauth.json"))
    assert server.transcript == []


@pytest.mark.parametrize("action", ["default", "error"])
def test_a_token_that_cannot_be_saved_is_no_lost_login(
    server: FakeGoogle, clock: Clock, enter: Enter, tmp_path: Path, recwarn: pytest.WarningsRecorder, action: str
) -> None:
    """Not even where warnings are errors. The file is written when it can be."""
    path = tmp_path / "unplugged" / "oauth.json"
    path.parent.mkdir()

    def answer() -> None:
        path.parent.rmdir()
        answering(server, clock, 5)()

    enter(answer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.filters", [(action, None, Warning, None, 0)])
        token = RefreshingToken.prompt_for_token(client(server), to_file=str(path))
    assert [str(warning.message).startswith(str(path)) for warning in recwarn] == [True][: action == "default"]
    assert server.is_live(token.access_token)
    path.parent.mkdir()
    clock.advance(60)
    served = token.access_token
    assert OAuthToken.from_json(path).access_token == served


def test_ctrl_c_leaves_no_file(server: FakeGoogle, clock: Clock, enter: Enter, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    enter(interrupt)
    with pytest.raises(KeyboardInterrupt):
        RefreshingToken.prompt_for_token(client(server), to_file=str(tmp_path / "oauth.json"))
    assert list(tmp_path.iterdir()) == []


def test_a_user_who_says_no_leaves_no_file(server: FakeGoogle, enter: Enter, tmp_path: Path) -> None:
    enter(lambda: server.deny(server.user_codes()[0]))
    with pytest.raises(AccessDenied):
        RefreshingToken.prompt_for_token(client(server), to_file=str(tmp_path / "oauth.json"))
    assert list(tmp_path.iterdir()) == []


class Bare:
    """What some programs put in the place of standard output."""

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        pass


def test_an_output_of_the_programs_own_will_do(
    server: FakeGoogle, clock: Clock, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Bare()
    monkeypatch.setattr(sys, "stdout", output)
    enter(answering(server, clock, 5))
    RefreshingToken.prompt_for_token(client(server))
    assert "the code is ABCD-0001" in output.written


def test_link_and_code_are_seen_before_the_wait(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = io.BytesIO()
    before: list[bytes] = []

    def read(prompt: str) -> str:
        before.append(seen.getvalue())
        return ""

    monkeypatch.setattr("builtins.input", read)
    with io.TextIOWrapper(seen, encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        server.approve_after = 0
        RefreshingToken.prompt_for_token(client(server))
        assert b"the code is ABCD-0001\n" in before[0]


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", r"\uff37\uff37-\xe9"), ("latin-1", "\\uff37\\uff37-\xe9"), ("utf-8", "\uff37\uff37-\xe9")],
)
def test_a_terminal_without_the_characters_shows_the_rest(
    server: FakeGoogle, enter: Enter, monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str
) -> None:
    code = {
        "device_code": "d",
        "user_code": "\uff37\uff37-\xe9",
        "expires_in": 60,
        "verification_url": "https://a.example",
    }
    server.script("code", Reply(200, code))
    server.script("token", Reply(403, {"error": "access_denied"}))
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(AccessDenied):
        RefreshingToken.prompt_for_token(client(server))
    terminal.seek(0)
    assert f"the code is {shown}\n" in terminal.read()
