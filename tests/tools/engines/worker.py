# SPDX-License-Identifier: MIT
"""A process that uses one token, and logs what it does.

The log has one line of JSON for each step, written before or after the store or the server is called: what a killed
process did last is in it. The times are those of `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NamedTuple

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET
from ytmusic_oauth import (
    YOUTUBE,
    Endpoints,
    FileStore,
    OAuthCredentials,
    OAuthError,
    RefreshingToken,
    TokenStore,
    _cycle,
)
from ytmusic_oauth.models import BaseTokenDict

__all__ = ["LEASE", "LOCK_WAIT", "STEPS", "TIMEOUT", "Record", "client", "parse_log", "run", "send_signal"]

#: Seconds. The package's own, made shorter: 30 for a request, 40 to wait for the lock, and a lease of 60.
TIMEOUT: Final = 4.0
LOCK_WAIT: Final = 8.0
LEASE: Final = 6

#: Where a process can be stopped: each is a moment between two steps of the cycle.
STEPS: Final = ("locked", "read", "asking", "asked", "saved")


class Record(NamedTuple):
    """A line of the log."""

    pid: int
    at: float
    step: str
    #: asking: the refresh token; served: the access token; failed: the error
    value: str = ""
    #: locked: when the lock ends; served, failed: when the call began
    when: float = 0.0


def parse_log(path: Path) -> list[Record]:
    """Return the records in the order in which they were written."""
    return [Record(*json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def client(url: str) -> OAuthCredentials:
    """Return a client of the fake server at `url`."""
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=_endpoints(url))


def _endpoints(url: str) -> Endpoints:
    return replace(
        YOUTUBE,
        device_code_url=f"{url}/o/oauth2/device/code",
        token_url=f"{url}/token",
        revoke_url=None,
        rotates_refresh_tokens=True,
    )


def send_signal(pid: int, name: str) -> None:
    """Send a signal that Windows may not have."""
    os.kill(pid, signal.Signals[name])


class _Trace:
    """Writes the log, and stops the process where it was told to."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.stop_at = ""

    def __call__(self, step: str, value: str = "", when: float = 0.0) -> None:
        self._write(step, value, when)
        if step == self.stop_at:
            self.stop_at = ""
            self._write("stop")
            send_signal(os.getpid(), "SIGSTOP")
            self._write("go on")

    def _write(self, step: str, value: str = "", when: float = 0.0) -> None:
        os.write(self._file, json.dumps([os.getpid(), time.monotonic(), step, value, when]).encode() + b"\n")


class _TracedStore:
    def __init__(self, store: TokenStore, trace: _Trace) -> None:
        self._store, self._trace = store, trace

    def read(self) -> str | None:
        text = self._store.read()
        self._trace("read")
        return text

    def replace(self, before: str | None, after: str) -> bool:
        swapped = self._store.replace(before, after)
        self._trace("saved" if swapped else "conflict")
        return swapped

    @contextmanager
    def lock(self, timeout: float) -> Generator[float, None, None]:
        with self._store.lock(timeout) as until:
            self._trace("locked", when=min(until, 1e12))
            try:
                yield until
            finally:
                self._trace("release")


class _TracedFile(FileStore):
    """A file, with all that the package does for files alone."""

    __slots__ = ("_trace",)

    def __init__(self, path: str, trace: _Trace) -> None:
        super().__init__(path)
        self._trace = trace

    def read(self) -> str | None:
        text = super().read()
        self._trace("read")
        return text

    def replace(self, before: str | None, after: str) -> bool:
        swapped = super().replace(before, after)
        self._trace("saved" if swapped else "conflict")
        return swapped

    @contextmanager
    def lock(self, timeout: float) -> Generator[float, None, None]:
        with super().lock(timeout) as until:
            self._trace("locked", when=1e12)
            try:
                yield until
            finally:
                self._trace("release")


class _TracedClient(OAuthCredentials):
    def __init__(self, url: str, trace: _Trace) -> None:
        super().__init__(CLIENT_ID, CLIENT_SECRET, endpoints=_endpoints(url))
        self._trace = trace

    def refresh_within(self, refresh_token: str, *, tries: int = 1, seconds: float = TIMEOUT) -> BaseTokenDict:
        self._trace("asking", refresh_token)
        try:
            response = super().refresh_within(refresh_token, tries=tries, seconds=seconds)
        except OAuthError as error:
            self._trace("refused", type(error).__name__)
            raise
        self._trace("asked", response["access_token"])
        return response


class _Reader:
    """Reads the access token, again and again, in a thread of its own."""

    def __init__(self, token: RefreshingToken, trace: _Trace, pause: tuple[float, float] = (0.01, 0.06)) -> None:
        self._token, self._trace, self._pause = token, trace, pause
        self._is_on = threading.Event()
        self._reading = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._loop, daemon=True).start()

    def switch_on(self) -> None:
        self._is_on.set()

    def switch_off(self) -> None:
        """Returns when the last read has ended."""
        self._is_on.clear()
        with self._reading:
            pass

    def read(self) -> str:
        """Return the access token, or the name of the error with a question mark."""
        began = time.monotonic()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                served = self._token.access_token
            except OAuthError as error:
                name = type(error).__name__
                self._trace("failed" if error.retryable else "failed for good", f"{name}: {error}", began)
                return f"{name}?"
        for each in caught:
            self._trace("warned", str(each.message))
        self._trace("served", served, began)
        return served

    def use(self, operation: str) -> str:
        """Do something else with the token; return what came of it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._use(operation)
        except OAuthError as error:
            self._trace("failed" if error.retryable else "failed for good", f"{type(error).__name__}: {error}")
            return f"{type(error).__name__}?"
        return operation

    def _use(self, operation: str) -> None:
        token = self._token
        if operation == "store":
            token.store_token()
        elif operation == "refresh":
            token.refresh()
        elif operation == "reject":
            token.refresh(rejected=token.as_dict()["access_token"])
        elif operation == "ahead":
            token.refresh_ahead(3600)
        elif operation == "set":
            token.scope = f"set at {time.monotonic()}"
        elif operation == "update":  # with what it has
            now = token.as_dict()
            response: BaseTokenDict = {
                "access_token": now["access_token"],
                "expires_in": max(0, now["expires_at"] - math.ceil(time.time())),
                "scope": now["scope"],
                "token_type": now["token_type"],
            }
            token.update(response)
        else:  # move: to the same file, by another name
            token.keep_in(_TracedFile(operation, self._trace))

    def _loop(self) -> None:
        dice = random.Random()
        while self._is_on.wait():
            with self._reading:
                if self._is_on.is_set():
                    self.read()
            time.sleep(dice.uniform(*self._pause))


def run(orders: Connection[str, tuple[str, str]], log: Path, store: TokenStore, url: str, threads: int) -> None:
    """Do what is said, until the other end hangs up: an order is a word and its argument."""
    vars(_cycle).update(TIMEOUT=TIMEOUT, LOCK_WAIT=LOCK_WAIT)
    warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks together are what is tried
    trace = _Trace(log)
    traced = _TracedFile(store.path, trace) if isinstance(store, FileStore) else _TracedStore(store, trace)
    token = RefreshingToken.load(_TracedClient(url, trace), traced)
    readers = [_Reader(token, trace, (0.01, 0.06 * threads**2)) for _ in range(threads)]
    for reader in readers:
        reader.start()
    orders.send("ready")
    while True:
        try:
            order, argument = orders.recv()
        except EOFError:
            os._exit(0)
        if order == "read":
            orders.send(readers[0].read())
        elif order == "use":
            orders.send(readers[0].use(argument))
        elif order == "on":
            for reader in readers:
                reader.switch_on()
        elif order == "off":
            for reader in readers:
                reader.switch_off()
            orders.send("off")
        elif order == "stop at":
            trace.stop_at = argument
        elif order == "fork":
            _fork(_Reader(token, trace), seconds=float(argument))
            orders.send("forked")


def _fork(reader: _Reader, seconds: float) -> None:
    if sys.platform != "win32" and os.fork() == 0:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            reader.read()
            time.sleep(0.03)
        os._exit(0)
