# SPDX-License-Identifier: MIT
"""The interface to the network: what a session is, and how a request is sent through one.

`transport.UrllibSession` is ours. A session supplied by the caller (`requests`, `httpx`) is told not to follow
redirects, and a response that came through one is rejected. Its timeouts and size limits are its own. Opens no socket
itself.
"""

from __future__ import annotations

import time
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from ._messages import HttpResponse, Request, redirected
from ._retries import parse_retry_after
from ._validation import json_object
from .exceptions import OAuthError, TransportError

if TYPE_CHECKING:
    from typing import TypeGuard  # Python 3.10

# fmt: off
__all__ = [
    "TIMEOUT", "RequestsSession", "Response", "Session", "Signable", "SupportsSetHeader", "check_proxies",
    "is_requests", "send",
]
# fmt: on

TIMEOUT: Final = 30.0
"""Seconds for a whole request."""

# The headers that ytmusicapi sends.
_HEADERS: Final[Mapping[str, str]] = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:88.0) Gecko/20100101 Firefox/88.0 Cobalt/Version",
    "Accept": "application/json",
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


def is_requests(session: object) -> TypeGuard[RequestsSession]:
    """Whether it is a `requests.Session` or a wrapper of one: no other session has this method."""
    return hasattr(session, "get_redirect_target")


def check_proxies(proxies: Mapping[str, str] | None) -> None:
    """Raise `ValueError` for unusable proxies, without quoting them: they may contain a password."""
    if proxies and (
        not hasattr(proxies, "values")
        or "https" not in proxies
        or not all(str(proxy).lower().startswith(("http://", "https://")) for proxy in proxies.values())
    ):
        raise ValueError("proxies must be a dictionary such as {'https': 'http://user:password@host:port'}; no SOCKS")


def send(session: Session, request: Request, timeout: float = TIMEOUT) -> HttpResponse:
    """Send a request once, within `timeout` seconds as far as the session keeps to it.

    Raises `TransportError`, or `MalformedResponse` if the response is not valid HTTP or too large.
    """
    try:
        response = _post(session, request, timeout)
    except OAuthError:
        raise
    except Exception as error:  # sessions have no common exception class
        # Its text may quote what was sent, or what came back.
        raise TransportError(f"The session failed with {type(error).__name__}") from None
    status: object = getattr(response, "status_code", None)
    if not isinstance(status, int):
        raise TransportError("The session's response has no status")
    if getattr(response, "history", None):
        raise redirected(None)
    body, headers = _json(response), _headers(response)
    return HttpResponse(
        status=status,
        body=body,
        content_type=request.redacted(headers.get("content-type"), body) or "no content type",
        retry_after=parse_retry_after(headers.get("retry-after", ""), headers.get("date", ""), time.time()),
        is_empty=body is None and _is_empty(response, headers),
        has_challenge="www-authenticate" in headers,
        location=request.redacted(headers.get("location"), body),
    )


def _post(session: Session, request: Request, timeout: float) -> Response:
    options: dict[str, object] = {}
    if hasattr(session, "trust_env"):  # requests and httpx: neither ~/.netrc nor the session's own `auth` is used
        options["auth"] = _as_it_is
    if is_requests(session):  # follows redirects by default, and sends the form again
        options["allow_redirects"] = False
    elif hasattr(session, "follow_redirects"):  # httpx: follows redirects if its maker said so
        options["follow_redirects"] = False
    elif isinstance(own := getattr(session, "timeout", None), (int, float)):  # UrllibSession has a timeout of its own
        timeout = min(own, timeout)
    # The headers are a copy: a session may write into them.
    headers = {**_HEADERS, **request.headers}
    return session.post(request.url, data=request.form, headers=headers, timeout=timeout, **options)


def _as_it_is(request: object) -> object:
    """Take the place of an authentication that would replace ours: both requests and httpx call it."""
    return request


def _json(response: Response) -> object:
    try:
        return response.json()
    except Exception:  # whatever a session raises for a body that is not JSON
        content = _content(response)
    if isinstance(content, bytes) and content.startswith(BOM_UTF8):  # requests does not skip it
        with suppress(ValueError):
            return json_object(content.decode("utf-8-sig"))
    return None


def _is_empty(response: Response, headers: Mapping[str, str]) -> bool:
    content = _content(response)
    return content == b"" or (content is None and headers.get("content-length") == "0")


def _content(response: Response) -> object:
    try:
        return getattr(response, "content", None)
    except Exception:  # whatever a session raises for a body that it cannot read
        return ...


def _headers(response: Response) -> Mapping[str, str]:
    try:
        pairs: Iterable[tuple[object, object]] = getattr(response, "headers", {}).items()
        return {str(key).lower(): str(value).strip() for key, value in pairs}
    except Exception:  # whatever a session has for headers
        return {}
