# SPDX-License-Identifier: MIT
"""OAuth servers that nobody here wrote: a login, its troubles and its end, through their own pages.

Nothing in `Endpoints` is said about any of them but where they listen.
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
    """One that runs, and a person who knows its pages."""

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

    def takes(self, authorization: str) -> bool:
        """Whether the API lets one in."""
        with _OPENER.open(Request(self.me, headers={"Authorization": authorization}), timeout=10) as answer:
            assert answer.status in {200, 401, 403}
            return bool(answer.status == 200)


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[tuple[str, Callable[[float], None]]]:
    """A program that prints the port on which it listens: its URL, and what moves its clock."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"

            def forward(seconds: float) -> None:
                _OPENER.open(f"{url}/hands?seconds={seconds}", b"", timeout=10).close()

            yield url, forward
        finally:
            process.kill()


@contextmanager
def oidc_provider(*, rotating: bool) -> Iterator[Server]:
    script = Path(__file__).with_name("oidc_provider.mjs")
    command = [found("node"), str(script), "rotating" if rotating else "lasting"]
    if not (NODE_MODULES / "oidc-provider").exists():
        pytest.skip("npm installed nothing")
    with started(command, NODE_MODULES.parent) as (url, forward):

        def allow(link: str) -> None:
            person = Person()
            confirm = person.submit(person.open(link))
            login = person.submit(confirm)
            consent = person.submit(login, login="somebody", password="fake-password")
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
    def answer(link: str, **button: str) -> None:
        person = Person()
        assert "Done" in person.submit(person.open(link), **button).text

    with ServerClock().installed() as clock, Authlib(clock.monotonic, rotating=rotating) as server:
        yield Server(
            clock,
            Endpoints(f"{server.url}/code", f"{server.url}/token", f"{server.url}/revoke"),
            f"{server.url}/me",
            allow=lambda link: answer(link, allow="yes"),
            deny=lambda link: answer(link, allow="no"),
        )


@contextmanager
def django_oauth_toolkit(*, rotating: bool) -> Iterator[Server]:
    def answer(link: str, action: str) -> None:
        person = Person()
        code = person.submit(person.open(link), username="somebody", password=SECRET)
        done = person.submit(person.submit(code), action=action)
        assert f"Device {'Authorized' if action == 'accept' else 'Denied'}" in done.text, done.text

    command = [sys.executable, "-m", "tests.interop.django_server", "rotating" if rotating else "lasting"]
    with started(command, ROOT) as (url, forward), ServerClock(forward).installed() as clock:
        yield Server(
            clock,
            Endpoints(f"{url}/o/device-authorization/", f"{url}/o/token/", f"{url}/o/revoke_token/"),
            f"{url}/me",
            allow=lambda link: answer(link, "accept"),
            deny=lambda link: answer(link, "deny"),
        )


SERVERS = [
    pytest.param(oidc_provider, marks=pytest.mark.beside("oidc-provider"), id="oidc-provider"),
    pytest.param(authlib, marks=pytest.mark.beside("Authlib"), id="Authlib"),
]


# It leaves it to its clients to poll at a decent pace, no longer than a code lives, and to stop when they have a token;
# and it has another word for a client that it does not know.
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


def test_a_login_ends_with_a_token_that_the_server_takes(server: Server, tmp_path: Path) -> None:
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
    assert server.takes(token.as_auth())
    assert not server.takes(token.as_auth() + "x")

    token.store_token(str(tmp_path / "oauth.json"))
    assert server.takes(RefreshingToken.load(client, tmp_path / "oauth.json").as_auth())


def test_a_code_counts_once(strict: Server) -> None:
    client = strict.client()
    code = client.get_code()
    strict.allow(verification_link(code))
    client.wait_for_token(code)
    strict.clock.advance(60)
    with pytest.raises((InvalidGrant, ServerError)) as refusal:
        client.token_from_code(code["device_code"])
    assert not refusal.value.retryable


def test_who_says_no_is_understood(server: Server) -> None:
    client = server.client()
    code = client.get_code()
    server.deny(verification_link(code))
    with pytest.raises(AccessDenied):
        client.wait_for_token(code)


def test_a_code_that_nobody_confirms_expires_on_both_sides(strict: Server) -> None:
    client = strict.client()
    code = client.get_code()
    with pytest.raises(DeviceCodeExpired):
        client.wait_for_token(code)
    strict.clock.advance(6)
    with pytest.raises(DeviceCodeExpired) as refusal:
        client.token_from_code(code["device_code"])
    assert refusal.value.error == "expired_token"


def test_a_code_expires_though_its_server_never_says_so(server: Server) -> None:
    client = server.client()
    code = client.get_code()
    with pytest.raises(DeviceCodeExpired):
        client.wait_for_token(code)
    with pytest.raises(DeviceCodeExpired):
        client.wait_for_token(code)


def test_who_asks_too_fast_is_told_to_slow_down(strict: Server) -> None:
    client = strict.client()
    code = client.get_code()
    with pytest.raises(AuthorizationPending):
        client.token_from_code(code["device_code"])
    with pytest.raises(SlowDown) as refusal:
        client.token_from_code(code["device_code"])
    assert refusal.value.error == "slow_down"


def test_told_to_slow_down_it_does_and_gets_the_token(strict: Server) -> None:
    client = strict.client()
    code = client.get_code()
    strict.clock.advance(4)
    with pytest.raises(AuthorizationPending):
        client.token_from_code(code["device_code"])  # so that the first poll of the wait comes too soon
    strict.clock.slept.clear()
    granted = client.wait_for_token(code, on_wait=lambda seconds_left: strict.allow(verification_link(code)))
    assert strict.clock.slept == [1, 10]
    assert strict.takes(f"Bearer {granted['access_token']}")


def test_a_refresh_keeps_the_refresh_token_where_the_server_does(server: Server, tmp_path: Path) -> None:
    token = server.logged_in()
    token.local_cache = tmp_path / "oauth.json"
    before = token.as_dict()
    server.clock.advance(before["expires_in"])
    assert server.takes(token.as_auth())
    assert token.access_token != before["access_token"]
    assert token.refresh_token == before["refresh_token"]
    assert token.scope == before["scope"]
    assert RefreshingToken.load(server.client(), tmp_path / "oauth.json").as_dict() == token.as_dict()


def test_a_rotated_refresh_token_is_kept_by_all_who_share_the_file(rotating: Server, tmp_path: Path) -> None:
    first = rotating.logged_in()
    first.local_cache = tmp_path / "oauth.json"
    second = RefreshingToken.load(rotating.client(), tmp_path / "oauth.json")
    seen = {first.refresh_token}
    for _ in range(3):
        for token in (first, second):
            rotating.clock.advance(token.expires_in)
            assert rotating.takes(token.as_auth())
            seen.add(token.refresh_token)
    assert len(seen) == 7


def test_a_refresh_token_that_was_rotated_away_ends_the_login(rotating: Server) -> None:
    token = rotating.logged_in()
    client, old = rotating.client(), token.refresh_token
    token.refresh()
    with pytest.raises(InvalidGrant):
        client.refresh_token(old)
    with pytest.raises(InvalidGrant):
        token.refresh()
    assert not rotating.takes(f"Bearer {token.as_dict()['access_token']}")


@pytest.mark.parametrize("by", ["refresh_token", "access_token"])
def test_a_revoked_login_has_ended(server: Server, by: str) -> None:
    token = server.logged_in()
    client, held = server.client(), token.as_dict()
    client.revoke_token(held["refresh_token"] if by == "refresh_token" else held["access_token"])
    assert not server.takes(token.as_auth())
    with pytest.raises(InvalidGrant):
        token.refresh()
    client.revoke_token(held["refresh_token"])  # RFC 7009 2.2: what has ended already is no error


def test_a_wrong_secret_is_told_so_everywhere(server: Server) -> None:
    refuses(server, server.client("device", "wrong-secret"))


def test_an_unknown_client_is_told_so_everywhere(strict: Server) -> None:
    refuses(strict, strict.client("nobody"))


def refuses(server: Server, wrong: OAuthCredentials) -> None:
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


def test_another_client_has_no_use_for_the_token(server: Server) -> None:
    token = server.logged_in()
    with pytest.raises(InvalidGrant):
        server.client("another").refresh_token(token.refresh_token)
    token.refresh()
