# SPDX-License-Identifier: MIT
r"""The refresh cycle: every decision about keeping one token fresh, in memory and in its store.

Theory of operation
===================

A token has many users at once: threads share one object, processes share one store. Each wants a valid access token,
none should wait while there is one, and a refresh should happen once. Many servers rotate refresh tokens: a refresh
invalidates the refresh token that it was made with, and a second use of that one looks like theft and revokes the
login. So the cycle must never use a refresh token that another process has used, and never lose or overwrite a new
one.

**States.** A token is *fresh*, or *due* for a refresh and still valid, or *expired*. Two clocks decide; `_expiry`
explains why. A token is *dirty* while it must be saved.

    fresh              return it: no lock, no I/O
    fresh, dirty       save it; send nothing
    due, expired       refresh it
    backing off        after a failure. Valid: return it. Expired: read the store, at most once a second, for a newer
                       token; without one, raise the last error again

**A refresh.**

    lock the store ---- another process has it -----> valid: return it
          |                                           expired, or rejected by an API: wait for 40 s, then raise
          |        \--- failed ---------------------> go on as with an unreadable store
    read the store ---- unreadable for 1 s ---------> rotating: return it while valid, else raise
          |                                           not rotating: refresh from memory, leave the store alone
    a newer token there? adopt it. Fresh now? done
          |
    dirty? save it. Saved, or unreadable before or after? lock and read again: a new file has a new lock
          |
    ask the server ---- refused --------------------> another refresh token in the store? adopt it, ask once more
          |        \--- failed ---------------------> back off; return the token while it is valid, else raise
    remember the response, or a new refresh token of a malformed one, before anything else can fail
          |
    compare and swap -- conflict -------------------> read, reconcile, swap again; at most 5 swaps
          |        \--- failed ---------------------> return the token, warn once, save later
        done

**Two locks.** Threads share one refresh (`_single_flight`): while the token is valid, one thread works and the others
return it at once; after it has expired, they wait and share the outcome. Processes take the store's lock, so that only
one of them refreshes. Compare-and-swap keeps the store right even if that lock is lost, as a lease can be at any time.

**Refused.** `InvalidGrant` means that the user has to log in again. It is raised once the token is due, even while it
is valid, because a person has to act. A server may give no refresh token at all: then the token is used until it
expires, and counts as refused after that.

**Which one is newer** (`State.reconcile`). With the same refresh token, the access token that was issued later. A
refresh token that ours replaced is older: ours is written over it. Any other refresh token in the store is a new login,
or another process's rotation, and wins. A confirmed login that was never saved wins, unless the server refused it. When
a token that was made by the constructor is first compared with its store, the one issued later wins. That depends on
the clocks of the machines that wrote them, so the other is kept until the store changes, and tried if the server
refuses the winner. If the server refuses both, the winner stays. A copy of a login that was not saved yet is compared
in the same way. `store_token(path)` and `keep_in` overwrite what is in another store, because the caller asks for that.

**Guaranteed**, whatever the interleaving, crash or clock: a token object never takes back any of the last 100 refresh
tokens that its own refreshes replaced; a refresh of an old login never overwrites a new login, except in the first
comparison of a token that the constructor made; where refresh tokens rotate, none is sent before the store has been
read; no token is returned that has expired by the wall clock, or by the monotonic clock, which counts from when this
process got the token (for an unpickled token, only the wall clock counts).
**No client can prevent** the loss of a login where refresh tokens rotate: the new one is lost if its response is lost,
or if the process is killed or outlives its lease between the request and the save. While saving fails, another process
that uses the store may send the old one, too. A new login may be written over its successor if its save succeeds but is
reported as failed, or if the token was copied, or the process forked, before it was saved.

This module decides, and `_refresher` carries it out. A `Cycle` yields a `Step`, which says what to do, and is sent an
`Event`, which says what happened and what both clocks show. Pure: no clock, no thread, no store, no server.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Final, Literal

from ._retries import TIMEOUT, TRIES
from ._snapshot import Snapshot, no_refresh_token
from ._state import State
from ._steps import FRESH, Ask, Event, Goal, Lock, Read, Replace, Step, Steps, Wait, Warn
from ._token_text import READ_INTERVAL, READ_PATIENCE, READS, parse_token_text, token_text
from ._validation import FieldError, optional, secret
from .exceptions import InvalidGrant, MalformedResponse, OAuthError, TokenStoreError

#: Seconds to wait for the lock when the token has expired: normally, another process's request and save take less.
LOCK_WAIT: Final = 40.0
#: Seconds between two reads for a newer token after a failure.
LOOK_INTERVAL: Final = 1.0
#: Seconds before the token expires at which a request gives up, to leave time to use the token.
RESERVE: Final = 2.0
#: The maximum number of attempts to compare and swap.
SWAPS: Final = 5


# ---- decisions -----------------------------------------------------------------------------------


#: What to do before the token is returned: return it at once; save it; read the store for a newer one; raise the last
#: error again; or refresh it.
Task = Literal["return", "save", "look", "raise", "refresh"]


def decide(state: State, goal: Goal, now: Event, *, has_store: bool) -> Task:
    """Decide, without I/O, what a caller that wants the token does first."""
    if goal.is_met(state.snapshot, now):
        must_save = has_store and state.is_dirty and now.monotonic >= state.store_backoff.until
        return "save" if must_save else "return"
    if goal.rejected is not None:
        return "refresh"
    is_valid = state.snapshot.valid.covers(now.wall, now.monotonic)
    is_refused = state.refused == state.candidate.refresh_token
    is_blocked = now.monotonic < state.server_backoff.until and (is_valid or state.error is not None)
    if not is_blocked and not is_refused:
        return "refresh"
    if is_valid and not is_refused:
        return "return"
    return "look" if has_store and now.monotonic >= state.looked_at + LOOK_INTERVAL else "raise"


class Cycle:
    """One pass through the cycle, by one thread. Each of its public methods yields the steps."""

    def __init__(self, state: State, now: Event, *, rotates: bool, has_store: bool, goal: Goal = FRESH) -> None:
        self._state, self._goal, self._now = state, goal, now
        self._rotates, self._has_store = rotates, has_store
        # The text last seen in the store; when the lock was acquired, and when its lease ends (monotonic).
        self._text: str | None = None
        self._locked_at, self._until = now.monotonic, float("inf")
        # Whether the token had to be waited for, and why the last read gave none.
        self._has_waited = False
        self._unreadable: OAuthError | None = None
        self._warning: Warn | None = None
        # The response or the error of the last request, until the store is read; and when and with what it was sent.
        self.outcome: Mapping[str, object] | OAuthError | None = None
        self._sent = now, ""

    # ---- the passes ----

    def refresh(self) -> Steps:
        """Refresh the token. Raises an `OAuthError` if the caller is left without a token that it can use."""
        try:
            yield from self._refresh()
            if not self._is_valid() and self._goal.rejected is None:
                # The machine slept, or the clock was set, during the request. Run the whole cycle again: a save may
                # have released the lock (a new file has a new lock), and another process may have refreshed.
                yield from self._refresh()
            if not self._is_valid():
                raise OAuthError("The new token expired before it arrived", retryable=True, reason="no_valid_token")
        except OAuthError as error:
            must_log_in = isinstance(error, InvalidGrant)
            is_news = not must_log_in and self._back_off(error)
            if must_log_in or self._goal.rejected is not None or not self._is_valid():
                if self._warning is not None:  # the error is raised instead, so the next failed save warns
                    self._state.store_backoff = self._state.store_backoff._replace(failures=0)
                raise
            # While the token is valid, a transient failure of the server needs no warning.
            if self._warning is None and is_news and (isinstance(error, TokenStoreError) or not error.retryable):
                self._warning = Warn(error, "The old access token stays in use until it expires.")
        if self._warning is not None:
            yield self._warning

    def save(self) -> Steps:
        """Save the token, if the lock is free. Never raises an `OAuthError`."""
        state = self._state
        self._now = yield Lock(0.0)
        if self._now.taken:
            state.store_backoff = state.store_backoff._replace(until=self._now.monotonic + LOOK_INTERVAL)
            return
        problem = self._now.error or (yield from self._reload())
        if state.is_dirty:
            yield from self._save(problem)
        if self._warning is not None:
            yield self._warning

    def store(self) -> Steps:
        """Save the token because the caller asks for it, even over what is not a token. Raises an `OAuthError`."""
        state = self._state
        locked = self._now = yield Lock(LOCK_WAIT)
        if locked.taken or locked.error is not None:
            raise locked.error or lock_is_taken()
        problem = yield from self._reload()
        if self._now.error is None and (problem is not None or state.snapshot.token != state.last_read):
            state.clean = state.last_read  # here, values given to the constructor need a save, too
            problem = yield from self._swap()
        if problem is not None:
            raise problem

    def look(self) -> Steps:
        """Adopt a newer token from the store, without the lock."""
        self._state.looked_at = self._now.monotonic
        self._now = yield Read()
        if self._now.error is None:
            self._reconcile()

    def rescue(self, *, is_locked: bool) -> Steps:
        """After an interrupt (Ctrl-C), keep and save what would be lost: a new refresh token or login. Never warns."""
        state = self._state
        outcome = self.outcome
        if outcome is not None and not isinstance(outcome, OAuthError):
            self._now = self._now._replace(response=outcome)
            outcome = self._remember(*self._sent)
        state.keep_rotated(self._sent[1], outcome)
        # A new login is saved even without the lock: the process that has it will find it when it compares and swaps.
        if state.is_dirty and (is_locked or state.is_new_login):
            problem = yield from self._reload()
            if self._state.is_dirty and (problem is None or (state.is_new_login and self._now.error is None)):
                yield from self._swap()

    # ---- the steps of a refresh ----

    def _refresh(self) -> Steps:
        state, problem = self._state, None
        for may_save in (True, False) if self._has_store else ():
            must_wait = self._goal.rejected is not None or not self._is_valid()
            self._now = yield Lock(LOCK_WAIT if must_wait else 0.0)
            if self._now.taken:
                if must_wait:
                    raise self._now.error or lock_is_taken()
                # Another process is refreshing. Do not try the lock again at once: a remote store takes time for that.
                state.server_backoff = state.server_backoff._replace(until=self._now.monotonic + LOOK_INTERVAL)
                return
            self._locked_at, self._until = self._now.monotonic, self._now.until
            problem = self._now.error or (yield from self._reload())
            if problem is not None and self._rotates:
                # Another process may have used our refresh token.
                problem = problem.copy()
                problem.retryable = True
                raise problem
            if not may_save or problem is not None or not (state.is_dirty or self._has_waited):
                break
            if state.is_dirty:
                # Before the request, which may fail: the current refresh token may be in memory only.
                is_saved = yield from self._save(None)
                if not (is_saved or self._unreadable):
                    break  # it can be read, not written: where refresh tokens rotate, `Ask` first checks the room
            if self._goal.is_met(state.snapshot, self._now):
                return
            # The save may have released the lock, as that of a file does. Or another program is writing, and what was
            # locked is no longer there. Lock and read once more.
        failure = None
        if not self._goal.is_met(state.snapshot, self._now):
            failure = yield from self._ask(may_look=problem is None)
        if self._has_store and state.is_dirty:
            yield from self._save(problem)
        if failure is not None:
            raise failure

    def _reload(self, patience: float = READ_PATIENCE) -> Generator[Step, Event, OAuthError | None]:
        """Read the store and adopt a newer token. Returns the problem, if there is one."""
        give_up_at, self._has_waited, self.outcome = self._now.monotonic + patience, False, None
        for _ in range(READS):
            self._now = yield Read()
            self._unreadable = self._now.error or self._reconcile()
            if self._unreadable is None or self._now.monotonic >= give_up_at:
                break
            self._now = yield Wait(READ_INTERVAL)
            self._has_waited = True
        return self._unreadable

    def _reconcile(self) -> OAuthError | None:
        state, self._text = self._state, self._now.text
        if self._text is None:
            if state.last_read is None or state.is_new_login:
                return None
            return TokenStoreError("The token has disappeared from the store")
        try:
            there = Snapshot(self._now.wall, self._now.monotonic, parse_token_text(self._text))
        except TokenStoreError as error:
            return error
        state.reconcile(there, self._now.wall, self._now.monotonic, rejected=self._goal.rejected)
        if not state.is_dirty:
            self._warning = None  # an earlier save may have failed, but what it saved is no longer in use
        return None

    def _ask(self, *, may_look: bool, may_repeat: bool = True) -> Generator[Step, Event, OAuthError | None]:
        """Send the refresh token; if it is refused and another one has appeared, send that one.

        Returns the error of a malformed response that has a new refresh token: the caller saves that, then raises.
        """
        state, ours = self._state, self._state.snapshot
        refresh_token = state.candidate.refresh_token
        if self._goal.rejected is None and state.refused == refresh_token and state.error is not None:
            raise state.error.copy()
        if refresh_token:
            tries, seconds = self._request_budget()
            if tries == 0:
                return None
            self._check_lease(seconds)
            self.outcome, self._sent = None, (self._now, refresh_token)
            self._now = yield Ask(refresh_token, tries, seconds)
            error = self._now.error or self._remember(*self._sent)
        else:
            error = no_refresh_token()
        if error is None or state.keep_rotated(refresh_token, error):
            return error
        if not isinstance(error, InvalidGrant):
            raise error
        if self._has_store and may_look:
            yield from self._reload()
        if state.snapshot is not ours and self._goal.is_met(state.snapshot, self._now):
            return None
        if state.candidate.refresh_token == refresh_token:
            # Only now: earlier, other threads would raise the refusal while another refresh token is still untried.
            may_repeat = state.refuse(error)
        if not may_repeat:
            raise error
        return (yield from self._ask(may_look=may_look, may_repeat=False))

    def _request_budget(self) -> tuple[int, float]:
        """Return the tries and the seconds for a refresh. 0 tries: send nothing, and use the token until it expires."""
        state = self._state
        left = state.snapshot.valid.seconds_left(self._now.wall, self._now.monotonic)
        if left == 0 or self._goal.rejected is not None:
            return TRIES, TIMEOUT
        if not self._rotates:  # giving up early loses nothing
            seconds = min(TIMEOUT, left - RESERVE)
        else:
            seconds = TIMEOUT if left >= TIMEOUT or state.server_backoff.failures == 0 else 0.0
        if seconds > 0:
            return 1, seconds
        state.server_backoff = state.server_backoff._replace(until=self._now.monotonic + left)
        return 0, 0.0

    def _check_lease(self, seconds: float) -> None:
        # After the lease ends, another process may send the same refresh token.
        if self._until - self._now.monotonic >= seconds:
            return
        if self._until - self._locked_at < seconds:
            problem = f"The lock's lease is shorter than a request ({seconds:.0f} s)"
            raise TokenStoreError(problem, advice="Use a longer one.")
        raise TokenStoreError("The lock's lease would end before a request could finish", retryable=True)

    def _remember(self, sent: Event, refresh_token: str) -> OAuthError | None:
        """Take the response. Returns an error if it is invalid, as only that of a third-party `Credentials` can be."""
        state, current, response = self._state, self._state.candidate, self._now.response
        if current.refresh_token != refresh_token:
            return None  # the caller has set another one since: a new login
        try:
            snapshot = current.refreshed(sent.wall, sent.monotonic, response)
        except FieldError as error:
            malformed = MalformedResponse(f"credentials.refresh_token did not return a token: {error}", key=error.key)
            malformed.refresh_token = optional(response, "refresh_token", secret, None)
            malformed.advice = "Correct the class of the credentials."
            return malformed
        state.supersede(snapshot, current)
        state.refreshes += 1
        if not snapshot.fresh.covers(self._now.wall, self._now.monotonic):
            # The new token is already due, for example because it is the old one. Do not ask again at once.
            state.server_backoff = state.server_backoff.after_failure(self._now.monotonic)
        return None

    def _save(self, problem: OAuthError | None) -> Generator[Step, Event, bool]:
        """Save the token, unless the store has a problem. Returns whether that worked; if not, a later cycle tries."""
        problem = problem or (yield from self._swap())
        if problem is None:
            self._warning = None  # an earlier save of this pass may have failed
        else:
            if self._state.store_backoff.failures == 0:
                self._warning = Warn(problem, "The new token is in memory only until it can be saved.")
            self._state.store_backoff = self._state.store_backoff.after_failure(self._now.monotonic)
        return problem is None

    def _swap(self) -> Generator[Step, Event, OAuthError | None]:
        """Compare and swap until the store has the newer token. Returns the problem, if there is one."""
        state = self._state
        for _ in range(SWAPS):
            token = state.snapshot.token
            self._now = yield Replace(self._text, token_text(token))
            if self._now.swapped:
                state.saved_as(token)
                return None
            failure = self._now.error
            # Another program may be writing; and after a failure, the store may have the token anyway.
            problem = yield from self._reload(READ_PATIENCE if failure is None else 0.0)
            if problem is None and not state.is_dirty:
                return None
            if failure is not None or problem is not None:
                return failure or problem
        return TokenStoreError("The token in the store keeps changing", retryable=True)

    # ---- shared ----

    def _is_valid(self) -> bool:
        return self._state.snapshot.valid.covers(self._now.wall, self._now.monotonic)

    def _back_off(self, error: OAuthError) -> bool:
        """Remember a failure. Returns whether it is of another class than the last one."""
        state = self._state
        is_news = type(state.error) is not type(error)
        if state.refused != state.candidate.refresh_token:  # only another refresh token lifts a refusal
            state.error = error.copy()
        state.server_backoff = state.server_backoff.after_failure(self._now.monotonic, error.retry_after)
        return is_news


def lock_is_taken() -> TokenStoreError:
    """Return the error for a lock that stays taken for `LOCK_WAIT` seconds."""
    return TokenStoreError(f"Another process has held the lock of the token for {LOCK_WAIT:.0f} s", retryable=True)
