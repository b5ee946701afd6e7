# SPDX-License-Identifier: MIT
"""Waiting for the user: what a server answers goes in, the pauses between the polls come out. Nobody waits for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON, Clock
from ytmusic_oauth.device import DevicePoll, poll
from ytmusic_oauth.exceptions import (
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    DeviceCodeExpired,
    InvalidGrant,
    LoginCancelled,
    MalformedResponse,
    OAuthError,
    RateLimited,
    ServerError,
    SlowDown,
    TransportError,
    UnauthorizedOAuthClient,
)
from ytmusic_oauth.models import AuthCodeDict, RefreshableTokenDict

# Where the monotonic clock of `Clock` starts.
START: Final = 1000.0
TOKEN: Final[RefreshableTokenDict] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.a",
    "refresh_token": "1//a",
    "expires_at": NOON + 3599,
    "expires_in": 3599,
}


def code(*, interval: int = 5, expires_in: int = 1800) -> AuthCodeDict:
    return {
        "device_code": "AH-1Ng",
        "user_code": "GQVQ-JKEC",
        "expires_in": expires_in,
        "interval": interval,
        "verification_url": "https://www.google.com/device",
    }


def slow_down(interval: int | None = None, retry_after: float | None = None) -> SlowDown:
    error = SlowDown(retry_after=retry_after)
    error.interval = interval
    return error


class Server:
    """Answers with what it is given, and then with a token. Each answer takes its time, on a clock moved by hand."""

    def __init__(self, *answers: Exception, takes: float = 0.0) -> None:
        self.clock = Clock()
        self.asked_at: list[float] = []
        self.answered_at: list[float] = []
        self._answers: Iterator[Exception] = iter(answers)
        self._takes = takes

    def ask(self) -> RefreshableTokenDict:
        self.asked_at.append(self.clock.steady - START)
        self.clock.advance(self._takes)
        self.answered_at.append(self.clock.steady - START)
        for answer in self._answers:
            raise answer
        return TOKEN

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "a busy loop"
        self.clock.sleep(seconds)

    def poll(
        self,
        code: AuthCodeDict,
        *,
        on_wait: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> RefreshableTokenDict:
        return poll(
            self.ask,
            DevicePoll(code, START),
            monotonic=self.clock.monotonic,
            sleep=sleep or self.sleep,
            on_wait=on_wait,
            cancelled=cancelled,
        )


PENDING: Final = AuthorizationPending()
FAULT: Final = TransportError()
FAILING: Final = ServerError(status=503, retryable=True)

# The first poll comes after the first wait; each answer is followed by the next one.
WAITS: Final[list[tuple[str, int, list[OAuthError], list[float]]]] = [
    ("confirmed before the first poll", 5, [], [5]),
    ("not yet keeps the interval", 5, [PENDING, PENDING, PENDING], [5, 5, 5, 5]),
    ("the server's interval is kept to", 8, [PENDING, PENDING], [8, 8, 8]),
    ("slow down adds five seconds for good", 5, [slow_down(), PENDING, PENDING], [5, 10, 10, 10]),
    ("slow down adds up", 5, [slow_down(), slow_down(), PENDING], [5, 10, 15, 15]),
    ("slow down to a longer interval of the server", 5, [slow_down(30), PENDING], [5, 30, 30]),
    ("slow down to an interval that is no longer", 5, [slow_down(7), slow_down(5)], [5, 10, 15]),
    ("slow down and Retry-After once", 5, [slow_down(None, 45), PENDING], [5, 45, 10]),
    ("network faults double it up to a minute", 5, [FAULT] * 6, [5, 10, 20, 40, 60, 60, 60]),
    ("a failing server doubles it, too", 5, [FAILING, FAILING], [5, 10, 20]),
    ("what was doubled is never shorter again", 5, [FAULT, PENDING, FAULT, PENDING], [5, 10, 10, 20, 20]),
    ("an interval of more than a minute is not shortened", 90, [FAULT, FAILING, PENDING], [90, 90, 90, 90]),
    ("slow down after a minute goes on adding", 60, [slow_down(), FAULT], [60, 65, 65]),
    ("Retry-After wins if it is longer", 5, [RateLimited(retry_after=45), PENDING], [5, 45, 10]),
    ("Retry-After loses if it is shorter", 5, [RateLimited(retry_after=2)], [5, 10]),
    ("Retry-After of a failing server", 5, [ServerError(retry_after=120, retryable=True)], [5, 120]),
]


@pytest.mark.parametrize(("interval", "answers", "waits"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_the_pauses_between_polls(interval: int, answers: list[OAuthError], waits: list[float]) -> None:
    server = Server(*answers)
    assert server.poll(code(interval=interval)) == TOKEN
    assert server.clock.slept == waits


def test_the_first_success_ends_the_loop() -> None:
    # There are servers that end the login if its code is used again.
    server = Server(PENDING)
    assert server.poll(code()) == TOKEN
    assert server.asked_at == [5, 10]


def test_a_slow_answer_is_followed_by_a_whole_interval() -> None:
    server = Server(PENDING, takes=20)
    server.poll(code())
    assert server.asked_at == [5, 30]


@pytest.mark.parametrize(
    "final",
    [
        InvalidGrant(),
        AccessDenied(),
        DeviceCodeExpired(status=400),
        BadOAuthClient(),
        UnauthorizedOAuthClient(),
        ServerError(error="admin_policy_enforced"),
        MalformedResponse(),
        TransportError("redirect", retryable=False),
        KeyError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_waiting_cannot_mend_ends_the_login(final: Exception) -> None:
    server = Server(PENDING, final)
    with pytest.raises(type(final)) as caught:
        server.poll(code())
    assert caught.value is final
    assert server.asked_at == [5, 10]


# ---- the life of the code ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "answers", "slept"),
    [
        pytest.param(12, [PENDING] * 9, [5, 5], id="pending to the end"),
        pytest.param(4, [], [], id="shorter than the interval"),
        pytest.param(30, [FAULT] * 9, [5, 10], id="network faults to the end"),
        pytest.param(100, [RateLimited(retry_after=3600)], [5], id="Retry-After beyond the end"),
    ],
)
def test_nobody_waits_for_a_poll_after_the_end_of_the_code(
    expires_in: int, answers: list[OAuthError], slept: list[float]
) -> None:
    server = Server(*answers)
    with pytest.raises(DeviceCodeExpired):
        server.poll(code(expires_in=expires_in))
    assert server.clock.slept == slept


def test_the_life_of_a_code_counts_from_its_request() -> None:
    schedule = DevicePoll(code(expires_in=100), sent=START)
    assert schedule.delay(START + 99) == 0
    with pytest.raises(DeviceCodeExpired):
        schedule.delay(START + 100.5)


def test_a_wall_clock_that_is_set_meanwhile_changes_nothing() -> None:
    server = Server(PENDING, PENDING)

    def sleep(seconds: float) -> None:
        server.sleep(seconds)
        server.clock.wall -= 1_000_000_000

    server.poll(code(), sleep=sleep)
    assert server.asked_at == [5, 10, 15]


# ---- what the caller sees of it ------------------------------------------------------------------


def test_the_caller_is_told_after_each_not_yet_how_long_the_code_lives() -> None:
    told: list[float] = []
    Server(PENDING, FAULT, slow_down()).poll(code(expires_in=100), on_wait=told.append)
    assert told == [95, 90, 80]


def test_the_last_poll_may_come_with_the_end_of_the_code() -> None:
    told: list[float] = []
    server = Server(PENDING, PENDING)
    with pytest.raises(DeviceCodeExpired):
        server.poll(code(expires_in=10), on_wait=told.append)
    assert server.asked_at == [5, 10]
    assert told == [5, 0]


def test_a_code_that_ended_during_the_poll_has_no_time_left() -> None:
    told: list[float] = []
    with pytest.raises(DeviceCodeExpired):
        Server(PENDING, takes=30).poll(code(expires_in=12), on_wait=told.append)
    assert min(told, default=0) >= 0


@pytest.mark.parametrize("after", [0.0, 0.1, 3.14, 4.99, 6.0, 23.0])
def test_a_login_that_is_cancelled_ends_within_a_quarter_of_a_second(after: float) -> None:
    server = Server(*[PENDING] * 9)
    with pytest.raises(LoginCancelled):
        server.poll(code(), cancelled=lambda: server.clock.steady >= START + after)
    assert server.clock.steady - START - after <= 0.25
    assert len(server.asked_at) == after // 5


def test_a_login_that_is_cancelled_while_the_server_answers_asks_no_more() -> None:
    server = Server(PENDING)
    with pytest.raises(LoginCancelled):
        server.poll(code(), cancelled=lambda: bool(server.asked_at))
    assert server.asked_at == [5]


def test_watching_for_a_cancel_changes_no_pause() -> None:
    server = Server(PENDING, slow_down())
    server.poll(code(), cancelled=lambda: False)
    assert server.asked_at == [5, 10, 20]


# ---- the schedule, for an event loop -------------------------------------------------------------


def test_a_schedule_tells_how_long_to_wait_and_when_a_poll_is_due() -> None:
    schedule = DevicePoll(code(), sent=0.0)
    assert (schedule.delay(0.0), schedule.delay(3.5), schedule.delay(5.0), schedule.delay(99.0)) == (5, 1.5, 0, 0)
    schedule.failed(PENDING, now=6.0)
    assert schedule.delay(6.0) == 5


def test_a_schedule_hands_back_what_ends_the_login() -> None:
    with pytest.raises(AccessDenied):
        DevicePoll(code(), sent=0.0).failed(AccessDenied(), now=5.0)


ANSWERS: Final = st.one_of(
    st.just(PENDING),
    st.just(FAULT),
    st.just(FAILING),
    st.builds(slow_down, st.none() | st.integers(1, 200), st.none() | st.floats(0, 200)),
    st.builds(lambda seconds: RateLimited(retry_after=seconds), st.none() | st.floats(0, 200)),
)


@given(
    answers=st.lists(ANSWERS, max_size=12),
    interval=st.integers(1, 100),
    expires_in=st.integers(1, 3600),
    takes=st.integers(0, 40),
    watched=st.booleans(),
    rash=st.booleans(),
)
def test_no_two_polls_are_ever_closer_than_the_server_asked(
    answers: list[OAuthError], interval: int, expires_in: int, takes: int, watched: bool, rash: bool
) -> None:
    """Whatever was answered, and even if sleeping ends early, each poll comes a whole interval after the last answer.

    The interval is five seconds more after each "slow down". No poll comes before the end of a Retry-After, and none
    after the end of the code.
    """
    server = Server(*answers, takes=takes)

    def sleep(seconds: float) -> None:
        server.sleep(seconds * 0.75 if rash and seconds > 1 else seconds)

    try:
        server.poll(
            code(interval=interval, expires_in=expires_in), cancelled=(lambda: False) if watched else None, sleep=sleep
        )
    except DeviceCodeExpired:
        assert len(server.asked_at) <= len(answers)
    else:
        assert len(server.asked_at) == len(answers) + 1
    least = float(interval)
    previous = 0.0
    for at, ended, answer in zip(server.asked_at, server.answered_at, [*answers, PENDING], strict=False):
        assert at - previous >= least - 1e-6
        assert at <= expires_in
        interval += 5 if isinstance(answer, SlowDown) else 0
        least, previous = max(interval, answer.retry_after or 0), ended
