# SPDX-License-Identifier: MIT
"""etcd, by its JSON gateway (3.4 and later). Standard library only.

Pitfalls:

- The lock is a lease. A process that is stopped for longer than its lease, between the request and the save, loses the
  login where refresh tokens rotate: use a store whose lock is released when its holder dies.
- A lease must be longer than a request (30 seconds) with everything around it, and etcd counts it in whole seconds. We
  count from before the request for it, and etcd prolongs it when it restarts: ours always ends first.
- If the release is lost because the server is down, the lease goes on, and would keep us from saving, too. So we take
  it up again.
- urllib raises `TimeoutError` if the server does not respond, and `lock` must raise it only if the lock is taken.
- urllib sends requests through the proxies of the environment. Here it must not.
- The gateway of a server with authentication wants a token in the header `Authorization`, and that one expires.

A save is durable when it returns: etcd has synced it on a majority of its members. Each call opens a connection, so a
forked child has its own. Pickles.
"""

from __future__ import annotations

import json
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypedDict
from urllib.request import ProxyHandler, build_opener

__all__ = ["EtcdStore"]


class _Reply(TypedDict, total=False):
    kvs: list[dict[str, str]]
    ID: str


# A lease that may not have been revoked, by process and store.
_unreleased: Final[dict[tuple[int, EtcdStore], str]] = {}


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


@dataclass(frozen=True)
class EtcdStore:
    """The token at `key`; the lock is at `key`/lock. `url` is that of the server, and `lease` in seconds."""

    url: str
    key: str
    lease: int = 60

    def read(self) -> str | None:
        return b64decode(found["value"]).decode() if (found := self._get(_base64(self.key))) else None

    def replace(self, before: str | None, after: str) -> bool:
        return self._put(_base64(self.key), before, value=_base64(after))

    @contextmanager
    def lock(self, timeout: float) -> Generator[float, None, None]:
        me, key, deadline = (os.getpid(), self), _base64(f"{self.key}/lock"), time.monotonic() + timeout
        lease, until = _unreleased.pop(me, "0"), time.monotonic() + self.lease
        try:
            self._post("lease/keepalive", {"ID": lease})
            while (holder := self._get(key).get("lease")) != lease:
                if holder and time.monotonic() >= deadline:
                    raise TimeoutError
                time.sleep(0.1 if holder else 0)
                if not holder:  # a lease that loses this race is not used, and ends by itself
                    until, lease = time.monotonic() + self.lease, self._post("lease/grant", {"TTL": self.lease})["ID"]
                    self._put(key, None, lease=lease)
            try:
                yield until
            finally:
                self._post("lease/revoke", {"ID": lease})
        except ConnectionError:
            _unreleased[me] = lease
            raise

    def _get(self, key: str) -> dict[str, str]:
        return self._post("kv/range", {"key": key}).get("kvs", [{}])[0]

    def _put(self, key: str, before: str | None, **put: str) -> bool:
        unchanged = {"version": "0"} if before is None else {"target": "VALUE", "value": _base64(before)}
        body = {"compare": [{"key": key, **unchanged}], "success": [{"request_put": {"key": key, **put}}]}
        return "succeeded" in self._post("kv/txn", body)  # JSON of protocol buffers has no `false`

    def _post(self, path: str, body: object) -> _Reply:
        try:
            with build_opener(ProxyHandler({})).open(f"{self.url}/v3/{path}", json.dumps(body).encode(), 5) as file:
                reply: _Reply = json.load(file)
        except OSError as error:
            raise ConnectionError from error
        return reply
