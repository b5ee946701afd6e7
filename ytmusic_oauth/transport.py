# SPDX-License-Identifier: MIT
"""The network: the only module that opens sockets. One form out, one whole answer back, in bounded time and space.

The look-up of a name exclusive is the system's, and takes what time that takes. This module is loaded when the first
request is sent, not before: `http.client`, `ssl` and `urllib.request` cost more to import than all the rest.
"""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, InvalidURL
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import AbstractHTTPHandler, OpenerDirector, ProxyHandler, Request, getproxies

from . import _validation
from ._messages import sanitized
from .exceptions import MalformedResponse, TransportError
from .session import TIMEOUT, check_proxies

if TYPE_CHECKING:
    from ssl import SSLContext

    from _typeshed import WriteableBuffer

__all__ = ["UrllibResponse", "UrllibSession"]

# Seconds for one try at one address.
CONNECT_TIMEOUT: Final = 10.0
# Bytes. An OAuth answer has a thousand or two.
LARGEST_BODY: Final = 2**20


@dataclass(frozen=True)
class UrllibResponse:
    """A whole answer in memory."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> object:
        """Raises `ValueError` on anything but a JSON object in UTF-8."""
        return _validation.json_object(self.content.decode())


@dataclass(frozen=True)
class UrllibSession:
    """The standard library's HTTP, kept on a short leash. `timeout` is for a whole request, in seconds.

    `proxies` is `{"https": "http://user:password@host:port"}`, None for what the environment says, `{}` for none.
    Plain http, which goes to this machine only, never takes a proxy. Threads may share a session.
    """

    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    _: KW_ONLY
    timeout: float = TIMEOUT
    ssl_context: SSLContext | None = None

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= 3600:
            raise ValueError("timeout must be more than 0 seconds and at most an hour")
        check_proxies(self.proxies)

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float | None = None
    ) -> UrllibResponse:
        """Send a form. An answer of any status is an answer. Raises `TransportError` or `MalformedResponse`."""
        end = time.monotonic() + (timeout or self.timeout)
        request = Request(url, urlencode(data).encode(), dict(headers))
        host = request.host  # a proxy will take its place
        opener = OpenerDirector()
        if request.type == "https":  # plain http goes to this machine, and a proxy would take the secrets elsewhere
            found = getproxies() if self.proxies is None else self.proxies
            opener.add_handler(ProxyHandler({name: url for name, url in found.items() if name == "https"}))
        with ExitStack() as opened:
            opener.add_handler(_DeadlineHandler(end, self.ssl_context, opened))
            try:
                response: HTTPResponse = opener.open(request)
                content, problem = _read(response)
            except URLError as error:  # raised before the request is complete
                raise TransportError(_reason(error.reason, host), sent=False) from None
            except OSError as error:
                raise TransportError(_reason(error, host)) from None
            except (ValueError, InvalidURL):  # which quotes the proxy, password and all
                wrong = "The address of the server, or of the proxy, is wrong"
                raise TransportError(wrong, sent=False, retryable=False) from None
            except HTTPException as error:  # its text may quote the answer
                raise MalformedResponse(f"The answer is not HTTP ({type(error).__name__})") from None
        # What a server in trouble says besides its status does not matter.
        if problem and response.status != 408 and response.status < 500:
            raise MalformedResponse(f"The answer is {problem}", status=response.status)
        return UrllibResponse(response.status, dict(response.headers.items()), content)


class _DeadlineHandler(AbstractHTTPHandler):
    """Opens by `end` on the monotonic clock; urllib's own time-out starts anew with every address and every byte."""

    http_request = https_request = AbstractHTTPHandler.do_request_

    def __init__(self, end: float, context: SSLContext | None, opened: ExitStack) -> None:
        super().__init__(debuglevel=0)  # or whoever debugs http.client has the secrets printed, from Python 3.12 on
        self._end, self._context, self._opened = end, context, opened

    def http_open(self, request: Request) -> HTTPResponse:
        return self._open(HTTPConnection, request)

    def https_open(self, request: Request) -> HTTPResponse:
        try:
            from http.client import HTTPSConnection
        except ImportError:
            problem = "This Python was built without ssl, and https cannot do without it"
            raise TransportError(problem, sent=False, retryable=False) from None
        return self._open(partial(HTTPSConnection, context=self._context), request)

    def _open(self, connection_to: Callable[[str], HTTPConnection], request: Request) -> HTTPResponse:
        def limited(host: str, **_: object) -> HTTPConnection:
            connection = connection_to(host)
            vars(connection).update(_create_connection=partial(_dial, self._end), response_class=self._response)
            return connection

        return self.do_open(limited, request)

    def _response(self, sock: socket.socket, **_: object) -> HTTPResponse:
        response = HTTPResponse(sock)
        response.fp = io.BufferedReader(_DeadlineReader(self._end, sock, response.fp.detach()))
        self._opened.callback(response.close)  # Python 3.10 leaves a proxy's refusal open
        return response


def _remaining(end: float) -> float:
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _dial(end: float, address: tuple[str, int], *_: object) -> socket.socket:
    targets = [str(info[4][0]) for info in socket.getaddrinfo(*address, type=socket.SOCK_STREAM)]
    while targets:
        # Where the way to the first addresses swallows packets, time has to be left for the last.
        timeout = min(CONNECT_TIMEOUT, _remaining(end) / len(targets))
        try:
            connected = socket.create_connection((targets.pop(0), address[1]), timeout)
        except OSError:
            if not targets:
                raise
        else:
            connected.settimeout(min(CONNECT_TIMEOUT, _remaining(end)))  # for TLS, and for sending
            return connected
    raise OSError("it has no address")


class _DeadlineReader(io.RawIOBase):
    def __init__(self, end: float, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._end, self._sock, self._raw = end, sock, raw
        self._budget = 2 * LARGEST_BODY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(_remaining(self._end))
        count = self._raw.readinto(buffer)
        self._budget -= count or 0
        if self._budget < 0:  # http.client believes a chunk that says it has -1 bytes, and reads on for ever
            raise HTTPException
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _read(response: HTTPResponse) -> tuple[bytes, str]:
    """The body, and what is wrong with it."""
    try:
        content = response.read(LARGEST_BODY + 1)
    except (HTTPException, ValueError) as error:
        return b"", f"not HTTP ({type(error).__name__})"
    if len(content) > LARGEST_BODY:
        return b"", "longer than 1 MiB"
    return content, "cut short" if response.length else ""


def _reason(error: object, host: str) -> str:
    if isinstance(error, TimeoutError):
        return f"{host} did not answer in time"
    certificate = getattr(error, "verify_message", None)  # an ssl.SSLCertVerificationError
    if certificate and time.gmtime().tm_year < 2020:
        certificate += f". This machine thinks that it is {time.gmtime().tm_year}: set its clock"
    words = certificate or getattr(error, "strerror", None) or str(error)
    # After the status comes what the proxy has to say: it may be the password.
    words = re.sub(r"(Tunnel connection failed: \d+).*", r"\1", words)
    return f"{host} cannot be reached: {sanitized(words)}"
