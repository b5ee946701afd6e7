# SPDX-License-Identifier: MIT
"""When a token counts, on clocks that lie: boards that boot in 1970, laptops that sleep, clocks that are set right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON
from ytmusic_oauth._expiry import Validity, freshness, refresh_margin, validity
from ytmusic_oauth._snapshot import Snapshot

# Where the monotonic clock stands at NOON.
STEADY: Final = 1000.0
YEAR: Final = 365 * 24 * 3600

TOKEN: Final[Mapping[str, object]] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.old",
    "refresh_token": "1//old",
    "expires_at": NOON + 3599,
    "expires_in": 3599,
}
HELD: Final = Snapshot(NOON, STEADY, TOKEN)


def usable(window: Validity, seconds_later: float) -> bool:
    """Whether it is open when both clocks have gone on together."""
    return window.covers(NOON + seconds_later, STEADY + seconds_later)


# ---- two honest clocks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "early"),
    [(3599, 60), (121, 60), (120, 60), (119, 59), (60, 30), (3, 1), (2, 1), (1, 0)],
)
def test_a_token_is_refreshed_a_minute_early_or_after_half_of_a_short_life(expires_in: int, early: int) -> None:
    window = freshness(validity(NOON + expires_in, expires_in, NOON, STEADY), expires_in)
    assert usable(window, 0)
    assert usable(window, expires_in - early - 0.25)
    assert not usable(window, expires_in - early)


def test_a_token_lives_to_its_last_second_and_no_longer() -> None:
    window = validity(NOON + 3599, 3599, NOON, STEADY)
    assert usable(window, 3598.75)
    assert not usable(window, 3599)


def test_a_token_of_unknown_life_is_refreshed_a_minute_early() -> None:
    window = freshness(validity(NOON + 3599, 0, NOON, STEADY), 0)
    assert usable(window, 3538.75)
    assert not usable(window, 3539)


def test_a_token_that_says_nothing_about_its_end_is_refreshed_before_its_first_use() -> None:
    assert not usable(validity(0, 0, NOON, STEADY), 0)


@given(expires_in=st.integers(1, 10 * YEAR))
def test_no_token_is_expiring_from_birth(expires_in: int) -> None:
    """A token that has just been given is fresh, and for as long as half of its life, whatever that is."""
    assert 0 <= refresh_margin(expires_in) <= min(60, expires_in / 2)


# ---- clocks that lie -----------------------------------------------------------------------------


def test_a_clock_that_is_set_back_does_not_make_a_token_immortal() -> None:
    for expires_in in (3599, 0):
        window = validity(NOON + 3599, expires_in, NOON, STEADY)
        assert window.covers(NOON + 10, STEADY + 3598)
        assert not window.covers(NOON + 10, STEADY + 3599)


def test_a_clock_that_is_set_to_before_the_token_was_given_ends_it() -> None:
    assert not HELD.valid.covers(NOON - 1, STEADY + 10)


def test_a_clock_that_is_set_forward_ends_it() -> None:
    assert not HELD.valid.covers(NOON + 3599, STEADY + 10)


def test_a_laptop_that_slept_through_its_life_ends_it() -> None:
    # The monotonic clock of Linux stands still meanwhile.
    assert not HELD.valid.covers(NOON + 8 * 3600, STEADY)


@given(expires_in=st.integers(1, YEAR), ahead=st.integers(1, 100 * YEAR), monotonic=st.integers(0, YEAR))
def test_a_token_that_was_stamped_by_a_clock_ahead_is_expiring(expires_in: int, ahead: int, monotonic: int) -> None:
    """A file that promises more life than a token has when it is new is not believed, on any monotonic clock."""
    honest, stamped = (validity(NOON + expires_in + late, expires_in, NOON, monotonic) for late in (0, ahead))
    assert honest.covers(NOON, monotonic)
    assert not stamped.covers(NOON, monotonic)


@given(
    expires_at=st.integers(0, 100 * YEAR),
    expires_in=st.integers(0, 10 * YEAR),
    read=st.tuples(st.floats(0, 100 * YEAR), st.floats(0, YEAR)),
    now=st.tuples(st.floats(0, 100 * YEAR), st.floats(0, YEAR)),
)
def test_what_is_left_of_a_window_and_whether_it_is_open_agree(
    expires_at: int, expires_in: int, read: tuple[float, float], now: tuple[float, float]
) -> None:
    """Seconds are left exactly while the window is open, on any two clocks; and who is fresh also lives."""
    whole = validity(expires_at, expires_in, *read)
    early = freshness(whole, expires_in)
    for window in (whole, early):
        assert (window.seconds_left(*now) > 0) is window.covers(*now)
        assert window.seconds_left(*now) >= 0
    assert early.seconds_left(*now) <= whole.seconds_left(*now)
    assert whole.covers(*now) or not early.covers(*now)


def test_what_is_left_is_told_by_the_clock_that_ends_first() -> None:
    assert HELD.valid.seconds_left(NOON + 99, STEADY + 100) == 3499
    assert HELD.valid.seconds_left(NOON + 100, STEADY + 99) == 3499
    assert HELD.valid.seconds_left(NOON - 1, STEADY) == 0


# Quarters of a second, which floats add without rounding.
QUARTERS: Final = st.integers(0, 8 * 4 * 3600).map(lambda count: count / 4)
JUMPS: Final = st.just(0) | st.integers(-60 * YEAR, 60 * YEAR) | st.integers(-7200, 7200)
HISTORY: Final = st.lists(st.tuples(QUARTERS, JUMPS), min_size=1, max_size=8)


@given(wall=st.integers(0, 4 * NOON).map(lambda count: count / 4), expires_in=st.integers(1, 14400), history=HISTORY)
def test_no_jump_of_the_clock_makes_a_token_outlive_its_life(
    wall: float, expires_in: int, history: list[tuple[float, int]]
) -> None:
    """Without a restart, no token is usable more than its lifetime after it was asked for, however the clock jumps."""
    held = HELD.renewed(wall, STEADY, {"access_token": "ya29.new", "expires_in": expires_in})
    age = 0.0
    for passed, jump in [(0.0, 0), *history]:
        age += passed
        wall += passed + jump
        left = held.valid.seconds_left(wall, STEADY + age)
        assert left <= max(0.0, expires_in - age)
        assert not (age >= expires_in and held.valid.covers(wall, STEADY + age))


@given(wall=st.integers(0, 4 * NOON).map(lambda count: count / 4), expires_in=st.integers(1, 14400), age=QUARTERS)
def test_a_token_serves_its_time_where_no_clock_jumps(wall: float, expires_in: int, age: float) -> None:
    """Caution does not cost life: up to a second, a token is fresh until its margin and lives until its end."""
    held = HELD.renewed(wall, STEADY, {"access_token": "ya29.new", "expires_in": expires_in})
    assert held.valid.covers(wall + age, STEADY + age) or age > expires_in - 1
    assert held.fresh.covers(wall + age, STEADY + age) or age > expires_in - refresh_margin(expires_in) - 1


@given(expires_in=st.integers(1, 14400), age=QUARTERS, monotonic=st.integers(0, YEAR), later=QUARTERS)
def test_a_token_that_is_read_from_its_file_ends_when_it_always_would(
    expires_in: int, age: float, monotonic: int, later: float
) -> None:
    """After a restart, which starts the monotonic clock anew, an honest wall clock still ends the token in time."""
    stamped = {**TOKEN, "expires_at": NOON + expires_in, "expires_in": expires_in}
    read = Snapshot(NOON + age, monotonic, stamped)
    assert read.valid.covers(NOON + age + later, monotonic + later) is (age + later < expires_in)
    # And if the clock is set back after that, the monotonic one remembers.
    assert not read.valid.covers(NOON, monotonic + max(0.0, expires_in - age))


# ---- a token as it is held -----------------------------------------------------------------------


def test_a_held_token_is_logged_without_its_secrets() -> None:
    assert "old" not in repr(HELD)


def test_a_refresh_replaces_what_google_sends_and_keeps_the_refresh_token() -> None:
    sent = {"access_token": "ya29.new", "expires_in": 3000, "scope": "less", "token_type": "bearer"}
    assert HELD.renewed(NOON + 3000.9, STEADY + 3000.9, sent).token == {
        "scope": "less",
        "token_type": "Bearer",
        "access_token": "ya29.new",
        "refresh_token": "1//old",
        "expires_at": NOON + 6000,
        "expires_in": 3000,
    }


def test_a_refresh_takes_the_new_refresh_token_of_a_server_that_rotates() -> None:
    sent = {"access_token": "ya29.new", "expires_in": 3000, "refresh_token": "1//new"}
    assert HELD.renewed(NOON, STEADY, sent).token["refresh_token"] == "1//new"


def test_a_refresh_counts_from_the_clock_of_this_machine_and_not_from_what_it_claims() -> None:
    sent = {"access_token": "ya29.new", "expires_in": 3000, "expires_at": NOON + YEAR}
    assert HELD.renewed(NOON, STEADY, sent).token["expires_at"] == NOON + 3000


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
        ("refresh_token", ""),
        ("refresh_token", 5),
        ("scope", ["a"]),
        ("token_type", "MAC"),
    ],
    ids=str,
)
def test_a_bad_refresh_is_refused_as_a_whole(key: str, value: object) -> None:
    good = {"access_token": "ya29.new", "expires_in": 3000, "refresh_token": "1//new", "scope": "less"}
    before = HELD.token.copy()
    with pytest.raises(ValueError, match=f"^{key} is "):
        HELD.renewed(NOON, STEADY, {**good, key: value})
    assert HELD.token == before


@pytest.mark.parametrize("key", ["access_token", "expires_in"])
def test_a_refresh_without_a_token_or_its_life_is_none(key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key} is missing"):
        HELD.renewed(NOON, STEADY, {name: TOKEN[name] for name in TOKEN if name != key})


@pytest.mark.parametrize("key", TOKEN)
def test_a_token_without_one_of_its_six_values_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key} is missing"):
        Snapshot(NOON, STEADY, {**TOKEN, key: None})
