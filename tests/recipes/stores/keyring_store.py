# SPDX-License-Identifier: MIT
"""The keyring of the operating system, with the package keyring.

Pitfalls:

- A keyring has no lock and no compare-and-swap: the lock is that of a file beside it (`sqlite.process_lock`: copy that,
  too), and programs that write the keyring without it can come between the comparison and the save.
- It belongs to a user who is logged in. In cron, over SSH and in containers it is often locked or missing, and keyring
  then raises `NoKeyringError`, or asks on a screen that is not there. Have another store for that.
- macOS lets only the program in that saved an entry, and asks the user for others: an updated Python is another one.
- Windows takes 2,560 bytes of UTF-16, which is enough for Google's tokens, and not for a server's that are JWTs.
- A backend may block while the user is asked for a password.

The lock is released when its holder dies: safe where refresh tokens rotate. Some backends keep a connection to D-Bus,
which does not survive a fork: use it in the parent, or after the fork only. Pickles.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import keyring

from .sqlite import process_lock

__all__ = ["KeyringStore"]


@dataclass(frozen=True)
class KeyringStore:
    """The token of one user of a service. All processes must use the same `lock_path`, in a private folder."""

    service: str
    username: str
    lock_path: str

    def read(self) -> str | None:
        return keyring.get_password(self.service, self.username)

    def replace(self, before: str | None, after: str) -> bool:
        if self.read() != before:
            return False
        keyring.set_password(self.service, self.username, after)
        return True

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        return process_lock(self.lock_path, timeout)
