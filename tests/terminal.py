# SPDX-License-Identifier: MIT
"""A process in a real pseudo-terminal, and what a person sees on its screen."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl
    import struct
    import termios

assert sys.platform != "win32", "Windows has no pseudo-terminals of this kind"

# Makes the terminal the controlling one, so that Ctrl-C and Ctrl-Z work, and becomes the program.
_START: Final = """import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])"""
_PATIENCE: Final = 30.0


class Screen:
    """A screen of some columns, and of any number of lines. Knows no more than the package needs."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._lines: list[list[str]] = [[]]
        self._is_wrapped = [False]  # whether a line goes on in the next one
        self._row = self._column = 0
        self._escape = ""

    def show(self, text: str) -> None:
        for character in text:
            if self._escape:
                self._escape += character
                if character.isalpha() or character == "~":
                    if self._escape == "\x1b[A":
                        self._row = max(0, self._row - 1)
                    self._escape = ""
            elif character == "\x1b":
                self._escape = character
            elif character == "\r":
                self._column = 0
            elif character == "\n":
                self._down()
            elif character == "\b":
                self._column = max(0, self._column - 1)
            elif character.isprintable():
                self._put(character)

    def _put(self, character: str) -> None:
        if self._column == self._columns:
            self._is_wrapped[self._row] = True
            self._column = 0
            self._down()
        line = self._lines[self._row]
        line += " " * (self._column + 1 - len(line))
        line[self._column] = character
        self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append([])
            self._is_wrapped.append(False)

    @property
    def rows(self) -> Sequence[str]:
        """What is in each row."""
        return ["".join(line).rstrip() for line in self._lines]

    @property
    def text(self) -> str:
        """The same, as one copies it: what the terminal has wrapped is one line."""
        parts = ["".join(line) + ("" if wrapped else "\n") for line, wrapped in zip(self._lines, self._is_wrapped)]
        return "\n".join(line.rstrip() for line in "".join(parts).split("\n"))


class TerminalProcess:
    """A process in a pseudo-terminal."""

    def __init__(self, command: Sequence[str], columns: int, folder: Path, variables: Mapping[str, str]) -> None:
        self.screen = Screen(columns)
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={**os.environ, "TERM": "xterm", **variables},
            start_new_session=True,
        )
        os.close(slave)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(_PATIENCE)
        os.close(self._master)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def see(self, text: str) -> None:
        """Wait until the screen shows this."""
        give_up_at = time.monotonic() + _PATIENCE
        while text not in self.screen.text:
            assert time.monotonic() < give_up_at, self.screen.text
            assert self._read(), f"it has ended: {self.screen.text}"

    def end(self) -> int:
        """Wait until it ends, and return its exit status."""
        while self._read():
            pass
        return self.process.wait(_PATIENCE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], _PATIENCE)
        assert ready, f"nothing happens: {self.screen.text}"
        try:
            shown = os.read(self._master, 4096)
        except OSError:  # Linux: the process has ended
            return False
        self.screen.show(shown.decode())
        return bool(shown)
