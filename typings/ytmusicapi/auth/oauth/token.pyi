# SPDX-License-Identifier: MIT
# The API that this project has, too.

from collections.abc import KeysView
from dataclasses import dataclass
from pathlib import Path

from ytmusicapi.auth.oauth.credentials import Credentials, OAuthCredentials
from ytmusicapi.auth.oauth.models import BaseTokenDict, RefreshableTokenDict

@dataclass(kw_only=True)
class Token:
    scope: str
    token_type: str
    access_token: str
    refresh_token: str
    expires_at: int = 0
    expires_in: int = 0
    @staticmethod
    def members() -> KeysView[str]: ...
    def as_dict(self) -> RefreshableTokenDict: ...
    def as_json(self) -> str: ...
    def as_auth(self) -> str: ...
    @property
    def is_expiring(self) -> bool: ...

class OAuthToken(Token):
    def update(self, fresh_access: BaseTokenDict) -> None: ...
    @classmethod
    def from_json(cls, file_path: Path) -> OAuthToken: ...

@dataclass
class RefreshingToken(OAuthToken):
    credentials: Credentials
    _local_cache: Path | None = None
    @property
    def local_cache(self) -> Path | None: ...
    @local_cache.setter
    def local_cache(self, path: Path) -> None: ...
    @classmethod
    def prompt_for_token(
        cls, credentials: OAuthCredentials, open_browser: bool = False, to_file: str | None = None
    ) -> RefreshingToken: ...
    def store_token(self, path: str | None = None) -> None: ...
