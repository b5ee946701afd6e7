# SPDX-License-Identifier: MIT
"""google-api-python-client: `build("youtube", "v3", credentials=TokenCredentials(token))`.

Also for what else takes the credentials of google-auth, such as its `AuthorizedSession`. google-auth takes a token for
expired 225 seconds before it expires, this package 60 seconds. So a bridge that only returns our token would be asked
for another one, and return the same, for 165 seconds of every hour. And google-auth does not say why it wants another
one: because of a 401, or because of the time.
"""

from __future__ import annotations

import threading
from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Final

from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError

from ytmusic_oauth import OAuthError, RefreshingToken

__all__ = ["TokenCredentials"]

# Seconds: more than google-auth's margin.
_AHEAD: Final = 240.0


class TokenCredentials(Credentials):
    """A token of ours as credentials of google-auth. Threads can share it; each needs an `httplib2.Http` of its own."""

    def __init__(self, token: RefreshingToken) -> None:
        super().__init__()
        self._ours = token
        # What this thread has sent last. Another thread may have refreshed since.
        self._sent = threading.local()
        self._copy()

    def before_request(self, request: object, method: str, url: str, headers: MutableMapping[str, str]) -> None:
        """Sign a request: google-auth's transports call this before each one."""
        self._refresh(None)
        self.apply(headers)
        self._sent.header = headers["authorization"]

    def refresh(self, request: object) -> None:
        """Get another token: google-auth's transports call this after a 401, and a batch without one."""
        self._refresh(getattr(self._sent, "header", None))

    def _refresh(self, rejected: str | None) -> None:
        try:
            if rejected is None:
                self._ours.refresh_ahead(_AHEAD)
            else:
                self._ours.refresh(rejected)
        except OAuthError as error:
            raise RefreshError(str(error), retryable=error.retryable) from error
        finally:
            self._copy()

    def _copy(self) -> None:
        values = self._ours.as_dict()
        self.token = values["access_token"]
        # As google-auth wants it: UTC, without saying so.
        self.expiry = datetime.fromtimestamp(values["expires_at"], timezone.utc).replace(tzinfo=None)
