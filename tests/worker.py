# SPDX-License-Identifier: MIT
"""A separate process for tests: it keeps one token file, and executes commands.

    python -m tests.worker URL PATH   # of the fake server and of the token file

CLIENT_ID and CLIENT_SECRET are environment variables. A command is a line on standard input: a method of `Worker` and
its arguments. The result is a line of JSON; after `unguarded`, an error ends the process instead. This module imports
little, because one test starts it eight times.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count, cycle
from typing import NoReturn, ParamSpec, TypeVar

from ytmusic_oauth import (
    YOUTUBE,
    OAuthCredentials,
    RefreshingToken,
    _cycle,
    _refresher,
    _store_access,
    credentials,
    session,
    token,
)
from ytmusic_oauth.exceptions import OAuthError

if sys.platform != "win32":
    import resource

P = ParamSpec("P")
T = TypeVar("T")

# The functions of `os` that storing a token calls.
CALLS = (
    "open",
    "read",
    "fstat",
    "stat",
    "fchmod",
    "fchown",
    "write",
    "fsync",
    "ftruncate",
    "close",
    "replace",
    "unlink",
)


class Clock:
    """Both clocks of the package, set by the test."""

    now = 0.0

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Worker:
    def __init__(self, url: str, path: str) -> None:
        self.clock = Clock()
        for module in (credentials, session, token, _refresher, _store_access):
            vars(module)["time"] = self.clock
        self.path = path
        self.credentials = OAuthCredentials(
            os.environ["CLIENT_ID"],
            os.environ["CLIENT_SECRET"],
            endpoints=replace(
                YOUTUBE,
                device_code_url=f"{url}/o/oauth2/device/code",
                token_url=f"{url}/token",
                revoke_url=None,
                rotates_refresh_tokens=True,
            ),
        )

    def keep_refresh_token(self) -> str:
        """Believe that the server does not rotate refresh tokens."""
        self.credentials.endpoints = replace(self.credentials.endpoints, rotates_refresh_tokens=False)
        return ""

    def load(self, now: str) -> str:
        self.at(now)
        self.token = RefreshingToken.load(self.credentials, self.path)
        return ""

    def at(self, now: str) -> str:
        self.clock.now = float(now)
        return ""

    def read(self) -> str:
        return self.token.access_token

    def store(self, access_token: str) -> str:
        self.token.access_token = access_token
        self.token.store_token()
        return ""

    def store_often(self, access_token: str, times: str) -> str:
        for _ in range(int(times)):
            self.store(access_token)
        return ""

    def login(self) -> str:
        RefreshingToken.prompt_for_token(self.credentials, open_browser=True, to_file=self.path)
        return ""

    def patience(self, seconds: str) -> str:
        """Set how long to wait for the lock once the token has expired, in real seconds."""
        vars(_cycle).update(LOCK_WAIT=float(seconds))
        return ""

    def cannot_rename(self) -> str:
        """Behave as if the file were a mount point."""

        def replace(*_: object) -> NoReturn:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

        vars(os)["replace"] = replace
        return ""

    def cannot_save(self) -> str:
        """Behave as if the disk failed after the check that a refresh makes before it is sent."""
        real = os.replace

        def replace(source: str, target: str) -> None:
            if target == self.path:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(source, target)

        vars(os)["replace"] = replace
        return ""

    def start_reading(self) -> str:
        """Read in another thread, whose result is a later line."""
        threading.Thread(target=lambda: report(self.read)).start()
        return ""

    if sys.platform != "win32":

        def fork_and_read(self) -> str:
            """Return the process id of a child, whose result is a line of its own."""
            child = os.fork()
            if child == 0:
                report(self.read)
                os._exit(0)
            return str(child)

        def store_for_ever(self, *access_tokens: str) -> str:
            """Return the process id of a child that stores one token after the other until it is killed."""
            child = os.fork()
            if child == 0:
                for access_token in cycle(access_tokens):
                    self.store(access_token)
            return str(child)

        def wait_for(self, child: str) -> str:
            _, status = os.waitpid(int(child), 0)
            return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else ""

        def store_and_die(self, access_token: str, call: str) -> str:
            """Store in a child that is killed just before its n-th system call, counted from 1."""
            child = os.fork()
            if child == 0:
                _die_before(int(call))
                self.store(access_token)
                os._exit(0)
            return self.wait_for(str(child))

        def become_nobody(self) -> str:
            """Become the user `nobody`, if root. Refresh first: `nobody` may be unable to read the modules for it."""
            import pwd

            self.token.refresh()
            if os.geteuid() == 0:
                nobody = pwd.getpwnam("nobody")
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
            return ""

        def limit_files(self, size: str) -> str:
            """Limit the size of files, in bytes; -1 for the system's limit."""
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size) if int(size) >= 0 else hard, hard))
            return ""


if sys.platform != "win32":

    def _die_before(call: int) -> None:
        calls = count(1)

        def counted(real: Callable[P, T]) -> Callable[P, T]:
            def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
                if next(calls) == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **kwargs)

            return attempt

        for name in CALLS:
            vars(os)[name] = counted(getattr(os, name))


def report(command: Callable[[], str]) -> None:
    result = {"answer": "", "error": "", "warning": ""}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        try:
            result["answer"] = command()
        except OAuthError as error:
            result["error"] = f"{type(error).__name__}: {error}"
    result["warning"] = " ".join(str(each.message) for each in caught)
    print(json.dumps(result), flush=True)


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # tests fork while threads run
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored
    worker = Worker(*sys.argv[1:])
    for line in sys.stdin:
        name, *arguments = line.replace("unguarded ", "", 1).split()
        command = partial(getattr(worker, name), *arguments)
        if line.startswith("unguarded "):
            command()
        else:
            report(command)


if __name__ == "__main__":
    main()
