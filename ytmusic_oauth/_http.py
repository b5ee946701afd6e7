# SPDX-License-Identifier: MIT
"""HTTP: the only module that opens sockets. Sends one form and returns the whole response, within limits.

The limits are on time and size. A name resolution cannot be interrupted, but the time that it takes counts. `transport`
loads this module with the first request, not before: `http.client`, `ssl` and `urllib.request` take longer to import
than all the rest.
"""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from ._messages import only_status_matters
from ._redaction import sanitized
from ._single_flight import NO_FORK
from ._validation import safe_url
from .exceptions import MalformedResponse, OAuthError, TransportError
from .session import GRACE, LARGEST_BODY, Proxy, parse_proxy, proxy_for_https

if TYPE_CHECKING:
    from ssl import SSLContext

    from _typeshed import WriteableBuffer

#: Seconds in which a connection must be established, to whichever address.
CONNECT_TIMEOUT: Final = 10.0
#: The most responses to one request: interim ones (RFC 9110 15.2; rarely any) and the final one.
MAX_RESPONSES: Final = 20
METHOD: Final = "POST"

# Loads what looking up a host needs: here, and not during a request, because of forks (see `NO_FORK`).
"localhost".encode("idna")

# Addresses that did not respond: tried last until they do.
_unresponsive: Final[set[tuple[str, int]]] = set()

_ADVICE: Final = "Check the proxy: the argument proxies, or HTTPS_PROXY, ALL_PROXY, NO_PROXY in the environment."
_CA_ADVICE: Final = (
    "To trust a private CA, set the environment variable SSL_CERT_FILE to the path of its certificate, or pass "
    'ssl_context to UrllibSession. On macOS, run "Install Certificates.command" in the Python folder.'
)
# A problem that is found before the request is sent, and that trying again does not solve.
_misconfigured: Final = partial(TransportError, sent=False, retryable=False)


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
    try:
        server = urlsplit(safe_url(url))
    except ValueError as error:
        raise _misconfigured(f"The URL {error}", reason="url") from None
    proxy, context = None, None
    if server.scheme == "https":  # plain http goes to this machine, and a proxy would take the secrets elsewhere
        proxy, context = _proxy(server.netloc, proxies), ssl_context or _verifying_context()
    connection = _Connection(server, proxy, context, deadline)
    path = (server.path or "/") + (f"?{server.query}" if server.query else "")
    fields = {"Host": server.netloc, "Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
    with connection.opened:
        sent = False
        try:
            connection.request(METHOD, path, urlencode(data).encode(), {**fields, **headers})
            sent = True
            response = connection.getresponse()
            connection.deadline = max(deadline, time.monotonic() + GRACE)
            content = b""
            with suppress(*(OSError, OAuthError) if only_status_matters(response.status) else ()):
                content = _read(response, connection)
        except OSError as error:
            raise _unreachable(error, server.netloc, sent=sent) from None
        except ValueError:  # its message quotes the value
            raise ValueError("The form or a header field has a character that cannot be sent") from None
        except HTTPException as error:  # its message may quote the response
            raise MalformedResponse(f"The response is not HTTP ({type(error).__name__})") from None
    return response.status, dict(response.headers.items()), content


def _proxy(host: str, proxies: Mapping[str, str] | None) -> Proxy | None:
    """Return the proxy for an https request to this host."""
    if proxies is not None:
        url = proxy_for_https(proxies)
    else:
        url = "" if proxy_bypass(host) else proxy_for_https(getproxies())
        if url and not re.match(r"[\w+.-]+:/", url):  # the scheme is often omitted there
            url = f"http://{url}"
    try:
        return parse_proxy(url) if url else None
    except ValueError as error:
        raise _misconfigured(f"The proxy cannot be used: {error}", reason="proxy", advice=_ADVICE) from None


def _verifying_context() -> SSLContext:
    """Return a context that checks certificates. `ssl.create_default_context` may not: programs replace it."""
    try:
        with NO_FORK:
            import ssl
    except ImportError:
        raise _misconfigured("This Python was built without ssl, which https needs", reason="tls") from None

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = True, ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Connection(HTTPConnection):
    """Enforces a deadline (monotonic) over the whole exchange.

    The timeout of `http.client` applies to each address and each read.
    """

    def __init__(self, server: SplitResult, proxy: Proxy | None, context: SSLContext | None, deadline: float) -> None:
        self._server, self._proxy, self._context = server, proxy, context
        host, port = server.hostname or "", server.port or (443 if context else 80)
        super().__init__(*(proxy[:2] if proxy else (host, port)))
        # Below, `vars`: the type stubs do not know these attributes.
        if proxy:
            self.set_tunnel(host, port, dict(proxy.headers))
            vars(self)["_tunnel_host"] = f"[{host}]" if ":" in host else host  # Python 3.11 forgets the brackets
        self.set_debuglevel(0)  # a program may have set `HTTPConnection.debuglevel`, which prints the secrets
        vars(self).update(_create_connection=partial(_connect, deadline), response_class=self._response)
        #: the monotonic time at which the exchange ends
        self.deadline = deadline
        #: whether the server has closed the connection
        self.is_closed = False
        #: closes everything
        self.opened = ExitStack()
        self.opened.callback(self.close)

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPException) as error:
            if self._proxy is None:
                raise
            raise _proxy_failed(error, self._proxy, self._server.netloc) from None
        self.sock.settimeout(_remaining(self.deadline))
        if self._context:
            name = (self._server.hostname or "").rstrip(".")  # a certificate has no dot there
            try:
                self.sock = self._context.wrap_socket(self.sock, server_hostname=name)
            except OSError as error:
                raise _untrusted(error, self._server.netloc) from None
            self.sock.settimeout(_remaining(self.deadline))

    def _response(self, sock: socket.socket, **_: object) -> HTTPResponse:
        response = _Response(sock)
        response.fp = io.BufferedReader(_DeadlineReader(self, sock, response.fp.detach()))
        self.opened.callback(response.close)  # Python 3.10 does not close a refused CONNECT
        return response


class _Response(HTTPResponse):
    """Skips every interim response: `http.client` skips status 100 alone."""

    def begin(self) -> None:
        for _ in range(MAX_RESPONSES):
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
    """Connect to the first address that responds. Each but the last gets half of the time that is left."""
    targets = sorted(_addresses(*address), key=lambda target: target in _unresponsive)
    deadline = min(deadline, time.monotonic() + CONNECT_TIMEOUT)
    failure = OSError("it has no address")
    for tried, target in enumerate(targets, 1):
        seconds = _remaining(deadline)
        with ExitStack() as opened:
            try:
                # A target is a literal address: connecting to it looks nothing up.
                connected = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
                opened.callback(connected.close)
                connected.settimeout(seconds if tried == len(targets) else seconds / 2)
                connected.connect(target)
            except OSError as error:
                if _timed_out(error):
                    _unresponsive.add(target)
                # Report a refusal or a timeout rather than an address family that this machine lacks.
                if tried == 1 or _timed_out(error) or isinstance(error, ConnectionRefusedError):
                    failure = error
            else:
                _unresponsive.discard(target)
                opened.pop_all()
                return connected
    raise failure


def _addresses(host: str, port: int) -> list[tuple[str, int]]:
    # RFC 6761 6.3: localhost and the names below it always mean this machine, and are not looked up.
    if re.fullmatch(r"(.*\.)?localhost\.?", host, re.IGNORECASE):
        return [("127.0.0.1", port), ("::1", port)]
    return [(str(info[4][0]), port) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _DeadlineReader(io.RawIOBase):
    def __init__(self, connection: _Connection, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._connection, self._sock, self._raw = connection, sock, raw
        self._budget = 2 * LARGEST_BODY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(_remaining(self._connection.deadline))
        count = self._raw.readinto(buffer)
        self._connection.is_closed = count == 0
        self._budget -= count or 0
        if self._budget < 0:  # http.client accepts a negative chunk size and reads until EOF
            raise HTTPException
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _read(response: HTTPResponse, connection: _Connection) -> bytes:
    """Return the body."""
    problem = "longer than 1 MiB"
    try:
        content = response.read(LARGEST_BODY + 1)
        if not response.length and len(content) <= LARGEST_BODY:
            return content
        is_cut = len(content) <= LARGEST_BODY
    except (HTTPException, ValueError) as error:
        # IncompleteRead also means a chunk size that is not a number.
        is_cut = isinstance(error, IncompleteRead) and connection.is_closed
        problem = f"not HTTP ({type(error).__name__})"
    if is_cut:
        raise TransportError("The connection was closed in the middle of the response", reason="cut_short")
    raise MalformedResponse(f"The response is {problem}", status=response.status)


# ---- errors --------------------------------------------------------------------------------------


def _timed_out(error: Exception) -> bool:
    return isinstance(error, TimeoutError) or "timed out" in str(error)  # before Python 3.10, another class


def _unreachable(error: Exception, name: str, *, sent: bool = False, reason: str = "network") -> TransportError:
    if _timed_out(error):
        return TransportError(f"{name} did not respond in time", sent=sent, reason="timeout")
    if isinstance(error, socket.gaierror):
        reason = "dns"
    elif isinstance(error, ConnectionRefusedError):
        reason = "refused"
    words = sanitized(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    how = "did not respond" if sent else "cannot be reached"
    return TransportError(f"{name} {how}: {words}", sent=sent, reason=reason)


def _proxy_failed(error: Exception, proxy: Proxy, server: str) -> TransportError:
    # Not the rest of the message, which is the proxy's reason phrase: it may repeat the password.
    refusal = re.match(r"Tunnel connection failed: (\d+)", str(error))
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    name, status = f"The proxy {host}:{proxy.port}", int(refusal[1]) if refusal else 0
    if isinstance(error, OSError) and not status:
        failed = _unreachable(error, name)
        failed.reason = "proxy"
        return failed
    login = "needs a user name and a password, or does not accept those that it got"
    problems = {0: "does not respond like a proxy", 407: login}
    problem = f"{name} {problems.get(status, f'did not connect to {server}')}"
    again = status >= 500 or status in {408, 429}
    return TransportError(problem, sent=False, status=status or None, retryable=again, reason="proxy", advice=_ADVICE)


def _untrusted(error: Exception, name: str) -> TransportError:
    if not (words := getattr(error, "verify_message", None)):
        return _unreachable(error, name, reason="tls")
    code, today = getattr(error, "verify_code", None), time.strftime("%Y-%m-%d", time.gmtime())
    problem, reason, advice = f"{name} cannot be reached: {sanitized(words)}", "tls", _CA_ADVICE
    if code in {9, 10}:  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
        problem, reason = f"{problem}. The date of this machine is {today}", "clock"
        advice = "If that date is wrong, set it. If it is right, the operator of the server must renew the certificate."
    elif code in {62, 64}:  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
        advice = "Check the URL: the certificate is for another host."
    return _misconfigured(problem, reason=reason, advice=advice)
