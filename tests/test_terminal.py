# SPDX-License-Identifier: MIT
"""A login at a real pseudo-terminal: what a person sees, at any width, and whatever they press."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Final

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FAULTS, FakeGoogle, Reply
from tests.shell import ID, ROOT, SECRET
from tests.support import Clock
from ytmusic_oauth import OAuthToken, _keyboard
from ytmusic_oauth._command_line import DONE, INTERRUPTED, LOG_IN_AGAIN
from ytmusic_oauth._keyboard import Keyboard, keyboard
from ytmusic_oauth._terminal import StatusLine

if sys.platform != "win32":
    from tests.terminal import TerminalProcess

if os.name == "nt":
    pytest.skip("Windows has no pseudo-terminals of this kind", allow_module_level=True)
assert sys.platform != "win32"  # the same, for mypy

BASH: Final = ("bash", "--norc", "--noprofile", "-i")
WIDTHS: Final = pytest.mark.parametrize("columns", [30, 40, 80, 200])
# Marks the terminal's own echo, and what is left of a countdown.
SMEARS: Final = re.compile(r"\^[CZ]|Waiting: |\d left|Asking ")


@pytest.fixture
def live() -> Iterator[FakeGoogle]:
    """A server that takes polls every second of the real clock."""
    with FakeGoogle(interval=1) as server:
        yield server


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A browser that writes down its link."""
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" >link.new\nmv link.new link\n')
    browser.chmod(0o700)
    return browser


def variables(browser: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), ID: CLIENT_ID, SECRET: CLIENT_SECRET, "BROWSER": f"{browser} %s"}


def login(server: FakeGoogle, folder: Path, browser: Path, columns: int, *options: str) -> TerminalProcess:
    urls = ["--endpoints", server.device_code_url, server.token_url, "--scope", "a"]
    command = [sys.executable, "-X", "dev", "-m", "ytmusic_oauth", "login", *urls, *options]
    return TerminalProcess(command, columns, folder, variables(browser))


# ---- the conversation ----------------------------------------------------------------------------


@WIDTHS
def test_a_person_logs_in(live: FakeGoogle, tmp_path: Path, browser: Path, columns: int) -> None:
    with closing(login(live, tmp_path, browser, columns)) as terminal:
        terminal.see(" left")
        [code] = live.user_codes()
        text = terminal.screen.text
        assert f"\n    {live.verification_url}\n" in text
        assert f"\n    {code}\n" in text
        assert f"\n{live.verification_url}?user_code={code}\n" in text
        assert "On your phone or computer" in text.replace("\n", " ")
        terminal.type("\n")
        while not (tmp_path / "link").exists():
            terminal.see(" left")
            terminal._read()
        assert (tmp_path / "link").read_text() == f"{live.verification_url}?user_code={code}\n"
        terminal.type("typed by mistake\n")
        live.approve(code)
        assert terminal.end() == DONE
    text = terminal.screen.text
    assert SMEARS.findall(text) == []
    assert "typed" not in text
    words = " ".join(text.split())
    assert f"The token is in {tmp_path / 'oauth.json'}, readable only by you." in words
    assert f"\n    python -m ytmusic_oauth header --file {tmp_path / 'oauth.json'}\n" in text
    assert live.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)


@WIDTHS
def test_ctrl_c_leaves_one_line(live: FakeGoogle, tmp_path: Path, browser: Path, columns: int) -> None:
    with closing(login(live, tmp_path, browser, columns)) as terminal:
        terminal.see(" left")
        terminal.type("\x03")
        assert terminal.end() == INTERRUPTED
    assert SMEARS.findall(terminal.screen.text) == []
    assert terminal.screen.text.endswith("\nytmusic_oauth: Interrupted.\n\n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
@WIDTHS
def test_ctrl_z_and_back(live: FakeGoogle, tmp_path: Path, browser: Path, columns: int) -> None:
    command = f"{sys.executable} -m ytmusic_oauth login --scope a --endpoints {live.device_code_url} {live.token_url}"
    (tmp_path / "login").write_text(f"exec {command}\n")
    with closing(TerminalProcess(BASH, columns, tmp_path, variables(browser))) as terminal:
        terminal.type("PS1='> '; sh login\n")
        terminal.see(" left")
        terminal.type("\x1a")
        terminal.see("Stopped")
        assert SMEARS.findall(terminal.screen.text) == []
        terminal.type("fg\n")
        terminal.see(" left")
        live.approve(live.user_codes()[0])
        terminal.see("To print a header")
        terminal.type("exit\n")
        terminal.end()
    assert SMEARS.findall(terminal.screen.text) == []


def test_a_job_in_the_background_is_not_stopped(live: FakeGoogle, tmp_path: Path, browser: Path) -> None:
    """It would be if it read from the terminal."""
    if shutil.which("bash") is None:
        pytest.skip("needs a shell with job control")
    command = f"{sys.executable} -m ytmusic_oauth login --scope a --endpoints {live.device_code_url} {live.token_url}"
    with closing(TerminalProcess(BASH, 80, tmp_path, variables(browser))) as terminal:
        terminal.type(f"PS1='> '; {command} &\n")
        terminal.see(" left")
        terminal.type("echo typed to the shell\n")
        live.approve(live.user_codes()[0])
        terminal.see("To print a header")
        terminal.type("jobs; exit\n")
        terminal.end()
    assert "Stopped" not in terminal.screen.text


@pytest.mark.parametrize("options", [[], ["--open-browser"]])
def test_a_browser_that_is_missing_is_told(live: FakeGoogle, tmp_path: Path, browser: Path, options: list[str]) -> None:
    browser.write_text("#!/bin/sh\nexit 1\n")
    with closing(login(live, tmp_path, browser, 80, *options)) as terminal:
        terminal.see(" left")
        assert ("Press Enter to open the link" in terminal.screen.text) is not bool(options)
        if not options:
            terminal.type("\n")
        terminal.see("No browser could be opened on this machine: open the link yourself.")
        live.approve(live.user_codes()[0])
        assert terminal.end() == DONE
    assert SMEARS.findall(terminal.screen.text) == []


@pytest.mark.parametrize("columns", [30, 80])
def test_a_failed_poll_is_told_once(live: FakeGoogle, tmp_path: Path, browser: Path, columns: int) -> None:
    live.script("token", FAULTS["503"], FAULTS["503"])
    with closing(login(live, tmp_path, browser, columns)) as terminal:
        terminal.see("Trying")
        terminal.type("\n\n")  # asks at once, whatever failed before
        live.approve(live.user_codes()[0])
        assert terminal.end() == DONE
    words = " ".join(terminal.screen.text.split())
    assert words.count("The server failed or rejected the request. Trying again.") == 1
    assert SMEARS.findall(terminal.screen.text) == []


@pytest.mark.parametrize("columns", [30, 40, 80])
def test_an_error_is_wrapped_at_the_terminals_width(
    live: FakeGoogle, tmp_path: Path, browser: Path, columns: int
) -> None:
    live.script("token", Reply(403, {"error": "access_denied"}))
    with closing(login(live, tmp_path, browser, columns)) as terminal:
        assert terminal.end() == LOG_IN_AGAIN
    rows = terminal.screen.rows[terminal.screen.rows.index("") :]
    error = " ".join(rows[[row.startswith("ytmusic_oauth: ") for row in rows].index(True) :])
    assert "approve the request this time. Run `python -m ytmusic_oauth login` with the same options." in error


def test_a_slow_server_is_told(live: FakeGoogle, tmp_path: Path, browser: Path) -> None:
    with live.hold("code"), closing(login(live, tmp_path, browser, 80)) as terminal:
        terminal.see(f"Asking {live.device_code_url}"[:70])


def test_the_librarys_prompt_polls_at_once_and_enter_asks_sooner(
    live: FakeGoogle, tmp_path: Path, browser: Path
) -> None:
    script = tmp_path / "login.py"
    script.write_text(
        "from ytmusic_oauth import Endpoints, OAuthCredentials, RefreshingToken\n"
        f"server = Endpoints({live.device_code_url!r}, {live.token_url!r}, is_google=True)\n"
        f"client = OAuthCredentials({CLIENT_ID!r}, {CLIENT_SECRET!r}, endpoints=server)\n"
        "token = RefreshingToken.prompt_for_token(client, to_file='oauth.json')\n"
        "print('Done:', input('And now? '))\n"
    )
    command = [sys.executable, str(script)]
    with closing(TerminalProcess(command, 80, tmp_path, variables(browser))) as terminal:
        terminal.see("Press Enter when done, or Ctrl-C to abort. ".rstrip())
        live.wait_for_requests(1, "token")
        terminal.type("\n")
        terminal.see("Not confirmed yet; waiting.")
        live.approve(live.user_codes()[0])
        terminal.see("And now?")
        terminal.type("later\n")
        terminal.see("Done: later")
        assert terminal.end() == DONE
    with closing(TerminalProcess(command, 80, tmp_path, variables(browser))) as terminal:
        terminal.see("Ctrl-C to abort.")
        terminal.type("\x03")
        assert terminal.end() != DONE
    assert "in pressed" not in terminal.screen.text, "the traceback does not show where we waited"
    assert "KeyboardInterrupt" in terminal.screen.text


# ---- the keyboard --------------------------------------------------------------------------------


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """A pseudo-terminal, which counts as the one that this process is in the foreground of."""
    master, slave = os.openpty()

    def foreground(file: int) -> int:
        os.fstat(file)  # fails for a closed one
        return os.getpgrp()

    monkeypatch.setattr(os, "tcgetpgrp", foreground)
    yield master, slave
    for file in (master, slave):
        with suppress(OSError):
            os.close(file)


def test_enter_is_seen_and_other_keys_are_not(tty: tuple[int, int]) -> None:
    master, slave = tty
    keys = Keyboard(slave)
    assert not keys.pressed(0)
    os.write(master, b"\n")
    assert keys.pressed(10)
    os.write(master, b"abc\n\n")
    assert keys.pressed(10)
    assert keys.pressed(10), "a line is not lost"
    assert not keys.pressed(0)


def test_the_end_of_input_and_the_background_only_wait(tty: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(_keyboard, "time", clock)
    master, slave = tty
    keys = Keyboard(slave)
    os.write(master, b"\x04")
    assert not keys.pressed(1.5)
    assert clock.slept == [1.0, 0.5]
    with monkeypatch.context() as patch:
        patch.setattr(os, "tcgetpgrp", lambda file: os.getpgrp() + 1)
        os.write(master, b"\n")
        assert not Keyboard(slave).pressed(1)
    os.close(slave)
    assert not Keyboard(slave).pressed(1)


def test_only_a_terminal_is_a_keyboard(tty: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stdin in (None, closed, io.StringIO()):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert keyboard() is None
    with open(tty[1], encoding="utf-8", closefd=False) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        keys = keyboard()
        assert keys is not None
        os.write(tty[0], b"\n")
        assert keys.pressed(10)


def test_the_keyboard_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = list("ab\rc\x03")
    msvcrt = ModuleType("msvcrt")
    vars(msvcrt).update(kbhit=lambda: typed != [] and typed[0] != "c", getwch=lambda: typed.pop(0))
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    clock = Clock()
    monkeypatch.setattr(_keyboard, "time", clock)
    monkeypatch.setattr(_keyboard, "sys", SimpleNamespace(platform="win32"))
    assert Keyboard(0).pressed(1)
    assert not Keyboard(0).pressed(0.25)
    assert clock.slept == pytest.approx([0.1, 0.1, 0.05])
    typed.remove("c")
    with pytest.raises(KeyboardInterrupt):
        Keyboard(0).pressed(1)


# ---- the status line -----------------------------------------------------------------------------


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("term", "up"), [("xterm", "\x1b[A"), ("dumb", "")])
def test_the_status_line_erases_itself(monkeypatch: pytest.MonkeyPatch, term: str, up: str) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", screen := Tty())
    line = StatusLine(wanted=True)
    line.show("1 left")
    line.entered()
    erased = f"\r{' ' * 6}\r" if up else ""
    assert screen.getvalue() == f"\r1 left\r{up}{erased}"
    line.erase()
    assert screen.getvalue() == f"\r1 left\r{up}{erased}", "there is nothing left to erase"
    line.show("x" * 100)
    assert screen.getvalue().endswith(f"\r{'x' * 79}\r")
    line.close()
    line.show("not shown")
    assert screen.getvalue().endswith(f"\r{' ' * 79}\r")


@pytest.mark.usefixtures("clock")
def test_a_thread_that_gets_no_signals_has_a_status_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Tty())
    with ThreadPoolExecutor(1) as another, closing(another.submit(StatusLine, wanted=True).result()) as line:
        another.submit(line.show, "1 left").result()
        another.submit(line.close).result()
    assert screen.getvalue() == f"\r1 left\r\r{' ' * 6}\r"


def test_ctrl_z_erases_the_line_and_stops_unless_it_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Tty())
    stopped: list[tuple[int, object]] = []
    before = signal.getsignal(signal.SIGTSTP)
    try:
        line = StatusLine(wanted=True)
        line.show("1 left")
        monkeypatch.setattr(os, "kill", lambda pid, number: stopped.append((number, signal.getsignal(number))))
        signal.raise_signal(signal.SIGTSTP)
        assert stopped == [(signal.SIGTSTP, signal.SIG_DFL)]
        assert screen.getvalue().endswith(f"\r{' ' * 6}\r")
        assert signal.getsignal(signal.SIGTSTP) != signal.SIG_DFL, "the next one, too"
        line.close()
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        StatusLine(wanted=True).close()
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTSTP, before)
