# SPDX-License-Identifier: MIT
"""The interface to storage: what a token store must do.

A token file is a store. `RefreshingToken.load` and `RefreshingToken.keep_in` take any store.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["TokenStore"]


class TokenStore(Protocol):
    """The place where one token is kept, as text that the package writes and parses. Must be thread-safe.

    A store may have two more methods, as a file has. `check_room()` is called before a refresh token that rotates is
    sent, and before a new login is saved: it raises if there is no room for a new token. `for_login()` returns the
    store to use for a new login. Stores that are equal count as one.

    Methods may raise `TokenStoreError`. Any other exception, except `TimeoutError` from `lock`, is replaced by a
    `TokenStoreError` that names only its type, because its message may contain the token.
    """

    def read(self) -> str | None:
        """Return the text as it is now, or None if there is no token. Does not wait for the lock."""
        ...

    def replace(self, before: str | None, after: str) -> bool:
        """Compare and swap: if the text is still `before` (None: no token), durably replace it with `after`.

        Returns whether it did.
        """
        ...

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        """Keep other processes from refreshing.

        Raises `TimeoutError` if another process still holds the lock after `timeout` seconds.

        Yields the time until which it is held, on the clock of `time.monotonic`: the end of a lease, or `math.inf` for
        a lock that is released when its holder dies, and for a store without locks. Where refresh tokens rotate, a
        lease is not enough: use a lock that is released when its holder dies.
        """
        ...
