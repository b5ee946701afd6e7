# SPDX-License-Identifier: MIT
"""Redis and Valkey, with redis-py.

Pitfalls:

- The lock is a lease. A process that is stopped for longer than its lease, between the request and the save, loses the
  login where refresh tokens rotate: use a store whose lock is released when its holder dies.
- A lease must be longer than a request (30 seconds) with everything around it.
- redis-py repeats a command whose reply was lost: `SET NX` then fails although the lock is ours. So it is compared
  with what we wrote. A save that is repeated returns False, and the next read finds what we saved.
- If the release is lost because the server is down, the lease goes on, and would keep us from saving, too. So we take
  it up again.
- A save is durable only with `appendonly yes` and `appendfsync always`, without a failover to a replica (replication
  is asynchronous), and with `maxmemory-policy noeviction`.

After a fork the child opens connections of its own. Pickles, password included.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import redis

__all__ = ["RedisStore"]

_REPLACE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
_LOCK: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"

# The owner of a lease that may not have been released, by process and store.
_unreleased: Final[dict[tuple[int, RedisStore], str]] = {}


@cache
def _client(url: str, process: int) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True, socket_connect_timeout=5, socket_timeout=5)


@dataclass(frozen=True)
class RedisStore:
    """The token at `key`; the lock is at `key`:lock. `lease` is in seconds."""

    url: str = field(repr=False)
    key: str
    lease: float = 60

    def read(self) -> str | None:
        return self._redis().get(self.key)

    def replace(self, before: str | None, after: str) -> bool:
        if before is None:
            return bool(self._redis().set(self.key, after, nx=True))
        return self._redis().eval(_REPLACE, 1, self.key, before, after) == 1

    @contextmanager
    def lock(self, timeout: float) -> Generator[float, None, None]:
        me, key = (os.getpid(), self), f"{self.key}:lock"
        owner, deadline = _unreleased.pop(me, uuid.uuid4().hex), time.monotonic() + timeout
        try:
            asked = time.monotonic()
            while self._redis().eval(_LOCK, 1, key, owner, int(self.lease * 1000)) != 1:
                if time.monotonic() >= deadline:
                    raise TimeoutError
                time.sleep(0.05)
                asked = time.monotonic()
            try:
                yield asked + self.lease
            finally:
                self._redis().eval(_RELEASE, 1, key, owner)
        except redis.RedisError:
            _unreleased[me] = owner
            raise

    def _redis(self) -> redis.Redis:
        return _client(self.url, os.getpid())
