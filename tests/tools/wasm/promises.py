# SPDX-License-Identifier: MIT
"""What holds in WebAssembly, and only has to be shown there. Run by pytest inside of Pyodide: `make test-wasm`."""

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
from ytmusic_oauth._file_store import read_token, write_token
from ytmusic_oauth.models import RefreshableTokenDict
from ytmusic_oauth.transport import UrllibResponse

# What the page, or Node, around us hands in: a synchronous request, and where the fake server listens.
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
    """A session over the host's own HTTP; it does not follow redirects."""

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> UrllibResponse:
        form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        status, answered, text = json.loads(HOST.post(url, urlencode(data), json.dumps(form)))
        return UrllibResponse(status, answered, text.encode())


def client(session: HostSession | None = None) -> OAuthCredentials:
    endpoints = Endpoints(f"{URL}/device/code", f"{URL}/token", f"{URL}/revoke")
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session=session, endpoints=endpoints)


def test_here_is_webassembly_where_no_thread_starts() -> None:
    assert sys.platform == "emscripten"
    with pytest.raises(RuntimeError, match="can't start new thread"):
        _thread.start_new_thread(print, ())


def test_a_whole_login_goes_over_a_session_of_the_hosts(tmp_path: Path) -> None:
    credentials = client(HostSession())
    told: list[float] = []
    code = credentials.get_code()
    token = RefreshingToken(credentials, **credentials.wait_for_token(code, on_wait=told.append))
    token.local_cache = tmp_path / "oauth.json"
    first = token.access_token
    token.refresh()
    again = RefreshingToken.load(credentials, tmp_path / "oauth.json")
    assert told
    assert again.access_token == token.access_token != first
    credentials.revoke_token(again.refresh_token)
    with pytest.raises(InvalidGrant):
        again.refresh()


def test_a_token_file_is_written_whole_and_private_again_and_again(tmp_path: Path) -> None:
    path = str(tmp_path / "oauth.json")
    write_token(path, TOKEN, exclusive=True)
    with open(path, encoding="utf-8") as reader:
        write_token(path, {**TOKEN, "access_token": "ya29.fake-new"}, exclusive=True)
        assert json.load(reader) == TOKEN  # whoever reads meanwhile has the old one, whole
    assert read_token(path)["access_token"] == "ya29.fake-new"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path) == ["oauth.json"]


@pytest.mark.parametrize("url", ["https://oauth2.googleapis.com/token", f"{URL}/token"], ids=["https", "http"])
def test_without_a_session_of_the_hosts_it_says_that_there_is_no_network(url: str) -> None:
    with pytest.raises(TransportError) as raised:
        UrllibSession(timeout=5).post(url, data={}, headers={})
    assert not raised.value.sent
    assert raised.value.retryable is url.startswith("http:")


def test_https_without_tls_says_so_once_and_is_not_tried_again() -> None:
    with pytest.raises(TransportError, match="This Python was built without ssl"):
        OAuthCredentials("id", "secret").get_code()
