# SPDX-License-Identifier: MIT
"""How one token is kept fresh, in memory and in its file, among all threads and processes that hold it.

A round: take the turn among threads and the lock among processes; adopt what somebody else has put into the file; if
that is not fresh, refresh; save. A round that fails leaves what was there, or was adopted.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final, NamedTuple, Protocol

from ._file_lock import locked
from ._file_store import read_token, write_token
from ._single_flight import SingleFlight, copy_error
from ._snapshot import Snapshot
from ._validation import FieldError
from .credentials import Credentials
from .exceptions import InvalidGrant, MalformedResponse, OAuthError, TokenFileError, TokenFileNotFound
from .models import RefreshableTokenDict

__all__ = ["Refresher", "SnapshotHolder"]

# Seconds to leave a server, or a disk, exclusive after each failure in a row.
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
# Seconds to wait for the lock: while the old token lives; and where a login would be lost, longer than three tries of
# 30 s take with the waits between them.
_SHORT_WAIT: Final = 10.0
_LONG_WAIT: Final = 120.0


class SnapshotHolder(Protocol):
    """Who holds the values: a token. They are replaced as a whole."""

    _snapshot: Snapshot


class Refresher:
    """What is remembered between rounds: the file, if there is one, and what was last in it; and what failed."""

    __slots__ = (
        "_last_seen",
        "_refused_tokens",
        "_server_backoff",
        "_single_flight",
        "_store_backoff",
        "is_unsaved",
        "path",
    )

    def __init__(
        self, path: str | None = None, on_disk: RefreshableTokenDict | None = None, unsaved: bool = False
    ) -> None:
        # Where the file is now, wherever the process goes.
        self.path: str | None = None if path is None else _absolute(path)
        self._last_seen = on_disk
        self.is_unsaved: bool = unsaved
        self._single_flight = SingleFlight()
        self._refused_tokens: Mapping[str, OAuthError] = {}
        self._server_backoff = self._store_backoff = _NO_BACKOFF

    def __reduce__(self) -> tuple[type[Refresher], tuple[str | None, RefreshableTokenDict | None, bool]]:
        # A copy, also one in another process, knows the file, and makes its own experience with the rest.
        return Refresher, (self.path, self._last_seen, self.is_unsaved)

    def ensure_fresh(self, token: SnapshotHolder, credentials: Credentials, *, now: bool) -> None:
        """Leave a token that can be used, or raise an `OAuthError`; with `now`, leave another one than there was."""
        seen = self._single_flight.generation
        before = token._snapshot
        if not now and not self._is_due(before):
            return
        try:
            # A turn that was not ours may have been about something else, such as a save.
            while not self._single_flight.run(seen, lambda: self._round(token, credentials, now)):
                if not now or not _same(token._snapshot, before) or seen == self._single_flight.generation:
                    return
                seen = self._single_flight.generation
        except OAuthError as error:
            if now or not error.retryable or not token._snapshot.valid.covers(time.time(), time.monotonic()):
                raise
            if isinstance(error, TokenFileError):
                warnings.warn(f"{error} Until then the old access token is used.", RuntimeWarning, stacklevel=2)

    def store(self, token: SnapshotHolder, path: str) -> None:
        """Write the token to a file. Raises `TokenFileError`.

        If we have nothing that was not in its own file before, and somebody else has, that is adopted instead. In the
        middle of a refresh of the same thread, such as in a signal handler, nothing is done: it ends with a save to the
        token's own file.
        """
        self._single_flight.aside(lambda: self._store(token, path))

    def move(self, token: SnapshotHolder, path: str | None) -> bool:
        """Write the token to a file and keep it fresh there from now on, or in none. Raises `TokenFileError`.

        False, and nothing is done, in the middle of a refresh, as above.
        """

        def work() -> None:
            stored = None if path is None else self._store(token, path)
            where = None if path is None else _absolute(path)
            # The place first: with it exclusive, an interrupt costs one look at a file that holds our own token.
            self.path, self._last_seen = where, stored
            self.is_unsaved = stored is not None and stored != token._snapshot.token

        return self._single_flight.aside(work)

    def _store(self, token: SnapshotHolder, path: str) -> RefreshableTokenDict:
        with locked(path, _LONG_WAIT) as exclusive:
            held = token._snapshot
            if self.path is None or not _is_one_file(path, self.path):
                write_token(path, held.token, exclusive=exclusive)
                return held.token
            if held.token == self._last_seen:
                self._reload_if_newer(token, path)
                if token._snapshot is not held:
                    return token._snapshot.token
            self._write(held, path, exclusive)
            return held.token

    def save_new_login(self, held: Snapshot, path: str) -> None:
        """Write a new login to its file; if that fails, warn, and try again in later rounds."""
        try:
            with locked(path, _LONG_WAIT) as exclusive:
                self._write(held, path, exclusive)
        except TokenFileError as error:
            with suppress(RuntimeWarning):  # warnings may be errors; this one is no reason to lose a login
                self._defer_save(error)

    def _is_due(self, held: Snapshot) -> bool:
        wall, monotonic = time.time(), time.monotonic()
        patient = monotonic >= self._server_backoff.until
        if held.fresh.covers(wall, monotonic):
            return self.is_unsaved and patient and monotonic >= self._store_backoff.until
        return patient or not held.valid.covers(wall, monotonic)

    def _round(self, token: SnapshotHolder, credentials: Credentials, now: bool) -> None:
        try:
            before = token._snapshot
            alive = before.valid.covers(time.time(), time.monotonic())
            with self._locked(_SHORT_WAIT if alive else _LONG_WAIT) as exclusive:
                trouble = None if self.path is None else self._reload_if_newer(token, self.path)
                held = token._snapshot
                if not held.fresh.covers(time.time(), time.monotonic()) or (now and _same(held, before)):
                    held = self._refreshed(held, credentials)
                    self.is_unsaved = self.path is not None
                    token._snapshot = held
                if self.path is not None and self.is_unsaved:
                    try:
                        if trouble is not None:  # whatever the file is now, it is not ours to replace
                            raise trouble
                        self._write(held, self.path, exclusive)
                    except TokenFileError as error:
                        self._defer_save(error)
        except OAuthError as error:
            if error.retryable:
                self._server_backoff = self._server_backoff.after_failure(error.retry_after)
            raise
        self._server_backoff = _NO_BACKOFF

    def _locked(self, timeout: float) -> AbstractContextManager[bool]:
        return nullcontext(False) if self.path is None else locked(self.path, timeout)

    def _reload_if_newer(self, token: SnapshotHolder, path: str) -> TokenFileError | None:
        """Take on what is in the file if that is news; tell what is wrong with the file."""
        try:
            on_disk = read_token(path)
        except TokenFileError as error:
            return None if isinstance(error, TokenFileNotFound) else error
        held = token._snapshot
        there = Snapshot(time.time(), time.monotonic(), on_disk)
        if self._last_seen is not None:
            news = on_disk != self._last_seen
        else:  # a file that we never saw may well be older than what we hold
            fresher = on_disk["expires_at"] > held.token["expires_at"] and not _same(there, held)
            news = fresher and not self.is_unsaved and there.valid.not_before <= time.time()
        if news:
            token._snapshot = there
            self.is_unsaved = False
        self._last_seen = on_disk
        return None

    def _refreshed(self, held: Snapshot, credentials: Credentials) -> Snapshot:
        refresh_token = held.token["refresh_token"]
        if refresh_token in self._refused_tokens:
            raise copy_error(self._refused_tokens[refresh_token])
        wall, monotonic = time.time(), time.monotonic()
        try:
            fresh_access = credentials.refresh_token(refresh_token)
            return held.renewed(wall, monotonic, fresh_access)
        except InvalidGrant as error:
            self._refused_tokens = {refresh_token: copy_error(error)}
            raise
        except FieldError as error:  # from credentials that are not ours
            raise MalformedResponse(f"credentials.refresh_token answered no token: {error}", key=error.key) from None

    def _write(self, held: Snapshot, path: str, exclusive: bool) -> None:
        write_token(path, held.token, exclusive=exclusive)
        self._last_seen, self.is_unsaved = held.token, False
        self._store_backoff = _NO_BACKOFF

    def _defer_save(self, error: TokenFileError) -> None:
        first = self._store_backoff.failures == 0
        self.is_unsaved = True
        self._store_backoff = self._store_backoff.after_failure()
        if first:
            warnings.warn(
                f"{error} The token is used, and in memory only until it can be saved.", RuntimeWarning, stacklevel=2
            )


def _absolute(path: str) -> str:
    # Not `abspath`, which takes `link/..` for the folder that the link is in.
    return os.path.join(os.getcwd(), path)


def _is_one_file(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:  # there is none yet
        return _absolute(path) == other


def _same(one: Snapshot, other: Snapshot) -> bool:
    return one.token["access_token"] == other.token["access_token"]


class Backoff(NamedTuple):
    """Until when something that failed is left exclusive: for a pause that grows, or as long as a server asked for."""

    failures: int = 0
    until: float = float("-inf")

    def after_failure(self, retry_after: float | None = None) -> Backoff:
        """Return the backoff after one more failure."""
        pause = _PAUSES[min(self.failures, len(_PAUSES) - 1)]
        return Backoff(self.failures + 1, time.monotonic() + max(pause, retry_after or pause))


# Where nothing has failed: one for all tokens.
_NO_BACKOFF: Final = Backoff()
