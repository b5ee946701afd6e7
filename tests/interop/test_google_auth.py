# SPDX-License-Identifier: MIT
"""google-auth reads what the recipe for its authorized_user form exports, and the recipe what google-auth writes."""

from __future__ import annotations

import json

import google.oauth2.credentials
import pytest
from google.auth.transport.requests import Request

from tests.porting.fake_google import FakeGoogle
from tests.recipes.authorized_user import from_authorized_user, to_authorized_user
from tests.support import endpoints, logged_in

pytestmark = pytest.mark.beside("google-auth")


def test_google_auth_refreshes_an_exported_token(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.oauth2.credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", server.token_url)
    token = logged_in(server)
    theirs = google.oauth2.credentials.Credentials.from_authorized_user_info(to_authorized_user(token))
    assert f"Bearer {theirs.token}" == token.as_auth()
    assert theirs.scopes == token.scope.split()
    assert theirs.expiry is not None
    assert theirs.expiry.isoformat() == "2023-11-14T23:13:24"
    theirs.refresh(Request())
    assert theirs.token is not None
    assert server.is_live(theirs.token)


def test_a_token_that_google_auth_has_written_is_imported(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.oauth2.credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", server.token_url)
    theirs = google.oauth2.credentials.Credentials.from_authorized_user_info(to_authorized_user(logged_in(server)))
    ours = from_authorized_user(json.loads(theirs.to_json()), endpoints(server))
    assert ours.as_auth() == f"Bearer {theirs.token}"
    ours.refresh()
    assert server.is_live(ours.access_token)
