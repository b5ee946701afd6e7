# SPDX-License-Identifier: MIT
"""What the command line prints: results and events on standard output, messages on standard error.

Text may come from a server, so control characters become spaces. Characters that the stream's encoding lacks become
escapes.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from contextlib import suppress
from typing import Final, TextIO

# Seconds between two tries to write to a full pipe.
_PAUSE: Final = 0.05


def write_result(line: str) -> None:
    """Print a result on standard output. Raises `OSError` if it cannot be written."""
    try:
        write(line, sys.stdout)
    except (AttributeError, ValueError):  # it is missing or closed
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output") from None
    except OSError as error:
        error.filename = "standard output"
        raise


def write_event(name: str, **parts: object) -> None:
    """Print an event, for a program that drives the login: one line of JSON on standard output."""
    write_result(json.dumps({"event": name, **parts}))


def write_message(text: str, *, end: str = "\n") -> None:
    """Print a message on standard error. Never fails.

    At a terminal, wraps it between words, so that a link stays whole. What is indented stays as it is, to be copied.
    """
    width, lines = columns(), [text]
    if end == "\n" and len(text) > width > 0 and not text.startswith(" "):
        from textwrap import wrap

        lines = wrap(text, width, break_long_words=False, break_on_hyphens=False)
    with suppress(AttributeError, OSError, ValueError):  # it is missing, or fails, or is closed
        for line in lines:
            write(line, sys.stderr, end)


def columns() -> int:
    """Return the width of the terminal at standard error; 0 if that is not a terminal, or its width is unknown."""
    with suppress(AttributeError, OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns
    return 0


def write(text: str, stream: TextIO, end: str = "\n") -> None:
    """Print one line, with what cannot be shown replaced, and flush it.

    Raises `OSError` unless all of it was written, and `ValueError` if the stream is closed.
    """
    encoding = getattr(stream, "encoding", None) or "ascii"
    shown = "".join(character if character.isprintable() else " " for character in text)
    content = (shown + end).encode(encoding, "backslashreplace")
    if stream not in (sys.__stdout__, sys.__stderr__) or os.linesep != "\n":
        stream.write(content.decode(encoding))
        stream.flush()
        return
    # Not `write`, which drops what a full disk, or a full pipe that does not block, has not taken.
    while content:
        try:
            stream.flush()
            content = content[os.write(stream.fileno(), content) :]
        except BlockingIOError:
            time.sleep(_PAUSE)


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
