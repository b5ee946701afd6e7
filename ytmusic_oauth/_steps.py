# SPDX-License-Identifier: MIT
"""The words of the refresh cycle: the steps that it takes, and what happened at each. Pure."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from ._snapshot import Snapshot
from .exceptions import OAuthError


class Lock(NamedTuple):
    """Take the store's lock, and keep it until the cycle ends or takes it again. The event has `until`, or an error."""

    timeout: float


class Read(NamedTuple):
    """Read the store. The event has `text`, or an error."""


class Replace(NamedTuple):
    """Compare and swap. The event has `swapped`, or an error."""

    before: str | None
    after: str

    def __repr__(self) -> str:
        return "Replace()"


class Ask(NamedTuple):
    """Send a refresh, `tries` times at most within `seconds`. The event has `response`, or an error."""

    refresh_token: str
    tries: int
    seconds: float

    def __repr__(self) -> str:
        return f"Ask(tries={self.tries}, seconds={self.seconds})"


class Wait(NamedTuple):
    """Let time pass."""

    seconds: float


class Warn(NamedTuple):
    """Warn the caller. Always the last step of a cycle: with `-W error`, a warning raises."""

    error: OAuthError
    consequence: str


Step: TypeAlias = "Lock | Read | Replace | Ask | Wait | Warn"


class Event(NamedTuple):
    """What happened, and when on both clocks. Only what the step asked for is set."""

    wall: float
    monotonic: float
    #: why the step failed
    error: OAuthError | None = None
    #: whether another process kept the lock; with an error, this thread itself has it
    taken: bool = False
    #: until when the lock is held (monotonic)
    until: float = float("inf")
    #: what is in the store; None: no token
    text: str | None = None
    #: whether the text in the store was replaced
    swapped: bool = False
    #: the response to a refresh: at least `access_token` and `expires_in`
    response: Mapping[str, object] = MappingProxyType({})

    def __repr__(self) -> str:
        return f"Event(wall={self.wall}, monotonic={self.monotonic}, error={self.error!r}, taken={self.taken})"


Steps: TypeAlias = "Generator[Step, Event, None]"


class Goal(NamedTuple):
    """What a caller wants: by default, a fresh token."""

    #: seconds that must be left, if that is more than fresh; at most half the token's lifetime counts
    ahead: float = 0.0
    #: an access token that the server rejected: any other one will do, and neither backoff nor refusal keeps from
    #: asking
    rejected: str | None = None

    def is_met(self, snapshot: Snapshot, now: Event) -> bool:
        """Whether this token will do."""
        left = snapshot.valid.seconds_left(now.wall, now.monotonic)
        if self.rejected is not None:
            return snapshot.access_token != self.rejected and left > 0
        if not snapshot.refresh_token:
            return left > 0
        half = snapshot.token["expires_in"] / 2 or self.ahead
        return snapshot.fresh.covers(now.wall, now.monotonic) and left >= min(self.ahead, half)


#: What reading an access token wants.
FRESH: Final = Goal()
