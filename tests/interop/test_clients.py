# SPDX-License-Identifier: MIT
"""The recipes for programs that send requests, with the real packages, and an API that rejects tokens."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request

import aiohttp
import httpx
import pytest
import requests
from google.auth.exceptions import RefreshError
from googleapiclient.discovery import Resource, build_from_document

from tests.porting.fake_google import FakeGoogle, Reply, redirect
from tests.recipes.asyncio_program import AsyncToken
from tests.recipes.clients import httpx_auth, requests_auth, urllib_open
from tests.recipes.clients.aiohttp_middleware import token_middleware
from tests.recipes.clients.google_credentials import TokenCredentials
from tests.support import Clock, logged_in
from ytmusic_oauth import InvalidGrant, RefreshingToken

FORM: Final = {"title": "fake title"}
BODY: Final = urlencode(FORM).encode()
HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(BODY))}


def refreshes_of(server: FakeGoogle) -> int:
    """Return how many refreshes were sent."""
    return sum(request.form.get("grant_type") == "refresh_token" for request in server.requests_to("token"))


def forms(server: FakeGoogle) -> list[Mapping[str, str]]:
    """Return the bodies that the API got."""
    return [request.form for request in server.requests_to("api")]


@pytest.fixture
def token(server: FakeGoogle) -> RefreshingToken:
    return logged_in(server)


# ---- requests, httpx and urllib, in threads ------------------------------------------------------

Post = Callable[[RefreshingToken, str], int]


def by_requests(token: RefreshingToken, url: str) -> int:
    response = requests.post(url, data=FORM, auth=requests_auth.TokenAuth(token), timeout=9)
    return response.status_code


def by_httpx(token: RefreshingToken, url: str) -> int:
    auth = httpx_auth.TokenAuth(token)
    response = httpx.post(url, content=iter([BODY]), headers=HEADERS, auth=auth, follow_redirects=True)
    return response.status_code


def by_urllib(token: RefreshingToken, url: str) -> int:
    try:
        with urllib_open.urlopen(token, Request(url, BODY), timeout=9) as response:
            return response.status
    except HTTPError as error:
        error.close()
        return error.code


each_client: Final = pytest.mark.parametrize(
    "post",
    [
        pytest.param(by_requests, marks=pytest.mark.beside("requests"), id="requests"),
        pytest.param(by_httpx, marks=pytest.mark.beside("httpx"), id="httpx"),
        pytest.param(by_urllib, id="urllib"),
    ],
)


@each_client
def test_a_request_is_signed(server: FakeGoogle, token: RefreshingToken, post: Post) -> None:
    assert post(token, server.api_url) == 200
    assert (refreshes_of(server), forms(server)) == (0, [FORM])


@each_client
def test_a_request_is_sent_again_with_its_body_after_a_401(
    server: FakeGoogle, token: RefreshingToken, post: Post
) -> None:
    server.expire_access_tokens()
    assert post(token, server.api_url) == 200
    assert (refreshes_of(server), forms(server)) == (1, [FORM, FORM])


@each_client
def test_a_request_is_not_sent_a_third_time(server: FakeGoogle, token: RefreshingToken, post: Post) -> None:
    server.script("api", Reply(401, {}), Reply(401, {}))
    assert post(token, server.api_url) == 401
    assert (refreshes_of(server), forms(server)) == (1, [FORM, FORM])


@each_client
def test_forty_requests_that_were_rejected_share_one_refresh(
    server: FakeGoogle, token: RefreshingToken, post: Post
) -> None:
    server.expire_access_tokens()
    with ThreadPoolExecutor(40) as pool, server.hold("token"):
        responses = [pool.submit(post, token, server.api_url) for _ in range(40)]
        server.wait_for_requests(40, "api")
    assert [each.result() for each in responses] == [200] * 40
    assert refreshes_of(server) == 1


@each_client
def test_a_login_that_has_ended_is_an_error(server: FakeGoogle, token: RefreshingToken, post: Post) -> None:
    server.revoke(token.refresh_token)
    with pytest.raises(InvalidGrant):
        post(token, server.api_url)


@each_client
def test_another_server_gets_no_token_and_no_second_request(
    server: FakeGoogle, token: RefreshingToken, post: Post
) -> None:
    with FakeGoogle(host="127.0.0.2") as elsewhere:
        server.script("api", redirect(elsewhere.api_url, 302))
        assert post(token, server.api_url) == 401
        [request] = elsewhere.transcript
        assert "authorization" not in request.headers
    assert refreshes_of(server) == 0


@pytest.mark.beside("requests")
def test_requests_sends_a_file_again_from_where_it_was(server: FakeGoogle, token: RefreshingToken) -> None:
    file = io.BytesIO(b"skipped" + BODY)
    file.seek(7)
    server.expire_access_tokens()
    response = requests.post(server.api_url, data=file, headers=HEADERS, auth=requests_auth.TokenAuth(token), timeout=9)
    assert response.status_code == 200
    assert forms(server) == [FORM, FORM]


@pytest.mark.beside("requests")
def test_requests_returns_the_401_if_a_generator_was_the_body(server: FakeGoogle, token: RefreshingToken) -> None:
    server.script("api", Reply(401, {}))
    auth = requests_auth.TokenAuth(token)
    assert requests.post(server.api_url, data=iter([b"a=1"]), auth=auth, timeout=9).status_code in {401, 413}
    assert refreshes_of(server) == 0


# ---- httpx and aiohttp, in an event loop ---------------------------------------------------------

AsyncPost = Callable[[str], Awaitable[int | None]]


async def with_httpx(token: RefreshingToken, work: Callable[[AsyncPost], Awaitable[object]]) -> None:
    auth = httpx_auth.AsyncTokenAuth(AsyncToken(token))
    async with httpx.AsyncClient(auth=auth, follow_redirects=True) as client:

        async def post(url: str) -> int | None:
            response = await client.post(url, data=FORM)
            return response.status_code

        await work(post)


async def with_aiohttp(token: RefreshingToken, work: Callable[[AsyncPost], Awaitable[object]], server: str) -> None:
    async with aiohttp.ClientSession(middlewares=[token_middleware(AsyncToken(token), server)]) as session:

        async def post(url: str) -> int | None:
            async with session.post(url, data=FORM) as response:
                return response.status

        await work(post)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.beside(name)) for name in ("httpx", "aiohttp")])
def in_a_loop(
    request: pytest.FixtureRequest, server: FakeGoogle, token: RefreshingToken
) -> Callable[[Callable[[AsyncPost], Awaitable[object]]], None]:
    """Return a function that calls another one in an event loop, with a function that posts the form."""
    if request.param == "httpx":
        return lambda work: asyncio.run(with_httpx(token, work))
    return lambda work: asyncio.run(with_aiohttp(token, work, server.url))


InALoop = Callable[[Callable[[AsyncPost], Awaitable[object]]], None]


def test_an_asynchronous_request_is_sent_again_with_its_body_after_a_401(
    server: FakeGoogle, in_a_loop: InALoop
) -> None:
    async def work(post: AsyncPost) -> None:
        assert await post(server.api_url) == 200
        server.expire_access_tokens()
        assert await post(server.api_url) == 200
        server.script("api", Reply(401, {}), Reply(401, {}))
        assert await post(server.api_url) == 401

    in_a_loop(work)
    assert (refreshes_of(server), forms(server)) == (2, [FORM] * 5)


def test_forty_asynchronous_requests_that_were_rejected_share_one_refresh(
    server: FakeGoogle, in_a_loop: InALoop
) -> None:
    async def work(post: AsyncPost) -> None:
        server.expire_access_tokens()
        responses = await asyncio.gather(*(post(server.api_url) for _ in range(40)))
        assert responses == [200] * 40

    in_a_loop(work)
    assert refreshes_of(server) == 1


def test_another_server_gets_no_token_from_an_asynchronous_request(server: FakeGoogle, in_a_loop: InALoop) -> None:
    async def work(post: AsyncPost) -> None:
        assert await post(server.api_url) == 401

    with FakeGoogle(host="127.0.0.2") as elsewhere:
        server.script("api", redirect(elsewhere.api_url, 302))
        in_a_loop(work)
        [request] = elsewhere.transcript
        assert "authorization" not in request.headers
    assert refreshes_of(server) == 0


@pytest.mark.beside("httpx")
def test_the_wrong_kind_of_httpx_client_is_an_error(server: FakeGoogle, token: RefreshingToken) -> None:
    async def send() -> None:
        async with httpx.AsyncClient(auth=httpx_auth.TokenAuth(token)) as client:
            await client.post(server.api_url, data=FORM)

    with pytest.raises(TypeError, match="needs AsyncTokenAuth"):
        asyncio.run(send())
    with pytest.raises(TypeError, match="needs TokenAuth"):
        httpx.post(server.api_url, auth=httpx_auth.AsyncTokenAuth(AsyncToken(token)))
    assert server.requests_to("api") == []


# ---- google-api-python-client --------------------------------------------------------------------


@pytest.fixture
def youtube(server: FakeGoogle, token: RefreshingToken) -> Iterator[Resource]:
    parameters = {"part": {"type": "string", "location": "query"}, "mine": {"type": "boolean", "location": "query"}}
    method = {
        "id": "list",
        "path": "channels",
        "httpMethod": "GET",
        "parameters": parameters,
        "response": {"$ref": "Any"},
    }
    document: dict[str, object] = {
        "name": "youtube",
        "version": "v3",
        "rootUrl": f"{server.url}/",
        "servicePath": "youtube/v3/",
        "schemas": {"Any": {"id": "Any", "type": "object", "additionalProperties": {"type": "any"}}},
        "resources": {"channels": {"methods": {"list": method}}},
    }
    with build_from_document(document, credentials=TokenCredentials(token)) as service:
        yield service


pytestmark_google: Final = pytest.mark.beside("google-api-python-client")


@pytestmark_google
def test_google_gets_another_token_after_a_401(server: FakeGoogle, youtube: Resource) -> None:
    for _ in range(2):
        server.expire_access_tokens()
        youtube.channels().list(part="id", mine=True).execute()
    assert refreshes_of(server) == 2
    sent = [request.headers["authorization"] for request in server.requests_to("api")]
    assert len(set(sent)) == 3


@pytestmark_google
@pytest.mark.parametrize(("left", "refreshes"), [(300, 0), (230, 1), (100, 1), (30, 1), (-30, 1)])
def test_google_refreshes_by_its_own_margin(
    server: FakeGoogle, youtube: Resource, clock: Clock, left: int, refreshes: int
) -> None:
    clock.sleep(3599 - left)
    for _ in range(3):
        youtube.channels().list(part="id", mine=True).execute()
    assert refreshes_of(server) == refreshes


@pytestmark_google
def test_google_uses_a_token_until_it_expires_while_the_server_is_down(
    server: FakeGoogle, youtube: Resource, clock: Clock
) -> None:
    clock.sleep(3599 - 100)
    server.script("token", *[Reply(503, "")] * 9)
    for _ in range(3):
        youtube.channels().list(part="id", mine=True).execute()
    assert refreshes_of(server) == 1
    clock.sleep(100)
    with pytest.raises(RefreshError, match=r"Try again later") as error:
        youtube.channels().list(part="id", mine=True).execute()
    assert error.value.retryable


@pytestmark_google
def test_another_threads_refresh_is_enough_for_google(server: FakeGoogle, token: RefreshingToken) -> None:
    credentials = TokenCredentials(token)

    def rejected(_: int) -> str:
        headers: dict[str, str] = {}
        credentials.before_request(None, "GET", server.url, headers)
        started.add(headers["authorization"])
        all_sent.wait(10)
        credentials.refresh(None)
        credentials.apply(headers)
        return headers["authorization"]

    started: set[str] = set()
    all_sent = threading.Barrier(40)
    with ThreadPoolExecutor(40) as pool:
        signed = set(pool.map(rejected, range(40)))
    assert refreshes_of(server) == 1
    assert len(signed) == 1
    assert signed.isdisjoint(started)
