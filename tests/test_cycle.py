# SPDX-License-Identifier: MIT
"""The refresh cycle as transcripts: each step that it takes, and what is told to have happened.

No store, no server, no clock: that is what makes it portable. The vectors `cycle-*` and `decide` of the porting kit,
which `test_vectors` runs, are most of the transcripts; here is what they do not show.
"""

from __future__ import annotations

import copy
import json
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON
from ytmusic_oauth import _state
from ytmusic_oauth._cycle import LOCK_WAIT, Cycle, decide
from ytmusic_oauth._retries import TIMEOUT
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth._state import Backoff, State
from ytmusic_oauth._steps import FRESH, Ask, Event, Goal, Lock, Read, Replace, Step, Steps, Warn
from ytmusic_oauth._token_text import parse_token_text, token_text
from ytmusic_oauth.exceptions import (
    InvalidGrant,
    MalformedResponse,
    OAuthError,
    ServerError,
    TokenStoreError,
)
from ytmusic_oauth.models import RefreshableTokenDict

if TYPE_CHECKING:
    from typing import TypeAlias  # Python 3.10

# The monotonic clock at NOON. All other times are in seconds since then.
BOOTED: Final = 1000.0
LIFETIME: Final = 3600
# When a token that was issued at 0 is due for a refresh, and when it has expired.
DUE: Final = LIFETIME - 60.0
EXPIRED: Final = float(LIFETIME)

Script: TypeAlias = "Sequence[tuple[Step, Event]]"


def token(
    access: str = "a1", refresh: str = "r1", issued: int = 0, *, scope: str = "music", lifetime: int = LIFETIME
) -> RefreshableTokenDict:
    return {
        "scope": scope,
        "token_type": "Bearer",
        "access_token": access,
        "refresh_token": refresh,
        "expires_at": NOON + issued + lifetime,
        "expires_in": lifetime,
    }


def snapshot(values: RefreshableTokenDict, at: float = 0.0) -> Snapshot:
    return Snapshot(NOON + at, BOOTED + at, values)


def at(
    time: float,
    *,
    error: OAuthError | None = None,
    taken: bool = False,
    until: float = float("inf"),
    text: str | None = None,
    swapped: bool = False,
    response: Mapping[str, object] | None = None,
) -> Event:
    """What happened at a time."""
    return Event(NOON + time, BOOTED + time, error, taken, BOOTED + until, text, swapped, response or {})


class InterruptAfter:
    """A trace function that raises KeyboardInterrupt after so many lines of one module."""

    def __init__(self, left: int, module: str) -> None:
        self.left, self.module = left, module

    def __call__(self, frame: FrameType, event: str, _: object) -> InterruptAfter | None:
        if frame.f_code.co_filename != self.module:
            return None
        if event == "line":
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return self


@contextmanager
def interrupt_after(left: int, module: str) -> Iterator[InterruptAfter]:
    interrupt, before = InterruptAfter(left, module), sys.gettrace()
    sys.settrace(interrupt)
    try:
        yield interrupt
    finally:
        sys.settrace(before)


def loaded(values: RefreshableTokenDict | None = None) -> State:
    """Return the state of a token that was loaded from its store when it was issued."""
    values = values or OURS
    return State(snapshot(values), last_read=values, clean=values)


def constructed(values: RefreshableTokenDict | None = None) -> State:
    """Return the state of a token that was made by the constructor: the store was not read."""
    values = values or OURS
    return State(snapshot(values), clean=values)


def new_login(values: RefreshableTokenDict | None = None) -> State:
    """Return the state of a confirmed login that was never saved."""
    return State(snapshot(values or OURS), is_new_login=True)


def play(steps: Steps, script: Script) -> OAuthError | None:
    """Play a cycle, which must take exactly the steps of the script. Returns the error that it raises, if any."""
    left = list(script)
    problem: OAuthError | None = None
    try:
        step = next(steps)
        while True:
            assert left, f"{step} was not expected"
            expected, event = left.pop(0)
            assert step == expected
            step = steps.send(event)
    except StopIteration:
        pass
    except OAuthError as error:
        problem = error
    assert left == []
    return problem


def play_until(steps: Steps, script: Script) -> Step:
    """Play the first steps of a cycle. Returns the next one."""
    step = next(steps)
    for expected, event in script:
        assert step == expected
        step = steps.send(event)
    return step


def warned(steps: Steps, script: Script) -> Warn:
    """Play a cycle that ends with a warning, and return that."""
    step = play_until(steps, script)
    assert isinstance(step, Warn)
    with pytest.raises(StopIteration):
        next(steps)
    return step


def cycle(state: State, now: float, *, rotates: bool = True, has_store: bool = True, goal: Goal = FRESH) -> Cycle:
    return Cycle(state, at(now), rotates=rotates, has_store=has_store, goal=goal)


OURS: Final = token()
#: the response of a server that rotates refresh tokens, and of one that does not
ROTATED: Final[Mapping[str, object]] = {
    "access_token": "a2", "expires_in": LIFETIME, "scope": "music", "token_type": "Bearer", "refresh_token": "r2"
}  # fmt: skip
KEPT: Final[Mapping[str, object]] = {key: value for key, value in ROTATED.items() if key != "refresh_token"}
#: what the user logged in to meanwhile
NEW_LOGIN: Final = token("a9", "r9", 3500)

HTTP_503: Final = ServerError(status=503, retryable=True)
REVOKED: Final = InvalidGrant(error="invalid_grant")
NO_DESCRIPTORS: Final = TokenStoreError("The token file cannot be locked: Too many open files", retryable=True)
UNREADABLE: Final = TokenStoreError("The token file cannot be read: Permission denied")
DISK_FULL: Final = TokenStoreError("The disk is full")

STALE: Final = "The old access token stays in use until it expires."
IN_MEMORY: Final = "The new token is in memory only until it can be saved."


def locked(now: float, *, wait: float = LOCK_WAIT, until: float = float("inf")) -> tuple[Step, Event]:
    return Lock(wait), at(now, until=until)


def found(now: float, values: RefreshableTokenDict | str | None) -> tuple[Step, Event]:
    return Read(), at(now, text=values if values is None or isinstance(values, str) else token_text(values))


def asked(
    now: float,
    response: Mapping[str, object] | None = None,
    *,
    refresh: str = "r1",
    tries: int = 3,
    seconds: float = TIMEOUT,
    error: OAuthError | None = None,
) -> tuple[Step, Event]:
    return Ask(refresh, tries, seconds), at(now, response=response, error=error)


def saved(now: float, before: RefreshableTokenDict | str | None, after: RefreshableTokenDict) -> tuple[Step, Event]:
    return replaced(before, after, at(now, swapped=True))


def replaced(
    before: RefreshableTokenDict | str | None, after: RefreshableTokenDict, event: Event
) -> tuple[Step, Event]:
    text = before if before is None or isinstance(before, str) else token_text(before)
    return Replace(text, token_text(after)), event


# ---- a refresh that goes well --------------------------------------------------------------------


def test_an_expired_token_is_locked_read_refreshed_and_saved() -> None:
    state = loaded()
    after = token("a2", "r2", 3600)
    script = [locked(3600), found(3600, OURS), asked(3601, ROTATED), saved(3601, OURS, after)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert state.snapshot.token == after
    assert not state.is_dirty
    assert state.refreshes == 1
    script = [locked(8000), found(8000, after), asked(8000, ROTATED, refresh="r2")]
    assert play(cycle(state, 8000).refresh(), [*script, saved(8000, after, token("a2", "r2", 8000))]) is None
    assert state.refreshes == 2


def test_a_token_without_a_store_is_refreshed_in_memory() -> None:
    state = constructed()
    assert play(cycle(state, EXPIRED, has_store=False).refresh(), [asked(3601, KEPT)]) is None
    assert state.snapshot.token == token("a2", "r1", 3600)


def test_a_store_that_shows_the_old_token_after_a_save_is_not_saved_to_for_ever() -> None:
    """A replica, say, that is behind: the refresh goes on."""
    state = loaded()
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    mine: RefreshableTokenDict = {**OURS, "scope": "other"}
    after: RefreshableTokenDict = {**token("a2", "r2", 3600), "scope": "other"}
    script = [locked(3600), found(3600, OURS), saved(3600, OURS, mine), locked(3600), found(3600, OURS)]
    script += [asked(3600, {**ROTATED, "scope": "other"}), saved(3600, OURS, after)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None


def test_what_changes_after_a_save_is_saved_after_the_request_under_the_same_lock() -> None:
    state = loaded()
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    mine: RefreshableTokenDict = {**OURS, "scope": "other"}
    steps = cycle(state, EXPIRED).refresh()
    play_until(steps, [locked(3600), found(3600, OURS), saved(3600, OURS, mine), locked(3600)])
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "scope", "third"))
    assert steps.send(found(3600, mine)[1]) == Ask("r1", 3, TIMEOUT)


def test_a_warning_says_what_a_restart_would_lose() -> None:
    state = loaded()
    assert state.outlook() == ""
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    assert state.outlook().startswith(" The refresh token has not changed: ")
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "refresh_token", "r2"))
    assert state.outlook().startswith(" The refresh token has changed: ")
    assert new_login().outlook().endswith(" the login may be lost.")


@pytest.mark.parametrize("is_locked", [True, False])
def test_after_an_interrupt_a_response_is_kept_and_saved_under_the_lock(is_locked: bool) -> None:
    state, after = loaded(), token("a2", "r2", 3600)
    interrupted = cycle(state, EXPIRED)
    play_until(interrupted.refresh(), [locked(3600), found(3600, OURS)])
    interrupted.outcome = ROTATED
    script = [found(3601, OURS), saved(3601, OURS, after)] if is_locked else []
    assert play(interrupted.rescue(is_locked=is_locked), script) is None
    assert state.snapshot.token == after
    assert play(cycle(loaded({**OURS, "refresh_token": ""}), EXPIRED).rescue(is_locked=True), []) is None


def test_after_an_interrupt_the_response_to_the_other_of_two_tokens_is_kept() -> None:
    """Ctrl-C between any two lines: the old refresh token of that login is used up."""

    def interrupted(left: int) -> int:
        state, after = constructed(token("a9", "r9", 100)), token("a2", "r2", 3800)
        state.last_read, state.alternative, state.refused = OURS, snapshot(OURS), "r9"
        refresh = cycle(state, 3800)
        steps = refresh.refresh()
        assert play_until(steps, [locked(3800), found(3800, OURS)]) == asked(3800, refresh="r1")[0]
        refresh.outcome = ROTATED
        with suppress(KeyboardInterrupt), interrupt_after(left, _state.__file__) as interrupt:
            steps.send(at(3801, response=ROTATED))
        assert play(refresh.rescue(is_locked=True), [found(3801, OURS), saved(3801, OURS, after)]) is None, left
        assert (state.snapshot.token, state.candidate.token, state.is_dirty) == (after, after, False), left
        return interrupt.left

    for left in range(10**6 - interrupted(10**6)):
        interrupted(left)


def test_after_an_interrupt_a_response_does_not_replace_a_newer_token_that_was_found_since() -> None:
    state, newer = loaded(), token("a3", "r1", 3605)
    interrupted = cycle(state, EXPIRED, rotates=False)
    steps = interrupted.refresh()
    play_until(steps, [locked(3600), found(3600, OURS)])
    interrupted.outcome = KEPT
    _, response = asked(3601, KEPT)
    for _, event in ((None, response), replaced(OURS, token("a2", "r1", 3600), at(3601))):
        steps.send(event)
    with pytest.raises(StopIteration):
        steps.send(found(3601, newer)[1])
    assert play(interrupted.rescue(is_locked=True), []) is None
    assert state.snapshot.token == newer


def test_after_an_interrupt_only_a_new_login_replaces_what_is_not_a_token() -> None:
    unreadable = [found(3602, "no token")]
    state = loaded()
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    assert play(cycle(state, EXPIRED).rescue(is_locked=True), unreadable) is None
    script = [*unreadable, saved(3602, "no token", OURS)]
    assert play(cycle(new_login(), EXPIRED).rescue(is_locked=True), script) is None
    failed = [(Read(), at(3602, error=UNREADABLE))]
    assert play(cycle(new_login(), EXPIRED).rescue(is_locked=True), failed) is None


def test_after_an_interrupt_a_new_login_is_saved_even_without_the_lock() -> None:
    """The process that has the lock will find it when it compares and swaps."""
    script = [found(3602, OURS), saved(3602, OURS, token("a9", "r9"))]
    assert play(cycle(new_login(token("a9", "r9")), EXPIRED).rescue(is_locked=False), script) is None
    assert play(cycle(loaded(), EXPIRED).rescue(is_locked=False), []) is None


def test_a_step_shows_no_token() -> None:
    assert repr(Replace("before", "after")) == "Replace()"


# ---- several users of one store ------------------------------------------------------------------


def test_a_lock_that_is_never_released_is_a_retryable_error_once_the_token_has_expired() -> None:
    state = loaded()
    problem = play(cycle(state, EXPIRED).refresh(), [(Lock(40), at(3640, taken=True))])
    assert isinstance(problem, TokenStoreError)
    assert problem.retryable
    assert "has held the lock of the token for 40 s" in str(problem)


# ---- a store that changes during the request -----------------------------------------------------


def test_a_token_that_has_disappeared_from_the_store_is_not_refreshed() -> None:
    """The user has logged out. Told once, or the log of a daemon would be full of it."""
    state = loaded()
    told = warned(cycle(state, DUE).refresh(), [locked(DUE, wait=0), found(DUE + 1, None)])
    assert str(told.error).startswith("The token has disappeared from the store. ")
    assert told.consequence == STALE
    assert play(cycle(state, DUE + 5).refresh(), [locked(DUE + 5, wait=0), found(DUE + 6, None)]) is None


def test_a_store_that_keeps_changing_does_not_keep_the_caller() -> None:
    state = loaded()
    after = token("a2", "r2", 3600)
    script = [locked(3600), found(3600, OURS), asked(3601, ROTATED)]
    before = OURS
    for n in range(5):
        edited = token(scope=f"edited {n}")
        script += [replaced(before, after, at(3601)), found(3601, edited)]
        before = edited
    warning = warned(cycle(state, EXPIRED).refresh(), script)
    assert "keeps changing" in str(warning.error)
    assert state.snapshot.token == after


# ---- what the server refuses ---------------------------------------------------------------------


def refused(now: float, wait: float = LOCK_WAIT, *, tries: int = 3) -> list[tuple[Step, Event]]:
    return [locked(now, wait=wait), found(now, OURS), asked(now, tries=tries, error=REVOKED)]


def test_a_fresh_access_token_beside_a_refused_refresh_token_is_used() -> None:
    """Another program has refreshed, without the lock, and the login was revoked after that."""
    state = loaded()
    theirs = token("a2", "r1", 3590)
    assert play(cycle(state, EXPIRED, rotates=False).refresh(), [*refused(3600), found(3600, theirs)]) is None
    assert state.snapshot.token == theirs


def test_a_refusal_is_not_announced_to_other_threads_before_the_store_was_read_again() -> None:
    """They would tell their users to log in, although a new login is in the store."""
    state = loaded()
    assert play_until(cycle(state, EXPIRED).refresh(), refused(3600)) == Read()
    assert decide(state, FRESH, at(3600), has_store=True) == "refresh"  # and so they wait


def test_the_other_of_two_tokens_is_neither_used_nor_saved_before_the_server_has_accepted_it() -> None:
    """The token of the constructor was issued later, and is refused. Then that of the file is tried, and refused."""
    state = constructed(token("a9", "r9", 100))
    script = [
        *[locked(3800), found(3800, OURS), asked(3801, refresh="r9", error=REVOKED), found(3801, OURS)],
        asked(3802, refresh="r1", error=HTTP_503),
    ]
    assert play(cycle(state, 3800).refresh(), script) is HTTP_503
    assert (state.snapshot.refresh_token, state.candidate.token, state.is_dirty) == ("r9", OURS, False)
    assert decide(state, FRESH, at(3900), has_store=True) == "refresh"
    script = [locked(3900), found(3900, OURS), asked(3901, refresh="r1", error=REVOKED), found(3901, OURS)]
    assert play(cycle(state, 3900).refresh(), script) is REVOKED
    assert (state.candidate.refresh_token, state.refused, state.is_dirty) == ("r9", "r9", False)
    assert decide(state, FRESH, at(4000), has_store=True) == "look"


# ---- servers that give no refresh token ----------------------------------------------------------


def test_a_token_without_a_refresh_token_is_used_to_its_last_second() -> None:
    state = loaded({**OURS, "refresh_token": ""})
    assert decide(state, FRESH, at(EXPIRED - 0.5), has_store=True) == "return"
    assert decide(state, Goal(ahead=1000), at(EXPIRED - 0.5), has_store=True) == "return"
    assert decide(state, Goal(rejected="a0"), at(EXPIRED - 0.5), has_store=True) == "return"
    assert decide(state, FRESH, at(EXPIRED), has_store=True) == "refresh"


def test_nothing_is_sent_for_a_token_without_a_refresh_token() -> None:
    """The user has to log in again. A new login in the store is taken up."""
    values: RefreshableTokenDict = {**OURS, "refresh_token": ""}
    state = loaded(values)
    script = [locked(3600), found(3600, values), found(3600, values)]
    assert isinstance(play(cycle(state, EXPIRED).refresh(), script), InvalidGrant)
    assert decide(state, FRESH, at(3700), has_store=True) == "look"
    assert play(cycle(state, 3700).look(), [found(3700, NEW_LOGIN)]) is None
    assert decide(state, FRESH, at(3700), has_store=True) == "return"


# ---- what fails ----------------------------------------------------------------------------------


@pytest.mark.parametrize("now", [DUE, EXPIRED])
def test_a_new_refresh_token_in_a_malformed_response_is_saved_before_the_error_is_raised(now: float) -> None:
    """The server does not accept the old one any more. The old access token stays beside it."""
    state = loaded()
    error = MalformedResponse("The response has an unknown token type", refresh_token="r2")
    after = token("a1", "r2", 0)
    wait, tries = (0.0, 1) if now == DUE else (LOCK_WAIT, 3)
    script = [locked(now, wait=wait), found(now, OURS), asked(now, tries=tries, error=error), saved(now, OURS, after)]
    steps = cycle(state, now).refresh()
    if now == DUE:
        assert warned(steps, script) == Warn(error, STALE)
    else:
        assert play(steps, script) is error
    assert state.snapshot.token == after
    assert not state.is_dirty
    assert error.refresh_token is None


def test_a_new_refresh_token_beside_an_invalid_access_token_of_other_credentials_is_saved() -> None:
    state = loaded()
    response = {"access_token": "two words", "expires_in": 60, "refresh_token": "r2"}
    script = [locked(3600), found(3600, OURS), asked(3601, response), saved(3601, OURS, token("a1", "r2", 0))]
    problem = play(cycle(state, EXPIRED).refresh(), script)
    assert isinstance(problem, MalformedResponse)
    assert problem.key == "access_token"
    assert str(problem).startswith("credentials.refresh_token did not return a token: access_token is not visible")
    assert str(problem).endswith("Correct the class of the credentials.")


@pytest.mark.parametrize(
    "outcome",
    [
        {"access_token": "two words", "expires_in": 60, "refresh_token": "r2"},
        MalformedResponse("The response has no access_token", refresh_token="r2"),
    ],
)
def test_after_an_interrupt_the_new_refresh_token_of_an_invalid_response_is_saved(
    outcome: Mapping[str, object] | MalformedResponse,
) -> None:
    state = loaded()
    interrupted = cycle(state, EXPIRED)
    play_until(interrupted.refresh(), [locked(3600), found(3600, OURS)])
    interrupted.outcome = outcome
    script = [found(3601, OURS), saved(3601, OURS, token("a1", "r2", 0))]
    assert play(interrupted.rescue(is_locked=True), script) is None
    assert not state.is_dirty


# ---- how long a request may take -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "failures", "rotates", "allowed"),
    [
        (60, 0, True, (1, 30)),
        (60, 3, True, (1, 30)),
        (30, 3, True, (1, 30)),
        (29, 3, True, None),
        (29, 0, True, (1, 30)),
        (60, 0, False, (1, 30)),
        (29, 3, False, (1, 27)),
        (3, 0, False, (1, 1)),
        (2, 0, False, None),
        (0, 3, True, (3, 30)),
        (0, 3, False, (3, 30)),
    ],
)
def test_a_request_is_given_what_the_valid_token_has_to_spare(
    left: float, failures: int, rotates: bool, allowed: tuple[int, float] | None
) -> None:
    """Where tokens rotate, a request that is given up may have used the refresh token: it is begun with care."""
    now = LIFETIME - left
    state = loaded()
    state.server_backoff = Backoff(failures)
    script = [locked(now, wait=0 if left else LOCK_WAIT), found(now, OURS)]
    if allowed is not None:
        tries, seconds = allowed
        script.append(asked(now + 1, tries=tries, seconds=seconds, error=HTTP_503))
    play(cycle(state, now, rotates=rotates).refresh(), script)
    if allowed is None:  # the token is used up, and no reader locks or reads until then
        assert decide(state, FRESH, at(EXPIRED - 0.5), has_store=True) == "return"
        assert decide(state, FRESH, at(EXPIRED), has_store=True) == "refresh"


def test_refresh_is_given_the_whole_time() -> None:
    script = [locked(3599), found(3599, OURS), asked(3600, error=HTTP_503)]
    assert play(cycle(loaded(), 3599, goal=Goal(rejected="a1")).refresh(), script) is HTTP_503


def test_nothing_is_sent_if_the_lease_ends_before_the_request_could() -> None:
    """The next holder would send the same refresh token."""
    state = loaded()
    script = [locked(3600, until=3640), found(3611, OURS)]
    problem = play(cycle(state, EXPIRED).refresh(), script)
    assert isinstance(problem, TokenStoreError)
    assert problem.retryable
    assert "lease would end before a request could finish" in str(problem)
    script = [locked(3700, until=3740), found(3709, OURS), asked(3710, error=HTTP_503)]
    assert play(cycle(state, 3700).refresh(), script) is HTTP_503


def test_a_lease_that_is_shorter_than_any_request_is_a_mistake_of_the_program() -> None:
    problem = play(cycle(loaded(), EXPIRED).refresh(), [locked(3600, until=3620), found(3600, OURS)])
    assert isinstance(problem, TokenStoreError)
    assert not problem.retryable
    assert "shorter than a request (30 s). Use a longer one." in str(problem)


# ---- responses that are worth little -------------------------------------------------------------


def test_a_response_that_took_longer_than_its_token_is_valid_is_not_handed_out() -> None:
    state = loaded()
    short = {**ROTATED, "expires_in": 20}
    first, second = token("a2", "r2", 3600, lifetime=20), token("a3", "r2", 3625, lifetime=20)
    script = [
        *[locked(3600), found(3600, OURS), asked(3625, short), saved(3625, OURS, first)],
        *[locked(3625), found(3625, first), asked(3650, {**short, "access_token": "a3"}, refresh="r2")],
        saved(3650, first, second),
    ]
    problem = play(cycle(state, EXPIRED).refresh(), script)
    assert problem is not None
    assert (problem.retryable, problem.reason) == (True, "no_valid_token")
    assert "expired before it arrived" in str(problem)


def slept(event: Event, seconds: float) -> Event:
    """Return the event as if the machine had been suspended before: on Linux, the monotonic clock stops meanwhile."""
    return event._replace(wall=event.wall + seconds)


def test_a_machine_that_slept_during_the_request_adopts_what_another_process_has_refreshed_since() -> None:
    state = loaded()
    first, theirs = token("a2", "r2", 3600), token("a3", "r3", 8990)
    script = [
        *[locked(3600), found(3600, OURS), asked(3601, ROTATED), saved(3601, OURS, first)],
        *[locked(3601), found(3601, theirs)],
    ]
    asleep = [*script[:2], *[(step, slept(event, 5399)) for step, event in script[2:]]]
    assert play(cycle(state, EXPIRED).refresh(), asleep) is None
    assert state.snapshot.token == theirs


# ---- refresh after a 401 -------------------------------------------------------------------------


@pytest.mark.parametrize("issued", [20, 0, -100], ids=["later", "in the same second", "earlier"])
def test_refresh_is_content_with_another_valid_token_in_the_store(issued: int) -> None:
    state = loaded()
    theirs = token("a0", "r1", issued)
    assert play(cycle(state, 30, goal=Goal(rejected="a1")).refresh(), [locked(30), found(30, theirs)]) is None
    assert state.snapshot.token == theirs


def test_refresh_does_not_take_the_rejected_token_from_the_store() -> None:
    state = loaded()
    theirs, after = token("a1", "r1", 0, scope="edited"), token("a2", "r2", 30)
    script = [locked(30), found(30, theirs), asked(31, ROTATED), saved(31, theirs, after)]
    assert play(cycle(state, 30, goal=Goal(rejected="a1")).refresh(), script) is None


# ---- a caller that changes the token during the request ------------------------------------------


def test_a_field_that_was_set_during_a_save_stays_unsaved() -> None:
    state = loaded()
    steps = cycle(state, EXPIRED).refresh()
    play_until(steps, [locked(3600), found(3600, OURS), asked(3601, ROTATED)])
    state.supersede(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    with pytest.raises(StopIteration):
        steps.send(at(3601, swapped=True))
    assert state.is_dirty


# ---- saving --------------------------------------------------------------------------------------


def unsaved() -> State:
    """Return the state of a token that was refreshed and could not be saved."""
    state = loaded()
    state.supersede(snapshot(token("a2", "r2", 3600), 3600))
    return state


def test_a_failed_save_needs_no_warning_if_the_next_one_in_the_same_pass_works() -> None:
    state = unsaved()
    script = [locked(7200), found(7200, OURS), replaced(OURS, state.snapshot.token, at(7200, error=DISK_FULL))]
    script += [found(7200, OURS), asked(7201, {**ROTATED, "refresh_token": "r3"}, refresh="r2")]
    script.append(saved(7201, OURS, token("a2", "r3", 7200)))
    assert play(cycle(state, 7200).refresh(), script) is None
    assert not state.is_dirty


def test_no_refresh_token_is_sent_after_a_save_that_found_an_unreadable_store() -> None:
    """Another program is writing: it may be another process, with a token that replaces ours."""
    state = unsaved()
    conflict = replaced(OURS, state.snapshot.token, at(7200))
    script = [locked(7200), found(7200, OURS), conflict, found(7201, "{")]
    script += [locked(7201), found(7202, "{")]
    problem = play(cycle(state, 7200).refresh(), script)
    assert isinstance(problem, TokenStoreError)
    assert state.is_dirty


def test_a_save_is_warned_about_also_if_the_lock_failed_before() -> None:
    state = loaded()
    warned(cycle(state, DUE).refresh(), [(Lock(0), at(3540, error=NO_DESCRIPTORS))])
    script = [locked(3600), found(3600, OURS), asked(3601, ROTATED)]
    failed = replaced(OURS, token("a2", "r2", 3600), at(3601, error=DISK_FULL))
    assert warned(cycle(state, EXPIRED).refresh(), [*script, failed, found(3601, OURS)]) == Warn(DISK_FULL, IN_MEMORY)


def test_a_save_without_a_lock_is_put_off() -> None:
    state = unsaved()
    script: Script = [(Lock(0), at(3700, error=NO_DESCRIPTORS))]
    assert warned(cycle(state, 3700).save(), script) == Warn(NO_DESCRIPTORS, IN_MEMORY)


@pytest.mark.parametrize(
    "there", [None, OURS, NEW_LOGIN, token("a1", "r1", 9000)], ids=["nothing", "the same", "newer", "far ahead"]
)
def test_a_confirmed_login_that_was_never_saved_is_stored_over_anything(there: RefreshableTokenDict | None) -> None:
    login = token("a5", "r5", 100)
    state = new_login(login)
    assert play(cycle(state, 200).save(), [locked(200, wait=0), found(200, there), saved(200, there, login)]) is None
    assert not state.is_new_login
    assert not state.is_dirty


def test_a_confirmed_login_that_was_never_saved_is_refreshed_and_stored_over_anything() -> None:
    """Also an hour later, and not replaced by what a process with the old login has refreshed meanwhile."""
    login = token("a5", "r5", 0)
    state = new_login(login)
    theirs, after = token("a3", "r3", 3500), token("a2", "r2", 3600)
    script = [locked(3600), found(3600, theirs), saved(3600, theirs, login), locked(3600), found(3600, login)]
    script += [asked(3601, ROTATED, refresh="r5"), saved(3601, login, after)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None


def test_a_failed_save_that_an_error_hides_is_warned_of_next_time() -> None:
    """Otherwise the user never learns that the only refresh token that works is in memory."""
    state, full = unsaved(), TokenStoreError("The disk is full")
    mine = state.snapshot.token
    script = [locked(7200), found(7200, OURS), replaced(OURS, mine, at(7200, error=full)), found(7200, OURS)]
    script.append(asked(7201, refresh="r2", error=HTTP_503))
    assert play(cycle(state, 7200).refresh(), script) is HTTP_503
    script = [locked(7300, wait=0), found(7300, OURS), replaced(OURS, mine, at(7300, error=full)), found(7300, OURS)]
    assert warned(cycle(state, 7300).save(), script).error is full


def test_a_confirmed_login_is_saved_once_it_is_found_in_the_store() -> None:
    """An interrupt came after the write and before it was noted."""
    state = new_login()
    assert play(cycle(state, 10).save(), [locked(10, wait=0), found(10, OURS)]) is None
    assert not state.is_new_login
    assert not state.is_dirty


def test_a_login_that_was_set_during_a_save_is_not_lost_to_a_refresh_of_the_one_before() -> None:
    state = new_login()
    steps = cycle(state, 10).save()
    play_until(steps, [locked(10, wait=0), found(10, None)])
    state.set_by_hand(snapshot(NEW_LOGIN))
    with pytest.raises(StopIteration):
        steps.send(at(10, swapped=True))
    theirs = token("a2", "r2", 20)
    script = [locked(30, wait=0), found(30, theirs), saved(30, theirs, NEW_LOGIN)]
    assert play(cycle(state, 30).save(), script) is None
    assert not state.is_dirty


# ---- store_token ---------------------------------------------------------------------------------


def test_store_writes_nothing_if_the_token_is_there() -> None:
    assert play(cycle(loaded(), 10).store(), [locked(10), found(10, OURS)]) is None


# ---- looking for something newer -----------------------------------------------------------------


def test_a_refusal_is_forgotten_when_another_process_has_refreshed_with_the_same_refresh_token() -> None:
    """Otherwise a daemon would raise the old refusal an hour later, without a request, until it is restarted."""
    state = loaded()
    play(cycle(state, EXPIRED).refresh(), [*refused(3600), found(3600, OURS)])
    theirs = token("a2", "r1", 3700)
    assert play(cycle(state, 3700).look(), [found(3700, theirs)]) is None
    assert state.snapshot.token == theirs
    assert decide(state, FRESH, at(7400), has_store=True) == "refresh"


def made_blocked(state: State) -> None:
    state.error, state.server_backoff = HTTP_503, Backoff(1, BOOTED + 5000)


def made_blind(state: State) -> None:
    state.error, state.server_backoff = UNREADABLE, Backoff(1, BOOTED + 5000)


# ---- which token is newer ------------------------------------------------------------------------


def edited(state: State) -> State:
    state.supersede(state.snapshot.changed(NOON, BOOTED, "scope", "ours"))
    return state


def expired_by_hand(state: State) -> State:
    state.supersede(state.snapshot.changed(NOON, BOOTED, "expires_at", NOON))
    return state


def rotated(state: State) -> State:
    state.supersede(snapshot(token("a2", "r2", 50)))
    return state


SETTLED: Final[Mapping[str, tuple[State, RefreshableTokenDict, bool]]] = {
    # the state, what is in the store, whether that is taken
    "a new login": (loaded(), token("a9", "r9", 5), True),
    "a new login, older by its clock": (loaded(), token("a9", "r9", -9000), True),
    "a new login, while ours was edited": (edited(loaded()), token("a9", "r9", 5), True),
    "a new login, while ours was rotated": (rotated(loaded()), token("a9", "r9", 5), True),
    "what ours replaced": (rotated(loaded()), token(scope="edited"), False),
    "a later access token": (loaded(), token("a2", "r1", 5), True),
    "another access token of the same second": (loaded(), token("a2", "r1", 0), True),
    "another access token of the same second, ours was set": (edited(loaded()), token("a2", "r1", 0), False),
    "an earlier access token": (loaded(), token("a0", "r1", -5), False),
    "the same access token, edited": (loaded(), token(scope="edited"), True),
    "the same access token, both edited": (edited(loaded()), token(scope="edited"), False),
    "the same access token, ours made to expire": (expired_by_hand(loaded()), token(scope="edited"), False),
    "a later access token, ours made to expire": (expired_by_hand(loaded()), token("a2", "r1", 5), True),
    "first look, issued later": (constructed(), token("a9", "r9", 5), True),
    "first look, issued in the same second": (constructed(), token("a9", "r9", 0), True),
    "first look, issued earlier": (constructed(), token("a9", "r9", -5), False),
    "first look, later, but what ours replaced": (rotated(constructed()), token("a1", "r1", 60), False),
    "first look, same refresh token, later": (constructed(), token("a2", "r1", 5), True),
    "first look, same refresh token, earlier": (constructed(), token("a0", "r1", -5), False),
    "a new login of ours beside a later one": (new_login(), token("a9", "r9", 5), False),
    "a new login of ours beside a later access token": (new_login(), token("a2", "r1", 5), False),
}  # fmt: skip


@pytest.mark.parametrize(("state", "there", "is_taken"), SETTLED.values(), ids=SETTLED)
def test_the_newer_of_two_tokens_wins(state: State, there: RefreshableTokenDict, is_taken: bool) -> None:
    state, is_new_login = copy.copy(state), state.is_new_login
    state.is_new_login = is_new_login
    ours = state.snapshot.token
    state.reconcile(snapshot(there, 10), NOON + 10, BOOTED + 10)
    assert state.snapshot.token == (there if is_taken else ours)
    assert state.last_read == there


def test_a_fresh_access_token_wins_over_an_expired_one_that_a_wrong_clock_dates_later() -> None:
    """Our token came from a server response while the clock was a year ahead."""
    state = loaded(token("a1", "r1", 365 * 86400))
    state.reconcile(snapshot(token("a2", "r1", 0), 10), NOON + 10, BOOTED + 10)
    assert state.snapshot.access_token == "a2"


def test_a_token_of_the_constructor_is_not_written_over_an_older_one_without_reason() -> None:
    """It is only used. A refresh, or `store_token`, writes it."""
    state = constructed()
    state.reconcile(snapshot(token("a9", "r9", -5), 10), NOON + 10, BOOTED + 10)
    assert not state.is_dirty
    assert decide(state, FRESH, at(10), has_store=True) == "return"


def test_at_the_first_look_an_unknown_lifetime_does_not_make_a_token_newer() -> None:
    """Without `expires_in`, an hour is assumed: the time at which a token expires is not when it was issued."""
    state = constructed({**token("a1", "r1"), "expires_in": 0})
    state.reconcile(snapshot(token("a2", "r2", 60)), NOON + 60, BOOTED + 60)
    assert state.snapshot.refresh_token == "r2"


def test_what_the_store_had_at_the_last_look_is_not_news() -> None:
    state = unsaved()
    state.reconcile(snapshot(OURS, 10), NOON + 10, BOOTED + 10)
    assert state.snapshot.access_token == "a2"
    assert state.is_dirty


def test_a_token_that_is_equal_to_the_one_in_the_store_needs_no_saving() -> None:
    state = unsaved()
    state.reconcile(snapshot(token("a2", "r2", 3600), 10), NOON + 10, BOOTED + 10)
    assert not state.is_dirty


ACCESS: Final = st.sampled_from(["a1", "a2", "a3"])
REFRESH: Final = st.sampled_from(["r1", "r2", "r3"])
TOKENS: Final = st.builds(token, ACCESS, REFRESH, st.integers(-20, 20))


@given(ours=TOKENS, there=st.lists(TOKENS, max_size=4), rotations=st.lists(REFRESH, max_size=3, unique=True))
def test_no_superseded_refresh_token_replaces_ours(
    ours: RefreshableTokenDict, there: list[RefreshableTokenDict], rotations: list[str]
) -> None:
    """Whatever is found in the store: a refresh token that ours replaced is never taken."""
    state = loaded(ours)
    for refresh in rotations:
        state.supersede(snapshot({**ours, "refresh_token": refresh}))
    for each in there:
        superseded = state.superseded
        before = state.snapshot.refresh_token
        state.reconcile(snapshot(each), NOON, BOOTED)
        if state.snapshot.refresh_token != before:
            assert state.snapshot.refresh_token not in superseded


def test_a_backup_of_what_we_replaced_is_not_taken_after_the_adoption_of_another_token() -> None:
    """R1 was replaced by R2, and another process replaced R2 by R3: then an old copy of the file has R1 again."""
    state = loaded(token("a1", "r1"))
    state.supersede(snapshot(token("a2", "r2")))
    state.saved_as(state.snapshot.token)
    state.reconcile(snapshot(token("a3", "r3")), NOON, BOOTED)
    state.reconcile(snapshot(token("a1", "r1")), NOON, BOOTED)
    assert state.snapshot.refresh_token == "r3"


@pytest.mark.parametrize("saved", [None, token("a0", "r1"), token("a1", "r1")], ids=["never", "other", "same"])
@pytest.mark.parametrize(
    "there", [token("a2", "r1", 9), token("a2", "r2", 9), token("a2", "r2", -9), token("a1", "r1")]
)
@pytest.mark.parametrize(("login", "refused"), [(False, None), (True, None), (True, "r1"), (False, "r1")])
def test_after_an_interrupt_the_next_read_takes_the_token_of_another_process(
    saved: RefreshableTokenDict | None, there: RefreshableTokenDict, login: bool, refused: str | None
) -> None:
    """Ctrl-C between any two lines must not make the token in the store look as if it had been compared."""

    def reconciled(left: int) -> tuple[State, int]:
        state = State(snapshot(token()), saved, saved, login)
        state.refused = refused
        with suppress(KeyboardInterrupt), interrupt_after(left, _state.__file__) as interrupt:
            state.reconcile(snapshot(there), NOON, BOOTED)
        state.reconcile(snapshot(there), NOON, BOOTED)
        return state, interrupt.left

    def outcome(state: State) -> object:
        others = state.alternative and state.alternative.token, state.is_new_login, state.is_dirty
        return state.snapshot.token, state.last_read, *others

    expected, lines = reconciled(10**6)
    for left in range(10**6 - lines):
        assert outcome(reconciled(left)[0]) == outcome(expected), left


# ---- what is remembered --------------------------------------------------------------------------


def test_the_last_hundred_superseded_refresh_tokens_are_remembered() -> None:
    """A program that cannot save for days must not take its old refresh tokens for a new login."""
    state = loaded()
    for n in range(150):
        state.supersede(snapshot(token("a2", f"r-{n}")))
    assert state.superseded == tuple(f"r-{n}" for n in range(49, 149))


def test_a_new_login_without_a_refresh_token_is_not_taken_for_a_superseded_one() -> None:
    state = loaded(token("a1", ""))
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "refresh_token", "r1"))
    state.saved_as(state.snapshot.token)
    state.reconcile(snapshot(token("a2", "")), NOON, BOOTED)
    assert state.snapshot.access_token == "a2"


@pytest.mark.parametrize(
    ("was_new", "refresh", "is_new_login"), [(False, "r9", True), (False, "r1", False), (True, "r1", False)]
)
def test_a_login_that_is_set_while_the_token_moves_to_another_store_is_still_to_be_saved(
    was_new: bool, refresh: str, is_new_login: bool
) -> None:
    state = new_login() if was_new else loaded()
    there = State(state.snapshot, is_new_login=True)
    there.saved_as(there.snapshot.token)
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "refresh_token", refresh))
    state.alternative = snapshot(token("a7", "r7"))
    state.moved(there)
    assert not state.refuse(InvalidGrant()), "the alternative was in the old store"
    assert state.snapshot.refresh_token == refresh
    assert state.is_new_login is is_new_login
    assert state.last_read == there.snapshot.token


def test_a_refresh_while_the_token_moves_to_another_store_is_no_new_login() -> None:
    state = loaded()
    there = State(state.snapshot, is_new_login=True)
    there.saved_as(there.snapshot.token)
    state.supersede(snapshot(token("a2", "r2")))
    state.moved(there)
    assert (state.is_new_login, state.is_dirty) == (False, True)


def test_a_copy_knows_the_store_and_what_was_superseded_but_no_failure() -> None:
    state = unsaved()
    made_blocked(state)
    state.alternative = snapshot(NEW_LOGIN)
    for duplicate in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert duplicate.is_dirty
        assert (duplicate.snapshot.token, duplicate.last_read, duplicate.clean) == (state.snapshot.token, OURS, OURS)
        assert (duplicate.superseded, duplicate.is_new_login) == (("r1",), False)
        assert duplicate.alternative is not None
        assert duplicate.alternative.token == NEW_LOGIN
        assert (duplicate.error, duplicate.server_backoff, duplicate.store_backoff) == (None, Backoff(), Backoff())
    saved_state = pickle.loads(pickle.dumps(loaded()))
    assert not saved_state.is_dirty


def test_a_copy_of_an_unsaved_login_is_compared_with_the_store_as_if_it_had_not_seen_it() -> None:
    """The original may have saved the login, and obtained a newer one with it."""
    state = loaded()
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "refresh_token", "r9"))
    for duplicate in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert (duplicate.last_read, duplicate.is_new_login, duplicate.is_dirty) == (None, False, True)
        duplicate.reconcile(snapshot(token("a2", "r2", 5)), NOON + 10, BOOTED + 10)
        assert (duplicate.snapshot.refresh_token, duplicate.candidate.refresh_token) == ("r2", "r2")
        assert duplicate.refuse(REVOKED)
        assert duplicate.candidate.refresh_token == "r9"


def test_a_move_forgets_the_failures_of_the_old_store_and_keeps_those_of_the_server() -> None:
    there = State(snapshot(OURS), last_read=OURS, clean=OURS)
    there.store_backoff = Backoff(1, BOOTED + 1)
    state = unsaved()
    made_blind(state)
    state.moved(there)
    assert (state.error, state.server_backoff, state.superseded, state.clean) == (None, Backoff(), ("r1",), OURS)
    assert state.store_backoff == Backoff(1, BOOTED + 1)
    assert state.snapshot.access_token == "a2"  # changed during the move, and to be saved
    made_blocked(state)
    state.moved(there)
    assert (state.error, state.server_backoff) == (HTTP_503, Backoff(1, BOOTED + 5000))


@pytest.mark.parametrize(
    ("text", "problem", "key"),
    [
        ("", "Not a token: it is not", None),
        ("s3cret", "Not a token: it is not", None),
        ("[]", "Not a token: it is not", None),
        ('{"access_token": "s3cret"}', "Not a token: ", "scope"),
        (json.dumps({**OURS, "access_token": "s3cret\n"}), "Not a token: access_token", "access_token"),
    ],
)
def test_a_text_that_is_not_a_token_is_an_error_that_quotes_nothing(text: str, problem: str, key: str | None) -> None:
    with pytest.raises(TokenStoreError, match=problem) as raised:
        parse_token_text(text)
    assert raised.value.key == key
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_text_of_a_token_is_that_of_ytmusicapis_file() -> None:
    assert token_text(OURS) == json.dumps(OURS, indent=1)
    assert parse_token_text(token_text(OURS)) == OURS


@pytest.mark.parametrize(
    "value",
    [
        Ask("s3cret", 3, 30),
        Replace("s3cret", "s3cret"),
        Goal(rejected="s3cret"),
        at(0, text="s3cret", response={"access_token": "s3cret"}),
        loaded(token("s3cret", "s3cret")),
        snapshot(token("s3cret", "s3cret")),
        cycle(loaded(token("s3cret", "s3cret")), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_step_shows_a_secret(value: object) -> None:
    assert "s3cret" not in repr(value)
    assert "s3cret" not in str(value)
    assert type(value).__name__ in repr(value)
