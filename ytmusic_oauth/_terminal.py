# SPDX-License-Identifier: MIT
"""Talking to the user at a terminal: a status line, questions, the browser, and the library's login prompt."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Final, TextIO

from ._keyboard import keyboard
from ._output import columns, write, write_message
from ._redaction import RUN, contains
from .credentials import OAuthCredentials
from .exceptions import OAuthError
from .models import AuthCodeDict, RefreshableTokenDict
from .protocol import verification_link

# Seconds until a terminal has echoed ^C: it sends the signal first.
_ECHO: Final = 0.02


# ---- the status line -----------------------------------------------------------------------------


class StatusLine:
    """The last line at a terminal, which says what is going on until it is erased. Elsewhere, it is not shown.

    The cursor stays at its beginning: what the terminal echoes, such as ^C, overwrites it and is erased with it.
    """

    def __init__(self, *, wanted: bool) -> None:
        #: whether it is shown at all
        self.is_shown = wanted and is_terminal(sys.stderr)
        self._length = 0

    def show(self, text: str) -> None:
        """Show a text in place of the last one."""
        if self.is_shown and _is_in_foreground():
            # Not in the last column: some terminals would begin a new line.
            width = (columns() or 80) - 1
            text = text[:width].ljust(min(self._length, width))
            self._length = max(len(text), 2)  # room for ^C
            write_message("", end=f"\r{text}\r")

    def erase(self) -> None:
        """Leave an empty line, with the cursor at its beginning."""
        if self._length:
            self.show("")
            self._length = 0

    def entered(self) -> None:
        """Erase it after Enter was pressed."""
        if sys.platform == "win32":  # there, it is not echoed
            self.erase()
        elif os.environ.get("TERM", "dumb") != "dumb":
            write_message("", end="\x1b[A")  # up, from the next line
            self.erase()
        self._length = 0

    def close(self) -> None:
        """Erase it, with the ^C that may have been typed over it, and show nothing more."""
        if self.is_shown and sys.exc_info()[0] is KeyboardInterrupt:
            time.sleep(_ECHO)
        self.erase()
        self.is_shown = False


def _is_in_foreground() -> bool:
    """Whether this job has the terminal. From the background, it would write over what is typed to the shell."""
    if sys.platform == "win32":
        return True
    else:
        with suppress(OSError):  # it has no controlling terminal
            return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
        return True


# ---- questions -----------------------------------------------------------------------------------


def can_ask() -> bool:
    """Whether the user can see a question and answer it."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream, which may be missing or closed, is a terminal."""
    with suppress(AttributeError, ValueError):
        return stream.isatty()
    return False


def stoppable() -> ExitStack:
    """Until the stack is closed, let a `kill` or the closing of the terminal interrupt as Ctrl-C does."""
    handlers = ExitStack()
    for each in (getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)):
        if signal.getsignal(each) != signal.SIG_IGN:  # nohup
            with suppress(ValueError):  # not in the main thread
                handlers.callback(signal.signal, each, signal.signal(each, signal.default_int_handler))
    return handlers


def ask(question: str, *, hidden: bool = False) -> str:
    """Ask for a line of text. A `hidden` answer is not shown while it is typed.

    Raises `EOFError` at the end of the input, and for Ctrl-C.
    """
    try:
        if hidden:
            from getpass import getpass

            with stoppable():  # so that an interrupt makes getpass turn the echo on again
                return getpass(question).strip()
        write_message(question, end="")
        # Not `input`, which fails without standard output.
        return str(next(iter(sys.stdin.readline, ""))).strip()
    except (EOFError, KeyboardInterrupt, StopIteration):
        write_message("")
        raise EOFError from None


# ---- the browser ---------------------------------------------------------------------------------


# Opens a link in the preferred browser, unless it is a text browser: this process has no terminal.
_BROWSE: Final = """import os, sys, webbrowser
browser = webbrowser.get()
name = os.path.basename(str(getattr(browser, "name", "")))
sys.exit(name in {"www-browser", "w3m", "lynx", "links", "elinks"} or not browser.open(sys.argv[1]))"""


def open_browser(link: str, device_code: str, client_secret: str) -> Callable[[], bool]:
    """Open a link in a browser, if possible. Returns a function that returns whether this has failed so far.

    The browser gets a process of its own, so that it neither blocks the login nor writes to our output. A link with the
    device code is not opened, nor one with the client secret, if that has 8 characters or more: in the command line of
    the browser, `ps` would show it to every user.
    """
    # In a program that PyInstaller made ("frozen"), or that embeds Python, `sys.executable` would start it again.
    python = sys.executable or "python3"
    is_python = re.match("python|pypy|graalpy", os.path.basename(python).lower()) and not hasattr(sys, "frozen")
    secrets = [device_code] if len(client_secret) < RUN else [device_code, client_secret]
    if not is_python or contains(link, *secrets):
        return lambda: True
    try:
        import subprocess

        browser = subprocess.Popen(
            [python, "-I", "-c", _BROWSE, link],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name != "YTMUSIC_OAUTH_CLIENT_SECRET"},
            start_new_session=True,
        )
    except (ImportError, OSError, ValueError):  # a platform without processes; a locale without these characters
        return lambda: True

    def has_failed() -> bool:
        browser.returncode = None
        if browser.poll() is None:
            browser.returncode = 0
        return browser.returncode != 0

    browser.returncode = 0  # suppresses the ResourceWarning: it is meant to outlive us
    return has_failed


# ---- the login prompt ----------------------------------------------------------------------------


def wait(
    credentials: OAuthCredentials,
    code: AuthCodeDict,
    sleep: Callable[[float, float], bool],
    on_wait: Callable[[float, OAuthError | None], None],
) -> RefreshableTokenDict:
    """Wait until the user has confirmed the code, as `wait_for_token` does.

    `sleep(seconds, deadline)` waits at most `seconds`, and returns True if the user wants the server to be asked
    now; at `deadline`, a monotonic time, the code expires. `on_wait` is called after each poll, with the seconds until
    the code expires, and with the error if that is a failure.
    """
    from .device import poll

    schedule = credentials._schedule(code)

    def sleep_or_hurry(seconds: float) -> None:
        if sleep(seconds, schedule.deadline):
            schedule.hurry(time.monotonic())

    return poll(
        lambda: credentials.token_from_code(code["device_code"]),
        schedule,
        monotonic=time.monotonic,
        sleep=sleep_or_hurry,
        on_wait=lambda seconds_left: on_wait(seconds_left, schedule._failure),
    )


def prompt(credentials: OAuthCredentials, *, browser: bool) -> RefreshableTokenDict:
    """Show the link and the code, and poll. Enter polls sooner, where the keyboard can be watched.

    Raises what `get_code` and `wait_for_token` raise.
    """
    if not sys.stdout:  # as with pythonw
        raise RuntimeError("There is no standard output to show the link and the code on")
    code = credentials.get_code()
    link = verification_link(code)
    write(f"Go to {link}", sys.stdout)
    write(f"and confirm there that the code is {code['user_code']}", sys.stdout)
    if browser:
        open_browser(link, code["device_code"], credentials.client_secret)
    keys = keyboard()
    hint = "Press Enter when done, or Ctrl-C to abort." if keys else "Waiting for your confirmation. Ctrl-C aborts."
    write(hint, sys.stdout)
    try:
        if keys is None:
            return credentials.wait_for_token(code)
        return wait(credentials, code, lambda seconds, _: keys.pressed(seconds), lambda _, __: None)
    except KeyboardInterrupt as interrupt:
        raise interrupt.with_traceback(None) from None  # without the frames in which we waited
