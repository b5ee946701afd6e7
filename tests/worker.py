# SPDX-License-Identifier: MIT
"""A process of its own, for tests: it keeps one token file, does what it is told and says what came of it.

    python -m tests.worker URL PATH   # of the fake server, and of the file; CLIENT_ID and CLIENT_SECRET by environment

An order is a line: a method of `Worker` and its arguments. The answer is a line of JSON; `unguarded` before an order
lets its error end the process. It imports as little as it can: there is a test that starts it eight times.
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
from functools import partial
from itertools import count, cycle
from typing import NoReturn, ParamSpec, TypeVar

from ytmusic_oauth import YOUTUBE, Endpoints, OAuthCredentials, RefreshingToken, _refresher, credentials, session, token
from ytmusic_oauth.exceptions import OAuthError

if sys.platform != "win32":
    import resource

P = ParamSpec("P")
T = TypeVar("T")

# What storing a token asks of the system.
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
    """Both clocks of the package, on the time that the test says."""

    now = 0.0

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Worker:
    def __init__(self, url: str, path: str) -> None:
        self.clock = Clock()
        for module in (credentials, session, token, _refresher):
            vars(module)["time"] = self.clock
        self.path = path
        self.credentials = OAuthCredentials(
            os.environ["CLIENT_ID"],
            os.environ["CLIENT_SECRET"],
            endpoints=Endpoints(
                f"{url}/o/oauth2/device/code",
                f"{url}/token",
                device_grant=YOUTUBE.device_grant,
                device_code_parameter=YOUTUBE.device_code_parameter,
                authenticate_everywhere=False,
            ),
        )

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
        """Wait for the lock no longer than this; these are real seconds."""
        vars(_refresher).update(_SHORT_WAIT=float(seconds), _LONG_WAIT=float(seconds))
        return ""

    def cannot_rename(self) -> str:
        """As with a file that is a mount point."""

        def replace(*_: object) -> NoReturn:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

        vars(os)["replace"] = replace
        return ""

    def cannot_save(self) -> str:
        def write(*_: object) -> NoReturn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        vars(os)["write"] = write
        return ""

    def start_reading(self) -> str:
        """In another thread, whose answer is the next line but one."""
        threading.Thread(target=lambda: say(self.read)).start()
        return ""

    if sys.platform != "win32":

        def fork_and_read(self) -> str:
            """Answers the process id of a child, whose answer is a line of its own."""
            child = os.fork()
            if child == 0:
                say(self.read)
                os._exit(0)
            return str(child)

        def store_for_ever(self, *access_tokens: str) -> str:
            """Answers the process id of a child that stores one after the other, until it is killed."""
            child = os.fork()
            if child == 0:
                for access_token in cycle(access_tokens):
                    self.store(access_token)
            return str(child)

        def wait_for(self, child: str) -> str:
            _, status = os.waitpid(int(child), 0)
            return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else ""

        def store_and_die(self, access_token: str, call: str) -> str:
            """Store in a child that is killed before this one of its system calls, the first being 1."""
            child = os.fork()
            if child == 0:
                _die_before(int(call))
                self.store(access_token)
                os._exit(0)
            return self.wait_for(str(child))

        def become_nobody(self) -> str:
            """After a refresh, which imports what nobody may be unable to read. Who is not root is nobody enough."""
            import pwd

            self.token.refresh()
            if os.geteuid() == 0:
                nobody = pwd.getpwnam("nobody")
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
            return ""

        def limit_files(self, size: str) -> str:
            """Let no file grow beyond so many bytes; -1 for as many as the system allows."""
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size) if int(size) >= 0 else hard, hard))
            return ""


if sys.platform != "win32":

    def _die_before(call: int) -> None:
        calls = count(1)

        def mortal(real: Callable[P, T]) -> Callable[P, T]:
            def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
                if next(calls) == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **kwargs)

            return attempt

        for name in CALLS:
            vars(os)[name] = mortal(getattr(os, name))


def say(order: Callable[[], str]) -> None:
    answer = {"answer": "", "error": "", "warning": ""}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        try:
            answer["answer"] = order()
        except OAuthError as error:
            answer["error"] = f"{type(error).__name__}: {error}"
    answer["warning"] = " ".join(str(each.message) for each in caught)
    print(json.dumps(answer), flush=True)


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks together are what is tested
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    worker = Worker(*sys.argv[1:])
    for line in sys.stdin:
        name, *arguments = line.removeprefix("unguarded ").split()
        order = partial(getattr(worker, name), *arguments)
        if line.startswith("unguarded "):
            order()
        else:
            say(order)


if __name__ == "__main__":
    main()
