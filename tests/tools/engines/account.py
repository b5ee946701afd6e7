# SPDX-License-Identifier: MIT
"""One login, on a fake server of its own, and the processes that use it."""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from tests.porting.fake_google import Exchange, FakeGoogle
from tests.tools.engines.worker import Record, client, parse_log, run, send_signal
from ytmusic_oauth import RefreshingToken, TokenStore

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CREW", "Account", "Kill", "Worker", "wait_for"]

#: How many processes use a token.
CREW: Final = 8
if sys.platform == "win32":  # for type checkers: nothing here runs there
    _context: Final = multiprocessing.get_context("spawn")
else:
    _context: Final = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.tools.engines.worker", "tests.tools.engines.servers"])


class _NoMain:
    """Hides the main program, pytest or all of `make engines`, which each child would import."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._main = sys.modules["__main__"]

    def __enter__(self) -> None:
        self._lock.acquire()
        sys.modules["__main__"] = ModuleType("__main__")

    def __exit__(self, *_: object) -> None:
        sys.modules["__main__"] = self._main
        self._lock.release()


_no_main: Final = _NoMain()


class _Orders(Protocol):
    """A `multiprocessing.connection.Connection`, by whatever class a platform has for it."""

    def send(self, obj: tuple[str, str], /) -> None: ...
    def recv(self) -> str: ...
    def poll(self, timeout: float | None = ..., /) -> bool: ...
    def close(self) -> None: ...


class Kill(NamedTuple):
    """When a process was gone that was killed: it has done nothing after that."""

    pid: int
    at: float


class Worker:
    """A process, from outside."""

    def __init__(self, log: Path, store: TokenStore, url: str, threads: int) -> None:
        self._orders: _Orders
        self._orders, theirs = _context.Pipe()
        self._process = _context.Process(target=run, args=(theirs, log, store, url, threads), daemon=True)
        with _no_main:
            self._process.start()
        theirs.close()
        pid = self._process.pid
        assert pid is not None
        self.pid: Final = pid

    def tell(self, order: str, argument: str = "") -> None:
        """Send an order. A process that has been killed does not get it."""
        with suppress(BrokenPipeError):
            self._orders.send((order, argument))

    def hear(self, seconds: float = 90.0) -> str:
        """Return its response; none if it was killed."""
        try:
            return self._orders.recv() if self._orders.poll(seconds) else "no response"
        except (EOFError, ConnectionResetError):
            return "no response"

    def has_responded(self) -> bool:
        """Whether there is something to hear."""
        return self._orders.poll(0)

    def kill(self) -> Kill:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        self._process.join()
        self._orders.close()
        return Kill(self.pid, time.monotonic())

    def send_signal(self, name: str) -> None:
        """Send it a signal."""
        send_signal(self.pid, name)


class Account:
    """A login whose refresh tokens rotate, and are revoked altogether if one is used twice."""

    def __init__(self, name: str, store: TokenStore, folder: Path, *, lifetime: int = 4) -> None:
        self.name: Final = name
        self.store: Final = store
        self.server: Final = FakeGoogle(rotate=True, approve_after=0, token_lifetime=lifetime)
        folder.mkdir(exist_ok=True)
        self.log: Final = folder / "steps.log"
        self.log.touch()
        self.crew: list[Worker] = []
        self.kills: list[Kill] = []
        #: when the engine was stopped and started
        self.outages: list[tuple[float, float]] = []
        #: the access tokens of the logins
        self.logins: list[str] = []
        #: whether each refresh should come only when the last token is due
        self.is_paced = True
        #: what went wrong that is no loss
        self.problems: list[str] = []

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.log_in()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.crew:
            worker.kill()
        self.server.__exit__()

    # ---- logins and processes ----

    def log_in(self) -> None:
        """Log in, and put the token into the store, over whatever is there."""
        credentials = client(self.server.url)
        token = credentials.token_from_code(credentials.get_code()["device_code"])
        self.logins.append(token["access_token"])
        RefreshingToken(credentials, **token).keep_in(self.store)

    def hire(self, count: int = CREW, threads: int = 1) -> list[Worker]:
        """Start processes, and wait until they have loaded the token."""
        hired = [Worker(self.log, self.store, self.server.url, threads) for _ in range(count)]
        self.crew += hired
        for worker in hired:
            if worker.hear() != "ready":
                self.problems.append("a process did not load the token")
        return hired

    def dismiss(self, worker: Worker) -> Kill:
        """Kill a process."""
        self.crew.remove(worker)
        kill = worker.kill()
        self.kills.append(kill)
        return kill

    def worker(self, pid: int) -> Worker | None:
        """Return the process with that number."""
        return next((worker for worker in self.crew if worker.pid == pid), None)

    def switch_on(self) -> None:
        """Let all processes read the access token again and again."""
        for worker in self.crew:
            worker.tell("on")

    def switch_off(self) -> None:
        """Let them stop, and wait until the last read has ended."""
        for worker in self.crew:
            worker.tell("off")
        for worker in self.crew:
            worker.hear()

    def read_all(self) -> list[str]:
        """Let all processes read the access token at the same time, and return what they got."""
        for worker in self.crew:
            worker.tell("read")
        return [worker.hear() for worker in self.crew]

    def note(self, worker: Worker, step: str) -> None:
        """Note in the log that a process is stopped, or goes on."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f'[{worker.pid}, {time.monotonic()}, "{step}"]\n')

    # ---- what happened ----

    def records(self) -> list[Record]:
        """Return what the processes have logged."""
        return parse_log(self.log)

    def requests(self) -> list[Exchange]:
        """Return the refresh requests so far."""
        return [each for each in self.server.requests_to("token") if each.form.get("grant_type") == "refresh_token"]

    def refreshes(self) -> int:
        """Return how many refreshes the server has carried out."""
        return sum(each.status == 200 for each in self.requests())

    def wait_for_refreshes(self, count: int, seconds: float = 30.0) -> bool:
        """Wait until the server has carried out so many refreshes."""
        return wait_for(lambda: self.refreshes() >= count, seconds)

    def wait_for_request(self, before: int) -> Worker | None:
        """Wait for one more refresh request than before, and return its sender."""
        if not wait_for(lambda: len(self.requests()) > before, 10):
            self.problems.append("no process sent a refresh")
            return None
        token = self.requests()[before].form["refresh_token"]
        senders = [each.pid for each in self.records() if each.step == "asking" and each.value == token]
        return self.worker(senders[-1])

    def wait_until_due(self) -> None:
        """Wait until the token in the store is due for a refresh."""
        self._wait(self._token("expires_at") - self._token("expires_in") // 2)

    def wait_until_expired(self) -> None:
        """Wait until the token in the store has expired."""
        self._wait(self._token("expires_at"))

    def refresh_token(self) -> str:
        """Return the refresh token in the store."""
        return str(self._values()["refresh_token"])

    def is_logged_in(self) -> bool:
        """Whether the refresh token in the store is good."""
        return self.server.can_refresh(self.refresh_token())

    def lost_logins(self) -> int:
        """Return how many logins the server has ended, or will end when the refresh token in the store is used."""
        grants = {id(each): each for each in self.server._grants.values()}
        ended = sum(each.revoked for each in grants.values())
        left = self.server._grants[self.refresh_token()]
        return ended + (not left.revoked and not self.is_logged_in())

    def _values(self) -> dict[str, object]:
        values: dict[str, object] = json.loads(self.store.read() or "{}")
        return values

    def _token(self, name: str) -> int:
        value = self._values()[name]
        assert isinstance(value, int)
        return value

    @staticmethod
    def _wait(until: float) -> None:
        time.sleep(max(0.0, until + 0.05 - time.time()))


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until it is so; return whether it is."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
