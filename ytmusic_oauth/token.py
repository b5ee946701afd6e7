# SPDX-License-Identifier: MIT
"""The token classes of `ytmusicapi.auth.oauth`: `Token`, `OAuthToken`, `RefreshingToken`.

A token's values are one immutable `Snapshot`, which a refresh replaces: other threads see the old values or the new
ones, never a mixture. The fields are descriptors that read the snapshot; so do `repr`, `==`, `as_dict` and copies. Only
`access_token` and `as_auth()` first make sure that the token can be used: that is where a `RefreshingToken` refreshes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, KeysView, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Generic, TypeVar, overload

from ._file_store import FileStore
from ._refresher import Refresher
from ._single_flight import CHANGES
from ._snapshot import Snapshot
from ._state import State
from ._steps import Goal
from ._store_access import load_token
from ._token_text import parse_token_text
from ._validation import stored_token, token_dict
from .credentials import Credentials, OAuthCredentials
from .exceptions import TokenFileNotFound
from .models import BaseTokenDict, Bearer, DefaultScope, RefreshableTokenDict
from .session import Session, Signable, SupportsSetHeader
from .store import TokenStore

if sys.version_info >= (3, 10):
    from dataclasses import KW_ONLY

__all__ = ["OAuthToken", "RefreshingToken", "Token", "setup_oauth"]

_T = TypeVar("_T")
_Request = TypeVar("_Request", bound=Signable)


class _Field(Generic[_T]):
    """A field of a token, read from its `Snapshot`.

    Assigning to it installs a new snapshot with this one value changed, which is saved when the token is next used.
    """

    def __init__(self, read: Callable[[Token], _T], default: _T | None = None) -> None:
        self._read, self._default = read, default

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._name = name
        # Without a default to return for the class, a property is enough. Reading it takes a third less time.
        if self._default is None:
            setattr(owner, name, property(self._read, self.__set__))

    @overload
    def __get__(self, token: None, owner: type[object]) -> _T | None: ...
    @overload
    def __get__(self, token: Token, owner: type[object]) -> _T: ...
    def __get__(self, token: Token | None, owner: type[object]) -> _T | None:
        return self._default if token is None else self._read(token)

    def __set__(self, token: Token, value: _T) -> None:
        with CHANGES.lock():  # otherwise, a refresh that ends at the same time could be lost
            before = token._snapshot
            token._state.set_by_hand(before.changed(time.time(), time.monotonic(), self._name, value))


@dataclass(init=False, repr=False, eq=False)
class Token:
    """The base class of the tokens: the six values. Raises `ValueError` for an invalid value."""

    if sys.version_info >= (3, 10):
        _: KW_ONLY
    scope: _Field[DefaultScope] = _Field(lambda token: token._snapshot.token["scope"])
    """What the token gives access to."""
    token_type: _Field[Bearer] = _Field(lambda token: token._snapshot.token["token_type"])
    """`Bearer`."""
    access_token: _Field[str] = _Field(lambda token: token._usable().access_token)
    """For the Authorization header; reading it may refresh the token."""
    refresh_token: _Field[str] = _Field(lambda token: token._snapshot.token["refresh_token"])
    """Obtains a new access token."""
    expires_at: _Field[int] = _Field(lambda token: token._snapshot.token["expires_at"], 0)
    """When the access token expires (UNIX time); 0 if unknown."""
    expires_in: _Field[int] = _Field(lambda token: token._snapshot.token["expires_in"], 0)
    """The lifetime of the access token, in seconds from the time of the request; 0 if unknown."""

    def __init__(
        self,
        *,
        scope: DefaultScope,
        token_type: Bearer,
        access_token: str,
        refresh_token: str,
        expires_at: int = 0,
        expires_in: int = 0,
    ) -> None:
        self._state = _state(token_dict(locals()))  # the six values; other names are ignored

    def __getstate__(self) -> dict[str, object]:
        with CHANGES.lock():
            return {**vars(self), "_state": copy(self._state)}

    @property
    def _snapshot(self) -> Snapshot:
        return self._state.snapshot

    @staticmethod
    def members() -> KeysView[str]:
        """Return the names of the six fields, in the order of the token file."""
        return dict.fromkeys(field.name for field in fields(Token)).keys()

    def as_dict(self) -> RefreshableTokenDict:
        """Return the current values, as a copy. Never refreshes."""
        return self._snapshot.token.copy()

    def as_json(self) -> str:
        """Return the current values as JSON. Never refreshes."""
        return json.dumps(self._snapshot.token)

    def as_auth(self) -> str:
        """Return the value of an Authorization header (RFC 6750 2.1). May refresh the token first."""
        return self._usable().authorization

    def sign(self, request: _Request) -> _Request:
        """Set the Authorization header of a request, and return the request. May refresh the token first.

        `requests` and `httpx` call it if they get it as `auth=`: `requests.get(url, auth=token.sign)`.
        """
        # When urllib is redirected, it sends all other headers again, even to another server.
        headers: SupportsSetHeader = getattr(request, "unredirected_hdrs", request.headers)
        headers["Authorization"] = self.as_auth()
        return request

    @property
    def is_expiring(self) -> bool:
        """Whether the token is due for a refresh: a minute or less is left, or half its lifetime if that is shorter."""
        return not self._snapshot.fresh.covers(time.time(), time.monotonic())

    def __repr__(self) -> str:
        shown = {**self._snapshot.token, "access_token": "[redacted]", "refresh_token": "[redacted]"}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and type(other) is type(self) and self.as_dict() == other.as_dict()

    def _usable(self) -> Snapshot:
        return self._snapshot


class OAuthToken(Token):
    """A token that can be loaded from a file and updated, but does not refresh itself."""

    @staticmethod
    def is_oauth(headers: Mapping[str, object]) -> bool:
        """Whether a dictionary, such as that of a token file, has all six fields."""
        return all(key in headers for key in Token.members())

    @classmethod
    def from_json(cls, file_path: Path) -> OAuthToken:
        """Load a token file. Raises `TokenFileError`, or `TokenFileNotFound`, which is also a `FileNotFoundError`."""
        token = OAuthToken.__new__(OAuthToken)
        token._state = _state(load_token(FileStore(file_path)))
        return token

    def update(self, fresh_access: BaseTokenDict) -> None:
        """Apply the response of a refresh made just now; `expires_at` is computed from the current time.

        Includes a new refresh token, if there is a valid one. If another value is invalid, raises `ValueError` and
        changes nothing.
        """
        with CHANGES.lock():
            self._state.supersede(self._snapshot.refreshed(time.time(), time.monotonic(), fresh_access))


@dataclass(init=False, repr=False, eq=False)
class RefreshingToken(OAuthToken):
    """A token that refreshes itself when it is read and due for a refresh: see `is_expiring`.

    With a token file or another store, refreshed tokens are saved there and shared with every other process that uses
    it. `access_token` and `as_auth()` raise `InvalidGrant` when the user has to log in again. After any other failure,
    they return the old token while it is valid, and then raise the `OAuthError` of the failure. Decorate a
    subclass with `@dataclass(init=False, repr=False, eq=False)`, or not at all: another `repr` would show the tokens.

    If the program has set up `logging`, the logger with the name of this package records what happens. A record has the
    attributes `event`, `store` (the path or the kind of the store) and those in the last column:

    | `event` | level | when | other attributes |
    |---|---|---|---|
    | `refreshed` | INFO | there is a new access token | `seconds`; `rotated`: whether the refresh token is new |
    | `adopted` | INFO | a newer token was in the store | |
    | `refused` | WARNING | the refresh failed, and something has to be changed | `error`: the class; `reason` |
    | `failed` | WARNING | the refresh failed, and may succeed later | `error`, `reason` |
    | `will_retry` | INFO | after a failure, or if the lock was taken | `what`: server or store; `seconds` until then |
    | `waited_for_lock` | INFO | another process had the lock, or locks are slow | `seconds`; `taken`: it still has it |
    | `conflict` | INFO | another program wrote into the store meanwhile | |
    | `save_failed` | WARNING | the token could not be written into the store | `error`, `reason` |
    | `store_failed` | WARNING | the store could not be read or locked | `error`, `reason` |
    """

    credentials: Credentials
    """What refreshes the token."""
    _local_cache: Path | None = None

    def __init__(
        self,
        credentials: Credentials,
        _local_cache: Path | None = None,
        *,
        scope: DefaultScope,
        token_type: Bearer,
        access_token: str,
        refresh_token: str,
        expires_at: int = 0,
        expires_in: int = 0,
    ) -> None:
        self._state = _state(token_dict(locals()))
        self._connect(credentials, None if _local_cache is None else FileStore(_local_cache))

    def _connect(self, credentials: Credentials, store: TokenStore | None) -> None:
        if not callable(getattr(credentials, "refresh_token", None)):
            raise TypeError("credentials must be a Credentials")
        self.credentials = credentials
        self._local_cache = _path_of(store)
        self._refresher = Refresher(self._state, store)

    def __getstate__(self) -> dict[str, object]:
        with CHANGES.lock():
            state = copy(self._state)  # one for both: a copy must not share what the original remembers
            return {**vars(self), "_state": state, "_refresher": Refresher(state, self._refresher.store)}

    @classmethod
    def load(cls, credentials: Credentials, store: str | os.PathLike[str] | TokenStore) -> RefreshingToken:
        """Load the token from a file or another store, and keep it fresh there from now on.

        Raises `TokenFileError` or `TokenStoreError`, and `TokenFileNotFound`, which is also a `FileNotFoundError`.
        """
        token, kept_in = cls.__new__(cls), _as_store(store)
        values = load_token(kept_in)
        token._state = _state(values, last_read=values)
        token._connect(credentials, kept_in)
        return token

    @classmethod
    def from_dict(cls, credentials: Credentials, values: Mapping[str, object]) -> RefreshingToken:
        """Make a token from a dictionary, for example from a database or another program.

        Accepts what a token file may contain: other keys are ignored, and numbers may be floats, or whole numbers as
        text. Without times, the token is refreshed at its first use. Raises `ValueError`.
        """
        return cls(credentials, **stored_token(values))

    @classmethod
    def from_json_text(cls, credentials: Credentials, text: str) -> RefreshingToken:
        """Make a token from the text of a token file, for example from an environment variable.

        Raises `TokenStoreError`.
        """
        return cls(credentials, **parse_token_text(text, "Pass the text of a token file."))

    @classmethod
    def prompt_for_token(
        cls, credentials: OAuthCredentials, open_browser: bool = False, to_file: str | None = None
    ) -> RefreshingToken:
        """Log in: show the link and the code, and poll. At a terminal, Enter polls sooner.

        `open_browser` also opens the link. `to_file` stores the token there and keeps it fresh.
        Raises what `get_code` and `wait_for_token` raise; before that, `TokenFileError` if the file is not a token file
        or cannot be written, and `RuntimeError` if there is no standard output.
        """
        from ._terminal import prompt

        store = None if to_file is None else FileStore(to_file)
        if store is not None:
            with suppress(TokenFileNotFound):
                load_token(store)
            store.check_writable()
        token = cls(credentials, **prompt(credentials, browser=open_browser))
        if store is not None:
            token.keep_in(store)
        return token

    def keep_in(self, store: str | os.PathLike[str] | TokenStore) -> None:
        """Save a new login in a file or another store, and keep it fresh there from now on.

        Replaces the text that is there, even if it is not a token. In the token's own store, a newer token is adopted
        instead. If the token cannot be saved, warns, and tries again when it is next used. Does nothing during a
        refresh by the same thread.
        """
        self._move(_as_store(store), must_save=False)

    @property
    def local_cache(self) -> Path | None:
        """The file in which the token is kept. Assigning a path also writes the token to it.

        During a refresh by the same thread, an assignment does nothing.
        """
        return self._local_cache

    @local_cache.setter
    def local_cache(self, path: Path | None) -> None:
        self._move(None if path is None else FileStore(path), must_save=True)

    def _move(self, store: TokenStore | None, *, must_save: bool) -> None:
        try:
            self._refresher.move(self.credentials, store, must_save=must_save)
        finally:
            self._local_cache = _path_of(self._refresher.store)

    def store_token(self, path: str | None = None) -> None:
        """Write the current values to a file, or to the token's own store if it has one. Raises `TokenStoreError`.

        A newer token in its own store is adopted instead. Does not write to its own store during a refresh by the same
        thread (for example in a signal handler), because that ends with a save.
        """
        store = None if path is None else FileStore(path)
        if store is None or store == self._refresher.store:
            self._refresher.save(self.credentials)
        else:
            Refresher(State(self._snapshot, is_new_login=True), store).save(self.credentials)

    @property
    def is_saved(self) -> bool:
        """Whether there is nothing to save. True without a store, and for unchanged values of the constructor.

        Does not look into the store.
        """
        return self._refresher.store is None or not self._state.is_dirty

    def refresh(self, rejected: str | None = None) -> None:
        """Get another access token, even if this one has not expired, for example after a 401. Raises an `OAuthError`.

        Pass the access token, or the Authorization header, that the server rejected: then nothing is sent if another
        thread or process has refreshed the token since.
        """
        self._refresher.refresh(self.credentials, rejected)

    def refresh_ahead(self, seconds: float) -> None:
        """Refresh the token if it is due, or if fewer than `seconds` (at most half its lifetime) are left.

        Call it from a timer of your own, so that no read has to wait. While the token is valid, only `InvalidGrant` is
        raised; after that, any failure is.
        """
        self._refresher.ensure_valid(self.credentials, Goal(ahead=seconds))

    def as_auth(self) -> str:
        """Return the value of an Authorization header (RFC 6750 2.1). May refresh the token first."""
        state = self._state
        snapshot = state.snapshot
        fresh = snapshot.fresh
        # `_usable` and `covers`, inlined: this runs before every request, and `make bench` limits its cost.
        is_fresh = fresh.not_before <= time.time() < fresh.not_after and time.monotonic() < fresh.deadline
        if is_fresh and (snapshot.token is state.clean or self._refresher.store is None):
            return snapshot.authorization
        return self._usable().authorization

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RefreshingToken) or not super().__eq__(other):
            return False
        return self.credentials == other.credentials and self._refresher.store == other._refresher.store

    def _usable(self) -> Snapshot:
        state = self._state
        snapshot = state.snapshot
        fresh = snapshot.fresh
        is_fresh = fresh.not_before <= time.time() < fresh.not_after and time.monotonic() < fresh.deadline
        if is_fresh and (snapshot.token is state.clean or self._refresher.store is None):
            return snapshot
        return self._refresher.ensure_valid(self.credentials)


def setup_oauth(
    client_id: str,
    client_secret: str,
    filepath: str | None = None,
    session: Session | None = None,
    proxies: dict[str, str] | None = None,
    open_browser: bool = False,
) -> RefreshingToken:
    """Log in at the terminal, as ytmusicapi's function of this name does: see `RefreshingToken.prompt_for_token`."""
    credentials = OAuthCredentials(client_id, client_secret, session, proxies)
    return RefreshingToken.prompt_for_token(credentials, open_browser, filepath)


def _state(values: RefreshableTokenDict, last_read: RefreshableTokenDict | None = None) -> State:
    return State(Snapshot(time.time(), time.monotonic(), values), last_read=last_read, clean=values)


def _as_store(store: str | os.PathLike[str] | TokenStore) -> TokenStore:
    if isinstance(store, (str, os.PathLike)):
        return FileStore(store)
    if not (hasattr(store, "read") and hasattr(store, "replace") and hasattr(store, "lock")):
        raise TypeError("A store is a path, or an object with the methods of TokenStore")
    return store


def _path_of(store: TokenStore | None) -> Path | None:
    return Path(store.path) if isinstance(store, FileStore) else None
