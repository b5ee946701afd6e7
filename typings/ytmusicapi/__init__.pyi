# SPDX-License-Identifier: MIT
# The slice of ytmusicapi that can have our credentials or our token inside.

from enum import Enum

from ytmusicapi.auth.oauth import OAuthCredentials as OAuthCredentials
from ytmusicapi.auth.types import AuthType

class LikeStatus(str, Enum):
    LIKE = "LIKE"

class YTMusic:
    auth_type: AuthType
    def __init__(
        self, auth: str | dict[str, object] | None = None, *, oauth_credentials: OAuthCredentials | None = None
    ) -> None: ...
    def rate_song(self, videoId: str, rating: LikeStatus = ...) -> dict[str, object] | None: ...
