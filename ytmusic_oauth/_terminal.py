# SPDX-License-Identifier: MIT
"""Talking to the user at a terminal: output, questions, the browser, and the library's login prompt.

What is printed may come from a server: control characters become spaces, and characters that the terminal's encoding
lacks become escapes.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from contextlib import suppress
from typing import Final, TextIO

from .credentials import OAuthCredentials
from .models import RefreshableTokenDict
from .protocol import verification_link

# Seconds between two tries to write to a full pipe.
_PAUSE: Final = 0.05


# ---- output --------------------------------------------------------------------------------------


def write_result(line: str) -> None:
    """Print a result on standard output. Raises `OSError` if it cannot be written."""
    try:
        if sys.stdout is None:
            raise ValueError
        _write(line, sys.stdout)
    except ValueError:  # it is closed
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output") from None
    except OSError as error:
        error.filename = "standard output"
        raise


def write_event(name: str, **parts: object) -> None:
    """Print an event, for a program that drives the login: one line of JSON on standard output."""
    write_result(json.dumps({"event": name, **parts}))


def write_message(line: str, *, end: str = "\n") -> None:
    """Print a message on standard error. Never fails."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # ValueError: it is closed
            _write(line, sys.stderr, end)


def _write(text: str, stream: TextIO, end: str = "\n") -> None:
    encoding = getattr(stream, "encoding", None) or "ascii"
    shown = "".join(character if character.isprintable() else " " for character in text)
    line = shown.encode(encoding, "backslashreplace").decode(encoding) + end
    with suppress(BlockingIOError):  # a full pipe that does not block: the line is in the buffer
        stream.write(line)
    while True:
        try:
            stream.flush()
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return


def duration(seconds: float) -> str:
    """Format a number of seconds as hours, minutes and seconds."""
    from datetime import timedelta

    return str(timedelta(seconds=int(seconds)))


def local_time(unix_time: int) -> str:
    """Format a UNIX time as local time."""
    from datetime import datetime, timedelta, timezone

    # Not `fromtimestamp`: a 32-bit platform ends in 2038.
    time_of = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=unix_time)
    with suppress(ArithmeticError, OSError, ValueError):  # a time zone or a year that the platform cannot show
        time_of = time_of.astimezone()
    return time_of.isoformat(" ", "minutes")


# ---- questions -----------------------------------------------------------------------------------


def can_ask() -> bool:
    """Whether the user can see a question and answer it."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream, which may be missing or closed, is a terminal."""
    with suppress(ValueError):
        return stream is not None and stream.isatty()
    return False


def ask(question: str, *, hidden: bool = False) -> str:
    """Ask for a line of text. A `hidden` answer is not shown while it is typed."""
    if hidden:
        from getpass import getpass

        return getpass(question).strip()
    write_message(question, end="")
    return input().strip()


# ---- the browser ---------------------------------------------------------------------------------


def open_browser(link: str) -> None:
    """Open a link in a browser, if possible.

    The browser gets a process of its own, so that it neither blocks the login nor writes to our output.
    """
    if hasattr(sys, "frozen"):  # by PyInstaller, say: `sys.executable` is the program, which would start again
        return
    with suppress(ImportError, OSError):  # a platform without processes
        import subprocess

        browser = subprocess.Popen(
            [sys.executable or "python3", "-I", "-m", "webbrowser", link],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        browser.returncode = 0  # suppresses the ResourceWarning: it is meant to outlive us


# ---- the login prompt ----------------------------------------------------------------------------


def prompt(credentials: OAuthCredentials, *, browser: bool) -> RefreshableTokenDict:
    """Show the link and the code, wait for Enter, then poll.

    Raises what `get_code` and `wait_for_token` raise.
    """
    code = credentials.get_code()
    link = verification_link(code)
    _write(f"Go to {link}", sys.stdout)
    _write(f"and confirm there that the code is {code['user_code']}", sys.stdout)
    if browser:
        open_browser(link)
    with suppress(EOFError, OSError, RuntimeError, ValueError):  # standard input is closed or missing
        input("Press Enter when done, or Ctrl-C to abort. ")
    is_first = True

    def on_wait(seconds_left: float) -> None:
        nonlocal is_first
        if is_first:
            _write(f"Not confirmed yet; waiting. The code expires in {duration(seconds_left)}.", sys.stdout)
        is_first = False

    return credentials.wait_for_token(code, on_wait=on_wait)
