# SPDX-License-Identifier: MIT
"""The sessions of requests and httpx fit without an adapter, and so does one of the user's own. A token signs both."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import httpx2
import requests

from ytmusic_oauth import OAuthCredentials, RefreshingToken, UrllibSession
from ytmusic_oauth.session import Response, Session


class OwnResponse:
    status_code = 200

    def json(self) -> dict[str, int]:
        return {}


class Own:
    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], timeout: float = 9) -> OwnResponse:
        return OwnResponse()


def every_session_fits(client_id: str, client_secret: str) -> list[OAuthCredentials]:
    return [
        OAuthCredentials(client_id, client_secret, requests.Session()),
        OAuthCredentials(client_id, client_secret, requests.Session(), {"https": "http://127.0.0.1:8080"}),
        OAuthCredentials(client_id, client_secret, session=httpx.Client()),
        OAuthCredentials(client_id, client_secret, session=httpx2.Client()),
        OAuthCredentials(client_id, client_secret, session=UrllibSession(timeout=5)),
        OAuthCredentials(client_id, client_secret, session=Own()),
        OAuthCredentials(client_id, client_secret, None),
    ]


def as_a_session(session: Session) -> Response:
    return session.post("https://login.example.org/token", data={}, headers={}, timeout=30)


def every_response_fits() -> list[Response]:
    sessions: list[Session] = [requests.Session(), httpx.Client(), httpx2.Client(), UrllibSession(), Own()]
    return [as_a_session(each) for each in sessions]


def every_request_can_be_signed(token: RefreshingToken, url: str) -> list[object]:
    return [
        requests.get(url, auth=token.sign, timeout=9),
        httpx.get(url, auth=token.sign),
        httpx2.get(url, auth=token.sign),
    ]
