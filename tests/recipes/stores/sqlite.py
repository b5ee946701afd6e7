# SPDX-License-Identifier: MIT
"""SQLite: any number of accounts in one database. Standard library only.

Pitfalls:

- The lock is in a database of its own for each account. In the database of the tokens, one slow refresh would block
  the saves of all accounts.
- SQLite creates its files readable by others. These are created with mode 0600.
- Only a local disk has locks that work: no NFS, no SMB.
- A connection must not be used after a fork, and not even closed, except that of the lock: its database is empty, so
  there is nothing to damage, and without the close the child would wait for its parent's lock for ever. No fork
  happens while another thread is inside SQLite.

The lock is released when its holder dies: safe where refresh tokens rotate. Pickles.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass

__all__ = ["SqliteStore", "process_lock"]

_inside = threading.RLock()  # held while a thread is inside SQLite
_locks: set[sqlite3.Connection] = set()


def _after_fork() -> None:
    while _locks:
        _locks.pop().close()
    _inside.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_inside.acquire, after_in_parent=_inside.release, after_in_child=_after_fork)


def _connect(path: str, timeout: float) -> sqlite3.Connection:
    with suppress(FileExistsError):  # not opened if it exists: to close it would release the locks of other threads
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return sqlite3.connect(path, timeout, isolation_level=None, check_same_thread=False)


@contextmanager
def process_lock(path: str, timeout: float) -> Generator[float, None, None]:
    """Hold a lock on the file at `path`, which is created and stays. Raises `TimeoutError`."""
    deadline = time.monotonic() + timeout
    with _inside:
        connection = _connect(path, 0)
        _locks.add(connection)
    try:
        while not connection.in_transaction:
            try:
                with _inside:
                    connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if time.monotonic() >= deadline:
                    raise TimeoutError if "locked" in str(error) else error from None
                time.sleep(0.05)
        yield float("inf")
    finally:
        with _inside:
            _locks.discard(connection)
            connection.close()


@dataclass(frozen=True)
class SqliteStore:
    """The token of one account in the database at `path`, which is created if it does not exist."""

    path: str
    account: str = "default"

    def read(self) -> str | None:
        # One row in any case: `max` of none is NULL.
        return self._execute("SELECT max(token) FROM tokens WHERE account = ?", self.account)[0][0][0]

    def replace(self, before: str | None, after: str) -> bool:
        if before is None:
            return self._execute("INSERT OR IGNORE INTO tokens VALUES (?, ?)", self.account, after)[1] == 1
        update = "UPDATE tokens SET token = ? WHERE account = ? AND token = ?"
        return self._execute(update, after, self.account, before)[1] == 1

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        return process_lock(f"{self.path}.{self.account.encode().hex()}.lock", timeout)

    def _execute(self, sql: str, *values: str) -> tuple[list[tuple[str | None]], int]:
        with _inside, closing(_connect(self.path, 10)) as database:
            database.execute("PRAGMA synchronous = EXTRA")  # a save survives a loss of power
            database.execute("CREATE TABLE IF NOT EXISTS tokens (account TEXT PRIMARY KEY, token TEXT NOT NULL)")
            return database.execute(sql, values).fetchall(), database.total_changes
