# SPDX-License-Identifier: MIT
"""What was lost in a scenario, and the event that explains it.

A login is lost when its last refresh token is in no store: then the next refresh uses an old one twice, and the server
revokes the login. No client can prevent that if the process that got the new refresh token was killed, or was stopped
for longer than its lease, between taking the lock and saving, or if the engine, and with it the lock, went away. Any
other loss is a bug.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from tests.porting.fake_google import Exchange
from tests.tools.engines.account import Account
from tests.tools.engines.worker import Record

__all__ = ["Verdict", "judge"]

# Seconds between two readings of a clock, on a busy machine.
_SLACK: Final = 1.0
# Seconds for which each token here is fresh, at least. (One of 3 seconds is for 2, less the fraction of the second in
# which it was issued.)
_FRESH: Final = 1.0 - 0.2


class Verdict(NamedTuple):
    """What came of a scenario."""

    refreshes: int
    kills: int
    #: logins lost
    lost: int
    #: refresh tokens used twice
    reused: int
    #: expired access tokens handed out
    expired: int
    #: what was lost, beside the event that explains it
    explained: list[str]
    #: what must not happen
    faults: list[str]


class _Cycle(NamedTuple):
    """A process that used a refresh token, from when it had the lock until it had saved the new one, or was refused."""

    pid: int
    refresh_token: str
    locked_at: float
    lock_ends: float
    ended_at: float


def judge(account: Account) -> Verdict:
    """Compare what the server has seen with what the processes have logged."""
    requests, records = account.requests(), account.records()
    cycles = list(_cycles(records))
    acted = {each.form["refresh_token"]: each for each in requests if each.status == 200}
    used = Counter(each.form["refresh_token"] for each in requests if each.status)
    suspects = {token: "was used again" for token in acted if used[token] > 1}
    reused = len(suspects)
    left = account.refresh_token()
    if left in acted and left not in suspects:
        suspects[left] = "is in the store, and its successor is nowhere"
    explained: list[str] = []
    faults = [*account.problems, *(_early(records, acted) if account.is_paced else ())]
    for token, what in suspects.items():
        events = [
            event for cycle in cycles if cycle.refresh_token == token for event in _events(account, records, cycle)
        ]
        line = f"{account.name}: refresh token {_number(token)} {what}"
        if events:
            explained.append(f"{line}: {'; '.join(dict.fromkeys(events))}")
        else:
            faults.append(f"{line}, and no event explains it")
    lost = account.lost_logins()
    if lost > len(suspects):
        faults.append(f"{lost} logins were lost, but only {len(suspects)} refresh tokens")
    expired = [each for each in records if each.step == "served" and _had_expired(account, records, each)]
    faults += [f"an expired token was handed out: {each.value}" for each in expired]
    return Verdict(len(acted), len(account.kills), lost, reused, len(expired), explained, faults)


def _early(records: list[Record], acted: Mapping[str, Exchange]) -> Iterator[str]:
    """Refreshes of a token that was fresh: a second one for the same expiry."""
    sent = {each.value: each for each in reversed(records) if each.step == "asking"}
    done = [(token, sent[token]) for token in acted if token in sent]
    for (_, before), (token, after) in pairwise(done):
        # A process that slept between reading the clock and the response believes that the new token is older.
        if after.at < before.at + _FRESH and not _stops(records, before.pid):
            yield f"refresh token {_number(token)} was fresh: used {after.at - before.at:.2f} s after the one before"


def _had_expired(account: Account, records: list[Record], served: Record) -> bool:
    _, end = account.server._access[served.value]
    return served.when > end or (served.at > end + _SLACK and not _stops(records, served.pid))


def _cycles(records: list[Record]) -> Iterator[_Cycle]:
    """The cycles in which a refresh was sent."""
    for pid in {each.pid for each in records}:
        own = [each for each in records if each.pid == pid]
        starts = [index for index, each in enumerate(own) if each.step == "asking"]
        for start, end in pairwise([*starts, len(own)]):
            steps = {each.step: each for each in reversed(own[start:end])}
            locked = next((each for each in reversed(own[:start]) if each.step == "locked"), own[start])
            ends = [steps[step].at for step in ("saved", "refused") if step in steps]
            yield _Cycle(pid, own[start].value, locked.at, locked.when or math.inf, min(ends, default=math.inf))


def _events(account: Account, records: list[Record], cycle: _Cycle) -> Iterator[str]:
    process = f"process {cycle.pid}"
    for kill in account.kills:
        if kill.pid == cycle.pid and cycle.locked_at <= kill.at <= cycle.ended_at:
            yield f"{process} was killed before it saved, {kill.at - cycle.locked_at:.2f} s after it took the lock"
    for stop, go_on in _stops(records, cycle.pid):
        if cycle.locked_at <= stop <= cycle.ended_at and go_on > cycle.lock_ends:
            yield f"{process} was stopped before it saved, for {go_on - stop:.1f} s, longer than its lease"
    for down, up in account.outages:
        if cycle.locked_at <= up and down <= cycle.ended_at:
            yield f"the engine was down for {up - down:.1f} s before {process} had saved"


def _stops(records: list[Record], pid: int) -> list[tuple[float, float]]:
    own = [each for each in records if each.pid == pid]
    ends = [each.at for each in own if each.step == "go on"]
    return list(zip((each.at for each in own if each.step == "stop"), ends, strict=False))


def _number(token: str) -> str:
    return token.rpartition("-")[2]
