# SPDX-License-Identifier: MIT
"""A request and its answer as values, what an answer means that is no success, and what of it may be shown.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from . import _validation
from .exceptions import ERROR_CLASSES, MalformedResponse, RateLimited, ServerError, SlowDown, TransportError

__all__ = [
    "HttpResponse",
    "Request",
    "malformed",
    "parse_retry_after",
    "raise_for_error",
    "redacted",
    "redirected",
    "sanitized",
]

# Passing troubles of a server that come with an OAuth error code (RFC 6749 4.1.2.1; the last one is Google's).
_PASSING_ERRORS: Final = frozenset({"server_error", "temporarily_unavailable", "internal_failure"})
# Characters. A sentence has a hundred.
_LONGEST_TEXT: Final = 4000
# Fields of a form that are no secret.
_PUBLIC: Final = frozenset({"client_id", "scope", "grant_type"})


class Request(NamedTuple):
    """A form to be sent by POST. The form holds secrets and is not shown."""

    url: str
    form: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Request(url={self.url!r})"


class HttpResponse(NamedTuple):
    """What came back. `body` is decoded JSON, or None where it was none; it may be secret and is not shown."""

    status: int
    body: object
    content_type: str = ""
    retry_after: float | None = None

    def __repr__(self) -> str:
        return f"HttpResponse(status={self.status}, content_type={self.content_type!r}, retry_after={self.retry_after})"


def raise_for_error(request: Request, answer: HttpResponse) -> None:
    """Raise what a refusal means. A success is status 200 and no error: a token inside a 500 is none."""
    status = answer.status
    body: Mapping[str, object] = answer.body if _validation.is_object(answer.body) else {}
    if 300 <= status < 400:
        raise redirected(status)
    code = body.get("error")
    if status == 200 and code is None:
        return
    if code is None:  # Google's quota errors are {"error_code": "rate_limit_exceeded"}
        code = body.get("error_code")
    name = code if isinstance(code, str) else ""  # Google's gateways put an object there
    passing = status == 408 or status >= 500 or name in _PASSING_ERRORS
    kind = ERROR_CLASSES.get(name, RateLimited if status == 429 else ServerError if passing or name else None)
    if kind is None:
        raise malformed(answer, "is neither a success nor an OAuth error", None if code is None else "error")
    refusal = kind(
        error=redacted(name, request),
        error_description=redacted(body.get("error_description"), request),
        status=status,
        retry_after=answer.retry_after,
        retryable=passing if kind is ServerError else None,
    )
    if isinstance(refusal, SlowDown):
        with suppress(_validation.FieldError):
            refusal.interval = _validation.field(body, "interval", _validation.wire_seconds)
    raise refusal


def redirected(status: int | None) -> TransportError:
    """Make the error for a redirect, followed by somebody or not."""
    return TransportError("The server redirects, and secrets do not follow", status=status, retryable=False)


def malformed(answer: HttpResponse, problem: str, key: str | None = None) -> MalformedResponse:
    """Make the error for an answer, known by its status and type, that has a problem."""
    kind = f", {answer.content_type}" if answer.content_type else ""
    return MalformedResponse(f"The answer (HTTP {answer.status}{kind}) {problem}", key=key, status=answer.status)


def parse_retry_after(value: str, date: str, now: float) -> float | None:
    """Read a Retry-After header (RFC 9110 10.2.3) as seconds.

    A date counts from the answer's own Date header, or else from `now` (UNIX epoch), which a wrong clock may tell.
    """
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    until, since = _parse_date(value), _parse_date(date)
    return None if until is None else max(0.0, until - (now if since is None else since))


def _parse_date(value: str) -> float | None:
    if not value:
        return None
    from email.utils import mktime_tz, parsedate_tz

    try:
        date = parsedate_tz(value)
        return None if date is None else mktime_tz(date)
    except (ValueError, OverflowError):
        return None


def sanitized(said: str) -> str:
    """Make a stranger's text fit for a terminal: one line, not long, nothing that drives it."""
    return "".join(character if character.isprintable() else " " for character in said)[:300]


def redacted(said: object, request: Request) -> str | None:
    """Make it fit for an error: without the secrets of the request, plain or percent-encoded.

    None if it is no text, or so long that to search it would take long.
    """
    if not isinstance(said, str) or not 0 < len(said) <= _LONGEST_TEXT:
        return None
    secrets = [value for key, value in request.form.items() if key not in _PUBLIC and len(value) <= len(said)]
    for secret in sorted(secrets, key=len, reverse=True):  # one may be a part of another
        spellings = (f"(?:{re.escape(character)}|%{ord(character):02x})" for character in secret)
        said = re.sub("".join(spellings), "[redacted]", said, flags=re.IGNORECASE)
    return sanitized(said)
