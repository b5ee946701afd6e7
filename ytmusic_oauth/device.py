# SPDX-License-Identifier: MIT
"""When to ask whether the user has confirmed: the polling of RFC 8628 3.5.

`DevicePoll` is the schedule, for those who have an event loop of their own; `poll` is the loop for everybody else. Both
live on a monotonic clock, in seconds, that is handed in: nothing here waits or reads the time by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .exceptions import AuthorizationPending, DeviceCodeExpired, LoginCancelled, OAuthError, SlowDown
from .models import AuthCodeDict, RefreshableTokenDict

__all__ = ["DevicePoll", "poll"]

# RFC 8628 3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
_SLOW_DOWN: Final = 5
# RFC 8628 3.5 recommends exponential backoff after a failure; a user who has confirmed should not wait for minutes.
_LONGEST_BACKOFF: Final = 60
# How long a cancelled login goes unnoticed at most, in seconds.
_CANCEL_CHECK: Final = 0.25


class DevicePoll:
    """The schedule of one login: `wait`, ask, and if that raises, `failed`; again, until it does not raise.

    `sent` is when the code was requested. The first poll comes one interval later: no user can be faster.
    """

    def __init__(self, code: AuthCodeDict, sent: float) -> None:
        self.interval: float = code["interval"]
        self.deadline: float = sent + code["expires_in"]
        self._next = sent + self.interval

    def delay(self, now: float) -> float:
        """Return the seconds to wait before the next poll, 0 if it is due.

        Raises `DeviceCodeExpired` if the code will not live until then.
        """
        if max(now, self._next) > self.deadline:
            raise DeviceCodeExpired
        return max(0.0, self._next - now)

    def failed(self, error: OAuthError, now: float) -> None:
        """Take what a poll raised. Raises it again if it ends the login."""
        if isinstance(error, SlowDown):
            self.interval = max(self.interval + _SLOW_DOWN, error.interval or self.interval)
        elif not error.retryable:
            raise error
        elif not isinstance(error, AuthorizationPending):
            self.interval = max(self.interval, min(2 * self.interval, _LONGEST_BACKOFF))
        self._next = now + max(self.interval, error.retry_after or self.interval)


def poll(
    ask: Callable[[], RefreshableTokenDict],
    schedule: DevicePoll,
    *,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    on_wait: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RefreshableTokenDict:
    """Ask until there is a token. The parameters are those of `OAuthCredentials.wait_for_token`.

    The first success ends the loop: there are servers that end the login if its code is used again.
    """
    while True:
        left = schedule.delay(monotonic())
        if cancelled is not None and cancelled():
            raise LoginCancelled
        if left > 0:
            sleep(left if cancelled is None else min(left, _CANCEL_CHECK))
            continue
        try:
            return ask()
        except OAuthError as error:
            schedule.failed(error, monotonic())
        if on_wait is not None:
            on_wait(max(0.0, schedule.deadline - monotonic()))
