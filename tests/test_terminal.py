# SPDX-License-Identifier: MIT
"""A login at a real pseudo-terminal: what a person sees, at any width, and whatever they press."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Final, NoReturn

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FAULTS, FakeGoogle, Reply
from tests.shell import ID, ROOT, SECRET
from tests.support import Clock
from ytmusic_oauth import OAuthToken, _keyboard, _terminal
from ytmusic_oauth._command_line import DONE, INTERRUPTED, LOG_IN_AGAIN
from ytmusic_oauth._keyboard import Keyboard, keyboard
from ytmusic_oauth._terminal import StatusLine, ask

if sys.platform != "win32":
    from tests.terminal import TerminalProcess

if os.name == "nt":
    pytest.skip("Windows has no pseudo-terminals of this kind", allow_module_level=True)
assert sys.platform != "win32"  # the same, for mypy

BASH: Final = ("bash", "--norc", "--noprofile", "-i")
# Marks the terminal's own echo, and what is left of a countdown.
SMEARS: Final = re.compile(r"\^C|Waiting: |\d left|Asking ")


# ---- the conversation ----------------------------------------------------------------------------

# Most of the time they wait for the next poll: all of them do so together.
WIDTHS: Final = (30, 40, 80, 200)


class Desk:
    """A terminal of some width, with a server, a folder and a browser of its own."""

    def __init__(self, server: FakeGoogle, folder: Path, columns: int) -> None:
        self.server, self.folder, self.columns = server, folder, columns
        folder.mkdir()
        self.browser = folder / "browser"
        self.install_browser('echo "$1" >link.new\nmv link.new link')

    def install_browser(self, script: str) -> None:
        self.browser.write_text(f"#!/bin/sh\n{script}\n")
        self.browser.chmod(0o700)

    @property
    def command(self) -> list[str]:
        urls = ["--endpoints", self.server.device_code_url, self.server.token_url, "--scope", "a"]
        return [sys.executable, "-m", "ytmusic_oauth", "login", *urls]

    def start(self, *command: str) -> closing[TerminalProcess]:
        variables = {"PYTHONPATH": str(ROOT), ID: CLIENT_ID, SECRET: CLIENT_SECRET, "BROWSER": f"{self.browser} %s"}
        variables["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
        return closing(TerminalProcess(command, self.columns, self.folder, variables))

    def login(self, *options: str) -> closing[TerminalProcess]:
        python, *arguments = self.command
        return self.start(python, "-X", "dev", *arguments, *options)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The server takes polls every second of the real clock."""
    with FakeGoogle(interval=1) as server:
        yield Desk(server, tmp_path / "desk", 80)


def at_once(folder: Path, *people: Callable[[Desk], None], widths: Sequence[int] = WIDTHS) -> None:
    """Let each of these people sit at a terminal of each width, all at the same time."""

    def sit(person: Callable[[Desk], None], columns: int) -> None:
        with FakeGoogle(interval=1) as server:
            person(Desk(server, folder / f"{person.__name__}-{columns}", columns))

    with ThreadPoolExecutor(len(people) * len(widths)) as threads:
        seats = [threads.submit(sit, person, columns) for columns in widths for person in people]
    for seat in seats:
        seat.result()


def enter(desk: Desk, terminal: TerminalProcess) -> None:
    """Press Enter, and wait until the browser has the link: a line that is typed sooner is not erased."""
    terminal.type("\n")
    while not (desk.folder / "link").exists():
        terminal.see(" left")
        terminal._read()


def test_a_person_logs_in(tmp_path: Path) -> None:
    def person(desk: Desk) -> None:
        live = desk.server
        with desk.login() as terminal:
            terminal.see(" left")
            [code] = live.user_codes()
            text = terminal.screen.text
            assert f"\n    {live.verification_url}\n" in text
            assert f"\n    {code}\n" in text
            assert f"\n{live.verification_url}?user_code={code}\n" in text
            assert "On your phone or computer" in text.replace("\n", " ")
            enter(desk, terminal)
            assert (desk.folder / "link").read_text() == f"{live.verification_url}?user_code={code}\n"
            terminal.type("typed by mistake\n")
            live.approve(code)
            assert terminal.end() == DONE
        text = terminal.screen.text
        assert SMEARS.findall(text) == []
        assert "typed" not in text
        words = " ".join(text.split())
        path = desk.folder / "oauth.json"
        assert f"The token is in {path}, readable only by its owner." in words
        assert f"\n    python -m ytmusic_oauth header --file {path}\n" in text
        assert live.is_live(OAuthToken.from_json(path).access_token)

    at_once(tmp_path, person)


def test_ctrl_c_leaves_one_line(tmp_path: Path) -> None:
    def person(desk: Desk) -> None:
        with desk.login() as terminal:
            terminal.see(" left")
            terminal.type("\x03")
            assert terminal.end() == INTERRUPTED
        assert SMEARS.findall(terminal.screen.text) == []
        assert terminal.screen.text.endswith("\nytmusic_oauth: Interrupted.\n\n")

    at_once(tmp_path, person)


def test_questions_without_standard_output_can_be_edited_and_interrupted(desk: Desk) -> None:
    command = f"unset {ID} {SECRET}; exec {shlex.join(desk.command)} >&-"
    with desk.start("sh", "-c", command) as terminal:
        terminal.see("Client id:")
        terminal.type(f"X\x7f{CLIENT_ID}\n")
        terminal.see("Client secret (not shown):")
        terminal.type(f"{CLIENT_SECRET}\n")
        terminal.see(" left")
        assert desk.server.requests_to("code")[0].form["client_id"] == CLIENT_ID
    for answers in ([], [CLIENT_ID]):
        with desk.start("sh", "-c", command) as terminal:
            terminal.see("Client id:")
            for answer in answers:
                terminal.type(f"{answer}\n")
                terminal.see("Client secret (not shown):")
            terminal.type("\x03")
            assert terminal.end() == INTERRUPTED
        assert re.search(r"Client (id|secret).*\nytmusic_oauth: Interrupted\.\n\n\Z", terminal.screen.text)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
def test_ctrl_z_and_back(tmp_path: Path) -> None:
    def person(desk: Desk) -> None:
        (desk.folder / "login").write_text(f"exec {shlex.join(desk.command)}\n")
        with desk.start(*BASH) as terminal:
            terminal.type("PS1='> '; sh login\n")
            terminal.see(" left")
            terminal.type("\x1a")
            terminal.see("Stopped")
            terminal.type("fg\n")
            terminal.see(" left")
            desk.server.approve(desk.server.user_codes()[0])
            terminal.see("To print a header")
            terminal.type("exit\n")
            terminal.end()

    at_once(tmp_path, person)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
def test_a_job_in_the_background_is_not_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be if it read from the terminal. Nor does it count down there, over what is typed."""
    with desk.start(*BASH) as terminal:
        shown, show = "", terminal.screen.show

        def record(text: str) -> None:
            nonlocal shown
            shown += text
            show(text)

        monkeypatch.setattr(terminal.screen, "show", record)
        terminal.type(f"PS1='> '; {shlex.join(desk.command)} &\n")
        terminal.see("Press Enter")
        terminal.type("echo typed to the shell\n")
        desk.server.approve(desk.server.user_codes()[0])
        terminal.see("To print a header")
        terminal.type("jobs; exit\n")
        terminal.end()
    assert re.search("Stopped| left", shown) is None


def test_a_browser_that_is_missing_is_told(tmp_path: Path) -> None:
    def asked(desk: Desk) -> None:
        without_browser(desk)

    def told_to_open_it(desk: Desk) -> None:
        without_browser(desk, "--open-browser")

    def without_browser(desk: Desk, *options: str) -> None:
        desk.install_browser("exit 1")
        with desk.login(*options) as terminal:
            terminal.see(" left")
            assert ("Press Enter to open the link" in terminal.screen.text) is not bool(options)
            if not options:
                terminal.type("\n")
            terminal.see("No browser could be opened on this machine: open the link yourself.")
            desk.server.approve(desk.server.user_codes()[0])
            assert terminal.end() == DONE
        assert SMEARS.findall(terminal.screen.text) == []

    at_once(tmp_path, asked, told_to_open_it, widths=[80])


def test_a_failed_poll_is_told_once(tmp_path: Path) -> None:
    def person(desk: Desk) -> None:
        desk.server.script("token", FAULTS["503"], FAULTS["503"])
        with desk.login() as terminal:
            terminal.see("Trying")
            enter(desk, terminal)
            terminal.type("\n")  # asks at once, whatever failed before
            desk.server.wait_for_requests(2, "token")
            desk.server.approve(desk.server.user_codes()[0])
            terminal.type("\n")
            assert terminal.end() == DONE
        words = " ".join(terminal.screen.text.split())
        assert words.count("The server failed or rejected the request. Trying again.") == 1
        assert SMEARS.findall(terminal.screen.text) == []

    at_once(tmp_path, person, widths=[30, 80])


def test_an_error_is_wrapped_at_the_terminals_width(tmp_path: Path) -> None:
    def person(desk: Desk) -> None:
        desk.server.script("token", Reply(403, {"error": "access_denied"}))
        with desk.login() as terminal:
            assert terminal.end() == LOG_IN_AGAIN
        rows = terminal.screen.rows[terminal.screen.rows.index("") :]
        error = " ".join(rows[[row.startswith("ytmusic_oauth: ") for row in rows].index(True) :])
        assert "this time. Run `python -m ytmusic_oauth login` with the same --file and client options." in error

    at_once(tmp_path, person, widths=[30, 40, 80])


def test_a_slow_server_is_told(desk: Desk) -> None:
    with desk.server.hold("code"), desk.login() as terminal:
        terminal.see(f"Asking {desk.server.device_code_url}"[:70])


def test_the_librarys_prompt_polls_at_once_and_enter_asks_sooner(desk: Desk) -> None:
    live = desk.server
    script = desk.folder / "login.py"
    script.write_text(
        "from ytmusic_oauth import Endpoints, OAuthCredentials, RefreshingToken\n"
        f"server = Endpoints({live.device_code_url!r}, {live.token_url!r}, is_google=True)\n"
        f"client = OAuthCredentials({CLIENT_ID!r}, {CLIENT_SECRET!r}, endpoints=server)\n"
        "token = RefreshingToken.prompt_for_token(client, to_file='oauth.json')\n"
        "print('Done:', input('And now? '))\n"
    )
    with desk.start(sys.executable, str(script)) as terminal:
        terminal.see("Press Enter when done, or Ctrl-C to abort.")
        live.wait_for_requests(1, "token")
        terminal.type("\n")
        live.approve(live.user_codes()[0])
        terminal.see("And now?")
        terminal.type("later\n")
        terminal.see("Done: later")
        assert terminal.end() == DONE
    with desk.start(sys.executable, str(script)) as terminal:
        terminal.see("Ctrl-C to abort.")
        terminal.type("\x03")
        assert terminal.end() != DONE
    assert "in pressed" not in terminal.screen.text, "the traceback does not show where we waited"
    assert "KeyboardInterrupt" in terminal.screen.text


def test_a_job_in_the_background_writes_no_status_line(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    with open(slave, "w") as terminal, closing(os.fdopen(master)):
        monkeypatch.setattr(sys, "stderr", terminal)
        for group, is_in_foreground in ((os.getpgrp(), True), (os.getpgrp() + 1, False)):
            monkeypatch.setattr(os, "tcgetpgrp", lambda _, group=group: group)
            assert _terminal._is_in_foreground() is is_in_foreground


def test_a_thread_other_than_the_main_one_leaves_the_signals_alone() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_terminal.stoppable).result().close()


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


def test_a_descriptor_that_cannot_be_watched_only_waits(tty: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """`select` takes none above 1023."""
    monkeypatch.setattr(_keyboard, "time", clock := Clock())

    def out_of_range(*_: object) -> NoReturn:
        raise ValueError

    monkeypatch.setattr("select.select", out_of_range)
    assert not Keyboard(tty[1]).pressed(1.5)
    assert clock.slept == [1.0, 0.5]


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
@pytest.mark.parametrize(("term", "up"), [("xterm", "\x1b[A"), ("dumb", ""), (None, "")])
def test_the_status_line_erases_itself(monkeypatch: pytest.MonkeyPatch, term: str | None, up: str) -> None:
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", screen := Tty())
    line = StatusLine(wanted=True)
    line.erase()
    assert screen.getvalue() == "", "nothing has been shown"
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
def test_a_shorter_status_takes_the_place_of_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Tty())
    with closing(StatusLine(wanted=True)) as line:
        line.show("10 left")
        line.show("9 left")
        for _ in range(2):
            line.erase()
    assert screen.getvalue() == f"\r10 left\r\r9 left \r\r{' ' * 7}\r"


@pytest.mark.usefixtures("clock")
def test_windows_does_not_echo_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Tty())
    monkeypatch.setenv("TERM", "xterm")
    with closing(StatusLine(wanted=True)) as line:
        line.show("1 left")
        with monkeypatch.context() as patch:
            patch.setattr(_terminal, "sys", SimpleNamespace(platform="win32"))
            line.entered()
    assert screen.getvalue() == f"\r1 left\r\r{' ' * 6}\r"


@pytest.mark.parametrize("typed", ["", "^C"])
def test_an_interrupt_that_is_echoed_late_is_erased(clock: Clock, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Tty())
    sleep = clock.sleep

    def echo(seconds: float) -> None:
        sleep(seconds)
        screen.write("^C")

    monkeypatch.setattr(clock, "sleep", echo)
    with suppress(KeyboardInterrupt), closing(StatusLine(wanted=True)) as line:
        line.show("1 left")
        if typed:
            raise KeyboardInterrupt
    assert screen.getvalue() == f"\r1 left\r{typed}\r{' ' * 6}\r"


def test_the_end_of_input_is_not_an_empty_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Tty())
    monkeypatch.setattr(sys, "stdin", Tty("\n"))
    assert ask("Client id: ") == ""
    with pytest.raises(EOFError):
        ask("Client id: ")
    assert screen.getvalue() == "Client id: Client id: \n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_kill_at_a_hidden_question_leaves_the_terminal_as_it_was(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Otherwise, what is typed next is not shown."""
    if not hasattr(signal, name):
        pytest.skip("this system has no such signal")
    number: signal.Signals = getattr(signal, name)
    is_shown = True

    def hidden(_: str) -> str:
        nonlocal is_shown
        is_shown = False
        try:
            signal.raise_signal(number)
        finally:
            is_shown = True
        return ""

    monkeypatch.setattr("getpass.getpass", hidden)
    killed: list[int] = []
    before = signal.signal(number, lambda number, _: killed.append(number))
    try:
        with pytest.raises(EOFError):
            ask("Client secret: ", hidden=True)
        signal.raise_signal(number)
    finally:
        signal.signal(number, before)
    assert (is_shown, killed) == (True, [number]), "later, it kills again"
