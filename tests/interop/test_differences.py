# SPDX-License-Identifier: MIT
"""Differences from ytmusicapi: what it does, and what this package does. The README has the most important ones."""

from __future__ import annotations

import builtins
import os
import re
import stat
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeVar

import pytest
import requests
from requests.exceptions import JSONDecodeError
from ytmusicapi.auth import oauth as its
from ytmusicapi.auth.oauth import models as its_models

from tests.interop.conftest import ROOT
from tests.interop.theirs import lead_to
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FAULTS, GOOGLE_DIALECT, FakeGoogle, Reply, redirect
from tests.support import Clock, client, endpoints, logged_in
from ytmusic_oauth import (
    AuthorizationPending,
    BadOAuthClient,
    InvalidGrant,
    OAuthCredentials,
    OAuthToken,
    RefreshingToken,
    ServerError,
    TransportError,
    UrllibSession,
    models,
)

pytestmark = pytest.mark.beside("ytmusicapi")

_README: Final = (ROOT / "README.md").read_text("utf-8")
_RELEASE: Final = version("ytmusicapi").rpartition(".")[0]
_TABLES: Final = [
    rest.partition("\n\n")[0] for rest in _README.split(f"| ytmusicapi {_RELEASE} | here |\n|---|---|\n")[1:]
]
ROWS: Final[list[str]] = re.findall(r"^\| (.+?) \| .* \|$", "\n".join(_TABLES), re.MULTILINE)
_proven: Final[list[str]] = []
_Test = TypeVar("_Test")


def differs(row: str) -> Callable[[_Test], _Test]:
    """Marks the test of a row in the README's tables, by what the row says of ytmusicapi."""
    _proven.append(row)
    return lambda test: test


def test_every_row_in_the_readme_is_tested_here() -> None:
    assert len(_TABLES) == 2
    assert sorted(_proven) == sorted(ROWS)


@pytest.fixture
def server(server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> FakeGoogle:
    lead_to(server, clock, monkeypatch)
    return server


@pytest.fixture
def theirs(server: FakeGoogle, tmp_path: Path) -> its.RefreshingToken:
    """A fresh token of ytmusicapi, with a file."""
    held = logged_in(server).as_dict()
    token = its.RefreshingToken(its.OAuthCredentials(CLIENT_ID, CLIENT_SECRET), tmp_path / "theirs.json", **held)
    token.store_token()
    return token


@pytest.fixture
def ours(server: FakeGoogle, tmp_path: Path) -> RefreshingToken:
    """The same, of this package."""
    token = logged_in(server)
    token.local_cache = tmp_path / "ours.json"
    return token


def requests_to(server: FakeGoogle) -> int:
    return len(server.requests_to("token"))


# ---- errors --------------------------------------------------------------------------------------


@differs("a login that has ended raises `KeyError: 'access_token'`")
def test_ended_login_raises_an_error_that_says_so(
    server: FakeGoogle, clock: Clock, theirs: its.RefreshingToken, ours: RefreshingToken
) -> None:
    clock.advance(3600)
    server.revoke(ours.refresh_token)
    before = requests_to(server)
    with pytest.raises(KeyError, match="access_token"):
        assert theirs.access_token
    with pytest.raises(KeyError, match="access_token"):
        assert theirs.access_token
    assert requests_to(server) == before + 2

    stored = (ours.local_cache or Path()).read_bytes()
    for _ in range(2):
        with pytest.raises(InvalidGrant, match="Log in again"):
            assert ours.access_token
    assert requests_to(server) == before + 3
    assert (ours.local_cache or Path()).read_bytes() == stored


@differs("any error but 401 is returned as if it were a token")
@pytest.mark.parametrize("status", [400, 403])
def test_error_of_any_status_is_raised(server: FakeGoogle, status: int) -> None:
    refusal = {"error": "invalid_client", "error_description": "Invalid client type."}
    server.script("token", Reply(status, refusal), Reply(status, refusal))
    answer: object = its.OAuthCredentials(CLIENT_ID, CLIENT_SECRET).refresh_token("1//fake-refresh")
    assert answer == refusal
    with pytest.raises(BadOAuthClient, match="Invalid client type"):
        client(server).refresh_token("1//fake-refresh")


@differs('`token_from_code` returns `{"error": "authorization_pending"}`')
def test_pending_code_raises_authorization_pending(server: FakeGoogle, clock: Clock) -> None:
    credentials = its.OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    answer: object = credentials.token_from_code(credentials.get_code()["device_code"])
    assert isinstance(answer, dict)
    assert answer["error"] == "authorization_pending"

    asking = client(server)
    code = asking.get_code()
    with pytest.raises(AuthorizationPending):
        asking.token_from_code(code["device_code"])
    granted = asking.wait_for_token(code, on_wait=lambda left: server.approve(code["user_code"]))
    assert server.is_live(granted["access_token"])


@differs("pressing Enter too early raises `KeyError`")
def test_enter_pressed_too_early_waits(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "input", lambda prompt: "")
    with pytest.raises(KeyError):
        its.RefreshingToken.prompt_for_token(its.OAuthCredentials(CLIENT_ID, CLIENT_SECRET))

    server.approve_after = 8
    token = RefreshingToken.prompt_for_token(client(server))
    assert server.is_live(token.access_token)
    assert len([each for each in server.requests_to("token") if each.error == "slow_down"]) == 0


@differs("a server failure raises `JSONDecodeError`")
def test_server_failure_is_retried(
    server: FakeGoogle, clock: Clock, theirs: its.RefreshingToken, ours: RefreshingToken
) -> None:
    clock.advance(3600)
    server.script("token", FAULTS["503"])
    with pytest.raises(JSONDecodeError):
        assert theirs.access_token

    before = requests_to(server)
    server.script("token", FAULTS["503"], FAULTS["503"])
    assert server.is_live(ours.access_token)
    assert requests_to(server) == before + 3
    clock.advance(3600)
    server.script("token", *[FAULTS["503"]] * 3)
    with pytest.raises(ServerError) as error:
        assert ours.access_token
    assert error.value.retryable


@differs("without a network, reading a token in its last minute raises an error")
def test_valid_token_is_returned_without_a_network(
    server: FakeGoogle, clock: Clock, theirs: its.RefreshingToken, ours: RefreshingToken
) -> None:
    clock.advance(3600 - 30)  # half a minute is left
    server.script("token", *[FAULTS["hang-up"]] * 4)
    with pytest.raises(requests.ConnectionError):
        assert theirs.access_token
    assert server.is_live(ours.access_token)

    clock.advance(31)
    server.script("token", *[FAULTS["hang-up"]] * 3)
    with pytest.raises(TransportError):
        assert ours.access_token


# ---- the network ---------------------------------------------------------------------------------


@differs("redirects are followed, with all secrets")
def test_redirects_are_refused(server: FakeGoogle) -> None:
    with FakeGoogle() as elsewhere:
        over_there = redirect(f"{elsewhere.url}/elsewhere")
        server.script("token", over_there)
        its.OAuthCredentials(CLIENT_ID, CLIENT_SECRET).refresh_token("1//fake-refresh")
        [stolen] = elsewhere.transcript
        assert (stolen.form["client_secret"], stolen.form["refresh_token"]) == (CLIENT_SECRET, "1//fake-refresh")

        for session in (UrllibSession(), requests.Session()):
            server.script("token", over_there)
            with pytest.raises(TransportError, match="redirect"):
                OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session, endpoints=endpoints(server)).refresh_token("1//f")
        assert len(elsewhere.transcript) == 1


@differs("a server that never responds blocks forever")
def test_request_ends_after_the_timeout(server: FakeGoogle) -> None:
    theirs = its.OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    impatient = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, UrllibSession(timeout=0.1), endpoints=endpoints(server))
    code = theirs.get_code()["device_code"]
    with ThreadPoolExecutor() as pool, server.hold("token"):
        waiting = pool.submit(theirs.token_from_code, code)
        server.wait_for_requests(1, "token")
        with pytest.raises(TransportError, match="did not respond in time"):
            impatient.token_from_code(code)
        assert not waiting.done()
    assert UrllibSession().timeout == 30


# ---- reading is safe -----------------------------------------------------------------------------


@differs("`repr` shows all secrets")
def test_repr_shows_no_secret(theirs: its.RefreshingToken, ours: RefreshingToken) -> None:
    for token in (theirs, ours):
        shown, held = repr(token) + repr(token.credentials), token.as_dict()
        secrets = (held["access_token"], held["refresh_token"], CLIENT_SECRET)
        assert [secret in shown for secret in secrets] == [token is theirs] * 3
    assert "[redacted]" in repr(ours)


def test_repr_and_comparison_send_no_refresh(
    server: FakeGoogle, clock: Clock, theirs: its.RefreshingToken, ours: RefreshingToken
) -> None:
    clock.advance(3600)
    before = requests_to(server)
    assert repr(theirs)
    assert requests_to(server) == before + 1
    clock.advance(3600)
    assert theirs != copy(theirs)  # the comparison refreshes both
    assert requests_to(server) == before + 3

    before = requests_to(server)
    assert repr(ours)
    assert ours == copy(ours)
    assert requests_to(server) == before
    assert ours.as_auth()
    assert requests_to(server) == before + 1


@differs("16 threads send 16 refreshes")
def test_threads_send_one_refresh(
    server: FakeGoogle, clock: Clock, theirs: its.RefreshingToken, ours: RefreshingToken
) -> None:
    clock.advance(3600)
    assert read_by_sixteen(lambda: theirs.access_token, server, arriving=16) == 16
    assert read_by_sixteen(lambda: ours.access_token, server, arriving=1) == 1


def read_by_sixteen(read: Callable[[], str], server: FakeGoogle, *, arriving: int) -> int:
    """Read the token in 16 threads while `arriving` refreshes are in progress; return how many refreshes were sent."""
    before = requests_to(server)
    with ThreadPoolExecutor(16) as pool:
        with server.hold("token"):
            reads = [pool.submit(read) for _ in range(16)]
            server.wait_for_requests(before + arriving, "token")
        assert all(server.is_live(each.result(10)) for each in reads)
    return requests_to(server) - before


# ---- the file ------------------------------------------------------------------------------------


@differs("every user can read the token file; it is written in place")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_file_is_private_and_replaced(theirs: its.RefreshingToken, ours: RefreshingToken) -> None:
    before = os.umask(0o022)
    try:
        for token in (theirs, ours):
            file = token.local_cache or Path()
            file.unlink()
            token.store_token()
            old = file.stat()
            link = file.with_suffix(".link")
            link.hardlink_to(file)
            token.expires_at -= 1  # what has not changed is not written
            token.store_token()
            new = file.stat()
            assert stat.S_IMODE(old.st_mode) == (0o644 if token is theirs else 0o600)
            assert (link.stat().st_ino == new.st_ino) == (token is theirs)
    finally:
        os.umask(before)


@differs("a new refresh token is dropped")
def test_new_refresh_token_is_kept(
    server: FakeGoogle, clock: Clock, theirs: its.RefreshingToken, ours: RefreshingToken
) -> None:
    server.rotate, server.dialect = True, GOOGLE_DIALECT
    for token in (theirs, ours):
        before = token.refresh_token
        clock.advance(3600)
        assert server.is_live(token.access_token)
        assert (token.refresh_token == before) == (token is theirs)
        assert server.can_refresh(token.refresh_token) == (token is ours)
    assert OAuthToken.from_json(ours.local_cache or Path()).refresh_token == ours.refresh_token


@differs("a failed save raises an error instead of returning the token")
def test_failed_save_is_a_warning(
    server: FakeGoogle, clock: Clock, theirs: its.RefreshingToken, ours: RefreshingToken, tmp_path: Path
) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    theirs.local_cache = folder / "theirs.json"
    ours.local_cache = folder / "ours.json"
    folder.rename(tmp_path / "gone")
    clock.advance(3600)
    with pytest.raises(FileNotFoundError):
        assert theirs.access_token
    with pytest.warns(RuntimeWarning, match="in memory"):
        refreshed = ours.access_token
    assert server.is_live(refreshed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ours.access_token == refreshed
        (tmp_path / "gone").rename(folder)
        clock.advance(60)
        assert ours.access_token == refreshed
    assert OAuthToken.from_json(folder / "ours.json").access_token == refreshed


def test_expires_in_is_the_access_tokens_after_a_login(
    server: FakeGoogle, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refresh_token_lifetime = 604799
    server.approve_after = 0
    monkeypatch.setattr(builtins, "input", lambda prompt: "")
    mixed_up = its.RefreshingToken.prompt_for_token(its.OAuthCredentials(CLIENT_ID, CLIENT_SECRET))
    assert mixed_up.expires_in == 604799
    assert mixed_up.expires_at == int(clock.time()) + 3599
    token = RefreshingToken.prompt_for_token(client(server), to_file=str(tmp_path / "oauth.json"))
    stored = OAuthToken.from_json(tmp_path / "oauth.json")
    assert stored.expires_in == token.expires_in == 3599
    assert stored.expires_at == int(clock.time()) + 3599


@differs("an unknown key in the file raises `TypeError`")
def test_unknown_key_in_the_file_is_ignored(tmp_path: Path, ours: RefreshingToken) -> None:
    file = tmp_path / "more.json"
    file.write_text(ours.as_json()[:-1] + ', "refresh_token_expires_in": 604799}', "utf-8")
    with pytest.raises(TypeError):
        its.OAuthToken.from_json(file)
    assert OAuthToken.from_json(file).as_dict() == ours.as_dict()


def test_from_json_works_on_refreshing_token(theirs: its.RefreshingToken) -> None:
    file = theirs.local_cache or Path()
    with pytest.raises(TypeError):
        its.RefreshingToken.from_json(file)
    assert type(RefreshingToken.from_json(file)) is OAuthToken


# ---- time and types ------------------------------------------------------------------------------


def test_token_is_expiring_at_60_seconds_or_half_its_lifetime(clock: Clock, ours: RefreshingToken) -> None:
    theirs = its.OAuthToken(**ours.as_dict())
    clock.advance(ours.expires_at - clock.time() - 61)
    assert (theirs.is_expiring, ours.is_expiring) == (False, False)
    clock.advance(1)
    assert (theirs.is_expiring, ours.is_expiring) == (False, True)
    clock.advance(1)
    assert (theirs.is_expiring, ours.is_expiring) == (True, True)

    values = ours.as_dict()
    values["expires_in"], values["expires_at"] = 50, int(clock.time()) + 50
    assert its.OAuthToken(**values).is_expiring
    assert not OAuthToken(**values).is_expiring


def test_every_key_of_the_typeddicts_is_required() -> None:
    for name in ("AuthCodeDict", "BaseTokenDict", "RefreshableTokenDict"):
        mine, known = getattr(models, name), getattr(its_models, name)
        assert known.__required_keys__ == frozenset()
        assert mine.__optional_keys__ == frozenset()
        assert mine.__required_keys__ <= known.__optional_keys__
