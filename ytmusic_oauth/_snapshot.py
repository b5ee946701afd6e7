# SPDX-License-Identifier: MIT
"""An immutable snapshot of a token and its validity. Pure: the caller passes the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ._expiry import Validity, freshness, validity
from ._validation import field, optional, secret, stored_seconds, text, token_dict, visible_ascii
from .exceptions import InvalidGrant
from .models import RefreshableTokenDict


class Snapshot:
    """A token as read or received at the given wall-clock and monotonic time.

    It is never changed, only replaced as a whole. `token` is already validated: see `_validation.token_dict`.
    """

    __slots__ = ("access_token", "authorization", "fresh", "token", "valid")

    def __init__(
        self, wall: float, monotonic: float, token: RefreshableTokenDict, valid: Validity | None = None
    ) -> None:
        self.token: Final = token
        self.access_token: Final = token["access_token"]
        #: the value of an Authorization header (RFC 6750 2.1)
        self.authorization: Final = f"{token['token_type']} {token['access_token']}"
        #: the period in which it is valid
        self.valid: Final = valid or validity(token["expires_at"], token["expires_in"], wall, monotonic)
        #: the part of that period in which it is not yet due for a refresh
        self.fresh: Final = freshness(self.valid, token["expires_in"])

    @property
    def refresh_token(self) -> str:
        """The refresh token; empty if the server gave none."""
        return self.token["refresh_token"]

    def changed(self, wall: float, monotonic: float, name: str, value: object) -> Snapshot:
        """Return this token with one value replaced. Raises `FieldError`."""
        token = token_dict({**self.token, name: value})
        # These three do not affect when the token is valid. With any other value, the period is computed again.
        valid = self.valid if name in {"scope", "token_type", "refresh_token"} else None
        return Snapshot(wall, monotonic, token, valid)

    def refreshed(self, wall: float, monotonic: float, response: Mapping[str, object]) -> Snapshot:
        """Return this token with the values of a refresh response, which must have an access token and its lifetime.

        `wall` and `monotonic` are the times of the request. Raises `FieldError`.
        """
        # Required here: the merge below would silently keep the old one.
        field(response, "access_token", visible_ascii)
        expires_at = int(wall) + field(response, "expires_in", stored_seconds)
        merged = {**self.token, **response, "expires_at": expires_at}
        merged["scope"] = field(merged, "scope", text) or self.token["scope"]
        merged["refresh_token"] = optional(response, "refresh_token", secret, self.refresh_token)
        return Snapshot(wall, monotonic, token_dict(merged))


def no_refresh_token() -> InvalidGrant:
    """Return the error for a token that must be refreshed but has no refresh token."""
    return InvalidGrant(
        "The server gave no refresh token, so the login ends when its access token expires",
        reason="no_refresh_token",
        advice="Log in again. To stay logged in, ask for a refresh token: many servers want the scope "
        "offline_access for it.",
    )
