# SPDX-License-Identifier: MIT
"""The tokens: what they hold, what may be looked at for free, and when a `RefreshingToken` asks for a new one."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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
    RefreshingToken,
    ServerError,
    TransportError,
    UnauthorizedOAuthClient,
)
from ytmusic_oauth.models import BaseTokenDict, RefreshableTokenDict

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
    """Just logged in, and kept in a file."""
    token = logged_in(server)
    token.local_cache = tmp_path / "oauth.json"
    return token


def changed(token: RefreshingToken, **values: object) -> RefreshingToken:
    """Another one with some values in place of its own, and no file."""
    return RefreshingToken(token.credentials, **json.loads(json.dumps({**token.as_dict(), **values})))


def refreshes(server: FakeGoogle) -> list[Exchange]:
    return [each for each in server.requests_to("token") if each.form["grant_type"] == "refresh_token"]


def seconds_before_the_end(seconds: float, token: RefreshingToken, clock: Clock) -> None:
    clock.advance(token.expires_at - seconds - clock.wall)


# ---- values --------------------------------------------------------------------------------------


@st.composite
def token_dicts(draw: st.DrawFn) -> RefreshableTokenDict:
    # Two halves of a surrogate pair become one character in JSON: it cannot hold them apart.
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
def test_a_token_gives_back_what_it_was_made_of(values: RefreshableTokenDict) -> None:
    """Any dictionary of fit values -> token -> the same dictionary; JSON -> token -> the same JSON; equal tokens."""
    token = OAuthToken(**values)
    assert token.as_dict() == values
    again = OAuthToken(**json.loads(token.as_json()))
    assert again == token
    assert again.as_json() == token.as_json() == json.dumps(values)


def test_members_are_the_six_keys_of_a_file_in_its_order() -> None:
    assert list(OAuthToken.members()) == list(VALUES)
    assert list(OAuthToken(**VALUES).as_dict()) == list(VALUES)


def test_a_headers_file_and_a_token_file_are_told_apart() -> None:
    assert OAuthToken.is_oauth({**VALUES, "refresh_token_expires_in": 604799})
    assert not OAuthToken.is_oauth({"cookie": "SID=1", "x-goog-authuser": "0"})
    for missing in VALUES:
        assert not OAuthToken.is_oauth({key: value for key, value in VALUES.items() if key != missing})


def test_what_as_dict_answers_is_the_callers_own() -> None:
    token = OAuthToken(**VALUES)
    token.as_dict()["access_token"] = "other"
    assert token.as_dict() == VALUES


def test_as_auth_is_an_authorization_header_whatever_the_case_of_bearer() -> None:
    token = OAuthToken(**VALUES)
    token.token_type = "bearer"
    assert token.as_auth() == "Bearer ya29.fake-access-0"


def test_a_token_of_which_only_the_secrets_are_known_is_expiring() -> None:
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
def test_from_json_answers_a_plain_token_whoever_is_asked(tmp_path: Path, kind: type[OAuthToken]) -> None:
    file = tmp_path / "oauth.json"
    file.write_text(json.dumps(VALUES), encoding="utf-8")
    token = kind.from_json(file)
    assert type(token) is OAuthToken
    assert token.as_dict() == VALUES


# One or two for each field: all that a kind refuses is in `test_validation`.
UNFIT: Final[Sequence[tuple[str, object]]] = [
    ("scope", None),
    ("token_type", "mac-s3cret"),
    ("access_token", ""),
    ("access_token", "a-s3cret\r\nX-Header: injected"),
    ("refresh_token", "a-s3cret\n"),
    ("expires_at", 1.5),
    ("expires_in", -1),
    ("expires_in", True),
]
each_unfit_value = pytest.mark.parametrize(("key", "value"), UNFIT, ids=[f"{key}={value!r}" for key, value in UNFIT])


@each_unfit_value
def test_an_unfit_value_is_refused_by_name_and_not_shown(key: str, value: object) -> None:
    spoiled = {**VALUES, key: value}
    for values in (spoiled, json.loads(json.dumps(spoiled))):
        with pytest.raises(ValueError, match=f"^{key} ") as refused:
            OAuthToken(**values)
        assert "s3cret" not in str(refused.value)


@each_unfit_value
def test_a_field_set_by_hand_to_an_unfit_value_stays_as_it_was(key: str, value: object) -> None:
    token = OAuthToken(**VALUES)
    with pytest.raises(ValueError, match=f"^{key} "):
        setattr(token, key, value)
    assert token.as_dict() == VALUES


def test_a_field_can_be_set_by_hand() -> None:
    token = OAuthToken(**VALUES)
    for key, value in {**VALUES, "access_token": "ya29.fake-other", "scope": "other", "expires_in": 7200}.items():
        setattr(token, key, value)
        assert dict(token.as_dict())[key] == getattr(token, key) == value
    assert token.access_token == "ya29.fake-other"


def test_an_expiry_set_by_hand_counts_at_once(clock: Clock) -> None:
    token = OAuthToken(**VALUES)
    assert not token.is_expiring
    token.expires_at = NOON + 60
    assert token.is_expiring


@pytest.mark.parametrize("loaded", [True, False])
def test_a_token_that_is_made_to_expire_is_refreshed_though_its_file_says_otherwise(
    server: FakeGoogle, clock: Clock, tmp_path: Path, loaded: bool
) -> None:
    before = logged_in(server)
    path = tmp_path / "oauth.json"
    before.store_token(str(path))
    held = before.as_dict()
    token = RefreshingToken.load(client(server), path) if loaded else RefreshingToken(client(server), path, **held)
    token.expires_at = int(clock.time())  # as ytmusicapi's users force a refresh
    assert token.access_token != held["access_token"]
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()


def test_a_refreshing_token_needs_somebody_who_refreshes() -> None:
    with pytest.raises(TypeError, match="credentials"):
        RefreshingToken(json.loads("null"), **VALUES)


# ---- update --------------------------------------------------------------------------------------


def test_an_update_counts_from_the_present_and_keeps_what_was_not_sent(clock: Clock) -> None:
    token = OAuthToken(**VALUES)
    clock.advance(5000.5)
    token.update({"access_token": "ya29.fake-new", "expires_in": 100, "scope": "new", "token_type": "Bearer"})
    expected = {**VALUES, "access_token": "ya29.fake-new", "scope": "new", "expires_at": NOON + 5100, "expires_in": 100}
    assert token.as_dict() == expected
    assert not token.is_expiring


def test_an_update_takes_a_rotated_refresh_token(clock: Clock) -> None:
    token = OAuthToken(**VALUES)
    rotated: RefreshableTokenDict = {**VALUES, "refresh_token": "1//fake-rotated", "expires_at": 1}
    token.update(rotated)
    assert token.as_dict() == {**VALUES, "refresh_token": "1//fake-rotated"}


@pytest.mark.parametrize(
    ("key", "value"),
    [*[row for row in UNFIT if row[0] != "expires_at"], ("access_token", None), ("expires_in", None)],
    ids=str,
)
def test_an_update_is_all_or_nothing(clock: Clock, key: str, value: object) -> None:
    token = OAuthToken(**VALUES)
    answer = {"access_token": "ya29.fake-new", "expires_in": 100, "scope": "new", "token_type": "Bearer", key: value}
    fresh: BaseTokenDict = json.loads(json.dumps(answer))
    with pytest.raises(ValueError, match=f"^{key} "):
        token.update(fresh)
    assert token.as_dict() == VALUES


# ---- what may be looked at -----------------------------------------------------------------------

ENDED: Final[BaseTokenDict] = {
    "access_token": "ya29.fake-ended",
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
    "update": lambda token: token.update(ENDED),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_looking_at_an_expired_token_sends_nothing(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, look: Callable[[RefreshingToken], object]
) -> None:
    clock.advance(4000)
    before = token.as_dict()["access_token"]
    look(token)
    assert refreshes(server) == []
    assert token.access_token != before  # which does send something
    assert len(refreshes(server)) == 1


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, lambda token: repr(vars(token))], ids=["repr", "str", "format", "vars"]
)
def test_no_secret_is_shown(token: RefreshingToken, show: Callable[[RefreshingToken], str]) -> None:
    shown = show(token)
    for secret in (token.access_token, token.refresh_token, "fake-secret"):
        assert secret not in shown


def test_repr_says_what_is_no_secret() -> None:
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
    assert token != changed(token)  # kept in no file
    assert OAuthToken(**token.as_dict()) != token.as_dict()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_lives_a_life_of_its_own(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    other = duplicate(token)
    other.scope = "other"
    assert token.scope == SCOPE
    other.local_cache = None
    assert token.local_cache is not None
    clock.advance(4000)
    assert other.access_token != token.access_token
    assert server.is_live(other.access_token)
    assert server.is_live(token.access_token)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_knows_the_file_and_takes_from_it_what_its_original_refreshed(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    server.rotate = True  # to refresh with a token that was rotated away would end the login
    other = duplicate(token)
    clock.advance(4000)
    assert token.access_token == other.access_token
    assert server.can_refresh(token.refresh_token)
    assert len(refreshes(server)) == 1


def test_a_token_works_in_another_process(token: RefreshingToken, server: FakeGoogle) -> None:
    script = (
        "import pickle, sys\n"
        "token = pickle.load(sys.stdin.buffer)\n"
        "print(token.as_json(), token.local_cache, token.access_token, sep='\\n')"
    )
    # There, the time is the real one, and a token of 2023 has ended.
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
def test_a_token_is_refreshed_when_a_minute_or_half_its_life_is_left_and_not_before(
    server: FakeGoogle, clock: Clock, lifetime: int, margin: int
) -> None:
    server.token_lifetime = lifetime
    token = logged_in(server)
    old = token.access_token
    seconds_before_the_end(margin + 1, token, clock)
    assert token.as_auth() == f"Bearer {old}"
    assert refreshes(server) == []
    clock.advance(1)
    new = token.access_token
    assert new != old
    assert token.as_auth() == f"Bearer {new}"
    assert len(refreshes(server)) == 1


def test_a_file_of_ytmusicapi_that_mixes_up_two_lifetimes_is_refreshed_in_time(
    server: FakeGoogle, clock: Clock
) -> None:
    # It keeps the refresh token's seven days for `expires_in`; `expires_at` is right.
    known = logged_in(server)
    token = changed(known, expires_in=604799)
    seconds_before_the_end(61, token, clock)
    assert token.access_token == known.access_token
    clock.advance(1)
    assert token.access_token != known.access_token


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
        "the clock is set back by as much as passes",
        "a laptop sleeps for an hour",
        "an hour passes and the clock is set back by it",
        "an hour passes and the clock is set back by more",
        "the clock is set back, so the token was stamped by a wrong one",
        "the clock falls back to 1970",
        "the clock leaps ahead",
    ],
)
def test_the_earlier_of_two_clocks_ends_a_token(
    server: FakeGoogle, clock: Clock, wall: float, monotonic: float, is_expiring: bool
) -> None:
    token = logged_in(server)
    old = token.access_token
    clock.wall += wall
    clock.steady += monotonic
    assert token.is_expiring == is_expiring
    assert (token.access_token != old) == is_expiring


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


def test_refresh_does_it_now_whatever_the_clock_says(
    token: RefreshingToken, server: FakeGoogle, tmp_path: Path
) -> None:
    old = token.access_token
    server.expire_access_tokens()  # the caller has just been answered with 401
    token.refresh()
    assert token.access_token != old
    assert server.is_live(token.access_token)
    assert OAuthToken.from_json(tmp_path / "oauth.json").access_token == token.access_token
    assert len(refreshes(server)) == 1


def test_a_refresh_token_set_by_hand_is_the_one_that_is_sent(
    token: RefreshingToken, server: FakeGoogle, clock: Clock
) -> None:
    token.refresh_token = logged_in(server).refresh_token
    clock.advance(4000)
    assert server.is_live(token.access_token)
    assert refreshes(server)[-1].form["refresh_token"] == token.refresh_token


# ---- when a refresh fails ------------------------------------------------------------------------


def test_a_revoked_login_is_not_asked_for_twice(token: RefreshingToken, server: FakeGoogle, clock: Clock) -> None:
    server.revoke(token.refresh_token)
    clock.advance(4000)
    for ask in (token.as_auth, token.as_auth, token.refresh):
        with pytest.raises(InvalidGrant, match="Log in again"):
            ask()
        clock.advance(3600)
    assert len(refreshes(server)) == 1
    token.refresh_token = logged_in(server).refresh_token
    assert server.is_live(token.access_token)


# Three times each, as often as a refresh is tried.
PASSING: Final[Mapping[str, HttpResponse]] = {
    **{name: FAULTS[name] for name in ("503", "429", "rate-limit", "hang-up", "reset", "answer-lost")},
    "temporarily_unavailable": Reply(400, {"error": "temporarily_unavailable"}),
}


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
def test_a_token_that_still_lives_is_served_through_passing_trouble(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, answer: HttpResponse
) -> None:
    old = token.access_token
    seconds_before_the_end(40, token, clock)
    server.script("token", *[answer] * 3)
    assert token.access_token == old
    assert server.is_live(old)
    assert token.access_token == old
    assert len(refreshes(server)) == 3  # and the second read left the server alone
    seconds_before_the_end(0, token, clock)
    assert token.access_token != old


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply(400, {"error": "invalid_grant"}), InvalidGrant),
        (Reply(401, {"error": "invalid_client"}), BadOAuthClient),
        (Reply(401, {"error": "deleted_client"}), BadOAuthClient),
        (Reply(401, {"error": "unauthorized_client"}), UnauthorizedOAuthClient),
        (Reply(400, {"error": "invalid_scope"}), ServerError),
    ],
    ids=lambda value: value.error if isinstance(value, Reply) else "",
)
def test_what_no_waiting_mends_is_raised_at_once_even_while_the_old_token_lives(
    token: RefreshingToken, server: FakeGoogle, clock: Clock, answer: HttpResponse, error: type[OAuthError]
) -> None:
    seconds_before_the_end(40, token, clock)
    server.script("token", answer)
    with pytest.raises(error):
        token.as_auth()
    assert len(refreshes(server)) == 1


def test_refresh_says_what_went_wrong_even_while_the_old_token_lives(
    token: RefreshingToken, server: FakeGoogle
) -> None:
    server.script("token", *[FAULTS["503"]] * 3)
    with pytest.raises(ServerError):
        token.refresh()


def test_pauses_grow_while_a_server_stays_down_and_end_with_the_old_token(server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(server, rotates=True)  # nothing is sent twice by itself: one request for each try
    server.script("token", *[FAULTS["reset"]] * 10)
    seconds_before_the_end(60, token, clock)
    for _ in range(60):
        token.as_auth()
        clock.advance(1)
    times = [each.at for each in refreshes(server)]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(pauses) >= 3
    assert all(later > earlier for earlier, later in itertools.pairwise(pauses))
    assert pauses[0] <= 2
    tries = len(times)
    for _ in range(2):  # now it is all or nothing
        with pytest.raises(TransportError):
            token.as_auth()
    assert len(refreshes(server)) == tries + 2


def test_a_server_that_asks_for_peace_gets_it_while_the_old_token_lives(
    token: RefreshingToken, server: FakeGoogle, clock: Clock
) -> None:
    old = token.access_token
    seconds_before_the_end(60, token, clock)
    server.script("token", Reply(429, "", {"Retry-After": "30"}))
    for _ in range(30):
        assert token.access_token == old
        clock.advance(1)
    assert len(refreshes(server)) == 1
    assert token.access_token != old


def test_a_success_forgets_the_pauses(server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(server, rotates=True)
    for _ in range(3):
        seconds_before_the_end(60, token, clock)
        tries = len(refreshes(server))
        server.script("token", FAULTS["reset"], FAULTS["reset"])
        for _ in range(5):  # seconds: the third try comes by then, unless older pauses are remembered
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
    ("expires_in", "soon"),
    ("refresh_token", ""),
    ("token_type", "mac"),
    ("error", "access_denied"),
    ("error", {"code": 500}),
]
# These take their time, by a clock that nobody moves.
SLOW: Final = {"stall", "stall-in-body", "drip"}
BAD_ANSWERS: Final[Mapping[str, HttpResponse]] = {
    **{f"{key}={value!r}": Reply(200, {**GOOD, key: value}) for key, value in SPOILED},
    **{name: fault for name, fault in FAULTS.items() if name not in SLOW},
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_leaves_token_and_file_as_they_were(
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


def test_a_captive_portal_is_named_as_what_it_may_be(token: RefreshingToken, server: FakeGoogle, clock: Clock) -> None:
    clock.advance(4000)
    server.script("token", FAULTS["html"])
    with pytest.raises(MalformedResponse, match="captive portal"):
        token.as_auth()
    assert server.is_live(token.access_token)


def test_a_client_of_ones_own_that_answers_nonsense_changes_nothing(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = RefreshingToken(client(server), **VALUES)
    monkeypatch.setattr(token.credentials, "refresh_token", lambda _: {**GOOD, "access_token": "two words"})
    with pytest.raises(MalformedResponse) as refused:
        token.refresh()
    assert refused.value.key == "access_token"
    assert str(refused.value).startswith("credentials.refresh_token answered")
    assert token.as_dict() == VALUES
