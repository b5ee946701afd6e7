# SPDX-License-Identifier: MIT
# The slice of ytmusicapi that can have our credentials or our token inside.

from abc import ABCMeta
from enum import Enum

from requests import Session
from ytmusicapi.auth.oauth import OAuthCredentials as OAuthCredentials
from ytmusicapi.auth.types import AuthType

class LikeStatus(str, Enum):
    LIKE = "LIKE"

class YTMusic(metaclass=ABCMeta):
    auth_type: AuthType
    def __init__(
        self,
        auth: str | dict[str, object] | None = None,
        user: str | None = None,
        requests_session: Session | None = None,
        proxies: dict[str, str] | None = None,
        language: str = "en",
        location: str = "",
        oauth_credentials: OAuthCredentials | None = None,
    ) -> None: ...
    def rate_song(self, videoId: str, rating: LikeStatus = ...) -> dict[str, object] | None: ...
