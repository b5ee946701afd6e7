# SPDX-License-Identifier: MIT
"""What is remembered of a token between two refresh cycles, and which of two tokens is newer. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from ._expiry import ASSUMED_LIFETIME
from ._snapshot import Snapshot
from .exceptions import InvalidGrant, MalformedResponse, OAuthError, TokenStoreError
from .models import RefreshableTokenDict

# Seconds to back off after the first, second, ... consecutive failure; and the longest wait that a server can ask for.
_DELAYS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_MAX_DELAY: Final = 3600.0
# A time before any other: one object for all tokens.
_NEVER: Final = float("-inf")
# How many superseded refresh tokens to remember: enough for a program that cannot save for days.
_MOST_SUPERSEDED: Final = 100


class Backoff(NamedTuple):
    """Exponential backoff: consecutive failures, and the monotonic time before which not to try again."""

    failures: int = 0
    until: float = _NEVER

    def after_failure(self, monotonic: float, retry_after: float | None = None) -> Backoff:
        """Return the backoff after one more failure. A server's `retry_after` (seconds) counts if it is longer."""
        delay = _DELAYS[min(self.failures, len(_DELAYS) - 1)]
        return Backoff(self.failures + 1, monotonic + max(delay, min(retry_after or 0.0, _MAX_DELAY)))


# Initial state, shared by all tokens.
_NO_BACKOFF: Final = Backoff()


class State:
    """What is known of one token between two cycles."""

    __slots__ = (
        "alternative", "clean", "error", "is_new_login", "last_read", "looked_at", "refreshes", "refused",
        "server_backoff", "snapshot", "store_backoff", "superseded",
    )  # fmt: skip

    def __init__(
        self,
        snapshot: Snapshot,
        last_read: RefreshableTokenDict | None = None,
        clean: RefreshableTokenDict | None = None,
        is_new_login: bool = False,
    ) -> None:
        #: the token
        self.snapshot = snapshot
        #: the token last seen in the store, read or saved; None if there was none yet
        self.last_read = last_read
        #: the values that need no save: those of the store, or those that the constructor was given
        self.clean: RefreshableTokenDict | None = clean
        #: whether it is a confirmed login that was never saved
        self.is_new_login = is_new_login
        #: the most recent refresh tokens that ours replaced
        self.superseded: tuple[str, ...] = ()
        #: the loser of the first comparison with the store: tried if the server refuses the winner
        self.alternative: Snapshot | None = None
        #: why the last refresh failed; None if it succeeded
        self.error: OAuthError | None = None
        #: the refresh token that the server refused
        self.refused: str | None = None
        #: how many refreshes succeeded
        self.refreshes = 0
        #: the backoff after failed refreshes
        self.server_backoff = _NO_BACKOFF
        #: the backoff after failed saves
        self.store_backoff = _NO_BACKOFF
        #: when the store was last read without the lock, after a failure (monotonic)
        self.looked_at = _NEVER

    def __reduce__(self) -> tuple[type[State], tuple[object, ...], tuple[None, dict[str, object]]]:
        # A copy or a pickle keeps the token and what is known of the store, but no failures. It does not count as a new
        # login, but is compared with the store: the original may have saved it, and obtained a newer one with it.
        known = (self.snapshot, None if self.is_new_login else self.last_read, self.clean)
        return State, known, (None, {"superseded": self.superseded, "alternative": self.alternative})

    @property
    def is_dirty(self) -> bool:
        """Whether the token must be saved: it is another object than `clean`."""
        return self.snapshot.token is not self.clean

    @property
    def candidate(self) -> Snapshot:
        """The token whose refresh token is to be sent: ours or, once that was refused, the alternative."""
        is_refused = self.refused == self.snapshot.refresh_token
        return self.alternative if is_refused and self.alternative is not None else self.snapshot

    def outlook(self) -> str:
        """Return a sentence that says what happens to a dirty token when the program ends."""
        if not self.is_dirty:
            return ""
        if self.last_read is None:
            return " If the program ends before the token is saved, the login may be lost."
        if self.last_read["refresh_token"] != self.snapshot.refresh_token:
            return (
                " The refresh token has changed: if the program ends before it is saved, the user has to log in again."
            )
        return " The refresh token has not changed: after a restart, the program can refresh the token again."

    def supersede(self, snapshot: Snapshot, old: Snapshot | None = None) -> None:
        """Replace the token with the successor of `old` (ours): a response, or values that the caller has set."""
        refresh_token = (old or self.snapshot).refresh_token
        if refresh_token not in {"", snapshot.refresh_token}:  # without one, there is nothing to remember
            self.superseded = (*self.superseded, refresh_token)[-_MOST_SUPERSEDED:]
        self._replace(snapshot)
        self.alternative = None  # last: after an interrupt, it tells to which token the response belongs

    def set_by_hand(self, snapshot: Snapshot) -> None:
        """Replace the token with values that the caller has set. Another refresh token is a new login."""
        is_new_login = self.is_new_login or snapshot.refresh_token != self.snapshot.refresh_token
        self.supersede(snapshot)
        self.is_new_login = is_new_login

    def keep_rotated(self, old: str, error: OAuthError | None) -> bool:
        """Keep the new refresh token of a malformed response, with the old access token. Returns False without one.

        `old` is the refresh token that was sent. The server may treat its next use as theft.
        """
        current = self.candidate
        if not isinstance(error, MalformedResponse) or current.refresh_token != old:
            return False
        if error.refresh_token is None:
            return False
        backoff, last_error = self.server_backoff, self.error
        self.supersede(current.changed(0.0, 0.0, "refresh_token", error.refresh_token), current)
        self.server_backoff, self.error, error.refresh_token = backoff, last_error, None
        return True

    def reconcile(self, stored: Snapshot, wall: float, monotonic: float, *, rejected: str | None = None) -> None:
        """Compare our token with the one in the store, and take the newer one.

        Assigns `last_read` last: after an interrupt (Ctrl-C), the next read compares the two again.
        """
        ours, is_first_look, is_changed = self.snapshot, self.last_read is None, self.is_dirty
        is_refused = self.refused == ours.refresh_token
        if stored.token == self.last_read:
            return
        if stored.token == ours.token:
            self.saved_as(ours.token)
            return
        if self.is_new_login and not is_refused:
            self.last_read = stored.token
            return
        if stored.refresh_token == ours.refresh_token and stored.access_token == ours.access_token:
            is_newer = not is_changed  # one of the two was edited by hand
        elif stored.refresh_token == ours.refresh_token:
            is_fresher = stored.fresh.covers(wall, monotonic) and not ours.fresh.covers(wall, monotonic)
            # On a tie, the store's wins, unless ours was changed: then the store's must be a second later.
            is_later = _issued_at(stored) >= _issued_at(ours) + is_changed
            is_newer = is_later or is_fresher or rejected == ours.access_token
        elif is_first_look and not is_refused and stored.refresh_token not in self.superseded:
            is_newer = _issued_at(stored) >= _issued_at(ours)
            self.alternative = ours if is_newer else stored
        else:
            is_newer = stored.refresh_token not in self.superseded
        if is_newer:
            if not is_first_look:  # the server has accepted what won, or there is a new login
                self.alternative = None
            self.is_new_login = False
            self._replace(stored)
            self.store_backoff = _NO_BACKOFF  # another process has saved it, so the store works
        if is_newer or not is_first_look:  # a token made by the constructor is not written over the store's
            self.clean = stored.token
        self.last_read = stored.token

    def refuse(self, error: InvalidGrant) -> bool:
        """Note that the server refused the candidate. Returns whether there is another one."""
        if self.candidate is not self.snapshot:
            self.alternative = None
        self.refused = self.snapshot.refresh_token
        if self.alternative is None:
            self.error = error.copy()
        return self.alternative is not None

    def saved_as(self, token: RefreshableTokenDict) -> None:
        """Note that the store has these values now."""
        # A login that was set meanwhile is still to be saved.
        self.is_new_login = self.is_new_login and token["refresh_token"] != self.snapshot.refresh_token
        self.clean = self.last_read = token
        self.store_backoff = _NO_BACKOFF

    def moved(self, there: State) -> None:
        """Note that the token has moved to another store, whose state is `there`. Our own snapshot may be newer."""
        # A login that was set meanwhile is still to be saved.
        is_newer_login = self.is_new_login and self.snapshot.refresh_token != there.snapshot.refresh_token
        self.is_new_login = there.is_new_login or is_newer_login
        self.last_read, self.clean = there.last_read, there.clean
        self.store_backoff = there.store_backoff
        self.alternative = None
        if isinstance(self.error, TokenStoreError):
            self.error, self.server_backoff = None, _NO_BACKOFF

    def _replace(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.error = self.refused = None
        self.server_backoff = _NO_BACKOFF


def _issued_at(snapshot: Snapshot) -> int:
    return snapshot.token["expires_at"] - (snapshot.token["expires_in"] or ASSUMED_LIFETIME)
