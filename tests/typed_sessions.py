# SPDX-License-Identifier: MIT
"""Not run, but type-checked: other people's sessions fit `OAuthCredentials` with no adapter."""

from __future__ import annotations

import httpx
import requests

from ytmusic_oauth import OAuthCredentials, UrllibSession


def every_session_fits(client_id: str, client_secret: str) -> list[OAuthCredentials]:
    return [
        OAuthCredentials(client_id, client_secret, requests.Session()),
        OAuthCredentials(client_id, client_secret, session=httpx.Client()),
        OAuthCredentials(client_id, client_secret, session=UrllibSession(timeout=5)),
    ]
