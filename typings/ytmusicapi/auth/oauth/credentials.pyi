# SPDX-License-Identifier: MIT
# The API that this project has, too.

from abc import ABC, abstractmethod

from requests import Session
from ytmusicapi.auth.oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict

class Credentials(ABC):
    client_id: str
    client_secret: str
    @abstractmethod
    def get_code(self) -> AuthCodeDict: ...
    @abstractmethod
    def token_from_code(self, device_code: str) -> RefreshableTokenDict: ...
    @abstractmethod
    def refresh_token(self, refresh_token: str) -> BaseTokenDict: ...

class OAuthCredentials(Credentials):
    def __init__(
        self,
        client_id: str,
        client_secret: str,
        session: Session | None = None,
        proxies: dict[str, str] | None = None,
    ) -> None: ...
    def get_code(self) -> AuthCodeDict: ...
    def token_from_code(self, device_code: str) -> RefreshableTokenDict: ...
    def refresh_token(self, refresh_token: str) -> BaseTokenDict: ...
