# SPDX-License-Identifier: MIT
"""Breaks in the decisions of the refresh cycle, which its vectors have to notice."""

from __future__ import annotations

from collections.abc import Generator

from ytmusic_oauth import _cycle, _state, _token_text
from ytmusic_oauth._cycle import Cycle, Task, decide
from ytmusic_oauth._retries import TIMEOUT, TRIES
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth._state import Backoff, State
from ytmusic_oauth._steps import Event, Goal, Lock, Read, Replace, Step, Steps, Warn
from ytmusic_oauth._token_text import READ_PATIENCE
from ytmusic_oauth.exceptions import InvalidGrant, OAuthError, TokenStoreError

from .registry import constant, replaces

__all__: list[str] = []

settle, supersede, refuse = State.reconcile, State.supersede, State.refuse
rotate = State.keep_rotated
after_failure = Backoff.after_failure
refresh, cycle_save, store, look = Cycle.refresh, Cycle.save, Cycle.store, Cycle.look
ask, allowance, check_lease, back_off = Cycle._ask, Cycle._request_budget, Cycle._check_lease, Cycle._back_off
reload, in_store, remember, swap = Cycle._reload, Cycle._reconcile, Cycle._remember, Cycle._swap

# ---- what a caller does first --------------------------------------------------------------------


@replaces(decide, "a full disk is written to at every read", caught_by="decide/*")
def _(state: State, goal: Goal, now: Event, *, has_store: bool) -> Task:
    state.store_backoff = Backoff()
    return decide(state, goal, now, has_store=has_store)


@replaces(decide, "a loop of reads reads the store as often as it likes", caught_by="decide/*")
def _(state: State, goal: Goal, now: Event, *, has_store: bool) -> Task:
    task = decide(state, goal, now, has_store=has_store)
    return "look" if task == "raise" and has_store else task


@replaces(decide, "a service has to be restarted after a new login", caught_by="decide/*")
def _(state: State, goal: Goal, now: Event, *, has_store: bool) -> Task:
    task = decide(state, goal, now, has_store=has_store)
    return "raise" if task == "look" else task


@replaces(decide, "after a 401, the rejected token is returned because an earlier refresh failed", caught_by="decide/*")
def _(state: State, goal: Goal, now: Event, *, has_store: bool) -> Task:
    is_blocked = now.monotonic < state.server_backoff.until
    return "return" if is_blocked else decide(state, goal, now, has_store=has_store)


@replaces(decide, "a timer refreshes at every tick", caught_by="decide/*")
def _(state: State, goal: Goal, now: Event, *, has_store: bool) -> Task:
    task = decide(state, goal, now, has_store=has_store)
    left = state.snapshot.valid.seconds_left(now.wall, now.monotonic)
    return "refresh" if task == "return" and left < goal.ahead else task


@replaces(decide, "a refusal of the old login holds for the new one", caught_by="decide/*")
def _(state: State, goal: Goal, now: Event, *, has_store: bool) -> Task:
    if state.refused is not None:
        state.refused = state.snapshot.refresh_token
    return decide(state, goal, now, has_store=has_store)


# ---- what is asked, and what is remembered -------------------------------------------------------


@replaces(allowance, "readers of a valid token wait for three tries", caught_by="cycle-asking/*")
def _(cycle: Cycle) -> tuple[int, float]:
    tries, seconds = allowance(cycle)
    return tries and TRIES, seconds


@replaces(allowance, "near its end, a valid token is withheld until a request has failed", caught_by="cycle-asking/*")
def _(cycle: Cycle) -> tuple[int, float]:
    tries, _ = allowance(cycle)
    return (tries or 1), TIMEOUT


constant(
    _state,
    "_MAX_DELAY",
    10.0**6,
    "one wrong Retry-After stops a program for a day",
    caught_by="cycle-asking/retry-after-*",
)


@replaces(after_failure, "a server that is down is asked every second", caught_by="cycle-asking/*")
def _(backoff: Backoff, monotonic: float, retry_after: float | None = None) -> Backoff:
    return after_failure(Backoff(), monotonic, retry_after)._replace(failures=backoff.failures + 1)


@replaces(back_off, "the user gets the same warning at every read", caught_by="cycle-*")
def _(cycle: Cycle, error: OAuthError) -> bool:
    back_off(cycle, error)
    return True


@replaces(refresh, "the user does not hear of a wrong client secret until the music stops", caught_by="cycle-asking/*")
def _(cycle: Cycle) -> Steps:
    steps = refresh(cycle)
    step = next(steps, None)
    while step is not None and not isinstance(step, Warn):
        event = yield step
        try:
            step = steps.send(event)
        except StopIteration:
            return


@replaces(
    back_off,
    "a lost connection lifts a refusal: the refused refresh token is sent again",
    caught_by="cycle-asking/*",
)
def _(cycle: Cycle, error: OAuthError) -> bool:
    cycle._state.refused = None
    return back_off(cycle, error)


@replaces(remember, "a laptop that wakes up uses a token that has expired", caught_by="cycle-asking/*")
def _(cycle: Cycle, sent: Event, refresh_token: str) -> OAuthError | None:
    return remember(cycle, cycle._now, refresh_token)


@replaces(
    remember, "a login that the program has set is lost to the refresh of the old one", caught_by="cycle-asking/*"
)
def _(cycle: Cycle, sent: Event, refresh_token: str) -> OAuthError | None:
    return remember(cycle, sent, cycle._state.snapshot.refresh_token)


@replaces(rotate, "the new refresh token of a malformed response is lost, and the login with it", caught_by="cycle-*")
def _(state: State, old: str, error: OAuthError) -> bool:
    return False


# ---- which token is newer ------------------------------------------------------------------------


@replaces(settle, "a backup that is put back ends the login", caught_by="cycle-adopting/*")
def _(state: State, there: Snapshot, wall: float, monotonic: float, *, rejected: str | None = None) -> None:
    state.superseded = ()
    settle(state, there, wall, monotonic, rejected=rejected)


@replaces(settle, "last year's values in a program replace the login in the store", caught_by="cycle-adopting/*")
def _(state: State, there: Snapshot, wall: float, monotonic: float, *, rejected: str | None = None) -> None:
    is_first_look = state.last_read is None
    settle(state, there, wall, monotonic, rejected=rejected)
    if is_first_look and state.alternative is not None and state.snapshot is there:
        state.snapshot, state.alternative = state.alternative, there


@replaces(settle, "a new login is replaced by the refresh of the old one", caught_by="cycle-adopting/new-login-*")
def _(state: State, there: Snapshot, wall: float, monotonic: float, *, rejected: str | None = None) -> None:
    state.is_new_login = False
    settle(state, there, wall, monotonic, rejected=rejected)


@replaces(settle, "after a 401, each of forty processes refreshes", caught_by="cycle-adopting/*-after-a-401")
def _(state: State, there: Snapshot, wall: float, monotonic: float, *, rejected: str | None = None) -> None:
    settle(state, there, wall, monotonic)


@replaces(
    refuse,
    "a wrong guess between two tokens makes the user log in again",
    caught_by="cycle-adopting/made-by-*",
)
def _(state: State, error: InvalidGrant) -> bool:
    state.alternative = None
    return refuse(state, error)


@replaces(
    refuse,
    "a client that was wrong for a while puts an old login in place of the new one",
    caught_by="cycle-adopting/made-by-*",
)
def _(state: State, error: InvalidGrant) -> bool:
    if state.candidate is not state.snapshot:
        state.snapshot = state.candidate
    return refuse(state, error)


@replaces(
    ask,
    "another process was faster by a moment, and the user has to log in again",
    caught_by="cycle-adopting/refused-*",
)
def _(cycle: Cycle, *, may_look: bool, may_repeat: bool = True) -> Generator[Step, Event, OAuthError | None]:
    return ask(cycle, may_look=False, may_repeat=may_repeat)


@replaces(look, "a failing store hides that the login has ended", caught_by="cycle-adopting/look-*")
def _(cycle: Cycle) -> Steps:
    yield from look(cycle)
    if cycle._now.error is not None:
        raise cycle._now.error


# ---- the lock, and a store that cannot be read ---------------------------------------------------


@replaces(refresh, "readers of a valid token wait for another process", caught_by="cycle-locking/*")
def _(cycle: Cycle) -> Steps:
    steps = refresh(cycle)
    step = next(steps, None)
    while step is not None:
        event = yield step._replace(timeout=_cycle.LOCK_WAIT) if isinstance(step, Lock) else step
        try:
            step = steps.send(event)
        except StopIteration:
            return


@replaces(
    check_lease, "a request outlives the lock, and two processes use one refresh token", caught_by="cycle-locking/*"
)
def _(cycle: Cycle, seconds: float) -> None:
    pass


@replaces(reload, "a file that is being written stops the refresh", caught_by="cycle-locking/*-for-a-moment")
def _(cycle: Cycle, patience: float = READ_PATIENCE) -> Generator[Step, Event, OAuthError | None]:
    cycle._now = yield Read()
    return cycle._now.error or cycle._reconcile()


@replaces(
    reload, "a used refresh token is sent because the store could not be read", caught_by="cycle-locking/*rotate*"
)
def _(cycle: Cycle, patience: float = READ_PATIENCE) -> Generator[Step, Event, OAuthError | None]:
    problem = yield from reload(cycle, patience)
    return problem if not cycle._rotates else None


@replaces(in_store, "a login that the user has removed comes back", caught_by="cycle-*")
def _(cycle: Cycle) -> OAuthError | None:
    if cycle._now.text is None:
        cycle._text = None
        return None
    return in_store(cycle)


# ---- saving --------------------------------------------------------------------------------------


@replaces(swap, "a refresh of the old login overwrites a new one", caught_by="cycle-saving/conflict-*")
def _(cycle: Cycle) -> Generator[Step, Event, OAuthError | None]:
    mine = cycle._state.snapshot
    problem = yield from swap(cycle)
    if problem is None and cycle._state.snapshot is not mine:
        cycle._state.snapshot = mine
        cycle._text = _token_text.token_text(cycle._state.last_read or mine.token)
        problem = yield from swap(cycle)
    return problem


constant(
    _cycle,
    "SWAPS",
    10**6,
    "a store that misses every write keeps a program busy for ever",
    caught_by="cycle-saving/conflict-without-*",
)


@replaces(swap, "one conflict, and the token is not saved", caught_by="cycle-saving/conflict-*")
def _(cycle: Cycle) -> Generator[Step, Event, OAuthError | None]:
    cycle._now = yield Replace(cycle._text, _token_text.token_text(cycle._state.snapshot.token))
    if cycle._now.swapped:
        cycle._state.saved_as(cycle._state.snapshot.token)
        return None
    return cycle._now.error or TokenStoreError("The token in the store has changed", retryable=True)


@replaces(cycle_save, "a save that is made up for waits for another process", caught_by="cycle-saving/saved-later-*")
def _(cycle: Cycle) -> Steps:
    steps = cycle_save(cycle)
    next(steps)
    steps.send((yield Lock(_cycle.LOCK_WAIT)))


@replaces(store, "a token that was removed cannot be stored again", caught_by="cycle-saving/stored-on-command-*")
def _(cycle: Cycle) -> Steps:
    steps = store(cycle)
    step = next(steps, None)
    while step is not None:
        if isinstance(step, Replace) and step.before is None and cycle._state.last_read is not None:
            raise TokenStoreError("The token has disappeared from the store")
        event = yield step
        try:
            step = steps.send(event)
        except StopIteration:
            return


@replaces(supersede, "a token that the program sets forgets which refresh tokens are used up", caught_by="cycle-*")
def _(state: State, snapshot: Snapshot, old: Snapshot | None = None) -> None:
    supersede(state, snapshot, old)
    state.superseded = ()
