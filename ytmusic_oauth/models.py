# SPDX-License-Identifier: MIT
"""The dictionaries of the seed. Every key is required: no `KeyError` hides behind a type."""

from typing import Literal, TypeAlias, TypedDict

__all__ = ["AuthCodeDict", "BaseTokenDict", "Bearer", "DefaultScope", "LinkedAuthCodeDict", "RefreshableTokenDict"]

DefaultScope: TypeAlias = str | Literal["https://www.googleapis.com/auth/youtube"]
Bearer: TypeAlias = str | Literal["Bearer"]


class BaseTokenDict(TypedDict):
    """Limited token, without a refresh token: the answer to a refresh (RFC 6749 5.1).

    Where a server rotates refresh tokens, the answer is a `RefreshableTokenDict`, which is one of these too.
    """

    access_token: str  #: for the Authorization header
    expires_in: int  #: seconds until expiration from request timestamp
    scope: DefaultScope  #: should be 'https://www.googleapis.com/auth/youtube'
    token_type: Bearer  #: should be 'Bearer'


class RefreshableTokenDict(BaseTokenDict):
    """Entire token, including refresh: the end of a login, and the content of a token file."""

    expires_at: int  #: UNIX epoch timestamp in seconds
    refresh_token: str  #: used to obtain a new access token upon expiration


class AuthCodeDict(TypedDict):
    """The answer to a code request (RFC 8628 3.2)."""

    device_code: str  #: what the device polls with: a secret
    user_code: str  #: what the user enters, as it is: up to 15 characters, upper and lower case differ
    expires_in: int  #: seconds from original request timestamp
    interval: int  #: least seconds between two polls
    verification_url: str  #: where the user enters it


class LinkedAuthCodeDict(AuthCodeDict):
    """The same from a server that sent a link with the code in it already."""

    verification_uri_complete: str
