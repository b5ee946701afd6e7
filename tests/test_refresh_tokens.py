# SPDX-License-Identifier: MIT
"""Refresh tokens that are missing, and new ones that come with something unfit: no login is lost over either."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.porting.fake_google import FakeGoogle, Reply
from tests.support import NOON, Clock, client
from ytmusic_oauth import (
    Credentials,
    InvalidGrant,
    MalformedResponse,
    OAuthCredentials,
    OAuthError,
    OAuthToken,
    RefreshingToken,
    ServerError,
)
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict

OLD: Final[RefreshableTokenDict] = {
    "scope": "music",
    "token_type": "Bearer",
    "access_token": "ya29.old",
    "refresh_token": "1//old",
    "expires_at": NOON + 3599,
    "expires_in": 3599,
}
DPOP: Final[dict[str, object]] = {
    "access_token": "ya29.dpop",
    "refresh_token": "1//new",
    "expires_in": 3599,
    "token_type": "DPoP",
}
GOOD: Final[dict[str, object]] = {**DPOP, "access_token": "ya29.good", "token_type": "Bearer"}
# So long after its login, a token is due for a refresh, and expired.
DUE: Final = 3570
EXPIRED: Final = 3600


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "oauth.json"
    path.write_text(json.dumps(OLD))
    return path


@pytest.fixture
def token(server: FakeGoogle, file: Path) -> RefreshingToken:
    return RefreshingToken.load(client(server, rotates=True), file)


def stored(file: Path) -> Mapping[str, object]:
    content: Mapping[str, object] = json.loads(file.read_text())
    return content


def sent(server: FakeGoogle) -> list[str]:
    return [request.form["refresh_token"] for request in server.requests_to("token")]


# ---- a new refresh token beside something unfit --------------------------------------------------


@pytest.mark.parametrize(
    "unfit",
    [
        {"token_type": "DPoP"},
        {"access_token": ""},
        {"access_token": None, "token_type": "mac"},
        {"access_token": "a b"},
    ],
    ids=str,
)
def test_a_new_refresh_token_is_saved_with_the_old_access_token_before_the_error_is_raised(
    server: FakeGoogle, clock: Clock, token: RefreshingToken, file: Path, unfit: Mapping[str, object]
) -> None:
    clock.advance(EXPIRED)
    server.script("token", Reply(200, {**GOOD, **unfit}), Reply(200, {**GOOD, "refresh_token": "1//newer"}))
    with pytest.raises(MalformedResponse) as raised:
        token.as_auth()
    assert stored(file) == {**OLD, "refresh_token": "1//new"}
    assert raised.value.refresh_token is None, "it is taken"
    clock.advance(60)
    assert token.as_auth() == "Bearer ya29.good"
    assert sent(server) == ["1//old", "1//new"]
    assert stored(file)["refresh_token"] == "1//newer"


def test_the_old_access_token_is_used_as_long_as_it_is_valid(
    server: FakeGoogle, clock: Clock, token: RefreshingToken, file: Path
) -> None:
    clock.advance(DUE)
    server.script("token", Reply(200, DPOP))
    with pytest.warns(RuntimeWarning, match='"DPoP"') as warned:
        assert token.as_auth() == "Bearer ya29.old"
    assert len(warned) == 1
    assert "1//" not in str(warned[0].message)
    assert stored(file) == {**OLD, "refresh_token": "1//new"}


def test_a_refresh_by_hand_saves_it_too(server: FakeGoogle, token: RefreshingToken, file: Path) -> None:
    server.script("token", Reply(200, DPOP))
    with pytest.raises(MalformedResponse, match='"DPoP"'):
        token.refresh()
    assert (token.refresh_token, token.access_token) == ("1//new", "ya29.old")
    assert stored(file) == {**OLD, "refresh_token": "1//new"}


def test_a_token_without_a_store_keeps_it_in_memory(server: FakeGoogle) -> None:
    token = RefreshingToken(client(server, rotates=True), **OLD)
    server.script("token", Reply(200, DPOP))
    with pytest.raises(MalformedResponse):
        token.refresh()
    assert token.as_dict() == {**OLD, "refresh_token": "1//new"}


def test_another_process_adopts_it(server: FakeGoogle, clock: Clock, token: RefreshingToken, file: Path) -> None:
    other = RefreshingToken.load(client(server, rotates=True), file)
    clock.advance(EXPIRED)
    server.script("token", Reply(200, DPOP), Reply(200, {**GOOD, "refresh_token": "1//newer"}))
    with pytest.raises(MalformedResponse):
        token.as_auth()
    assert other.as_auth() == "Bearer ya29.good"
    assert sent(server) == ["1//old", "1//new"]


def test_the_backoff_grows_although_each_response_has_a_new_refresh_token(
    server: FakeGoogle, clock: Clock, token: RefreshingToken
) -> None:
    clock.advance(EXPIRED)
    server.script("token", *[Reply(200, {**DPOP, "refresh_token": f"1//{number}"}) for number in range(100)])
    for _ in range(100):
        with pytest.raises(MalformedResponse):
            token.as_auth()
        clock.advance(1)
    assert len(sent(server)) < 10


@pytest.mark.parametrize("refresh_token", [None, "", 5, ["1//new"], "1//new\n", "1//n\xe9w"], ids=repr)
def test_the_old_refresh_token_is_kept_if_the_new_one_is_unfit(
    server: FakeGoogle, clock: Clock, token: RefreshingToken, file: Path, refresh_token: object
) -> None:
    clock.advance(DUE)
    server.script("token", Reply(200, {**GOOD, "refresh_token": refresh_token}))
    assert token.as_auth() == "Bearer ya29.good"
    assert stored(file)["refresh_token"] == "1//old"


@pytest.mark.parametrize(
    "unfit",
    [{"expires_in": 0}, {"expires_in": -1}, {"expires_in": "soon"}, {"scope": ["x"]}, {"token_type": "Bearer "}],
    ids=str,
)
def test_an_unfit_optional_value_costs_no_refresh_token(
    server: FakeGoogle, clock: Clock, token: RefreshingToken, file: Path, unfit: Mapping[str, object]
) -> None:
    clock.advance(DUE)
    server.script("token", Reply(200, {**GOOD, **unfit}))
    assert token.as_auth() == "Bearer ya29.good"
    assert (stored(file)["refresh_token"], stored(file)["access_token"]) == ("1//new", "ya29.good")


class Raw(Credentials):
    """Credentials of another author, which return what the server sent."""

    def __init__(self, response: str) -> None:
        super().__init__("id", "secret")
        self.response = response
        self.calls: list[str] = []

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        self.calls.append(refresh_token)
        response: BaseTokenDict = json.loads(self.response)
        return response


def test_a_new_refresh_token_of_another_authors_credentials_is_saved_too(clock: Clock, file: Path) -> None:
    token = RefreshingToken.load(Raw(json.dumps(DPOP)), file)
    with pytest.raises(MalformedResponse, match="token_type is not Bearer"):
        token.refresh()
    assert stored(file) == {**OLD, "refresh_token": "1//new"}


@pytest.mark.parametrize("refresh_token", [None, "", 5])
def test_the_old_refresh_token_is_kept_if_other_credentials_return_an_unfit_one(
    clock: Clock, file: Path, refresh_token: object
) -> None:
    token = RefreshingToken.load(Raw(json.dumps({**GOOD, "refresh_token": refresh_token})), file)
    token.refresh()
    assert stored(file)["refresh_token"] == "1//old"
    assert token.access_token == "ya29.good"


def test_a_new_login_during_the_refresh_is_not_replaced(clock: Clock) -> None:
    class Interrupted(Raw):
        def refresh_token(self, refresh_token: str) -> BaseTokenDict:
            held.refresh_token = "1//login"
            raise MalformedResponse("Not a token", refresh_token="1//new")

    held = RefreshingToken(Interrupted(""), **OLD)
    with pytest.raises(MalformedResponse):
        held.refresh()
    assert held.refresh_token == "1//login"


# ---- a login without a refresh token -------------------------------------------------------------

NONE: Final[RefreshableTokenDict] = {**OLD, "refresh_token": ""}


@pytest.fixture
def without(server: FakeGoogle, file: Path) -> RefreshingToken:
    file.write_text(json.dumps(NONE))
    return RefreshingToken.load(client(server), file)


def test_a_login_without_a_refresh_token_is_accepted_and_stored(server: FakeGoogle, clock: Clock, file: Path) -> None:
    server.script("token", Reply(200, {"access_token": "gho_x", "token_type": "bearer", "scope": "repo,gist"}))
    credentials: OAuthCredentials = client(server)
    token = RefreshingToken(credentials, **credentials.wait_for_token(credentials.get_code()))
    token.keep_in(file)
    assert stored(file) == {
        "scope": "repo,gist",
        "token_type": "Bearer",
        "access_token": "gho_x",
        "refresh_token": "",
        "expires_at": NOON + 5 + 3600,
        "expires_in": 3600,
    }
    assert RefreshingToken.load(credentials, file).as_auth() == "Bearer gho_x"
    assert OAuthToken.from_json(file).refresh_token == ""


def test_it_is_used_to_its_last_second_and_nothing_is_sent(
    server: FakeGoogle, clock: Clock, without: RefreshingToken
) -> None:
    for seconds in (0, 3500, 39, 59, 0.9):
        clock.advance(seconds)
        assert without.as_auth() == "Bearer ya29.old"
        without.refresh_ahead(1000)
    clock.advance(0.2)
    for _ in range(3):
        with pytest.raises(InvalidGrant):
            without.as_auth()
        clock.advance(100)
    assert server.transcript == []


@pytest.mark.parametrize("expires_in", [3599, 3600, 7200])
def test_its_end_is_told_with_what_to_ask_for(server: FakeGoogle, clock: Clock, expires_in: int) -> None:
    values: RefreshableTokenDict = {**NONE, "expires_in": expires_in, "expires_at": NOON + expires_in}
    token = RefreshingToken(client(server), **values)
    clock.advance(expires_in)
    with pytest.raises(InvalidGrant) as raised:
        token.as_auth()
    message = str(raised.value)
    assert message.startswith("The server gave no refresh token, so the login ends when its access token expires")
    assert "offline_access" in message
    assert raised.value.reason == "no_refresh_token"
    assert "Google" not in message


def test_a_refresh_by_hand_is_refused_while_it_is_valid(server: FakeGoogle, without: RefreshingToken) -> None:
    with pytest.raises(InvalidGrant, match="gave no refresh token"):
        without.refresh()
    assert without.as_auth() == "Bearer ya29.old"
    assert server.transcript == []


def test_a_new_login_in_the_store_is_adopted(
    server: FakeGoogle, clock: Clock, without: RefreshingToken, file: Path
) -> None:
    clock.advance(EXPIRED)
    with pytest.raises(InvalidGrant):
        without.as_auth()
    file.write_text(json.dumps({**OLD, "access_token": "ya29.login", "expires_at": int(clock.wall) + 3599}))
    clock.advance(1)
    assert without.as_auth() == "Bearer ya29.login"
    assert server.transcript == []


def test_a_new_login_without_a_refresh_token_is_adopted_too(
    server: FakeGoogle, clock: Clock, without: RefreshingToken, file: Path
) -> None:
    clock.advance(EXPIRED)
    file.write_text(json.dumps({**NONE, "access_token": "ya29.login", "expires_at": int(clock.wall) + 3599}))
    assert without.as_auth() == "Bearer ya29.login"


def test_a_refresh_token_that_is_set_by_hand_is_used(
    server: FakeGoogle, clock: Clock, without: RefreshingToken
) -> None:
    clock.advance(EXPIRED)
    with pytest.raises(InvalidGrant):
        without.as_auth()
    without.refresh_token = "1//by-hand"
    server.script("token", Reply(200, GOOD))
    assert without.as_auth() == "Bearer ya29.good"
    assert sent(server) == ["1//by-hand"]


def test_other_credentials_are_not_called_for_it(clock: Clock) -> None:
    credentials = Raw(json.dumps(GOOD))
    token = RefreshingToken(credentials, **NONE)
    clock.advance(EXPIRED)
    with pytest.raises(InvalidGrant):
        token.as_auth()
    assert credentials.calls == []


def test_a_transient_failure_is_not_taken_for_the_end(server: FakeGoogle, clock: Clock, token: RefreshingToken) -> None:
    clock.advance(EXPIRED)
    server.script("token", *[Reply(503)] * 3)
    with pytest.raises(ServerError):
        token.as_auth()
    assert token.refresh_token == "1//old"


def test_a_quota_for_an_hour_is_one_request(server: FakeGoogle, clock: Clock, token: RefreshingToken) -> None:
    clock.advance(EXPIRED)
    server.script("token", Reply(429, {"error": "rate_limited"}, {"Retry-After": "36000"}), Reply(200, GOOD))
    for seconds in (0, 1, 60, 3500, 38):
        clock.advance(seconds)
        with pytest.raises(OAuthError) as raised:
            token.as_auth()
        assert (raised.value.error, raised.value.retry_after) == ("rate_limited", 36000)
    assert len(server.transcript) == 1
    clock.advance(1)
    assert token.as_auth() == "Bearer ya29.good", "an hour at most"
