# SPDX-License-Identifier: MIT
"""Breaks in the transport: what a hostile network does to a client that is not careful."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPResponse
from ssl import SSLContext
from urllib.parse import SplitResult, urljoin
from urllib.request import getproxies

from ytmusic_oauth import _http
from ytmusic_oauth._http import CONNECT_TIMEOUT
from ytmusic_oauth._messages import only_status_matters
from ytmusic_oauth._validation import json_object
from ytmusic_oauth.exceptions import MalformedResponse, TransportError
from ytmusic_oauth.session import LARGEST_BODY, Proxy, parse_proxy, proxy_for_https
from ytmusic_oauth.transport import UrllibResponse, UrllibSession

from .registry import constant, replaces

__all__: list[str] = []

post, read, open_connection = UrllibSession.post, _http._read, _http._Connection.__init__


@replaces(post, "a redirect is followed", caught_by="hostile/redirected-*")
def _(
    sender: UrllibSession,
    url: str,
    *,
    data: Mapping[str, str],
    headers: Mapping[str, str],
    timeout: float | None = None,
) -> UrllibResponse:
    response = post(sender, url, data=data, headers=headers, timeout=timeout)
    if 300 <= response.status_code < 400:
        url = urljoin(url, response.headers["Location"])
        response = post(sender, url, data=data, headers=headers, timeout=timeout)
    return response


@replaces(
    _http._remaining,
    "a server that sends a byte now and then blocks the program for ever",
    caught_by="hostile/dripping-*",
)
def _(deadline: float) -> float:
    return CONNECT_TIMEOUT


@replaces(read, "a truncated response is accepted", caught_by="error-responses/body-cut-short")
def _(response: HTTPResponse, connection: _http._Connection) -> bytes:
    return response.read(LARGEST_BODY)


@replaces(
    read,
    "a connection that broke is reported as a fault of the server, and is not tried again",
    caught_by="error-responses/body-cut-short",
)
def _(response: HTTPResponse, connection: _http._Connection) -> bytes:
    try:
        return read(response, connection)
    except TransportError:
        raise MalformedResponse("The response is not HTTP", status=response.status) from None


@replaces(UrllibResponse.json, "a body that is not UTF-8 is read as something else", caught_by="malformed-responses/*")
def _(response: UrllibResponse) -> object:
    return json_object(response.content.decode(errors="replace"))


@replaces(open_connection, "a proxy sees requests to this machine", caught_by="hostile/proxy-*")
def _(
    connection: _http._Connection,
    server: SplitResult,
    proxy: Proxy | None,
    context: SSLContext | None,
    deadline: float,
) -> None:
    url = proxy_for_https(getproxies())
    open_connection(connection, server, parse_proxy(url) if url else proxy, context, deadline)


constant(
    _http,
    "LARGEST_BODY",
    2**30,
    "a huge response fills the memory of a router",
    caught_by="hostile/huge-body",
)
constant(
    _http,
    "GRACE",
    0.0,
    "a response whose body comes late is lost, and the refresh token in it",
    caught_by="hostile/late-body",
)


@replaces(
    only_status_matters,
    "a 503 whose body does not come looks like a lost response",
    caught_by="hostile/stalled-body-of-a-503",
)
def _(status: int) -> bool:
    return False


@replaces(
    _http._Response.begin,
    "a server that sends hints before its response ends the program",
    caught_by="wire/interim-responses",
)
def _(response: HTTPResponse) -> None:
    HTTPResponse.begin(response)
