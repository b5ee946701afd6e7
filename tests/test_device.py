# SPDX-License-Identifier: MIT
"""Polling for the token: given the responses of a server, the pauses between polls. No test sleeps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON, Clock
from ytmusic_oauth._messages import redirected
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

# When the code was requested: the first monotonic time of `Clock`.
SENT: Final = 1000.0
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
    """Raises the errors, one for each poll, then returns a token. A poll takes `takes` seconds of the fake clock."""

    def __init__(self, *errors: Exception, takes: float = 0.0) -> None:
        self.clock = Clock()
        self.polled_at: list[float] = []
        self.responded_at: list[float] = []
        self._errors: Iterator[Exception] = iter(errors)
        self._takes = takes

    def ask(self) -> RefreshableTokenDict:
        self.polled_at.append(self.clock.steady - SENT)
        self.clock.advance(self._takes)
        self.responded_at.append(self.clock.steady - SENT)
        for error in self._errors:
            raise error
        return TOKEN

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "busy loop"
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
            DevicePoll(code, SENT),
            monotonic=self.clock.monotonic,
            sleep=sleep or self.sleep,
            on_wait=on_wait,
            cancelled=cancelled,
        )


PENDING: Final = AuthorizationPending()
OFFLINE: Final = TransportError()
BUSY: Final = ServerError(status=503, retryable=True)

# The first wait comes before the first poll, the others after the errors. The vectors `polling-times` have most cases.
WAITS: Final[list[tuple[str, int, list[OAuthError], list[float]]]] = [
    ("slow_down with Retry-After, which counts once", 5, [slow_down(None, 45), PENDING], [5, 45, 10]),
    ("they add less than half of it if that is a minute", 35, [OFFLINE, OFFLINE], [35, 60, 90]),
    ("they double it where half of it is more than a minute", 50, [OFFLINE], [50, 75]),
    ("Retry-After of a server error", 5, [ServerError(retry_after=120, retryable=True)], [5, 120]),
]


@pytest.mark.parametrize(("interval", "errors", "waits"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_the_waits_between_polls(interval: int, errors: list[OAuthError], waits: list[float]) -> None:
    server = Server(*errors)
    assert server.poll(code(interval=interval)) == TOKEN
    assert server.clock.slept == waits


@pytest.mark.parametrize(
    "final",
    [
        InvalidGrant(),
        AccessDenied(),
        DeviceCodeExpired(status=400),
        BadOAuthClient(),
        UnauthorizedOAuthClient(),
        ServerError(error="admin_policy_enforced"),
        TransportError("The certificate has expired", retryable=False, reason="clock"),
        TransportError("The proxy is wrong", retryable=False, reason="proxy"),
        redirected(302, "http://portal.example/"),
        MalformedResponse(has_token=True),
        MalformedResponse(status=404),
        MalformedResponse(status=405),
        MalformedResponse(status=410),
        MalformedResponse(status=415),
        KeyError("a bug"),
    ],
    ids=lambda error: f"{type(error).__name__} {vars(error).get('status') or ''}",
)
def test_an_error_that_is_not_retryable_ends_the_login(final: Exception) -> None:
    server = Server(PENDING, final)
    with pytest.raises(type(final)) as raised:
        server.poll(code())
    assert raised.value is final
    assert server.polled_at == [5, 10]


# ---- strange responses ---------------------------------------------------------------------------

HTML: Final = MalformedResponse("The response (HTTP 200, text/html) is not a JSON object", status=200)
INSPECTED: Final = TransportError("The certificate is self-signed", retryable=False, reason="tls")
FORBIDDEN: Final = MalformedResponse("The response (HTTP 403, text/html) is neither", status=403)


@pytest.mark.parametrize("strange", [HTML, FORBIDDEN, INSPECTED, MalformedResponse("It is not HTTP")], ids=str)
def test_a_login_survives_nine_strange_responses_in_a_row(strange: OAuthError) -> None:
    """A captive portal or an inspecting proxy responds in the server's place for a while."""
    server = Server(*[strange] * 9, PENDING, *[strange] * 9, OFFLINE, *[strange] * 9)
    assert server.poll(code()) == TOKEN
    assert server.clock.slept == [*[5] * 20, *[10] * 10], "they keep the interval"


# ---- expiry of the code --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "errors", "slept"),
    [
        pytest.param(12, [PENDING] * 9, [5, 5], id="pending until it expires"),
        pytest.param(4, [], [], id="shorter than the interval"),
        pytest.param(14, [PENDING, OFFLINE, OFFLINE], [5, 5], id="a failure with less than the interval left"),
        pytest.param(100, [RateLimited(retry_after=3600)], [5], id="Retry-After beyond its expiry"),
    ],
)
def test_there_is_no_wait_for_a_poll_after_the_code_expires(
    expires_in: int, errors: list[OAuthError], slept: list[float]
) -> None:
    server = Server(*errors)
    with pytest.raises(DeviceCodeExpired):
        server.poll(code(expires_in=expires_in))
    assert server.clock.slept == slept


@pytest.mark.parametrize(
    "error",
    [RateLimited(retry_after=3600), ServerError(retry_after=3600, retryable=True), slow_down(None, 3600)],
    ids=repr,
)
def test_a_retry_after_beyond_the_expiry_is_told_as_such(error: OAuthError) -> None:
    with pytest.raises(DeviceCodeExpired) as raised:
        Server(error).poll(code(expires_in=100))
    assert raised.value.retry_after == 3600
    assert str(raised.value) == (
        "The server asks to wait longer than the code is valid. The server asks to wait 3600 s. "
        "Wait, then log in again to get a new code."
    )


@pytest.mark.parametrize(
    ("expires_in", "errors"),
    [
        pytest.param(12, [PENDING, PENDING], id="pending"),
        pytest.param(12, [RateLimited(retry_after=2), PENDING], id="short Retry-After"),
        pytest.param(29, [RateLimited(retry_after=15), PENDING, PENDING], id="Retry-After that has passed"),
        pytest.param(4, [], id="no poll"),
    ],
)
def test_a_code_that_expires_is_told_as_such(expires_in: int, errors: list[OAuthError]) -> None:
    with pytest.raises(DeviceCodeExpired, match=r"^The code expired before it was confirmed") as raised:
        Server(*errors).poll(code(expires_in=expires_in))
    assert raised.value.retry_after is None


@pytest.mark.parametrize(
    ("expires_in", "errors", "polled_at"),
    [
        pytest.param(30, [OFFLINE] * 9, [5, 15, 30], id="network failures"),
        pytest.param(30, [RateLimited()] * 9, [5, 15, 30], id="too many requests"),
        pytest.param(30, [OFFLINE, OFFLINE, PENDING], [5, 15, 30], id="the server is back"),
        pytest.param(70, [OFFLINE, OFFLINE, PENDING, PENDING], [5, 15, 35, 55, 70], id="the interval is still long"),
        pytest.param(30, [slow_down(), OFFLINE], [5, 15, 30], id="slow_down"),
        pytest.param(24, [slow_down(), OFFLINE], [5, 15], id="less than the server's interval is left"),
        pytest.param(24, [OFFLINE, RateLimited(retry_after=8)], [5, 15, 24], id="Retry-After"),
        pytest.param(24, [OFFLINE, RateLimited(retry_after=10)], [5, 15], id="Retry-After beyond its expiry"),
    ],
)
def test_after_failures_the_last_poll_comes_as_the_code_expires(
    expires_in: int, errors: list[OAuthError], polled_at: list[float]
) -> None:
    """The user may have confirmed during a long wait."""
    server = Server(*errors, *[PENDING] * 9)
    with pytest.raises(DeviceCodeExpired):
        server.poll(code(expires_in=expires_in))
    assert server.polled_at == polled_at
    if len(polled_at) > len(errors):
        assert Server(*errors).poll(code(expires_in=expires_in)) == TOKEN


def test_a_poll_that_is_due_as_the_code_expires_is_sent_although_a_sleep_ends_late() -> None:
    schedule = DevicePoll(code(expires_in=30), sent=SENT)
    schedule.failed(OFFLINE, now=SENT + 22)
    assert schedule.delay(SENT + 30.25) == 0
    with pytest.raises(DeviceCodeExpired):
        schedule.delay(SENT + 30.4)


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        (RateLimited(), "confirmed, and the last poll failed: The server is limiting requests. Log in again"),
        (HTML, "confirmed, and the last poll failed: The response (HTTP 200, text/html) is not a JSON object. Log in"),
        (PENDING, "The code expired before it was confirmed. Log in again"),
    ],
    ids=repr,
)
def test_a_code_that_expires_after_a_failure_says_so(last: OAuthError, problem: str) -> None:
    with pytest.raises(DeviceCodeExpired, match=re.escape(problem)):
        Server(OFFLINE, last).poll(code(expires_in=10))


def test_a_code_that_expired_during_a_long_wait_has_expired() -> None:
    schedule = DevicePoll(code(expires_in=100), sent=SENT)
    schedule.failed(RateLimited(retry_after=3600), now=SENT + 5)
    with pytest.raises(DeviceCodeExpired, match=r"^The server asks to wait longer"):
        schedule.delay(SENT + 100)
    with pytest.raises(DeviceCodeExpired, match=r"^The code expired before it was confirmed"):
        schedule.delay(SENT + 101)


def test_the_first_poll_is_one_interval_after_the_response_to_the_code_request() -> None:
    """A server that took 20 s for the code may count from its response, and answer an early poll with slow_down."""
    schedule = DevicePoll(code(expires_in=100), sent=SENT, received=SENT + 20)
    assert schedule.delay(SENT + 20) == 5
    assert schedule.delay(SENT + 25) == 0
    assert schedule.deadline == SENT + 100, "the code expires relative to the request"


# ---- callbacks -----------------------------------------------------------------------------------


def test_on_wait_gets_the_seconds_until_the_code_expires_after_each_poll() -> None:
    seconds_left: list[float] = []
    Server(PENDING, OFFLINE, slow_down()).poll(code(expires_in=100), on_wait=seconds_left.append)
    assert seconds_left == [95, 90, 80]


def test_the_last_poll_may_come_as_the_code_expires() -> None:
    seconds_left: list[float] = []
    server = Server(PENDING, PENDING)
    with pytest.raises(DeviceCodeExpired):
        server.poll(code(expires_in=10), on_wait=seconds_left.append)
    assert server.polled_at == [5, 10]
    assert seconds_left == [5, 0]


def test_on_wait_never_gets_a_negative_number() -> None:
    seconds_left: list[float] = []
    with pytest.raises(DeviceCodeExpired):
        Server(PENDING, takes=30).poll(code(expires_in=12), on_wait=seconds_left.append)
    assert min(seconds_left, default=0) >= 0


@pytest.mark.parametrize("after", [0.0, 0.1, 3.14, 4.99, 6.0, 23.0])
def test_a_cancelled_login_ends_within_a_quarter_of_a_second(after: float) -> None:
    server = Server(*[PENDING] * 9)
    with pytest.raises(LoginCancelled):
        server.poll(code(), cancelled=lambda: server.clock.steady >= SENT + after)
    assert server.clock.steady - SENT - after <= 0.25
    assert len(server.polled_at) == after // 5


def test_a_login_cancelled_during_a_poll_sends_no_other() -> None:
    server = Server(PENDING)
    with pytest.raises(LoginCancelled):
        server.poll(code(), cancelled=lambda: bool(server.polled_at))
    assert server.polled_at == [5]


def test_checking_for_cancellation_does_not_affect_the_waits() -> None:
    server = Server(PENDING, slow_down())
    server.poll(code(), cancelled=lambda: False)
    assert server.polled_at == [5, 10, 20]


# ---- the schedule in your own event loop ---------------------------------------------------------


def test_a_schedule_returns_the_delay_before_the_next_poll() -> None:
    schedule = DevicePoll(code(), sent=0.0)
    assert (schedule.delay(0.0), schedule.delay(3.5), schedule.delay(5.0), schedule.delay(99.0)) == (5, 1.5, 0, 0)
    schedule.failed(PENDING, now=6.0)
    assert schedule.delay(6.0) == 5


def test_a_schedule_raises_an_error_that_ends_the_login() -> None:
    with pytest.raises(AccessDenied):
        DevicePoll(code(), sent=0.0).failed(AccessDenied(), now=5.0)


ERRORS: Final = st.one_of(
    st.just(PENDING),
    st.just(OFFLINE),
    st.just(BUSY),
    st.builds(slow_down, st.none() | st.integers(1, 200), st.none() | st.floats(0, 200)),
    st.builds(lambda seconds: RateLimited(retry_after=seconds), st.none() | st.floats(0, 200)),
)


@given(
    errors=st.lists(ERRORS, max_size=12),
    interval=st.integers(1, 100),
    expires_in=st.integers(1, 3600),
    takes=st.integers(0, 40),
    cancellable=st.booleans(),
    sleeps_end_early=st.booleans(),
)
def test_polls_are_never_closer_than_the_server_asks(
    errors: list[OAuthError], interval: int, expires_in: int, takes: int, cancellable: bool, sleeps_end_early: bool
) -> None:
    """Whatever the responses, and even if sleeps end early, each poll comes a whole interval after the last response.

    Each slow_down adds five seconds to the interval. No poll comes before a Retry-After has passed, or after the code
    has expired.
    """
    server = Server(*errors, takes=takes)

    def sleep(seconds: float) -> None:
        server.sleep(seconds * 0.75 if sleeps_end_early and seconds > 1 else seconds)

    try:
        server.poll(
            code(interval=interval, expires_in=expires_in),
            cancelled=(lambda: False) if cancellable else None,
            sleep=sleep,
        )
    except DeviceCodeExpired:
        assert len(server.polled_at) <= len(errors)
    else:
        assert len(server.polled_at) == len(errors) + 1
    minimum = float(interval)
    previous = 0.0
    for at, responded, error in zip(server.polled_at, server.responded_at, [*errors, PENDING]):
        assert at - previous >= minimum - 1e-6
        assert at <= expires_in
        interval += 5 if isinstance(error, SlowDown) else 0
        minimum, previous = max(interval, error.retry_after or 0), responded


@pytest.mark.parametrize(
    ("errors", "polls"),
    [
        ([], [0]),
        ([PENDING], [0, 5]),
        ([OFFLINE, BUSY, OFFLINE], [0, 5, 10, 15]),
        ([slow_down(), PENDING], [0, 10, 20]),
        ([slow_down(30), OFFLINE], [0, 30, 60]),
        ([RateLimited(retry_after=77)], [0, 77]),
    ],
)
def test_a_user_in_a_hurry_waits_no_longer_than_the_server_asks(errors: list[OAuthError], polls: list[int]) -> None:
    """The backoff after a failure is our own, and the first poll need not wait at all (RFC 8628 3.5)."""
    schedule, now, polled_at = DevicePoll(code(), SENT), SENT, []
    for error in [*errors, None]:
        schedule.hurry(now)
        now += schedule.delay(now)
        polled_at.append(now - SENT)
        if error is not None:
            schedule.failed(error, now)
    assert polled_at == polls


def test_a_hurry_never_postpones_a_poll() -> None:
    schedule = DevicePoll(code(), SENT)
    schedule.failed(PENDING, SENT + 5)
    schedule.hurry(SENT + 20)
    assert schedule.delay(SENT + 20) == 0
