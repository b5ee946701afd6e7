# SPDX-License-Identifier: MIT
"""A web service with many accounts: one file for each, and one token object for each in a process.

Threads that serve the same account share one refresh, and do not wait for the refreshes of other accounts. Several
processes can share the folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ytmusic_oauth import OAuthCredentials, RefreshingToken, ServerError
from ytmusic_oauth.models import RefreshableTokenDict

__all__ = ["Accounts"]


class Accounts:
    """The logins of a service. An account is any text by which the service knows a user."""

    def __init__(self, credentials: OAuthCredentials, folder: Path) -> None:
        self._credentials, self._folder = credentials, folder
        self._tokens: dict[str, RefreshingToken] = {}

    def add(self, account: str, granted: RefreshableTokenDict) -> None:
        """Store the result of a login."""
        RefreshingToken(self._credentials, **granted).store_token(str(self._file(account)))
        self._tokens.pop(account, None)

    def authorization(self, account: str) -> str:
        """Return the Authorization header. `TokenFileNotFound` and `InvalidGrant` mean that the user must log in."""
        token = self._tokens.get(account)
        if token is None:
            loaded = RefreshingToken.load(self._credentials, self._file(account))
            token = self._tokens.setdefault(account, loaded)  # if two threads load it, both use the first one's
        return token.as_auth()

    def remove(self, account: str) -> None:
        """End a login and delete its file. If `revoke_token` raises, the file stays."""
        token = RefreshingToken.load(self._credentials, self._file(account))
        try:
            self._credentials.revoke_token(token.refresh_token or token.access_token)
        except ServerError as error:
            if error.error != "invalid_token":  # Google's code for a login that has already ended
                raise
        self._file(account).unlink()
        self._tokens.pop(account, None)

    def _file(self, account: str) -> Path:
        # A hash: a user's name could lead out of the folder, be too long, or differ from another only in its case.
        return self._folder / f"{hashlib.sha256(account.encode()).hexdigest()}.json"
