# SPDX-License-Identifier: MIT
"""The command line: what each command prints, on which stream, and its exit status."""

from __future__ import annotations

import datetime as dt
import errno
import getpass
import io
import json
import os
import re
import runpy
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Final, NoReturn

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FAULTS, RFC_DIALECT, FakeGoogle, Reply
from tests.shell import ID, POSIX_SHELL, ROOT, SECRET, BrokenStream, Shell, Terminal, disk_full, sh
from tests.support import NOON, Clock, client, logged_in
from ytmusic_oauth import (
    GOOGLE,
    YOUTUBE,
    Endpoints,
    OAuthCredentials,
    OAuthToken,
    RefreshingToken,
    TransportError,
    __version__,
)
from ytmusic_oauth._command_line import DONE, FIX_FIRST, INTERRUPTED, LOG_IN_AGAIN, TRY_LATER, _parser, _program, main
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._keyboard import Keyboard
from ytmusic_oauth._output import local_time, write_message, write_result
from ytmusic_oauth._store_access import load_token
from ytmusic_oauth.models import RefreshableTokenDict
from ytmusic_oauth.store import TokenStore

PROGRAM: Final = _program(sys.argv[0])


def not_utf8(*_: object) -> str:
    return b"secret \xff".decode()


def end_of_input(*_: object) -> str:
    raise EOFError


@pytest.fixture
def requested(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, str]]]:
    """The URLs and forms of requests, none of which is sent."""
    requested: list[tuple[str, Mapping[str, str]]] = []

    def post(_: object, url: str, *, data: Mapping[str, str], **__: object) -> None:
        requested.append((url, data))
        raise KeyboardInterrupt

    monkeypatch.setattr("ytmusic_oauth.transport.UrllibSession.post", post)
    return requested


# ---- login ---------------------------------------------------------------------------------------


def test_login_shows_link_and_code_polls_and_writes_the_token_file(
    shell: Shell, server: FakeGoogle, tmp_path: Path
) -> None:
    server.approve_after = 12
    done = shell("login")
    assert (done.status, done.out) == (DONE, "")
    path = tmp_path / "oauth.json"
    assert done.err.splitlines() == [
        *("", "On your phone or computer, go to", "", f"    {server.verification_url}", ""),
        *("and enter the code", "", "    ABCD-0001", ""),
        *("Or open this link, which has the code in it:", f"{server.verification_url}?user_code=ABCD-0001", ""),
        "Waiting; the code expires in 0:30:00",
        f"Logged in. The token is in {path}, readable only by its owner.",
        "To print a header for curl -H @-, run:",
        f"    {PROGRAM} header --file {path}",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.is_live(OAuthToken.from_json(path).access_token)


@pytest.mark.parametrize("fails", [False, True])
def test_login_opens_the_link_only_with_open_browser(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    opened: list[tuple[str, str]] = []

    def open_browser(link: str, device_code: str, client_secret: str) -> Callable[[], bool]:
        assert client_secret == CLIENT_SECRET
        opened.append((link, device_code))
        return lambda: fails

    monkeypatch.setattr("ytmusic_oauth._login.open_browser", open_browser)
    server.approve_after = 7
    shell("login")
    assert opened == []
    done = shell("login", "--open-browser")
    [(link, device_code)] = opened
    assert f"\n{link}\n" in done.err
    assert device_code == server.requests_to("token")[-1].form["device_code"], "a link that has it is not opened"
    assert done.err.count("No browser could be opened on this machine") == fails


def test_a_terminal_shows_a_countdown_on_one_line(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    server.approve_after = 7
    shell("login")
    countdown = re.findall(r"\rWaiting: ([0-9:]+) left *(?=\r)", screen.getvalue())
    assert countdown == ["0:30:00", *(f"0:29:{seconds}" for seconds in range(59, 50, -1))]
    assert "?user_code=ABCD-0001\n\n\rWaiting: " in screen.getvalue(), "nothing else is said about it"
    assert re.search(r"\r +\rLogged in\.", screen.getvalue())
    assert "\x1b" not in screen.getvalue()


def test_enter_opens_the_browser_and_the_next_one_asks_the_server(
    shell: Shell, server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Keys(Keyboard):
        def pressed(self, seconds: float) -> bool:
            clock.sleep(seconds / 2)
            return len(clock.slept) > 1

    opened: list[tuple[str, str]] = []

    def open_browser(link: str, device_code: str, client_secret: str) -> Callable[[], bool]:
        assert client_secret == CLIENT_SECRET
        opened.append((link, device_code))
        return lambda: True

    monkeypatch.setattr("ytmusic_oauth._login.open_browser", open_browser)
    monkeypatch.setattr("ytmusic_oauth._login.keyboard", lambda: Keys(0))
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    server.approve_after = 0
    assert shell("login").status == DONE
    assert "Press Enter to open the link in a browser on this machine, or Ctrl-C to stop.\n" in screen.getvalue()
    assert screen.getvalue().count("No browser could be opened on this machine: open the link yourself.\n") == 1
    [poll] = server.requests_to("token")
    assert opened == [(f"{server.verification_url}?user_code=ABCD-0001", poll.form["device_code"])]
    assert poll.at - server.requests_to("code")[0].at == 1.5, "not 5"


def test_an_error_is_wrapped_between_words(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda file: os.terminal_size((40, 24)))
    with open(os.devnull, "w+", encoding="utf-8") as screen:
        lines: list[str] = []
        monkeypatch.setattr(screen, "write", lines.append)
        monkeypatch.setattr(sys, "stderr", screen)
        assert main(["token", "--file", "missing.json"]) == LOG_IN_AGAIN
    assert len(lines) > 3
    assert all(len(line) <= 41 or " " not in line for line in lines), "a path or a link stays whole"
    assert "".join(lines).replace("\n", " ").endswith("login` with the same --file and client options. ")


@pytest.mark.parametrize(
    ("width", "text", "lines"),
    [
        (0, "not a terminal", ["not a terminal"]),
        (14, "it fits a line", ["it fits a line"]),
        (10, "open https://example.org/a-link now", ["open", "https://example.org/a-link", "now"]),
        (12, "the well-known code", ["the", "well-known", "code"]),
        (20, "The token is in /a/path-to/oauth-2.json.", ["The token is in", "/a/path-to/oauth-2.json."]),
        (10, "    oauth header --file a.json", ["    oauth header --file a.json"]),
        (1, "a b", ["a", "b"]),
    ],
)
def test_a_message_is_wrapped_so_that_links_and_commands_can_be_copied(
    monkeypatch: pytest.MonkeyPatch, width: int, text: str, lines: list[str]
) -> None:
    monkeypatch.setattr("ytmusic_oauth._output.columns", lambda: width)
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    write_message(text)
    assert screen.getvalue().splitlines() == lines


def test_a_failed_poll_is_told(shell: Shell, server: FakeGoogle) -> None:
    server.script("token", *[Reply(503)] * 2, Reply(400, {"error": "authorization_pending"}), Reply(503))
    server.approve_after = 300
    done = shell("login")
    assert done.status == DONE
    told = "The server failed or rejected the request. Trying again.\n"
    assert (done.err.count(told), done.err.count(2 * told)) == (2, 1), "the end of a failure is not told"


@pytest.mark.parametrize(("granted", "shown"), [("a", "a"), ("", "empty")])
def test_login_says_what_the_server_did_not_grant(shell: Shell, server: FakeGoogle, granted: str, shown: str) -> None:
    token = {"access_token": "ya29.fake", "refresh_token": "1//fake", "scope": granted, "expires_in": 60}
    server.script("token", Reply(200, token))
    done = shell("login", "--scope", "a b c")
    assert f"You asked for the scope a b c. The scope of the login is {shown}.\n" in done.err


def test_login_does_not_call_a_scope_missing_that_has_another_name(shell: Shell, server: FakeGoogle) -> None:
    """Google grants `email` as a URL."""
    granted = "openid https://www.googleapis.com/auth/userinfo.email"
    token = {"access_token": "ya29.fake", "refresh_token": "1//fake", "scope": granted, "expires_in": 60}
    server.script("token", Reply(200, token))
    done = shell("login", "--scope", "openid email")
    assert f"You asked for the scope openid email. The scope of the login is {granted}.\n" in done.err


def test_a_second_login_says_what_becomes_of_the_first(shell: Shell, server: FakeGoogle, file: Path) -> None:
    server.approve_after = 0
    done = shell("login", "--client-secrets", str(client_file(file.parent)), "--no-remember")
    assert "before may still be valid at Google.\n`revoke` ends every grant that you gave" in done.err
    assert f"run this with the same client options:\n    {PROGRAM} header --file {file}\n" in done.err
    shell.is_known_as()
    assert "valid at Google" not in shell("login", "--scope", "a").err


def client_file(folder: Path) -> Path:
    path = folder / "client.json"
    path.write_text(json.dumps(FLAT))
    return path


def test_login_json_prints_one_event_per_line(
    shell: Shell, server: FakeGoogle, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal, too: it leaves the keyboard to the program that reads the events."""
    shell.type("typed to the program")
    monkeypatch.setattr("ytmusic_oauth._login.keyboard", lambda: pytest.fail("the keyboard is read"))
    server.approve_after = 7
    server.refresh_token_lifetime = 604799
    done = shell("login", "--json", "--file", "kodi.json")
    assert (done.status, done.err) == (DONE, "")
    assert clock.slept == [5, 5], "without a countdown, it wakes only to poll"
    code, start, later, token = done.events
    assert str(code["link"]).endswith(str(code["user_code"]))
    assert "device_code" not in code, "it is a secret"
    assert code.items() >= {"event": "code", "expires_in": 1800, "interval": 5}.items()
    assert start == {"event": "waiting", "seconds_left": 1800}
    assert later == {"event": "waiting", "seconds_left": 1795}
    assert token == {
        "event": "token",
        "file": str(tmp_path / "kodi.json"),
        "expires_at": NOON + 10 + 3599,
        "login_ends_at": NOON + 10 + 604799,
    }


def test_login_json_reports_a_failure_as_an_event(shell: Shell, server: FakeGoogle) -> None:
    server.script("token", Reply(403, {"error": "access_denied"}))
    done = shell("login", "--json")
    error = done.events[-1]
    assert done.status == LOG_IN_AGAIN
    assert error.items() >= {"event": "error", "error": "AccessDenied", "exit_status": LOG_IN_AGAIN}.items()
    assert f"ytmusic_oauth: {error['message']}\n" == done.err


def test_login_json_names_the_class_of_the_error(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def error(*options: str) -> object:
        return shell("login", "--json", *options).events[-1]["error"]

    assert error("--client-secrets", "missing.json") == "ValueError"
    shell.forget_client()
    assert error() == "ValueError"
    shell.type("never", "asked")
    assert error() == "ValueError"
    assert shell.hidden_questions == []
    shell.know_client()
    monkeypatch.setattr("ytmusic_oauth._login.choose_client", end_of_input)
    assert error() == "Interrupted"


def test_login_says_when_and_why_the_server_will_end_it(shell: Shell, server: FakeGoogle) -> None:
    server.approve_after = 0
    assert "ends this login" not in shell("login").err
    server.refresh_token_lifetime = 604800
    done = shell("login")
    assert re.search(r"ends this login on 2023-11-2\d \d\d:\d\d[+-]", done.err)
    assert '"Testing"' in done.err
    server.refresh_token_lifetime = 10 * 604799
    done = shell("login")
    assert "ends this login" in done.err
    assert "Testing" not in done.err, "that limit is 7 days"


def test_googles_words_are_for_googles_endpoints_only(shell: Shell, server: FakeGoogle, file: Path) -> None:
    server.approve_after, server.refresh_token_lifetime = 0, 604799
    shell.is_known_as()
    done = shell("login", "--scope", "a")
    assert (done.status, "ends this login on" in done.err) == (DONE, True)
    shell.type("no")
    done = shell("revoke")
    assert "This ends the login in oauth.json" in done.err
    assert "Google" not in done.err


def test_a_login_without_a_refresh_token_says_when_it_ends(
    shell: Shell, server: FakeGoogle, clock: Clock, tmp_path: Path
) -> None:
    server.script("token", Reply(200, {"access_token": "gho_x", "expires_in": 7200}))
    done = shell("login")
    assert (done.status, "gave no refresh token: this login ends on 2023-11-1" in done.err) == (DONE, True)
    assert "refresh token  none" in shell("status").out
    clock.advance(7199)
    assert "the next use" not in shell("status").out
    assert shell("token").out == "gho_x\n"
    done = shell("status", "--check")
    assert (done.status, "this login has no refresh token" in done.err) == (FIX_FIRST, True)
    clock.advance(1)
    requests = len(server.transcript)
    done = shell("token")
    assert (done.status, "offline_access" in done.err) == (LOG_IN_AGAIN, True)
    done = shell("status")
    assert (done.status, "access token   expired\n" in done.out) == (LOG_IN_AGAIN, True)
    assert "The server gave no refresh token" in done.err
    assert shell("status", "--check").status == LOG_IN_AGAIN
    assert len(server.transcript) == requests
    server.script("revoke", Reply())
    assert shell("revoke", "--yes").status == DONE
    assert server.requests_to("revoke")[0].form["token"] == "gho_x"


@pytest.mark.parametrize("where", ["package.json", "missing/oauth.json", ".", "new/", f"{'n' * 256}.json"])
def test_login_sends_no_request_if_the_token_could_not_be_stored(
    shell: Shell, server: FakeGoogle, tmp_path: Path, where: str
) -> None:
    (tmp_path / "package.json").write_text("{}")
    done = shell("login", "--file", where)
    assert (done.status, done.out) == (FIX_FIRST, "")
    assert done.err.startswith(f"ytmusic_oauth: {where}: ")
    assert server.transcript == []
    assert (tmp_path / "package.json").read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["package.json"]


def test_login_sends_no_request_if_the_disk_is_full(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, requests = file.read_bytes(), len(server.transcript)
    monkeypatch.setattr(os, "write", disk_full)
    done = shell("login")
    monkeypatch.undo()
    assert (done.status, "No space left on device" in done.err) == (FIX_FIRST, True)
    assert len(server.transcript) == requests
    assert file.read_bytes() == before


def test_a_failed_login_keeps_the_old_token_file(shell: Shell, server: FakeGoogle, file: Path) -> None:
    before = file.read_bytes()
    server.script("token", Reply(400, {"error": "expired_token"}))
    assert shell("login").status == LOG_IN_AGAIN
    assert file.read_bytes() == before


# ---- token, header -------------------------------------------------------------------------------


def test_a_fresh_token_is_printed_without_network_or_client(shell: Shell, server: FakeGoogle, file: Path) -> None:
    shell.forget_client()
    shell.type("never", "asked")
    requests = len(server.transcript)
    access_token = OAuthToken.from_json(file).access_token
    assert shell("token") == (DONE, f"{access_token}\n", "")
    assert shell("header") == (DONE, f"Authorization: Bearer {access_token}\n", "")
    assert len(server.transcript) == requests


@pytest.mark.parametrize("command", ["token", "header"])
@pytest.mark.parametrize("refresh_token", ["1//of-google", "of-another-server", ""])
def test_a_token_in_its_last_minute_needs_no_client(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock, command: str, refresh_token: str
) -> None:
    values = {**json.loads(file.read_text()), "refresh_token": refresh_token, "scope": "a"}
    file.write_text(json.dumps(values))
    shell.forget_client()
    shell.endpoints = []
    if not refresh_token:
        shell.type("never", "asked")
    clock.advance(3590)
    done = shell(command)
    assert (done.status, done.err) == (DONE, "")
    assert done.out.strip().endswith(values["access_token"])
    clock.advance(20)
    assert shell(command).status == (FIX_FIRST if refresh_token else LOG_IN_AGAIN)


def test_a_token_that_is_due_is_refreshed_and_saved(shell: Shell, server: FakeGoogle, file: Path, clock: Clock) -> None:
    clock.advance(3590)
    done = shell("token")
    assert (done.status, done.err) == (DONE, "")
    assert server.is_live(done.out.strip())
    assert OAuthToken.from_json(file).access_token == done.out.strip()
    assert shell("token") == done
    assert len(server.requests_to("token")) == 2, "one for the login, one for the refresh"


def test_a_token_that_cannot_be_saved_is_printed_with_a_warning(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(3590)
    monkeypatch.setattr(os, "write", disk_full)
    done = shell("token")
    monkeypatch.undo()
    assert done.status == DONE
    assert server.is_live(done.out.strip())
    assert "No space left on device" in done.err
    assert done.err.count("\n") == 1


FAILURES: Final[Mapping[str, tuple[Reply | str, int, str]]] = {
    "interaction required": (Reply(400, {"error": "interaction_required"}), LOG_IN_AGAIN, "Log in again"),
    "wrong client, GitHub": (Reply(200, {"error": "incorrect_client_credentials"}), FIX_FIRST, "Check the client id"),
    "revoked": (Reply(400, {"error": "invalid_grant"}), LOG_IN_AGAIN, "Log in again"),
    "wrong client": (Reply(401, {"error": "invalid_client"}), FIX_FIRST, "Check the client id and secret"),
    "token of another client": (
        Reply(401, {"error": "unauthorized_client"}),
        FIX_FIRST,
        "Use the client id and secret",
    ),
    "quota": (Reply(429, {"error": "rate_limit_exceeded"}, {"Retry-After": "77"}), TRY_LATER, "asks to wait 77 s"),
    "no response": ("hang-up", TRY_LATER, "Try again later"),
    "captive portal": ("html", FIX_FIRST, "captive portal"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_the_exit_status_says_what_to_do_next(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock, failure: str
) -> None:
    reply, status, words = FAILURES[failure]
    before = file.read_bytes()
    clock.advance(4000)
    server.script("token", FAULTS[reply] if isinstance(reply, str) else reply)
    done = shell("header")
    assert (done.status, done.out) == (status, "")
    assert words in done.err
    assert done.err.startswith("ytmusic_oauth: ")
    assert done.err.count("\n") == 1
    assert done.err.endswith("login` with the same --file and client options.\n") is (status == LOG_IN_AGAIN)
    assert file.read_bytes() == before


def test_a_token_that_is_due_is_printed_while_it_is_valid_though_the_server_is_slow(
    shell: Shell, file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, float]] = []

    def no_response(_: OAuthCredentials, refresh_token: str, *, tries: int, seconds: float) -> NoReturn:
        asked.append((tries, seconds))
        raise TransportError("no response")

    monkeypatch.setattr(OAuthCredentials, "refresh_within", no_response)
    token = OAuthToken.from_json(file)
    clock.advance(token.expires_at - 20 - clock.wall)
    shell.is_known_as(rotates=False)
    done = shell("token")
    assert (done.out, asked) == (f"{token.access_token}\n", [(1, 18.0)])


@pytest.fixture
def search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a shell finds these programs, except for `python3.8`, which is in one before it."""
    for name in ("first/python3.8", "bin/python3.8", "bin/python3", "bin/pypy3.9", "bin/h\xf6chst", "bin/run.mjs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'missing'}{os.pathsep}{tmp_path / 'first'}{os.pathsep}{tmp_path / 'bin'}")
    return tmp_path / "bin"


@pytest.mark.parametrize(
    ("path", "program"),
    [
        ("/usr/lib/ytmusic_oauth/__main__.py", "python3 -m ytmusic_oauth"),
        ("{bin}/h\xf6chst", "'h\\xf6chst'"),
        ("/opt/not found/ytmusic-oauth", "'/opt/not found/ytmusic-oauth'"),
        ("ytmusic-oauth", "ytmusic-oauth"),
        ("dist/oauth.pyz", "python3 dist/oauth.pyz"),
        ("my app/oauth.pyz", "python3 'my app/oauth.pyz'"),
    ],
)
def test_the_hint_to_log_in_names_the_program(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, search_path: Path, path: str, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(search_path / "python3"))
    monkeypatch.setattr(sys, "argv", [path.format(bin=search_path)])
    done = shell("token", "--file", "missing.json")
    assert (done.status, done.out) == (LOG_IN_AGAIN, "")
    assert done.err.endswith(f" Run `{program} login` with the same --file and client options.\n")


@pytest.mark.parametrize(
    ("executable", "python"),
    [
        ("{bin}/python3", "python3"),
        ("{bin}/pypy3.9", "pypy3.9"),
        ("{bin}/python3.8", "{bin}/python3.8"),
        ("/Framework/Python", "/Framework/Python"),
        ("/opt/a venv/bin/python", "'/opt/a venv/bin/python'"),
        ("{bin}/run.mjs", "python"),
        ("run.mjs", "python"),
        ("", "python"),
    ],
)
def test_the_hint_to_log_in_names_the_python_that_runs(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, search_path: Path, executable: str, python: str
) -> None:
    """By its path, if the shell finds another one or none. A bare Debian has no `python`; WebAssembly has none."""
    executable, python = (each.format(bin=search_path) for each in (executable, python))
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(sys, "argv", ["/usr/lib/ytmusic_oauth/__main__.py"])
    assert f" Run `{python} -m ytmusic_oauth login` with" in shell("token", "--file", "missing.json").err


def test_the_environment_can_name_the_token_file(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file.rename(tmp_path / "elsewhere.json")
    monkeypatch.setenv("YTMUSIC_OAUTH_FILE", "elsewhere.json")
    assert shell("token").status == DONE
    assert shell("token", "--file", "oauth.json").status == LOG_IN_AGAIN


# ---- status --------------------------------------------------------------------------------------


def test_status_shows_the_expiry(shell: Shell, file: Path, clock: Clock) -> None:
    clock.advance(599)
    done = shell("status")
    assert done.status == DONE
    assert "expires in 0:50:00, at 2023-11-1" in done.out
    assert "refresh token  present (only the server knows whether it is still valid: --check)\n" in done.out
    assert "the next use" not in done.out
    clock.advance(2950)
    assert "expires in 0:00:50" in shell("status").out
    assert "the next use refreshes it" in shell("status").out
    clock.advance(50)
    done = shell("status")
    assert done.status == DONE, "the next use refreshes it, without a person"
    assert "access token   expired; the next use refreshes it" in done.out
    assert f"client         {CLIENT_ID} at https://oauth2.googleapis.com/token" in done.out


@pytest.mark.parametrize(
    "options",
    [["--endpoints", "nonsense"], ["--json", "--client-secrets", "oauth.json"], ["--client-authentication", ""]],
)
def test_status_fails_for_wrong_usage_even_if_the_token_is_fresh(shell: Shell, file: Path, options: list[str]) -> None:
    done = shell("status", *options)
    assert (done.status, "access token" in done.out) == (FIX_FIRST, False)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_status_fails_if_a_person_is_needed(shell: Shell, file: Path, clock: Clock, options: list[str]) -> None:
    """In cron, the token can be used until it expires."""
    shell.forget_client()
    shell.type("never", "asked")
    done = shell("status", *options)
    assert done.status == DONE
    assert options or "client         The OAuth client is unknown: pass" in done.out
    clock.advance(3599)
    done = shell("status", *options)
    assert done.status == FIX_FIRST
    assert "the next use" not in done.out
    assert "The OAuth client is unknown" in done.err


def test_a_token_of_an_unknown_server_needs_endpoints(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock
) -> None:
    values = {**json.loads(file.read_text()), "refresh_token": "of-another-server", "scope": "a"}
    file.write_text(json.dumps(values))
    unknown = "The server that the token in oauth.json came from is unknown: pass --endpoints"
    done = shell("status")
    assert (done.status, f"client         {unknown}\n" in done.out) == (DONE, True)
    clock.advance(3600)
    assert shell("status")[::2] == (FIX_FIRST, f"ytmusic_oauth: {unknown}.\n")
    server.script("token", Reply(200, {"access_token": "new", "expires_in": 60}))
    assert shell("token")[:2] == (DONE, "new\n")


def test_status_check_asks_the_server(shell: Shell, server: FakeGoogle, file: Path) -> None:
    """Only the server knows that the user has ended the login elsewhere."""
    options = ["--check", *shell.endpoints]
    done = shell("status", *options)
    assert done.status == DONE
    assert "refresh token  valid" in done.out
    assert len(server.requests_to("token")) == 2
    server.revoke(OAuthToken.from_json(file).refresh_token)
    assert shell("status").status == DONE
    done = shell("status", *options)
    assert (done.status, done.out) == (LOG_IN_AGAIN, "")
    server.script("token", *[Reply(503)] * 3)
    assert shell("status", *options).status == TRY_LATER


def test_status_json_prints_every_value_that_is_not_secret(
    shell: Shell, file: Path, clock: Clock, tmp_path: Path
) -> None:
    clock.advance(599)
    assert json.loads(shell("status", "--json").out) == {
        "file": str(tmp_path / "oauth.json"),
        "scope": "https://www.googleapis.com/auth/youtube",
        "token_type": "Bearer",
        "expires_at": NOON + 5 + 3599,
        "expires_in": 3599,
        "seconds_left": 3000,
        "is_expiring": False,
        "is_usable": True,
    }
    clock.advance(3000)
    assert json.loads(shell("status", "--json").out).items() >= {"seconds_left": 0, "is_expiring": True}.items()
    shell.forget_client()
    values, error = shell("status", "--json").events
    assert values["is_usable"] is False
    assert error.items() >= {"event": "error", "exit_status": FIX_FIRST}.items()


@pytest.mark.parametrize("content", ["", "{}", "null", '{"access_token": "ya29.secret"'])
def test_an_invalid_token_file_is_kept_and_not_quoted(shell: Shell, tmp_path: Path, content: str) -> None:
    (tmp_path / "oauth.json").write_text(content)
    for command in ("status", "token", "header", "refresh", "revoke"):
        done = shell(command)
        assert (done.status, done.out) == (FIX_FIRST if content else LOG_IN_AGAIN, "")
        assert "oauth.json" in done.err
        assert "secret" not in done.err.replace("--client-secrets", "")
    assert (tmp_path / "oauth.json").read_text() == content


# ---- refresh, revoke -----------------------------------------------------------------------------


def test_refresh_gets_a_new_token_and_keeps_the_scope(shell: Shell, server: FakeGoogle, file: Path) -> None:
    token = json.loads(file.read_text())
    file.write_text(json.dumps({**token, "scope": "openid"}))
    server.script("token", Reply(200, {"access_token": "ya29.another", "expires_in": 60}))
    done = shell("refresh")
    assert (done.status, done.out) == (DONE, "")
    assert done.err.startswith("Refreshed. The access token is valid until 2023-11-1")
    assert OAuthToken.from_json(file).access_token == "ya29.another"
    assert OAuthToken.from_json(file).scope == "openid"


def test_refresh_fails_if_the_token_cannot_be_saved(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the server rotates refresh tokens, the one in the file is now invalid: the user must know."""
    monkeypatch.setattr(os, "write", disk_full)
    done = shell("refresh")
    monkeypatch.undo()
    assert (done.status, "Refreshed" in done.err) == (FIX_FIRST, False)


@pytest.mark.parametrize("scope", ["", "tab\tand\nline"])
def test_a_token_with_an_unusual_scope_can_be_printed_refreshed_and_revoked(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock, scope: str
) -> None:
    """GitHub Apps issue tokens with an empty scope."""
    token = OAuthToken.from_json(file)
    token.scope = scope
    file.write_text(token.as_json())
    clock.advance(3590)
    assert shell("token").status == shell("refresh").status == shell("revoke", "--yes").status == DONE


def test_revoke_yes_ends_the_login_without_asking_and_removes_its_files(
    shell: Shell, server: FakeGoogle, tmp_path: Path
) -> None:
    server.approve_after = 0
    shell("login")
    refresh_token = OAuthToken.from_json(tmp_path / "oauth.json").refresh_token
    done = shell("revoke", "--yes")
    assert (done.status, done.err) == (DONE, "Revoked. oauth.json has no token now.\n")
    assert not server.can_refresh(refresh_token)
    assert list(tmp_path.iterdir()) == []
    for command in (["status"], ["token"], ["refresh"], ["revoke", "--yes"]):
        done = shell(*command)
        assert (done.status, done.out) == (LOG_IN_AGAIN, ""), "nothing says that all is well"


def test_a_login_that_has_ended_already_can_be_revoked(shell: Shell, server: FakeGoogle, file: Path) -> None:
    server.revoke(OAuthToken.from_json(file).refresh_token)
    done = shell("revoke", "--yes")
    assert (done.status, "already ended, or another server issued it. oauth.json has no" in done.err) == (DONE, True)
    assert not file.exists()


def test_revoke_needs_no_client_where_none_is_sent(shell: Shell, server: FakeGoogle, file: Path) -> None:
    shell.forget_client()
    assert shell("revoke", "--yes").status == FIX_FIRST
    shell.is_known_as(authenticates=False)
    assert shell("revoke", "--yes").status == DONE
    assert server.requests_to("revoke")[0].form.keys() == {"token"}


def test_revoke_keeps_a_token_that_another_program_stores_meanwhile(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(*_: object) -> None:
        file.write_text(json.dumps({**json.loads(file.read_text()), "access_token": "ya29.new"}))

    monkeypatch.setattr("ytmusic_oauth.credentials.OAuthCredentials.revoke_token", login)
    done = shell("revoke", "--yes")
    assert (done.status, done.err) == (DONE, "Revoked. oauth.json was kept: it has another token now.\n")
    assert OAuthToken.from_json(file).access_token == "ya29.new"


@pytest.mark.parametrize(
    ("is_known", "what"),
    [
        (True, "Revoked"),
        (False, "The server does not know this login: it has already ended, or another server issued it"),
    ],
)
def test_revoke_says_if_the_file_is_left(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch, is_known: bool, what: str
) -> None:
    if not is_known:
        server.revoke(OAuthToken.from_json(file).refresh_token)
    monkeypatch.setattr(os, "unlink", disk_full)
    done = shell("revoke", "--yes")
    monkeypatch.undo()
    assert done.status == FIX_FIRST
    words = f"oauth.json: {what}. But this file is left: No space left on device. Remove it."
    assert done.err == f"ytmusic_oauth: {words}\n"


@pytest.mark.parametrize(
    ("answer", "is_yes"), [("y", True), (" Yes ", True), ("", False), ("n", False), ("yet", False)]
)
def test_revoke_says_what_it_ends_and_asks_for_confirmation(
    shell: Shell, server: FakeGoogle, file: Path, answer: str, is_yes: bool
) -> None:
    shell.type(answer)
    refresh_token = OAuthToken.from_json(file).refresh_token
    done = shell("revoke")
    assert (done.status, done.out) == (DONE if is_yes else INTERRUPTED, "")
    assert "every grant that you gave to the Cloud project" in done.err
    assert f"Continue? [y/N] {'Revoked.' if is_yes else 'ytmusic_oauth: Nothing was revoked.'}" in done.err
    assert server.can_refresh(refresh_token) == file.exists() == (not is_yes)


def test_revoke_does_not_send_a_token_that_was_stored_during_the_question(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be of another login, or even of another server."""
    server.rotate = True
    shell.type()

    refresh_tokens: list[str] = []

    def refresh_and_confirm() -> str:
        token = RefreshingToken.load(client(server, rotates=True), file)
        token.refresh()
        refresh_tokens.append(token.refresh_token)
        return "y"

    monkeypatch.setattr(sys.stdin, "readline", refresh_and_confirm)
    done = shell("revoke")
    assert (done.status, server.requests_to("revoke")) == (TRY_LATER, [])
    assert "ytmusic_oauth: oauth.json: The token was replaced meanwhile; nothing was sent. Try again" in done.err
    assert server.can_refresh(refresh_tokens[0])
    assert shell("revoke", "--yes").status == DONE
    assert not server.can_refresh(refresh_tokens[0])


def test_refresh_does_not_send_a_token_that_was_stored_during_the_questions(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_in_and_answer(question: str) -> str:
        file.write_text(json.dumps({**json.loads(file.read_text()), "refresh_token": "of-another-server"}))
        return CLIENT_SECRET

    requests = len(server.transcript)
    monkeypatch.delenv(SECRET)
    shell.type()
    monkeypatch.setattr(getpass, "getpass", log_in_and_answer)
    done = shell("refresh")
    assert (done.status, len(server.transcript)) == (TRY_LATER, requests)
    assert "The token was replaced meanwhile" in done.err


@pytest.mark.parametrize("command", [["token"], ["header"], ["refresh"], ["status", "--check"]])
def test_an_expired_login_without_a_refresh_token_needs_no_client_to_be_refused(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock, command: list[str]
) -> None:
    """Nor a known server. In this very second, it expires."""
    file.write_text(json.dumps({**json.loads(file.read_text()), "refresh_token": "", "scope": "a"}))
    clock.advance(3599)
    shell.forget_client()
    shell.endpoints = []
    done = shell(*command)
    assert (done.status, "The server gave no refresh token" in done.err) == (LOG_IN_AGAIN, True)


def test_revoke_fails_if_the_server_rejects_it(shell: Shell, server: FakeGoogle, file: Path) -> None:
    server.script("revoke", Reply(400, {"error": "unsupported_token_type"}))
    done = shell("revoke", "--yes")
    assert (done.status, "unsupported_token_type" in done.err) == (FIX_FIRST, True)
    assert "Revoked" not in done.err


def test_revoke_without_a_terminal_needs_yes(shell: Shell, server: FakeGoogle, file: Path) -> None:
    done = shell("revoke")
    assert (done.status, done.out) == (FIX_FIRST, "")
    assert "--yes" in done.err
    assert server.can_refresh(OAuthToken.from_json(file).refresh_token)


def test_revoke_can_be_tried_later_if_another_process_keeps_the_file_locked(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ytmusic_oauth._cycle.LOCK_WAIT", 0.1)
    with ThreadPoolExecutor(1) as another, ExitStack() as held:
        another.submit(held.enter_context, FileStore(file).lock(0)).result()
        done = shell("revoke", "--yes")
        another.submit(held.close).result()
    assert done.status == TRY_LATER
    assert done.err.startswith("ytmusic_oauth: oauth.json: Another process has held the lock of the token for 0 s. ")
    assert server.can_refresh(OAuthToken.from_json(file).refresh_token)


def test_revoke_fails_without_a_revocation_endpoint_before_it_asks(
    shell: Shell, server: FakeGoogle, file: Path
) -> None:
    shell.endpoints.remove(server.revoke_url)
    shell.type("never", "asked")
    for options in ([], ["--yes"]):
        done = shell("revoke", *options)
        assert (done.status, done.err.count("\n")) == (FIX_FIRST, 1)
        assert "ytmusic_oauth: These endpoints have no revoke_url" in done.err


# ---- the client and the server -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["installed", "web"])
def test_the_client_is_read_from_a_file_of_the_google_cloud_console(
    shell: Shell, server: FakeGoogle, tmp_path: Path, kind: str
) -> None:
    shell.forget_client()
    client = {"client_id": CLIENT_ID, "project_id": "p", "client_secret": CLIENT_SECRET, "redirect_uris": []}
    (tmp_path / "client.json").write_text("\ufeff" + json.dumps({kind: client}), "utf-8")
    server.approve_after = 0
    assert shell("login", "--client-secrets", "client.json").status == DONE


FLAT: Final = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
URLS: Final = {"device_code_url": "https://a.example/code", "token_url": "https://a.example/token"}


def test_the_client_is_read_from_a_file_with_two_values(shell: Shell, server: FakeGoogle, tmp_path: Path) -> None:
    """As other programs store it."""
    shell.forget_client()
    (tmp_path / "client.json").write_text(json.dumps(FLAT))
    server.approve_after = 0
    assert shell("login", "--client-secrets", "client.json").status == DONE


def test_a_client_file_can_have_the_server_and_what_to_ask_for(
    shell: Shell, server: FakeGoogle, tmp_path: Path
) -> None:
    """Then no command needs another option."""
    shell.forget_client()
    server.dialect = RFC_DIALECT
    server.approve_after = 0
    client = {
        **FLAT,
        "endpoints": {
            "device_code_url": server.device_code_url,
            "token_url": server.token_url,
            "revoke_url": server.revoke_url,
            "client_authentication": "post",
        },
        "scope": "openid offline_access",
        "parameters": {"audience": "https://api.example.org"},
    }
    (tmp_path / "client.json").write_text(json.dumps(client))
    shell.endpoints = []
    for command in ("login", "refresh", "header"):
        assert shell(command, "--client-secrets", "client.json").status == DONE
    form = server.requests_to("code")[0].form
    assert form.items() >= {"scope": "openid offline_access", "audience": "https://api.example.org"}.items()
    assert (
        shell("login", "--client-secrets", "client.json", "--scope", "a", "--parameter", "audience=b=c").status == DONE
    )
    form = server.requests_to("code")[-1].form
    assert form.items() >= {"scope": "a", "audience": "b=c"}.items(), "an option wins"
    assert shell("revoke", "--yes", "--client-secrets", "client.json").status == DONE


def test_a_client_file_can_name_the_server(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, requested: list[tuple[str, Mapping[str, str]]], tmp_path: Path
) -> None:
    (tmp_path / "client.json").write_text(json.dumps({**FLAT, "endpoints": "google"}))
    shell.endpoints = []
    assert shell("login", "--client-secrets", "client.json").status == INTERRUPTED
    shell.endpoints = ["--endpoints", "youtube"]
    assert shell("login", "--client-secrets", "client.json").status == INTERRUPTED
    assert [url for url, _ in requested] == [GOOGLE.device_code_url, YOUTUBE.device_code_url], "an option wins"


def test_a_client_file_can_have_every_field_of_the_endpoints(shell: Shell, server: FakeGoogle, tmp_path: Path) -> None:
    endpoints = {
        "device_code_url": server.device_code_url,
        "token_url": server.token_url,
        "revoke_url": server.revoke_url,
        "client_authentication": "post",
        "device_grant": "urn:x",
        "device_code_parameter": "x_code",
        "authenticate_everywhere": False,
        "rotates_refresh_tokens": False,
        "is_google": True,
    }
    assert {each.name for each in fields(Endpoints)} == endpoints.keys()
    (tmp_path / "client.json").write_text(json.dumps({**FLAT, "endpoints": endpoints}))
    shell.endpoints = ["--client-authentication", "basic"]
    server.script("token", Reply(400, {"error": "slow_down"}), Reply(400, {"error": "invalid_client"}))
    done = shell("login", "--client-secrets", "client.json")
    assert (done.status, "YouTube Data API" in done.err) == (FIX_FIRST, True)
    code, poll = server.transcript[-3:-1]
    assert code.form == {"client_id": CLIENT_ID, "scope": "https://www.googleapis.com/auth/youtube"}
    assert "authorization" not in code.headers
    assert poll.form.keys() == {"grant_type", "x_code"}
    assert poll.form["grant_type"] == "urn:x"
    assert poll.headers["authorization"].startswith("Basic "), "an option wins"


@pytest.mark.parametrize("rotates", [True, False])
def test_a_refresh_whose_response_is_lost_is_retried_if_the_server_does_not_rotate(
    shell: Shell, server: FakeGoogle, file: Path, rotates: bool
) -> None:
    server.script("token", FAULTS["answer-lost"])
    shell.is_known_as(rotates=rotates)
    assert shell("refresh").status == (TRY_LATER if rotates else DONE)


@pytest.mark.parametrize("where", ["environment", "file", "nowhere"])
def test_a_public_client_needs_no_secret(
    shell: Shell, server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    options = ["--client-authentication", "none"]
    monkeypatch.delenv(SECRET)
    if where == "environment":
        monkeypatch.setenv(SECRET, "")
    if where == "file":
        (tmp_path / "client.json").write_text(json.dumps({"client_id": CLIENT_ID}))
        options += ["--client-secrets", "client.json"]
    server.script("token", Reply(200, {"access_token": "ya29.fake", "refresh_token": "1//fake"}))
    assert shell("login", *options).status == DONE
    assert shell.hidden_questions == []
    for request in server.transcript:
        assert request.form["client_id"] == CLIENT_ID
        assert "client_secret" not in request.form
        assert "authorization" not in request.headers
    assert json.loads((tmp_path / "oauth.json.client").read_text()).get("client_secret", "") == ""


@pytest.mark.parametrize(("name", "key"), [(ID, "client_id"), (SECRET, "client_secret")])
@pytest.mark.parametrize(("value", "problem"), [(" ", "blank"), ("a\n", "surrounded by blanks or line")])
def test_an_unfit_value_in_the_environment_is_refused_in_words(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, name: str, key: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    done = shell("login")
    assert (done.status, f"ytmusic_oauth: {name}: {key} is {problem}" in done.err) == (FIX_FIRST, True)
    assert server.transcript == []


@pytest.mark.parametrize("name", [ID, SECRET])
def test_an_empty_variable_is_a_missing_one(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In CI, an unset secret gives one."""
    monkeypatch.setenv(name, "")
    assert "The OAuth client is unknown" in shell("login").err
    shell.type(CLIENT_ID if name == ID else CLIENT_SECRET)
    server.approve_after = 0
    assert shell("login").status == DONE


def test_an_unfit_scope_in_a_client_file_is_refused_in_words(shell: Shell, server: FakeGoogle, tmp_path: Path) -> None:
    (tmp_path / "client.json").write_text(json.dumps({**FLAT, "scope": "a\tb"}))
    done = shell("login", "--client-secrets", "client.json")
    assert (done.status, done.err) == (FIX_FIRST, "ytmusic_oauth: scope is not printable text.\n")
    assert server.transcript == []


@pytest.mark.parametrize("parameter", ["audience", "=a", "", "a=\udcff", "a\n=b"])
def test_a_parameter_without_name_or_value_is_refused(shell: Shell, server: FakeGoogle, parameter: str) -> None:
    done = shell("login", "--parameter", parameter)
    assert (done.status, "--parameter takes NAME=VALUE, both printable" in done.err) == (FIX_FIRST, True)
    assert server.transcript == []


def test_an_argument_that_is_not_utf_8_is_neither_sent_nor_quoted(shell: Shell, server: FakeGoogle) -> None:
    done = shell("login", "--scope", "a\udcff")
    assert (done.status, done.err) == (FIX_FIRST, "ytmusic_oauth: scope is not printable text.\n")
    assert server.transcript == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(CLIENT_SECRET, "it is not JSON", id="not JSON"),
        pytest.param("[]", "it is not a JSON object", id="array"),
        pytest.param("{}", "it has no client_id, neither at the top", id="empty object"),
        pytest.param(json.dumps({"installed": CLIENT_SECRET}), "it has no client_id", id="client is text"),
        pytest.param(
            json.dumps({"type": "service_account", "client_id": CLIENT_ID, "private_key": CLIENT_SECRET}),
            "it is the key of a service account, which YouTube Music does not accept. Pass the JSON file of an OAuth",
            id="service account",
        ),
        pytest.param(
            " " * 2**20 + json.dumps({"installed": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}}),
            "it is not JSON",
            id="too large",
        ),
        pytest.param(
            json.dumps({"installed": {"client_id": CLIENT_ID}}),
            "it has no client_secret. Get a new secret from the server: the Google Cloud console shows one only once. ",
            id="secret missing",
        ),
        pytest.param(
            json.dumps({"installed": {"client_id": [CLIENT_SECRET], "client_secret": CLIENT_SECRET}}),
            "client_id is not text",
            id="id is a list",
        ),
        pytest.param(
            json.dumps({"installed": {"client_id": CLIENT_ID, "client_secret": f"{CLIENT_SECRET} "}}),
            "client_secret is surrounded by blanks or line breaks",
            id="secret with a space",
        ),
        pytest.param(
            json.dumps(
                {"installed": {"client_id": CLIENT_ID, "client_secret": f"\xff{CLIENT_SECRET}"}}, ensure_ascii=False
            ),
            "client_secret is not printable ASCII",
            id="not UTF-8",
        ),
        pytest.param(json.dumps({**FLAT, "client_id": ""}), "client_id is empty", id="id empty"),
        pytest.param(json.dumps({**FLAT, "client_secret": ""}), "it has no client_secret", id="secret empty"),
        pytest.param(json.dumps({**FLAT, "client_secret": 5}), "client_secret is not text", id="secret a number"),
        pytest.param(json.dumps({**FLAT, "scope": [CLIENT_SECRET]}), "scope is not text", id="scope a list"),
        pytest.param(json.dumps({**FLAT, "parameters": CLIENT_SECRET}), "parameters is not a dict", id="parameters"),
        pytest.param(
            json.dumps({**FLAT, "parameters": {"scope": CLIENT_SECRET}}),
            "parameters must not set scope",
            id="scope as a parameter",
        ),
        pytest.param(
            json.dumps({**FLAT, "endpoints": CLIENT_SECRET}),
            "it has endpoints that are neither an object nor one of youtube, google",
            id="name",
        ),
        pytest.param(json.dumps({**FLAT, "endpoints": []}), "it has endpoints that are neither", id="endpoints a list"),
        pytest.param(json.dumps({**FLAT, "endpoints": {}}), "device_code_url is missing", id="no URL"),
        pytest.param(
            json.dumps({**FLAT, "endpoints": {**URLS, "token_url": f"https://a@{CLIENT_SECRET}"}}),
            "token_url is not a valid endpoint: it contains a user name",
            id="URL with a user name",
        ),
        pytest.param(
            json.dumps({**FLAT, "endpoints": {**URLS, "rotates_refresh_tokens": "yes"}}),
            "rotates_refresh_tokens is not true or false",
            id="boolean as text",
        ),
        pytest.param(
            json.dumps({**FLAT, "endpoints": {**URLS, "client_authentication": "client_secret_basic"}}),
            "client_authentication is not post, basic or none",
            id="unknown way to authenticate",
        ),
        pytest.param(
            json.dumps({**FLAT, "endpoints": {**URLS, "token_endpoint": CLIENT_SECRET}}),
            "it has an unknown field in its endpoints; known are device_code_url, token_url, revoke_url, ",
            id="unknown field",
        ),
    ],
)
def test_an_invalid_client_file_is_named_and_not_quoted(
    shell: Shell, server: FakeGoogle, tmp_path: Path, content: str, problem: str
) -> None:
    (tmp_path / "client.json").write_text(content, encoding="latin-1")
    done = shell("login", "--client-secrets", "client.json")
    assert (done.status, done.out) == (FIX_FIRST, "")
    assert done.err.startswith(f"ytmusic_oauth: client.json cannot be used as the OAuth client: {problem}")
    assert re.search(r"(Pass|pass) (the JSON file|--client-authentication none)", done.err), "no next step"
    assert CLIENT_SECRET not in done.err
    assert server.transcript == []


@pytest.mark.parametrize(
    ("where", "reason"),
    [("missing.json", errno.ENOENT), (".", errno.EACCES if os.name == "nt" else errno.EISDIR)],
)
def test_an_unreadable_client_file_is_named(shell: Shell, where: str, reason: int) -> None:
    done = shell("login", "--client-secrets", where)
    assert done.status == FIX_FIRST
    problem = f"{os.path.join(os.getcwd(), where)}: {os.strerror(reason)}"
    assert done.err.startswith(f"ytmusic_oauth: {problem}. Pass the JSON file of an OAuth client, such as")


def test_a_user_at_a_terminal_is_asked_for_the_client(shell: Shell, server: FakeGoogle) -> None:
    shell.forget_client()
    shell.type(CLIENT_ID, CLIENT_SECRET)
    server.approve_after = 0
    done = shell("login")
    assert (done.status, done.out) == (DONE, "")
    assert CLIENT_SECRET not in done.err
    assert done.err.startswith("Client id: \r")
    assert shell.hidden_questions == ["Client secret (not shown): "]


@pytest.mark.parametrize("typed", [[], [CLIENT_ID]])
def test_the_end_of_input_interrupts_the_questions(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    shell.forget_client()
    shell.type(*typed)
    monkeypatch.setattr(getpass, "getpass", end_of_input)
    done = shell("login")
    assert (done.status, done.err.splitlines()[-1]) == (INTERRUPTED, "ytmusic_oauth: Interrupted.")


def test_invalid_input_is_not_quoted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.forget_client()
    shell.type()
    monkeypatch.setattr(sys.stdin, "readline", not_utf8)
    done = shell("login")
    last_line = "Client id: ytmusic_oauth: The input is not valid text."
    assert (done.status, done.err.splitlines()[-1]) == (FIX_FIRST, last_line)


def test_nothing_is_asked_if_standard_error_is_no_terminal(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.forget_client()
    shell.type(CLIENT_ID, CLIENT_SECRET)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert shell("login").status == FIX_FIRST


def test_only_the_missing_value_is_asked_for(shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET)
    shell.type(CLIENT_SECRET)
    server.approve_after = 0
    assert shell("login").status == DONE


def test_without_a_terminal_the_error_says_how_to_pass_the_client(shell: Shell, server: FakeGoogle) -> None:
    shell.forget_client()
    done = shell("login")
    assert done.status == FIX_FIRST
    assert done.err.endswith(f": pass --client-secrets FILE, or set {ID} and {SECRET}.\n")
    assert server.transcript == []


def test_any_rfc_8628_server_works(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeGoogle(clock=clock.monotonic, dialect=RFC_DIALECT, approve_after=0, rotate=True) as server:
        shell = Shell(server, monkeypatch, capsys)
        assert shell("login", "--scope", "openid offline_access").status == DONE
        assert server.requests_to("code")[0].form["scope"] == "openid offline_access"
        for command in (["refresh"], ["refresh"], ["revoke", "--yes"]):
            assert shell(*command).status == DONE


@pytest.mark.parametrize(
    "endpoints", [["yahoo"], ["http://fake.test/code", "http://fake.test/token"], ["https://fake.test/"] * 4]
)
def test_invalid_endpoints_are_rejected(shell: Shell, file: Path, endpoints: list[str]) -> None:
    shell.endpoints = ["--endpoints", *endpoints]
    done = shell("refresh")
    assert (done.status, done.out) == (FIX_FIRST, "")
    assert "https" in done.err or "DEVICE_CODE_URL TOKEN_URL" in done.err


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("youtube", "https://www.youtube.com/o/oauth2/device/code"),
        ("google", "https://oauth2.googleapis.com/device/code"),
    ],
)
def test_googles_endpoints_have_names(
    shell: Shell, requested: list[tuple[str, Mapping[str, str]]], name: str, url: str
) -> None:
    shell.endpoints = ["--endpoints", name]
    assert shell("login").status == INTERRUPTED
    [(place, form)] = requested
    assert (place, form["scope"]) == (url, "https://www.googleapis.com/auth/youtube")


def test_no_scope_is_the_default_for_other_servers(
    shell: Shell, requested: list[tuple[str, Mapping[str, str]]]
) -> None:
    shell.is_known_as()
    shell.endpoints = ["--endpoints", *URLS.values()]
    for options in ([], ["--scope", ""], ["--scope", "a b"]):
        assert shell("login", *options).status == INTERRUPTED
    assert [form.get("scope") for _, form in requested] == [None, None, "a b"]


# ---- usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "--versio",
            "The first word must be a command: login, token, header, status, refresh, revoke. Did you mean --v",
        ),
        ("logni", "revoke. Did you mean login? See `oauth --help`."),
        ("ya29.secret", "revoke. See `oauth --help`."),
        ("login --scop=ya29.secret", "no option --scop. Did you mean --scope? See `oauth login --help`."),
        ("--file ya29.secret token", "The first word must be a command"),
        ("login --client-secret ya29.secret", "no option --client-secret. Did you mean --client-secrets? See `oauth l"),
        ("token --fil=ya29.secret", "no option --fil. Did you mean --file? See `oauth token --help`."),
        ("token --qqqq", "There is no option --qqqq. See"),
        ("token ya29.secret", "There is a word too many. See"),
        ("login -ssecret", "There is a word too many. See"),
        ("token --ya29.secret", "There is a word too many. See"),
        ("token --client-authentication ya29.secret'(", "--client-authentication: it takes one of: post, basic, none"),
        ("login --json=ya29.secret", "--json: it takes no value. See"),
        ("login --parameter scope=ya29.secret", "ytmusic_oauth: parameters must not set scope"),
        ("login --file", "--file: expected one argument. See"),
        ("login --file=", "--file: the file name is empty. See"),
        ("login --client-secrets=", "--client-secrets: the file name is empty. See"),
    ],
)
def test_wrong_usage_is_one_line_that_repeats_no_value(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    """An empty file name is what a script passes if a variable is not set."""
    monkeypatch.setattr(sys, "argv", ["oauth"])
    shell.endpoints = []
    done = shell(*line.split())
    assert (done.status, done.out) == (FIX_FIRST, "")
    assert done.err.startswith("ytmusic_oauth: ")
    assert words in done.err
    assert done.err.startswith("ytmusic_oauth: --") is words.startswith("--")
    assert done.err.count("\n") == 1
    assert "secret" not in done.err.replace("--client-secret", "")


def test_wrong_usage_is_an_event_with_json(shell: Shell) -> None:
    for line in (["--json"], ["login", "--json", "--endpoint", "x"], ["token", "--json"]):
        done = shell(*line)
        assert done.status == FIX_FIRST
        [event] = done.events
        assert event.items() >= {"event": "error", "error": "ValueError", "exit_status": FIX_FIRST}.items()


def test_without_arguments_the_commands_and_two_examples_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["oauth"])
    assert main() == FIX_FIRST
    shown = capsys.readouterr()
    assert shown.out == ""
    assert set(re.findall(r"^    ([a-z]+) ", shown.err, re.MULTILINE)) == set(COMMANDS)
    assert re.findall(r"^  oauth (\w+)", shown.err, re.MULTILINE) == ["login", "header"]


def test_options_are_checked_before_questions_are_asked(shell: Shell) -> None:
    shell.forget_client()
    shell.type()
    for options in (["--scope", "\t"], ["--parameter", "a"], ["--parameter", "scope=a"], ["--client-secrets", "no"]):
        done = shell("login", *options)
        assert (done.status, "Client id" in done.err) == (FIX_FIRST, False)
    shell.endpoints = ["--endpoints", "yahoo"]
    assert "Client id" not in shell("login").err


@pytest.mark.parametrize("answers", [("  ", CLIENT_SECRET), (CLIENT_ID, "")])
def test_an_empty_answer_is_an_error(shell: Shell, server: FakeGoogle, answers: tuple[str, str]) -> None:
    shell.forget_client()
    shell.type(*answers)
    done = shell("login")
    assert done.status == FIX_FIRST
    assert re.search(r"client_(id|secret) is empty\.\n\Z", done.err)
    assert server.transcript == []


COMMANDS: Final[Mapping[str, str]] = {
    "login": "log in with a code that you confirm in a browser",
    "token": "print the access token, refreshed first if it is due",
    "header": "print the Authorization header, for curl -H @-",
    "status": "say whether you are logged in (exit status 0 if so); --check asks the server",
    "refresh": "get a new access token now, even if the old one is fresh",
    "revoke": "end the login, for every program that uses it, and remove its files",
}


def test_the_help_describes_every_command_and_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/lib/ytmusic_oauth/__main__.py"])
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setenv("COLUMNS", "200")

    def output(*argv: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*argv])
        assert ended.value.code == DONE
        out = capsys.readouterr().out
        assert max(len(line) for line in out.splitlines()) <= 78
        return " ".join(out.split())

    exit_status = " Exit status: 0 done; 1 log in again; 2 fix something first; 3 try later; 130 interrupted."
    assert output("--version") == f"ytmusic_oauth {__version__}"
    overview = output("--help")
    assert overview.startswith("usage: python -m ytmusic_oauth [-h] [--version] COMMAND ... OAuth for YouTube Music: ")
    assert overview.endswith(exit_status)
    assert " commands: COMMAND " in overview
    assert output("-h") == overview
    for command, purpose in COMMANDS.items():
        assert f" {command} {purpose}" in overview
        own = output(command, "--help")
        assert own.startswith(f"usage: python -m ytmusic_oauth {command} [-h] [--file FILE]")
        assert f" {purpose[0].upper()}{purpose[1:]}. options:" in own
        assert "--file FILE the token file" in own
        assert "--client-secrets FILE the OAuth client's JSON file, from " in own
        assert "the environment variables YTMUSIC_OAUTH_CLIENT_ID and " in own
        assert "--endpoints NAME [NAME ...] youtube (default), " in own
        assert ("--json print JSON, " in own) is (command in {"login", "status"})
        keys = "file, scope, token_type, expires_at (UNIX time), expires_in, seconds_left, is_expiring, is_usable"
        assert (keys in own) is (command == "status")
        assert own.endswith(exit_status)
        assert " OAuth client and server: " in own
        assert " --client-authentication METHOD how the client " in own
        assert [name for name in vars(YOUTUBE) if name not in own] == [], "a client file can have them all"
    assert "--scope SCOPE the scope to request " in output("login", "--help")
    assert "--parameter NAME=VALUE another parameter " in output("login", "--help")
    assert "--open-browser open the link " in output("login", "--help")
    assert "--no-remember do not save " in output("login", "--help")
    assert "--check refresh the token" in output("status", "--help")
    assert "--yes do not ask " in output("revoke", "--help")


def test_the_help_is_not_colored() -> None:
    """Python 3.14 would do so at a terminal, where the escapes would be shown as text."""
    for parser in _parser("oauth"):
        parser.color = True
        assert parser.color is False


ALL_OPTIONS: Final = frozenset(
    [
        *("--help", "--file", "--client-secrets", "--endpoints", "--scope", "--open-browser", "--json", "--yes"),
        *("--client-authentication", "--parameter", "--no-remember", "--check"),
    ]
)


def test_no_option_takes_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """Every user of the machine can read the arguments of a process."""
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert options <= ALL_OPTIONS


def test_ctrl_c_prints_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ytmusic_oauth._commands.load_token", interrupt)
    assert shell("token") == (INTERRUPTED, "", "ytmusic_oauth: Interrupted.\n")


@pytest.mark.parametrize("where", ["_program", "_failed"])
def test_ctrl_c_before_the_command_and_while_an_error_is_written_prints_no_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"ytmusic_oauth._command_line.{where}", interrupt)
    assert shell("token", "--file", "missing.json") == (INTERRUPTED, "", "")


def test_an_error_of_the_system_without_a_text_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise BlockingIOError

    monkeypatch.setattr("ytmusic_oauth._commands.load_token", fail)
    assert "ytmusic_oauth: .: BlockingIOError." in shell("token").err


def test_control_characters_of_a_file_name_are_not_printed(shell: Shell) -> None:
    done = shell("token", "--file", "\x1b[2Jnone\r\n\udcff.json")
    assert done.status == LOG_IN_AGAIN
    assert done.err.startswith("ytmusic_oauth:  [2Jnone   .json: There is no token file here")
    assert done.err.count("\n") == 1


def test_a_scope_cannot_add_a_line_to_the_status(shell: Shell, file: Path) -> None:
    before = shell("status").out
    token = OAuthToken.from_json(file)
    token.scope = "s\naccess token   expires in 99 days"
    file.write_text(token.as_json())
    assert len(shell("status").out.splitlines()) == len(before.splitlines())


@pytest.mark.parametrize("command", ["token", "--help"])
@pytest.mark.parametrize("late", [False, True])
def test_a_closed_pipe_ends_a_command_without_an_exception(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, command: str, late: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", BrokenStream(BrokenPipeError(), late=late))
    try:
        status = main([command])
    except SystemExit as ended:  # raised by argparse
        status = DONE if ended.code == 0 else FIX_FIRST
    assert status in {DONE, INTERRUPTED}


@POSIX_SHELL
@pytest.mark.parametrize(
    ("stream", "name", "status"), [("stdout", "oauth", INTERRUPTED), ("stderr", "no", LOG_IN_AGAIN)]
)
def test_python_does_not_report_a_closed_pipe_at_exit(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, stream: str, name: str, status: int
) -> None:
    """Python flushes its streams again at exit, and the process fails if it cannot."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, stream, pipe)
        assert main(["token", "--file", f"{name}.json"]) == status


def test_warnings_for_developers_are_not_printed(shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deprecated(store: TokenStore) -> RefreshableTokenDict:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return load_token(store)

    monkeypatch.setattr("ytmusic_oauth._commands.load_token", deprecated)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert (shell("token").status, shell("token").err) == (DONE, "")


def test_commands_work_without_standard_error(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(BrokenStream):
        def fileno(self) -> NoReturn:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    server.approve_after = 7
    closed = io.StringIO()
    closed.close()
    with open(os.devnull, "w", encoding="utf-8") as closed_file:
        pass
    failed = OSError(errno.EIO, os.strerror(errno.EIO))
    for missing in (None, closed, closed_file, BrokenStream(failed, late=False), Failing(failed, late=False)):
        monkeypatch.setattr(sys, "stderr", missing)
        assert shell("login")[:2] == (DONE, "")
        assert shell("token", "--file", "missing.json")[:2] == (LOG_IN_AGAIN, "")


@pytest.mark.skipif(os.name == "nt", reason="its pipes always block")
@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_full_pipe_that_does_not_block_gets_the_whole_line(monkeypatch: pytest.MonkeyPatch, buffering: int) -> None:
    """As the output of a program that reads slowly, and set it so. `python -u` does not buffer."""
    reader, writer = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
    received: list[bytes] = []

    def pause(seconds: float) -> None:
        assert seconds, "it would take a processor"
        received.append(os.read(reader, 2**20))

    monkeypatch.setattr("ytmusic_oauth._output.time.sleep", pause)
    line = "a" * 300_000
    with io.TextIOWrapper(open(writer, "wb", buffering), encoding="ascii", write_through=not buffering) as stream:
        for name in ("stdout", "__stdout__"):
            monkeypatch.setattr(sys, name, stream)
        write_result(line)
        pause(1)
        monkeypatch.undo()
    os.close(reader)
    assert b"".join(received) == f"{line}\n".encode()


@pytest.mark.parametrize("error", [OverflowError, OSError, ValueError])
def test_a_date_that_the_platform_cannot_show_is_shown_in_utc(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """As on Windows after 3000, and where time has 32 bits after 2038."""

    class Old(dt.datetime):
        def astimezone(self, tz: dt.tzinfo | None = None) -> NoReturn:
            raise error

    assert local_time(10**11).startswith("5138-11-1")
    monkeypatch.setattr("datetime.datetime", Old)
    assert local_time(10**11) == "5138-11-16 09:46+00:00"


def test_a_closed_standard_error_is_no_terminal(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.forget_client()
    shell.type()
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert shell("login").status == FIX_FIRST


def test_the_exit_status_does_not_depend_on_standard_output(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", BrokenStream(OSError(errno.EIO, os.strerror(errno.EIO)), late=False))
    assert main(["status", "--json", "--file", "missing.json"]) == LOG_IN_AGAIN


@pytest.mark.parametrize("command", ["token", "header", "status"])
def test_a_result_that_cannot_be_printed_is_an_error(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    closed = io.StringIO()
    closed.close()
    for output, words in (
        (None, "standard output: Bad file descriptor. Open it, for example with > FILE."),
        (closed, "standard output: Bad file descriptor. Open it, for example with > FILE."),
        (
            BrokenStream(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), late=False),
            "standard output: No space left on device. Make room on the disk.",
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", output)
            patch.setattr(sys, "stderr", err := io.StringIO())
            assert main([command]) == FIX_FIRST
        assert err.getvalue() == f"ytmusic_oauth: {words}\n"


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("command", ["token", "status"])
def test_a_reader_that_has_gone_is_not_told(shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(sys, "stdout", BrokenStream(BrokenPipeError(errno.EPIPE, "Broken pipe"), late=False))
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())
    assert (main([command]), err.getvalue()) == (INTERRUPTED, "")


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "The reader of standard output has gone."),
        (
            OSError(errno.ENOSPC, "No space left on device", "standard output"),
            "standard output: No space left on device.",
        ),
    ],
)
@pytest.mark.parametrize("after", ["code", "token"])
def test_a_login_whose_reader_has_gone_says_whether_it_is_saved(
    shell: Shell,
    server: FakeGoogle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    problem: str,
    after: str,
) -> None:
    told: list[object] = []

    def broken(name: str, **parts: object) -> None:
        if name in {after, "error"}:
            told.append(parts.get("error"))
            raise error

    for module in ("_login", "_command_line"):
        monkeypatch.setattr(f"ytmusic_oauth.{module}.write_event", broken)
    server.approve_after = 0
    done = shell("login", "--json")
    saved = f" The login is saved in {tmp_path / 'oauth.json'}." if after == "token" else ""
    assert done.status == (INTERRUPTED if error.errno == errno.EPIPE else FIX_FIRST)
    assert done.err.startswith(f"ytmusic_oauth: {problem}")
    assert done.err.endswith(f".{saved}\n")
    assert (tmp_path / "oauth.json").exists() is bool(saved)
    assert told[-1] == type(error).__name__, "the program may have room for this event"


def test_without_its_folder_a_token_file_cannot_be_made_by_a_login(shell: Shell) -> None:
    for command in ("status", "token", "login"):
        done = shell(command, "--file", "missing/oauth.json")
        assert done.status == FIX_FIRST
        assert done.err.endswith(" Create the folder first.\n")


def test_a_program_without_arguments_of_its_own_prints_its_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python inside another program may have an empty `sys.argv`."""
    monkeypatch.setattr(sys, "argv", [])
    assert main() == FIX_FIRST
    assert capsys.readouterr().err.startswith("usage: ytmusic_oauth ")


def test_the_package_runs_as_a_module(shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ytmusic_oauth", "status"])
    monkeypatch.delitem(sys.modules, "ytmusic_oauth.__main__", raising=False)  # of another test
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("ytmusic_oauth", run_name="__main__")
    assert ended.value.code == DONE


def test_ctrl_c_during_the_imports_shows_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(ModuleType):
        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("__"):  # pytest looks for those when the test fails
                raise AttributeError(name)
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "ytmusic_oauth._command_line", Slow("slow"))
    monkeypatch.delitem(sys.modules, "ytmusic_oauth.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("ytmusic_oauth", run_name="__main__")
    assert ended.value.code == INTERRUPTED


# ---- real processes ------------------------------------------------------------------------------


@pytest.fixture
def stored(server: FakeGoogle, tmp_path: Path) -> OAuthToken:
    """A token in `oauth.json` that is fresh for other processes, whose clock is the real one."""
    values = logged_in(server).as_dict()
    # The real time, even if this process has another one (`--date`).
    values["expires_at"] = int(tmp_path.stat().st_mtime) + 3599
    token = OAuthToken(**values)
    (tmp_path / "oauth.json").write_text(token.as_json())
    return token


@POSIX_SHELL
def test_curl_accepts_the_header(stored: OAuthToken, tmp_path: Path) -> None:
    assert sh('printf "<%s>" "$(oauth header)"', tmp_path).out == f"<Authorization: {stored.as_auth()}>"


@POSIX_SHELL
@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param("oauth token <&-", DONE, id="no standard input"),
        pytest.param("oauth token 2>&-", DONE, id="no standard error"),
        pytest.param("oauth token >&-", FIX_FIRST, id="no standard output"),
        pytest.param("oauth login </dev/null", FIX_FIRST, id="a login without a terminal"),
        pytest.param("(oauth token; echo $? >status) | true; read s <status; exit $s", None, id="a pipe that closes"),
        pytest.param(
            "(oauth --help; echo $? >status) | true; read s <status; exit $s", None, id="help into a pipe that closes"
        ),
        pytest.param("oauth token >/dev/full", FIX_FIRST, id="a full disk"),
        pytest.param("oauth --help >/dev/full", FIX_FIRST, id="a full disk for the help"),
        pytest.param("oauth login --help >&-", FIX_FIRST, id="no standard output for the help"),
        pytest.param("oauth --version >/dev/full", FIX_FIRST, id="a full disk for the version"),
        pytest.param("oauth login </dev/null 2>/dev/full", FIX_FIRST, id="a full disk for errors"),
        pytest.param("oauth token --file no.json 2>/dev/full", LOG_IN_AGAIN, id="a full disk for the hint"),
        pytest.param("oauth status 2>/dev/full", DONE, id="a full disk for nothing"),
    ],
)
def test_a_process_ends_without_a_traceback(
    stored: OAuthToken, tmp_path: Path, script: str, status: int | None
) -> None:
    if "/dev/full" in script and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = sh(script, tmp_path, "-X", "dev", "-W", "error")
    assert done.status in ({DONE, INTERRUPTED} if status is None else {status})
    assert "Traceback" not in done.err
    assert "Exception" not in done.err
    assert done.err.count("\n") <= 1


@POSIX_SHELL
@pytest.mark.parametrize("zone", ["nowhere/at/all", "X99:99:99", "<", "UTC-25", "\udcff"])
def test_no_time_zone_fails_a_command(stored: OAuthToken, tmp_path: Path, zone: str) -> None:
    assert sh("oauth status", tmp_path, TZ=zone).status == DONE


@POSIX_SHELL
def test_an_ascii_terminal_gets_ascii(tmp_path: Path) -> None:
    done = sh("oauth status --file höchst.json", tmp_path, PYTHONIOENCODING="ascii")
    assert done.status == LOG_IN_AGAIN
    assert "h\\xf6chst.json" in done.err
    program = tmp_path / "höchst.py"
    program.write_text("from ytmusic_oauth.__main__ import main\nmain()\n", "utf-8")
    done = sh(f"{shlex.quote(sys.executable)} höchst.py --help", tmp_path, PYTHONIOENCODING="ascii")
    assert (done.status, done.err) == (DONE, "")


@POSIX_SHELL
def test_a_browser_neither_holds_up_a_login_nor_writes_to_its_output(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" >link\necho chatter\nmkfifo never\nread x <never\n')
    browser.chmod(0o700)
    with FakeGoogle(interval=1, approve_after=0) as server:
        urls = f"{server.device_code_url} {server.token_url}"
        variables = {ID: CLIENT_ID, SECRET: CLIENT_SECRET, "BROWSER": f"{browser} %s"}
        done = sh(f"oauth login --json --open-browser --scope a --endpoints {urls}", tmp_path, "-X", "dev", **variables)
        assert (done.status, done.err) == (DONE, "")
        assert [event["event"] for event in done.events] == ["code", "waiting", "token"]
        assert (tmp_path / "link").read_text().strip() == done.events[0]["link"]
    with (tmp_path / "never").open("w"):
        pass  # now the browser ends


@POSIX_SHELL
@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_the_link_can_be_shown_as_a_qr_code(tmp_path: Path) -> None:
    """While the login waits: `xargs` does not wait for the end of the events."""
    qrencode = tmp_path / "qrencode"
    qrencode.write_text('#!/bin/sh\necho "$@" >shown\n')
    qrencode.chmod(0o700)
    with FakeGoogle(interval=1, approve_after=0) as server:
        options = f"--scope a --endpoints {server.device_code_url} {server.token_url}"
        pipe = "jq --unbuffered -r '.link // empty' | xargs -n 1 qrencode -t ansiutf8"
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        done = sh(
            f"oauth login --json {options} | {pipe}", tmp_path, PATH=path, **{ID: CLIENT_ID, SECRET: CLIENT_SECRET}
        )
        assert (done.status, done.err) == (DONE, "")
        link = f"{server.verification_url}?user_code=ABCD-0001"
        assert (tmp_path / "shown").read_text() == f"-t ansiutf8 {link}\n"


@POSIX_SHELL
def test_ctrl_c_in_a_login_prints_one_line_and_exits_with_130(tmp_path: Path) -> None:
    with FakeGoogle() as server:
        urls = f"{server.device_code_url} {server.token_url}"
        command = [sys.executable, "-m", "ytmusic_oauth", "login", "--scope", "a", "--endpoints", *urls.split()]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), ID: CLIENT_ID, SECRET: CLIENT_SECRET}
        with subprocess.Popen(command, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True) as login:
            assert login.stderr is not None
            while not login.stderr.readline().startswith("Waiting"):
                pass
            login.send_signal(signal.SIGINT)
            try:
                assert login.wait(30) == INTERRUPTED
            finally:
                login.kill()
            assert login.stderr.read().strip() == "ytmusic_oauth: Interrupted."
    assert list(tmp_path.iterdir()) == []


# fmt: off
HEAVY: Final = frozenset({
    "socket", "ssl", "select", "http", "http.client", "urllib.request", "urllib.error", "email", "webbrowser",
    "getpass", "logging", "tempfile", "subprocess", "random", "hashlib", "datetime", "asyncio",
})
# fmt: on


@POSIX_SHELL
@pytest.mark.parametrize("command", ["token", "header", "status --json"])
def test_a_fresh_token_loads_nothing_heavy(stored: OAuthToken, tmp_path: Path, command: str) -> None:
    done = sh(f"oauth {command}", tmp_path, "-S", "-X", "importtime")
    assert done.status == DONE
    loaded = set(re.findall(r"\| +(\S+)$", done.err, re.MULTILINE))
    assert "ytmusic_oauth._commands" in loaded
    assert loaded & HEAVY == set()


IN_A_TERMINAL: Final = "import os, pty, sys; sys.exit(os.WEXITSTATUS(pty.spawn(sys.argv[1:])))"


@POSIX_SHELL
def test_a_user_at_a_real_terminal_logs_in(tmp_path: Path) -> None:
    """The prompt asks for the client, does not show the secret, and counts down on one line."""
    with FakeGoogle(interval=1, approve_after=1.5) as server:
        command = [sys.executable, "-m", "ytmusic_oauth", "login", "--scope", "a"]
        with subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, *command, "--endpoints", server.device_code_url, server.token_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as terminal:
            assert terminal.stdin is not None
            assert terminal.stdout is not None
            shown = b""
            for question, value in ((b"Client id: ", CLIENT_ID), (b"Client secret (not shown): ", CLIENT_SECRET)):
                while not shown.endswith(question):
                    shown += (part := terminal.stdout.read(1))
                    assert part, shown
                terminal.stdin.write(f"{value}\n".encode())
                terminal.stdin.flush()
            shown += terminal.stdout.read()
            assert terminal.wait(30) == DONE
        assert server.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)
    assert CLIENT_ID.encode() in shown
    assert CLIENT_SECRET.encode() not in shown
    assert re.search(rb"\rWaiting: 0:[12]\d:\d\d left\r", shown)
    assert b"Logged in." in shown
