# SPDX-License-Identifier: MIT
from collections.abc import Mapping, Sequence
from datetime import datetime

from google.auth.transport.requests import Request

_GOOGLE_OAUTH2_TOKEN_ENDPOINT: str

class Credentials:
    token: str | None
    expiry: datetime | None
    @property
    def scopes(self) -> Sequence[str] | None: ...
    @classmethod
    def from_authorized_user_info(cls, info: Mapping[str, object]) -> Credentials: ...
    def refresh(self, request: Request) -> None: ...
    def to_json(self) -> str: ...
