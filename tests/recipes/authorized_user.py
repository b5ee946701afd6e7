# SPDX-License-Identifier: MIT
"""Google's authorized_user form, of google-auth and gcloud: how to import it, and how to export a token to it.

The form holds the client with its secret, so a file of it is worth more to a thief than a token file: write it with
mode 0600. Both programs refresh on their own from then on, which Google allows. The client must have the scope of
YouTube.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Final

from ytmusic_oauth import GOOGLE, Endpoints, OAuthCredentials, RefreshingToken

# As google-auth writes and reads it: UTC, perhaps with a fraction of a second.
_FORMAT: Final = "%Y-%m-%dT%H:%M:%S"


def from_authorized_user(info: Mapping[str, object], endpoints: Endpoints = GOOGLE) -> RefreshingToken:
    """Make a token that refreshes itself. Without an access token in the form (gcloud's), it does so at first use."""
    expiry, scopes = info.get("expiry"), info.get("scopes", "")
    expires_at = 0.0
    if isinstance(expiry, str) and info.get("token"):
        utc = datetime.strptime(expiry.rstrip("Z").split(".")[0], _FORMAT).replace(tzinfo=timezone.utc)
        expires_at = utc.timestamp()
    return RefreshingToken.from_dict(
        OAuthCredentials(str(info["client_id"]), str(info["client_secret"]), endpoints=endpoints),
        {
            "scope": scopes,
            "token_type": "Bearer",
            "access_token": info.get("token") or "none-yet",
            "refresh_token": info["refresh_token"],
            "expires_at": expires_at,
        },
    )


def to_authorized_user(token: RefreshingToken) -> dict[str, object]:
    """Return the form for `google.oauth2.credentials.Credentials.from_authorized_user_info`."""
    credentials = token.credentials
    if not isinstance(credentials, OAuthCredentials):
        raise TypeError("the form needs the id and the secret of the client")
    values = token.as_dict()
    return {
        "type": "authorized_user",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "refresh_token": values["refresh_token"],
        "token": values["access_token"],
        "scopes": values["scope"].split(),
        "expiry": datetime.fromtimestamp(values["expires_at"], timezone.utc).strftime(f"{_FORMAT}Z"),
    }
