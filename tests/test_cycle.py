# SPDX-License-Identifier: MIT
"""The refresh cycle as transcripts: each step that it takes, and what is told to have happened.

No store, no server, no clock: that is what makes it portable.
"""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON
from ytmusic_oauth._cycle import LOCK_WAIT, TIMEOUT, Cycle, Task, decide
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth._state import Backoff, State
from ytmusic_oauth._steps import FRESH, Ask, Event, Goal, Lock, Read, Replace, Step, Steps, Wait, Warn
from ytmusic_oauth._token_text import parse_token_text, token_text
from ytmusic_oauth.exceptions import (
    BadOAuthClient,
    InvalidGrant,
    MalformedResponse,
    OAuthError,
    RateLimited,
    ServerError,
    TokenStoreError,
    TransportError,
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
WRONG_SECRET: Final = BadOAuthClient(error="invalid_client")
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


def look_for_a_second(start: float, read: tuple[Step, Event]) -> list[tuple[Step, Event]]:
    """Return the steps of a cycle that finds the same problem in the store for one second."""
    step, event = read
    script: list[tuple[Step, Event]] = []
    for tenth in range(11):
        now = start + tenth / 10
        script.append((step, event._replace(wall=NOON + now, monotonic=BOOTED + now)))
        script.append((Wait(0.1), at(now + 0.1)))
    return script[:-1]


# ---- a refresh that goes well --------------------------------------------------------------------


def test_an_expired_token_is_locked_read_refreshed_and_saved() -> None:
    state = loaded()
    after = token("a2", "r2", 3600)
    script = [locked(3600), found(3600, OURS), asked(3601, ROTATED), saved(3601, OURS, after)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert state.snapshot.token == after
    assert not state.is_dirty
    assert state.responses == 1
    script = [locked(8000), found(8000, after), asked(8000, ROTATED, refresh="r2")]
    assert play(cycle(state, 8000).refresh(), [*script, saved(8000, after, token("a2", "r2", 8000))]) is None
    assert state.responses == 2


def test_a_valid_token_is_refreshed_in_one_try_and_without_waiting_for_the_lock() -> None:
    state = loaded()
    after = token("a2", "r2", 3540)
    script = [
        locked(3540, wait=0), found(3540, OURS), asked(3541, ROTATED, tries=1), saved(3541, OURS, after)
    ]  # fmt: skip
    assert play(cycle(state, DUE).refresh(), script) is None


def test_a_token_without_a_store_is_refreshed_in_memory() -> None:
    state = constructed()
    assert play(cycle(state, EXPIRED, has_store=False).refresh(), [asked(3601, KEPT)]) is None
    assert state.snapshot.token == token("a2", "r1", 3600)


def test_the_lifetime_counts_from_before_the_request() -> None:
    state = loaded()
    after = token("a2", "r2", 3600)
    play(
        cycle(state, EXPIRED).refresh(),
        [locked(3600), found(3600, OURS), asked(3629, ROTATED), saved(3629, OURS, after)],
    )
    assert state.snapshot.valid.covers(NOON + 3600 + LIFETIME - 0.5, BOOTED + 3600 + LIFETIME - 0.5)
    assert not state.snapshot.valid.covers(NOON + 3630, BOOTED + 3600 + LIFETIME)


def test_after_a_save_the_store_is_locked_and_read_again_before_the_request() -> None:
    """The save of a file releases its lock: another process may have used the refresh token since."""
    state = loaded()
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    mine: RefreshableTokenDict = {**OURS, "scope": "other"}
    theirs: RefreshableTokenDict = {**token("a2", "r2", 3601), "scope": "other"}
    script = [locked(3600), found(3600, OURS), saved(3600, OURS, mine), locked(3601), found(3601, theirs)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert state.snapshot.token == theirs
    state = loaded()
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    script = [locked(3540, wait=0), found(3540, OURS), saved(3540, OURS, mine), (Lock(0), at(3540, taken=True))]
    assert play(cycle(state, DUE).refresh(), script) is None
    assert state.snapshot.token == mine


def test_a_store_that_shows_the_old_token_after_a_save_is_not_saved_to_for_ever() -> None:
    """A replica, say, that is behind: the refresh goes on."""
    state = loaded()
    state.set_by_hand(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    mine: RefreshableTokenDict = {**OURS, "scope": "other"}
    after: RefreshableTokenDict = {**token("a2", "r2", 3600), "scope": "other"}
    script = [locked(3600), found(3600, OURS), saved(3600, OURS, mine), locked(3600), found(3600, OURS)]
    script += [asked(3600, {**ROTATED, "scope": "other"}), saved(3600, OURS, after)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None


def test_a_step_shows_no_token() -> None:
    assert repr(Replace("before", "after")) == "Replace()"


# ---- several users of one store ------------------------------------------------------------------


@pytest.mark.parametrize("now", [DUE, EXPIRED])
def test_a_token_that_another_process_has_refreshed_is_adopted_and_nothing_is_sent(now: float) -> None:
    """A second refresh with the same refresh token would end the login."""
    state = loaded()
    theirs = token("a2", "r2", 3540)
    wait = 0.0 if now == DUE else LOCK_WAIT
    assert play(cycle(state, now).refresh(), [locked(now, wait=wait), found(now, theirs)]) is None
    assert state.snapshot.token == theirs
    assert not state.is_dirty


def test_a_token_that_another_process_left_expired_is_refreshed_with_its_refresh_token() -> None:
    state = loaded()
    theirs, after = token("a2", "r2", 3540), token("a3", "r3", 8000)
    response = {**ROTATED, "access_token": "a3", "refresh_token": "r3"}
    script = [locked(8000), found(8000, theirs), asked(8001, response, refresh="r2"), saved(8001, theirs, after)]
    assert play(cycle(state, 8000).refresh(), script) is None


def test_a_valid_token_is_returned_while_another_process_is_refreshing() -> None:
    state = loaded()
    assert play(cycle(state, DUE).refresh(), [(Lock(0), at(3540, taken=True))]) is None
    assert state.snapshot.token == OURS
    assert state.error is None
    # To try it again at each read would make readers wait for a remote store.
    assert decide(state, FRESH, at(3540.5), has_store=True) is Task.RETURN
    assert decide(state, FRESH, at(3541), has_store=True) is Task.REFRESH


def test_a_lock_that_is_never_released_is_a_retryable_error_once_the_token_has_expired() -> None:
    state = loaded()
    problem = play(cycle(state, EXPIRED).refresh(), [(Lock(40), at(3640, taken=True))])
    assert isinstance(problem, TokenStoreError)
    assert problem.retryable
    assert "has held the lock of the token for 40 s" in str(problem)


def test_a_thread_does_not_wait_for_a_lock_that_it_holds_itself() -> None:
    own = TokenStoreError("This thread is already refreshing another token object of the same store")
    event = at(3600, taken=True, error=own)
    assert play(cycle(loaded(), EXPIRED).refresh(), [(Lock(40), event)]) is own
    assert play(cycle(loaded(), EXPIRED).store(), [(Lock(40), event)]) is own


# ---- a store that changes during the request -----------------------------------------------------


def conflict(
    found_after: RefreshableTokenDict | str | None, response: Mapping[str, object] = ROTATED
) -> tuple[State, list[tuple[Step, Event]]]:
    """Return the state and the script up to a save that finds something else in the store than it had read."""
    after = token("a2", str(response.get("refresh_token", "r1")), 3600)
    return loaded(), [
        locked(3600),
        found(3600, OURS),
        asked(3601, response),
        replaced(OURS, after, at(3601)),
        found(3601, found_after),
    ]


@pytest.mark.parametrize("response", [ROTATED, KEPT], ids=["rotating", "not rotating"])
@pytest.mark.parametrize("issued", [3500, 100], ids=["newer", "older by its clock"])
def test_a_new_login_that_is_stored_during_the_request_wins(response: Mapping[str, object], issued: int) -> None:
    """The user logged in again. The refresh of the old login must not undo that, whatever the clocks say."""
    login = token("a9", "r9", issued)
    state, script = conflict(login, response)
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert state.snapshot.token == login
    assert not state.is_dirty


def test_the_refresh_of_another_process_that_got_the_lock_too_wins() -> None:
    """A lease was lost. All processes must end with the same refresh token."""
    theirs = token("a3", "r3", 3600)
    state, script = conflict(theirs)
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert state.snapshot.token == theirs


def test_the_refresh_token_that_we_sent_is_overwritten_by_the_one_that_replaced_it() -> None:
    """Another program has edited the file, for example the scope. Only our refresh token is still accepted."""
    edited = token(scope="edited")
    state, script = conflict(edited)
    after = token("a2", "r2", 3600)
    assert play(cycle(state, EXPIRED).refresh(), [*script, saved(3601, edited, after)]) is None
    assert state.snapshot.token == after


def test_of_two_access_tokens_with_one_refresh_token_the_one_issued_later_is_kept() -> None:
    later = token("a3", "r1", 3602)
    state, script = conflict(later, KEPT)
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert state.snapshot.token == later

    earlier = token("a3", "r1", 1800)
    state, script = conflict(earlier, KEPT)
    after = token("a2", "r1", 3600)
    assert play(cycle(state, EXPIRED).refresh(), [*script, saved(3601, earlier, after)]) is None
    assert state.snapshot.token == after


@pytest.mark.parametrize("content", [None, "", "{}", "something else"])
def test_a_token_that_disappears_during_the_request_is_not_put_back(content: str | None) -> None:
    """The user has logged out: the new token is used, but only the caller may store it."""
    state, script = conflict(content)
    script += [(Wait(0.1), at(3601.1)), found(3602, content)]
    steps = cycle(state, EXPIRED).refresh()
    warning = warned(steps, script)
    assert warning.consequence == IN_MEMORY
    assert state.snapshot.access_token == "a2"
    assert state.is_dirty


def test_a_token_that_disappears_for_a_moment_during_the_request_is_replaced() -> None:
    """Another program writes the file, or moves it away and back. The next process must find the new refresh token."""
    state, script = conflict(None)
    after = token("a2", "r2", 3600)
    script += [(Wait(0.1), at(3601.1)), found(3601.1, OURS), saved(3601.1, OURS, after)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert not state.is_dirty


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


def test_a_store_that_cannot_be_read_after_a_conflict_is_a_failed_save() -> None:
    state, script = conflict(None)
    script[-1] = (Read(), at(3602, error=UNREADABLE))
    assert warned(cycle(state, EXPIRED).refresh(), script) == Warn(UNREADABLE, IN_MEMORY)
    assert state.is_dirty


# ---- "cannot look" is not "nothing there" ----------------------------------------------------------

half_written: Final = token_text(OURS)[:100]


def blind(now: float, wait: float) -> Mapping[str, list[tuple[Step, Event]]]:
    """Return the ways in which a store cannot be looked at."""
    start = [locked(now, wait=wait)]
    return {
        "no lock": [(Lock(wait), at(now, error=NO_DESCRIPTORS))],
        "unreadable": start + look_for_a_second(now, (Read(), at(now, error=UNREADABLE))),
        "gone": start + look_for_a_second(now, found(now, None)),
        "half-written": start + look_for_a_second(now, found(now, half_written)),
    }


each_blindness = pytest.mark.parametrize("why", blind(0, 0))


@each_blindness
def test_where_tokens_rotate_an_expired_one_is_not_refreshed_without_a_look_into_the_store(why: str) -> None:
    """Another process may have used the refresh token: a second use would end the login."""
    state = loaded()
    problem = play(cycle(state, EXPIRED).refresh(), blind(3600, LOCK_WAIT)[why])
    assert isinstance(problem, TokenStoreError)
    assert problem.retryable
    assert state.server_backoff.failures == 1


@each_blindness
def test_where_tokens_rotate_a_valid_one_is_used_without_a_look_into_the_store(why: str) -> None:
    state = loaded()
    warning = warned(cycle(state, DUE).refresh(), blind(3540, 0)[why])
    assert warning.consequence == STALE
    assert state.snapshot.token == OURS


@each_blindness
def test_where_tokens_rotate_refresh_raises_without_a_look_into_the_store(why: str) -> None:
    goal = Goal(rejected="a1")
    assert isinstance(play(cycle(loaded(), 10, goal=goal).refresh(), blind(10, LOCK_WAIT)[why]), TokenStoreError)


@each_blindness
def test_where_nothing_rotates_an_unreadable_store_does_not_stop_a_daemon(why: str) -> None:
    """It refreshes from memory, warns once, and leaves the store alone."""
    state = loaded()
    script = [*blind(3600, LOCK_WAIT)[why], asked(3602, KEPT)]
    warning = warned(cycle(state, EXPIRED, rotates=False).refresh(), script)
    assert warning.consequence == IN_MEMORY
    assert state.snapshot.access_token == "a2"
    assert state.is_dirty

    script = [*blind(7300, LOCK_WAIT)[why], asked(7302, {**KEPT, "access_token": "a3"})]
    assert play(cycle(state, 7300, rotates=False).refresh(), script) is None


@pytest.mark.parametrize(
    "content", [None, "", half_written, "[]"], ids=["gone", "empty", "half-written", "not a token"]
)
def test_a_store_that_another_program_is_writing_is_read_again(content: str | None) -> None:
    state = loaded()
    script = [locked(3600), found(3600, content), (Wait(0.1), at(3600.1)), found(3600.1, NEW_LOGIN)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert state.snapshot.token == NEW_LOGIN


def test_a_store_that_never_had_a_token_gets_the_first_one() -> None:
    state = constructed()
    script = [locked(3600), found(3600, None), asked(3601, ROTATED), saved(3601, None, token("a2", "r2", 3600))]
    assert play(cycle(state, EXPIRED).refresh(), script) is None


# ---- what the server refuses ---------------------------------------------------------------------


def refused(now: float, wait: float = LOCK_WAIT, *, tries: int = 3) -> list[tuple[Step, Event]]:
    return [locked(now, wait=wait), found(now, OURS), asked(now, tries=tries, error=REVOKED)]


@pytest.mark.parametrize("now", [DUE, EXPIRED])
def test_a_refused_login_is_raised_at_once_even_while_the_token_is_valid(now: float) -> None:
    state = loaded()
    wait, tries = (0, 1) if now == DUE else (LOCK_WAIT, 3)
    problem = play(cycle(state, now).refresh(), [*refused(now, wait, tries=tries), found(now, OURS)])
    assert problem is REVOKED
    assert (state.refused, state.snapshot.token) == ("r1", OURS)


def test_a_new_login_that_is_in_the_store_after_a_refusal_is_used() -> None:
    state = loaded()
    login = token("a9", "r9", 3500)
    assert play(cycle(state, EXPIRED).refresh(), [*refused(3600), found(3600, login)]) is None
    assert state.snapshot.token == login
    assert state.refused is None


def test_an_expired_token_that_is_in_the_store_after_a_refusal_is_refreshed() -> None:
    state = loaded()
    theirs, after = token("a9", "r9", -100), token("a2", "r2", 3600)
    script = [*refused(3600), found(3600, theirs), asked(3601, ROTATED, refresh="r9"), saved(3601, theirs, after)]
    assert play(cycle(state, EXPIRED).refresh(), script) is None
    assert state.snapshot.token == after


def test_no_more_than_two_refresh_tokens_are_tried_in_one_refresh() -> None:
    state = loaded()
    second, third = token("a8", "r8", -200), token("a9", "r9", -100)
    script = [*refused(3600), found(3600, second), asked(3601, refresh="r8", error=REVOKED), found(3601, third)]
    assert play(cycle(state, EXPIRED).refresh(), script) is REVOKED
    assert state.snapshot.token == third
    assert decide(state, FRESH, at(3601), has_store=True) is Task.REFRESH  # the third one was not refused


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
    assert decide(state, FRESH, at(3600), has_store=True) is Task.REFRESH  # and so they wait


def test_where_the_store_could_not_be_read_a_refusal_is_final() -> None:
    state = loaded()
    script = [(Lock(40), at(3600, error=NO_DESCRIPTORS)), asked(3601, error=REVOKED)]
    assert play(cycle(state, EXPIRED, rotates=False).refresh(), script) is REVOKED


def test_of_two_tokens_the_other_one_is_tried_after_a_refusal() -> None:
    """A token made by the constructor, beside a file with another login: the older one may be the one that works."""
    state = constructed()
    theirs, after = token("a9", "r9", 100), token("a2", "r2", 3800)
    script = [
        locked(3800), found(3800, theirs), asked(3801, refresh="r9", error=REVOKED), found(3801, theirs),
        asked(3802, ROTATED, refresh="r1"), saved(3802, theirs, token("a2", "r2", 3801))
    ]  # fmt: skip
    assert play(cycle(state, 3800).refresh(), script) is None
    assert state.snapshot.refresh_token == after["refresh_token"]
    assert state.alternative is None


def test_a_refused_refresh_token_is_not_sent_again_after_waiting_for_the_lock() -> None:
    state = loaded()
    play(cycle(state, EXPIRED).refresh(), [*refused(3600), found(3600, OURS)])
    problem = play(cycle(state, 3700).refresh(), [locked(3700), found(3700, OURS)])
    assert isinstance(problem, InvalidGrant)


def test_refresh_sends_a_refused_refresh_token_again() -> None:
    state = loaded()
    play(cycle(state, EXPIRED).refresh(), [*refused(3600), found(3600, OURS)])
    script = [locked(3700), found(3700, OURS), asked(3701, ROTATED), saved(3701, OURS, token("a2", "r2", 3700))]
    assert play(cycle(state, 3700, goal=Goal(rejected="a1")).refresh(), script) is None


def test_a_refusal_is_remembered_although_a_later_refresh_fails_otherwise() -> None:
    """`refresh()` asks again, and the store fails: that does not make the refresh token good."""
    state = loaded()
    play(cycle(state, EXPIRED).refresh(), [*refused(3600), found(3600, OURS)])
    assert play(cycle(state, 3700, goal=Goal(rejected="a1")).refresh(), [(Lock(40), at(3700, error=NO_DESCRIPTORS))])
    assert state.refused == "r1"
    assert isinstance(state.error, InvalidGrant)


def test_the_first_of_two_tokens_is_saved_if_it_is_tried_after_a_refusal_of_the_second() -> None:
    """The token of the constructor was issued later, and is refused: that of the file is used, and needs no saving."""
    state = constructed(token("a9", "r9", 100))
    script = [
        *[locked(3800), found(3800, OURS), asked(3801, refresh="r9", error=REVOKED), found(3801, OURS)],
        asked(3802, refresh="r1", error=HTTP_503),
    ]
    assert play(cycle(state, 3800).refresh(), script) is HTTP_503
    assert state.snapshot.token == OURS
    assert not state.is_dirty


# ---- servers that give no refresh token ----------------------------------------------------------


def test_a_token_without_a_refresh_token_is_used_to_its_last_second() -> None:
    state = loaded({**OURS, "refresh_token": ""})
    assert decide(state, FRESH, at(EXPIRED - 0.5), has_store=True) is Task.RETURN
    assert decide(state, Goal(ahead=1000), at(EXPIRED - 0.5), has_store=True) is Task.RETURN
    assert decide(state, FRESH, at(EXPIRED), has_store=True) is Task.REFRESH


def test_nothing_is_sent_for_a_token_without_a_refresh_token() -> None:
    """The user has to log in again. A new login in the store is taken up."""
    values: RefreshableTokenDict = {**OURS, "refresh_token": ""}
    state = loaded(values)
    script = [locked(3600), found(3600, values), found(3600, values)]
    assert isinstance(play(cycle(state, EXPIRED).refresh(), script), InvalidGrant)
    assert decide(state, FRESH, at(3700), has_store=True) is Task.LOOK
    assert play(cycle(state, 3700).look(), [found(3700, NEW_LOGIN)]) is None
    assert decide(state, FRESH, at(3700), has_store=True) is Task.RETURN


# ---- what fails ----------------------------------------------------------------------------------


def test_a_valid_token_is_returned_without_a_word_during_a_transient_failure() -> None:
    state = loaded()
    script = [locked(3540, wait=0), found(3540, OURS), asked(3541, tries=1, error=HTTP_503)]
    assert play(cycle(state, DUE).refresh(), script) is None
    assert decide(state, FRESH, at(3541.5), has_store=True) is Task.RETURN


def test_a_permanent_failure_is_a_warning_while_the_token_is_valid_also_after_a_transient_one() -> None:
    """The user has a minute to correct the client secret."""
    state = loaded()
    for now, error in ((3540, HTTP_503), (3542, WRONG_SECRET), (3545, WRONG_SECRET)):
        script = [locked(now, wait=0), found(now, OURS), asked(now, tries=1, error=error)]
        steps = cycle(state, now).refresh()
        if now == 3542:
            assert warned(steps, script) == Warn(WRONG_SECRET, STALE)
        else:
            assert play(steps, script) is None


@pytest.mark.parametrize("error", [HTTP_503, WRONG_SECRET, TransportError()], ids=lambda error: type(error).__name__)
def test_a_failure_is_raised_once_the_token_has_expired(error: OAuthError) -> None:
    state = loaded()
    assert play(cycle(state, EXPIRED).refresh(), [locked(3600), found(3600, OURS), asked(3601, error=error)]) is error


def test_a_token_that_expires_during_the_request_is_not_returned() -> None:
    state = loaded()
    script = [locked(3590, wait=0), found(3590, OURS), asked(3620, tries=1, error=TransportError())]
    assert isinstance(play(cycle(state, 3590).refresh(), script), TransportError)


def test_refresh_raises_a_failure_even_while_the_token_is_valid() -> None:
    script = [locked(10), found(10, OURS), asked(11, error=HTTP_503)]
    assert play(cycle(loaded(), 10, goal=Goal(rejected="a1")).refresh(), script) is HTTP_503


def test_a_response_that_is_not_a_token_changes_nothing() -> None:
    state = loaded()
    script = [locked(3600), found(3600, OURS), asked(3601, {"access_token": "two words", "expires_in": 60})]
    problem = play(cycle(state, EXPIRED).refresh(), script)
    assert isinstance(problem, MalformedResponse)
    assert (problem.key, state.snapshot.token) == ("access_token", OURS)


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


def test_malformed_responses_with_new_refresh_tokens_are_warned_of_once() -> None:
    state = loaded()
    first, second = (MalformedResponse("Unknown token type", refresh_token=each) for each in ("r2", "r3"))
    one, two = token("a1", "r2", 0), token("a1", "r3", 0)
    script = [locked(DUE, wait=0), found(DUE, OURS), asked(DUE, tries=1, error=first), saved(DUE, OURS, one)]
    assert warned(cycle(state, DUE).refresh(), script) == Warn(first, STALE)
    now = DUE + 10
    state.server_backoff = Backoff()
    script = [locked(now, wait=0), found(now, one), asked(now, tries=1, refresh="r2", error=second)]
    assert play(cycle(state, now).refresh(), [*script, saved(now, one, two)]) is None


def test_a_new_refresh_token_beside_an_invalid_access_token_of_other_credentials_is_saved() -> None:
    state = loaded()
    response = {"access_token": "two words", "expires_in": 60, "refresh_token": "r2"}
    script = [locked(3600), found(3600, OURS), asked(3601, response), saved(3601, OURS, token("a1", "r2", 0))]
    problem = play(cycle(state, EXPIRED).refresh(), script)
    assert isinstance(problem, MalformedResponse)
    assert problem.key == "access_token"
    assert str(problem).startswith("credentials.refresh_token did not return a token: access_token is not visible")


def test_a_refresh_token_of_a_malformed_response_does_not_replace_one_that_was_set_meanwhile() -> None:
    state = loaded()
    steps = cycle(state, EXPIRED).refresh()
    play_until(steps, [locked(3600), found(3600, OURS)])
    state.supersede(snapshot(NEW_LOGIN, 3600))
    error = MalformedResponse(refresh_token="r2")
    assert steps.send(at(3601, error=error)) == Warn(error, STALE)
    assert state.snapshot.token == NEW_LOGIN


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
        assert decide(state, FRESH, at(EXPIRED - 0.5), has_store=True) is Task.RETURN
        assert decide(state, FRESH, at(EXPIRED), has_store=True) is Task.REFRESH


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
    assert "shorter than a request may take (30 s)" in str(problem)


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
    assert problem.retryable
    assert "expired before it arrived" in str(problem)


def slept(event: Event, seconds: float) -> Event:
    """Return the event as if the machine had been suspended before: on Linux, the monotonic clock stops meanwhile."""
    return event._replace(wall=event.wall + seconds)


def test_a_machine_that_slept_during_the_request_refreshes_again() -> None:
    """The whole cycle: another process may have been awake before."""
    state = loaded()
    first, second = token("a2", "r2", 3600), token("a3", "r3", 9000)
    response = {**ROTATED, "access_token": "a3", "refresh_token": "r3"}
    script = [
        *[locked(3600), found(3600, OURS), asked(3601, ROTATED), saved(3601, OURS, first)],
        *[locked(3601), found(3601, first), asked(3601, response, refresh="r2"), saved(3601, first, second)],
    ]
    asleep = [*script[:2], *[(step, slept(event, 5399)) for step, event in script[2:]]]
    assert play(cycle(state, EXPIRED).refresh(), asleep) is None
    assert state.snapshot.token == second


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


def test_a_server_that_returns_the_same_token_again_is_asked_once() -> None:
    """A server may cache access tokens until they expire."""
    state = loaded()
    same = {**KEPT, "access_token": "a1", "expires_in": 50}
    after = token("a1", "r1", 3550, lifetime=50)
    now = 3550.0
    script = [locked(now, wait=0), found(now, OURS), asked(3576, same, tries=1), saved(3576, OURS, after)]
    assert play(cycle(state, now).refresh(), script) is None
    assert state.snapshot.token == after
    assert decide(state, FRESH, at(3576.5), has_store=True) is Task.RETURN

    script = [
        locked(3580),
        found(3580, after),
        asked(3581, same),
        saved(3581, after, token("a1", "r1", 3580, lifetime=50)),
    ]
    assert play(cycle(state, 3580, goal=Goal(rejected="a1")).refresh(), script) is None


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


def test_a_refresh_token_that_was_set_during_the_request_is_kept_and_the_response_dropped() -> None:
    state = loaded()
    steps = cycle(state, EXPIRED).refresh()
    assert play_until(steps, [locked(3600), found(3600, OURS)]) == Ask("r1", 3, 30)
    state.supersede(snapshot(NEW_LOGIN, 3600))
    step = steps.send(at(3601, response=ROTATED))
    assert step == Replace(token_text(OURS), token_text(NEW_LOGIN))
    with pytest.raises(StopIteration):
        steps.send(at(3601, swapped=True))
    assert state.snapshot.token == NEW_LOGIN


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


def test_a_failed_save_is_a_warning_and_repeated_later_without_asking_the_server() -> None:
    state = loaded()
    after = token("a2", "r2", 3600)
    script = [locked(3600), found(3600, OURS), asked(3601, ROTATED), replaced(OURS, after, at(3601, error=DISK_FULL))]
    script.append(found(3601, OURS))  # it may have been saved all the same
    assert warned(cycle(state, EXPIRED).refresh(), script) == Warn(DISK_FULL, IN_MEMORY)
    assert decide(state, FRESH, at(3601.5), has_store=True) is Task.RETURN
    assert decide(state, FRESH, at(3602), has_store=True) is Task.SAVE

    failing = [locked(3602, wait=0), found(3602, OURS), replaced(OURS, after, at(3602, error=DISK_FULL))]
    failing.append(found(3602, OURS))
    assert play(cycle(state, 3602).save(), failing) is None  # warned already
    assert decide(state, FRESH, at(3603.5), has_store=True) is Task.RETURN  # the backoff has grown

    assert play(cycle(state, 3604).save(), [locked(3604, wait=0), found(3604, OURS), saved(3604, OURS, after)]) is None
    assert decide(state, FRESH, at(3604), has_store=True) is Task.RETURN
    assert state.store_backoff == Backoff()


def test_a_failed_save_needs_no_warning_if_the_next_one_in_the_same_pass_works() -> None:
    state = unsaved()
    script = [locked(7200), found(7200, OURS), replaced(OURS, state.snapshot.token, at(7200, error=DISK_FULL))]
    script += [found(7200, OURS), asked(7201, {**ROTATED, "refresh_token": "r3"}, refresh="r2")]
    script.append(saved(7201, OURS, token("a2", "r3", 7200)))
    assert play(cycle(state, 7200).refresh(), script) is None
    assert not state.is_dirty


def test_a_save_is_warned_about_also_if_the_lock_failed_before() -> None:
    state = loaded()
    warned(cycle(state, DUE).refresh(), [(Lock(0), at(3540, error=NO_DESCRIPTORS))])
    script = [locked(3600), found(3600, OURS), asked(3601, ROTATED)]
    failed = replaced(OURS, token("a2", "r2", 3600), at(3601, error=DISK_FULL))
    assert warned(cycle(state, EXPIRED).refresh(), [*script, failed, found(3601, OURS)]) == Warn(DISK_FULL, IN_MEMORY)


def test_a_save_does_not_wait_for_the_lock() -> None:
    state = unsaved()
    assert play(cycle(state, 3700).save(), [(Lock(0), at(3700, taken=True))]) is None
    assert decide(state, FRESH, at(3700.5), has_store=True) is Task.RETURN
    assert decide(state, FRESH, at(3701), has_store=True) is Task.SAVE


def test_a_save_without_a_lock_is_put_off() -> None:
    state = unsaved()
    script: Script = [(Lock(0), at(3700, error=NO_DESCRIPTORS))]
    assert warned(cycle(state, 3700).save(), script) == Warn(NO_DESCRIPTORS, IN_MEMORY)


def test_a_save_gives_way_to_a_new_login_in_the_store() -> None:
    state = unsaved()
    assert play(cycle(state, 3700).save(), [locked(3700, wait=0), found(3700, NEW_LOGIN)]) is None
    assert state.snapshot.token == NEW_LOGIN


def test_a_save_does_not_fill_a_store_from_which_the_token_is_gone() -> None:
    state = unsaved()
    script = [locked(3700, wait=0), *look_for_a_second(3700, found(3700, None))]
    assert warned(cycle(state, 3700).save(), script).consequence == IN_MEMORY


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


def test_a_new_refresh_token_that_could_not_be_saved_is_saved_before_the_next_refresh() -> None:
    """That may fail, or never end: until then, the store has a refresh token that is no longer accepted."""
    state = unsaved()
    mine = state.snapshot.token
    script = [locked(7200), found(7200, OURS), saved(7200, OURS, mine), locked(7200), found(7200, mine)]
    script += [asked(7201, refresh="r2", error=HTTP_503)]
    assert play(cycle(state, 7200).refresh(), script) is HTTP_503
    assert not state.is_dirty


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


# ---- store_token ---------------------------------------------------------------------------------


def test_store_writes_what_was_set_by_hand() -> None:
    state = loaded()
    state.supersede(state.snapshot.changed(NOON, BOOTED, "scope", "other"))
    after = token(scope="other")
    assert play(cycle(state, 10).store(), [locked(10), found(10, OURS), saved(10, OURS, after)]) is None


def test_store_writes_nothing_if_the_token_is_there() -> None:
    assert play(cycle(loaded(), 10).store(), [locked(10), found(10, OURS)]) is None


def test_store_adopts_a_newer_token() -> None:
    state = loaded()
    theirs = token("a2", "r2", 5)
    assert play(cycle(state, 10).store(), [locked(10), found(10, theirs)]) is None
    assert state.snapshot.token == theirs


def test_store_writes_what_was_made_by_the_constructor_over_an_older_token() -> None:
    state = constructed(token("a2", "r2", 5))
    assert play(cycle(state, 10).store(), [locked(10), found(10, OURS), saved(10, OURS, token("a2", "r2", 5))]) is None
    assert not state.is_dirty


@pytest.mark.parametrize("content", [None, "something else"], ids=["deleted", "not a token"])
def test_store_writes_over_what_is_not_a_token(content: str | None) -> None:
    """The caller says so; but not before another program had a second to finish its own write."""
    script = [locked(10), *look_for_a_second(10, found(10, content)), saved(11, content, OURS)]
    assert play(cycle(loaded(), 10).store(), script) is None


@pytest.mark.parametrize("state", [loaded(), constructed()], ids=["loaded", "constructed"])
def test_store_raises_if_the_store_cannot_be_locked_read_or_written(state: State) -> None:
    def script(*steps: tuple[Step, Event]) -> OAuthError | None:
        return play(cycle(copy.copy(state), 10).store(), steps)

    taken = script((Lock(40), at(50, taken=True)))
    assert isinstance(taken, TokenStoreError)
    assert taken.retryable
    assert script((Lock(40), at(10, error=NO_DESCRIPTORS))) is NO_DESCRIPTORS
    assert script(locked(10), *look_for_a_second(10, (Read(), at(10, error=UNREADABLE)))) is UNREADABLE
    gone = [locked(10), *(look_for_a_second(10, found(10, None)) if state.last_read else [found(10, None)])]
    assert script(*gone, replaced(None, OURS, at(11, error=DISK_FULL)), found(11, None)) is DISK_FULL


# ---- looking for something newer -----------------------------------------------------------------


def failed(error: OAuthError = HTTP_503) -> State:
    """Return the state of an expired token whose refresh has just failed."""
    state = loaded()
    assert play(cycle(state, EXPIRED).refresh(), [locked(3600), found(3600, OURS), asked(3600, error=error)]) is error
    return state


def test_a_new_login_is_taken_up_during_the_backoff() -> None:
    state = failed(RateLimited(retry_after=1000))
    assert decide(state, FRESH, at(3700), has_store=True) is Task.LOOK
    assert play(cycle(state, 3700).look(), [found(3700, NEW_LOGIN)]) is None
    assert state.snapshot.token == NEW_LOGIN
    assert decide(state, FRESH, at(3700), has_store=True) is Task.RETURN


@pytest.mark.parametrize(
    "event", [at(3700, error=UNREADABLE), at(3700), at(3700, text="{"), at(3700, text=token_text(OURS))]
)
def test_a_look_that_finds_nothing_newer_changes_nothing(event: Event) -> None:
    state = failed(RateLimited(retry_after=1000))
    assert play(cycle(state, 3700).look(), [(Read(), event)]) is None
    assert state.snapshot.token == OURS
    assert decide(state, FRESH, at(3700), has_store=True) is Task.RAISE


def test_a_refusal_is_forgotten_when_another_process_has_refreshed_with_the_same_refresh_token() -> None:
    """Otherwise a daemon would raise the old refusal an hour later, without a request, until it is restarted."""
    state = loaded()
    play(cycle(state, EXPIRED).refresh(), [*refused(3600), found(3600, OURS)])
    theirs = token("a2", "r1", 3700)
    assert play(cycle(state, 3700).look(), [found(3700, theirs)]) is None
    assert state.snapshot.token == theirs
    assert decide(state, FRESH, at(7400), has_store=True) is Task.REFRESH


# ---- decide --------------------------------------------------------------------------------------


def ready(state: State) -> None:
    """Nothing has happened."""


def made_unsaved(state: State) -> None:
    state.supersede(state.snapshot.changed(NOON, BOOTED, "scope", "other"))


def made_refused(state: State) -> None:
    state.error, state.refused = REVOKED, "r1"


def made_blocked(state: State) -> None:
    state.error, state.server_backoff = HTTP_503, Backoff(1, BOOTED + 5000)


def made_blind(state: State) -> None:
    state.error, state.server_backoff = UNREADABLE, Backoff(1, BOOTED + 5000)


def made_blocked_saves(state: State) -> None:
    made_unsaved(state)
    state.store_backoff = Backoff(1, BOOTED + 5000)


def looked(state: State) -> None:
    made_blocked(state)
    state.looked_at = BOOTED + 3600


FRESH_AT: Final = 10.0
DECISIONS: Final[Sequence[tuple[Callable[[State], None], float, Goal, Task, Task]]] = [
    # what has happened, when, what is wanted, the decision with a store, and without one
    (ready, FRESH_AT, FRESH, Task.RETURN, Task.RETURN),
    (ready, DUE - 0.5, FRESH, Task.RETURN, Task.RETURN),
    (ready, DUE, FRESH, Task.REFRESH, Task.REFRESH),
    (ready, EXPIRED, FRESH, Task.REFRESH, Task.REFRESH),
    (made_unsaved, FRESH_AT, FRESH, Task.SAVE, Task.RETURN),
    (made_unsaved, DUE, FRESH, Task.REFRESH, Task.REFRESH),
    (made_blocked_saves, FRESH_AT, FRESH, Task.RETURN, Task.RETURN),
    (made_blocked_saves, DUE, FRESH, Task.REFRESH, Task.REFRESH),
    (made_blocked, DUE, FRESH, Task.RETURN, Task.RETURN),
    (made_blocked, EXPIRED, FRESH, Task.LOOK, Task.RAISE),
    (made_blocked, 5000.0, FRESH, Task.REFRESH, Task.REFRESH),
    (looked, 3600.5, FRESH, Task.RAISE, Task.RAISE),
    (looked, 3601.0, FRESH, Task.LOOK, Task.RAISE),
    (made_refused, FRESH_AT, FRESH, Task.RETURN, Task.RETURN),
    (made_refused, DUE, FRESH, Task.LOOK, Task.RAISE),
    (made_refused, EXPIRED, FRESH, Task.LOOK, Task.RAISE),
    (ready, FRESH_AT, Goal(rejected="a1"), Task.REFRESH, Task.REFRESH),
    (ready, FRESH_AT, Goal(rejected="a0"), Task.RETURN, Task.RETURN),
    (ready, DUE, Goal(rejected="a0"), Task.RETURN, Task.RETURN),
    (ready, EXPIRED, Goal(rejected="a0"), Task.REFRESH, Task.REFRESH),
    (made_blocked, EXPIRED, Goal(rejected="a1"), Task.REFRESH, Task.REFRESH),
    (made_refused, EXPIRED, Goal(rejected="a1"), Task.REFRESH, Task.REFRESH),
    (ready, LIFETIME - 601.0, Goal(ahead=600), Task.RETURN, Task.RETURN),
    (ready, LIFETIME - 599.0, Goal(ahead=600), Task.REFRESH, Task.REFRESH),
    (made_blocked, LIFETIME - 599.0, Goal(ahead=600), Task.RETURN, Task.RETURN),
    (ready, LIFETIME - 1801.0, Goal(ahead=3000), Task.RETURN, Task.RETURN),
    (ready, LIFETIME - 1799.0, Goal(ahead=3000), Task.REFRESH, Task.REFRESH),
    (ready, LIFETIME - 59.0, Goal(ahead=1), Task.REFRESH, Task.REFRESH),
]


@pytest.mark.parametrize(
    ("happened", "now", "goal", "with_store", "without_store"),
    DECISIONS,
    ids=[f"{row[0].__name__} at {row[1]:.0f} {row[2].rejected or row[2].ahead or ''}" for row in DECISIONS],
)
def test_decisions(
    happened: Callable[[State], None], now: float, goal: Goal, with_store: Task, without_store: Task
) -> None:
    state = loaded()
    happened(state)
    assert decide(state, goal, at(now), has_store=True) is with_store
    assert decide(state, goal, at(now), has_store=False) is without_store


def test_a_token_of_unknown_lifetime_can_be_refreshed_ahead() -> None:
    state = loaded({**OURS, "expires_in": 0})
    assert decide(state, Goal(ahead=600), at(LIFETIME - 601.0), has_store=False) is Task.RETURN
    assert decide(state, Goal(ahead=600), at(LIFETIME - 599.0), has_store=False) is Task.REFRESH


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
    "first look, same refresh token, later": (constructed(), token("a2", "r1", 5), True),
    "first look, same refresh token, earlier": (constructed(), token("a0", "r1", -5), False),
    "a new login of ours beside a later one": (new_login(), token("a9", "r9", 5), False),
    "a new login of ours beside a later access token": (new_login(), token("a2", "r1", 5), False),
}  # fmt: skip


@pytest.mark.parametrize(("state", "there", "is_taken"), SETTLED.values(), ids=SETTLED)
def test_the_newer_of_two_tokens_wins(state: State, there: RefreshableTokenDict, is_taken: bool) -> None:
    state = copy.copy(state)
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
    assert decide(state, FRESH, at(10), has_store=True) is Task.RETURN


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


# ---- what is remembered --------------------------------------------------------------------------


def test_backoff_doubles_up_to_a_minute() -> None:
    backoff, delays = Backoff(), []
    for _ in range(8):
        backoff = backoff.after_failure(BOOTED)
        delays.append(backoff.until - BOOTED)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff.failures == 8


@pytest.mark.parametrize(("retry_after", "delay"), [(None, 1), (0.5, 1), (20, 20), (3600, 3600), (99_999, 3600)])
def test_the_server_can_ask_for_a_longer_backoff_of_at_most_an_hour(retry_after: float | None, delay: float) -> None:
    assert Backoff().after_failure(BOOTED, retry_after).until == BOOTED + delay


def test_the_last_hundred_superseded_refresh_tokens_are_remembered() -> None:
    """A program that cannot save for days must not take its old refresh tokens for a new login."""
    state = loaded()
    for n in range(150):
        state.supersede(snapshot(token("a2", f"r-{n}")))
    assert state.superseded == tuple(f"r-{n}" for n in range(49, 149))


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


def test_a_move_forgets_the_failures_of_the_old_store_and_keeps_those_of_the_server() -> None:
    there = State(snapshot(OURS), last_read=OURS, clean=OURS)
    there.store_backoff = Backoff(1, BOOTED + 1)
    state = unsaved()
    made_blind(state)
    state.moved(there)
    assert (state.error, state.server_backoff, state.superseded, state.clean) == (None, Backoff(), (), OURS)
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
