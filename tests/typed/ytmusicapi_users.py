# SPDX-License-Identifier: MIT
"""Who comes from ytmusicapi: code with its names, its import changed, and a `YTMusic` with our token inside."""

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
    """Somebody's own credentials, written for ytmusicapi's base class."""

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


def go_on(credentials: Credentials, path: Path) -> RefreshingToken:
    """What its `YTMusic` does with a file."""
    values = OAuthToken.from_json(path).as_dict()
    return RefreshingToken(credentials=credentials, _local_cache=path, **values)


def kept(client_id: str, client_secret: str) -> ytmusicapi.YTMusic:
    """As the README has it for whom a type checker reads along."""
    music = ytmusicapi.YTMusic("oauth.json", oauth_credentials=ytmusicapi.OAuthCredentials(client_id, client_secret))
    vars(music)["_token"] = RefreshingToken.load(OAuthCredentials(client_id, client_secret), "oauth.json")
    return music


def handed_on(token: OAuthToken) -> TheirTokenDict:
    """What it asks for can be made of what there is here: every key is there."""
    held = token.as_dict()
    return {
        "scope": held["scope"],
        "token_type": held["token_type"],
        "access_token": held["access_token"],
        "refresh_token": held["refresh_token"],
        "expires_at": held["expires_at"],
        "expires_in": held["expires_in"],
    }
