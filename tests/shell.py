# SPDX-License-Identifier: MIT
"""Runs the command line for tests: in this process, with a fake server, or as a real process in a shell."""

from __future__ import annotations

import errno
import getpass
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from ytmusic_oauth import Endpoints, _client_choice
from ytmusic_oauth._command_line import DONE, main

ID: Final = "YTMUSIC_OAUTH_CLIENT_ID"
SECRET: Final = "YTMUSIC_OAUTH_CLIENT_SECRET"
POSIX_SHELL: Final = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


def disk_full(*_: object) -> int:
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
    """Runs commands with the OAuth client in the environment, and without standard input."""

    def __init__(self, server: FakeGoogle, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._patch = patch
        self.hidden_questions: list[str] = []
        self.endpoints = ["--endpoints", server.device_code_url, server.token_url, server.revoke_url]
        self.is_known_as(is_google=True)
        self.know_client()
        patch.setattr(sys, "stdin", None)

    def __call__(self, command: str, *options: str) -> Outcome:
        endpoints = () if command == "status" else self.endpoints
        outcome = Outcome(main([command, *options, *endpoints]), *self._capsys.readouterr())
        if outcome.status != DONE and outcome.err:
            assert re.search(r"[^.]\.\n\Z", outcome.err), "an error ends with one full stop"
        return outcome

    def is_known_as(self, *, is_google: bool = False, rotates: bool = True, authenticates: bool = True) -> None:
        """Say what kind of server the URLs of --endpoints are: such a server has no option."""
        made = partial(
            Endpoints, is_google=is_google, rotates_refresh_tokens=rotates, authenticate_everywhere=authenticates
        )
        self._patch.setattr(_client_choice, "Endpoints", made)

    def know_client(self) -> None:
        self._patch.setenv(ID, CLIENT_ID)
        self._patch.setenv(SECRET, CLIENT_SECRET)

    def forget_client(self) -> None:
        self._patch.delenv(ID)
        self._patch.delenv(SECRET)

    def type(self, *lines: str) -> None:
        """Sit at a terminal, and type these lines."""
        self._patch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))
        self._patch.setattr(sys.stderr, "isatty", lambda: True)
        self._patch.setattr(getpass, "getpass", self._getpass)

    def _getpass(self, question: str) -> str:
        self.hidden_questions.append(question)
        if line := sys.stdin.readline():
            return line
        raise EOFError


class BrokenStream(io.StringIO):
    """Fails when it is written to, or only when it is flushed."""

    def __init__(self, error: OSError, *, late: bool) -> None:
        super().__init__()
        self._error, self._late = error, late

    def write(self, text: str) -> int:
        if self._late:
            return len(text)
        raise self._error

    def flush(self) -> None:
        raise self._error


ROOT: Final = Path(__file__).parent.parent


def sh(script: str, folder: Path, *flags: str, **variables: str) -> Outcome:
    """Run a shell script, in which `oauth` is the command line."""
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
