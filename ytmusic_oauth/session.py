# SPDX-License-Identifier: MIT
"""The seam to the network: what a session is, how one is asked and believed, and when to try again.

`transport.UrllibSession` is ours. A session that the caller brings (`requests`, `httpx`) brings its own habits: it is
asked not to follow redirects, and an answer that came over one all the same is not believed; its time-outs and the
size of what it reads are its own.

Opens nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeGuard, TypeVar

from ._messages import HttpResponse, Request, parse_retry_after, redacted, redirected
from .exceptions import OAuthError, TransportError

__all__ = ["TIMEOUT", "RequestsSession", "Response", "Session", "check_proxies", "is_requests", "send", "with_retries"]

# Seconds for a whole request.
TIMEOUT: Final = 30.0

# As ytmusicapi introduces itself.
_HEADERS: Final[Mapping[str, str]] = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:88.0) Gecko/20100101 Firefox/88.0 Cobalt/Version",
    "Accept": "application/json",
}


class Response(Protocol):
    """What a session answers with. Its `headers` are read if it has them."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    def json(self) -> object:
        """The decoded body. Raises `ValueError` if it is no JSON."""
        ...


class Session(Protocol):
    """What can send a form: `requests.Session` and `httpx.Client` fit as they are. Threads may call it at once.

    Those two are asked not to follow redirects. Any other must not, for the form holds secrets.
    """

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
        """Send `data` as a form and return the answer, whatever its status; raise if there is none."""
        ...


class RequestsSession(Session, Protocol):
    """One that has proxies of its own."""

    proxies: dict[str, str]


def is_requests(session: object) -> TypeGuard[RequestsSession]:
    """Tell by a method that no other session has; a wrapper that passes everything on has it, too."""
    return hasattr(session, "get_redirect_target")


def check_proxies(proxies: Mapping[str, str] | None) -> None:
    """Raise `ValueError` if that can never work; it does not quote the proxies, which may hold a password."""
    if proxies and (
        not hasattr(proxies, "values")
        or "https" not in proxies
        or not all(str(proxy).lower().startswith(("http://", "https://")) for proxy in proxies.values())
    ):
        raise ValueError("proxies must be a dictionary such as {'https': 'http://user:password@host:port'}; no SOCKS")


def send(session: Session, request: Request) -> HttpResponse:
    """Send a request once. Raises `TransportError`, or `MalformedResponse` where the answer is no bounded HTTP."""
    try:
        response = _post(session, request)
    except OAuthError:
        raise
    except Exception as error:  # a session's own: there is no class that they share
        # Its text may quote what was sent, or what came back.
        raise TransportError(f"The session failed with {type(error).__name__}") from None
    status: object = getattr(response, "status_code", None)
    if not isinstance(status, int):
        raise TransportError("The session's answer has no status")
    if getattr(response, "history", None):
        raise redirected(None)
    try:
        body = response.json()
    except Exception:  # whatever a session says to nonsense
        body = None
    headers = _headers(response)
    return HttpResponse(
        status=status,
        body=body,
        content_type=redacted(headers.get("content-type"), request) or "no content type",
        retry_after=parse_retry_after(headers.get("retry-after", ""), headers.get("date", ""), time.time()),
    )


def _post(session: Session, request: Request) -> Response:
    timeout, no_redirects = TIMEOUT, dict[str, bool]()
    if is_requests(session):  # it follows them, secrets and all, until told not to
        no_redirects["allow_redirects"] = False
    elif hasattr(session, "follow_redirects"):  # httpx, which can have been told to
        no_redirects["follow_redirects"] = False
    elif isinstance(own := getattr(session, "timeout", None), (int, float)):  # UrllibSession says its own
        timeout = own
    # The headers are a copy: a session may write into them.
    return session.post(request.url, data=request.form, headers=dict(_HEADERS), timeout=timeout, **no_redirects)


def _headers(response: Response) -> Mapping[str, str]:
    try:
        pairs: Iterable[tuple[object, object]] = getattr(response, "headers", {}).items()
        return {str(key).lower(): str(value).strip() for key, value in pairs}
    except Exception:  # whatever a session has for headers
        return {}


# ---- trying again --------------------------------------------------------------------------------

_T = TypeVar("_T")

TRIES: Final = 3
# Seconds before the second try; twice that before the third.
FIRST_WAIT: Final = 1.0
# Nobody waits longer than this without being told.
LONGEST_WAIT: Final = 10.0


def with_retries(
    ask: Callable[[], _T], *, repeatable: bool, sleep: Callable[[float], None], jitter: Callable[[], float]
) -> _T:
    """Ask up to three times where the server, or the way to it, is in passing trouble.

    What may have reached the server and got no answer is asked again only if it is `repeatable`. `jitter` answers a
    number from 0.9 to 1.1, so that a thousand clients that failed together do not come back together.
    """
    for tried in range(TRIES - 1):
        try:
            return ask()
        except OAuthError as error:
            pause = FIRST_WAIT * 2**tried * jitter() if error.retry_after is None else error.retry_after
            unsafe = isinstance(error, TransportError) and error.sent and not repeatable
            if not error.retryable or unsafe or pause > LONGEST_WAIT:
                raise
        sleep(pause)
    return ask()
