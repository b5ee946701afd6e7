# SPDX-License-Identifier: MIT
"""HTTP: the only module that opens sockets. Sends one form and returns the whole response, within limits.

The limits are on time and size. Name resolution alone is not covered by the time limit: it is up to the operating
system. `transport` loads this module with the first request, not before: `http.client`, `ssl` and `urllib.request` take
longer to import than all the rest.
"""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead, InvalidURL
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import AbstractHTTPHandler, OpenerDirector, ProxyHandler, Request, getproxies

from ._redaction import sanitized
from .exceptions import MalformedResponse, TransportError

if TYPE_CHECKING:
    from ssl import SSLContext

    from _typeshed import WriteableBuffer

#: Seconds for one try at one address.
CONNECT_TIMEOUT: Final = 10.0
#: Bytes; an OAuth response has one or two thousand.
LARGEST_BODY: Final = 2**20
#: Interim responses (RFC 9110 15.2) before the answer; there is rarely one.
MAX_INTERIM: Final = 20
_CUT_SHORT: Final = "cut short"


def post(
    url: str,
    data: Mapping[str, str],
    headers: Mapping[str, str],
    *,
    timeout: float,
    proxies: Mapping[str, str] | None,
    ssl_context: SSLContext | None,
) -> tuple[int, Mapping[str, str], bytes]:
    """Send a form; return the status, the header fields and the body: see `transport.UrllibSession`."""
    deadline = time.monotonic() + timeout
    request = Request(url, urlencode(data).encode(), dict(headers))
    host = request.host  # `ProxyHandler` overwrites it
    opener = OpenerDirector()
    if request.type == "https":  # plain http goes to this machine, and a proxy would take the secrets elsewhere
        found = getproxies() if proxies is None else proxies
        opener.add_handler(ProxyHandler({name: url for name, url in found.items() if name == "https"}))
    with ExitStack() as opened:
        handler = _DeadlineHandler(deadline, ssl_context, opened)
        opener.add_handler(handler)
        try:
            response: HTTPResponse = opener.open(request)
            content, problem = _read(response, handler)
        except URLError as error:  # raised only while connecting or sending
            raise TransportError(_reason(error.reason, host), sent=False) from None
        except OSError as error:
            raise TransportError(_reason(error, host)) from None
        except (ValueError, InvalidURL):  # its message contains the proxy URL with its password
            problem = "The URL of the server or of the proxy is invalid"
            raise TransportError(problem, sent=False, retryable=False) from None
        except HTTPException as error:  # its message may quote the response
            raise MalformedResponse(f"The response is not HTTP ({type(error).__name__})") from None
    # For a 5xx or 408, only the status matters.
    if problem and response.status != 408 and response.status < 500:
        if problem == _CUT_SHORT:
            raise TransportError("The connection was closed in the middle of the response", reason="cut_short")
        raise MalformedResponse(f"The response is {problem}", status=response.status)
    return response.status, dict(response.headers.items()), content


class _DeadlineHandler(AbstractHTTPHandler):
    """Enforces a deadline (monotonic) over the whole exchange.

    urllib's own timeout applies to each address and each read.
    """

    http_request = https_request = AbstractHTTPHandler.do_request_

    def __init__(self, deadline: float, context: SSLContext | None, opened: ExitStack) -> None:
        super().__init__(debuglevel=0)  # from Python 3.12 on, `HTTPConnection.debuglevel` would print the secrets
        self._deadline, self._context, self._opened = deadline, context, opened
        #: whether the server has closed the connection
        self.is_closed = False

    def http_open(self, request: Request) -> HTTPResponse:
        return self._open(HTTPConnection, request)

    def https_open(self, request: Request) -> HTTPResponse:
        try:
            from http.client import HTTPSConnection
        except ImportError:
            problem = "This Python was built without ssl, which https needs"
            raise TransportError(problem, sent=False, retryable=False) from None
        return self._open(partial(HTTPSConnection, context=self._context), request)

    def _open(self, connection_to: Callable[[str], HTTPConnection], request: Request) -> HTTPResponse:
        def limited(host: str, **_: object) -> HTTPConnection:
            connection = connection_to(host)
            vars(connection).update(_create_connection=partial(_connect, self._deadline), response_class=self._response)
            return connection

        return self.do_open(limited, request)

    def _response(self, sock: socket.socket, **_: object) -> HTTPResponse:
        response = _Response(sock)
        response.fp = io.BufferedReader(_DeadlineReader(self._deadline, sock, response.fp.detach(), self._closed))
        self._opened.callback(response.close)  # Python 3.10 does not close a refused CONNECT
        return response

    def _closed(self) -> None:
        self.is_closed = True


class _Response(HTTPResponse):
    """Skips every interim response: `http.client` skips status 100 alone."""

    def begin(self) -> None:
        for _ in range(MAX_INTERIM):
            super().begin()
            if self.status >= 200:
                return
            vars(self)["headers"] = None  # with headers, `begin` does nothing
        raise HTTPException


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _connect(deadline: float, address: tuple[str, int], *_: object) -> socket.socket:
    targets = [str(info[4][0]) for info in socket.getaddrinfo(*address, type=socket.SOCK_STREAM)]
    while targets:
        # Share the time among the addresses: the first ones may drop packets silently.
        timeout = min(CONNECT_TIMEOUT, _remaining(deadline) / len(targets))
        try:
            connected = socket.create_connection((targets.pop(0), address[1]), timeout)
        except OSError:
            if not targets:
                raise
        else:
            connected.settimeout(min(CONNECT_TIMEOUT, _remaining(deadline)))  # for TLS, and for sending
            return connected
    raise OSError("it has no address")


class _DeadlineReader(io.RawIOBase):
    def __init__(self, deadline: float, sock: socket.socket, raw: io.RawIOBase, on_end: Callable[[], None]) -> None:
        self._deadline, self._sock, self._raw, self._on_end = deadline, sock, raw, on_end
        self._budget = 2 * LARGEST_BODY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(_remaining(self._deadline))
        count = self._raw.readinto(buffer)
        if count == 0:
            self._on_end()
        self._budget -= count or 0
        if self._budget < 0:  # http.client accepts a negative chunk size and reads until EOF
            raise HTTPException
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _read(response: HTTPResponse, handler: _DeadlineHandler) -> tuple[bytes, str]:
    """Return the body and, if it is bad, the reason."""
    try:
        content = response.read(LARGEST_BODY + 1)
    except IncompleteRead:  # also for a chunk size that is not a number
        return b"", _CUT_SHORT if handler.is_closed else "not HTTP (IncompleteRead)"
    except (HTTPException, ValueError) as error:
        return b"", f"not HTTP ({type(error).__name__})"
    if len(content) > LARGEST_BODY:
        return b"", "longer than 1 MiB"
    return content, _CUT_SHORT if response.length else ""


def _reason(error: object, host: str) -> str:
    if isinstance(error, TimeoutError):
        return f"{host} did not respond in time"
    certificate = getattr(error, "verify_message", None)  # an ssl.SSLCertVerificationError
    if certificate and time.gmtime().tm_year < 2020:
        certificate += f". This machine's clock says {time.gmtime().tm_year}: set it"
    reason = certificate or getattr(error, "strerror", None) or str(error)
    # Drop the proxy's reason phrase: it may echo the password.
    reason = re.sub(r"(Tunnel connection failed: \d+).*", r"\1", reason)
    return f"{host} cannot be reached: {sanitized(reason)}"
