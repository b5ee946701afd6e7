# SPDX-License-Identifier: MIT
"""ytmusicapi, redirected to the fake server and its clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.porting.fake_google import FakeGoogle
from tests.support import Clock

__all__ = ["lead_to"]


def lead_to(server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send ytmusicapi's requests to the fake server, and give it our clock."""

    def no_visitor(ask: Callable[[str], object]) -> dict[str, str]:
        return {"X-Goog-Visitor-Id": "fake"}

    monkeypatch.setattr("ytmusicapi.auth.oauth.credentials.OAUTH_CODE_URL", server.device_code_url)
    monkeypatch.setattr("ytmusicapi.auth.oauth.credentials.OAUTH_TOKEN_URL", server.token_url)
    monkeypatch.setattr("ytmusicapi.auth.oauth.token.time", clock)
    monkeypatch.setattr("ytmusicapi.ytmusic.YTM_BASE_API", f"{server.url}/youtubei/v1/")
    monkeypatch.setattr("ytmusicapi.ytmusic.get_visitor_id", no_visitor)
