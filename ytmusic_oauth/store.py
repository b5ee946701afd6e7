# SPDX-License-Identifier: MIT
"""The interface to storage: what a token store is.

A token file is one, and has no privilege: `RefreshingToken.load` and `RefreshingToken.keep_in` take any store.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["TokenStore"]


class TokenStore(Protocol):
    """Where one token is kept, as text. The package makes the text, and parses it strictly. Must be thread-safe.

    Whatever a method raises reaches the caller as a `TokenStoreError` that names the type of the exception alone: its
    message may hold the token.
    """

    def read(self) -> str | None:
        """Return the text as it is now, without waiting for the lock; None if there is no token."""
        ...

    def replace(self, before: str | None, after: str) -> bool:
        """Compare and swap: if the text is still `before` (None: no token), make it `after`, durably.

        Returns False, and changes nothing, if it is not.
        """
        ...

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        """Keep other processes from refreshing. Raises `TimeoutError` if another has the lock for `timeout` seconds.

        Yields the time until which it is held, on the clock of `time.monotonic`: the end of a lease, or `math.inf` for
        a lock that is released when its holder dies, and for a store without locks. Where refresh tokens rotate, a
        lease is not enough: use a lock that is released when its holder dies.
        """
        ...
