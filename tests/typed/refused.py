# SPDX-License-Identifier: MIT
"""Type errors: every line marked `# refused:`, with the code of its error, and no other. See `tests/test_typed.py`."""

from __future__ import annotations

from pathlib import Path

import ytmusicapi

import ytmusic_oauth
from ytmusic_oauth import GOOGLE, Credentials, Endpoints, OAuthCredentials, OAuthError, OAuthToken, RefreshingToken
from ytmusic_oauth import UrllibSesion as Misspelled  # refused: attr-defined
from ytmusic_oauth.exceptions import ERROR_CLASSES
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict


class WrongResponse:
    def post(self, url: str, *, data: object, headers: object, timeout: float) -> str:
        return ""


class WithoutLock:
    def read(self) -> str | None:
        return None

    def replace(self, before: str | None, after: str) -> bool:
        return False


class WithoutTimeout:
    def post(self, url: str, *, data: object, headers: object) -> None: ...


def credentials(client: OAuthCredentials, code: AuthCodeDict) -> None:
    OAuthCredentials()  # refused: call-arg
    OAuthCredentials(None, "secret")  # refused: arg-type
    OAuthCredentials("id", "secret", object())  # refused: arg-type
    OAuthCredentials("id", "secret", WrongResponse())  # refused: arg-type
    OAuthCredentials("id", "secret", WithoutTimeout())  # refused: arg-type
    OAuthCredentials("id", "secret", None, "http://127.0.0.1:8080")  # refused: arg-type
    OAuthCredentials("id", "secret", None, None, GOOGLE)  # refused: call-arg
    OAuthCredentials("id", "secret", endpoints="google")  # refused: arg-type
    Credentials("id", "secret")  # refused: abstract
    client.wait_for_token(code["device_code"])  # refused: arg-type
    client.wait_for_token(code, cancelled=False)  # refused: arg-type
    client.token_from_code(code)  # refused: arg-type
    print(client.revoke_token("1//fake"))  # refused: func-returns-value


def misspelled() -> None:
    Misspelled()
    ytmusic_oauth.UrllibSesion()  # refused: attr-defined


def endpoints() -> None:
    Endpoints("https://login.example.org/code")  # refused: call-arg
    Endpoints("https://login.example.org/code", "", "", "post")  # refused: call-arg
    Endpoints("https://login.example.org/code", "", client_authentication="bearer")  # refused: arg-type
    GOOGLE.token_url = ""  # refused: misc


def dictionaries(code: AuthCodeDict, token: BaseTokenDict, whole: RefreshableTokenDict) -> None:
    print(token["refresh_token"])  # refused: typeddict-item
    print(code["verification_uri"])  # refused: typeddict-item
    print(code["verification_uri_complete"])  # refused: typeddict-item
    print(whole["refresh_token_expires_in"])  # refused: typeddict-item
    whole = token  # refused: assignment
    token = {"access_token": "ya29.fake"}  # refused: typeddict-item


def tokens(client: OAuthCredentials, token: RefreshingToken, fresh: BaseTokenDict) -> None:
    RefreshingToken.load("oauth.json", client)  # refused: arg-type
    OAuthToken("scope", "Bearer", "ya29.fake", "1//fake")  # refused: call-arg
    OAuthToken(access_token="ya29.fake", refresh_token="1//fake")  # refused: call-arg
    RefreshingToken(client, **fresh)  # refused: call-arg
    token.access_token = None  # refused: assignment
    token.expires_at = "tomorrow"  # refused: assignment
    token.local_cache = "oauth.json"  # refused: assignment
    token.is_expiring = True  # refused: misc
    token.update("ya29.fake")  # refused: arg-type
    OAuthToken.from_json(Path("oauth.json")).refresh()  # refused: attr-defined
    RefreshingToken.load(client, WithoutLock())  # refused: arg-type
    token.keep_in(None)  # refused: arg-type
    token.is_saved = True  # refused: misc
    token.refresh_ahead("300")  # refused: arg-type
    token.sign("https://example.org/")  # refused: type-var
    print(token.refresh())  # refused: func-returns-value


def errors(error: OAuthError) -> None:
    print(error.status + 1)  # refused: operator
    print(error.has_token)  # refused: attr-defined
    ERROR_CLASSES["fake"] = OAuthError  # refused: index


def ytmusic(client: OAuthCredentials, token: RefreshingToken, music: ytmusicapi.YTMusic) -> None:
    ytmusicapi.YTMusic("oauth.json", oauth_credentials=client)  # refused: arg-type
