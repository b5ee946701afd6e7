# SPDX-License-Identifier: MIT
# The API that this project has, too; here any key may be missing.

from typing import TypedDict

class BaseTokenDict(TypedDict, total=False):
    access_token: str
    expires_in: int
    scope: str
    token_type: str

class RefreshableTokenDict(BaseTokenDict, total=False):
    expires_at: int
    refresh_token: str
    refresh_token_expires_in: int

class AuthCodeDict(TypedDict, total=False):
    device_code: str
    user_code: str
    expires_in: int
    interval: int
    verification_url: str
