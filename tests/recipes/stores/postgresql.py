# SPDX-License-Identifier: MIT
"""PostgreSQL, with psycopg 3: any number of accounts in one table.

    CREATE TABLE oauth_tokens (account text PRIMARY KEY, token text NOT NULL, holder text, held_in timestamptz)

Pitfalls:

- The lock is an advisory lock of the session. PgBouncer in transaction mode gives the session to other clients: there,
  use `pg_advisory_xact_lock` and keep the transaction open, or connect to PostgreSQL directly for the lock.
- If the server stops, all locks are released, also that of a process that has a new refresh token to save. So the table
  notes the holder, and for 90 seconds after a restart only the last one gets the lock: attempts to save are at most a
  minute apart.
- Failing over to an asynchronous replica loses the last saves.
- A forked child inherits the socket. The session, and the lock with it, would outlive its parent: the child closes the
  socket, without a word to the server.
- If a machine loses power, the server keeps its sessions and locks for two hours, unless `tcp_keepalives_idle` is set.
- Put `connect_timeout=5` into `conninfo`: a thread that refreshes a valid token waits for a server that is down.

The lock is released when its holder dies: safe where refresh tokens rotate. Pickles, password included.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from weakref import WeakSet

import psycopg

__all__ = ["PostgresqlStore"]

# No row if another process had the lock when the server stopped, and may still come to save.
_HOLD = """UPDATE oauth_tokens SET holder = %s, held_in = pg_postmaster_start_time() WHERE account = %s
AND (holder IS NULL OR holder = %s OR held_in = pg_postmaster_start_time()
OR pg_postmaster_start_time() < now() - interval '90 seconds')"""
_ADVISORY = "SELECT 1 WHERE pg_{}advisory_{}(hashtextextended('oauth_tokens ' || %s, 0))"
_connections: WeakSet[psycopg.Connection] = WeakSet()
_names: dict[int, str] = {}  # of processes: a forked child has one of its own


def _close_inherited() -> None:
    while _connections:
        with suppress(psycopg.Error, OSError):  # it was closed already
            os.close(_connections.pop().fileno())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)


@dataclass(frozen=True)
class PostgresqlStore:
    """The token of one account. Each call opens a connection, which a token that is refreshed once an hour can pay."""

    conninfo: str = field(repr=False)
    account: str = "default"

    def read(self) -> str | None:
        with self._connect() as connection:
            row = connection.execute("SELECT token FROM oauth_tokens WHERE account = %s", (self.account,)).fetchone()
            return None if row is None else str(row[0])

    def replace(self, before: str | None, after: str) -> bool:
        insert = "INSERT INTO oauth_tokens (account, token) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        update = "UPDATE oauth_tokens SET token = %s, holder = NULL WHERE account = %s AND token = %s"
        with self._connect() as connection:
            if before is None:
                return connection.execute(insert, (self.account, after)).rowcount == 1
            return connection.execute(update, (after, self.account, before)).rowcount == 1

    @contextmanager
    def lock(self, timeout: float) -> Generator[float, None, None]:
        deadline = time.monotonic() + timeout
        with self._connect() as connection:
            while not self._take(connection):
                if time.monotonic() >= deadline:
                    raise TimeoutError
                time.sleep(0.05)
            try:
                yield math.inf
            finally:  # now, not when the server notices that the session has ended
                connection.execute("UPDATE oauth_tokens SET holder = NULL WHERE account = %s", (self.account,))
                connection.execute(_ADVISORY.format("", "unlock"), (self.account,))

    def _take(self, connection: psycopg.Connection) -> bool:
        me = _names.setdefault(os.getpid(), os.urandom(8).hex())
        if not connection.execute(_ADVISORY.format("try_", "lock"), (self.account,)).rowcount:
            return False
        is_ours = connection.execute(_HOLD, (me, self.account, me)).rowcount == 1 or self.read() is None
        return is_ours or not connection.execute(_ADVISORY.format("", "unlock"), (self.account,)).rowcount

    def _connect(self) -> psycopg.Connection:
        _connections.add(connection := psycopg.connect(self.conninfo, autocommit=True))
        return connection
