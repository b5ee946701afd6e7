# SPDX-License-Identifier: MIT
"""The vocabulary of the refresh cycle: its steps, their events, and its goal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Generator, NamedTuple, Union

from ._snapshot import Snapshot
from .exceptions import OAuthError


class Lock(NamedTuple):
    """Take the store's lock; keep it until the cycle ends or locks again. The event has `until`, `taken` or `error`."""

    timeout: float


class Read(NamedTuple):
    """Read the store. The event has `text` or `error`."""


class Replace(NamedTuple):
    """Compare and swap. The event has `swapped` or `error`."""

    before: str | None
    after: str

    def __repr__(self) -> str:
        return "Replace()"


class Ask(NamedTuple):
    """Send a refresh request, at most `tries` times within `seconds`. The event has `response` or `error`."""

    refresh_token: str
    tries: int
    seconds: float

    def __repr__(self) -> str:
        return f"Ask(tries={self.tries}, seconds={self.seconds})"


class Wait(NamedTuple):
    """Sleep."""

    seconds: float


class Warn(NamedTuple):
    """A warning for the caller. Always the last step: it is shown after the work, because it may raise (`-W error`)."""

    error: OAuthError
    consequence: str


Step = Union[Lock, Read, Replace, Ask, Wait, Warn]


class Event(NamedTuple):
    """The outcome of a step, with the time on both clocks after it."""

    wall: float
    monotonic: float
    #: why the step failed
    error: OAuthError | None = None
    #: whether the lock is held already: by another process or, if there is an error, by this thread
    taken: bool = False
    #: the end of the lock's lease (monotonic)
    until: float = float("inf")
    #: the text in the store; None: no token
    text: str | None = None
    #: whether the text was replaced
    swapped: bool = False
    #: the response to a refresh: at least `access_token` and `expires_in`
    response: Mapping[str, object] = MappingProxyType({})

    def __repr__(self) -> str:
        return f"Event(wall={self.wall}, monotonic={self.monotonic}, error={self.error!r}, taken={self.taken})"


Steps = Generator[Step, Event, None]


class Goal(NamedTuple):
    """What a caller wants: by default, a fresh token."""

    #: the token must be fresh, and valid for so many more seconds, or for half its lifetime if that is less
    ahead: float = 0.0
    #: an access token that the server rejected: any other valid one meets the goal; backoff and refusals are ignored
    rejected: str | None = None

    def __repr__(self) -> str:
        return f"Goal(ahead={self.ahead})"

    def is_met(self, snapshot: Snapshot, now: Event) -> bool:
        """Whether this token meets the goal."""
        left = snapshot.valid.seconds_left(now.wall, now.monotonic)
        if self.rejected is not None:
            return snapshot.access_token != self.rejected and left > 0
        if not snapshot.refresh_token:
            return left > 0
        half = snapshot.token["expires_in"] / 2 or self.ahead
        return snapshot.fresh.covers(now.wall, now.monotonic) and left >= min(self.ahead, half)


#: The goal of reading an access token.
FRESH: Final = Goal()
