# SPDX-License-Identifier: MIT
"""Watching the keyboard during a wait, without a thread."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Final

# Seconds between two checks for a key on Windows, where waiting for one is not possible.
_LOOK: Final = 0.1
_ENTER: Final = frozenset({"\r", "\n"})


class Keyboard:
    """The keyboard of the terminal at standard input."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._has_ended = False

    def pressed(self, seconds: float) -> bool:
        """Wait at most `seconds`, and return True as soon as Enter is pressed."""
        give_up_at = time.monotonic() + seconds
        while True:
            if self._sees_enter(max(0.0, give_up_at - time.monotonic())):
                return True
            if time.monotonic() >= give_up_at:
                return False

    def _sees_enter(self, seconds: float) -> bool:
        """Read a key, if one is pressed within these seconds, and return whether it is Enter."""
        if sys.platform == "win32":
            import msvcrt

            if not msvcrt.kbhit():
                time.sleep(min(seconds, _LOOK))
                return False
            key = msvcrt.getwch()
            if key == "\x03":
                raise KeyboardInterrupt
            return key in _ENTER
        else:
            import select

            with suppress(OSError, ValueError):  # `select` takes no descriptor above 1023
                # A job in the background would be stopped if it read.
                if not self._has_ended and os.tcgetpgrp(self._file) == os.getpgrp():
                    if not select.select([self._file], [], [], seconds)[0]:
                        return False
                    key = os.read(self._file, 1).decode("latin-1")
                    self._has_ended = not key  # the terminal was closed, or Ctrl-D
                    return key in _ENTER
            time.sleep(min(seconds, 1.0))
            return False


def keyboard() -> Keyboard | None:
    """Return the keyboard; None if standard input is not a terminal, or has no file."""
    with suppress(AttributeError, ValueError):  # missing, closed, or without a file
        if sys.stdin.isatty():
            return Keyboard(sys.stdin.fileno())
    return None
