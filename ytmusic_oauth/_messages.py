# SPDX-License-Identifier: MIT
"""Requests and responses as values, and the error that a response means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from ._redaction import RUN, contains, redacted
from ._validation import is_array, is_object, optional, wire_seconds
from .exceptions import (
    ERROR_CLASSES,
    BadOAuthClient,
    InvalidGrant,
    MalformedResponse,
    OAuthError,
    RateLimited,
    ServerError,
    SlowDown,
    TransportError,
    UnauthorizedOAuthClient,
)

#: What a request asks for. "": unknown.
Kind = Literal["device code", "device grant", "refresh", "revocation", ""]

# Fields of a form that are not secret.
_PUBLIC_FIELDS: Final = frozenset({"client_id", "scope", "grant_type", "audience", "resource", "response_type"})
# Parameter names that error texts often quote. They may be shown even if a secret contains them, as `client-secret-...`
# does.
_PUBLIC_WORDS: Final = ("client_secret", "client_assertion", "device_code", "refresh_token", "access_token")
# The keys of a response whose values are secret.
_HIDDEN_KEY: Final = r"(?i)(token|secret|password|assertion|device_?code)$"


class Request(NamedTuple):
    """A form to be sent by POST. The form and the headers hold secrets, so `repr` omits them."""

    url: str
    """The endpoint."""
    form: Mapping[str, str]
    """The fields of the form."""
    basic: tuple[str, str] | None = None
    """The client id and secret to be sent by HTTP Basic."""
    kind: Kind = ""
    """What it asks for."""
    is_google: bool = False
    """Whether it goes to Google."""
    client_secret: str = ""
    """Not to be shown, even if it is not sent."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields that this request needs."""
        if self.basic is None:
            return {}
        from base64 import b64encode
        from urllib.parse import quote_plus

        # RFC 6749 2.3.1: both are form-encoded before they become a user name and a password.
        user_password = ":".join(map(quote_plus, self.basic))
        return {"Authorization": f"Basic {b64encode(user_password.encode()).decode()}"}

    def secrets(self) -> Iterator[str]:
        """Return what must not be shown, should the server repeat it."""
        yield from (self.client_secret, *(value for key, value in self.form.items() if key not in _PUBLIC_FIELDS))
        if self.basic is not None:
            yield self.headers["Authorization"].partition(" ")[2]

    def redacted(self, text: object, body: object = None) -> str | None:
        """Return what may be shown of a server's text: no secret of this request, and none of the response's body."""
        public = [value for key, value in self.form.items() if key in _PUBLIC_FIELDS]
        return redacted(text, [*self.secrets(), *_secrets_in(body)], [*_PUBLIC_WORDS, *public])

    def is_secret_in(self, text: str, body: object) -> bool:
        """Whether a text has a whole secret of this request or of the response's body. Short ones do not count."""
        return contains(text, *(each for each in (*self.secrets(), *_secrets_in(body)) if len(each) >= RUN))

    def __repr__(self) -> str:
        return f"Request(url={self.url!r})"


def _secrets_in(body: object) -> Iterator[str]:
    # Not recursive: a session of the caller's may have decoded a body of any depth.
    rest = [(False, body)]
    while rest:
        is_secret, value = rest.pop()
        if isinstance(value, str) and is_secret:
            yield value
        elif is_object(value):
            rest += [(is_secret or bool(re.search(_HIDDEN_KEY, key)), each) for key, each in value.items()]
        elif is_array(value):
            rest += [(is_secret, each) for each in value]


class HttpResponse(NamedTuple):
    """A response. `body` is decoded JSON, or None if it was not JSON. It may be secret, so `repr` omits it."""

    status: int
    """The status code."""
    body: object
    """The decoded JSON."""
    content_type: str = ""
    """The media type."""
    retry_after: float | None = None
    """The seconds that the server asked to wait."""
    is_empty: bool = False
    """Whether the body is empty."""
    has_challenge: bool = False
    """Whether it asks the client to authenticate: it has a WWW-Authenticate header."""
    location: str | None = None
    """Where a redirect leads, redacted."""
    problem: str = "is not a JSON object"
    """Why `body` is not an object."""

    def __repr__(self) -> str:
        return f"HttpResponse(status={self.status}, content_type={self.content_type!r}, retry_after={self.retry_after})"


def only_status_matters(status: int) -> bool:
    """Whether a status means a transient failure, unless the body has a known error code."""
    return status == 408 or status >= 500


# ---- errors --------------------------------------------------------------------------------------

# OAuth error codes that mean a transient failure of the server (RFC 6749 4.1.2.1; the last one is Google's).
_TRANSIENT_CODES: Final = frozenset({"server_error", "temporarily_unavailable", "internal_failure"})
# Statuses of the server itself, which most likely did not act on the request. Any other 5xx, such as 502, 504 and
# Cloudflare's 520 to 524, comes from a gateway, and the server behind it may have acted.
_NOT_DONE: Final = frozenset({500, 501, 503})
# Seconds. A longer interval would end the login unconfirmed.
MAX_INTERVAL: Final = 300

# Error code -> the kinds of request to which it is a response. In a response to any other, its meaning is unknown.
_ANSWERS: Final[Mapping[str, Sequence[Kind]]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "authorization_pending", "slow_down", "access_denied", "authorization_declined", "expired_token",
                "code_expired", "token_expired", "bad_verification_code", "incorrect_device_code",
                "invalid device code",
            ),
            ("device grant",),
        ),
        **dict.fromkeys(
            (
                "bad_refresh_token", "interaction_required", "consent_required", "login_required",
                "Invalid refresh token",
            ),
            ("refresh",),
        ),
        "invalid_grant": ("device grant", "refresh"),
    }
)  # fmt: skip

_NOT_FOR_DEVICES: Final = (
    "The server does not let this OAuth client log in with a device code",
    "Enable the device authorization grant for this client. If the client is public, send no client secret.",
)
# The problem and the advice, where they depend on the kind of request and not on the class alone.
_WORDS: Final[Mapping[tuple[Kind, type[OAuthError]], tuple[str, str]]] = MappingProxyType(
    {
        ("device code", UnauthorizedOAuthClient): _NOT_FOR_DEVICES,
        ("device grant", UnauthorizedOAuthClient): _NOT_FOR_DEVICES,
        ("device grant", InvalidGrant): (
            "The server does not know this device code, or it was already used",
            "Log in again to get a new code.",
        ),
    }
)
# The advice for the errors of Google's servers.
_GOOGLE_ADVICE: Final[Mapping[type[OAuthError], str]] = MappingProxyType(
    {
        InvalidGrant: (
            "Log in again. Google ends a login when the user revokes it, after 6 months without use, and after 7 days "
            'while the consent screen of the OAuth app is in "Testing".'
        ),
        BadOAuthClient: (
            'Check the client id and secret, that the client is of the type "TVs and Limited Input devices", and that '
            "the YouTube Data API is enabled in its project."
        ),
    }
)


def raise_for_error(request: Request, response: HttpResponse) -> None:
    """Raise the error that a response means.

    Success is status 200 without an error; for a revocation, any 2xx. A token in a 500 is not accepted.
    """
    status = response.status
    body: Mapping[str, object] = response.body if is_object(response.body) else {}
    if 300 <= status < 400:
        raise redirected(status, response.location)
    code, message = body.get("error"), body.get("message")
    if is_object(code) and isinstance(code.get("status"), str):  # Google's gateways
        message, code = code.get("message"), code["status"]
    # RFC 7009 2.2: a revocation is confirmed by the status alone. Some servers send 204.
    if code is None and (status // 100 == 2 if request.kind == "revocation" else status == 200):
        return
    # Google's quota errors have `error_code`. Twitch sends a `message`.
    names = [each for each in (code, body.get("error_code")) if isinstance(each, str)] or [""]
    known = (each for each in (*names, message) if isinstance(each, str) and each in ERROR_CLASSES)
    name = next(known, names[0])
    is_transient = only_status_matters(status) or name in _TRANSIENT_CODES
    error_class: type[OAuthError] | None
    if name in ERROR_CLASSES and request.kind in {"", *_ANSWERS.get(name, {request.kind})}:
        error_class = ERROR_CLASSES[name]
    elif status == 429:
        error_class = RateLimited
    elif is_transient or name:
        error_class = ServerError
    else:
        error_class = None if code is not None else _without_code(request, response)
    if error_class is None:
        raise malformed(response, "is neither a success nor an OAuth error", None if code is None else "error")
    problem, advice = _WORDS.get((request.kind, error_class), ("", ""))
    if request.is_google:
        # Google's advice replaces ours, also for a client of the wrong type.
        wrong_type = BadOAuthClient if advice == _NOT_FOR_DEVICES[1] else None
        advice = _GOOGLE_ADVICE[wrong_type] if wrong_type else advice or _GOOGLE_ADVICE.get(error_class, "")
    if name == "invalid_scope":
        advice = "Pass the scope that the server expects: scope=, or --scope on the command line."
    # Twitch's message served as the code: do not show it twice.
    explanation = None if message == name else message
    error = error_class(
        problem,
        error=request.redacted(name, body),
        error_description=request.redacted(body.get("error_description") or explanation, body),
        error_uri=request.redacted(body.get("error_uri"), body),
        status=status,
        retry_after=response.retry_after,
        retryable=is_transient if error_class is ServerError else None,
        advice=advice,
    )
    if error_class is ServerError and request.kind == "refresh":
        error.lost = only_status_matters(status) and status not in _NOT_DONE
    if isinstance(error, SlowDown):
        interval = optional(body, "interval", wire_seconds, 0)
        error.interval = interval if 0 < interval <= MAX_INTERVAL else None
    raise error


def _without_code(request: Request, response: HttpResponse) -> type[OAuthError] | None:
    """Return what a response without an error code means."""
    if request.is_google:  # Google always sends a code, so something else responded
        return None
    if response.status == 401 and (response.has_challenge or response.is_empty or response.body is not None):
        return BadOAuthClient
    if response.status == 400 and response.is_empty and request.kind == "refresh":  # glewlwyd
        return InvalidGrant
    return None


def redirected(status: int | None, location: str | None = None) -> TransportError:
    """Return the error for a redirect."""
    target = f" to <{location}>" if location else ""
    problem = f"The server sent a redirect{target}, which is never followed with secrets"
    return TransportError(problem, status=status, retryable=False, reason="redirect")


def malformed(response: HttpResponse, problem: str, key: str | None = None) -> MalformedResponse:
    """Return the error for a response that has this problem. It names the status and the content type."""
    content_type = f", {response.content_type}" if response.content_type else ""
    body: Mapping[str, object] = response.body if is_object(response.body) else {}
    return MalformedResponse(
        f"The response (HTTP {response.status}{content_type}) {problem}",
        key=key,
        status=response.status,
        has_token=any(body.get(token) is not None for token in ("access_token", "refresh_token")),
    )
