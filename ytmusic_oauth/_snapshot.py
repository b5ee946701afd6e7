# SPDX-License-Identifier: MIT
"""The values of a token at one moment, and how long they count. Pure: clocks are handed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import _validation
from ._expiry import freshness, validity

__all__ = ["Snapshot"]


class Snapshot:
    """A token as it was read or received, its life counted from that moment on both clocks.

    It is never changed, only replaced as a whole, by `renewed` for example. Raises `ValueError` naming an unfit key.
    """

    __slots__ = ("access_token", "auth", "fresh", "token", "valid")

    def __init__(self, wall: float, monotonic: float, raw: Mapping[str, object]) -> None:
        token = _validation.token_dict(raw)
        self.token: Final = token
        self.access_token: Final = token["access_token"]
        #: the value of an Authorization header (RFC 6750 2.1)
        self.auth: Final = f"{token['token_type']} {token['access_token']}"
        #: when it lives
        self.valid: Final = validity(token["expires_at"], token["expires_in"], wall, monotonic)
        #: when it is not yet expiring
        self.fresh: Final = freshness(self.valid, token["expires_in"])

    def renewed(self, wall: float, monotonic: float, fresh_access: Mapping[str, object]) -> Snapshot:
        """Take over what the answer to a refresh has: new access, and from servers that rotate a new refresh token.

        The clocks tell when it was asked for. Raises `ValueError` naming the key.
        """
        _validation.field(
            fresh_access, "access_token", _validation.visible_ascii
        )  # or the old one would be taken for new
        expires_at = int(wall) + _validation.field(fresh_access, "expires_in", _validation.stored_seconds)
        renewed = {**self.token, **fresh_access, "expires_at": expires_at}
        renewed["scope"] = _validation.field(renewed, "scope", _validation.text) or self.token["scope"]
        return Snapshot(wall, monotonic, renewed)
