# SPDX-License-Identifier: MIT
"""The engines: real servers on loopback, and the stores on them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg

from tests.recipes.stores.etcd import EtcdStore
from tests.recipes.stores.postgresql import PostgresqlStore
from tests.recipes.stores.redis_store import RedisStore
from tests.recipes.stores.sqlite import SqliteStore
from tests.tools.engines.worker import LEASE
from ytmusic_oauth import TokenStore
from ytmusic_oauth._file_store import FileStore

__all__ = ["ENGINES", "Engine"]


class Engine(ABC):
    """Where tokens are kept. Each account has a store of its own on it."""

    name: str
    #: whether the lock is released when its holder dies; else it is a lease
    releases_lock = False
    #: the package of Debian that has the server; none: there is no server
    package = ""
    #: whether two can compare and swap at once, without the lock
    is_atomic = True

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self.port: Final = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def store(self, account: str) -> TokenStore:
        """Return the store of an account."""

    def command(self) -> Sequence[str]:
        """Return the command line of the server, empty if its program is not installed."""
        return ()

    @property
    def is_missing(self) -> bool:
        """Whether the server is not installed."""
        return bool(self.package) and not self.command()

    def start(self) -> None:
        """Start the server, if there is one, and wait until it responds."""
        if self.package:
            with (self.folder / "server.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=_user(self), cwd=self.folder
                )
        deadline = time.monotonic() + 30
        while not self._responds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not respond:\n{(self.folder / 'server.log').read_text('utf-8')}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server as an operator does: it loses nothing that it said was saved."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None

    def ping(self) -> None:
        """Raise if the server does not respond."""
        self.store("ping").read()

    def _responds(self) -> bool:
        try:
            self.ping()
        except Exception:
            return False
        return True


class File(Engine):
    """The token file."""

    name = "file"
    releases_lock = True
    is_atomic = False

    def store(self, account: str) -> TokenStore:
        return FileStore(self.folder / f"{account}.json")


class Sqlite(Engine):
    """One database for all accounts."""

    name = "SQLite"
    releases_lock = True

    def store(self, account: str) -> TokenStore:
        return SqliteStore(str(self.folder / "tokens.db"), account)


class Postgresql(Engine):
    """A cluster of its own, made with `initdb`."""

    name = "PostgreSQL"
    releases_lock = True
    package = "postgresql"

    def store(self, account: str) -> TokenStore:
        return PostgresqlStore(
            f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres connect_timeout=5", account
        )

    def command(self) -> Sequence[str]:
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        postgres = str(binaries[-1]) if binaries else shutil.which("postgres")
        if postgres is None:
            return ()
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "300"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return (postgres, "-D", str(self.folder / "data"), "-p", str(self.port), *settings)

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            data.mkdir(0o700)
            if (user := _user(self)) is not None:
                shutil.chown(data, user)
            initdb = Path(self.command()[0]).with_name("initdb")
            command = [str(initdb), "-D", str(data), "--auth=trust", "--username=postgres", "--no-sync"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=user, cwd=self.folder)
        super().start()

    def ping(self) -> None:
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres", autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS oauth_tokens"
                " (account text PRIMARY KEY, token text NOT NULL, holder text, held_in timestamptz)"
            )


class Redis(Engine):
    """With an append-only file that is synced before each reply."""

    name = "Redis"
    package = "redis-server"

    def store(self, account: str) -> TokenStore:
        return RedisStore(f"redis://127.0.0.1:{self.port}", account, LEASE)

    def command(self) -> Sequence[str]:
        server = shutil.which("redis-server") or shutil.which("valkey-server")
        if server is None:
            return ()
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        return (server, *(word for name, value in options.items() for word in (f"--{name}", value)))


class Etcd(Engine):
    """A cluster of one member."""

    name = "etcd"
    package = "etcd-server"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._peers = _free_port()

    def store(self, account: str) -> TokenStore:
        return EtcdStore(f"http://127.0.0.1:{self.port}", account, LEASE)

    def command(self) -> Sequence[str]:
        server, url = shutil.which("etcd"), f"http://127.0.0.1:{self.port}"
        if server is None:
            return ()
        clients = ("--listen-client-urls", url, "--advertise-client-urls", url)
        return (server, "--data-dir", "data", *clients, "--listen-peer-urls", f"http://127.0.0.1:{self._peers}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _user(engine: Engine) -> str | None:
    # PostgreSQL refuses to run as root; Debian has made a user for it.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return "postgres" if is_root and isinstance(engine, Postgresql) else None


ENGINES: Final = (File, Sqlite, Postgresql, Redis, Etcd)
