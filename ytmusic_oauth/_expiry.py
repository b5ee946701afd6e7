# SPDX-License-Identifier: MIT
"""Token expiry, as arithmetic on seconds. Pure: the caller passes the time.

Two clocks are used, because each can be wrong. Only the wall clock can be stored in a file, but it may be set wrong,
and corrected, at any time: a board without a battery boots in 1970. The monotonic clock never jumps, but it restarts at
boot, and on most systems it stops while the machine is suspended. A token expires as soon as either clock says so.
"""

from __future__ import annotations

from typing import Final

#: Seconds before its expiry at which a token is due for a refresh. ytmusicapi: "credential expiration <= 1 min".
REFRESH_MARGIN: Final = 60
#: Seconds of clock skew tolerated between the machine that stored a token and this one.
CLOCK_SKEW: Final = 10
#: The lifetime in seconds if the server sends none (RFC 6749 5.1 allows that), or an impossible one: that of Google's.
ASSUMED_LIFETIME: Final = 3600
_ALWAYS: Final = float("-inf")


def refresh_margin(expires_in: int) -> int:
    """Return how many seconds before its expiry a token is due for a refresh.

    That is at most half its lifetime, so that a short-lived token is not due as soon as it is issued.
    """
    return min(REFRESH_MARGIN, expires_in // 2) if expires_in > 0 else REFRESH_MARGIN


class Validity:
    """Valid while `not_before` <= wall < `not_after` (UNIX time) and monotonic < `deadline`, all in seconds."""

    __slots__ = ("deadline", "not_after", "not_before")

    def __init__(self, not_before: float, not_after: float, deadline: float) -> None:
        self.not_before: Final = not_before
        self.not_after: Final = not_after
        self.deadline: Final = deadline

    def __reduce__(self) -> tuple[type[Validity], tuple[float, float, float]]:
        # A pickle may be loaded after a boot, or on another machine, where the monotonic clock has another start.
        return Validity, (self.not_before, self.not_after, float("inf"))

    def __deepcopy__(self, memo: dict[int, object]) -> Validity:
        return self  # it never changes, and a copy in this process has the same clock

    def covers(self, wall: float, monotonic: float) -> bool:
        """Whether both clocks are within the period."""
        return self.not_before <= wall < self.not_after and monotonic < self.deadline

    def seconds_left(self, wall: float, monotonic: float) -> float:
        """Return the seconds until the period ends; 0 outside it."""
        return min(self.not_after - wall, self.deadline - monotonic) if self.covers(wall, monotonic) else 0.0


def validity(expires_at: int, expires_in: int, wall: float, monotonic: float) -> Validity:
    """Return the period in which a token is valid: `expires_in` seconds (0: unknown) that end at `expires_at`.

    `wall` and `monotonic` are the clocks at one moment: that of the request, or that of reading the token.
    """
    not_after = float(expires_at)  # a float like the clocks: comparing float with int is slow
    if expires_in <= 0:
        return Validity(_ALWAYS, not_after, monotonic + not_after - wall)
    # If more than `expires_in` seconds are left, the clock was ahead when the token was stored, or is behind now.
    return Validity(not_after - expires_in - CLOCK_SKEW, not_after, monotonic + min(not_after - wall, expires_in))


def freshness(valid: Validity, expires_in: int) -> Validity:
    """Return the part of the period `valid` in which the token is not yet due for a refresh."""
    margin = refresh_margin(expires_in)
    return Validity(valid.not_before, valid.not_after - margin, valid.deadline - margin)
