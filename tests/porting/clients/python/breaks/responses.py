# SPDX-License-Identifier: MIT
"""Breaks in what a response means, and in what of it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TextIO
from urllib.parse import unquote

from ytmusic_oauth import _messages, _redaction, exceptions, protocol
from ytmusic_oauth._messages import HttpResponse, Request, raise_for_error
from ytmusic_oauth._output import write
from ytmusic_oauth._redaction import contains, redacted, sanitized
from ytmusic_oauth._retries import parse_retry_after
from ytmusic_oauth._validation import is_object
from ytmusic_oauth.exceptions import (
    ERROR_CLASSES,
    AuthorizationPending,
    OAuthError,
    ServerError,
    SlowDown,
)
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict
from ytmusic_oauth.protocol import (
    parse_device_authorization,
    parse_refresh,
    parse_revocation,
    parse_token,
    verification_link,
)

from .registry import constant, replaces

__all__: list[str] = []


as_word, secrets_in, secrets_of = _redaction._as_word, _messages._secrets_in, Request.secrets


def _with_defaults(response: HttpResponse, **defaults: object) -> HttpResponse:
    return response._replace(body={**defaults, **_fields(response)})


def _without(response: HttpResponse, key: str) -> HttpResponse:
    return response._replace(body={name: value for name, value in _fields(response).items() if name != key})


def _fields(response: HttpResponse) -> Mapping[str, object]:
    return response.body if is_object(response.body) else {}


# ---- parsing -------------------------------------------------------------------------------------


@replaces(
    parse_device_authorization,
    "a server that omits the interval is polled every second",
    caught_by="responses/device-authorization-*",
)
def _(request: Request, response: HttpResponse) -> AuthCodeDict:
    return parse_device_authorization(request, _with_defaults(response, interval=1))


@replaces(
    parse_device_authorization,
    "a server that follows RFC 8628 has no link",
    caught_by="responses/device-authorization-*",
)
def _(request: Request, response: HttpResponse) -> AuthCodeDict:
    return parse_device_authorization(request, _without(response, "verification_uri"))


@replaces(verification_link, "a user code that contains & leads to another link", caught_by="verification-links/*")
def _(code: AuthCodeDict) -> str:
    return unquote(verification_link(code))


@replaces(parse_refresh, "a token expires at once if the server omits expires_in", caught_by="responses/expires-in-*")
def _(request: Request, response: HttpResponse, *, sent: float) -> BaseTokenDict:
    return parse_refresh(request, _with_defaults(response, expires_in=1), sent=sent)


@replaces(parse_token, "a token is used for four seconds after it has expired", caught_by="responses/token-*")
def _(request: Request, response: HttpResponse, *, sent: float, scope: str) -> RefreshableTokenDict:
    return parse_token(request, response, sent=sent + 4, scope=scope)


@replaces(
    parse_refresh,
    "a rotated refresh token is dropped: the second refresh ends the login",
    caught_by="responses/refresh-*",
)
def _(request: Request, response: HttpResponse, *, sent: float) -> BaseTokenDict:
    return parse_refresh(request, _without(response, "refresh_token"), sent=sent)


@replaces(parse_revocation, "a failed revocation looks like a successful one", caught_by="error-responses/revocation-*")
def _(request: Request, response: HttpResponse) -> None:
    pass


@replaces(
    parse_token,
    "the caller does not learn that the server granted less than the requested scope",
    caught_by="responses/scope-*",
)
def _(request: Request, response: HttpResponse, *, sent: float, scope: str) -> RefreshableTokenDict:
    return parse_token(request, _without(response, "scope"), sent=sent, scope=scope)


@replaces(protocol._without_secrets, "a token is shown as a scope", caught_by="responses/scope-with-*")
def _(request: Request, body: Mapping[str, object]) -> Mapping[str, object]:
    return body


@replaces(contains, "other users of the machine can read the device code", caught_by="responses/verification-uri-*")
def _(text: str, *secrets: str) -> bool:
    return len(secrets) > 1 and contains(text, *secrets)


# ---- errors --------------------------------------------------------------------------------------


@replaces(raise_for_error, "a token in a 500 response is accepted", caught_by="error-responses/token-with-500")
def _(request: Request, response: HttpResponse) -> None:
    if "access_token" not in _fields(response):
        raise_for_error(request, response)


@replaces(
    raise_for_error,
    "only the status counts: a 200 response with an error is taken for a token",
    caught_by="error-responses/pending-with-200",
)
def _(request: Request, response: HttpResponse) -> None:
    if response.status != 200:
        raise_for_error(request, response)


@replaces(raise_for_error, "a redirect is reported as a malformed response", caught_by="error-responses/redirect-*")
def _(request: Request, response: HttpResponse) -> None:
    raise_for_error(request, response._replace(status=299) if 300 <= response.status < 400 else response)


@replaces(raise_for_error, "a 500 is permanent, not a transient failure", caught_by="error-responses/token-with-500")
def _(request: Request, response: HttpResponse) -> None:
    try:
        raise_for_error(request, response)
    except ServerError as error:
        error.retryable = error.retryable and response.status != 500
        raise


@replaces(raise_for_error, "a 429 is reported as a malformed response", caught_by="error-responses/rate-limit-*")
def _(request: Request, response: HttpResponse) -> None:
    raise_for_error(request, response._replace(status=420) if response.status == 429 else response)


@replaces(raise_for_error, "Google's quota errors are not understood", caught_by="error-responses/project-quota-*")
def _(request: Request, response: HttpResponse) -> None:
    raise_for_error(request, _without(response, "error_code"))


@replaces(
    raise_for_error,
    "the longer interval that GitHub sends with slow_down is ignored",
    caught_by="error-responses/slow-down-*",
)
def _(request: Request, response: HttpResponse) -> None:
    try:
        raise_for_error(request, response)
    except SlowDown as error:
        error.interval = None
        raise


def _classified(code: str, error: type[OAuthError], means: str, *, caught_by: str) -> None:
    classes = MappingProxyType({**ERROR_CLASSES, code: error})
    constant(exceptions, "ERROR_CLASSES", classes, means, caught_by=f"error-responses/{caught_by}")


_classified("invalid_grant", ServerError, "a login that has ended is one error among many", caught_by="login-*")
_classified("deleted_client", ServerError, "a client that was deleted is one error among many", caught_by="client-*")
_classified("slow_down", AuthorizationPending, "slow_down does not slow the polling down", caught_by="slow-down-*")
_classified(
    "authorization_declined", ServerError, "a login denied at Entra ID looks like a fault", caught_by="authorization-*"
)
_classified("bad_refresh_token", ServerError, "a login that ended at GitHub is tried again for ever", caught_by="bad-*")
_classified("disabled_client", ServerError, "a disabled client is one error among many", caught_by="client-disabled")


@replaces(
    _messages._without_code,
    "a wrong client is reported as a malformed response",
    caught_by="error-responses/unauthorized-*",
)
def _(request: Request, response: HttpResponse) -> type[OAuthError] | None:
    return None


constant(
    _messages,
    "_ANSWERS",
    MappingProxyType[str, frozenset[str]]({}),
    "a word of another endpoint ends a valid login",
    caught_by="error-responses/*-to-a-*",
)
constant(
    _messages,
    "_NOT_DONE",
    frozenset(range(500, 600)),
    "a refresh that a gateway lost is sent twice, and the login ends",
    caught_by="retries/*-to-a-refresh-is-not-retried",
)

_classified("access_denied", AuthorizationPending, "a denied login is polled to the end", caught_by="access-denied-*")


@replaces(
    parse_retry_after,
    "a Retry-After that is a date is measured by a clock that may be wrong",
    caught_by="error-responses/retry-after-date-*",
)
def _(value: str, date: str, now: float) -> float | None:
    return parse_retry_after(value, "", now)


@replaces(
    parse_retry_after, "a Retry-After in the past is a negative wait", caught_by="error-responses/retry-after-date-*"
)
def _(value: str, date: str, now: float) -> float | None:
    seconds = parse_retry_after(value, date, now)
    return -1.0 if seconds == 0 and not value.isdigit() else seconds


@replaces(parse_retry_after, "a Retry-After is ignored", caught_by="error-responses/retry-after-*")
def _(value: str, date: str, now: float) -> float | None:
    return None


# ---- what is shown -------------------------------------------------------------------------------


@replaces(redacted, "an error shows the secrets that the server quotes", caught_by="redaction/*")
def _(text: object, secrets: Iterable[str], public: Iterable[str] = ()) -> str | None:
    return redacted(text, (), public)


@replaces(redacted, "an error shows the secrets that a proxy quotes percent-encoded", caught_by="redaction/*")
def _(text: object, secrets: Iterable[str], public: Iterable[str] = ()) -> str | None:
    for secret in secrets:
        text = "[redacted]" if isinstance(text, str) and secret in text else text
    return redacted(text, (), public)


@replaces(
    redacted,
    "an error that is cut off ends with the beginning of a secret",
    caught_by="redaction/secret-across-the-length-limit",
)
def _(text: object, secrets: Iterable[str], public: Iterable[str] = ()) -> str | None:
    return redacted(text[:300] if isinstance(text, str) else text, secrets, public)


@replaces(
    _redaction._as_word,
    "a short secret is shown in capitals",
    caught_by="redaction/short-secret-in-any-case-wherever-it-is-a-word",
)
def _(secret: str) -> re.Pattern[str]:
    return re.compile(as_word(secret).pattern)


@replaces(
    _redaction._as_word,
    "a short secret hides parts of words with hyphens",
    caught_by="redaction/short-secret-in-any-case-wherever-it-is-a-word",
)
def _(secret: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(secret)}\b", re.IGNORECASE)


@replaces(_messages._secrets_in, "an error shows a token that came in an object", caught_by="redaction/token-as-an-*")
def _(body: object) -> Iterator[str]:
    if is_object(body):
        for key, value in body.items():
            yield from secrets_in({key: value} if isinstance(value, str) else value)
    else:
        yield from secrets_in(body)


constant(
    _messages,
    "_HIDDEN_KEY",
    r"(?i)(token|secret|password|assertion)$",
    "an error shows the device code that came with it",
    caught_by="redaction/device-code-of-the-response-itself",
)
constant(
    _redaction, "_LINE_BREAK", "(?!)", "a secret is shown where HTML breaks it", caught_by="redaction/*-broken-by-html"
)
_NO_UNICODE: Final = r"(?is)\\+(?:((?!))|x([0-9a-f]{2})|(.?))"
_NO_HEXADECIMAL: Final = r"(?is)\\+(?:u([0-9a-f]{4})|((?!))|(.?))"
_ESCAPES: Final = "redaction/secret-with-escapes-of-both-kinds"
constant(_redaction, "_ESCAPE", _NO_UNICODE, "a secret is shown as JSON escapes it", caught_by=_ESCAPES)
constant(_redaction, "_ESCAPE", _NO_HEXADECIMAL, "a secret is shown as programs escape it", caught_by=_ESCAPES)
constant(
    _redaction, "_MAX_SECRETS", 20, "twenty tokens in a response hide what is wrong", caught_by="redaction/forty-*"
)
constant(_redaction, "_MAX_SECRETS", 59, "the limit on secrets is another one", caught_by="redaction/fifty-one-secrets")
constant(
    _redaction, "_LINE_BREAK", "<br/?>", "a secret is shown where HTML may break it", caught_by="redaction/*-by-html"
)
constant(
    _redaction,
    "_CONTROL_ESCAPES",
    "nrt",
    "a secret is shown with escaped blanks in it",
    caught_by="redaction/secret-with-escaped-blanks",
)
constant(_redaction, "_MAX_LAYERS", 3, "an encoded text hides what is wrong", caught_by="redaction/nineteen-layers-*")
constant(
    _redaction, "_MAX_LAYERS", 300, "decoding a text takes as long as a server wants", caught_by="redaction/twenty-*"
)
_SECRET_KEY: Final = "(token|secret|password|assertion|device_?code)"
constant(
    _messages,
    "_HIDDEN_KEY",
    f"{_SECRET_KEY}$",
    "an error shows a token whose key is in camel case",
    caught_by="redaction/every-key-that-ends-like-a-secret",
)
constant(
    _messages,
    "_HIDDEN_KEY",
    f"(?i){_SECRET_KEY}",
    "the type of a token is hidden wherever it is a word",
    caught_by="redaction/keys-that-only-begin-like-a-secret",
)
constant(
    _messages,
    "_PUBLIC_WORDS",
    ("client_secret",),
    "a secret like refresh-token-83 hides what is wrong",
    caught_by="redaction/every-name-of-a-parameter-is-shown",
)


@replaces(
    _redaction._as_word,
    "a short secret hides parts of words in other languages",
    caught_by="redaction/short-secret-beside-letters-of-other-languages",
)
def _(secret: str) -> re.Pattern[str]:
    return re.compile(as_word(secret).pattern, re.IGNORECASE | re.ASCII)


@replaces(
    _redaction._solid,
    "a secret is shown where a blank that is not ASCII breaks it",
    caught_by="redaction/secret-between-blanks-of-all-kinds",
)
def _(text: str) -> str:
    return re.sub(r"(?a)\s", "", text.casefold())


@replaces(
    _redaction._runs,
    "a secret is shown with hyphens for its underscores",
    caught_by="redaction/secret-with-a-hyphen-for-an-underscore",
)
def _(solid: str) -> Iterator[str]:
    for form in (solid, re.sub(r"\W", "", solid)):
        yield from (form[start : start + 8] for start in range(len(form) - 7))


@replaces(
    secrets_of,
    "an error shows the client secret that a request did not send",
    caught_by="redaction/client-secret-that-was-not-sent",
)
def _(request: Request) -> Iterator[str]:
    yield from (each for each in secrets_of(request) if each != request.client_secret)


constant(_redaction, "RUN", 20, "an error shows a secret that was cut off", caught_by="redaction/secret-cut-off")
constant(
    _messages, "_PUBLIC_WORDS", (), "a secret like client-secret-83 hides what is wrong", caught_by="redaction/words-*"
)


@replaces(_messages._secrets_in, "an error shows the token that came with it", caught_by="redaction/token-*")
def _(body: object) -> Iterator[str]:
    yield from ()


@replaces(sanitized, "a server's text can send escape sequences to the terminal", caught_by="redaction/*")
def _(text: str) -> str:
    return text[:300]


@replaces(sanitized, "a server's text fills the screen", caught_by="redaction/*")
def _(text: str) -> str:
    return "".join(map(sanitized, text))


@replaces(write, "the user sees another code than the server sent: codes are case-sensitive", caught_by="wire/login-*")
def _(text: str, stream: TextIO, end: str = "\n") -> None:
    write(text if "://" in text else text.lower(), stream, end)


@replaces(write, "the user does not see where to enter the code", caught_by="wire/login-*")
def _(text: str, stream: TextIO, end: str = "\n") -> None:
    write("Go to the server's page" if "://" in text else text, stream, end)
