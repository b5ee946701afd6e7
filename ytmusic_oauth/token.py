# SPDX-License-Identifier: MIT
"""The tokens of the seed: a plain one, one that knows when it expires, and one that keeps itself fresh.

A token holds one `Snapshot`, which is replaced as a whole: another thread sees all of a refresh or nothing of it. Its
fields are descriptors that read from it, and so does all that describes a token (`repr`, `==`, `as_dict`, a copy).
Only `access_token` asks first for one that can be used: that is where a `RefreshingToken` refreshes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, KeysView, Mapping
from copy import copy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Generic, TypeVar, overload

from ._file_store import check_writable, read_token
from ._refresher import Refresher
from ._snapshot import Snapshot
from .credentials import Credentials, OAuthCredentials
from .models import BaseTokenDict, Bearer, DefaultScope, RefreshableTokenDict

__all__ = ["OAuthToken", "RefreshingToken", "Token"]

_T = TypeVar("_T")


class _Field(Generic[_T]):
    """A field of a token. To set one by hand is to take on a token that differs in it, as of now."""

    def __init__(self, read: Callable[[Token], _T], default: _T | None = None) -> None:
        self._read, self._default = read, default

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._name = name
        if self._default is None:  # then the class has nothing to show, and a property is what Python reads fastest
            setattr(owner, name, property(self._read, self.__set__))

    @overload
    def __get__(self, token: None, owner: type[object]) -> _T | None: ...
    @overload
    def __get__(self, token: Token, owner: type[object]) -> _T: ...
    def __get__(self, token: Token | None, owner: type[object]) -> _T | None:
        return self._default if token is None else self._read(token)

    def __set__(self, token: Token, value: _T) -> None:
        token._snapshot = Snapshot(time.time(), time.monotonic(), {**token.as_dict(), self._name: value})


@dataclass(kw_only=True, init=False, repr=False, eq=False)
class Token:
    """Base class representation of the YouTubeMusicAPI OAuth token (seed). Raises `ValueError` on an unfit value."""

    scope: _Field[DefaultScope] = _Field(lambda token: token._snapshot.token["scope"])
    token_type: _Field[Bearer] = _Field(lambda token: token._snapshot.token["token_type"])
    access_token: _Field[str] = _Field(lambda token: token._usable().access_token)
    refresh_token: _Field[str] = _Field(lambda token: token._snapshot.token["refresh_token"])
    expires_at: _Field[int] = _Field(lambda token: token._snapshot.token["expires_at"], 0)
    expires_in: _Field[int] = _Field(lambda token: token._snapshot.token["expires_in"], 0)

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
        token: RefreshableTokenDict = {
            "scope": scope,
            "token_type": token_type,
            "access_token": access_token,
            "refresh_token": refresh_token,
            "expires_at": expires_at,
            "expires_in": expires_in,
        }
        self._snapshot: Snapshot = Snapshot(time.time(), time.monotonic(), token)

    @staticmethod
    def members() -> KeysView[str]:
        """The names of the six values, in the order of the file."""
        return dict.fromkeys(field.name for field in fields(Token)).keys()

    def as_dict(self) -> RefreshableTokenDict:
        """The values that are held, without refreshing them."""
        return self._snapshot.token.copy()

    def as_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self._snapshot.token)

    def as_auth(self) -> str:
        """The value of an Authorization header (RFC 6750 2.1)."""
        return self._usable().auth

    @property
    def is_expiring(self) -> bool:
        """Whether it should be refreshed: see `expiry`."""
        return not self._snapshot.fresh.covers(time.time(), time.monotonic())

    def __repr__(self) -> str:
        shown = {**self._snapshot.token, "access_token": "[redacted]", "refresh_token": "[redacted]"}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and type(other) is type(self) and self.as_dict() == other.as_dict()

    def _usable(self) -> Snapshot:
        return self._snapshot


class OAuthToken(Token):
    """A token that can be read from a file and updated, with nobody to refresh it."""

    @staticmethod
    def is_oauth(headers: Mapping[str, object]) -> bool:
        """Whether a dictionary, such as that of a token file, has all six values."""
        return all(key in headers for key in Token.members())

    @classmethod
    def from_json(cls, file_path: Path) -> OAuthToken:
        """Read a token file. Raises `TokenFileError`, or `TokenFileNotFound`, which is a `FileNotFoundError` too."""
        return OAuthToken(**read_token(os.fspath(file_path)))

    def update(self, fresh_access: BaseTokenDict) -> None:
        """Take on a refreshed token that was asked for just now: its life counts from the present (seed).

        Takes a new refresh token, too, where the server sent one. All or nothing: `ValueError` on an unfit value.
        """
        self._snapshot = self._snapshot.renewed(time.time(), time.monotonic(), fresh_access)


@dataclass(init=False, repr=False, eq=False)
class RefreshingToken(OAuthToken):
    """A token that refreshes itself when its `access_token` is read and a minute or less is left of its life (seed).

    With a `local_cache`, the file there is kept fresh, too, together with every other process that uses it.
    `access_token` and `as_auth()` raise `InvalidGrant` when the user has to log in again, and whatever else
    `Credentials.refresh_token` raises; but through passing trouble the old token is answered while it lives.
    """

    credentials: Credentials
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
        super().__init__(
            scope=scope,
            token_type=token_type,
            access_token=access_token,
            refresh_token=refresh_token,
            expires_at=expires_at,
            expires_in=expires_in,
        )
        if not callable(getattr(credentials, "refresh_token", None)):
            raise TypeError("credentials must be a Credentials")
        self.credentials = credentials
        self._local_cache = None if _local_cache is None else Path(_local_cache)
        self._refresher = Refresher(None if _local_cache is None else os.fspath(_local_cache))

    def __getstate__(self) -> dict[str, object]:
        upkeep = copy(self._refresher)  # first: it may be older than the values, and not newer
        return {**vars(self), "_refresher": upkeep}

    @classmethod
    def load(cls, credentials: Credentials, path: str | os.PathLike[str]) -> RefreshingToken:
        """Read a token file, and keep the token fresh in it from now on. Raises as `from_json` does."""
        on_disk = read_token(os.fspath(path))
        token = cls(credentials, Path(path), **on_disk)
        token._refresher = Refresher(os.fspath(path), on_disk)
        return token

    @classmethod
    def prompt_for_token(
        cls, credentials: OAuthCredentials, open_browser: bool = False, to_file: str | None = None
    ) -> RefreshingToken:
        """Log in by way of the terminal: show link and code, wait for Enter, then for the server (seed).

        With `open_browser` the link is opened, too; with `to_file` the token is stored there and kept fresh.
        Raises what `get_code` and `wait_for_token` raise; before that, `TokenFileError` where nothing can be stored.
        """
        from ._terminal import prompt

        if to_file is not None:
            check_writable(to_file)
        values = prompt(credentials, open_browser=open_browser)
        token = cls(credentials, None if to_file is None else Path(to_file), **values)
        if to_file is not None:
            token._refresher.save_new_login(token._snapshot, to_file)
        return token

    @property
    def local_cache(self) -> Path | None:
        """The file that is kept fresh. To set it stores the token there."""
        return self._local_cache

    @local_cache.setter
    def local_cache(self, path: Path | None) -> None:
        if self._refresher.move(self, None if path is None else os.fspath(path)):
            self._local_cache = None if path is None else Path(path)

    def store_token(self, path: str | None = None) -> None:
        """Write the token, as it is, to a file, or to the `local_cache` if there is one. Raises `TokenFileError`.

        In the middle of a refresh of the same thread, as in a signal handler, this and a new `local_cache` do nothing.
        """
        if (target := self._refresher.path if path is None else path) is not None:
            self._refresher.store(self, target)

    def refresh(self) -> None:
        """Get another access token, whatever the clock says: for a caller who got a 401. Raises if it fails."""
        self._tend(now=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RefreshingToken) or not super().__eq__(other):
            return False
        return self.credentials == other.credentials and self.local_cache == other.local_cache

    def _usable(self) -> Snapshot:
        held = self._snapshot
        fresh = held.fresh  # asked before every request, and so without a call of `covers`
        wall, monotonic = time.time(), time.monotonic()
        within = fresh.not_before <= wall < fresh.not_after and monotonic < fresh.deadline
        if within and not self._refresher.is_unsaved:
            return held
        self._tend()
        return self._snapshot

    def _tend(self, *, now: bool = False) -> None:
        self._refresher.ensure_fresh(self, self.credentials, now=now)
