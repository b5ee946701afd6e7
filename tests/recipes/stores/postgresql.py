# SPDX-License-Identifier: MIT
"""PostgreSQL, with psycopg 3: any number of accounts in one table.

    CREATE TABLE oauth_tokens (account text PRIMARY KEY, token text NOT NULL)

Pitfalls:

- The lock is an advisory lock of the session. PgBouncer in transaction mode gives the session to other clients: there,
  use `pg_advisory_xact_lock` and keep the transaction open, or connect to PostgreSQL directly for the lock.
- `lock_timeout = 0` does not mean "do not wait" but "wait for ever".
- A forked child inherits the socket. The session, and the lock with it, would outlive its parent: the child closes the
  socket, without a word to the server.
- If a machine loses power, the server keeps its sessions and locks for two hours, unless `tcp_keepalives_idle` is set.
- If the server stops, all locks are released. Another process may then refresh with a refresh token whose successor is
  in the memory of this one only. Failing over to an asynchronous replica loses the last saves in the same way.
- Put `connect_timeout=5` into `conninfo`: a thread that refreshes a valid token waits for a server that is down.

The lock is released when its holder dies: safe where refresh tokens rotate. Pickles, password included.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import psycopg

__all__ = ["PostgresqlStore"]

_connections: Final[set[psycopg.Connection]] = set()


def _close_inherited() -> None:
    for connection in _connections:
        with suppress(psycopg.Error, OSError):  # it was closed already
            os.close(connection.fileno())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)


@dataclass(frozen=True)
class PostgresqlStore:
    """The token of one account. Each call opens a connection, which a token that is refreshed once an hour can pay."""

    conninfo: str = field(repr=False)
    account: str = "default"

    def read(self) -> str | None:
        with self._connection() as connection:
            query = "SELECT token FROM oauth_tokens WHERE account = %s"
            row = connection.execute(query, (self.account,)).fetchone()
            return None if row is None else str(row[0])

    def replace(self, before: str | None, after: str) -> bool:
        with self._connection() as connection:
            if before is None:
                insert = "INSERT INTO oauth_tokens (account, token) VALUES (%s, %s) ON CONFLICT DO NOTHING"
                return connection.execute(insert, (self.account, after)).rowcount == 1
            update = "UPDATE oauth_tokens SET token = %s WHERE account = %s AND token = %s"
            return connection.execute(update, (after, self.account, before)).rowcount == 1

    @contextmanager
    def lock(self, timeout: float) -> Generator[float, None, None]:
        key = f"oauth_tokens {self.account}"
        with self._connection() as connection:
            milliseconds = str(max(1, round(timeout * 1000)))
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (milliseconds,))
            try:
                connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (key,))
            except psycopg.errors.LockNotAvailable:
                raise TimeoutError from None
            try:
                yield math.inf
            finally:  # now, not when the server notices that the session has ended
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (key,))

    @contextmanager
    def _connection(self) -> Generator[psycopg.Connection, None, None]:
        process = os.getpid()
        connection = psycopg.connect(self.conninfo, autocommit=True)
        _connections.add(connection)
        try:
            yield connection
        finally:
            if os.getpid() == process:
                _connections.discard(connection)
                connection.close()
