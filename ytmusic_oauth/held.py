# SPDX-License-Identifier: MIT
"""The values of a token at one moment, and how long they count. Pure: clocks are handed in.

Imports `expiry`, `kinds` and `models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import kinds
from .expiry import Window, fresh, life
from .models import RefreshableTokenDict

__all__ = ["Held"]


class Held:
    """A token as it was read or received. It is never changed, only replaced as a whole, by `renewed` for example."""

    __slots__ = ("access_token", "auth", "fresh", "life", "token")

    def __init__(self, token: RefreshableTokenDict, life: Window, fresh: Window) -> None:
        self.token: Final = token
        self.access_token: Final = token["access_token"]
        #: the value of an Authorization header (RFC 6750 2.1)
        self.auth: Final = f"{token['token_type']} {token['access_token']}"
        #: when it lives
        self.life: Final = life
        #: when it is not yet expiring
        self.fresh: Final = fresh

    @classmethod
    def since(cls, wall: float, monotonic: float, raw: Mapping[str, object]) -> Held:
        """Check the values and count their life from one moment on both clocks. Raises `ValueError` naming the key."""
        token = kinds.token_dict(raw)
        whole = life(token["expires_at"], token["expires_in"], wall, monotonic)
        return cls(token, whole, fresh(whole, token["expires_in"]))

    def renewed(self, wall: float, monotonic: float, fresh_access: Mapping[str, object]) -> Held:
        """Take over what the answer to a refresh has: new access, and from servers that rotate a new refresh token.

        The clocks tell when it was asked for. Raises `ValueError` naming the key.
        """
        kinds.entry(fresh_access, "access_token", kinds.credential)
        expires_at = int(wall) + kinds.entry(fresh_access, "expires_in", kinds.lifetime)
        renewed = {**self.token, **fresh_access, "expires_at": expires_at}
        renewed["scope"] = kinds.entry(renewed, "scope", kinds.text) or self.token["scope"]
        return self.since(wall, monotonic, renewed)
