# SPDX-License-Identifier: MIT
"""An OAuth client and what it asks a server for: `protocol` said over a `session`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from . import protocol
from ._messages import HttpResponse, Request
from ._validation import printable, validate, visible_ascii
from .models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict
from .protocol import OAUTH_SCOPE, YOUTUBE, Endpoints
from .session import Session, check_proxies, is_requests, send, with_retries

__all__ = ["Credentials", "OAuthCredentials"]

_T = TypeVar("_T")


@dataclass(repr=False)
class Credentials(ABC):
    """Base class representation of YouTubeMusicAPI OAuth Credentials (seed)."""

    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(client_id={self.client_id!r}, client_secret='[redacted]')"

    @abstractmethod
    def get_code(self) -> AuthCodeDict:
        """Method for obtaining a new user auth code. First step of token creation."""

    @abstractmethod
    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        """Method for verifying user auth code and conversion into a FullTokenDict."""

    @abstractmethod
    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        """Method for requesting a new access token for a given `refresh_token`.

        Token must have been created by the same OAuth client.
        """


class OAuthCredentials(Credentials):
    """An OAuth client of the type "TVs and Limited Input devices", or one of any RFC 8628 server.

    `session` is what sends (see `session.Session`); without one it is a `UrllibSession` with `proxies`. Threads may
    share one object. Raises `ValueError` or `TypeError` on an argument that can never work.

    Every method asks the server, and raises what can happen to any request: `TransportError`, `RateLimited`,
    `ServerError`, `BadOAuthClient`, `MalformedResponse`; and what else it says below.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        session: Session | None = None,
        proxies: dict[str, str] | None = None,
        *,
        endpoints: Endpoints = YOUTUBE,
        scope: str = OAUTH_SCOPE,
    ) -> None:
        super().__init__(
            validate("client_id", client_id, visible_ascii), validate("client_secret", client_secret, visible_ascii)
        )
        if not hasattr(endpoints, "device_code_url"):
            raise TypeError("endpoints must be Endpoints")
        self.endpoints = endpoints
        self.scope: str = validate("scope", scope, printable)
        self._session = session
        self._proxies = proxies
        if session is None:
            check_proxies(proxies)
        elif not callable(getattr(session, "post", None)):
            raise TypeError("session must have a method post")
        elif is_requests(session):
            session.proxies.update(proxies or {})  # as ytmusicapi does
        elif proxies:
            raise ValueError("proxies go into the session that you made, or leave the session out")
        # When the last device code was asked for, on the monotonic clock: its life counts from there.
        self._asked: Mapping[str, float] = {}

    def get_code(self) -> AuthCodeDict:
        """Ask for a code for the user. First step of token creation. In passing trouble it is tried three times."""
        request = protocol.device_authorization_request(self.endpoints, self.client_id, self.client_secret, self.scope)

        def ask() -> AuthCodeDict:
            sent = time.monotonic()
            code = protocol.parse_device_authorization(request, self._send(request))
            self._asked = {code["device_code"]: sent}
            return code

        return self._retried(ask)

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        """Ask once whether the user has confirmed.

        Raises `AuthorizationPending` or `SlowDown` if not yet, `AccessDenied`, `DeviceCodeExpired`, and `InvalidGrant`
        for a code that was never given, or was answered before.
        """
        request = protocol.token_request(self.endpoints, self.client_id, self.client_secret, device_code)
        sent = time.time()
        return protocol.parse_token(request, self._send(request), sent=sent, scope=self.scope)

    def wait_for_token(
        self,
        code: AuthCodeDict,
        *,
        on_wait: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> RefreshableTokenDict:
        """Ask until the user has confirmed, at the server's pace (RFC 8628 3.5), through passing troubles.

        `on_wait` is called after each poll that brought no answer yet, with the seconds that the code still lives.
        `cancelled` is called four times a second between polls, and ends the wait when it answers True.

        Raises `AccessDenied`, `DeviceCodeExpired`, `InvalidGrant` and `LoginCancelled`.
        """
        from .device import DevicePoll, poll

        return poll(
            lambda: self.token_from_code(code["device_code"]),
            DevicePoll(code, self._asked.get(code["device_code"], time.monotonic())),
            monotonic=time.monotonic,
            sleep=time.sleep,
            on_wait=on_wait,
            cancelled=cancelled,
        )

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        """Ask for a new access token. Token must have been created by the same OAuth client (seed).

        Where the server sent a new refresh token too, the answer is a `RefreshableTokenDict`, and the old one is dead.
        Where it sent no scope, that is empty, and the token keeps its own.
        In passing trouble it is tried three times. Raises `InvalidGrant` and `UnauthorizedOAuthClient`.
        """
        request = protocol.refresh_request(self.endpoints, self.client_id, self.client_secret, refresh_token)

        def ask() -> BaseTokenDict:
            sent = time.time()
            return protocol.parse_refresh(request, self._send(request), sent=sent)

        return self._retried(ask, repeatable=not self.endpoints.rotates_refresh_tokens)

    def revoke_token(self, token: str) -> None:
        """End a login, by its refresh token or an access token of it. In passing trouble it is tried three times.

        Google ends every grant that the user gave to the whole Cloud project, not this one exclusive.
        Raises `ValueError` if the endpoints have no `revoke_url`.
        """
        request = protocol.revocation_request(self.endpoints, self.client_id, self.client_secret, token)
        self._retried(lambda: protocol.parse_revocation(request, self._send(request)))

    def _send(self, request: Request) -> HttpResponse:
        if self._session is None:
            from .transport import UrllibSession

            self._session = UrllibSession(self._proxies)
        return send(self._session, request)

    def _retried(self, ask: Callable[[], _T], *, repeatable: bool = False) -> _T:
        from random import uniform

        return with_retries(ask, repeatable=repeatable, sleep=time.sleep, jitter=lambda: uniform(0.9, 1.1))
