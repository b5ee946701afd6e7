# SPDX-License-Identifier: MIT
"""The sessions of requests and httpx as `session=`: what holds as for our own."""

from __future__ import annotations

import gzip
import ssl
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import httpx
import httpx2
import pytest
import requests

from tests.interop.conftest import ROOT
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FAULTS, FakeGoogle, Reply, drip, redirect
from tests.support import Clock, endpoints
from ytmusic_oauth import (
    BadOAuthClient,
    InvalidGrant,
    MalformedResponse,
    OAuthCredentials,
    RateLimited,
    RefreshingToken,
    ServerError,
    TransportError,
    session,
)
from ytmusic_oauth.protocol import refresh_request

CERTIFICATES: Final = ROOT / "tests" / "data" / "certificates"
CA_FILE: Final = str(CERTIFICATES / "ca.pem")


def by_requests(server: FakeGoogle, verify: str | None) -> tuple[OAuthCredentials, Callable[[], None]]:
    own = requests.Session()
    own.verify = verify or True
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, own, endpoints=endpoints(server)), own.close


def by_httpx(server: FakeGoogle, verify: str | None) -> tuple[OAuthCredentials, Callable[[], None]]:
    context = ssl.create_default_context(cafile=verify)
    own = httpx.Client(verify=context, follow_redirects=True)  # the default is not to follow them
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session=own, endpoints=endpoints(server)), own.close


def by_httpx2(server: FakeGoogle, verify: str | None) -> tuple[OAuthCredentials, Callable[[], None]]:
    context = ssl.create_default_context(cafile=verify)
    own = httpx2.Client(verify=context, follow_redirects=True)
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session=own, endpoints=endpoints(server)), own.close


SESSIONS: Final = [
    pytest.param(by_requests, marks=pytest.mark.beside("requests"), id="requests"),
    pytest.param(by_httpx, marks=pytest.mark.beside("httpx"), id="httpx"),
    pytest.param(by_httpx2, marks=pytest.mark.beside("httpx2"), id="httpx2"),
]


@pytest.fixture(params=SESSIONS)
def client(request: pytest.FixtureRequest, server: FakeGoogle) -> Iterator[OAuthCredentials]:
    make: object = request.param
    assert callable(make)
    oauth_client, close = make(server, None)
    yield oauth_client
    close()


def own_session(client: OAuthCredentials) -> session.Session:
    own = client._session
    assert own is not None
    return own


def logged_in(client: OAuthCredentials, server: FakeGoogle) -> RefreshingToken:
    code = client.get_code()
    server.approve(code["user_code"])
    return RefreshingToken(client, **client.wait_for_token(code))


def test_a_login_a_refresh_and_a_revocation(
    client: OAuthCredentials, server: FakeGoogle, clock: Clock, tmp_path: Path
) -> None:
    token = logged_in(client, server)
    token.local_cache = tmp_path / "oauth.json"
    clock.advance(3600)
    assert server.is_live(token.access_token)
    client.revoke_token(token.refresh_token)
    with pytest.raises(InvalidGrant):
        token.refresh()
    assert {each.method for each in server.transcript} == {"POST"}
    assert {each.headers["content-type"] for each in server.transcript} == {"application/x-www-form-urlencoded"}


def test_failures_raise_the_same_errors(client: OAuthCredentials, server: FakeGoogle, clock: Clock) -> None:
    token, send = logged_in(client, server).refresh_token, client._send
    for responses, expected in (
        ([Reply(401, {"error": "invalid_client"})], BadOAuthClient),
        ([FAULTS["html"]], MalformedResponse),
        ([FAULTS["not-an-object"]], MalformedResponse),
        ([FAULTS["503"]] * 3, ServerError),
        ([FAULTS["hang-up"]] * 3, TransportError),
        ([FAULTS["stall"]] * 3, TransportError),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client, "_send", lambda request, seconds: send(request, 1.0))
            server.script("token", *responses)
            with pytest.raises(expected) as error:
                client.refresh_token(token)
        assert not [secret for secret in (CLIENT_SECRET, token) if secret in str(error.value)]
    server.script("token", FAULTS["503"], FAULTS["503"])
    assert server.is_live(client.refresh_token(token)["access_token"])


@pytest.mark.parametrize("way", ["post", "basic", "none"])
def test_netrc_does_not_replace_the_clients_authentication(
    client: OAuthCredentials,
    server: FakeGoogle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Literal["post", "basic", "none"],
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login netrc password netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.endpoints = replace(client.endpoints, client_authentication=way)
    server.script("token", Reply(200, {"access_token": "ya29.fake"}))
    client.refresh_token("1//fake")
    [request] = server.transcript
    expected = f"Basic {b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}" if way == "basic" else None
    assert request.headers.get("authorization") == expected
    assert ("client_secret" in request.form) is (way == "post")


def test_a_byte_order_mark_is_skipped(client: OAuthCredentials, server: FakeGoogle) -> None:
    server.script("token", Reply(200, b'\xef\xbb\xbf{"access_token": "ya29.fake"}'))
    assert client.refresh_token("1//fake")["access_token"] == "ya29.fake"


def test_retry_after_is_obeyed(client: OAuthCredentials, server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(client, server).refresh_token
    clock.slept.clear()
    server.script("token", FAULTS["429"])
    assert server.is_live(client.refresh_token(token)["access_token"])
    assert clock.slept == [7]
    server.script("token", Reply(429, "", {"Retry-After": "3600"}))
    with pytest.raises(RateLimited) as error:
        client.refresh_token(token)
    assert error.value.retry_after == 3600


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(client: OAuthCredentials, server: FakeGoogle, status: int) -> None:
    with FakeGoogle() as elsewhere:
        server.script("token", redirect(f"{elsewhere.url}/token", status))
        with pytest.raises(TransportError, match="redirect"):
            client.refresh_token("1//fake-refresh")
        assert elsewhere.transcript == []


@pytest.mark.parametrize("make", SESSIONS)
def test_its_own_certificate_settings_are_used(
    make: Callable[[FakeGoogle, str | None], tuple[OAuthCredentials, Callable[[], None]]], clock: Clock
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "good.pem")
    with FakeGoogle(clock=clock.monotonic, ssl_context=context) as server:
        for verify in (CA_FILE, None):
            client, close = make(server, verify)
            if verify is None:
                with pytest.raises(TransportError):
                    client.get_code()
                assert len(server.requests_to("code")) == 1
            else:
                assert server.is_live(logged_in(client, server).access_token)
            close()


# ---- limits --------------------------------------------------------------------------------------


def test_the_timeout_ends_a_body_that_drips(client: OAuthCredentials, server: FakeGoogle) -> None:
    request = refresh_request(client.endpoints, CLIENT_ID, CLIENT_SECRET, "1//fake-refresh")
    server.script("token", drip(b'{"access_token": "ya29.fake"}', every=0.03), drip(b" " * 1000, every=0.03))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "time", time)
        assert session.send(own_session(client), request, 20).body == {"access_token": "ya29.fake"}
        with pytest.raises(TransportError, match="did not respond in time"):
            session.send(own_session(client), request, 0.5)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_body_of_more_than_1_mib_is_malformed(
    client: OAuthCredentials, server: FakeGoogle, is_compressed: bool
) -> None:
    token = b'{"access_token": "ya29.fake", "expires_in": 9}'
    headers = {"Content-Encoding": "gzip"} if is_compressed else {}
    for size in (0, 200 if is_compressed else 2):
        body = b" " * (size * 2**20) + token
        server.script("token", Reply(200, gzip.compress(body) if is_compressed else body, headers))
    assert client.refresh_token("1//fake-refresh")["access_token"] == "ya29.fake"
    tracemalloc.start()
    try:
        with pytest.raises(MalformedResponse, match="longer than 1 MiB"):
            client.refresh_token("1//fake-refresh")
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_an_httpx_client_keeps_its_own_timeout(server: FakeGoogle) -> None:
    own = httpx.Client(timeout=0.2)
    with closing(own):
        server.script("token", FAULTS["stall"])
        started = time.monotonic()
        with pytest.raises(TransportError, match="ReadTimeout"):
            OAuthCredentials(CLIENT_ID, CLIENT_SECRET, own, endpoints=endpoints(server)).token_from_code("fake")
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("asynchronous", [httpx.AsyncClient, httpx2.AsyncClient])
def test_an_asynchronous_client_is_rejected_by_name(asynchronous: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=rf"as {asynchronous.__module__}\.AsyncClient is"):
        session.check_session(asynchronous())
