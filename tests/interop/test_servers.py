# SPDX-License-Identifier: MIT
"""Third-party OAuth servers: a login through their own pages, its failures and its end.

Their `Endpoints` have URLs only, and all else is the default.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Final
from urllib.request import HTTPErrorProcessor, ProxyHandler, Request, build_opener

import pytest

from tests.interop.authlib_server import Authlib
from tests.interop.conftest import NODE_MODULES, ROOT, found
from tests.interop.person import Person
from tests.support import Clock
from ytmusic_oauth import (
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    DeviceCodeExpired,
    Endpoints,
    InvalidGrant,
    OAuthCredentials,
    RefreshingToken,
    ServerError,
    SlowDown,
)
from ytmusic_oauth.protocol import verification_link

SECRET: Final = "fake-secret"


class _AnyStatus(HTTPErrorProcessor):
    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        return response


_OPENER: Final = build_opener(ProxyHandler({}), _AnyStatus())


class ServerClock(Clock):
    """One clock for the client and the server."""

    def __init__(self, forward: Callable[[float], None] = lambda seconds: None) -> None:
        super().__init__()
        self._forward = forward

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._forward(seconds)


@dataclass(frozen=True)
class Server:
    """A running server, and functions by which the user decides on its pages."""

    clock: Clock
    endpoints: Endpoints
    me: str
    allow: Callable[[str], None]
    deny: Callable[[str], None]

    def client(self, client_id: str = "device", client_secret: str = SECRET) -> OAuthCredentials:
        return OAuthCredentials(client_id, client_secret, endpoints=self.endpoints, scope="openid offline_access")

    def logged_in(self) -> RefreshingToken:
        client = self.client()
        code = client.get_code()
        self.allow(verification_link(code))
        return RefreshingToken(client, **client.wait_for_token(code))

    def accepts(self, authorization: str) -> bool:
        """Whether the server's API accepts the header."""
        with _OPENER.open(Request(self.me, headers={"Authorization": authorization}), timeout=10) as response:
            assert response.status in {200, 401, 403}
            return bool(response.status == 200)


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[tuple[str, Callable[[float], None]]]:
    """Start a program that prints its port. Yields its URL, and a function that advances its clock."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"

            def forward(seconds: float) -> None:
                _OPENER.open(f"{url}/advance?seconds={seconds}", b"", timeout=10).close()

            yield url, forward
        finally:
            process.kill()


@contextmanager
def oidc_provider(*, rotating: bool) -> Iterator[Server]:
    script = Path(__file__).with_name("oidc_provider.mjs")
    command = [found("node"), str(script), "rotating" if rotating else "static"]
    if not (NODE_MODULES / "oidc-provider").exists():
        pytest.skip("the npm packages are not installed")
    with started(command, NODE_MODULES.parent) as (url, forward):

        def allow(link: str) -> None:
            person = Person()
            confirm = person.submit(person.open(link))
            login = person.submit(confirm)
            consent = person.submit(login, login="user", password="fake-password")
            assert "Sign-in Success" in person.submit(consent).text

        def deny(link: str) -> None:
            person = Person()
            confirm = person.submit(person.open(link))
            assert "interrupted" in person.submit(confirm, abort="yes").text

        endpoints = Endpoints(f"{url}/device/auth", f"{url}/token", f"{url}/token/revocation")
        with ServerClock(forward).installed() as clock:
            yield Server(clock, endpoints, f"{url}/me", allow, deny)


@contextmanager
def authlib(*, rotating: bool) -> Iterator[Server]:
    def decide(link: str, **button: str) -> None:
        person = Person()
        assert "Done" in person.submit(person.open(link), **button).text

    with ServerClock().installed() as clock, Authlib(clock.monotonic, rotating=rotating) as server:
        yield Server(
            clock,
            Endpoints(f"{server.url}/code", f"{server.url}/token", f"{server.url}/revoke"),
            f"{server.url}/me",
            allow=lambda link: decide(link, allow="yes"),
            deny=lambda link: decide(link, allow="no"),
        )


@contextmanager
def django_oauth_toolkit(*, rotating: bool) -> Iterator[Server]:
    def decide(link: str, action: str) -> None:
        person = Person()
        code = person.submit(person.open(link), username="user", password=SECRET)
        done = person.submit(person.submit(code), action=action)
        assert f"Device {'Authorized' if action == 'accept' else 'Denied'}" in done.text, done.text

    command = [sys.executable, "-m", "tests.interop.django_server", "rotating" if rotating else "static"]
    with started(command, ROOT) as (url, forward), ServerClock(forward).installed() as clock:
        yield Server(
            clock,
            Endpoints(f"{url}/o/device-authorization/", f"{url}/o/token/", f"{url}/o/revoke_token/"),
            f"{url}/me",
            allow=lambda link: decide(link, "accept"),
            deny=lambda link: decide(link, "deny"),
        )


SERVERS = [
    pytest.param(oidc_provider, marks=pytest.mark.beside("oidc-provider"), id="oidc-provider"),
    pytest.param(authlib, marks=pytest.mark.beside("Authlib"), id="Authlib"),
]


# It leaves it to its clients to keep to the interval, to stop when the code expires and to use a code once; and it has
# another error code for an unknown client.
LENIENT = [
    pytest.param(django_oauth_toolkit, marks=pytest.mark.beside("django-oauth-toolkit"), id="django-oauth-toolkit"),
]


@pytest.fixture(params=SERVERS + LENIENT)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    serve: object = request.param
    assert callable(serve)
    with serve(rotating=False) as server:
        yield server


@pytest.fixture(params=SERVERS)
def strict(request: pytest.FixtureRequest) -> Iterator[Server]:
    serve: object = request.param
    assert callable(serve)
    with serve(rotating=False) as server:
        yield server


@pytest.fixture(params=SERVERS + LENIENT)
def rotating(request: pytest.FixtureRequest) -> Iterator[Server]:
    serve: object = request.param
    assert callable(serve)
    with serve(rotating=True) as server:
        yield server


def test_a_login_returns_a_token_that_the_server_accepts(server: Server, tmp_path: Path) -> None:
    client = server.client()
    code = client.get_code()
    pending: list[float] = []

    def on_wait(seconds_left: float) -> None:
        pending.append(seconds_left)
        if len(pending) == 3:
            server.allow(verification_link(code))

    token = RefreshingToken(client, **client.wait_for_token(code, on_wait=on_wait))
    assert len(pending) == 3
    assert token.scope == "openid offline_access"
    assert server.accepts(token.as_auth())
    assert not server.accepts(token.as_auth() + "x")

    token.store_token(str(tmp_path / "oauth.json"))
    assert server.accepts(RefreshingToken.load(client, tmp_path / "oauth.json").as_auth())


def test_a_code_works_once(strict: Server) -> None:
    client = strict.client()
    code = client.get_code()
    strict.allow(verification_link(code))
    client.wait_for_token(code)
    strict.clock.advance(60)
    with pytest.raises((InvalidGrant, ServerError)) as raised:
        client.token_from_code(code["device_code"])
    assert not raised.value.retryable


def test_a_denied_login_raises_access_denied(server: Server) -> None:
    client = server.client()
    code = client.get_code()
    server.deny(verification_link(code))
    with pytest.raises(AccessDenied):
        client.wait_for_token(code)


def test_an_unconfirmed_code_expires_for_the_client_and_the_server(strict: Server) -> None:
    client = strict.client()
    code = client.get_code()
    with pytest.raises(DeviceCodeExpired):
        client.wait_for_token(code)
    strict.clock.advance(6)
    with pytest.raises(DeviceCodeExpired) as raised:
        client.token_from_code(code["device_code"])
    assert raised.value.error == "expired_token"


def test_an_unconfirmed_code_expires_even_if_the_server_never_says_so(server: Server) -> None:
    client = server.client()
    code = client.get_code()
    with pytest.raises(DeviceCodeExpired):
        client.wait_for_token(code)
    with pytest.raises(DeviceCodeExpired):
        client.wait_for_token(code)


def test_polling_too_fast_raises_slow_down(strict: Server) -> None:
    client = strict.client()
    code = client.get_code()
    with pytest.raises(AuthorizationPending):
        client.token_from_code(code["device_code"])
    with pytest.raises(SlowDown) as raised:
        client.token_from_code(code["device_code"])
    assert raised.value.error == "slow_down"


def test_a_login_slows_down_and_returns_the_token(strict: Server) -> None:
    client = strict.client()
    code = client.get_code()
    strict.clock.advance(4)
    with pytest.raises(AuthorizationPending):
        client.token_from_code(code["device_code"])  # makes the first poll of the wait too early
    strict.clock.slept.clear()
    values = client.wait_for_token(code, on_wait=lambda seconds_left: strict.allow(verification_link(code)))
    assert strict.clock.slept == [1, 10]
    assert strict.accepts(f"Bearer {values['access_token']}")


def test_a_refresh_keeps_the_refresh_token_if_the_server_does(server: Server, tmp_path: Path) -> None:
    token = server.logged_in()
    token.local_cache = tmp_path / "oauth.json"
    before = token.as_dict()
    server.clock.advance(before["expires_in"])
    assert server.accepts(token.as_auth())
    assert token.access_token != before["access_token"]
    assert token.refresh_token == before["refresh_token"]
    assert token.scope == before["scope"]
    assert RefreshingToken.load(server.client(), tmp_path / "oauth.json").as_dict() == token.as_dict()


def test_a_rotated_refresh_token_is_shared_through_the_file(rotating: Server, tmp_path: Path) -> None:
    first = rotating.logged_in()
    first.local_cache = tmp_path / "oauth.json"
    second = RefreshingToken.load(rotating.client(), tmp_path / "oauth.json")
    seen = {first.refresh_token}
    for _ in range(3):
        for token in (first, second):
            rotating.clock.advance(token.expires_in)
            assert rotating.accepts(token.as_auth())
            seen.add(token.refresh_token)
    assert len(seen) == 7


def test_reusing_a_rotated_refresh_token_ends_the_login(rotating: Server) -> None:
    token = rotating.logged_in()
    client, old = rotating.client(), token.refresh_token
    token.refresh()
    with pytest.raises(InvalidGrant):
        client.refresh_token(old)
    with pytest.raises(InvalidGrant):
        token.refresh()
    assert not rotating.accepts(f"Bearer {token.as_dict()['access_token']}")


@pytest.mark.parametrize("by", ["refresh_token", "access_token"])
def test_a_revoked_login_cannot_be_refreshed(server: Server, by: str) -> None:
    token = server.logged_in()
    client, values = server.client(), token.as_dict()
    client.revoke_token(values["refresh_token"] if by == "refresh_token" else values["access_token"])
    assert not server.accepts(token.as_auth())
    with pytest.raises(InvalidGrant):
        token.refresh()
    client.revoke_token(values["refresh_token"])  # RFC 7009 2.2: revoking an invalid token is a success


def test_a_wrong_secret_is_rejected_at_every_endpoint(server: Server) -> None:
    assert_rejected_everywhere(server, server.client("device", "wrong-secret"))


def test_an_unknown_client_is_rejected_at_every_endpoint(strict: Server) -> None:
    assert_rejected_everywhere(strict, strict.client("unknown"))


def assert_rejected_everywhere(server: Server, wrong: OAuthCredentials) -> None:
    token, code = server.logged_in(), server.client().get_code()
    server.allow(verification_link(code))
    with pytest.raises(BadOAuthClient):
        wrong.get_code()
    with pytest.raises(BadOAuthClient):
        wrong.token_from_code(code["device_code"])
    with pytest.raises(BadOAuthClient):
        wrong.refresh_token(token.refresh_token)
    with pytest.raises(BadOAuthClient):
        wrong.revoke_token(token.refresh_token)
    token.refresh()


def test_another_client_cannot_refresh_the_token(server: Server) -> None:
    token = server.logged_in()
    with pytest.raises(InvalidGrant):
        server.client("another").refresh_token(token.refresh_token)
    token.refresh()
