# SPDX-License-Identifier: MIT
"""Servers whose clients authenticate in each way: a public client, one that posts its secret, one that uses Basic."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, get_args
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.interop.conftest import NODE_MODULES, ROOT, found
from tests.interop.glewlwyd_server import SCHEMA, glewlwyd
from tests.interop.person import Person
from tests.interop.test_servers import SECRET, ServerClock, started
from ytmusic_oauth import (
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    Endpoints,
    InvalidGrant,
    OAuthCredentials,
    OAuthError,
    RefreshingToken,
    ServerError,
    SlowDown,
    UnauthorizedOAuthClient,
)
from ytmusic_oauth.models import AuthCodeDict
from ytmusic_oauth.protocol import verification_link

Way = Literal["post", "basic", "none"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)
_OPENER: Final = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Server:
    """A running server with a client for each way."""

    name: str
    #: for the requests for a code, for a token and for a revocation
    urls: tuple[str, str, str]
    clients: Mapping[str, tuple[str, str]]
    scope: str
    allow: Callable[[AuthCodeDict], None]
    #: None if its pages have no such button
    deny: Callable[[AuthCodeDict], None] | None
    wait: Callable[[float], None]

    def client(self, way: Way, secret: str | None = None) -> OAuthCredentials:
        client_id, own = self.clients[way]
        endpoints = Endpoints(*self.urls, client_authentication=way)
        return OAuthCredentials(client_id, own if secret is None else secret, endpoints=endpoints, scope=self.scope)

    def logged_in(self, way: Way) -> RefreshingToken:
        client = self.client(way)
        code = client.get_code()
        self.allow(code)
        return RefreshingToken(client, **client.wait_for_token(code))


@contextmanager
def better_auth() -> Iterator[Server]:
    command = [found("node"), str(Path(__file__).with_name("better_auth.mjs"))]
    if not (NODE_MODULES / "@better-auth").exists():
        pytest.skip("the npm packages are not installed")
    with started(command, NODE_MODULES.parent) as (url, forward), ServerClock(forward).installed() as clock:
        with _OPENER.open(f"{url}/clients", timeout=10) as response:
            clients = json.loads(response.read())

        def decide(code: AuthCodeDict, how: str) -> None:
            target = f"{url}/decide?user_code={code['user_code']}&how={how}"
            _OPENER.open(Request(target, b""), timeout=10).close()

        yield Server(
            "Better Auth",
            (f"{url}/api/auth/device/code", f"{url}/api/auth/oauth2/token", f"{url}/api/auth/oauth2/revoke"),
            clients,
            "openid offline_access",
            allow=lambda code: decide(code, "approve"),
            deny=lambda code: decide(code, "deny"),
            wait=clock.advance,
        )


@contextmanager
def django_allauth() -> Iterator[Server]:
    def decide(code: AuthCodeDict, action: str) -> None:
        person = Person()
        login = person.open(verification_link(code))
        page = person.submit(login, login="user", password=SECRET)
        done = person.open(page.address, {**page.fields, "action": action})
        assert f"Device {'Authorized' if action == 'confirm' else 'Denied'}" in done.text, done.text

    command = [sys.executable, "-m", "tests.interop.allauth_server", "rotating"]
    with started(command, ROOT) as (url, forward), ServerClock(forward).installed() as clock:
        api = f"{url}/identity/o/api"
        yield Server(
            "django-allauth",
            (f"{api}/device/code", f"{api}/token", f"{api}/revoke"),
            {way: (way, "" if way == "none" else SECRET) for way in WAYS},
            "openid offline_access",
            allow=lambda code: decide(code, "confirm"),
            deny=lambda code: decide(code, "deny"),
            wait=clock.advance,
        )


@contextmanager
def debians_glewlwyd() -> Iterator[Server]:
    program = found("glewlwyd")
    if not SCHEMA.exists():
        pytest.skip(f"there is no {SCHEMA}")
    with TemporaryDirectory() as folder, glewlwyd(program, Path(folder)) as server:
        api = f"{server.url}/oidc"
        yield Server(
            "glewlwyd",
            (f"{api}/device_authorization", f"{api}/token", f"{api}/revoke"),
            {way: (way, "" if way == "none" else SECRET) for way in WAYS},
            "openid g_profile",
            allow=lambda code: server.allow(code["user_code"]),
            deny=None,
            wait=time.sleep,  # a program that has no clock to set
        )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(better_auth, marks=pytest.mark.beside("@better-auth/oauth-provider"), id="better-auth"),
        pytest.param(django_allauth, marks=pytest.mark.beside("django-allauth"), id="django-allauth"),
        pytest.param(debians_glewlwyd, marks=pytest.mark.beside("glewlwyd"), id="glewlwyd"),
    ],
)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    serve: object = request.param
    assert callable(serve)
    with serve() as server:
        yield server


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, server: Server) -> Way:
    [way] = [each for each in WAYS if each == request.param]
    if (server.name, way) == ("django-allauth", "basic"):
        pytest.skip("it reads the client id of a poll from the form alone, which a client that uses Basic omits")
    return way


def test_a_login_a_refresh_and_a_rotation(server: Server, way: Way, tmp_path: Path) -> None:
    client = server.client(way)
    code = client.get_code()
    with pytest.raises(AuthorizationPending):
        client.token_from_code(code["device_code"])
    with pytest.raises(SlowDown):
        client.token_from_code(code["device_code"])
    server.allow(code)
    server.wait(code["interval"] + 1)
    token = RefreshingToken(client, tmp_path / "oauth.json", **client.token_from_code(code["device_code"]))
    before = token.as_dict()
    token.refresh()
    assert token.refresh_token != before["refresh_token"], "it rotates refresh tokens"
    assert token.access_token != before["access_token"]
    with pytest.raises(InvalidGrant):
        client.refresh_token(before["refresh_token"])


def test_a_code_works_once(server: Server, way: Way) -> None:
    client = server.client(way)
    code = client.get_code()
    server.allow(code)
    client.wait_for_token(code)
    server.wait(code["interval"] + 1)
    with pytest.raises((InvalidGrant, AccessDenied)):  # glewlwyd denies access
        client.token_from_code(code["device_code"])


def test_a_denied_login(server: Server, way: Way) -> None:
    if server.deny is None:
        pytest.skip(f"{server.name} has no button to deny")
    client = server.client(way)
    code = client.get_code()
    server.deny(code)
    with pytest.raises(AccessDenied):
        client.wait_for_token(code)


def test_a_revoked_login_is_over(server: Server, way: Way) -> None:
    token = server.logged_in(way)
    if (server.name, way) == ("glewlwyd", "none"):
        with pytest.raises(BadOAuthClient):  # it lets only clients with a secret revoke
            server.client(way).revoke_token(token.refresh_token)
        return
    server.client(way).revoke_token(token.refresh_token)
    with pytest.raises(InvalidGrant, match="The login has ended"):
        token.refresh()


def test_a_wrong_secret_is_rejected(server: Server, way: Way) -> None:
    if way == "none":
        return
    token, wrong = server.logged_in(way), server.client(way, "wrong-secret")
    with pytest.raises((BadOAuthClient, UnauthorizedOAuthClient)):
        wrong.get_code()
    with pytest.raises(OAuthError) as raised:
        wrong.refresh_token(token.refresh_token)
    if server.name == "glewlwyd":  # sends the same empty response as for an invalid refresh token, and ends the login
        assert raised.type is InvalidGrant
    else:
        assert raised.type is BadOAuthClient
        token.refresh()


def test_allauths_poll_needs_the_client_id_in_the_form(server: Server) -> None:
    if server.name != "django-allauth":
        return
    client = server.client("basic")
    code = client.get_code()
    with pytest.raises(ServerError, match="invalid_request"):
        client.token_from_code(code["device_code"])
