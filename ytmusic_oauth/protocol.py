# SPDX-License-Identifier: MIT
"""The wire protocol, in pairs: a function that builds each request, and one that parses its response.

Pure: the caller sends the `Request`, and the parser turns the `HttpResponse` into a complete dictionary or raises an
`OAuthError`. Follows RFC 6749 (OAuth 2.0), RFC 8628 (device grant) and RFC 7009 (revocation). Where a real server
deviates, the line that handles it says so, mostly with the server's name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, TypeVar

from . import _validation as valid
from ._expiry import ASSUMED_LIFETIME
from ._messages import MAX_INTERVAL, HttpResponse, Kind, Request, malformed, raise_for_error
from ._redaction import contains
from ._validation import FieldError, field, is_object, optional, validate
from .models import AuthCodeDict, BaseTokenDict, ClientAuthentication, LinkedAuthCodeDict, RefreshableTokenDict

if sys.version_info >= (3, 10):
    from dataclasses import KW_ONLY

# fmt: off
__all__ = [
    "GOOGLE", "OAUTH_SCOPE", "YOUTUBE", "Endpoints", "HttpResponse", "Request", "device_authorization_request",
    "parse_device_authorization", "parse_login_end", "parse_refresh", "parse_revocation", "parse_token",
    "refresh_request", "revocation_request", "token_request", "verification_link",
]
# fmt: on

OAUTH_SCOPE: Final = "https://www.googleapis.com/auth/youtube"
"""The scope that YouTube Music needs."""


# Seconds that a device code is valid, if the server does not say. RFC 8628 3.2 requires it to.
_ASSUMED_CODE_LIFETIME: Final = 900
# Seconds between polls if the server names no interval (RFC 8628 3.2), or one that leaves no time to confirm.
_INTERVAL: Final = 5


@dataclass(frozen=True)
class Endpoints:
    """The URLs of an OAuth server, how a client authenticates there, and how it deviates from RFC 8628.

    Raises `ValueError` for a URL that is neither https nor http to this machine, and for another invalid value.
    """

    device_code_url: str
    """The device authorization endpoint (RFC 8628 3.1)."""
    token_url: str
    """The token endpoint (RFC 6749 3.2)."""
    revoke_url: str | None = None
    """The revocation endpoint (RFC 7009 2), if there is one."""
    if sys.version_info >= (3, 10):  # before Python 3.10, these may be given by position, too
        _: KW_ONLY
    client_authentication: ClientAuthentication = "post"
    """How the client authenticates (RFC 6749 2.3).

    "post" sends the secret in the form (`client_secret_post`), "basic" by HTTP Basic (`client_secret_basic`), and
    "none" sends no secret (a public client).
    """
    device_grant: str = "urn:ietf:params:oauth:grant-type:device_code"
    """The `grant_type` of a token request."""
    device_code_parameter: str = "device_code"
    """The name of the device code in a token request."""
    authenticate_everywhere: bool = True
    """Whether the client authenticates everywhere, not only at the token endpoint (RFC 8628 3.1, RFC 7009 2.1)."""
    rotates_refresh_tokens: bool = True
    """Whether a refresh may return a new refresh token and invalidate the old one.

    Such a server may take a second use of the old one for token theft and revoke the login. So a call does not send it
    again if its response was lost; a later call does, because there is no other.
    """
    is_google: bool = False
    """Whether it is Google's server. Then errors come with Google's advice, and YouTube's scope is the default."""

    def __post_init__(self) -> None:
        validate("device_code_url", self.device_code_url, valid.safe_url)
        validate("token_url", self.token_url, valid.safe_url)
        if self.revoke_url is not None:
            validate("revoke_url", self.revoke_url, valid.safe_url)
        validate("client_authentication", self.client_authentication, valid.client_authentication)
        validate("device_grant", self.device_grant, valid.printable)
        validate("device_code_parameter", self.device_code_parameter, valid.printable)
        for name in ("authenticate_everywhere", "rotates_refresh_tokens", "is_google"):
            validate(name, getattr(self, name), valid.boolean)

    def __repr__(self) -> str:
        # `help()` shows defaults by `repr`; all the values would bury the other parameters.
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return {YOUTUBE: "YOUTUBE", GOOGLE: "GOOGLE"}.get(self, f"{type(self).__name__}({values})")


GOOGLE: Final = Endpoints(
    "https://oauth2.googleapis.com/device/code",
    "https://oauth2.googleapis.com/token",
    "https://oauth2.googleapis.com/revoke",
    authenticate_everywhere=False,
    rotates_refresh_tokens=False,
    is_google=True,
)
"""The endpoints that Google documents for "TVs and Limited Input devices"."""
YOUTUBE: Final = replace(
    GOOGLE,
    device_code_url="https://www.youtube.com/o/oauth2/device/code",
    device_grant="http://oauth.net/grant_type/device/1.0",
    device_code_parameter="code",
)
"""The endpoints that ytmusicapi uses, proven with YouTube Music."""


# ---- device authorization: RFC 8628 3.1, 3.2 -----------------------------------------------------


def device_authorization_request(
    endpoints: Endpoints,
    client_id: str,
    client_secret: str,
    scope: str,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> Request:
    """Build a device authorization request. `parameters` are the server's own; they replace no standard one."""
    validate("parameters", parameters, valid.extra_parameters)
    form = {**parameters, "client_id": client_id, **({"scope": scope} if scope else {})}
    return _request(endpoints, "device code", endpoints.device_code_url, form, (client_id, client_secret))


def parse_device_authorization(request: Request, response: HttpResponse) -> AuthCodeDict:
    """Parse the response; a `LinkedAuthCodeDict` if it has `verification_uri_complete`. Raises an `OAuthError`."""
    return _parse(request, response, _codes)


def _codes(body: Mapping[str, object]) -> AuthCodeDict:
    # RFC 8628 says verification_uri, Google verification_url. The first valid one counts.
    sent = [name for name in ("verification_url", "verification_uri") if body.get(name) is not None]
    link = next((name for name in sent if optional(body, name, valid.web_link, None)), ["verification_uri", *sent][-1])
    expires_in = optional(body, "expires_in", valid.wire_seconds, _ASSUMED_CODE_LIFETIME)
    interval = optional(body, "interval", valid.wire_seconds, _INTERVAL)
    code: AuthCodeDict = {
        "device_code": field(body, "device_code", valid.secret),
        "user_code": field(body, "user_code", valid.user_code),
        "expires_in": expires_in,
        "interval": interval if interval <= min(MAX_INTERVAL, expires_in / 2) else _INTERVAL,
        "verification_url": field(body, link, valid.web_link),
    }
    # A link with the device code is not used: it becomes part of a browser's command line, which `ps` shows to all.
    complete = optional(body, "verification_uri_complete", valid.web_link, None)
    if complete and not contains(complete, code["device_code"]):
        linked: LinkedAuthCodeDict = {**code, "verification_uri_complete": complete}
        return linked
    return code


def verification_link(code: AuthCodeDict) -> str:
    """Return the link with the code: `verification_uri_complete`, or else `verification_url` with `user_code` added.

    Raises `ValueError` if that is not a web link.
    """
    from urllib.parse import quote, urlencode

    page = field(code, "verification_url", valid.web_link)
    if complete := field(code, "verification_uri_complete", valid.text, default=""):
        return validate("verification_uri_complete", complete, valid.web_link)
    page, hash_sign, fragment = page.partition("#")
    separator = "&" if "?" in page else "?"
    query = urlencode({"user_code": code["user_code"]}, quote_via=quote)  # a space as %20
    return f"{page}{separator}{query}{hash_sign}{fragment}"


# ---- token: RFC 8628 3.4, 3.5 --------------------------------------------------------------------


def token_request(endpoints: Endpoints, client_id: str, client_secret: str, device_code: str) -> Request:
    """Build a device access token request: the poll."""
    form = {
        "grant_type": endpoints.device_grant,
        endpoints.device_code_parameter: validate("device_code", device_code, valid.secret),
    }
    return _request(endpoints, "device grant", endpoints.token_url, form, (client_id, client_secret))


def parse_token(request: Request, response: HttpResponse, *, sent: float, scope: str) -> RefreshableTokenDict:
    """Parse the response. `sent` is when the request was made (UNIX time); `scope` is the scope requested.

    The refresh token is empty if the server gave none. Raises an `OAuthError`: `AuthorizationPending` or `SlowDown`
    while the user has not responded.
    """

    def build(body: Mapping[str, object]) -> RefreshableTokenDict:
        has_one = body.get("refresh_token") not in (None, "")
        return _token(body, scope, sent, field(body, "refresh_token", valid.secret) if has_one else "")

    return _parse(request, response, build)


def parse_login_end(response: HttpResponse, *, sent: float) -> int | None:
    """Return when the server will end the login (UNIX time), or None if it does not say.

    Google's `refresh_token_expires_in` says so while the consent screen of the OAuth app is in "Testing".
    """
    body: Mapping[str, object] = response.body if is_object(response.body) else {}
    seconds = optional(body, "refresh_token_expires_in", valid.wire_seconds, None)
    return int(sent) + seconds if seconds else None


# ---- refresh: RFC 6749 6 -------------------------------------------------------------------------


def refresh_request(endpoints: Endpoints, client_id: str, client_secret: str, refresh_token: str) -> Request:
    """Build a refresh request."""
    form = {"grant_type": "refresh_token", "refresh_token": validate("refresh_token", refresh_token, valid.secret)}
    return _request(endpoints, "refresh", endpoints.token_url, form, (client_id, client_secret))


def parse_refresh(request: Request, response: HttpResponse, *, sent: float) -> BaseTokenDict:
    """Parse the response; a `RefreshableTokenDict` if the server rotated the refresh token.

    `sent` is when the request was made (UNIX time). An empty `scope` means that the scope is unchanged. Raises an
    `OAuthError`; a `MalformedResponse` has the new refresh token, if a valid one came in a 200 without `error`.
    """

    def build(body: Mapping[str, object]) -> BaseTokenDict:
        # RFC 6749 6: "if omitted is treated as equal to the scope originally granted", which only the token knows.
        refresh_token = optional(body, "refresh_token", valid.secret, None)
        return _token(body, "", sent, refresh_token) if refresh_token else _access(body, "")

    return _parse(request, response, build)


def _access(body: Mapping[str, object], scope: str) -> BaseTokenDict:
    return {
        "access_token": field(body, "access_token", valid.visible_ascii),
        "expires_in": optional(body, "expires_in", valid.wire_seconds, ASSUMED_LIFETIME),
        # RFC 6749 5.1: "OPTIONAL, if identical to the scope requested by the client".
        "scope": optional(body, "scope", valid.wire_scope, scope),
        # RFC 6749 7.1: "The client MUST NOT use an access token if it does not understand the token type."
        "token_type": field(body, "token_type", valid.bearer, default="Bearer"),
    }


def _token(body: Mapping[str, object], scope: str, sent: float, refresh_token: str) -> RefreshableTokenDict:
    access = _access(body, scope)
    return {**access, "expires_at": int(sent) + access["expires_in"], "refresh_token": refresh_token}


# ---- revocation: RFC 7009 ------------------------------------------------------------------------


def revocation_request(endpoints: Endpoints, client_id: str, client_secret: str, token: str) -> Request:
    """Build a revocation request. Raises `ValueError` if the server has no such endpoint."""
    if endpoints.revoke_url is None:
        raise ValueError("these endpoints have no revoke_url, so the token cannot be revoked")
    # No token_type_hint: some servers revoke nothing, with 200, if it is wrong.
    form = {"token": validate("token", token, valid.secret)}
    return _request(endpoints, "revocation", endpoints.revoke_url, form, (client_id, client_secret))


def parse_revocation(request: Request, response: HttpResponse) -> None:
    """Check the response. Raises an `OAuthError`."""
    raise_for_error(request, response)


# ---- shared --------------------------------------------------------------------------------------


def _request(endpoints: Endpoints, kind: Kind, url: str, form: Mapping[str, str], client: tuple[str, str]) -> Request:
    """Add the client's authentication. RFC 6749 2.3: "MUST NOT use more than one authentication method"."""
    authenticates = endpoints.authenticate_everywhere or kind in {"device grant", "refresh"}
    is_basic = authenticates and endpoints.client_authentication == "basic"
    if authenticates and not is_basic:
        form = {**form, "client_id": client[0]}
        if endpoints.client_authentication == "post":
            form["client_secret"] = client[1]
    return Request(url, form, client if is_basic else None, kind, endpoints.is_google, client[1])


def _without_secrets(request: Request, body: Mapping[str, object]) -> Mapping[str, object]:
    """Omit a scope that has a secret in it: a scope is shown."""
    scope = optional(body, "scope", valid.wire_scope, "")
    return {**body, "scope": None} if request.is_secret_in(scope, body) else body


_T = TypeVar("_T")


def _parse(request: Request, response: HttpResponse, build: Callable[[Mapping[str, object]], _T]) -> _T:
    raise_for_error(request, response)
    if not is_object(response.body):
        raise malformed(response, "is empty" if response.is_empty else response.problem)
    try:
        return build(_without_secrets(request, response.body))
    except FieldError as error:
        invalid, body = error, response.body
    kind = str(body.get(invalid.key)) if invalid.key == "token_type" else ""
    shown = request.redacted(kind, body) if kind.isalpha() else None  # otherwise, it may be a token
    problem = malformed(response, f"is invalid: {invalid}" + (f', but "{shown}"' if shown else ""), invalid.key)
    problem.refresh_token = optional(body, "refresh_token", valid.secret, None)
    raise problem
