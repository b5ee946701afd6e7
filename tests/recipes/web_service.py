# SPDX-License-Identifier: MIT
"""A web service that keeps many accounts: a file for each, and one token object for each in a process.

Threads that serve the same account share one refresh; those of other accounts do not wait for it. Several processes may
share the folder.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from ytmusic_oauth import OAuthCredentials, RefreshingToken
from ytmusic_oauth.models import RefreshableTokenDict

__all__ = ["Accounts"]


class Accounts:
    """The logins of a service, by whatever name it knows its users."""

    def __init__(self, credentials: OAuthCredentials, folder: Path) -> None:
        self._credentials, self._folder = credentials, folder
        self._tokens: dict[str, RefreshingToken] = {}

    def add(self, account: str, granted: RefreshableTokenDict) -> None:
        """Keep what a login ended with."""
        RefreshingToken(self._credentials, **granted).store_token(str(self._file(account)))
        self._tokens.pop(account, None)

    def authorization(self, account: str) -> str:
        """The Authorization header. Raises `TokenFileNotFound` and `InvalidGrant`: this user has to log in."""
        token = self._tokens.get(account)
        if token is None:
            loaded = RefreshingToken.load(self._credentials, self._file(account))
            token = self._tokens.setdefault(account, loaded)  # one for all threads, whoever was first
        return token.as_auth()

    def remove(self, account: str) -> None:
        """End a login, and forget it. Raises what `revoke_token` raises, and then keeps it."""
        token = RefreshingToken.load(self._credentials, self._file(account))
        self._credentials.revoke_token(token.refresh_token)
        self._file(account).unlink()
        self._tokens.pop(account, None)

    def _file(self, account: str) -> Path:
        # No name of a user leads out of the folder.
        return self._folder / f"{quote(account, safe='')}.json"
