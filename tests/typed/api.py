# SPDX-License-Identifier: MIT
"""The type of everything in the public API."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import KeysView, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from typing_extensions import assert_type

import ytmusic_oauth
from ytmusic_oauth import (
    GOOGLE,
    YOUTUBE,
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    Credentials,
    DeviceCodeExpired,
    Endpoints,
    FileStore,
    InvalidGrant,
    LoginCancelled,
    MalformedResponse,
    OAuthCredentials,
    OAuthError,
    OAuthToken,
    RateLimited,
    RefreshingToken,
    ServerError,
    SlowDown,
    TokenFileError,
    TokenFileNotFound,
    TokenStore,
    TokenStoreError,
    TransportError,
    UnauthorizedOAuthClient,
    UrllibSession,
    device,
    protocol,
    session,
    setup_oauth,
)
from ytmusic_oauth._command_line import main
from ytmusic_oauth._messages import HttpResponse, Request
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.exceptions import ERROR_CLASSES
from ytmusic_oauth.models import (
    AuthCodeDict,
    BaseTokenDict,
    Bearer,
    ClientAuthentication,
    DefaultScope,
    LinkedAuthCodeDict,
    RefreshableTokenDict,
)
from ytmusic_oauth.protocol import OAUTH_SCOPE, verification_link
from ytmusic_oauth.session import RequestsSession, Session, Signable, SupportsSetHeader
from ytmusic_oauth.token import Token
from ytmusic_oauth.transport import UrllibResponse


def credentials(context: ssl.SSLContext) -> None:
    own = UrllibSession({"https": "http://127.0.0.1:8080"}, timeout=5, ssl_context=context)
    assert_type(OAuthCredentials("id"), OAuthCredentials)
    client = OAuthCredentials("id", "secret", own, endpoints=GOOGLE, scope=OAUTH_SCOPE, parameters={"audience": "a"})
    assert_type(client.parameters, Mapping[str, str])
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
    assert_type(client.refresh_within("1//fake", tries=1, seconds=9), BaseTokenDict)
    client.revoke_token("1//fake")
    base: Credentials = client
    any_session: Session = own
    assert_type(own.post("", data={}, headers={}), UrllibResponse)
    assert_type(own.post("", data={}, headers={}).content, bytes)
    assert_type(any_session.post("", data={}, headers={}, timeout=session.TIMEOUT).status_code, int)
    assert_type(any_session.post("", data={}, headers={}, timeout=1).json(), object)
    assert_type(base.get_code(), AuthCodeDict)


def endpoints() -> None:
    own = Endpoints("https://login.example.org/code", "https://login.example.org/token", rotates_refresh_tokens=False)
    assert_type(own.device_code_url, str)
    assert_type(own.token_url, str)
    assert_type(own.revoke_url, str | None)
    assert_type(own.client_authentication, ClientAuthentication)
    assert_type(own.device_grant, str)
    assert_type(own.device_code_parameter, str)
    assert_type(own.is_google, bool)
    assert_type(own.authenticate_everywhere, bool)
    assert_type(YOUTUBE, Endpoints)


def dictionaries(code: AuthCodeDict, token: RefreshableTokenDict) -> None:
    assert_type(code["verification_url"], str)
    assert_type(code["user_code"], str)
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
    assert_type(setup_oauth("id", "secret", "oauth.json", UrllibSession(), None, True), RefreshingToken)
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


class Memory:
    """A store need not be a subclass."""

    def read(self) -> str | None:
        return None

    def replace(self, before: str | None, after: str) -> bool:
        return False

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        raise TimeoutError


def stores(client: OAuthCredentials, token: RefreshingToken, path: Path) -> None:
    store: TokenStore = FileStore(path)
    assert_type(store.read(), str | None)
    assert_type(store.replace(None, ""), bool)
    with store.lock(9.0) as until:
        assert_type(until, float)
    assert_type(FileStore("oauth.json").path, str)
    assert_type(RefreshingToken.load(client, store), RefreshingToken)
    assert_type(RefreshingToken.load(client, Memory()), RefreshingToken)
    token.keep_in(Memory())
    token.keep_in(path)
    token.keep_in("oauth.json")
    assert_type(RefreshingToken.from_dict(client, {"scope": "", "expires_in": 1.0}), RefreshingToken)
    assert_type(RefreshingToken.from_json_text(client, "{}"), RefreshingToken)
    token.store_token()
    token.store_token("oauth.json")
    token.refresh_ahead(300)
    token.refresh(rejected="Bearer ya29.fake")


def requests(request: Signable, requests_session: object) -> None:
    headers: SupportsSetHeader = request.headers
    headers["Authorization"] = ""
    session.check_session(requests_session)
    session.check_proxies({"https": "http://127.0.0.1:8080"})
    assert_type(session.proxy_for_https({"https": "http://127.0.0.1:8080"}), str)
    proxy: session.Proxy = session.parse_proxy("http://127.0.0.1:8080")
    assert_type(proxy.port, int)
    largest: int = session.LARGEST_BODY
    assert largest
    if session.is_requests(requests_session):
        assert_type(requests_session, RequestsSession)


def wire(own: UrllibSession, code: AuthCodeDict) -> None:
    request = protocol.device_authorization_request(GOOGLE, "id", "secret", OAUTH_SCOPE)
    assert_type(request, Request)
    response = session.send(own, request)
    assert_type(response, HttpResponse)
    assert_type(protocol.parse_device_authorization(request, response), AuthCodeDict)
    assert_type(protocol.token_request(GOOGLE, "id", "secret", code["device_code"]), Request)
    assert_type(protocol.parse_token(request, response, sent=0.0, scope=""), RefreshableTokenDict)
    assert_type(protocol.parse_login_end(response, sent=0.0), int | None)
    assert_type(protocol.refresh_request(GOOGLE, "id", "secret", "1//fake"), Request)
    assert_type(protocol.parse_refresh(request, response, sent=0.0), BaseTokenDict)
    assert_type(protocol.revocation_request(GOOGLE, "id", "secret", "1//fake"), Request)
    protocol.parse_revocation(request, response)


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
        of_a_store: TokenStoreError = error
        assert_type(of_a_store.key, str | None)
    except TransportError as error:
        assert_type(error.sent, bool)
    except SlowDown as error:
        assert_type(error.interval, int | None)
        pending: AuthorizationPending = error
        raise pending from None
    except MalformedResponse as error:
        assert_type(error.status, int | None)
        assert_type(error.has_token, bool)
        assert_type(error.refresh_token, str | None)
    except (AccessDenied, DeviceCodeExpired, InvalidGrant, LoginCancelled) as error:
        assert_type(error.advice, str)
    except (BadOAuthClient, UnauthorizedOAuthClient, RateLimited, ServerError) as error:
        assert_type(error.lost, bool)
    except OAuthError as error:
        assert_type(error.problem, str)
        assert_type(error.reason, str)
        assert_type(error.summary, str)
        assert_type(error.retry_advice, str)
        assert_type(error.error_uri, str | None)
        assert_type(error.copy(), OAuthError)
        assert_type(error.error, str | None)
        assert_type(error.error_description, str | None)
        assert_type(error.retry_after, float | None)
        assert_type(error.retryable, bool)
    assert_type(ERROR_CLASSES, Mapping[str, type[OAuthError]])


def schedule(code: AuthCodeDict, error: OAuthError) -> None:
    polls = DevicePoll(code, 0.0)
    assert_type(polls.delay(1.0), float)
    assert_type(polls.interval, float)
    assert_type(polls.deadline, float)
    polls.failed(error, 2.0)


def poll(client: OAuthCredentials, polls: DevicePoll) -> RefreshableTokenDict:
    return device.poll(lambda: client.token_from_code("fake"), polls, monotonic=float, sleep=print)


def entry_points() -> None:
    assert_type(main(["status"]), int)
    assert_type(ytmusic_oauth.__version__, str)
    assert_type(ytmusic_oauth.UrllibSession(), UrllibSession)
    assert_type(ytmusic_oauth.setup_oauth("id", "secret"), RefreshingToken)
