# SPDX-License-Identifier: MIT
"""What is said on the wire, in pairs: a function that builds a request, and one that reads its answer.

Pure: a `Request` goes to whoever can send it, an `HttpResponse` comes back, and a parser turns it into a complete dictionary
or raises what is wrong with it. Follows RFC 6749 (OAuth 2.0), RFC 8628 (device grant) and RFC 7009 (revocation); where
a real server does otherwise, the line that deals with it names the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from typing import Final, TypeVar

from . import _validation
from ._messages import HttpResponse, Request, malformed, raise_for_error
from ._validation import field, validate, visible_ascii
from .models import AuthCodeDict, BaseTokenDict, LinkedAuthCodeDict, RefreshableTokenDict

# fmt: off
__all__ = [
    "GOOGLE", "OAUTH_SCOPE", "YOUTUBE", "Endpoints", "device_authorization_request", "parse_device_authorization", "parse_refresh", "parse_revocation",
    "parse_token", "refresh_request", "revocation_request", "token_request", "verification_link",
]
# fmt: on

OAUTH_SCOPE: Final = "https://www.googleapis.com/auth/youtube"

# https to anywhere, http to this machine only; no user name, no fragment.
_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9])?"
_BYTE: Final = r"(25[0-5]|2[0-4]\d|1?\d?\d)"
_SAFE_URL: Final = re.compile(
    rf"(https://({_LABEL}(\.{_LABEL})*\.?|\[(?P<ipv6>[0-9a-f:.]+)\])|http://(localhost|127(\.{_BYTE}){{3}}|\[::1\]))"
    r"(:(?P<port>\d{1,5}))?([/?][!-\"$-~]*)?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class Endpoints:
    """Where an OAuth server listens, and in what it differs from RFC 8628. Raises `ValueError` on an unsafe URL."""

    device_code_url: str
    token_url: str
    revoke_url: str | None = None
    _: KW_ONLY
    device_grant: str = "urn:ietf:params:oauth:grant-type:device_code"
    device_code_parameter: str = "device_code"
    #: RFC 8628 3.1, RFC 7009 2.1: a confidential client shows its secret everywhere, not to the token endpoint exclusive.
    authenticate_everywhere: bool = True
    #: Whether a refresh may be sent twice. A server that rotates can take the second one for theft and end the login.
    rotates_refresh_tokens: bool = True

    def __post_init__(self) -> None:
        validate("device_code_url", self.device_code_url, _safe_url)
        validate("token_url", self.token_url, _safe_url)
        if self.revoke_url is not None:
            validate("revoke_url", self.revoke_url, _safe_url)


def _safe_url(value: object) -> str:
    parts = _SAFE_URL.fullmatch(_validation.text(value))
    with suppress(ValueError):
        if parts is not None and int(parts["port"] or "0") <= 65535:
            if parts["ipv6"]:
                from ipaddress import IPv6Address

                IPv6Address(parts["ipv6"])
            return _validation.text(value)
    raise ValueError("is neither an https URL nor one to this machine (http://localhost, 127.0.0.1 or [::1])")


#: What ytmusicapi uses, and so what is proven with YouTube Music.
YOUTUBE: Final = Endpoints(
    "https://www.youtube.com/o/oauth2/device/code",
    "https://oauth2.googleapis.com/token",
    "https://oauth2.googleapis.com/revoke",
    device_grant="http://oauth.net/grant_type/device/1.0",
    device_code_parameter="code",
    authenticate_everywhere=False,
    rotates_refresh_tokens=False,
)
#: What Google documents for "TVs and Limited Input devices".
GOOGLE: Final = Endpoints(
    "https://oauth2.googleapis.com/device/code",
    "https://oauth2.googleapis.com/token",
    "https://oauth2.googleapis.com/revoke",
    authenticate_everywhere=False,
    rotates_refresh_tokens=False,
)


# ---- a code for the user: RFC 8628 3.1, 3.2 ------------------------------------------------------


def device_authorization_request(endpoints: Endpoints, client_id: str, client_secret: str, scope: str) -> Request:
    """Ask for a code for the user."""
    form = {"client_id": client_id, "scope": scope}
    return Request(endpoints.device_code_url, _authenticated(endpoints, form, client_id, client_secret))


def parse_device_authorization(request: Request, answer: HttpResponse) -> AuthCodeDict:
    """Read it; a `LinkedAuthCodeDict` if the server sent a link with the code in it. Raises an `OAuthError`."""
    return _parse(request, answer, _code)


def _code(body: Mapping[str, object]) -> AuthCodeDict:
    # RFC 8628 says verification_uri, Google verification_url.
    link = "verification_uri" if body.get("verification_url") is None else "verification_url"
    code: AuthCodeDict = {
        "device_code": field(body, "device_code", visible_ascii),
        "user_code": field(body, "user_code", _validation.printable),
        "expires_in": field(body, "expires_in", _validation.wire_seconds),
        # RFC 8628 3.2: "If no value is provided, clients MUST use 5 as the default."
        "interval": field(body, "interval", _validation.wire_seconds, default=5),
        "verification_url": field(body, link, _validation.web_link),
    }
    if body.get("verification_uri_complete") is None:
        return code
    linked: LinkedAuthCodeDict = {
        **code,
        "verification_uri_complete": field(body, "verification_uri_complete", _validation.web_link),
    }
    return linked


def verification_link(code: AuthCodeDict) -> str:
    """Return the link on which the user confirms the code: the server's own with the code in it, or one made like it.

    Raises `ValueError` if that is no web link.
    """
    from urllib.parse import quote, urlencode

    page = field(code, "verification_url", _validation.web_link)
    if complete := field(code, "verification_uri_complete", _validation.text, default=""):
        return validate("verification_uri_complete", complete, _validation.web_link)
    page, hash_sign, fragment = page.partition("#")
    joint = "&" if "?" in page else "?"
    query = urlencode({"user_code": code["user_code"]}, quote_via=quote)  # a space as %20
    return f"{page}{joint}{query}{hash_sign}{fragment}"


# ---- a token for the code: RFC 8628 3.4, 3.5 -----------------------------------------------------


def token_request(endpoints: Endpoints, client_id: str, client_secret: str, device_code: str) -> Request:
    """Ask whether the user has confirmed."""
    form = {"client_id": client_id, "client_secret": client_secret, "grant_type": endpoints.device_grant}
    return Request(
        endpoints.token_url,
        {**form, endpoints.device_code_parameter: validate("device_code", device_code, visible_ascii)},
    )


def parse_token(request: Request, answer: HttpResponse, *, sent: float, scope: str) -> RefreshableTokenDict:
    """Read the token; `sent` is the time of the request (UNIX epoch), `scope` what was asked for.

    Raises an `OAuthError`: `AuthorizationPending` or `SlowDown` if there is none yet.
    """
    return _parse(request, answer, lambda body: _token(body, sent, scope))


# ---- a new access token: RFC 6749 6 --------------------------------------------------------------


def refresh_request(endpoints: Endpoints, client_id: str, client_secret: str, refresh_token: str) -> Request:
    """Ask for a new access token."""
    form = {"client_id": client_id, "client_secret": client_secret, "grant_type": "refresh_token"}
    return Request(
        endpoints.token_url, {**form, "refresh_token": validate("refresh_token", refresh_token, visible_ascii)}
    )


def parse_refresh(request: Request, answer: HttpResponse, *, sent: float) -> BaseTokenDict:
    """Read it, as `parse_token`; it is a whole `RefreshableTokenDict` if the server rotated the refresh token.

    An empty `scope` is the one that the token has already.
    """

    def token(body: Mapping[str, object]) -> BaseTokenDict:
        # RFC 6749 6: "if omitted is treated as equal to the scope originally granted", which only the token knows.
        return _access(body, "") if body.get("refresh_token") is None else _token(body, sent, "")

    return _parse(request, answer, token)


def _access(body: Mapping[str, object], scope: str) -> BaseTokenDict:
    return {
        "access_token": field(body, "access_token", visible_ascii),
        # RFC 6749 5.1 lets a server leave it out; an hour is what Google means.
        "expires_in": field(body, "expires_in", _validation.wire_seconds, default=3600),
        # RFC 6749 5.1: "OPTIONAL, if identical to the scope requested by the client".
        "scope": field(body, "scope", _validation.text, default=scope),
        "token_type": field(body, "token_type", _validation.bearer, default="Bearer"),
    }


def _token(body: Mapping[str, object], sent: float, scope: str) -> RefreshableTokenDict:
    access = _access(body, scope)
    refresh_token = field(body, "refresh_token", visible_ascii)
    return {**access, "expires_at": int(sent) + access["expires_in"], "refresh_token": refresh_token}


# ---- the end of a login: RFC 7009 ----------------------------------------------------------------


def revocation_request(endpoints: Endpoints, client_id: str, client_secret: str, token: str) -> Request:
    """Ask that a login ends. Raises `ValueError` if the server has no such endpoint."""
    if endpoints.revoke_url is None:
        raise ValueError("these endpoints have no revoke_url: the token can't be revoked from here")
    # No token_type_hint: there are servers that revoke nothing, with 200, when it is wrong.
    form = {"token": validate("token", token, visible_ascii)}
    return Request(endpoints.revoke_url, _authenticated(endpoints, form, client_id, client_secret))


def parse_revocation(request: Request, answer: HttpResponse) -> None:
    """RFC 7009 2.2: the status tells, whatever the body is; unless it is an error all the same."""
    raise_for_error(request, answer)


# ---- what they have in common --------------------------------------------------------------------


def _authenticated(endpoints: Endpoints, form: dict[str, str], client_id: str, client_secret: str) -> Mapping[str, str]:
    client = {"client_id": client_id, "client_secret": client_secret}
    return {**form, **client} if endpoints.authenticate_everywhere else form


_T = TypeVar("_T")


def _parse(request: Request, answer: HttpResponse, build: Callable[[Mapping[str, object]], _T]) -> _T:
    raise_for_error(request, answer)
    if not _validation.is_object(answer.body):
        raise malformed(answer, "is not a JSON object")
    try:
        return build(answer.body)
    except _validation.FieldError as error:
        raise malformed(answer, f"is wrong: {error}", error.key) from None
