# SPDX-License-Identifier: MIT
"""An OAuth client: sends the requests of `protocol` over a `session`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from . import protocol
from ._messages import HttpResponse, Request
from ._retries import TIMEOUT, TRIES, with_retries
from ._single_flight import NO_FORK
from ._validation import client_name, credential, extra_parameters, field, printable, validate
from .models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict
from .protocol import OAUTH_SCOPE, YOUTUBE, Endpoints
from .session import Session, check_proxies, check_session, is_requests, send

if TYPE_CHECKING:
    from .device import DevicePoll

__all__ = ["Credentials", "OAuthCredentials"]

_T = TypeVar("_T")


@dataclass(repr=False)
class Credentials(ABC):
    """Base class representation of YouTubeMusicAPI OAuth Credentials."""

    client_id: str
    """The id of the OAuth client."""
    client_secret: str
    """Its secret; empty if it is a public client."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(client_id={self.client_id!r}, client_secret='[redacted]')"

    @abstractmethod
    def get_code(self) -> AuthCodeDict:
        """Method for obtaining a new user auth code. First step of token creation."""

    @abstractmethod
    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        """Method for verifying user auth code and conversion into a RefreshableTokenDict."""

    @abstractmethod
    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        """Method for requesting a new access token for a given `refresh_token`.

        Token must have been created by the same OAuth client.
        """


class OAuthCredentials(Credentials):
    """An OAuth client of the type "TVs and Limited Input devices", or one of any RFC 8628 server.

    `session` sends the requests (see `session.Session`); by default, a `UrllibSession` with `proxies`. `scope` is what
    a login asks for: by default, YouTube's at Google's endpoints, and none elsewhere. `parameters` are the server's own
    parameters of a device authorization request, such as `audience` or `resource`. Only a public client, one whose
    endpoints have `client_authentication="none"`, has no secret. Instances are thread-safe. The constructor
    raises `ValueError` or `TypeError` for an argument that can never work.

    Every method makes a request and may raise `TransportError`, `RateLimited`, `ServerError`, `BadOAuthClient`,
    `UnauthorizedOAuthClient` and `MalformedResponse`; each lists what else it raises. Methods raise `ValueError`
    for an argument that can never work.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | None = None,
        session: Session | None = None,
        proxies: dict[str, str] | None = None,
        *,
        endpoints: Endpoints = YOUTUBE,
        scope: str | None = None,
        parameters: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        if not hasattr(endpoints, "device_code_url"):
            raise TypeError("endpoints must be Endpoints")
        validate("client_id", client_id, client_name)
        if client_secret or endpoints.client_authentication != "none":
            field({"client_secret": client_secret}, "client_secret", credential)
        super().__init__(client_id, client_secret or "")
        self.endpoints = endpoints
        """The server."""
        if scope is None:
            scope = OAUTH_SCOPE if endpoints.is_google else ""
        self.scope: str = scope and validate("scope", scope, printable)
        """The scope that a login asks for; empty for none."""
        self.parameters: Mapping[str, str] = validate("parameters", parameters, extra_parameters)
        """The server's own parameters of a device authorization request."""
        self.login_ends_at: int | None = None
        """When the server will end the most recent login (UNIX time); None if it did not say.

        While the consent screen of the OAuth app is in "Testing", Google ends a login after 7 days, and says so.
        """
        self._session = session
        self._proxies = proxies
        if session is None:
            check_proxies(proxies)
        else:
            check_session(session)
        if is_requests(session):
            session.proxies.update(proxies or {})  # as ytmusicapi does
        elif session is not None and proxies:
            raise ValueError("pass proxies to your own session, or omit session")
        # Device codes, each with the monotonic times of its request and of the response.
        self._codes: deque[tuple[str, tuple[float, float]]] = deque(maxlen=1000)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OAuthCredentials) or super().__eq__(other) is not True:
            return False
        return (self.endpoints, self.scope, self.parameters) == (other.endpoints, other.scope, other.parameters)

    def get_code(self) -> AuthCodeDict:
        """Request a code for the user. First step of token creation.

        Tries up to three times on transient failures, but not again after a lost response.
        """
        client = self.client_id, self.client_secret, self.scope, self.parameters
        request = protocol.device_authorization_request(self.endpoints, *client)

        def ask(seconds: float) -> AuthCodeDict:
            sent = time.monotonic()
            code = protocol.parse_device_authorization(request, self._send(request, seconds))
            self._codes.append((code["device_code"], (sent, time.monotonic())))
            return code

        return self._retried(ask)

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        """Poll once for the token.

        Its refresh token is empty if the server gave none: then the login ends with the access token.
        Raises `AuthorizationPending` or `SlowDown` while the user has not responded, `AccessDenied`,
        `DeviceCodeExpired`, and `InvalidGrant` for a code that is unknown or already used.
        """
        request = protocol.token_request(self.endpoints, self.client_id, self.client_secret, device_code)
        sent = time.time()
        response = self._send(request)
        token = protocol.parse_token(request, response, sent=sent, scope=self.scope)
        self.login_ends_at = protocol.parse_login_end(response, sent=sent)
        return token

    def wait_for_token(
        self,
        code: AuthCodeDict,
        *,
        on_wait: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> RefreshableTokenDict:
        """Poll until the user has confirmed, at the server's interval (RFC 8628 3.5), retrying transient failures.

        Ends with the tenth strange response in a row, such as a captive portal sends: see `device.DevicePoll`.
        `on_wait` is called after each poll while authorization is pending, with the seconds until the code expires.
        `cancelled` is called four times a second between polls, and ends the wait when it returns True.

        Raises `AccessDenied`, `DeviceCodeExpired`, `InvalidGrant` and `LoginCancelled`.
        """
        from .device import poll

        return poll(
            lambda: self.token_from_code(code["device_code"]),
            self._schedule(code),
            monotonic=time.monotonic,
            sleep=time.sleep,
            on_wait=on_wait,
            cancelled=cancelled,
        )

    def _schedule(self, code: AuthCodeDict) -> DevicePoll:
        from .device import DevicePoll

        now = time.monotonic()
        return DevicePoll(code, *dict(self._codes.copy()).get(code["device_code"], (now, now)))

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        """Request a new access token. Token must have been created by the same OAuth client.

        If the server rotates refresh tokens, returns a `RefreshableTokenDict`; the old refresh token is then invalid.
        `scope` is empty if the server omitted it: the scope is unchanged. Tries up to three times on transient
        failures; after a lost response only if the server does not rotate. Raises `InvalidGrant`.
        A `MalformedResponse` has the new refresh token, if a valid one came in a 200 without `error`: keep it.
        """
        return self.refresh_within(refresh_token)

    def refresh_within(self, refresh_token: str, *, tries: int = TRIES, seconds: float = TIMEOUT) -> BaseTokenDict:
        """Request a new access token, in at most `tries` tries and `seconds` seconds: see `refresh_token`."""
        if tries < 1 or seconds <= 0:
            raise ValueError("tries and seconds must be more than 0")
        request = protocol.refresh_request(self.endpoints, self.client_id, self.client_secret, refresh_token)

        def ask(seconds: float) -> BaseTokenDict:
            sent = time.time()
            response = self._send(request, seconds)
            with NO_FORK:  # showing a server's text may import modules
                return protocol.parse_refresh(request, response, sent=sent)

        repeatable = not self.endpoints.rotates_refresh_tokens
        return self._retried(ask, repeatable=repeatable, tries=tries, seconds=seconds)

    def revoke_token(self, token: str) -> None:
        """End a login, given its refresh token or an access token.

        Tries up to three times on transient failures, but not again after a lost response.
        Google ends every grant that the user gave to the whole Cloud project, not this one alone.
        Raises `ValueError` if the endpoints have no `revoke_url`.
        """
        request = protocol.revocation_request(self.endpoints, self.client_id, self.client_secret, token)
        self._retried(lambda seconds: protocol.parse_revocation(request, self._send(request, seconds)))

    def _send(self, request: Request, seconds: float = TIMEOUT) -> HttpResponse:
        if self._session is None:
            with NO_FORK:
                from .transport import UrllibSession
            self._session = UrllibSession(self._proxies)
        return send(self._session, request, seconds)

    def _retried(
        self, ask: Callable[[float], _T], *, repeatable: bool = False, tries: int = TRIES, seconds: float = TIMEOUT
    ) -> _T:
        with NO_FORK:
            from random import uniform

        return with_retries(ask, tries, seconds, repeatable, time.monotonic, time.sleep, lambda: uniform(0.9, 1.1))
