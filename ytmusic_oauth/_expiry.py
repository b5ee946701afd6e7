# SPDX-License-Identifier: MIT
"""When a token ends: arithmetic on plain numbers, in seconds. No clock, no token class.

Two clocks are asked, because each of them lies in its own way. The wall clock is what a file can hold, but it is set
wrong, and set right, at any time (a board without a battery boots in 1970). The monotonic clock never jumps, but it
starts anew with every boot and sleeps while a laptop sleeps. The earlier of both ends a token.
"""

from __future__ import annotations

from typing import Final

__all__ = ["REFRESH_MARGIN", "Validity", "freshness", "refresh_margin", "validity"]

# The seed: "credential expiration <= 1 min".
REFRESH_MARGIN: Final = 60
_ALWAYS: Final = float("-inf")


def refresh_margin(expires_in: int) -> int:
    """How many seconds before its end a token is expiring. One that lives for a minute should not be so from birth."""
    return min(REFRESH_MARGIN, expires_in // 2) if expires_in > 0 else REFRESH_MARGIN


class Validity:
    """From `opens` until before `closes` on the wall clock (UNIX epoch), and before `ends` on the monotonic one."""

    __slots__ = ("deadline", "not_after", "not_before")

    def __init__(self, not_before: float, not_after: float, deadline: float) -> None:
        self.not_before: Final = not_before
        self.not_after: Final = not_after
        self.deadline: Final = deadline

    def covers(self, wall: float, monotonic: float) -> bool:
        """Whether both clocks are inside."""
        return self.not_before <= wall < self.not_after and monotonic < self.deadline

    def seconds_left(self, wall: float, monotonic: float) -> float:
        """How long it stays open; 0 if it is not."""
        return min(self.not_after - wall, self.deadline - monotonic) if self.covers(wall, monotonic) else 0.0


def validity(expires_at: int, expires_in: int, wall: float, monotonic: float) -> Validity:
    """When a token lives that ends at `expires_at` and has a life of `expires_in` (0: unknown).

    `wall` and `monotonic` are the clocks at one moment: when the token was asked for, or read from its file.
    """
    closes = float(expires_at)  # as the clocks are: Python is slow to compare a float with an int
    if expires_in <= 0:
        return Validity(_ALWAYS, closes, monotonic + closes - wall)
    # A token that claims to live longer than its whole life was stamped by a clock that was ahead.
    return Validity(closes - expires_in, closes, monotonic + min(closes - wall, expires_in))


def freshness(whole: Validity, expires_in: int) -> Validity:
    """When a token with that life is not yet expiring."""
    early = refresh_margin(expires_in)
    return Validity(whole.not_before, whole.not_after - early, whole.deadline - early)
