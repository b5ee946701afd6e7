# SPDX-License-Identifier: MIT
"""The interface to the network: what a session is, and how a request is sent through one.

`transport.UrllibSession` is ours. `requests` and `httpx` are told not to follow redirects, and a response that came
through one is rejected. What a `requests.Session` or an `httpx.Client` receives is read here, up to 1 MiB and within
the time; but sending, receiving the headers, and each read may each take the whole timeout. Opens no socket itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ._messages import HttpResponse, Request, only_status_matters
from ._retries import TIMEOUT, parse_retry_after
from ._single_flight import NO_FORK
from ._validation import json_value
from .exceptions import MalformedResponse, OAuthError, TransportError, unexpected

if TYPE_CHECKING:
    from typing import TypeGuard  # Python 3.10

# fmt: off
__all__ = [
    "LARGEST_BODY", "TIMEOUT", "Proxy", "RequestsSession", "Response", "Session", "Signable",
    "SupportsSetHeader", "check_proxies", "check_session", "is_requests", "parse_proxy", "proxy_for_https", "send",
]
# fmt: on

LARGEST_BODY: Final = 2**20
"""Bytes; an OAuth response has one or two thousand."""
GRACE: Final = 1.0
"""Seconds to read the body after the headers have arrived, however late that is."""

# Content types that have no secret in them. Any other is searched for secrets, which takes time.
_USUAL: Final = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8"})
# The advice for a session that follows redirects, and for an object that does not behave like a session.
_FOLLOWED: Final = "Let it follow none (allow_redirects=False). Then revoke the login, and replace the client secret."
_ADVICE: Final = "Correct the session: its `post` must take `data`, `headers` and `timeout`, and return a response."

# The User-Agent is that of ytmusicapi. Compression is not asked for: it can make a small body huge.
_HEADERS: Final[Mapping[str, str]] = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:88.0) Gecko/20100101 Firefox/88.0 Cobalt/Version",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}


class Response(Protocol):
    """What a session returns. Its `headers` are read if it has them."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    def json(self) -> object:
        """Return the decoded body. Raises `ValueError` if it is not JSON."""
        ...


class Session(Protocol):
    """What can send a form: `requests.Session` and `httpx.Client` fit as they are. Must be thread-safe.

    Those two are told not to follow redirects. Any other session must not follow them: the form holds secrets.
    """

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
        """Send `data` as a form and return the response, whatever its status. Raises if there is no response."""
        ...


class Signable(Protocol):
    """A request that a token can sign: one of `requests`, `httpx`, `aiohttp` or `urllib`."""

    @property
    def headers(self) -> SupportsSetHeader:
        """The headers that will be sent."""
        ...


class SupportsSetHeader(Protocol):
    """Headers that can be set, such as a dictionary."""

    def __setitem__(self, name: str, value: str, /) -> None:
        """Set a header, in place of one with the same name."""
        ...


class RequestsSession(Session, Protocol):
    """A session with proxies of its own."""

    proxies: dict[str, str]


class _HttpxClient(Session, Protocol):
    def stream(self, method: str, url: str, **options: object) -> AbstractContextManager[_Unread]: ...


class _Unread(Response, Protocol):
    """A response of `requests`, or of `httpx`, whose body has not been read."""

    raw: _Raw
    content: bytes

    def iter_raw(self) -> Iterable[bytes]: ...

    def close(self) -> None: ...


class _Raw(Protocol):
    """The body of a response of `requests`: a response of `urllib3`."""

    def read1(self, amount: int, /, *, decode_content: bool) -> bytes: ...

    def stream(self, amount: int, /, *, decode_content: bool) -> Iterable[bytes]: ...


def is_requests(session: object) -> TypeGuard[RequestsSession]:
    """Whether it is a `requests.Session` or a wrapper of one: no other session has this method."""
    return hasattr(session, "get_redirect_target")


def _is_httpx(session: object) -> TypeGuard[_HttpxClient]:
    """Whether it is an `httpx.Client`, and not a wrapper of one or a subclass that has a `post` of its own."""
    owner = next((each for each in type(session).__mro__ if "post" in vars(each)), object)
    return hasattr(session, "follow_redirects") and "stream" in vars(owner)


def check_session(session: object) -> None:
    """Raise `TypeError` for what can never send a form."""
    from inspect import iscoroutinefunction

    post, kind = getattr(session, "post", None), type(session)
    if isinstance(session, (type, ModuleType)) or not callable(post):
        raise TypeError("session must be an object with a post method, such as a requests.Session() or httpx.Client()")
    if iscoroutinefunction(post) or hasattr(session, "__aenter__"):
        name = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
        raise TypeError(f"session must not be asynchronous, as {name} is: use a requests.Session() or httpx.Client()")


# ---- proxies -------------------------------------------------------------------------------------

_PROXY: Final = (
    r"(?ai)http://((?P<user>[^:/?#\ud800-\udfff]*)(:(?P<password>[^/?#\ud800-\udfff]*))?@)?"
    r"(?P<host>[\w-]{1,63}(\.[\w-]{1,63})*|\[[0-9a-f:.]+\])(:(?P<port>\d{1,5}))?/*"
)


class Proxy(NamedTuple):
    """An HTTP proxy."""

    host: str
    port: int
    headers: Mapping[str, str]
    """The header fields to send to it: they hold the user name and the password."""

    def __repr__(self) -> str:
        return f"Proxy(host={self.host!r}, port={self.port})"


def proxy_for_https(proxies: Mapping[str, str]) -> str:
    """Return the URL of the proxy for https or, failing that, for every scheme; empty if there is neither."""
    return str(proxies.get("https") or proxies.get("all") or "")


def parse_proxy(url: str) -> Proxy:
    """Parse the URL of a proxy. Raises `ValueError` without quoting it: it may contain a password."""
    if not url:
        raise ValueError("it has no proxy for https")
    scheme, has_scheme, _ = url.lower().partition("://")
    if has_scheme and scheme.startswith("socks"):
        raise ValueError("SOCKS proxies are not supported")
    if scheme == "https":
        raise ValueError("a proxy with https:// is not supported; most proxies take http://, also for https requests")
    parts = re.fullmatch(_PROXY, url)
    if parts is None or not 0 < int(parts["port"] or "80") <= 65535:
        raise ValueError("it is not like http://user:password@host:port, with special characters percent-encoded")
    headers = {}
    if parts["user"] is not None:
        from base64 import b64encode
        from urllib.parse import unquote_to_bytes

        user_password = unquote_to_bytes(f"{parts['user']}:{parts['password'] or ''}")
        headers["Proxy-Authorization"] = f"Basic {b64encode(user_password).decode()}"
    return Proxy(parts["host"].strip("[]"), int(parts["port"] or "80"), headers)


def check_proxies(proxies: Mapping[str, str] | None) -> None:
    """Raise `ValueError` for unusable proxies, without quoting them. Only the one for https is looked at."""
    if proxies:
        try:
            parse_proxy(proxy_for_https(proxies) if hasattr(proxies, "get") else "")
        except ValueError as error:
            usual = "{'https': 'http://user:password@host:port'}"
            raise ValueError(f"proxies must be a dictionary such as {usual}: {error}") from None


# ---- sending -------------------------------------------------------------------------------------


def send(session: Session, request: Request, timeout: float = TIMEOUT) -> HttpResponse:
    """Send a request once, within `timeout` seconds if the session keeps to them.

    Raises `TransportError`, or `MalformedResponse` if the response is not valid HTTP or too large.
    """
    content: object
    try:
        response, content = _post(session, request, timeout)
        status: object = getattr(response, "status_code", None)
        if not isinstance(status, int):
            raise TransportError("The session's response has no status", retryable=False, advice=_ADVICE)
        if getattr(response, "history", None):
            problem = "The session followed a redirect: another server may have the secrets of this request"
            raise TransportError(problem, retryable=False, reason="redirect", advice=_FOLLOWED)
    except OAuthError:
        raise
    except Exception as error:  # sessions have no common exception class
        raise unexpected("The session", error, _ADVICE) from None
    headers, body, problem = _headers(response), None, "is not a JSON object"
    if content is None:
        with suppress(Exception):  # whatever a session raises for a body that is not JSON
            body = response.json()
        with suppress(Exception):
            content = getattr(response, "content", None)
    with NO_FORK:  # decoding a body and showing a text may import modules
        if body is None and isinstance(content, bytes):
            try:
                body = json_value(content.decode("utf-8-sig"))  # some servers send a byte order mark
            except ValueError as error:
                problem = "is not UTF-8" if isinstance(error, UnicodeError) else str(error)
        kind = headers.get("content-type")
        is_empty = content == b"" or (content is None and headers.get("content-length") == "0")
        return HttpResponse(
            status=status,
            body=body,
            content_type=kind if kind in _USUAL else request.redacted(kind, body) or "no content type",
            retry_after=parse_retry_after(headers.get("retry-after"), headers.get("date"), time.time()),
            is_empty=body is None and is_empty,
            has_challenge="www-authenticate" in headers,
            location=request.redacted(headers.get("location"), body),
            problem=problem,
        )


def _post(session: Session, request: Request, timeout: float) -> tuple[Response, bytes | None]:
    """Return the response, and its body if it was read here."""
    deadline, own = time.monotonic() + timeout, getattr(session, "timeout", None)
    with NO_FORK:  # the headers of HTTP Basic import modules
        url, form, headers = request.url, request.form, {**_HEADERS, **request.headers}  # a copy, for the session
    options: dict[str, object] = {}
    if hasattr(session, "trust_env"):  # requests and httpx: neither ~/.netrc nor the session's own `auth` is used
        options["auth"] = _as_it_is
    if is_requests(session):  # follows redirects by default, and sends the form again
        options["allow_redirects"] = False
        if hasattr(session, "stream"):  # a wrapper has no such attribute
            options["stream"] = True
    elif hasattr(session, "follow_redirects"):  # httpx: follows redirects if it was created to
        options["follow_redirects"] = False
    elif isinstance(own, (int, float)):  # UrllibSession has a timeout of its own
        timeout = min(own, timeout)
    if _is_httpx(session):
        steps = (getattr(own, step, None) for step in ("connect", "read", "write", "pool"))
        options["timeout"] = tuple(timeout if step is None else min(step, timeout) for step in steps)
        with session.stream("POST", url, data=form, headers=headers, **options) as streamed:
            is_read = getattr(streamed, "is_stream_consumed", False)  # a hook may have read it
            if is_read:
                return streamed, _read(streamed, [streamed.content], deadline)
            return streamed, _read(streamed, streamed.iter_raw(), deadline, _inflater(streamed))
    response = session.post(url, data=form, headers=headers, timeout=timeout, **options)
    if not _is_unread(response):
        return response, None
    with closing(response):
        content = _read(response, _pieces(response.raw), deadline, _inflater(response))
        return response, content or _read(response, [response.content], deadline)  # a hook may have read it


def _is_unread(response: object) -> TypeGuard[_Unread]:
    # Only the responses of requests have both: in any other, the session has read the body.
    return hasattr(response, "iter_content") and getattr(response, "raw", None) is not None


def _pieces(raw: _Raw) -> Iterable[bytes]:
    if hasattr(raw, "read1"):
        return iter(lambda: raw.read1(1024, decode_content=False), b"")
    return raw.stream(1024, decode_content=False)  # urllib3 before 2.2 does not return what has arrived: it waits


def _inflater(response: _Unread) -> Callable[[bytes], bytes]:
    """Return what decompresses the body. requests and httpx set no limit: 64 KiB may become 64 MiB."""
    if _headers(response).get("content-encoding", "").lower() not in {"gzip", "x-gzip", "deflate"}:
        return bytes
    with NO_FORK:
        from zlib import decompressobj
    inflate = decompressobj(47)  # 47: gzip or zlib
    return lambda piece: inflate.decompress(piece, LARGEST_BODY + 1)


def _read(
    response: Response, pieces: Iterable[bytes], deadline: float, inflate: Callable[[bytes], bytes] = bytes
) -> bytes:
    content, received, is_late = bytearray(), 0, False
    deadline = max(deadline, time.monotonic() + GRACE)
    with suppress(*[Exception] if only_status_matters(response.status_code) else []):
        for piece in pieces:
            if is_late:
                raise TransportError("The server did not respond in time", reason="timeout")
            content += inflate(piece)
            received += len(piece)  # it may become nothing
            if max(received, len(content)) > LARGEST_BODY:
                raise MalformedResponse("The response is longer than 1 MiB", status=response.status_code)
            is_late = time.monotonic() > deadline
    return bytes(content)


def _as_it_is(request: object) -> object:
    """Add no authentication. Passed as `auth`, it keeps requests and httpx from replacing ours."""
    return request


def _headers(response: Response) -> Mapping[str, str]:
    try:
        pairs: Iterable[tuple[object, object]] = getattr(response, "headers", {}).items()
        return {str(key).lower(): str(value).strip() for key, value in pairs}
    except Exception:  # whatever a session has for headers
        return {}
