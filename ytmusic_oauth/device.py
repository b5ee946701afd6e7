# SPDX-License-Identifier: MIT
"""Device authorization polling (RFC 8628 3.5).

`DevicePoll` is the schedule, for use in your own event loop; `poll` is a blocking loop over it. Pure: the caller passes
the time, on a monotonic clock in seconds, and the sleep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .exceptions import (
    AuthorizationPending,
    DeviceCodeExpired,
    LoginCancelled,
    MalformedResponse,
    OAuthError,
    SlowDown,
)
from .models import AuthCodeDict, RefreshableTokenDict

__all__ = ["DevicePoll", "poll"]

# RFC 8628 3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
_SLOW_DOWN: Final = 5
# Seconds. RFC 8628 3.5 recommends exponential backoff after a failure, but a user who has confirmed should not wait
# long: the interval doubles up to this length, or grows by half if that is more.
_MAX_BACKOFF: Final = 60
# Captive portals and inspecting proxies respond in the server's place for a while. This many strange responses in a
# row are not a transient failure.
_MAX_STRANGE: Final = 10
# Statuses that say that this URL does not take polls at all.
_WRONG_URL: Final = frozenset({404, 405, 410, 415})
# Seconds by which a sleep may end late: a poll that was due at the deadline is still sent.
_LATE: Final = 0.25
# Seconds between two checks of `cancelled`.
_CANCEL_CHECK: Final = 0.25


class DevicePoll:
    """The schedule of one login.

    Wait for `delay()` seconds and poll. If that raises, pass the error to `failed()` and repeat. `sent` and `received`
    are the monotonic times at which the code was requested and received. Its lifetime counts from the request. The
    first poll is due one interval after the response, because no user can confirm sooner. After failures the polls
    become rarer, but there is a last one when the code expires, if the server allows a poll by then. A strange
    response, such as that of a captive portal, counts as pending; the tenth in a row ends the login, and so does a
    redirect, or a status that shows that the URL is wrong (404, 405, 410 or 415).
    """

    def __init__(self, code: AuthCodeDict, sent: float, received: float | None = None) -> None:
        self.interval: float = code["interval"]
        """Seconds between polls; it only grows."""
        self.deadline: float = sent + code["expires_in"]
        """The monotonic time at which the code expires."""
        self._next_poll = (sent if received is None else received) + self.interval
        # The interval that the server asked for, and the time from which it allows a poll.
        self._server_interval: float = self.interval
        self._allowed = sent
        # The failure of the last poll, and how long the server asked to wait, if that is longer than the code is valid.
        self._failure: OAuthError | None = None
        self._retry_after: float | None = None
        self._strange = 0

    def delay(self, now: float) -> float:
        """Return the seconds until the next poll, 0 if it is due.

        Raises `DeviceCodeExpired` if the code expires first.
        """
        if self._next_poll <= self.deadline and now <= self.deadline + _LATE:
            return max(0.0, self._next_poll - now)
        if self._retry_after is not None and now <= self.deadline:
            raise DeviceCodeExpired(
                "The server asks to wait longer than the code is valid",
                retry_after=self._retry_after,
                advice="Wait, then log in again to get a new code.",
            )
        failure = "" if self._failure is None else f", and the last poll failed: {self._failure.problem}"
        raise DeviceCodeExpired(f"{DeviceCodeExpired.summary}{failure}")

    def failed(self, error: OAuthError, now: float) -> None:
        """Record the error of a poll and schedule the next one. Re-raises an error that ends the login."""
        self._strange = self._strange + 1 if _is_strange(error) else 0
        if isinstance(error, SlowDown):
            self.interval = max(self.interval + _SLOW_DOWN, error.interval or 0)
            self._server_interval = self.interval
        elif self._strange:
            if self._strange == _MAX_STRANGE:
                raise error
        elif not error.retryable:
            raise error
        elif not isinstance(error, AuthorizationPending):
            self.interval = max(self.interval, min(2 * self.interval, max(_MAX_BACKOFF, 1.5 * self.interval)))
        asked = error.retry_after or 0
        self._allowed = now + max(self._server_interval, asked)
        self._next_poll = max(self._allowed, min(now + self.interval, self.deadline))
        self._retry_after = asked if now + asked > self.deadline else None
        self._failure = None if isinstance(error, AuthorizationPending) else error

    def hurry(self, now: float) -> None:
        """Poll as soon as the server allows it: the user says that the code is confirmed."""
        self._next_poll = min(self._next_poll, max(now, self._allowed))


def _is_strange(error: OAuthError) -> bool:
    """Whether the response probably did not come from the server."""
    if isinstance(error, MalformedResponse):
        return not error.has_token and error.status not in _WRONG_URL
    # "tls" and not retryable: a certificate that is not trusted, such as that of an inspecting proxy. Not "clock": one
    # that has expired, or is not valid yet, ends the login at once.
    return error.reason == "tls" and not error.retryable


def poll(
    ask: Callable[[], RefreshableTokenDict],
    schedule: DevicePoll,
    *,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    on_wait: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RefreshableTokenDict:
    """Call `ask` on schedule until it returns a token. `OAuthCredentials.wait_for_token` explains the parameters.

    The first success ends the loop: some servers revoke the login if its code is used again.
    """
    while True:
        delay = schedule.delay(monotonic())
        if cancelled is not None and cancelled():
            raise LoginCancelled
        if delay > 0:
            sleep(delay if cancelled is None else min(delay, _CANCEL_CHECK))
            continue
        try:
            return ask()
        except OAuthError as error:
            schedule.failed(error, monotonic())
        if on_wait is not None:
            on_wait(max(0.0, schedule.deadline - monotonic()))
