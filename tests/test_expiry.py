# SPDX-License-Identifier: MIT
"""Validity of a token on clocks that can be wrong: boards that boot in 1970, suspended laptops, corrected clocks.

The vectors `expiry-times` of the porting kit have the single cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON
from ytmusic_oauth._expiry import Validity, freshness, refresh_margin, validity
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth._validation import token_dict

# The monotonic time at NOON.
MONOTONIC: Final = 1000.0
YEAR: Final = 365 * 24 * 3600

TOKEN: Final[Mapping[str, object]] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.old",
    "refresh_token": "1//old",
    "expires_at": NOON + 3599,
    "expires_in": 3599,
}
SNAPSHOT: Final = Snapshot(NOON, MONOTONIC, token_dict(TOKEN))


def covers(period: Validity, seconds_later: float) -> bool:
    """Whether the period covers a later time, after both clocks have advanced equally."""
    return period.covers(NOON + seconds_later, MONOTONIC + seconds_later)


# ---- two correct clocks --------------------------------------------------------------------------


@given(expires_in=st.integers(1, 10 * YEAR))
def test_no_token_is_due_as_soon_as_it_is_issued(expires_in: int) -> None:
    """Whatever its lifetime, a token is fresh for at least half of it."""
    assert 0 <= refresh_margin(expires_in) <= min(60, expires_in / 2)


# ---- wrong clocks --------------------------------------------------------------------------------


@given(expires_in=st.integers(1, YEAR), ahead=st.integers(11, 100 * YEAR), monotonic=st.integers(0, YEAR))
def test_a_token_stored_by_a_clock_that_was_ahead_is_not_valid(expires_in: int, ahead: int, monotonic: int) -> None:
    """A file is not trusted if much more time is left than the whole lifetime, at any monotonic time."""
    correct, ahead_of_time = (validity(NOON + expires_in + late, expires_in, NOON, monotonic) for late in (0, ahead))
    assert correct.covers(NOON, monotonic)
    assert not ahead_of_time.covers(NOON, monotonic)


@given(
    expires_at=st.integers(0, 100 * YEAR),
    expires_in=st.integers(0, 10 * YEAR),
    read=st.tuples(st.floats(0, 100 * YEAR), st.floats(0, YEAR)),
    now=st.tuples(st.floats(0, 100 * YEAR), st.floats(0, YEAR)),
)
def test_seconds_left_and_covers_agree(
    expires_at: int, expires_in: int, read: tuple[float, float], now: tuple[float, float]
) -> None:
    """At any two times, seconds are left if and only if the period covers them; and a fresh token is valid."""
    valid = validity(expires_at, expires_in, *read)
    fresh = freshness(valid, expires_in)
    for period in (valid, fresh):
        assert (period.seconds_left(*now) > 0) is period.covers(*now)
        assert period.seconds_left(*now) >= 0
    assert fresh.seconds_left(*now) <= valid.seconds_left(*now)
    assert valid.covers(*now) or not fresh.covers(*now)


# Quarters of a second, which floats add without rounding.
QUARTERS: Final = st.integers(0, 8 * 4 * 3600).map(lambda count: count / 4)
JUMPS: Final = st.just(0) | st.integers(-60 * YEAR, 60 * YEAR) | st.integers(-7200, 7200)
HISTORY: Final = st.lists(st.tuples(QUARTERS, JUMPS), min_size=1, max_size=8)


@given(wall=st.integers(0, 4 * NOON).map(lambda count: count / 4), expires_in=st.integers(1, 14400), history=HISTORY)
def test_no_jump_of_the_wall_clock_extends_the_lifetime(
    wall: float, expires_in: int, history: list[tuple[float, int]]
) -> None:
    """However the wall clock jumps, a token is not valid for longer than its lifetime after the request."""
    snapshot = SNAPSHOT.refreshed(wall, MONOTONIC, {"access_token": "ya29.new", "expires_in": expires_in})
    age = 0.0
    for passed, jump in [(0.0, 0), *history]:
        age += passed
        wall += passed + jump
        left = snapshot.valid.seconds_left(wall, MONOTONIC + age)
        assert left <= max(0.0, expires_in - age)
        assert not (age >= expires_in and snapshot.valid.covers(wall, MONOTONIC + age))


@given(wall=st.integers(0, 4 * NOON).map(lambda count: count / 4), expires_in=st.integers(1, 14400), age=QUARTERS)
def test_a_token_is_valid_for_its_whole_lifetime_if_no_clock_jumps(wall: float, expires_in: int, age: float) -> None:
    """To within a second, a token is fresh until its margin begins and valid until it expires."""
    snapshot = SNAPSHOT.refreshed(wall, MONOTONIC, {"access_token": "ya29.new", "expires_in": expires_in})
    assert snapshot.valid.covers(wall + age, MONOTONIC + age) or age > expires_in - 1
    assert snapshot.fresh.covers(wall + age, MONOTONIC + age) or age > expires_in - refresh_margin(expires_in) - 1


@given(expires_in=st.integers(1, 14400), age=QUARTERS, monotonic=st.integers(0, YEAR), later=QUARTERS)
def test_a_token_read_from_a_file_expires_on_time(expires_in: int, age: float, monotonic: int, later: float) -> None:
    """After a reboot, which restarts the monotonic clock, a correct wall clock still ends the token on time."""
    stored = {**TOKEN, "expires_at": NOON + expires_in, "expires_in": expires_in}
    read = Snapshot(NOON + age, monotonic, token_dict(stored))
    assert read.valid.covers(NOON + age + later, monotonic + later) is (age + later < expires_in)
    # If the wall clock is set back after that, the monotonic clock ends the token.
    assert not read.valid.covers(NOON, monotonic + max(0.0, expires_in - age))


# ---- the snapshot --------------------------------------------------------------------------------


def test_the_repr_of_a_snapshot_shows_no_secret() -> None:
    assert "old" not in repr(SNAPSHOT)


def test_a_refresh_without_a_refresh_token_keeps_the_old_one() -> None:
    sent = {"access_token": "ya29.new", "expires_in": 3000, "scope": "less", "token_type": "bearer"}
    assert SNAPSHOT.refreshed(NOON + 3000.9, MONOTONIC + 3000.9, sent).token == {
        "scope": "less",
        "token_type": "Bearer",
        "access_token": "ya29.new",
        "refresh_token": "1//old",
        "expires_at": NOON + 6000,
        "expires_in": 3000,
    }


def test_a_refresh_adopts_a_rotated_refresh_token() -> None:
    sent = {"access_token": "ya29.new", "expires_in": 3000, "refresh_token": "1//new"}
    assert SNAPSHOT.refreshed(NOON, MONOTONIC, sent).token["refresh_token"] == "1//new"


def test_a_refresh_ignores_expires_at_in_the_response() -> None:
    sent = {"access_token": "ya29.new", "expires_in": 3000, "expires_at": NOON + YEAR}
    assert SNAPSHOT.refreshed(NOON, MONOTONIC, sent).token["expires_at"] == NOON + 3000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("access_token", None),
        ("access_token", ""),
        ("access_token", "injected\r\nX: 1"),
        ("expires_in", None),
        ("expires_in", "3599"),
        ("expires_in", 3599.7),
        ("expires_in", float("nan")),
        ("expires_in", True),
        ("expires_in", -1),
        ("expires_in", 11 * YEAR),
        ("scope", ["a"]),
        ("token_type", "MAC"),
    ],
    ids=str,
)
def test_an_invalid_refresh_response_changes_nothing(key: str, value: object) -> None:
    good = {"access_token": "ya29.new", "expires_in": 3000, "refresh_token": "1//new", "scope": "less"}
    before = SNAPSHOT.token.copy()
    with pytest.raises(ValueError, match=f"^{key} is "):
        SNAPSHOT.refreshed(NOON, MONOTONIC, {**good, key: value})
    assert SNAPSHOT.token == before


@pytest.mark.parametrize("value", [None, "", 5, "line\nbreak"], ids=repr)
def test_an_invalid_refresh_token_in_a_refresh_response_is_ignored(value: object) -> None:
    response = {"access_token": "ya29.new", "expires_in": 3000, "refresh_token": value}
    assert SNAPSHOT.refreshed(NOON, MONOTONIC, response).token["refresh_token"] == "1//old"


@pytest.mark.parametrize("key", ["access_token", "expires_in"])
def test_a_refresh_response_needs_an_access_token_and_a_lifetime(key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key} is missing"):
        SNAPSHOT.refreshed(NOON, MONOTONIC, {name: TOKEN[name] for name in TOKEN if name != key})


@pytest.mark.parametrize("name", TOKEN)
def test_only_a_value_that_concerns_the_time_or_the_access_token_starts_a_new_period(name: str) -> None:
    """A scope set by hand does not prolong the life of a token whose clock was wrong."""
    later = SNAPSHOT.changed(NOON + 5, MONOTONIC + 7, name, TOKEN[name])
    assert (later.valid is SNAPSHOT.valid) == (name in {"scope", "token_type", "refresh_token"})
