# SPDX-License-Identifier: MIT
"""Encrypts another store. Any cipher with `encrypt` and `decrypt` will do: cryptography's `Fernet` and `MultiFernet`.

    EncryptedStore(FileStore("oauth.encrypted"), Fernet(key))

Pitfalls:

- A key beside the data protects only a backup without the key. Keep it where the data is not: in a KMS, a secret of the
  container, the keyring.
- The same text encrypts to something else each time, so compare-and-swap compares what it decrypts, and then swaps what
  it read.
- A wrong key must raise. If it looked like "no token", a new login would be written over the one that others can read.
- To change the key, use `MultiFernet([new, old])`: the next refresh saves with the new one.

Locks, forks and pickles are those of the other store; a pickle contains the key, if the cipher can be pickled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from ytmusic_oauth import TokenStore

__all__ = ["Cipher", "EncryptedStore"]


class Cipher(Protocol):
    """Authenticated encryption: `decrypt` raises if the key is wrong or the data was changed."""

    def encrypt(self, data: bytes) -> bytes: ...
    def decrypt(self, token: bytes) -> bytes: ...


@dataclass(frozen=True)
class EncryptedStore:
    """The token in `store`, encrypted."""

    store: TokenStore
    cipher: Cipher = field(repr=False)

    def check_room(self) -> None:
        """Make sure, if the other store can, that a new token can be saved."""
        check: Callable[[], object] | None = getattr(self.store, "check_room", None)
        if check is not None:
            check()

    def read(self) -> str | None:
        return self._decrypted(self.store.read())

    def replace(self, before: str | None, after: str) -> bool:
        there = self.store.read()
        if self._decrypted(there) != before:
            return False
        return self.store.replace(there, self.cipher.encrypt(after.encode()).decode())

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        return self.store.lock(timeout)

    def _decrypted(self, data: str | None) -> str | None:
        return None if data is None else self.cipher.decrypt(data.encode()).decode()
