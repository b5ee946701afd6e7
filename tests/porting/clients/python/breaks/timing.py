# SPDX-License-Identifier: MIT
"""Breaks in time: when a token expires, when to poll, and when to retry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, nextafter
from typing import TypeVar

from ytmusic_oauth import OAuthCredentials, _expiry, _retries, device
from ytmusic_oauth._expiry import REFRESH_MARGIN, Validity, freshness, refresh_margin, validity
from ytmusic_oauth._retries import with_retries
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth._validation import token_dict
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.exceptions import AuthorizationPending, MalformedResponse, OAuthError, SlowDown, TransportError
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict

from .registry import constant, replaces

__all__: list[str] = []

_T = TypeVar("_T")

# ---- when a token expires ------------------------------------------------------------------------

constant(_expiry, "REFRESH_MARGIN", 64, "a token is refreshed four seconds early", caught_by="expiry*")


@replaces(refresh_margin, "a short-lived token is refreshed at every read", caught_by="expiry*")
def _(expires_in: int) -> int:
    return REFRESH_MARGIN


@replaces(validity, "a token stored while the clock was ahead is valid for years", caught_by="expiry*")
def _(expires_at: int, expires_in: int, wall: float, monotonic: float) -> Validity:
    right = validity(expires_at, expires_in, wall, monotonic)
    return Validity(right.not_before - 10**9, right.not_after, right.deadline)


@replaces(validity, "a token is used for longer than its lifetime if the clock is set back", caught_by="expiry*")
def _(expires_at: int, expires_in: int, wall: float, monotonic: float) -> Validity:
    right = validity(expires_at, expires_in, wall, monotonic)
    return Validity(right.not_before, right.not_after, monotonic + expires_at - wall)


@replaces(freshness, "a token with exactly 60 seconds left is not refreshed", caught_by="expiry*")
def _(whole: Validity, expires_in: int) -> Validity:
    right = freshness(whole, expires_in)
    return Validity(right.not_before, nextafter(right.not_after, inf), nextafter(right.deadline, inf))


@replaces(freshness, "an expired token becomes valid again when the clock is set back", caught_by="expiry*")
def _(whole: Validity, expires_in: int) -> Validity:
    right = freshness(whole, expires_in)
    return Validity(right.not_before, right.not_after, inf)


# ---- what a refresh changes ----------------------------------------------------------------------

refreshed = Snapshot.refreshed


@replaces(refreshed, "the token keeps its old refresh token: the second refresh ends the login", caught_by="refresh/*")
def _(old: Snapshot, wall: float, monotonic: float, response: Mapping[str, object]) -> Snapshot:
    return refreshed(old, wall, monotonic, {**response, "refresh_token": old.token["refresh_token"]})


@replaces(refreshed, "after a refresh the token expires when the old one would have", caught_by="refresh/*")
def _(old: Snapshot, wall: float, monotonic: float, response: Mapping[str, object]) -> Snapshot:
    new = refreshed(old, wall, monotonic, response)
    return Snapshot(wall, monotonic, token_dict({**new.token, "expires_at": old.token["expires_at"]}))


@replaces(refreshed, "a refresh response without a scope clears the scope", caught_by="refresh/*")
def _(old: Snapshot, wall: float, monotonic: float, response: Mapping[str, object]) -> Snapshot:
    new = refreshed(old, wall, monotonic, response)
    return Snapshot(wall, monotonic, token_dict({**new.token, "scope": response.get("scope", "")}))


# ---- polling -------------------------------------------------------------------------------------

start_polling, delay, failed = DevicePoll.__init__, DevicePoll.delay, DevicePoll.failed
poll_once, wait_for_token = OAuthCredentials.token_from_code, OAuthCredentials.wait_for_token

constant(device, "_SLOW_DOWN", 1, "slow_down adds one second instead of five", caught_by="polling*")
constant(device, "_MAX_BACKOFF", 10**6, "after ten failures the user waits for an hour", caught_by="polling*")
constant(device, "_MAX_STRANGE", 1, "a captive portal's page ends the login", caught_by="polling-times/captive-portal*")
constant(
    device,
    "_MAX_STRANGE",
    10**6,
    "a portal that does not go away is polled until the code expires",
    caught_by="polling-times/captive-portal-for-ten-polls",
)
constant(
    device,
    "_WRONG_URL",
    frozenset[int](),
    "a wrong URL is polled ten times",
    caught_by="polling-times/*-ends-the-login",
)


@replaces(start_polling, "the first poll comes at once, before a user could have confirmed", caught_by="polling*")
def _(schedule: DevicePoll, code: AuthCodeDict, sent: float, received: float | None = None) -> None:
    start_polling(schedule, code, sent, received)
    schedule._next_poll = sent


@replaces(
    start_polling,
    "the first poll comes too soon after a slow response",
    caught_by="polling-times/first-poll-is-counted-from-the-response",
)
def _(schedule: DevicePoll, code: AuthCodeDict, sent: float, received: float | None = None) -> None:
    start_polling(schedule, code, sent, sent)


@replaces(start_polling, "polling continues after the code has expired", caught_by="polling*")
def _(schedule: DevicePoll, code: AuthCodeDict, sent: float, received: float | None = None) -> None:
    start_polling(schedule, code, sent, received)
    schedule.deadline = inf


@replaces(failed, "slow_down affects one poll only", caught_by="polling*")
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    interval = schedule.interval
    failed(schedule, error, now)
    if isinstance(error, SlowDown):
        schedule.interval = interval


@replaces(
    failed,
    "after a failure, the last poll comes sooner than slow_down allows",
    caught_by="polling-times/slow-down-after-a-backoff-raises-the-minimum",
)
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    minimum = schedule._server_interval + 5
    failed(schedule, error, now)
    if isinstance(error, SlowDown):
        schedule._server_interval = minimum
        schedule._next_poll = max(now + minimum, min(now + schedule.interval, schedule.deadline))


@replaces(
    failed,
    "slow_down makes polling faster after a failure",
    caught_by="polling-times/slow-down-and-backoff-together",
)
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    if isinstance(error, SlowDown):
        schedule.interval = schedule._server_interval
    failed(schedule, error, now)


@replaces(
    failed,
    "a Retry-After is ignored while the user has not confirmed",
    caught_by="polling-times/retry-after-of-a-pending-authorization",
)
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    if isinstance(error, AuthorizationPending):
        error.retry_after = None
    failed(schedule, error, now)


@replaces(
    failed,
    "an expired code is said to be due to a Retry-After of one second",
    caught_by="polling-times/retry-after-that-is-not-why-the-code-expires",
)
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    failed(schedule, error, now)
    schedule._retry_after = error.retry_after


@replaces(failed, "a failing server is polled as often as a healthy one", caught_by="polling*")
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    pending = AuthorizationPending(retry_after=error.retry_after)
    failed(schedule, pending if error.retryable and not isinstance(error, SlowDown) else error, now)


@replaces(failed, "a network that comes up late ends the login", caught_by="polling*")
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    if not isinstance(error, AuthorizationPending):
        raise error
    failed(schedule, error, now)


@replaces(
    failed, "a code that was used up is polled again, and the login revoked", caught_by="polling-times/*-ends-the-login"
)
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    if isinstance(error, MalformedResponse):
        error.has_token = False
    failed(schedule, error, now)


@replaces(failed, "the next poll is counted from the last poll, not from its response", caught_by="polling*")
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    failed(schedule, error, schedule._next_poll)


@replaces(failed, "a poll comes before the time in Retry-After", caught_by="polling*")
def _(schedule: DevicePoll, error: OAuthError, now: float) -> None:
    if error.retryable:
        error.retry_after = None
    failed(schedule, error, now)


@replaces(wait_for_token, "the code's lifetime is counted from when polling starts", caught_by="polling*")
def _(
    credentials: OAuthCredentials,
    code: AuthCodeDict,
    *,
    on_wait: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RefreshableTokenDict:
    credentials._codes.clear()
    return wait_for_token(credentials, code, on_wait=on_wait, cancelled=cancelled)


@replaces(
    poll_once, "a poll without a response is repeated at once", caught_by="polling-times/backoff-after-no-response"
)
def _(credentials: OAuthCredentials, device_code: str) -> RefreshableTokenDict:
    try:
        return poll_once(credentials, device_code)
    except TransportError as error:
        if not error.sent:
            raise
        return poll_once(credentials, device_code)


# ---- retries -------------------------------------------------------------------------------------

refresh_token = OAuthCredentials.refresh_token

constant(_retries, "MAX_WAIT", 100.0, "a call blocks for a minute without a word", caught_by="retries/*")


@replaces(refresh_token, "a rotated refresh token is sent twice, and the login ends", caught_by="retries/*")
def _(credentials: OAuthCredentials, token: str) -> BaseTokenDict:
    credentials.endpoints = replace(credentials.endpoints, rotates_refresh_tokens=False)
    return refresh_token(credentials, token)


@replaces(with_retries, "one lost packet fails a refresh", caught_by="retries/*")
def _(
    ask: Callable[[float], _T],
    tries: int,
    seconds: float,
    repeatable: bool,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> _T:
    return ask(seconds)


@replaces(with_retries, "a failing server is sent five requests", caught_by="retries/*")
def _(
    ask: Callable[[float], _T],
    tries: int,
    seconds: float,
    repeatable: bool,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> _T:
    return with_retries(
        ask,
        tries=tries + 2,
        seconds=seconds,
        repeatable=repeatable,
        monotonic=monotonic,
        sleep=sleep,
        jitter=jitter,
    )


@replaces(with_retries, "a slow server blocks a call for three time-outs", caught_by="retries/*")
def _(
    ask: Callable[[float], _T],
    tries: int,
    seconds: float,
    repeatable: bool,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> _T:
    return with_retries(
        ask,
        tries=tries,
        seconds=seconds * tries,
        repeatable=repeatable,
        monotonic=monotonic,
        sleep=sleep,
        jitter=jitter,
    )


@replaces(with_retries, "the pauses between retries do not grow", caught_by="retries/*")
def _(
    ask: Callable[[float], _T],
    tries: int,
    seconds: float,
    repeatable: bool,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> _T:
    pauses: list[float] = []

    def first(seconds: float) -> None:
        pauses.append(seconds)
        sleep(pauses[0])

    return with_retries(
        ask,
        tries=tries,
        seconds=seconds,
        repeatable=repeatable,
        monotonic=monotonic,
        sleep=first,
        jitter=jitter,
    )


@replaces(with_retries, "a retry comes before the time in Retry-After", caught_by="retries/*")
def _(
    ask: Callable[[float], _T],
    tries: int,
    seconds: float,
    repeatable: bool,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> _T:
    pauses = iter((1.0, 2.0))
    return with_retries(
        ask,
        tries=tries,
        seconds=seconds,
        repeatable=repeatable,
        monotonic=monotonic,
        sleep=lambda _: sleep(next(pauses) * jitter()),
        jitter=jitter,
    )


@replaces(with_retries, "a thousand clients that failed together retry together", caught_by="retries/*")
def _(
    ask: Callable[[float], _T],
    tries: int,
    seconds: float,
    repeatable: bool,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> _T:
    return with_retries(
        ask,
        tries=tries,
        seconds=seconds,
        repeatable=repeatable,
        monotonic=monotonic,
        sleep=sleep,
        jitter=lambda: 1.0,
    )
