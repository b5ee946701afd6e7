# SPDX-License-Identifier: MIT
"""The TypedDicts of `ytmusicapi.auth.oauth`, and one for a link with the code. Every key is required."""

from typing import Literal, TypedDict, Union

# fmt: off
__all__ = [
    "AuthCodeDict", "BaseTokenDict", "Bearer", "ClientAuthentication", "DefaultScope", "LinkedAuthCodeDict",
    "RefreshableTokenDict",
]
# fmt: on

DefaultScope = Union[str, Literal["https://www.googleapis.com/auth/youtube"]]
"""A scope; by default, that of the YouTube Data API."""
Bearer = Union[str, Literal["Bearer"]]
"""A token type (RFC 6749 7.1); here always `Bearer`."""
ClientAuthentication = Literal["post", "basic", "none"]
"""How a client authenticates: with its secret in the form, with HTTP Basic, or not at all (a public client)."""


class BaseTokenDict(TypedDict):
    """A token without its refresh token: the response to a refresh (RFC 6749 5.1).

    The response of a server that rotates refresh tokens is a `RefreshableTokenDict`.
    """

    access_token: str
    """For the Authorization header."""
    expires_in: int
    """Seconds until expiration, from the time of the request."""
    scope: DefaultScope
    """What the token gives access to."""
    token_type: Bearer
    """`Bearer`."""


class RefreshableTokenDict(BaseTokenDict):
    """A token with its refresh token: the result of a login, and the content of a token file."""

    expires_at: int
    """UNIX time in seconds."""
    refresh_token: str
    """Obtains a new access token once this one has expired; empty if the server gave none."""


class AuthCodeDict(TypedDict):
    """The response to a device authorization request (RFC 8628 3.2)."""

    device_code: str
    """What the device polls with: a secret."""
    user_code: str
    """What the user enters, verbatim: case-sensitive, at most 100 characters."""
    expires_in: int
    """Seconds until the codes expire, from the time of the request."""
    interval: int
    """Minimum seconds between polls."""
    verification_url: str
    """Where the user enters the code."""


class LinkedAuthCodeDict(AuthCodeDict):
    """The response of a server that also sends a link that contains the code."""

    verification_uri_complete: str
    """The link."""
