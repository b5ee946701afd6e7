# SPDX-License-Identifier: MIT
"""The command line, as people and programs use it: what is said where, and the exit status."""

from __future__ import annotations

import builtins
import errno
import getpass
import io
import json
import os
import re
import runpy
import shlex
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Final, NamedTuple

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FAULTS, RFC_DIALECT, FakeGoogle, Reply
from tests.support import NOON, Clock, client, logged_in
from ytmusic_oauth import OAuthToken, RefreshingToken, __version__
from ytmusic_oauth.__main__ import DONE, FIX_FIRST, INTERRUPTED, LOG_IN_AGAIN, TRY_LATER, main
from ytmusic_oauth._file_store import read_token, write_token
from ytmusic_oauth.models import RefreshableTokenDict

ID: Final = "YTMUSIC_OAUTH_CLIENT_ID"
SECRET: Final = "YTMUSIC_OAUTH_CLIENT_SECRET"
IN_A_SHELL: Final = pytest.mark.skipif(os.name == "nt", reason="these are the ways of POSIX shells")


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def events(self) -> Sequence[Mapping[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Shell:
    """Runs commands in a folder of its own, with the client in the environment, and nobody at the keyboard."""

    def __init__(self, server: FakeGoogle, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._patch = patch
        self.asked_unseen: list[str] = []
        self.endpoints = ["--endpoints", server.device_code_url, server.token_url, server.revoke_url]
        patch.setenv(ID, CLIENT_ID)
        patch.setenv(SECRET, CLIENT_SECRET)
        patch.setattr(sys, "stdin", None)

    def __call__(self, command: str, *options: str) -> Outcome:
        talks = () if command == "status" else self.endpoints
        return Outcome(main([command, *options, *talks]), *self._capsys.readouterr())

    def nobody_knows_the_client(self) -> None:
        self._patch.delenv(ID)
        self._patch.delenv(SECRET)

    def somebody_types(self, *lines: str) -> None:
        self._patch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))
        self._patch.setattr(sys.stderr, "isatty", lambda: True)
        self._patch.setattr(getpass, "getpass", self._typed_unseen)

    def _typed_unseen(self, question: str) -> str:
        self.asked_unseen.append(question)
        return sys.stdin.readline()


@pytest.fixture
def shell(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(server, monkeypatch, capsys)


@pytest.fixture
def file(server: FakeGoogle, clock: Clock, tmp_path: Path) -> Path:
    """A token file from a login just now."""
    path = tmp_path / "oauth.json"
    logged_in(server).store_token(str(path))
    return path


# ---- login ---------------------------------------------------------------------------------------


def test_a_login_shows_link_and_code_waits_by_itself_and_writes_the_file(
    shell: Shell, server: FakeGoogle, tmp_path: Path
) -> None:
    server.approve_after = 12
    done = shell("login")
    assert (done.status, done.out) == (DONE, "")
    user_code = re.search(r"Code +(\S+)\n", done.err)
    assert user_code
    link, code = f"  Go to   {server.verification_url}?user_code={user_code[1]}", f"  Code    {user_code[1]}"
    lines = done.err.split("\n")
    assert lines[:5] == ["", link, code, "", "Waiting; the code lives for 0:30:00 "]
    assert lines[5].startswith("Logged in. The token is in oauth.json")
    path = tmp_path / "oauth.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.is_live(OAuthToken.from_json(path).access_token)


@pytest.mark.parametrize(("python", "starts"), [("/opt/python", "/opt/python"), ("", "python3")])
def test_a_login_opens_a_browser_only_if_it_is_asked_to(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, python: str, starts: str
) -> None:
    """It is out of reach of whatever lies in the folder, of the terminal, and of Ctrl-C."""
    started: list[Sequence[str]] = []
    browser = SimpleNamespace(returncode=None)

    def start(command: Sequence[str], **how: object) -> SimpleNamespace:
        started.append(command)
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        assert how == {**streams, "start_new_session": True}
        return browser

    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setattr(subprocess, "Popen", start)
    server.approve_after = 0
    shell("login")
    assert started == []
    shell("login", "--open-browser")
    [[*command, link]] = started
    assert command == [starts, "-I", "-m", "webbrowser"]
    assert link.startswith(f"{server.verification_url}?user_code=")
    assert browser.returncode is not None, "Python complains of a child that nobody has waited for"


def test_where_no_browser_starts_the_login_goes_on(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    server.approve_after = 0
    assert shell("login", "--open-browser").status == DONE


def test_a_terminal_shows_how_long_the_code_lives_even_a_narrow_one(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    server.approve_after = 12
    shell("login")
    countdown = re.findall(r"Waiting[^\r]*\r", screen.getvalue())
    assert [re.findall(r"[0-9:]+", line) for line in countdown] == [["0:30:00"], ["0:29:55"], ["0:29:50"]]
    assert all(re.fullmatch(r"Waiting; the code lives for [0-9:]+ \r", line) for line in countdown)
    assert "\r\nLogged in." in screen.getvalue()
    assert "\x1b" not in screen.getvalue()


def test_a_program_can_follow_a_login_line_by_line(shell: Shell, server: FakeGoogle, tmp_path: Path) -> None:
    server.approve_after = 7
    server.refresh_token_lifetime = 604799
    done = shell("login", "--json", "--file", "kodi.json")
    assert (done.status, done.err) == (DONE, "")
    code, start, later, token = done.events
    assert str(code["link"]).endswith(str(code["user_code"]))
    assert "device_code" not in code, "whoever has it gets the token"
    assert code.items() >= {"event": "code", "expires_in": 1800, "interval": 5}.items()
    assert start == {"event": "waiting", "seconds_left": 1800}
    assert later == {"event": "waiting", "seconds_left": 1795}
    assert token == {
        "event": "token",
        "file": str(tmp_path / "kodi.json"),
        "expires_at": NOON + 10 + 3599,
        "login_ends_at": NOON + 10 + 604799,
    }


def test_a_program_is_told_how_a_login_failed(shell: Shell, server: FakeGoogle) -> None:
    server.script("token", Reply(403, {"error": "access_denied"}))
    done = shell("login", "--json")
    error = done.events[-1]
    assert done.status == LOG_IN_AGAIN
    assert error.items() >= {"event": "error", "error": "AccessDenied", "exit_status": LOG_IN_AGAIN}.items()
    assert f"ytmusic_oauth: {error['message']}\n" == done.err


def test_a_program_is_told_what_kind_of_failure_it_was(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kind(*options: str) -> object:
        return shell("login", "--json", *options).events[-1]["error"]

    def mistype() -> str:
        return b"canary \xff".decode()

    def leave() -> str:
        raise EOFError

    assert kind("--client-secrets", "none.json") == "OSError"
    shell.nobody_knows_the_client()
    assert kind() == "ValueError"
    shell.somebody_types()
    monkeypatch.setattr(builtins, "input", mistype)
    assert kind() == "ValueError"
    monkeypatch.setattr(builtins, "input", leave)
    assert kind() == "Interrupted"


def test_whoever_is_in_testing_is_told_when_the_login_ends_and_why(shell: Shell, server: FakeGoogle) -> None:
    server.approve_after = 0
    assert "ends this login" not in shell("login").err
    server.refresh_token_lifetime = 604800
    done = shell("login")
    assert re.search(r"ends this login on 2023-11-2\d \d\d:\d\d[+-]", done.err)
    assert '"Testing"' in done.err
    server.refresh_token_lifetime = 10 * 604799
    done = shell("login")
    assert "ends this login" in done.err
    assert "Testing" not in done.err, "that is a matter of seven days"


@pytest.mark.parametrize("where", ["package.json", "missing/oauth.json", ".", "new/", f"{'n' * 240}.json"])
def test_a_login_that_could_not_be_stored_is_not_begun(
    shell: Shell, server: FakeGoogle, tmp_path: Path, where: str
) -> None:
    (tmp_path / "package.json").write_text("{}")
    done = shell("login", "--file", where)
    assert (done.status, done.out) == (FIX_FIRST, "")
    assert done.err.startswith(f"ytmusic_oauth: {where}: ")
    assert server.transcript == []
    assert (tmp_path / "package.json").read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["package.json"]


def test_a_login_is_not_begun_where_the_disk_is_full(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, asked = file.read_bytes(), len(server.transcript)
    monkeypatch.setattr(os, "write", full)
    done = shell("login")
    monkeypatch.undo()
    assert (done.status, "No space left on device" in done.err) == (FIX_FIRST, True)
    assert len(server.transcript) == asked
    assert file.read_bytes() == before


def test_a_login_that_fails_leaves_the_old_one(shell: Shell, server: FakeGoogle, file: Path) -> None:
    before = file.read_bytes()
    server.script("token", Reply(400, {"error": "expired_token"}))
    assert shell("login").status == LOG_IN_AGAIN
    assert file.read_bytes() == before


# ---- token, header -------------------------------------------------------------------------------


def test_a_fresh_token_needs_no_network_and_no_client(shell: Shell, server: FakeGoogle, file: Path) -> None:
    shell.nobody_knows_the_client()
    before = len(server.transcript)
    access_token = OAuthToken.from_json(file).access_token
    assert shell("token") == (DONE, f"{access_token}\n", "")
    assert shell("header") == (DONE, f"Authorization: Bearer {access_token}\n", "")
    assert len(server.transcript) == before


def test_a_token_that_is_due_is_refreshed_and_saved(shell: Shell, server: FakeGoogle, file: Path, clock: Clock) -> None:
    clock.advance(3590)
    done = shell("token")
    assert (done.status, done.err) == (DONE, "")
    assert server.is_live(done.out.strip())
    assert OAuthToken.from_json(file).access_token == done.out.strip()
    assert shell("token") == done
    assert len(server.requests_to("token")) == 2, "one for the login, one for the refresh"


def test_a_token_that_cannot_be_saved_is_handed_out_with_a_warning(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(3590)
    monkeypatch.setattr(os, "write", full)
    done = shell("token")
    monkeypatch.undo()
    assert done.status == DONE
    assert server.is_live(done.out.strip())
    assert "No space left on device" in done.err
    assert done.err.count("\n") == 1


ANSWERS: Final[Mapping[str, tuple[Reply | str, int, str]]] = {
    "revoked": (Reply(400, {"error": "invalid_grant"}), LOG_IN_AGAIN, "Log in again"),
    "wrong client": (Reply(401, {"error": "invalid_client"}), FIX_FIRST, "Check the client id and secret"),
    "another client's": (Reply(401, {"error": "unauthorized_client"}), FIX_FIRST, "Use the client id and secret"),
    "quota": (Reply(429, {"error": "rate_limit_exceeded"}, {"Retry-After": "77"}), TRY_LATER, "asks to wait 77 s"),
    "down": ("hang-up", TRY_LATER, "Try again later"),
    "captive portal": ("html", FIX_FIRST, "captive portal"),
}


@pytest.mark.parametrize("trouble", ANSWERS)
def test_the_exit_status_tells_what_to_do_next(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock, trouble: str
) -> None:
    answer, status, words = ANSWERS[trouble]
    before = file.read_bytes()
    clock.advance(4000)
    server.script("token", FAULTS[answer] if isinstance(answer, str) else answer)
    done = shell("header")
    assert (done.status, done.out) == (status, "")
    assert words in done.err
    assert done.err.startswith("ytmusic_oauth: ")
    assert done.err.count("\n") == 1
    hint = "login, with the same options)\n" if status == LOG_IN_AGAIN else ".\n"
    assert done.err.endswith(hint)
    assert ("with the same options" in done.err) is (status == LOG_IN_AGAIN)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("path", "called"),
    [
        ("/usr/lib/ytmusic_oauth/__main__.py", "python -m ytmusic_oauth"),
        ("/usr/bin/h\xf6chst", "h\\xf6chst"),
    ],
)
def test_who_has_to_log_in_is_told_how(shell: Shell, monkeypatch: pytest.MonkeyPatch, path: str, called: str) -> None:
    monkeypatch.setattr(sys, "argv", [path])
    done = shell("token", "--file", "none.json")
    assert (done.status, done.out) == (LOG_IN_AGAIN, "")
    assert done.err.endswith(f"({called} login, with the same options)\n")


def test_the_file_can_be_named_in_the_environment(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file.rename(tmp_path / "elsewhere.json")
    monkeypatch.setenv("YTMUSIC_OAUTH_FILE", "elsewhere.json")
    assert shell("token").status == DONE
    assert shell("token", "--file", "oauth.json").status == LOG_IN_AGAIN


# ---- status --------------------------------------------------------------------------------------


def test_the_status_is_for_people(shell: Shell, file: Path, clock: Clock) -> None:
    shell.nobody_knows_the_client()
    clock.advance(599)
    told = shell("status")
    assert told.status == DONE
    assert "lives for 0:50:00, until 2023-11-1" in told.out
    assert "the next use" not in told.out
    clock.advance(2950)
    assert "lives for 0:00:50" in shell("status").out
    assert "the next use refreshes it" in shell("status").out
    clock.advance(50)
    assert "has expired" in shell("status").out


def test_the_status_is_for_machines(shell: Shell, file: Path, clock: Clock, tmp_path: Path) -> None:
    clock.advance(599)
    assert json.loads(shell("status", "--json").out) == {
        "file": str(tmp_path / "oauth.json"),
        "scope": "https://www.googleapis.com/auth/youtube",
        "token_type": "Bearer",
        "expires_at": NOON + 5 + 3599,
        "expires_in": 3599,
        "seconds_left": 3000,
        "is_expiring": False,
    }
    clock.advance(3000)
    assert json.loads(shell("status", "--json").out).items() >= {"seconds_left": 0, "is_expiring": True}.items()


@pytest.mark.parametrize("content", ["", "{}", "null", '{"access_token": "ya29.secret"'])
def test_what_is_no_token_file_is_kept_and_not_quoted(shell: Shell, tmp_path: Path, content: str) -> None:
    (tmp_path / "oauth.json").write_text(content)
    for command in ("status", "token", "header", "refresh", "revoke"):
        done = shell(command)
        assert (done.status, done.out) == (FIX_FIRST if content else LOG_IN_AGAIN, "")
        assert "oauth.json" in done.err
        assert "secret" not in done.err.replace("--client-secrets", "")
    assert (tmp_path / "oauth.json").read_text() == content


# ---- refresh, revoke -----------------------------------------------------------------------------


def test_a_refresh_is_done_now_and_keeps_the_scope_of_the_login(shell: Shell, server: FakeGoogle, file: Path) -> None:
    token = json.loads(file.read_text())
    file.write_text(json.dumps({**token, "scope": "openid"}))
    server.script("token", Reply(200, {"access_token": "ya29.another", "expires_in": 60}))
    done = shell("refresh")
    assert (done.status, done.out) == (DONE, "")
    assert done.err.startswith("Refreshed. The access token lives until 2023-11-1")
    assert OAuthToken.from_json(file).access_token == "ya29.another"
    assert OAuthToken.from_json(file).scope == "openid"


def test_a_refresh_that_could_not_be_saved_is_none(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that rotates has ended the token that the file still has: whoever runs this has to know."""
    monkeypatch.setattr(os, "write", full)
    done = shell("refresh")
    monkeypatch.undo()
    assert (done.status, "Refreshed" in done.err) == (FIX_FIRST, False)


@pytest.mark.parametrize("scope", ["", "tab\tand\nline"])
def test_a_token_of_any_scope_is_kept_up(
    shell: Shell, server: FakeGoogle, file: Path, clock: Clock, scope: str
) -> None:
    """GitHub's Apps have none."""
    token = OAuthToken.from_json(file)
    token.scope = scope
    write_token(str(file), token.as_dict(), exclusive=True)
    clock.advance(3590)
    assert shell("token").status == shell("refresh").status == shell("revoke", "--yes").status == DONE


def test_a_login_is_ended_without_asking_if_told_so(shell: Shell, server: FakeGoogle, file: Path) -> None:
    assert shell("revoke", "--yes").status == DONE
    assert not server.can_refresh(OAuthToken.from_json(file).refresh_token)
    assert shell("revoke", "--yes").status == DONE, "it has ended, whoever ended it"
    assert shell("refresh").status == LOG_IN_AGAIN


@pytest.mark.parametrize(
    ("answer", "status"), [("y", DONE), (" Yes ", DONE), ("", INTERRUPTED), ("n", INTERRUPTED), ("yet", INTERRUPTED)]
)
def test_whoever_ends_a_login_is_told_what_that_ends_and_asked(
    shell: Shell, server: FakeGoogle, file: Path, answer: str, status: int
) -> None:
    shell.somebody_types(answer)
    done = shell("revoke")
    assert (done.status, done.out) == (status, "")
    assert "every grant that you gave to the whole Cloud project" in done.err
    assert re.search(r"\? \[y/N\] (The login has ended|ytmusic_oauth: Interrupted)", done.err)
    assert server.can_refresh(OAuthToken.from_json(file).refresh_token) == (status != DONE)


def test_a_login_that_is_refreshed_while_its_user_thinks_is_ended_all_the_same(
    shell: Shell, server: FakeGoogle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rotate = True
    shell.somebody_types()

    def refresh_and_agree() -> str:
        RefreshingToken.load(client(server, rotates=True), file).refresh()
        return "y"

    monkeypatch.setattr(builtins, "input", refresh_and_agree)
    assert shell("revoke").status == DONE
    assert not server.can_refresh(OAuthToken.from_json(file).refresh_token)


def test_a_server_that_does_not_end_a_login_is_believed(shell: Shell, server: FakeGoogle, file: Path) -> None:
    server.script("revoke", Reply(400, {"error": "unsupported_token_type"}))
    done = shell("revoke", "--yes")
    assert (done.status, "unsupported_token_type" in done.err) == (FIX_FIRST, True)
    assert "has ended" not in done.err


def test_nobody_there_to_ask_means_no(shell: Shell, server: FakeGoogle, file: Path) -> None:
    done = shell("revoke")
    assert (done.status, done.out) == (FIX_FIRST, "")
    assert "--yes" in done.err
    assert server.can_refresh(OAuthToken.from_json(file).refresh_token)


def test_a_server_that_cannot_end_a_login_is_named_as_such(shell: Shell, file: Path) -> None:
    shell.endpoints.pop()
    done = shell("revoke", "--yes")
    assert done.status == FIX_FIRST
    assert "revoke_url" in done.err


# ---- the client and the server -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["installed", "web"])
def test_the_client_comes_from_the_file_of_the_google_console(
    shell: Shell, server: FakeGoogle, tmp_path: Path, kind: str
) -> None:
    shell.nobody_knows_the_client()
    client = {"client_id": CLIENT_ID, "project_id": "p", "client_secret": CLIENT_SECRET, "redirect_uris": []}
    (tmp_path / "client.json").write_text("\ufeff" + json.dumps({kind: client}), "utf-8")
    server.approve_after = 0
    assert shell("login", "--client-secrets", "client.json").status == DONE


@pytest.mark.parametrize(
    "content",
    [
        CLIENT_SECRET,
        "[]",
        "{}",
        json.dumps({"installed": CLIENT_SECRET}),
        json.dumps({"installed": {"client_id": CLIENT_ID}}),
        json.dumps({"installed": {"client_id": [CLIENT_SECRET], "client_secret": CLIENT_SECRET}}),
        json.dumps({"installed": {"client_id": CLIENT_ID, "client_secret": f"{CLIENT_SECRET} "}}),
        json.dumps({"type": "service_account", "private_key": CLIENT_SECRET}),
        " " * 2**20 + json.dumps({"installed": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}}),
        json.dumps(
            {"installed": {"client_id": CLIENT_ID, "client_secret": f"\xff{CLIENT_SECRET}"}}, ensure_ascii=False
        ),
    ],
)
def test_a_file_with_no_client_in_it_is_named_and_not_quoted(
    shell: Shell, server: FakeGoogle, tmp_path: Path, content: str
) -> None:
    (tmp_path / "client.json").write_text(content, encoding="latin-1")
    done = shell("login", "--client-secrets", "client.json")
    assert (done.status, done.out) == (FIX_FIRST, "")
    assert done.err.startswith("ytmusic_oauth: client.json is not the JSON that the Google console downloads: ")
    assert re.search(r"downloads: [a-z_]+ [a-z]+ ", done.err), "what is wrong with it"
    assert CLIENT_SECRET not in done.err
    assert server.transcript == []


@pytest.mark.parametrize("where", ["none.json", "."])
def test_a_client_file_that_cannot_be_read_is_named(shell: Shell, where: str) -> None:
    done = shell("login", "--client-secrets", where)
    assert done.status == FIX_FIRST
    assert done.err.startswith(f"ytmusic_oauth: {where}: ")


def test_somebody_at_a_terminal_is_asked_for_the_client(shell: Shell, server: FakeGoogle) -> None:
    shell.nobody_knows_the_client()
    shell.somebody_types(CLIENT_ID, CLIENT_SECRET)
    server.approve_after = 0
    done = shell("login")
    assert (done.status, done.out) == (DONE, "")
    assert CLIENT_SECRET not in done.err
    assert done.err.startswith("Client id: \n")
    assert shell.asked_unseen == ["Client secret (not shown): "], "the secret stays off the screen"


@pytest.mark.parametrize("typed", [[], [CLIENT_ID]])
def test_whoever_types_no_client_goes_away_in_peace(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    def end(question: str) -> str:
        raise EOFError

    shell.nobody_knows_the_client()
    shell.somebody_types(*typed)
    monkeypatch.setattr(getpass, "getpass", end)
    assert shell("login").status == INTERRUPTED


def test_what_is_typed_is_not_quoted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistype() -> str:
        return b"canary \xff".decode()

    shell.nobody_knows_the_client()
    shell.somebody_types()
    monkeypatch.setattr(builtins, "input", mistype)
    done = shell("login")
    assert (done.status, done.err.splitlines()[-1]) == (
        FIX_FIRST,
        "Client id: ytmusic_oauth: What was typed is not text.",
    )


def test_a_question_that_nobody_sees_is_not_asked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.nobody_knows_the_client()
    shell.somebody_types(CLIENT_ID, CLIENT_SECRET)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert shell("login").status == FIX_FIRST


def test_only_what_is_missing_is_asked_for(shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET)
    shell.somebody_types(CLIENT_SECRET)
    server.approve_after = 0
    assert shell("login").status == DONE


def test_nobody_to_ask_is_told_where_to_put_the_client(shell: Shell, server: FakeGoogle) -> None:
    shell.nobody_knows_the_client()
    done = shell("login")
    assert done.status == FIX_FIRST
    assert {"--client-secrets", ID, SECRET} <= set(re.findall(r"[\w-]+", done.err))
    assert server.transcript == []


def test_any_rfc_8628_server_will_do(
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
def test_endpoints_that_are_none_are_refused(shell: Shell, file: Path, endpoints: list[str]) -> None:
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
def test_google_goes_by_name(shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    asked: list[str] = []

    def post(_: object, place: str, **__: object) -> None:
        asked.append(place)
        raise KeyboardInterrupt

    monkeypatch.setattr("ytmusic_oauth.transport.UrllibSession.post", post)
    shell.endpoints = ["--endpoints", name]
    assert shell("login").status == INTERRUPTED
    assert asked == [url]


# ---- usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--versio"],
        ["logout"],
        ["login", "--client-secret", "x"],
        ["token", "--fil", "x"],
        ["token", "ya29.secret"],
    ],
)
def test_wrong_usage_is_told_from_the_rest(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == FIX_FIRST
    assert capsys.readouterr().out == ""


COMMANDS: Final[Mapping[str, str]] = {
    "login": "log in with a code",
    "token": "print the access token",
    "header": "print it as an Authorization header",
    "status": "tell what the file holds",
    "refresh": "get another access token now",
    "revoke": "end the login",
}


def test_the_help_tells_of_every_command_and_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/lib/ytmusic_oauth/__main__.py"])
    monkeypatch.setenv("COLUMNS", "200")

    def told(*argv: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*argv])
        assert ended.value.code == DONE
        out = capsys.readouterr().out
        assert max(len(line) for line in out.splitlines()) <= 78
        return " ".join(out.split())

    assert told("--version") == f"ytmusic_oauth {__version__}"
    whole = told("--help")
    assert whole.startswith("usage: python -m ytmusic_oauth [-h] [--version] COMMAND ... OAuth for YouTube Music: ")
    assert "Exit status: 0 done; 1 log in again; 2 wrong usage" in whole
    for command, purpose in COMMANDS.items():
        assert f" {command} {purpose}" in whole
        own = told(command, "--help")
        assert own.startswith(f"usage: python -m ytmusic_oauth {command} [-h] [--file FILE]")
        assert f" {purpose[0].upper()}{purpose[1:]}" in own
        assert "--file FILE the token file" in own
        assert "Exit status: 0 done; 1 log in again; 2 wrong usage" in own
    own = told("login", "--help")
    assert "--client-secrets FILE the OAuth client, " in own
    assert "--endpoints NAME [NAME ...] youtube (default), " in own
    assert "--scope SCOPE what to ask for " in own
    assert "--open-browser open the link, " in own
    assert "--json for machines: " in own


ALL_OPTIONS: Final = frozenset(
    ["--help", "--file", "--client-secrets", "--endpoints", "--scope", "--open-browser", "--json", "--yes"]
)


def test_no_option_takes_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """Everybody on the machine can read the arguments of a process."""
    for command in ("login", "token", "header", "status", "refresh", "revoke"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert options <= ALL_OPTIONS


def test_ctrl_c_is_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ytmusic_oauth._commands.read_token", interrupt)
    assert shell("token") == (INTERRUPTED, "", "ytmusic_oauth: Interrupted.\n")


def test_a_name_that_drives_a_terminal_is_shown_tame(shell: Shell) -> None:
    done = shell("token", "--file", "\x1b[2Jnone\r\n\udcff.json")
    assert done.status == LOG_IN_AGAIN
    assert done.err.startswith("ytmusic_oauth:  [2Jnone   .json: There is no token file here")
    assert done.err.count("\n") == 1


def test_a_scope_forges_no_line_of_the_status(shell: Shell, file: Path) -> None:
    honest = shell("status").out
    token = OAuthToken.from_json(file)
    token.scope = "s\naccess token   lives for 99 days"
    write_token(str(file), token.as_dict(), exclusive=True)
    assert len(shell("status").out.splitlines()) == len(honest.splitlines())


@pytest.mark.parametrize("option", ["--file", "--client-secrets"])
def test_a_name_that_is_empty_is_wrong_usage(capsys: pytest.CaptureFixture[str], option: str) -> None:
    """As when a variable of a script is not set: nothing is stored in a file that has no name."""
    with pytest.raises(SystemExit) as ended:
        main(["login", option, ""])
    assert ended.value.code == FIX_FIRST
    assert f"argument {option}: the name of the file is empty" in capsys.readouterr().err


class Output(io.StringIO):
    """What cannot be written to, or not to the end."""

    def __init__(self, error: OSError, *, late: bool) -> None:
        super().__init__()
        self._error, self._late = error, late

    def write(self, text: str) -> int:
        if self._late:
            return len(text)
        raise self._error

    def flush(self) -> None:
        raise self._error


@pytest.mark.parametrize("command", ["token", "--help"])
@pytest.mark.parametrize("late", [False, True])
def test_whoever_stops_reading_ends_it_quietly(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, command: str, late: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", Output(BrokenPipeError(), late=late))
    try:
        status = main([command])
    except SystemExit as ended:  # as argparse ends it
        status = DONE if ended.code == 0 else FIX_FIRST
    assert status in {DONE, INTERRUPTED}


@IN_A_SHELL
def test_a_pipe_that_nobody_reads_any_more_is_not_complained_of_at_the_end(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python writes out what is left once more when it ends, and the whole process fails if it can't."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        assert main(["token"]) == INTERRUPTED


def test_what_python_warns_its_programmers_of_is_not_told(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def old_fashioned(path: str) -> RefreshableTokenDict:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return read_token(path)

    monkeypatch.setattr("ytmusic_oauth._commands.read_token", old_fashioned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert (shell("token").status, shell("token").err) == (DONE, "")


def test_without_a_standard_error_it_works_and_fails_in_silence(
    shell: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.approve_after = 7
    for missing in (None, Output(OSError(errno.EIO, os.strerror(errno.EIO)), late=False)):
        monkeypatch.setattr(sys, "stderr", missing)
        assert shell("login")[:2] == (DONE, "")
        assert shell("token", "--file", "none.json")[:2] == (LOG_IN_AGAIN, "")


def test_a_program_that_no_longer_listens_still_gets_the_exit_status(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Output(OSError(errno.EIO, os.strerror(errno.EIO)), late=False))
    assert main(["status", "--json", "--file", "none.json"]) == LOG_IN_AGAIN


@pytest.mark.parametrize("command", ["token", "header", "status"])
def test_what_was_asked_for_and_could_not_be_said_is_not_done(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for output, words in (
        (None, "standard output: Bad file descriptor."),
        (
            Output(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), late=False),
            "standard output: No space left on device.",
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", output)
            patch.setattr(sys, "stderr", told := io.StringIO())
            assert main([command]) == FIX_FIRST
        assert told.getvalue() == f"ytmusic_oauth: {words}\n"


def test_it_runs_as_a_module(shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ytmusic_oauth", "status"])
    monkeypatch.delitem(sys.modules, "ytmusic_oauth.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("ytmusic_oauth", run_name="__main__")
    assert ended.value.code == DONE


# ---- real processes ------------------------------------------------------------------------------

ROOT: Final = Path(__file__).parent.parent


def sh(script: str, folder: Path, *flags: str, **variables: str) -> Outcome:
    """Run a script of the shell, in which `oauth` is the command."""
    command = shlex.join([sys.executable, *flags, "-m", "ytmusic_oauth"])
    done = subprocess.run(
        ["/bin/sh", "-c", f'oauth() {{ {command} "$@"; }}\n{script}'],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def lasting(server: FakeGoogle, tmp_path: Path) -> OAuthToken:
    """A token that the machine's own clock calls fresh, in `oauth.json`."""
    values = logged_in(server).as_dict()
    # What time it is for other processes, whatever the clock of this one has been set to.
    values["expires_at"] = int(tmp_path.stat().st_mtime) + 3599
    token = OAuthToken(**values)
    write_token(str(tmp_path / "oauth.json"), token.as_dict(), exclusive=True)
    return token


@IN_A_SHELL
def test_curl_can_be_given_the_header(lasting: OAuthToken, tmp_path: Path) -> None:
    assert sh('printf "<%s>" "$(oauth header)"', tmp_path).out == f"<Authorization: {lasting.as_auth()}>"


@IN_A_SHELL
@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param("oauth token <&-", DONE, id="no standard input"),
        pytest.param("oauth token 2>&-", DONE, id="no standard error"),
        pytest.param("oauth token >&-", FIX_FIRST, id="no standard output"),
        pytest.param("oauth login </dev/null", FIX_FIRST, id="a login with nobody there"),
        pytest.param("(oauth token; echo $? >status) | true; read s <status; exit $s", None, id="a pipe that closes"),
        pytest.param("(oauth --help; echo $? >status) | true; read s <status; exit $s", None, id="help, the same"),
        pytest.param("oauth token >/dev/full", FIX_FIRST, id="a full disk"),
    ],
)
def test_a_process_ends_without_a_traceback(
    lasting: OAuthToken, tmp_path: Path, script: str, status: int | None
) -> None:
    if "/dev/full" in script and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = sh(script, tmp_path, "-X", "dev", "-W", "error")
    assert done.status in ({DONE, INTERRUPTED} if status is None else {status})
    assert "Traceback" not in done.err
    assert "Exception" not in done.err
    assert done.err.count("\n") <= 1


@IN_A_SHELL
def test_a_terminal_of_ascii_gets_ascii(tmp_path: Path) -> None:
    done = sh("oauth status --file höchst.json", tmp_path, PYTHONIOENCODING="ascii")
    assert done.status == LOG_IN_AGAIN
    assert "h\\xf6chst.json" in done.err
    copy_error = tmp_path / "höchst.py"
    copy_error.write_text("from ytmusic_oauth.__main__ import main\nmain()\n", "utf-8")
    done = sh(f"{shlex.quote(sys.executable)} höchst.py --help", tmp_path, PYTHONIOENCODING="ascii")
    assert (done.status, done.err) == (DONE, "")


@IN_A_SHELL
def test_a_browser_neither_holds_up_a_login_nor_talks_into_its_events(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" >link\necho chatter\nmkfifo never\nread x <never\n')
    browser.chmod(0o700)
    with FakeGoogle(interval=1, approve_after=0) as server:
        urls = f"{server.device_code_url} {server.token_url}"
        known = {ID: CLIENT_ID, SECRET: CLIENT_SECRET, "BROWSER": f"{browser} %s"}
        done = sh(f"oauth login --json --open-browser --endpoints {urls}", tmp_path, "-X", "dev", **known)
        assert (done.status, done.err) == (DONE, "")
        assert [event["event"] for event in done.events] == ["code", "waiting", "token"]
        assert (tmp_path / "link").read_text().strip() == done.events[0]["link"]
    with (tmp_path / "never").open("w"):
        pass  # now the browser ends


@IN_A_SHELL
def test_ctrl_c_in_a_login_is_one_line_and_130(tmp_path: Path) -> None:
    with FakeGoogle() as server:
        urls = f"{server.device_code_url} {server.token_url}"
        command = [sys.executable, "-m", "ytmusic_oauth", "login", "--endpoints", *urls.split()]
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


@IN_A_SHELL
@pytest.mark.parametrize("command", ["token", "header", "status --json"])
def test_a_fresh_token_loads_nothing_that_it_does_not_need(lasting: OAuthToken, tmp_path: Path, command: str) -> None:
    done = sh(f"oauth {command}", tmp_path, "-S", "-X", "importtime")
    assert done.status == DONE
    loaded = set(re.findall(r"\| +(\S+)$", done.err, re.MULTILINE))
    assert "ytmusic_oauth._commands" in loaded
    assert loaded & HEAVY == set()


IN_A_TERMINAL: Final = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@IN_A_SHELL
def test_a_person_at_a_real_terminal_logs_in(tmp_path: Path) -> None:
    """The client is asked for, its secret is not shown, and the countdown stays on one line."""
    with FakeGoogle(interval=1, approve_after=1.5) as server:
        command = [sys.executable, "-m", "ytmusic_oauth", "login"]
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
            for question, answer in ((b"Client id: ", CLIENT_ID), (b"Client secret (not shown): ", CLIENT_SECRET)):
                while not shown.endswith(question):
                    shown += terminal.stdout.read(1)
                terminal.stdin.write(f"{answer}\n".encode())
                terminal.stdin.flush()
            shown += terminal.stdout.read()
            assert terminal.wait(30) == DONE
        assert server.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)
    assert CLIENT_ID.encode() in shown
    assert CLIENT_SECRET.encode() not in shown
    assert re.search(rb"\rWaiting; the code lives for 0:[12]\d:\d\d ", shown)
    assert b"Logged in." in shown
