# SPDX-License-Identifier: MIT
"""Tests that only make sense in WebAssembly. pytest runs them inside Pyodide: `make test-wasm`."""

from __future__ import annotations

import _thread
import json
import os
import stat
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET
from ytmusic_oauth import (
    Endpoints,
    InvalidGrant,
    OAuthCredentials,
    RefreshingToken,
    TransportError,
    UrllibSession,
)
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth.models import RefreshableTokenDict
from ytmusic_oauth.transport import UrllibResponse

# `run.mjs` provides this module: `post`, a synchronous request, and `url`, the address of the fake server.
HOST: Final = import_module("host")
URL: Final[str] = HOST.url
TOKEN: Final[RefreshableTokenDict] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.fake-old",
    "refresh_token": "1//fake",
    "expires_at": 1_700_000_000,
    "expires_in": 3599,
}


class HostSession:
    """A session that uses the host's HTTP. It does not follow redirects."""

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> UrllibResponse:
        sent = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        status, received, text = json.loads(HOST.post(url, urlencode(data), json.dumps(sent)))
        return UrllibResponse(status, received, text.encode())


def client(session: HostSession | None = None) -> OAuthCredentials:
    endpoints = Endpoints(f"{URL}/device/code", f"{URL}/token", f"{URL}/revoke")
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session=session, endpoints=endpoints, scope="music")


def test_this_is_webassembly_and_threads_do_not_start() -> None:
    assert sys.platform == "emscripten"
    with pytest.raises(RuntimeError, match="can't start new thread"):
        _thread.start_new_thread(print, ())


def test_a_session_can_use_the_hosts_network_for_a_whole_login(tmp_path: Path) -> None:
    credentials = client(HostSession())
    waits: list[float] = []
    code = credentials.get_code()
    token = RefreshingToken(credentials, **credentials.wait_for_token(code, on_wait=waits.append))
    token.local_cache = tmp_path / "oauth.json"
    first = token.access_token
    token.refresh()
    again = RefreshingToken.load(credentials, tmp_path / "oauth.json")
    assert waits
    assert again.access_token == token.access_token != first
    credentials.revoke_token(again.refresh_token)
    with pytest.raises(InvalidGrant):
        again.refresh()


def test_a_token_file_is_replaced_as_a_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "oauth.json"
    store = FileStore(path)
    assert store.replace(None, "old")
    with path.open(encoding="utf-8") as reader:
        assert store.replace("old", "new")
        assert reader.read() == "old"  # a reader keeps the old file, whole
    assert store.read() == "new"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path) == ["oauth.json"]


@pytest.mark.parametrize("url", ["https://oauth2.googleapis.com/token", f"{URL}/token"], ids=["https", "http"])
def test_without_such_a_session_the_network_is_unreachable(url: str) -> None:
    with pytest.raises(TransportError) as raised:
        UrllibSession(timeout=5).post(url, data={}, headers={})
    assert not raised.value.sent
    assert raised.value.retryable is url.startswith("http:")


def test_https_without_ssl_is_an_error_that_says_so() -> None:
    with pytest.raises(TransportError, match="This Python was built without ssl"):
        OAuthCredentials("id", "secret").get_code()
