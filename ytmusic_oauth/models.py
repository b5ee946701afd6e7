# SPDX-License-Identifier: MIT
"""The TypedDicts of `ytmusicapi.auth.oauth`. Every key is required."""

from typing import Literal, TypedDict, Union

# fmt: off
__all__ = [
    "AuthCodeDict", "BaseTokenDict", "Bearer", "ClientAuthentication", "DefaultScope", "LinkedAuthCodeDict",
    "RefreshableTokenDict",
]
# fmt: on

#: A scope; by default, that of the YouTube Data API.
DefaultScope = Union[str, Literal["https://www.googleapis.com/auth/youtube"]]
#: A token type (RFC 6749 7.1); here always `Bearer`.
Bearer = Union[str, Literal["Bearer"]]
#: How a client authenticates: with its secret in the form, with HTTP Basic, or not at all (a public client).
ClientAuthentication = Literal["post", "basic", "none"]


class BaseTokenDict(TypedDict):
    """Limited token, without a refresh token: the response to a refresh (RFC 6749 5.1).

    From a server that rotates refresh tokens it is a `RefreshableTokenDict`.
    """

    access_token: str  #: for the Authorization header
    expires_in: int  #: seconds until expiration, from the time of the request
    scope: DefaultScope  #: what the token gives access to
    token_type: Bearer  #: `Bearer`


class RefreshableTokenDict(BaseTokenDict):
    """Entire token, including the refresh token: the result of a login, and the content of a token file."""

    expires_at: int  #: UNIX time in seconds
    refresh_token: str  #: obtains a new access token once this one has expired; empty if the server gave none


class AuthCodeDict(TypedDict):
    """The response to a device authorization request (RFC 8628 3.2)."""

    device_code: str  #: what the device polls with: a secret
    user_code: str  #: what the user enters, verbatim: up to 15 characters, case-sensitive
    expires_in: int  #: seconds until the codes expire, from the time of the request
    interval: int  #: minimum seconds between polls
    verification_url: str  #: where the user enters the code


class LinkedAuthCodeDict(AuthCodeDict):
    """An `AuthCodeDict` with a link that contains the code, if the server sent one."""

    verification_uri_complete: str  #: the link
