# SPDX-License-Identifier: MIT
"""When a token ends: arithmetic on plain numbers, in seconds. No clock, no token class.

Two clocks are asked, because each of them lies in its own way. The wall clock is what a file can hold, but it is set
wrong, and set right, at any time (a board without a battery boots in 1970). The monotonic clock never jumps, but it
starts anew with every boot and sleeps while a laptop sleeps. The earlier of both ends a token.

Imports nothing from the package.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MARGIN", "Window", "fresh", "life", "margin"]

# The seed: "credential expiration <= 1 min".
MARGIN: Final = 60
_ALWAYS: Final = float("-inf")


def margin(expires_in: int) -> int:
    """How many seconds before its end a token is expiring. One that lives for a minute should not be so from birth."""
    return min(MARGIN, expires_in // 2) if expires_in > 0 else MARGIN


class Window:
    """From `opens` until before `closes` on the wall clock (UNIX epoch), and before `ends` on the monotonic one."""

    __slots__ = ("closes", "ends", "opens")

    def __init__(self, opens: float, closes: float, ends: float) -> None:
        self.opens: Final = opens
        self.closes: Final = closes
        self.ends: Final = ends

    def is_open(self, wall: float, monotonic: float) -> bool:
        """Whether both clocks are inside."""
        return self.opens <= wall < self.closes and monotonic < self.ends

    def seconds_left(self, wall: float, monotonic: float) -> float:
        """How long it stays open; 0 if it is not."""
        return min(self.closes - wall, self.ends - monotonic) if self.is_open(wall, monotonic) else 0.0


def life(expires_at: int, expires_in: int, wall: float, monotonic: float) -> Window:
    """When a token lives that ends at `expires_at` and has a life of `expires_in` (0: unknown).

    `wall` and `monotonic` are the clocks at one moment: when the token was asked for, or read from its file.
    """
    closes = float(expires_at)  # as the clocks are: Python is slow to compare a float with an int
    if expires_in <= 0:
        return Window(_ALWAYS, closes, monotonic + closes - wall)
    # A token that claims to live longer than its whole life was stamped by a clock that was ahead.
    return Window(closes - expires_in, closes, monotonic + min(closes - wall, expires_in))


def fresh(whole: Window, expires_in: int) -> Window:
    """When a token with that life is not yet expiring."""
    early = margin(expires_in)
    return Window(whole.opens, whole.closes - early, whole.ends - early)
