# SPDX-License-Identifier: MIT
"""The login prompt of the library: what the user sees, and what a failure leaves behind."""

from __future__ import annotations

import inspect
import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle, Reply
from tests.support import Clock, client
from ytmusic_oauth import (
    YOUTUBE,
    AccessDenied,
    OAuthToken,
    RefreshingToken,
    TokenFileError,
    UrllibSession,
    setup_oauth,
)
from ytmusic_oauth._keyboard import Keyboard
from ytmusic_oauth._terminal import _BROWSE, open_browser
from ytmusic_oauth.session import Response

if TYPE_CHECKING:
    from typing import TypeAlias  # Python 3.10

UserActions: TypeAlias = "Callable[[Callable[[], object]], None]"


class Keys(Keyboard):
    """Enter is pressed at these times of the clock."""

    def __init__(self, clock: Clock, *times: float) -> None:
        super().__init__(0)
        self._clock = clock
        self._times = list(times)

    def pressed(self, seconds: float) -> bool:
        until = self._clock.steady + seconds
        is_pressed = bool(self._times) and self._times[0] < until
        self._clock.sleep((self._times.pop(0) if is_pressed else until) - self._clock.steady)
        return is_pressed


def watching(patch: pytest.MonkeyPatch, clock: Clock, *times: float) -> None:
    patch.setattr("ytmusic_oauth._terminal.keyboard", lambda: Keys(clock, *times))


@pytest.fixture
def until_enter(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> UserActions:
    """Set what happens until the user presses Enter, once: nothing, by default."""

    class User(Keys):
        action: Callable[[], object] = staticmethod(lambda: None)

        def pressed(self, seconds: float) -> bool:
            if not self._times:
                return super().pressed(seconds)
            self._times.clear()
            self.action()
            return True

    user = User(clock, 0)
    monkeypatch.setattr("ytmusic_oauth._terminal.keyboard", lambda: user)
    return lambda action: setattr(user, "action", action)


def confirming(server: FakeGoogle, clock: Clock, seconds: float) -> Callable[[], None]:
    """Return the action of a user who confirms the code after so many seconds."""

    def confirm() -> None:
        clock.advance(seconds)
        server.approve(server.user_codes()[0])

    return confirm


def test_link_and_code_are_shown_and_one_poll_follows_enter(
    server: FakeGoogle, clock: Clock, until_enter: UserActions, capsys: pytest.CaptureFixture[str]
) -> None:
    until_enter(confirming(server, clock, 20))
    token = RefreshingToken.prompt_for_token(client(server))
    assert server.is_live(token.access_token)
    assert token.local_cache is None
    shown = capsys.readouterr().out
    assert f"{server.verification_url}?user_code=ABCD-0001" in shown
    assert "the code is ABCD-0001" in shown
    assert shown.count("Press Enter") == 1
    assert len(server.requests_to("token")) == 1


@pytest.mark.usefixtures("until_enter")
@pytest.mark.parametrize("polls", [2, 5])
def test_enter_before_confirming_is_not_an_error(server: FakeGoogle, clock: Clock, polls: int) -> None:
    server.approve_after = 5 * polls - 1
    token = RefreshingToken.prompt_for_token(client(server))
    assert server.is_live(token.access_token)
    assert clock.slept == [5] * polls


@pytest.mark.parametrize("stdin", ["at its end", "closed", "unreadable", "missing"])
def test_without_usable_standard_input_the_prompt_polls(
    server: FakeGoogle,
    clock: Clock,
    stdin: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(size: int = -1) -> str:
        raise OSError

    closed, unreadable = io.StringIO(), io.StringIO()
    closed.close()
    monkeypatch.setattr(unreadable, "readline", fail)
    streams = {"at its end": io.StringIO(), "closed": closed, "unreadable": unreadable, "missing": None}
    monkeypatch.setattr(sys, "stdin", streams[stdin])
    server.approve_after = 7
    assert server.is_live(RefreshingToken.prompt_for_token(client(server)).access_token)
    assert clock.slept == [5, 5]
    assert "Enter" not in capsys.readouterr().out


def test_the_prompt_polls_without_enter(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watching(monkeypatch, clock)
    server.approve_after = 12
    assert server.is_live(RefreshingToken.prompt_for_token(client(server)).access_token)
    assert len(server.requests_to("token")) == 3
    shown = capsys.readouterr().out
    assert shown.endswith("Press Enter when done, or Ctrl-C to abort.\n")


def test_enter_asks_as_soon_as_the_server_allows(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.steady
    watching(monkeypatch, clock, start + 2, start + 3)
    server.approve_after = 6
    assert server.is_live(RefreshingToken.prompt_for_token(client(server)).access_token)
    assert [each.at - start for each in server.requests_to("token")] == [2, 7]


def test_ctrl_c_shows_no_frame_in_which_the_prompt_waited(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching(monkeypatch, clock)

    def pressed(self: Keyboard, seconds: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Keys, "pressed", pressed)
    with pytest.raises(KeyboardInterrupt) as raised:
        RefreshingToken.prompt_for_token(client(server))
    assert "prompt" in raised.traceback[-1].name


def test_the_token_is_stored_and_kept_fresh_in_its_file(
    server: FakeGoogle, clock: Clock, until_enter: UserActions, tmp_path: Path
) -> None:
    path = tmp_path / "oauth.json"
    until_enter(confirming(server, clock, 5))
    token = RefreshingToken.prompt_for_token(client(server), to_file=str(path))
    assert token.local_cache == path
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()
    clock.advance(3600)
    assert token.access_token == OAuthToken.from_json(path).access_token


@pytest.mark.usefixtures("until_enter")
def test_the_file_of_an_old_login_is_replaced(server: FakeGoogle, tmp_path: Path) -> None:
    path = tmp_path / "oauth.json"
    path.touch()
    for _ in range(2):
        server.approve_after = 0
        token = RefreshingToken.prompt_for_token(client(server), to_file=str(path))
        assert OAuthToken.from_json(path).as_dict() == token.as_dict()


def test_no_request_is_sent_if_the_file_is_not_a_token_file(server: FakeGoogle, tmp_path: Path) -> None:
    path = tmp_path / "package.json"
    path.write_text('{"name": "something else"}')
    with pytest.raises(TokenFileError, match=r"package\.json"):
        RefreshingToken.prompt_for_token(client(server), to_file=str(path))
    assert path.read_text() == '{"name": "something else"}'
    assert server.transcript == []


def test_no_request_is_sent_if_the_token_could_not_be_stored(server: FakeGoogle, tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match=r"missing/oauth\.json: No token file can be written here: "):
        RefreshingToken.prompt_for_token(client(server), to_file=str(tmp_path / "missing" / "oauth.json"))
    assert server.transcript == []


@pytest.mark.parametrize("action", ["default", "error"])
def test_a_login_is_not_lost_if_its_token_cannot_be_saved(
    server: FakeGoogle,
    clock: Clock,
    until_enter: UserActions,
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
    action: str,
) -> None:
    """Not even if warnings are errors. The token is saved as soon as that is possible."""
    path = tmp_path / "unplugged" / "oauth.json"
    path.parent.mkdir()

    def unplug_and_confirm() -> None:
        path.parent.rmdir()
        confirming(server, clock, 5)()

    until_enter(unplug_and_confirm)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.filters", [(action, None, Warning, None, 0)])
        token = RefreshingToken.prompt_for_token(client(server), to_file=str(path))
    assert [str(warning.message).startswith(str(path)) for warning in recwarn] == [True][: action == "default"]
    assert server.is_live(token.access_token)
    path.parent.mkdir()
    clock.advance(60)
    served = token.access_token
    assert OAuthToken.from_json(path).access_token == served


def test_ctrl_c_leaves_no_file(server: FakeGoogle, clock: Clock, until_enter: UserActions, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    until_enter(interrupt)
    with pytest.raises(KeyboardInterrupt):
        RefreshingToken.prompt_for_token(client(server), to_file=str(tmp_path / "oauth.json"))
    assert list(tmp_path.iterdir()) == []


def test_a_denied_login_leaves_no_file(server: FakeGoogle, until_enter: UserActions, tmp_path: Path) -> None:
    until_enter(lambda: server.deny(server.user_codes()[0]))
    with pytest.raises(AccessDenied):
        RefreshingToken.prompt_for_token(client(server), to_file=str(tmp_path / "oauth.json"))
    assert list(tmp_path.iterdir()) == []


def test_setup_oauth_is_ytmusicapis(
    server: FakeGoogle, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Called with a session, as a program that already calls ytmusicapi's does."""
    urls = {YOUTUBE.device_code_url: server.device_code_url, YOUTUBE.token_url: server.token_url}

    class Session:
        def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
            return UrllibSession().post(urls[url], data=data, headers=headers, timeout=timeout)

    opened: list[str] = []
    monkeypatch.setattr("ytmusic_oauth._terminal.open_browser", lambda link, *_: opened.append(link))
    server.approve_after = 0
    path = tmp_path / "oauth.json"
    token = setup_oauth(CLIENT_ID, CLIENT_SECRET, filepath=str(path), session=Session(), proxies=None)
    assert token.local_cache == path
    assert not opened
    setup_oauth(CLIENT_ID, CLIENT_SECRET, session=Session(), open_browser=True)
    assert len(opened) == 1
    with pytest.raises(ValueError, match="pass proxies to your own session"):
        setup_oauth(CLIENT_ID, CLIENT_SECRET, session=Session(), proxies={"https": "http://proxy.example"})
    assert server.is_live(OAuthToken.from_json(path).access_token)
    parameters = "client_id, client_secret, filepath, session, proxies, open_browser"
    assert list(inspect.signature(setup_oauth).parameters) == parameters.split(", ")


class MinimalStream:
    """What some programs replace standard output with."""

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        pass


def test_standard_output_may_be_any_object_with_write_and_flush(
    server: FakeGoogle, clock: Clock, until_enter: UserActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = MinimalStream()
    monkeypatch.setattr(sys, "stdout", output)
    until_enter(confirming(server, clock, 5))
    RefreshingToken.prompt_for_token(client(server))
    assert "the code is ABCD-0001" in output.written


def test_without_standard_output_no_code_is_requested(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `pythonw`."""
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(RuntimeError, match="There is no standard output to show the link"):
        RefreshingToken.prompt_for_token(client(server))
    assert server.transcript == []


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError, AttributeError])
def test_an_output_that_ends_meanwhile_does_not_cost_the_login(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: type[Exception]
) -> None:
    """As with `python app.py | head -1`."""

    class Output(MinimalStream):
        def write(self, text: str) -> int:
            if server.requests_to("token"):
                raise error
            return super().write(text)

    watching(monkeypatch, clock)
    server.approve_after = 0
    monkeypatch.setattr(sys, "stdout", Output())
    token = RefreshingToken.prompt_for_token(client(server), to_file=str(tmp_path / "oauth.json"))
    assert server.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)
    assert token.is_saved


def test_link_and_code_are_flushed_before_the_wait(
    server: FakeGoogle, until_enter: UserActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = io.BytesIO()
    shown: list[bytes] = []
    until_enter(lambda: shown.append(pipe.getvalue()))
    with io.TextIOWrapper(pipe, encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        server.approve_after = 0
        RefreshingToken.prompt_for_token(client(server))
    assert b"the code is ABCD-0001\n" in shown[0]


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", r"\uff37\uff37-\xe9"), ("latin-1", "\\uff37\\uff37-\xe9"), ("utf-8", "\uff37\uff37-\xe9")],
)
def test_characters_that_the_terminal_lacks_are_escaped(
    server: FakeGoogle, until_enter: UserActions, monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str
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


# ---- the browser ---------------------------------------------------------------------------------


def test_the_browser_opens_the_link_only_with_open_browser(
    server: FakeGoogle, clock: Clock, until_enter: UserActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, str, str]] = []
    monkeypatch.setattr("ytmusic_oauth._terminal.open_browser", lambda *given: opened.append(given))
    until_enter(confirming(server, clock, 5))
    RefreshingToken.prompt_for_token(client(server), open_browser=True)
    device_code = server.requests_to("token")[0].form["code"]
    link = f"{server.verification_url}?user_code=ABCD-0001"
    assert opened == [(link, device_code, CLIENT_SECRET)], "a link that has one of them is refused"
    server.approve_after = 0
    RefreshingToken.prompt_for_token(client(server))
    assert len(opened) == 1


@dataclass
class Started:
    """A process, as `subprocess.Popen` was asked to start it."""

    command: Sequence[str]
    options: Mapping[str, object]
    returncode: int | None = None
    ends_with: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.ends_with
        return self.returncode


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Sequence[Started]:
    processes: list[Started] = []

    def start(command: Sequence[str], **options: object) -> Started:
        processes.append(Started(command, options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return processes


@pytest.mark.parametrize(
    ("executable", "python"),
    [(path, path) for path in ("/opt/python", "/opt/python3.13t", "/opt/Python", "/opt/pypy3", "/opt/graalpy")]
    + [("", "python3")],
)
def test_the_browser_has_a_process_of_its_own(
    started: Sequence[Started], monkeypatch: pytest.MonkeyPatch, executable: str, python: str
) -> None:
    """It imports nothing from the current folder (-I), does not use our streams, and Ctrl-C does not reach it.

    It does not inherit the client secret.
    """
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setenv("YTMUSIC_OAUTH_CLIENT_SECRET", "a secret")
    monkeypatch.setenv("DISPLAY", ":0")
    has_failed = open_browser("https://a.example/device", "AH-1", "")
    [browser] = started
    assert (*browser.command[:3], browser.command[4:]) == (python, "-I", "-c", ["https://a.example/device"])
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    environment = dict(os.environ)
    del environment["YTMUSIC_OAUTH_CLIENT_SECRET"]
    assert browser.options == {**streams, "env": environment, "start_new_session": True}
    for ends_with in (None, 0, 1):
        browser.ends_with = ends_with
        assert browser.returncode is not None, "otherwise Python warns that it is still running"
        assert has_failed() == bool(ends_with)


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("name", ["w3m", "lynx", "firefox"])
def test_a_text_browser_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It would print the page, or take the terminal."""
    browser = tmp_path / name
    browser.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    done = subprocess.run([sys.executable, "-I", "-c", _BROWSE, "https://a.example/"], capture_output=True, check=False)
    is_graphical = name == "firefox"
    assert (done.returncode == 0, (tmp_path / "started").exists()) == (is_graphical, is_graphical)


def test_a_frozen_program_does_not_start_itself_as_a_browser(
    started: Sequence[Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, `sys.executable` is the program, which would ignore our arguments and log in once more."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert open_browser("https://a.example/device", "AH-1", "")(), "it has failed"
    assert started == []


@pytest.mark.parametrize("host", ["/usr/bin/qgis", "/usr/bin/uwsgi", "/opt/FreeCAD", "/python/host", "/opt/my-python"])
def test_a_program_that_embeds_python_does_not_start_itself_as_a_browser(
    started: Sequence[Started], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """There, `sys.executable` is that program."""
    monkeypatch.setattr(sys, "executable", host)
    assert open_browser("https://a.example/device", "AH-1", "")(), "it has failed"
    assert started == []


def test_a_browser_that_cannot_be_started_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/missing/python")
    assert open_browser("https://a.example/device", "AH-1", "")()


def test_a_platform_without_processes_has_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "subprocess", None)
    assert open_browser("https://a.example/device", "AH-1", "")(), "the user is told to open the link"


@pytest.mark.parametrize(
    ("device_code", "link"),
    [
        ("AH-1Ng", "https://a.example/AH-1Ng"),
        ("AH-1Ng", "https://a.example/?c=AH%252D1Ng"),
        ("AH%411Ng", "https://a.example/?c=AH%411Ng"),
        ("AH 1+Ng", "https://a.example/?c=AH+1%2BNg"),
        ("AH-1Ng", "https://a.example/?c=" + "%25" * 8 + "".join(f"%{'25' * depth}41" for depth in range(30))),
    ],
)
def test_a_link_with_the_device_code_is_not_opened(started: Sequence[Started], device_code: str, link: str) -> None:
    """`ps` shows the command line of the browser to every user."""
    assert open_browser(link, device_code, "short")(), "the user is told to open the link"
    assert started == []


@pytest.mark.parametrize(
    ("client_secret", "is_opened"), [("s3cret-canary", False), ("s3cret-c", False), ("s3cret", True), ("", True)]
)
def test_a_link_with_the_client_secret_is_not_opened_unless_that_is_short(
    started: Sequence[Started], client_secret: str, is_opened: bool
) -> None:
    open_browser("https://a.example/?c=s3cret%2Dcanary", "AH-1Ng", client_secret)
    assert len(started) == is_opened


def test_a_link_that_the_locale_cannot_show_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise UnicodeEncodeError("ascii", "https://ä", 8, 9, "ordinal not in range(128)")

    monkeypatch.setattr(subprocess, "Popen", fail)
    assert open_browser("https://ä.example", "AH-1Ng", "")()


@pytest.mark.skipif(sys.platform == "emscripten", reason="it starts no processes")
def test_a_link_without_the_device_code_is_opened(started: Sequence[Started]) -> None:
    open_browser("https://a.example/?user_code=ABCD-0001", "ABCD-0001-more", "")
    assert len(started) == 1
