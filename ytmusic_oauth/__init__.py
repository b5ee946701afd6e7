# SPDX-License-Identifier: MIT
"""OAuth for YouTube Music: device login, a token file, an access token that keeps itself fresh.

    >>> from ytmusic_oauth import OAuthCredentials, RefreshingToken
    >>> credentials = OAuthCredentials(client_id, client_secret)
    >>> token = RefreshingToken.prompt_for_token(credentials, to_file="oauth.json")  # once
    >>> token = RefreshingToken.load(credentials, "oauth.json")  # every time after that
    >>> headers = {"Authorization": token.as_auth()}

It implements the documented API of `ytmusicapi.auth.oauth` with nothing but the standard library. Network modules are
loaded with the first request, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .credentials import Credentials, OAuthCredentials
from .exceptions import (
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    DeviceCodeExpired,
    InvalidGrant,
    LoginCancelled,
    MalformedResponse,
    OAuthError,
    RateLimited,
    ServerError,
    SlowDown,
    TokenFileError,
    TokenFileNotFound,
    TransportError,
    UnauthorizedOAuthClient,
)
from .protocol import GOOGLE, YOUTUBE, Endpoints
from .token import OAuthToken, RefreshingToken

if TYPE_CHECKING:
    from .transport import UrllibSession

# fmt: off
__all__ = [
    "GOOGLE", "YOUTUBE", "AccessDenied", "AuthorizationPending", "BadOAuthClient", "Credentials", "DeviceCodeExpired",
    "Endpoints", "InvalidGrant", "LoginCancelled", "MalformedResponse", "OAuthCredentials", "OAuthError", "OAuthToken",
    "RateLimited", "RefreshingToken", "ServerError", "SlowDown", "TokenFileError", "TokenFileNotFound",
    "TransportError", "UnauthorizedOAuthClient", "UrllibSession",
]
# fmt: on

__version__ = "0.1.0"


def __getattr__(name: str) -> type[UrllibSession]:
    # The one export that loads network modules, which are not paid for until it is used.
    if name != "UrllibSession":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .transport import UrllibSession

    return UrllibSession
