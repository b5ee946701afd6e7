# SPDX-License-Identifier: MIT
"""When to send a request again, and how long to wait first. Pure: the caller passes the time and the sleep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from .exceptions import OAuthError

_T = TypeVar("_T")

#: The maximum number of requests in one call, where it is safe to repeat one.
TRIES: Final = 3
#: Seconds for a whole call, tries and waits included.
TIMEOUT: Final = 30.0
#: Seconds before the second try; twice that before the third.
FIRST_WAIT: Final = 1.0
#: Seconds. Never sleep longer than this inside a call: raise instead, with `retry_after`.
MAX_WAIT: Final = 10.0


def with_retries(
    ask: Callable[[float], _T],
    tries: int,
    seconds: float,
    repeatable: bool,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> _T:
    """Call `ask` while it fails with a transient error, at most `tries` times and within `seconds`.

    `ask` gets the seconds that are left. A request that may have reached the server but got no response is retried
    only if it is `repeatable`. `jitter` returns a factor from 0.9 to 1.1: it keeps a thousand clients that failed
    together from coming back together.
    """
    deadline = monotonic() + seconds
    for tried in range(1, tries):
        try:
            return ask(deadline - monotonic())
        except OAuthError as error:
            wait = FIRST_WAIT * 2 ** (tried - 1) * jitter() if error.retry_after is None else error.retry_after
            is_unsafe = error.lost and not repeatable
            if not error.retryable or is_unsafe or wait > MAX_WAIT or monotonic() + wait >= deadline:
                raise
            failure = error
        sleep(wait)
        if monotonic() >= deadline:  # the sleep ended late
            raise failure
    return ask(deadline - monotonic())


def parse_retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header (RFC 9110 10.2.3) asks to wait.

    A date counts from `date`, the response's own Date header, or else from `now` (UNIX time), which may be wrong.
    """
    if value and re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    until, since = _parse_date(value), _parse_date(date)
    return None if until is None else max(0.0, until - (now if since is None else since))


def _parse_date(value: str | None) -> float | None:
    if not value:
        return None
    from email.utils import mktime_tz, parsedate_tz

    try:
        date = parsedate_tz(value)
        return None if date is None else mktime_tz(date)
    except (ValueError, OverflowError, IndexError, TypeError, UnboundLocalError):  # the last three before Python 3.10
        return None
