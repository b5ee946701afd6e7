# SPDX-License-Identifier: MIT
"""What is remembered of one token between two refresh cycles, and which of two tokens is newer. Pure."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from ._snapshot import Snapshot
from ._validation import FieldError, json_object, stored_token
from .exceptions import MalformedResponse, OAuthError, TokenStoreError
from .models import RefreshableTokenDict

# Seconds to back off after the first, second, ... consecutive failure, and at most if the server asks for more.
_DELAYS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_MAX_DELAY: Final = 3600.0
# Refresh tokens: as many as a program that cannot save for days goes through.
_MOST_SUPERSEDED: Final = 100


# ---- the text in a store -------------------------------------------------------------------------


def token_text(token: RefreshableTokenDict) -> str:
    """Return the text of a token for a store: that of ytmusicapi's file."""
    return json.dumps(token, indent=1)


def parse_token_text(text: str) -> RefreshableTokenDict:
    """Parse the text of a token. Raises `TokenStoreError`, which quotes no value."""
    try:
        return stored_token(json_object(text))
    except ValueError as error:
        from ._file_kinds import kind_of_text

        key = error.key if isinstance(error, FieldError) else None
        problem, advice = kind_of_text(text) or (str(error) if key else f"it {error}", "")
        raise TokenStoreError(f"Not a token: {problem}", key=key, advice=advice) from None


# ---- what is remembered --------------------------------------------------------------------------


class Backoff(NamedTuple):
    """Exponential backoff: consecutive failures, and the monotonic time before which not to try again."""

    failures: int = 0
    until: float = float("-inf")

    def after_failure(self, monotonic: float, retry_after: float | None = None) -> Backoff:
        """Return the backoff after one more failure. A server's `retry_after` (seconds) counts if it is longer."""
        delay = _DELAYS[min(self.failures, len(_DELAYS) - 1)]
        return Backoff(self.failures + 1, monotonic + max(delay, min(retry_after or 0.0, _MAX_DELAY)))


# Initial state, shared by all tokens.
_NO_BACKOFF: Final = Backoff()


class State:
    """What is known of one token between two cycles."""

    __slots__ = (
        "error", "is_new_login", "looked_at", "other", "refused", "responses", "saved", "seen", "server_backoff",
        "snapshot", "store_backoff", "superseded",
    )  # fmt: skip

    def __init__(
        self,
        snapshot: Snapshot,
        seen: RefreshableTokenDict | None = None,
        saved: RefreshableTokenDict | None = None,
        is_new_login: bool = False,
    ) -> None:
        #: the token
        self.snapshot = snapshot
        #: the token last seen in the store; None: none yet
        self.seen = seen
        #: the values that need no saving: the store has them, or they were made by the constructor
        self.saved = saved
        #: whether it is a confirmed login that was never saved
        self.is_new_login = is_new_login
        #: the refresh tokens that ours replaced, the last ones
        self.superseded: tuple[str, ...] = ()
        #: of a token in the store and one made by the constructor, the one that was not taken
        self.other: Snapshot | None = None
        #: why the last refresh failed; None if it did not
        self.error: OAuthError | None = None
        #: the refresh token that the server refused with `error`
        self.refused: str | None = None
        #: how many refreshes succeeded
        self.responses = 0
        #: after failed refreshes
        self.server_backoff = _NO_BACKOFF
        #: after failed saves
        self.store_backoff = _NO_BACKOFF
        #: the monotonic time of the last look into the store after a failure
        self.looked_at = float("-inf")

    def __reduce__(self) -> tuple[type[State], tuple[object, ...], tuple[None, dict[str, object]]]:
        # Copies (pickles too) know the token and the store; failures are not copied.
        known = (self.snapshot, self.seen, self.saved, self.is_new_login)
        return State, known, (None, {"superseded": self.superseded, "other": self.other})

    @property
    def is_unsaved(self) -> bool:
        """Whether the token has to be saved. Replacing the snapshot is enough to make it so."""
        return self.snapshot.token is not self.saved

    def supersede(self, snapshot: Snapshot) -> None:
        """Replace the token by one that comes after it: a response, or what the caller says."""
        if snapshot.refresh_token != self.snapshot.refresh_token:
            self.superseded = (*self.superseded, self.snapshot.refresh_token)[-_MOST_SUPERSEDED:]
        self._replace(snapshot)

    def set_by_hand(self, snapshot: Snapshot) -> None:
        """Replace the token by what the caller says. Another refresh token is a new login."""
        self.is_new_login = self.is_new_login or snapshot.refresh_token != self.snapshot.refresh_token
        self.supersede(snapshot)

    def rotate(self, wall: float, monotonic: float, old: str, error: OAuthError) -> bool:
        """Keep the new refresh token of a malformed response beside the old access token. Returns whether it has one.

        `old` is the refresh token that was sent. The server may take it for stolen now.
        """
        if not isinstance(error, MalformedResponse) or self.snapshot.refresh_token != old:
            return False
        new, error.refresh_token, backoff = error.refresh_token, None, self.server_backoff
        if new is None:
            return False
        self.supersede(self.snapshot.changed(wall, monotonic, "refresh_token", new))
        self.server_backoff = backoff
        return True

    def settle(self, there: Snapshot, wall: float, monotonic: float, *, rejected: str | None = None) -> None:
        """Decide between our token and the one in the store, and take the newer one."""
        ours, is_first_look, is_changed = self.snapshot, self.seen is None, self.is_unsaved
        is_refused = self.refused == ours.refresh_token
        if there.token == self.seen:
            return
        self.seen = there.token
        if there.token == ours.token:
            self.saved_as(ours.token)
            return
        if self.is_new_login and not is_refused:
            return
        if there.refresh_token == ours.refresh_token and there.access_token == ours.access_token:
            is_newer = not is_changed  # one of the two was edited by hand
        elif there.refresh_token == ours.refresh_token:
            is_fresher = there.fresh.covers(wall, monotonic) and not ours.fresh.covers(wall, monotonic)
            is_later = _issued_at(there) >= _issued_at(ours) + is_changed  # in the same second, ours if it was changed
            is_newer = is_later or is_fresher or rejected == ours.access_token
        elif is_first_look and not is_refused:
            is_newer = _issued_at(there) >= _issued_at(ours)
            self.other = ours if is_newer else there
        else:
            is_newer = there.refresh_token not in self.superseded
        if is_newer:
            other, self.superseded, self.store_backoff = self.other, (), _NO_BACKOFF  # another process could save it
            self._replace(there)
            self.other, self.is_new_login = other, False
        if is_newer or not is_first_look:  # a token made by the constructor is not written over the store's
            self.saved = there.token

    def take_other(self) -> None:
        """Take the one of two tokens that was not taken, if there are two: the server refused the first one."""
        if self.other is not None:
            self.snapshot, self.other = self.other, None
            if self.snapshot.token == self.seen:
                self.saved = self.snapshot.token

    def saved_as(self, token: RefreshableTokenDict) -> None:
        """Note that the store has these values now."""
        self.seen = self.saved = token
        self.is_new_login = False
        self.store_backoff = _NO_BACKOFF

    def moved(self, there: State) -> None:
        """Note that the token is in another store now, of which `there` knows. Our own snapshot may be newer."""
        self.seen, self.saved, self.is_new_login = there.seen, there.saved, there.is_new_login
        self.store_backoff = there.store_backoff
        self.superseded, self.other = (), None
        if isinstance(self.error, TokenStoreError):
            self.error, self.server_backoff = None, _NO_BACKOFF

    def _replace(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.error = self.refused = self.other = None
        self.server_backoff = _NO_BACKOFF


def _issued_at(snapshot: Snapshot) -> int:
    return snapshot.token["expires_at"] - snapshot.token["expires_in"]
