# SPDX-License-Identifier: MIT
"""What is measured, the floor that it is divided by, and the limit for the ratio.

A floor is the least that any program needs for the same task: importing the modules that every program loads, a method
that reads one clock, a bare `http.client`, the plain system calls. It validates nothing and stores nothing.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlencode

from tests.tools.bench.measuring import ROOT, Measure, called, child, children, repeated, wall_time
from tests.tools.code_lines import code_lines
from ytmusic_oauth import Endpoints, OAuthCredentials, RefreshingToken
from ytmusic_oauth.models import RefreshableTokenDict

__all__ = [
    "COMMON_IMPORTS",
    "COMPARISONS",
    "IMPORT",
    "ZIPAPP",
    "Comparison",
    "Count",
    "Plain",
    "counts",
    "fresh_token",
    "reading",
    "values",
    "zipapp",
]

Pair: TypeAlias = tuple[Measure, Measure]


class Comparison(NamedTuple):
    """A ratio. `prepare` yields the measurements of cost and floor; it may put files into the folder.

    Where the limit is exceeded, `reason` says what takes the time and why that stays.
    """

    name: str
    floor: str
    prepare: Callable[[Path], AbstractContextManager[Pair]]
    limit: float | None
    rounds: int
    unit: str = "CPU time"
    reason: str = ""


class Count(NamedTuple):
    """A number that is the same in every run."""

    name: str
    number: float
    unit: str = ""
    limit: float | None = None
    reason: str = ""


# As long as Google's.
CLIENT_ID: Final = f"{'1' * 12}-{'fake' * 8}.apps.googleusercontent.com"
CLIENT_SECRET: Final = f"GOCSPX-{'fake' * 7}"


def values(account: int = 0) -> RefreshableTokenDict:
    """A token as Google issues it, valid for an hour."""
    return {
        "scope": "https://www.googleapis.com/auth/youtube",
        "token_type": "Bearer",
        "access_token": f"ya29.fake-{account:0210}",
        "refresh_token": f"1//fake-{account:095}",
        "expires_at": int(time.time()) + 3599,
        "expires_in": 3599,
    }


def fresh_token() -> RefreshingToken:
    return RefreshingToken(OAuthCredentials(CLIENT_ID, CLIENT_SECRET), **values())


# ---- starting ------------------------------------------------------------------------------------

COMMON_IMPORTS: Final = "import dataclasses, json, pathlib, threading, typing"
_PACKAGE: Final = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
# The package loads a name when it is first used: this is what a program imports.
IMPORT: Final = f"{_PACKAGE}; from ytmusic_oauth import OAuthCredentials, RefreshingToken"
ZIPAPP: Final = ROOT / "dist" / "ytmusic_oauth.pyz"


@contextmanager
def importing(folder: Path) -> Iterator[Pair]:
    yield children("-I", "-c", f"{_PACKAGE}; import ytmusic_oauth"), children("-I", "-c", COMMON_IMPORTS)


@contextmanager
def importing_names(folder: Path) -> Iterator[Pair]:
    yield children("-I", "-c", IMPORT), children("-I", "-c", COMMON_IMPORTS)


@contextmanager
def command_line(folder: Path) -> Iterator[Pair]:
    yield header(folder, "-m", "ytmusic_oauth"), children("-c", f"{COMMON_IMPORTS}, argparse")


@contextmanager
def zipapp(folder: Path) -> Iterator[Pair]:
    yield header(folder, str(ZIPAPP)), children("-c", f"{COMMON_IMPORTS}, argparse")


def header(folder: Path, *program: str) -> Measure:
    file = folder / "oauth.json"
    file.write_text(json.dumps(values()))
    return children(*program, "header", "--file", str(file))


# ---- reading a fresh token -----------------------------------------------------------------------


class Plain:
    """The least that a correct read needs: it reads one clock."""

    def __init__(self) -> None:
        self.deadline = time.time() + 3539
        self.auth = "Bearer ya29.fake"

    def as_auth(self) -> str:
        if time.time() < self.deadline:
            return self.auth
        raise RuntimeError

    @property
    def access_token(self) -> str:
        if time.time() < self.deadline:
            return self.auth
        raise RuntimeError


@contextmanager
def as_auth(folder: Path) -> Iterator[Pair]:
    yield reading("token.as_auth()", fresh_token()), reading("token.as_auth()", Plain())


@contextmanager
def access_token(folder: Path) -> Iterator[Pair]:
    yield reading("token.access_token", fresh_token()), reading("token.access_token", Plain())


def reading(statement: str, token: object) -> Measure:
    return repeated(statement, {"token": token}, 10_000)


THREADS: Final = 64
READS: Final = 256_000  # these take longer than the interval in which Python switches threads


@contextmanager
def plain_readers(folder: Path) -> Iterator[Pair]:
    """The cost of Python's own lock."""
    yield readers(Plain(), THREADS), readers(Plain(), 1)


@contextmanager
def token_readers(folder: Path) -> Iterator[Pair]:
    """The cost of a token beyond that. The lock is measured again in each round."""
    many_plain, one_plain = readers(Plain(), THREADS), readers(Plain(), 1)
    token = fresh_token()
    one = readers(token, 1)
    yield readers(token, THREADS), lambda: one() * many_plain() / one_plain()


def readers(token: Plain | RefreshingToken, threads: int) -> Measure:
    """Measure `READS` reads, shared by some threads. CPU time will do: the lock is never idle while reads are left."""

    def measure() -> float:
        start = threading.Barrier(threads + 1)

        def read() -> None:
            start.wait()
            for _ in range(READS // threads):
                token.as_auth()

        running = [threading.Thread(target=read) for _ in range(threads)]
        for thread in running:
            thread.start()

        def run() -> None:
            start.wait()
            for thread in running:
                thread.join()

        return called(run)()

    return lambda: min(measure() for _ in range(3))  # other programs can only add to it


# ---- refreshing and saving -----------------------------------------------------------------------

# Prints its port. Reads a request, sends a token, and closes the connection, again and again.
SERVER: Final = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
body = b'{"access_token": "ya29.fake-%s", "expires_in": 3599, "scope": "music", "token_type": "Bearer"}' % (b"x" * 210)
head = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n"
while True:
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as request:
        length = 0
        for line in iter(request.readline, b"\\r\\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        request.read(length)
        connection.sendall(head % len(body) + body)
"""


@contextmanager
def refresh(folder: Path) -> Iterator[Pair]:
    token = fresh_token()
    form = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "grant_type": "refresh_token",
        "refresh_token": token.refresh_token,
    }
    with child(SERVER) as port:

        def bare() -> None:
            connection = HTTPConnection("127.0.0.1", int(port), timeout=30)
            connection.request("POST", "/", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
            json.loads(connection.getresponse().read())
            connection.close()

        url = f"http://127.0.0.1:{port}/"
        token.credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=Endpoints(url, url))
        yield called(token.refresh, 20), called(bare, 20)


@contextmanager
def store(folder: Path) -> Iterator[Pair]:
    token = fresh_token()
    ours, theirs = str(folder / "oauth.json"), str(folder / "plain.json")
    content = json.dumps(token.as_dict(), indent=1).encode()

    def plain() -> None:
        file = os.open(f"{theirs}.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, content)
        os.fsync(file)
        os.close(file)
        os.replace(f"{theirs}.tmp", theirs)

    yield wall_time(lambda: token.store_token(ours)), wall_time(plain)


COMPARISONS: Final = (
    Comparison("import ytmusic_oauth", COMMON_IMPORTS, importing, 1.15, 100),
    Comparison("import, with RefreshingToken", COMMON_IMPORTS, importing_names, 1.35, 100),
    Comparison("python -m ytmusic_oauth header", f"{COMMON_IMPORTS}, argparse", command_line, 1.2, 100),
    Comparison(
        "ytmusic_oauth.pyz header",
        "the same",
        zipapp,
        1.7,
        60,
    ),
    Comparison("token.as_auth()", "a method that compares one clock and returns", as_auth, 2.5, 100),
    Comparison("token.access_token", "a property that does", access_token, 2.5, 100),
    Comparison("64 threads, that method", "one thread", plain_readers, None, 15),
    Comparison("64 threads, token.as_auth()", "one thread, times that", token_readers, 1.1, 15),
    Comparison("token.refresh() over loopback", "http.client POST, json.loads", refresh, 2.5, 60),
    # 1.1 where the disk takes a millisecond for an fsync, 2.0 where it takes a tenth of that: the rest is the CPU's.
    Comparison("token.store_token(path)", "write, fsync, rename", store, 2.5, 600, "wall time"),
)


# ---- counting ------------------------------------------------------------------------------------

NETWORK: Final = ("socket", "ssl", "http", "urllib.request", "urllib.error", "select", "selectors", "asyncio", "email")


def loaded() -> list[str]:
    """The modules that the import loads beyond those of `COMMON_IMPORTS`."""
    script = f"{COMMON_IMPORTS}; import sys; common = set(sys.modules); {IMPORT}; print(*set(sys.modules) - common)"
    found = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    return found.stdout.split()


def bytes_per_token(accounts: int) -> float:
    """The memory of one of many tokens, without the strings that it is made of."""
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    given = [values(account) for account in range(accounts)]
    gc.collect()
    tracemalloc.start()
    try:
        tokens = [RefreshingToken(credentials, **each) for each in given]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return size / len(tokens)


_WHY_SO_MUCH_MEMORY: Final = (
    "276 bytes are the header, which is made once so that as_auth() is fast; 272 the dictionary of the values; 208 the "
    "two periods, by two clocks; 176 what is remembered between refreshes, and 64 the lock that threads share"
)


def counts(accounts: int = 10_000) -> Iterator[Count]:
    modules = loaded()
    others = [name for name in modules if not name.startswith("ytmusic_oauth")]
    yield Count("the import loads: network modules", len({*modules} & {*NETWORK}), limit=0)
    yield Count("the import loads: modules beyond the floor's", len(others), limit=2)
    yield Count("the import loads: modules of the package", len(modules) - len(others))
    memory, name = bytes_per_token(accounts), f"memory of each of {accounts:,} tokens, without strings"
    yield Count(name, memory, "bytes", 1200, _WHY_SO_MUCH_MEMORY)
    sources = [path for path in (ROOT / "ytmusic_oauth").iterdir() if path.is_file()]
    yield Count("the folder to vendor", sum(path.stat().st_size for path in sources) / 1024, "KiB")
    yield Count("the folder to vendor", sum(path.read_bytes().count(b"\n") for path in sources), "lines")
    yield Count("the package: lines of code", sum(code_lines(path) for path in sources if path.suffix == ".py"))
    if ZIPAPP.exists():
        yield Count("the zipapp", ZIPAPP.stat().st_size / 1024, "KiB")
