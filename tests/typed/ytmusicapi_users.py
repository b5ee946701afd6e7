# SPDX-License-Identifier: MIT
"""Code written for ytmusicapi, with only the import changed; and a `YTMusic` that uses our token."""

from __future__ import annotations

from pathlib import Path

import requests
import ytmusicapi
from ytmusicapi.auth.oauth.models import RefreshableTokenDict as TheirTokenDict

from ytmusic_oauth import OAuthCredentials, OAuthToken, RefreshingToken
from ytmusic_oauth.credentials import Credentials
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict
from ytmusic_oauth.token import Token


class Cached(Credentials):
    """Custom credentials, written for ytmusicapi's base class."""

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        return {"access_token": "", "expires_in": 0, "scope": "", "token_type": "Bearer"}


def set_up(client_id: str, client_secret: str, session: requests.Session | None, proxies: dict[str, str] | None) -> str:
    """What ytmusicapi's own `setup_oauth` does."""
    credentials = OAuthCredentials(client_id, client_secret, session, proxies)
    token: Token = RefreshingToken.prompt_for_token(credentials, True, "oauth.json")
    return token.as_auth()


def load(credentials: Credentials, path: Path) -> RefreshingToken:
    """What ytmusicapi's `YTMusic` does with a token file."""
    values = OAuthToken.from_json(path).as_dict()
    return RefreshingToken(credentials=credentials, _local_cache=path, **values)


def kept(client_id: str, client_secret: str) -> ytmusicapi.YTMusic:
    """The README's three lines, in a form that type checkers accept."""
    music = ytmusicapi.YTMusic("oauth.json", oauth_credentials=ytmusicapi.OAuthCredentials(client_id, client_secret))
    vars(music)["_token"] = RefreshingToken.load(OAuthCredentials(client_id, client_secret), "oauth.json")
    return music


def converted(token: OAuthToken) -> TheirTokenDict:
    """Our dictionary has every key of ytmusicapi's."""
    values = token.as_dict()
    return {
        "scope": values["scope"],
        "token_type": values["token_type"],
        "access_token": values["access_token"],
        "refresh_token": values["refresh_token"],
        "expires_at": values["expires_at"],
        "expires_in": values["expires_in"],
    }
