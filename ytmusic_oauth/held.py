# SPDX-License-Identifier: MIT
"""The values of a token at one moment, and how long they count. Pure: clocks are handed in.

Imports `expiry` and `kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import kinds
from .expiry import fresh, life

__all__ = ["Held"]


class Held:
    """A token as it was read or received, its life counted from that moment on both clocks.

    It is never changed, only replaced as a whole, by `renewed` for example. Raises `ValueError` naming an unfit key.
    """

    __slots__ = ("access_token", "auth", "fresh", "life", "token")

    def __init__(self, wall: float, monotonic: float, raw: Mapping[str, object]) -> None:
        token = kinds.token_dict(raw)
        self.token: Final = token
        self.access_token: Final = token["access_token"]
        #: the value of an Authorization header (RFC 6750 2.1)
        self.auth: Final = f"{token['token_type']} {token['access_token']}"
        #: when it lives
        self.life: Final = life(token["expires_at"], token["expires_in"], wall, monotonic)
        #: when it is not yet expiring
        self.fresh: Final = fresh(self.life, token["expires_in"])

    def renewed(self, wall: float, monotonic: float, fresh_access: Mapping[str, object]) -> Held:
        """Take over what the answer to a refresh has: new access, and from servers that rotate a new refresh token.

        The clocks tell when it was asked for. Raises `ValueError` naming the key.
        """
        kinds.entry(fresh_access, "access_token", kinds.credential)  # or the old one would be taken for new
        expires_at = int(wall) + kinds.entry(fresh_access, "expires_in", kinds.lifetime)
        renewed = {**self.token, **fresh_access, "expires_at": expires_at}
        renewed["scope"] = kinds.entry(renewed, "scope", kinds.text) or self.token["scope"]
        return Held(wall, monotonic, renewed)
