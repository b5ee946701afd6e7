# SPDX-License-Identifier: MIT
"""The type of everything in the public API."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import KeysView
from pathlib import Path

from typing_extensions import assert_type

import ytmusic_oauth
from ytmusic_oauth import (
    GOOGLE,
    YOUTUBE,
    AuthorizationPending,
    BadOAuthClient,
    Credentials,
    Endpoints,
    MalformedResponse,
    OAuthCredentials,
    OAuthError,
    OAuthToken,
    RefreshingToken,
    SlowDown,
    TokenFileError,
    TokenFileNotFound,
    TransportError,
    UrllibSession,
)
from ytmusic_oauth._command_line import main
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.models import (
    AuthCodeDict,
    BaseTokenDict,
    Bearer,
    DefaultScope,
    LinkedAuthCodeDict,
    RefreshableTokenDict,
)
from ytmusic_oauth.protocol import OAUTH_SCOPE, verification_link
from ytmusic_oauth.session import Session
from ytmusic_oauth.token import Token
from ytmusic_oauth.transport import UrllibResponse


def credentials(context: ssl.SSLContext) -> None:
    session = UrllibSession({"https": "http://127.0.0.1:8080"}, timeout=5, ssl_context=context)
    client = OAuthCredentials("id", "secret", session, endpoints=GOOGLE, scope=OAUTH_SCOPE)
    assert_type(client.client_id, str)
    assert_type(client.client_secret, str)
    assert_type(client.endpoints, Endpoints)
    assert_type(client.scope, str)
    assert_type(client.login_ends_at, int | None)
    code = client.get_code()
    assert_type(code, AuthCodeDict)
    assert_type(client.token_from_code(code["device_code"]), RefreshableTokenDict)
    assert_type(client.wait_for_token(code), RefreshableTokenDict)
    assert_type(client.wait_for_token(code, on_wait=print, cancelled=lambda: False), RefreshableTokenDict)
    assert_type(client.refresh_token("1//fake"), BaseTokenDict)
    base: Credentials = client
    protocol: Session = session
    assert_type(session.post("", data={}, headers={}), UrllibResponse)
    assert_type(protocol.post("", data={}, headers={}, timeout=1).status_code, int)
    assert_type(protocol.post("", data={}, headers={}, timeout=1).json(), object)
    assert_type(base.get_code(), AuthCodeDict)


def endpoints() -> None:
    own = Endpoints("https://login.example.org/code", "https://login.example.org/token", rotates_refresh_tokens=False)
    assert_type(own.device_code_url, str)
    assert_type(own.revoke_url, str | None)
    assert_type(own.device_grant, str)
    assert_type(own.authenticate_everywhere, bool)
    assert_type(YOUTUBE, Endpoints)


def dictionaries(code: AuthCodeDict, token: RefreshableTokenDict) -> None:
    assert_type(code["verification_url"], str)
    assert_type(code["interval"], int)
    assert_type(verification_link(code), str)
    linked: LinkedAuthCodeDict = {**code, "verification_uri_complete": "https://login.example.org/?code=A"}
    code = linked
    assert_type(token["expires_at"], int)
    assert_type(token["scope"], DefaultScope)
    base: BaseTokenDict = token
    assert_type(base["token_type"], Bearer)


def tokens(client: OAuthCredentials, path: Path) -> None:
    token = RefreshingToken.load(client, path)
    assert_type(token, RefreshingToken)
    assert_type(RefreshingToken.load(client, "oauth.json"), RefreshingToken)
    assert_type(RefreshingToken.prompt_for_token(client, open_browser=True, to_file="oauth.json"), RefreshingToken)
    assert_type(RefreshingToken.from_json(path), OAuthToken)
    assert_type(OAuthToken.from_json(path), OAuthToken)
    assert_type(token.access_token, str)
    assert_type(token.refresh_token, str)
    assert_type(token.scope, DefaultScope)
    assert_type(token.token_type, Bearer)
    assert_type(token.expires_at, int)
    assert_type(token.expires_in, int)
    assert_type(token.is_expiring, bool)
    assert_type(token.is_saved, bool)
    assert_type(token.as_auth(), str)
    assert_type(token.sign(urllib.request.Request("https://example.org/")), urllib.request.Request)
    assert_type(token.as_json(), str)
    assert_type(token.as_dict(), RefreshableTokenDict)
    assert_type(token.credentials, Credentials)
    assert_type(token.local_cache, Path | None)
    assert_type(Token.members(), KeysView[str])
    assert_type(OAuthToken.is_oauth({"scope": 1}), bool)
    assert_type(RefreshingToken(client, **token.as_dict()), RefreshingToken)
    token.access_token, token.expires_at, token.local_cache = "ya29.fake", 0, None
    token.update(client.refresh_token(token.refresh_token))
    token.update(client.token_from_code("fake"))
    plain: Token = token
    assert_type(plain.access_token, str)


def errors(client: OAuthCredentials, token: RefreshingToken) -> None:
    try:
        token.refresh()
    except TokenFileNotFound as error:
        assert_type(error.path, str)
        assert_type(error.filename, str)
        missing: FileNotFoundError = error
        raise missing from None
    except TokenFileError as error:
        assert_type(error.key, str | None)
    except TransportError as error:
        assert_type(error.sent, bool)
    except SlowDown as error:
        assert_type(error.interval, int | None)
        pending: AuthorizationPending = error
        raise pending from None
    except (MalformedResponse, BadOAuthClient) as error:
        assert_type(error.status, int | None)
    except OAuthError as error:
        assert_type(error.error, str | None)
        assert_type(error.error_description, str | None)
        assert_type(error.retry_after, float | None)
        assert_type(error.retryable, bool)


def schedule(code: AuthCodeDict, error: OAuthError) -> None:
    polls = DevicePoll(code, 0.0)
    assert_type(polls.delay(1.0), float)
    assert_type(polls.interval, float)
    polls.failed(error, 2.0)


def entry_points() -> None:
    assert_type(main(["status"]), int)
    assert_type(ytmusic_oauth.__version__, str)
    assert_type(ytmusic_oauth.UrllibSession(), UrllibSession)
