# SPDX-License-Identifier: MIT
"""The token classes: their values, what never sends a request, and when a `RefreshingToken` refreshes."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
import urllib.request
import warnings
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.porting.fake_google import FAULTS, Exchange, FakeGoogle, HttpResponse, Reply
from tests.support import NOON, Clock, client, logged_in
from ytmusic_oauth import (
    BadOAuthClient,
    InvalidGrant,
    MalformedResponse,
    OAuthCredentials,
    OAuthError,
    OAuthToken,
    RateLimited,
    RefreshingToken,
    ServerError,
    TransportError,
    UnauthorizedOAuthClient,
)
from ytmusic_oauth.models import BaseTokenDict, RefreshableTokenDict
from ytmusic_oauth.token import _Field

ROOT: Final = Path(__file__).parents[1]
SCOPE: Final = "https://www.googleapis.com/auth/youtube"
VALUES: Final[RefreshableTokenDict] = {
    "scope": SCOPE,
    "token_type": "Bearer",
    "access_token": "ya29.fake-access-0",
    "refresh_token": "1//fake-refresh-0",
    "expires_at": NOON + 3599,
    "expires_in": 3599,
}
TEN_YEARS: Final = 10 * 365 * 24 * 3600


@pytest.fixture
def token(server: FakeGoogle, tmp_path: Path) -> RefreshingToken:
    """Return a token of a new login, kept in a file."""
    token = logged_in(server)
    token.local_cache = tmp_path / "oauth.json"
    return token


def changed(token: RefreshingToken, **values: object) -> RefreshingToken:
    """Return a copy with some values changed, and without a file."""
    return RefreshingToken(token.credentials, **json.loads(json.dumps({**token.as_dict(), **values})))


def refreshes(server: FakeGoogle) -> list[Exchange]:
    return [each for each in server.requests_to("token") if each.form["grant_type"] == "refresh_token"]


def leave(seconds: float, token: RefreshingToken, clock: Clock) -> None:
    """Advance the clock until the token has so many seconds left."""
    clock.advance(token.expires_at - seconds - clock.wall)


# ---- values --------------------------------------------------------------------------------------


@st.composite
def token_dicts(draw: st.DrawFn) -> RefreshableTokenDict:
    # JSON cannot keep the two halves of a surrogate pair apart: they become one character.
    scopes = st.text(st.characters()).filter(lambda scope: json.loads(json.dumps(scope)) == scope)
    credentials = st.text(st.characters(min_codepoint=ord("!"), max_codepoint=ord("~")), min_size=1)
    return {
        "scope": draw(scopes),
        "token_type": "Bearer",
        "access_token": draw(credentials),
        "refresh_token": draw(credentials),
        "expires_at": draw(st.integers(0, 10**11)),
        "expires_in": draw(st.integers(0, TEN_YEARS)),
    }


@given(token_dicts())
def test_a_token_returns_the_values_it_was_made_of(values: RefreshableTokenDict) -> None:
    """For all valid values: as_dict and as_json return them, and a token made from these is equal."""
    token = OAuthToken(**values)
    assert token.as_dict() == values
    again = OAuthToken(**json.loads(token.as_json()))
    assert again == token
    assert again.as_json() == token.as_json() == json.dumps(values)


def test_members_are_the_six_keys_of_a_file_in_its_order() -> None:
    assert list(OAuthToken.members()) == list(VALUES)
    assert list(OAuthToken(**VALUES).as_dict()) == list(VALUES)


def test_is_oauth_tells_a_token_file_from_a_headers_file() -> None:
    assert OAuthToken.is_oauth({**VALUES, "refresh_token_expires_in": 604799})
    assert not OAuthToken.is_oauth({"cookie": "SID=1", "x-goog-authuser": "0"})
    for missing in VALUES:
        assert not OAuthToken.is_oauth({key: value for key, value in VALUES.items() if key != missing})


def test_as_dict_returns_a_copy() -> None:
    token = OAuthToken(**VALUES)
    token.as_dict()["access_token"] = "other"
    assert token.as_dict() == VALUES


def test_as_auth_writes_bearer_in_the_standard_case() -> None:
    token = OAuthToken(**VALUES)
    token.token_type = "bearer"
    assert token.as_auth() == "Bearer ya29.fake-access-0"


class Unsigned:
    def __init__(self) -> None:
        self.headers = {"Authorization": "Bearer ya29.fake-rejected"}


def test_sign_sets_the_header_and_returns_the_request() -> None:
    token, request = OAuthToken(**VALUES), Unsigned()
    assert token.sign(request) is request
    assert request.headers == {"Authorization": token.as_auth()}


def test_sign_refreshes_an_expired_token(token: RefreshingToken, server: FakeGoogle, clock: Clock) -> None:
    clock.sleep(3600)
    signed = token.sign(Unsigned())
    assert server.is_live(signed.headers["Authorization"].replace("Bearer ", "", 1))


def test_urllib_does_not_send_the_header_where_it_is_redirected_to(server: FakeGoogle) -> None:
    request = OAuthToken(**VALUES).sign(urllib.request.Request(server.url))
    assert request.get_header("Authorization") == "Bearer ya29.fake-access-0"
    redirected = urllib.request.HTTPRedirectHandler().redirect_request(
        request, BytesIO(), 302, "Found", HTTPMessage(), "https://other.example.org/"
    )
    assert redirected is not None
    assert not redirected.has_header("Authorization")


def test_a_token_without_times_is_expiring() -> None:
    plain = OAuthToken(scope=SCOPE, token_type="Bearer", access_token="ya29.fake", refresh_token="1//fake")
    refreshing = RefreshingToken(
        OAuthCredentials("id", "secret"),
        scope=SCOPE,
        token_type="Bearer",
        access_token="ya29.fake",
        refresh_token="1//fake",
    )
    for token in (plain, refreshing):
        assert (token.expires_at, token.expires_in, token.is_expiring) == (0, 0, True)


@pytest.mark.parametrize("kind", [OAuthToken, RefreshingToken])
def test_from_json_returns_an_oauth_token_on_either_class(tmp_path: Path, kind: type[OAuthToken]) -> None:
    file = tmp_path / "oauth.json"
    file.write_text(json.dumps(VALUES), encoding="utf-8")
    token = kind.from_json(file)
    assert type(token) is OAuthToken
    assert token.as_dict() == VALUES


# One or two for each field: `test_validation` has all that a validator rejects.
INVALID: Final[Sequence[tuple[str, object]]] = [
    ("scope", None),
    ("token_type", "mac-s3cret"),
    ("access_token", ""),
    ("access_token", "a-s3cret\r\nX-Header: injected"),
    ("refresh_token", "a-s3cret\n"),
    ("expires_at", "soon"),
    ("expires_in", -1),
    ("expires_in", True),
]
# An update computes the one, and keeps the other where none was sent.
OPTIONAL: Final = {"expires_at", "refresh_token"}
each_invalid_value = pytest.mark.parametrize(
    ("key", "value"), INVALID, ids=[f"{key}={value!r}" for key, value in INVALID]
)


@each_invalid_value
def test_an_invalid_value_is_rejected_by_name_and_not_shown(key: str, value: object) -> None:
    spoiled = {**VALUES, key: value}
    for values in (spoiled, json.loads(json.dumps(spoiled))):
        with pytest.raises(ValueError, match=f"^{key} ") as refused:
            OAuthToken(**values)
        assert "s3cret" not in str(refused.value)


@each_invalid_value
def test_a_field_set_to_an_invalid_value_keeps_its_value(key: str, value: object) -> None:
    token = OAuthToken(**VALUES)
    with pytest.raises(ValueError, match=f"^{key} "):
        setattr(token, key, value)
    assert token.as_dict() == VALUES


def test_a_field_can_be_set() -> None:
    token = OAuthToken(**VALUES)
    for key, value in {**VALUES, "access_token": "ya29.fake-other", "scope": "other", "expires_in": 7200}.items():
        setattr(token, key, value)
        assert dict(token.as_dict())[key] == getattr(token, key) == value
    assert token.access_token == "ya29.fake-other"


def test_a_class_of_tokens_can_have_a_field_of_its_own() -> None:
    class Loud(OAuthToken):
        scope: _Field[str] = _Field(lambda token: token.as_dict()["scope"].upper())
        expires_in: _Field[int] = _Field(lambda token: token.as_dict()["expires_in"] * 1000, 3600)

    token = Loud(**VALUES)
    token.scope, token.expires_in = "a", 60
    assert (token.scope, token.expires_in, Loud.expires_in) == ("A", 60_000, 3600)
    assert token.as_dict().items() >= {"scope": "a", "expires_in": 60}.items()


def test_an_expiry_that_was_set_counts_at_once(clock: Clock) -> None:
    token = OAuthToken(**VALUES)
    assert not token.is_expiring
    token.expires_at = NOON + 60
    assert token.is_expiring


@pytest.mark.parametrize("loaded", [True, False])
def test_setting_expires_at_forces_a_refresh_though_the_file_has_a_later_one(
    server: FakeGoogle, clock: Clock, tmp_path: Path, loaded: bool
) -> None:
    before = logged_in(server)
    path = tmp_path / "oauth.json"
    before.store_token(str(path))
    held = before.as_dict()
    token = RefreshingToken.load(client(server), path) if loaded else RefreshingToken(client(server), path, **held)
    token.expires_at = int(clock.time())  # how users of ytmusicapi force a refresh
    assert token.access_token != held["access_token"]
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()


def test_a_refreshing_token_needs_credentials() -> None:
    with pytest.raises(TypeError, match="credentials"):
        RefreshingToken(json.loads("null"), **VALUES)


# ---- update --------------------------------------------------------------------------------------


def test_an_update_counts_from_now_and_keeps_what_was_not_sent(clock: Clock) -> None:
    token = OAuthToken(**VALUES)
    clock.advance(5000.5)
    token.update({"access_token": "ya29.fake-new", "expires_in": 100, "scope": "new", "token_type": "Bearer"})
    expected = {**VALUES, "access_token": "ya29.fake-new", "scope": "new", "expires_at": NOON + 5100, "expires_in": 100}
    assert token.as_dict() == expected
    assert not token.is_expiring


@pytest.mark.parametrize("unfit", [None, "", 5, "a-s3cret\n"])
def test_an_update_keeps_the_old_refresh_token_if_the_new_one_is_unfit(clock: Clock, unfit: object) -> None:
    token = OAuthToken(**VALUES)
    fresh: RefreshableTokenDict = json.loads(json.dumps({**VALUES, "refresh_token": unfit}))
    token.update(fresh)
    assert token.refresh_token == VALUES["refresh_token"]


def test_an_update_takes_a_rotated_refresh_token(clock: Clock) -> None:
    token = OAuthToken(**VALUES)
    rotated: RefreshableTokenDict = {**VALUES, "refresh_token": "1//fake-rotated", "expires_at": 1}
    token.update(rotated)
    assert token.as_dict() == {**VALUES, "refresh_token": "1//fake-rotated"}


@pytest.mark.parametrize(
    ("key", "value"),
    [*[row for row in INVALID if row[0] not in OPTIONAL], ("access_token", None), ("expires_in", None)],
    ids=str,
)
def test_an_update_is_all_or_nothing(clock: Clock, key: str, value: object) -> None:
    token = OAuthToken(**VALUES)
    answer = {"access_token": "ya29.fake-new", "expires_in": 100, "scope": "new", "token_type": "Bearer", key: value}
    fresh: BaseTokenDict = json.loads(json.dumps(answer))
    with pytest.raises(ValueError, match=f"^{key} "):
        token.update(fresh)
    assert token.as_dict() == VALUES


# ---- what never sends a request -----------------------------------------------------------------------

EXPIRED: Final[BaseTokenDict] = {
    "access_token": "ya29.fake-expired",
    "expires_in": 0,
    "scope": SCOPE,
    "token_type": "Bearer",
}


def cannot_be_hashed(token: RefreshingToken) -> None:
    with pytest.raises(TypeError):
        hash(token)


LOOKS: Final[Mapping[str, Callable[[RefreshingToken], object]]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "==": lambda token: token == copy.copy(token),
    "hash": cannot_be_hashed,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "vars": vars,
    "dir": dir,
    "dataclasses.fields": dataclasses.fields,
    "hasattr of another name": lambda token: hasattr(token, "no_such_name"),
    "the other fields": lambda token: [getattr(token, key) for key in VALUES if key != "access_token"],
    "credentials": lambda token: (token.credentials, token.local_cache),
    "is_expiring": lambda token: token.is_expiring,
    "members": lambda token: token.members(),
    "as_dict": lambda token: token.as_dict(),
    "as_json": lambda token: token.as_json(),
    "store_token": lambda token: token.store_token(),
    "store_token elsewhere": lambda token: token.store_token(f"{token.local_cache}.copy"),
    "a new local_cache": lambda token: setattr(token, "local_cache", f"{token.local_cache}.new"),
    "a field set by hand": lambda token: setattr(token, "scope", "other"),
    "update": lambda token: token.update(EXPIRED),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_inspecting_an_expired_token_sends_nothing(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, look: Callable[[RefreshingToken], object]
) -> None:
    clock.advance(4000)
    before = token.as_dict()["access_token"]
    look(token)
    assert refreshes(server) == []
    assert token.access_token != before  # this does send a request
    assert len(refreshes(server)) == 1


def test_dataclasses_replace_keeps_the_client_and_the_file(token: RefreshingToken, server: FakeGoogle) -> None:
    """As with ytmusicapi: `credentials` is a field, and the path is one, too."""
    changed = dataclasses.replace(token, scope="other")
    assert changed.as_dict() == {**token.as_dict(), "scope": "other"}
    assert (changed.credentials, changed.local_cache) == (token.credentials, token.local_cache)
    assert refreshes(server) == []


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, lambda token: repr(vars(token))], ids=["repr", "str", "format", "vars"]
)
def test_no_secret_is_shown(token: RefreshingToken, show: Callable[[RefreshingToken], str]) -> None:
    shown = show(token)
    for secret in (token.access_token, token.refresh_token, "fake-secret"):
        assert secret not in shown


def test_repr_shows_what_is_not_secret() -> None:
    shown = repr(OAuthToken(**VALUES))
    assert shown.startswith("OAuthToken(")
    assert str(NOON + 3599) in shown
    assert "access_token='[redacted]', refresh_token='[redacted]'" in shown


def test_tokens_are_equal_by_their_values(token: RefreshingToken) -> None:
    same = [copy.copy(token), copy.deepcopy(token), RefreshingToken.load(token.credentials, f"{token.local_cache}")]
    assert [token, *same] == [token] * 4
    for key, value in {"scope": "other", "access_token": "other", "expires_at": 1, "expires_in": 1}.items():
        other = copy.copy(token)
        setattr(other, key, value)
        assert other != token
    assert token != OAuthToken(**token.as_dict())
    assert token != changed(token)  # has no file
    assert OAuthToken(**token.as_dict()) != token.as_dict()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_has_its_own_values_and_its_own_file(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    other = duplicate(token)
    other.scope = "other"
    assert token.scope == SCOPE
    other.local_cache = None
    assert token.local_cache is not None
    clock.advance(4000)
    assert other.access_token != token.access_token
    assert not other.is_expiring
    assert server.is_live(other.access_token)
    assert server.is_live(token.access_token)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_adopts_from_the_file_what_its_original_refreshed(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    server.rotate = True  # a second refresh with the same refresh token would end the login
    other = duplicate(token)
    clock.advance(4000)
    assert token.access_token == other.access_token
    assert server.can_refresh(token.refresh_token)
    assert len(refreshes(server)) == 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_expires_by_the_monotonic_clock_too(
    token: RefreshingToken, clock: Clock, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    other = duplicate(token)
    clock.advance(4000)
    clock.wall -= 4000  # set back
    assert token.is_expiring
    assert other.is_expiring


def test_a_token_that_does_not_refresh_itself_can_be_copied(tmp_path: Path) -> None:
    file = tmp_path / "oauth.json"
    file.write_text(json.dumps(VALUES))
    token = OAuthToken.from_json(file)
    for twin in (copy.copy(token), copy.deepcopy(token), pickle.loads(pickle.dumps(token))):
        assert twin == token
        twin.scope = "other"
        assert token.scope == VALUES["scope"]


def test_a_pickled_token_works_in_another_process(token: RefreshingToken, server: FakeGoogle) -> None:
    script = (
        "import pickle, sys\n"
        "token = pickle.load(sys.stdin.buffer)\n"
        "print(token.as_json(), token.local_cache, token.access_token, sep='\\n')"
    )
    # The other process has the real time, at which a token of 2023 has expired.
    child = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(token), capture_output=True, check=True, cwd=ROOT
    )
    values, path, access_token = child.stdout.decode().splitlines()
    assert values == token.as_json()
    assert Path(path) == token.local_cache
    assert server.is_live(access_token)
    assert OAuthToken.from_json(Path(path)).access_token == access_token


# ---- when it is refreshed ------------------------------------------------------------------------


@pytest.mark.parametrize(("lifetime", "margin"), [(3599, 60), (90, 45), (1, 0)], ids=str)
def test_a_token_is_refreshed_with_a_minute_or_half_its_lifetime_left_and_not_before(
    server: FakeGoogle, clock: Clock, lifetime: int, margin: int
) -> None:
    server.token_lifetime = lifetime
    token = logged_in(server)
    old = token.access_token
    leave(margin + 1, token, clock)
    assert token.as_auth() == f"Bearer {old}"
    assert refreshes(server) == []
    clock.advance(1)
    new = token.access_token
    assert new != old
    assert token.as_auth() == f"Bearer {new}"
    assert len(refreshes(server)) == 1


@pytest.mark.parametrize(
    ("wall", "monotonic", "is_expiring"),
    [
        (1800, 1800, False),
        (1800, 0, False),
        (0, 1800, False),
        (3539, 0, True),
        (0, 3539, True),
        (-1800, 3539, True),
        (-1800, 0, True),
        (-NOON, 0, True),
        (TEN_YEARS, 0, True),
    ],
    ids=[
        "half an hour passes",
        "a laptop sleeps for half an hour",
        "the clock is set back by half an hour in half an hour",
        "a laptop sleeps for an hour",
        "the clock is set back by an hour in an hour",
        "the clock is set back by more than an hour in an hour",
        "the clock is set back",
        "the clock is set back to 1970",
        "the clock is set forward",
    ],
)
def test_a_token_expires_as_soon_as_one_of_two_clocks_says_so(
    server: FakeGoogle, clock: Clock, wall: float, monotonic: float, is_expiring: bool
) -> None:
    token = logged_in(server)
    old, other = token.access_token, copy.copy(token)
    clock.wall += wall
    clock.steady += monotonic
    assert token.is_expiring == is_expiring
    assert (token.access_token != old) == is_expiring
    assert (other.as_auth() != f"Bearer {old}") == is_expiring


def test_a_refresh_replaces_every_value_that_the_server_sent(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, tmp_path: Path
) -> None:
    clock.advance(4000)
    sent = {
        "access_token": "ya29.fake-new",
        "expires_in": 1234,
        "scope": "less",
        "token_type": "bearer",
        "refresh_token": "1//fake-rotated",
        "refresh_token_expires_in": 604799,
    }
    server.script("token", Reply(200, sent))
    assert token.as_auth() == "Bearer ya29.fake-new"
    expected = {
        "scope": "less",
        "token_type": "Bearer",
        "access_token": "ya29.fake-new",
        "refresh_token": "1//fake-rotated",
        "expires_at": int(clock.wall) + 1234,
        "expires_in": 1234,
    }
    assert token.as_dict() == OAuthToken.from_json(tmp_path / "oauth.json").as_dict() == expected


def test_a_rotated_refresh_token_is_stored_and_used(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, tmp_path: Path
) -> None:
    server.rotate = True
    for _ in range(3):
        clock.advance(3600)
        assert server.is_live(token.access_token)
    sent = [each.form["refresh_token"] for each in refreshes(server)]
    assert len(set(sent)) == 3
    assert server.can_refresh(OAuthToken.from_json(tmp_path / "oauth.json").refresh_token)


def test_refresh_replaces_a_token_that_has_not_expired(
    token: RefreshingToken, server: FakeGoogle, tmp_path: Path
) -> None:
    old = token.access_token
    server.expire_access_tokens()  # as if the caller had met a 401
    token.refresh()
    assert token.access_token != old
    assert server.is_live(token.access_token)
    assert OAuthToken.from_json(tmp_path / "oauth.json").access_token == token.access_token
    assert len(refreshes(server)) == 1


def test_a_refresh_token_that_was_set_is_the_one_that_is_sent(
    token: RefreshingToken, server: FakeGoogle, clock: Clock
) -> None:
    token.refresh_token = logged_in(server).refresh_token
    clock.advance(4000)
    assert server.is_live(token.access_token)
    assert refreshes(server)[-1].form["refresh_token"] == token.refresh_token


# ---- when a refresh fails ------------------------------------------------------------------------


def test_a_refused_refresh_token_is_not_sent_again_except_by_refresh(
    token: RefreshingToken, server: FakeGoogle, clock: Clock
) -> None:
    server.revoke(token.refresh_token)
    clock.advance(4000)
    for ask, requests in ((token.as_auth, 1), (token.as_auth, 1), (token.refresh, 2), (token.as_auth, 2)):
        with pytest.raises(InvalidGrant, match="Log in again"):
            ask()
        assert len(refreshes(server)) == requests
        clock.advance(3600)
    token.refresh_token = logged_in(server).refresh_token
    assert server.is_live(token.access_token)


# Enough of them for all tries of one refresh.
TRANSIENT: Final[Mapping[str, HttpResponse]] = {
    **{name: FAULTS[name] for name in ("503", "429", "rate-limit", "hang-up", "reset", "answer-lost")},
    "temporarily_unavailable": Reply(400, {"error": "temporarily_unavailable"}),
}


@pytest.mark.parametrize("answer", TRANSIENT.values(), ids=TRANSIENT)
def test_a_valid_token_is_returned_after_one_try_during_a_transient_failure(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, answer: HttpResponse
) -> None:
    old = token.access_token
    leave(40, token, clock)
    server.script("token", answer)
    slept = len(clock.slept)
    assert token.access_token == old
    assert len(clock.slept) == slept
    assert token.access_token == old
    assert len(refreshes(server)) == 1  # the second read was within the backoff
    leave(0, token, clock)
    assert token.access_token != old


@pytest.mark.parametrize("answer", TRANSIENT.values(), ids=TRANSIENT)
def test_a_refresh_of_an_expired_token_is_tried_three_times_and_then_not_during_the_backoff(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, answer: HttpResponse
) -> None:
    leave(0, token, clock)
    server.script("token", *[answer] * 3)
    with pytest.raises(OAuthError) as first:
        token.as_auth()
    with pytest.raises(OAuthError) as second:
        token.as_auth()
    assert first.value.retryable
    assert str(second.value) == str(first.value)
    assert len(refreshes(server)) == 3
    clock.advance(first.value.retry_after or 1)
    assert server.is_live(token.access_token)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply(401, {"error": "invalid_client"}), BadOAuthClient),
        (Reply(401, {"error": "deleted_client"}), BadOAuthClient),
        (Reply(401, {"error": "unauthorized_client"}), UnauthorizedOAuthClient),
        (Reply(400, {"error": "invalid_scope"}), ServerError),
    ],
    ids=lambda value: value.error if isinstance(value, Reply) else "",
)
def test_a_permanent_failure_is_a_warning_while_the_token_is_valid_and_then_an_error(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, answer: HttpResponse, error: type[OAuthError]
) -> None:
    old = token.access_token
    leave(40, token, clock)
    server.script("token", answer, answer)
    with pytest.warns(RuntimeWarning, match=f"{error.summary}.*The old access token stays in use until it expires"):
        assert token.access_token == old
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clock.advance(1)
        assert token.access_token == old
    assert len(refreshes(server)) == 2
    leave(0, token, clock)
    server.script("token", answer)
    with pytest.raises(error):
        token.as_auth()


def test_a_refused_login_is_an_error_even_while_the_token_is_valid(
    token: RefreshingToken, server: FakeGoogle, clock: Clock
) -> None:
    server.revoke(token.refresh_token)
    leave(40, token, clock)
    for _ in range(2):
        with pytest.raises(InvalidGrant):
            token.as_auth()
    assert len(refreshes(server)) == 1


def test_refresh_raises_a_failure_even_while_the_token_is_valid(token: RefreshingToken, server: FakeGoogle) -> None:
    server.script("token", *[FAULTS["503"]] * 3)
    with pytest.raises(ServerError):
        token.refresh()


def test_backoff_grows_while_a_server_is_down_also_after_the_token_has_expired(
    server: FakeGoogle, clock: Clock
) -> None:
    token = logged_in(server, rotates=True)  # no retries there: each refresh is one request
    server.script("token", *[FAULTS["reset"]] * 20)
    leave(60, token, clock)
    expired_at = clock.steady + 60
    for _ in range(300):
        if clock.steady < expired_at:
            token.as_auth()
        else:
            with pytest.raises(TransportError):
                token.as_auth()
        clock.advance(1)
    times = [each.at - expired_at + 60 for each in refreshes(server)]
    # From half a minute before the expiry on, a failing server gets no request that could outlast the token.
    assert times == [0, 1, 3, 7, 15, 60, 92, 152, 212, 272]


def test_retry_after_is_respected_while_the_token_is_valid(
    token: RefreshingToken, server: FakeGoogle, clock: Clock
) -> None:
    old = token.access_token
    leave(60, token, clock)
    server.script("token", Reply(429, "", {"Retry-After": "30"}))
    for _ in range(30):
        assert token.access_token == old
        clock.advance(1)
    assert len(refreshes(server)) == 1
    assert token.access_token != old


def test_retry_after_is_respected_after_the_token_has_expired(
    token: RefreshingToken, server: FakeGoogle, clock: Clock
) -> None:
    leave(0, token, clock)
    server.script("token", Reply(429, "", {"Retry-After": "1800"}))
    for _ in range(180):
        with pytest.raises(RateLimited):
            token.as_auth()
        clock.advance(10)
    assert len(refreshes(server)) == 1
    assert server.is_live(token.access_token)


def test_a_server_cannot_ask_for_more_than_an_hour(token: RefreshingToken, server: FakeGoogle, clock: Clock) -> None:
    leave(0, token, clock)
    server.script("token", Reply(429, "", {"Retry-After": "86400"}))
    with pytest.raises(RateLimited):
        token.as_auth()
    clock.advance(3600)
    assert server.is_live(token.access_token)


def test_refresh_asks_during_the_backoff(token: RefreshingToken, server: FakeGoogle, clock: Clock) -> None:
    leave(0, token, clock)
    server.script("token", Reply(429, "", {"Retry-After": "3600"}))
    with pytest.raises(RateLimited):
        token.as_auth()
    token.refresh()
    assert server.is_live(token.access_token)


def test_a_success_resets_the_backoff(server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(server, rotates=True)
    for _ in range(3):
        leave(60, token, clock)
        tries = len(refreshes(server))
        server.script("token", FAULTS["reset"], FAULTS["reset"])
        for _ in range(5):  # the third try comes after 3 s, unless the backoff of the round before still counts
            token.as_auth()
            clock.advance(1)
        assert len(refreshes(server)) == tries + 3
        assert not token.is_expiring


GOOD: Final[Mapping[str, object]] = {
    "access_token": "ya29.fake-spoiled",
    "expires_in": 3599,
    "scope": SCOPE,
    "token_type": "Bearer",
}
SPOILED: Final[Sequence[tuple[str, object]]] = [
    ("access_token", None),
    ("access_token", "line\nbreak"),
    ("token_type", "mac"),
    ("error", "access_denied"),
    ("error", {"code": 500}),
]
# These need real time.
SLOW: Final = {"stall", "stall-in-body", "drip"}
BAD_ANSWERS: Final[Mapping[str, HttpResponse]] = {
    **{f"{key}={value!r}": Reply(200, {**GOOD, key: value}) for key, value in SPOILED},
    **{name: fault for name, fault in FAULTS.items() if name not in SLOW},
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_response_changes_neither_token_nor_file(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, tmp_path: Path, answer: HttpResponse
) -> None:
    values, content = token.as_dict(), (tmp_path / "oauth.json").read_bytes()
    clock.advance(4000)
    server.script("token", *[answer] * 3)
    with pytest.raises(OAuthError) as refused:
        token.as_auth()
    assert "fake-spoiled" not in str(refused.value)
    assert token.as_dict() == values
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [content]


def test_an_invalid_response_of_third_party_credentials_changes_nothing(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = RefreshingToken(client(server), **VALUES)
    monkeypatch.setattr(token.credentials, "refresh_token", lambda _: {**GOOD, "access_token": "two words"})
    with pytest.raises(MalformedResponse) as refused:
        token.refresh()
    assert refused.value.key == "access_token"
    assert str(refused.value).startswith("credentials.refresh_token did not return a token")
    assert token.as_dict() == VALUES


def test_third_party_credentials_may_return_any_mapping(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has rotated: a response that is not taken would be a lost login."""
    token = RefreshingToken(client(server), **VALUES)
    rotated = MappingProxyType({**GOOD, "refresh_token": "1//rotated"})
    monkeypatch.setattr(token.credentials, "refresh_token", lambda _: rotated)
    token.refresh()
    assert token.refresh_token == "1//rotated"


def test_a_pickle_is_valid_by_the_wall_clock_alone(server: FakeGoogle, clock: Clock) -> None:
    """It is loaded after a boot, or on another machine, where the monotonic clock began elsewhere."""
    values = {**VALUES, "refresh_token": "", "expires_at": int(clock.wall) + 3600, "expires_in": 3600}
    pickled = pickle.dumps(RefreshingToken.from_dict(client(server), values))
    clock.steady += 10**6
    loaded = pickle.loads(pickled)
    assert loaded.as_auth() == f"Bearer {VALUES['access_token']}"
    clock.advance(3600)
    with pytest.raises(InvalidGrant):
        loaded.as_auth()


@pytest.mark.parametrize("store", [b"oauth.json", None, 3])
def test_what_is_no_store_is_rejected(server: FakeGoogle, store: str) -> None:
    token = RefreshingToken.from_dict(client(server), VALUES)
    for use in (token.keep_in, lambda store: RefreshingToken.load(client(server), store)):
        with pytest.raises(TypeError, match="A store is a path, or an object with the methods of TokenStore"):
            use(store)
