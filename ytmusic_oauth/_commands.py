# SPDX-License-Identifier: MIT
"""The commands of the command line, one function each; `login` has a module of its own.

Results go to standard output, everything else to standard error. Only `token` and `header` print a secret, the access
token. Errors are raised; `_command_line` prints them and chooses the exit status. Modules that only an expired token
needs are imported where they are used.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from ._file_store import FileStore
from ._options import Options, UnknownClient
from ._output import duration, local_time, write_message, write_result
from ._snapshot import Snapshot, no_refresh_token
from ._store_access import cause, load_token, located
from .exceptions import ServerError, TokenFileError, TokenStoreError
from .models import RefreshableTokenDict

if TYPE_CHECKING:
    from .token import RefreshingToken


def login(options: Options) -> None:
    """Log in with a code that is confirmed on another device, and write the token file."""
    from ._login import login

    login(options)


def token(options: Options) -> None:
    """Print the access token, refreshed first if it is due."""
    write_result(_usable(options).access_token)


def header(options: Options) -> None:
    """Print the Authorization header with the access token, refreshed first if it is due."""
    write_result(f"Authorization: {_usable(options).authorization}")


def _usable(options: Options) -> Snapshot:
    values, wall, monotonic = load_token(FileStore(options.file)), time.time(), time.monotonic()
    snapshot = Snapshot(wall, monotonic, values)
    is_valid = snapshot.valid.covers(wall, monotonic)
    is_due = not snapshot.fresh.covers(wall, monotonic) and bool(snapshot.refresh_token or not is_valid)
    try:
        return _refreshable(options, values)._usable() if is_due else snapshot
    except UnknownClient:
        if is_valid:
            return snapshot
        raise


def _refreshable(options: Options, values: RefreshableTokenDict) -> RefreshingToken:
    if not values["refresh_token"] and values["expires_at"] <= time.time():
        raise no_refresh_token()  # before a client is asked for
    from ._client_choice import choose_client
    from .token import RefreshingToken

    return RefreshingToken.load(choose_client(options, values), options.file)


def status(options: Options) -> None:
    """Show the stored token: no secret, no network without `--check`.

    Raises `UnknownClient` or `InvalidGrant` if it has expired and cannot be refreshed unattended, and `ValueError` for
    wrong usage.
    """
    from ._client_choice import choose_client

    store = FileStore(options.file)
    token = load_token(store)
    if options.check:
        if not token["refresh_token"] and token["expires_at"] > time.time():
            raise ValueError("--check asks the server for a new token, but this login has no refresh token")
        token = _refreshed(options, token).as_dict()
    wall, monotonic = time.time(), time.monotonic()
    snapshot = Snapshot(wall, monotonic, token)
    seconds_left = int(snapshot.valid.seconds_left(wall, monotonic))
    is_expiring = not snapshot.fresh.covers(wall, monotonic)
    problem: Exception | None = None
    try:
        client = choose_client(options, token, may_ask=False)
        known = f"{client.client_id} at {client.endpoints.token_url}"
    except UnknownClient as error:
        problem, known = error, f"{error}"
    if not token["refresh_token"]:
        problem = no_refresh_token()
    next_use = "; the next use refreshes it" if is_expiring and problem is None else ""
    problem = None if seconds_left else problem
    if options.json:
        public = {key: value for key, value in token.items() if key not in {"access_token", "refresh_token"}}
        times = {"seconds_left": seconds_left, "is_expiring": is_expiring, "is_usable": problem is None}
        write_result(json.dumps({"file": store.absolute, **public, **times}))
    else:
        expiry = f"expires in {duration(seconds_left)}, at {local_time(token['expires_at'])}"
        present = "valid" if options.check else "present (only the server knows whether it is still valid: --check)"
        write_result(f"file           {options.file}")
        write_result(f"client         {known}")
        write_result(f"scope          {token['scope']}")
        write_result(f"access token   {expiry if seconds_left else 'expired'}{next_use}")
        write_result(f"refresh token  {present if token['refresh_token'] else 'none'}")
    if problem is not None:
        raise problem


def refresh(options: Options) -> None:
    """Get a new access token now, even if the old one is fresh."""
    token = _refreshed(options, load_token(FileStore(options.file)))
    write_message(f"Refreshed. The access token is valid until {local_time(token.expires_at)}.")


def _refreshed(options: Options, values: RefreshableTokenDict) -> RefreshingToken:
    token = _refreshable(options, values)
    token.refresh()
    token.store_token()  # save again: a failed save is an error here, and refresh() only warns
    return token


def revoke(options: Options) -> None:
    """End the login, for every program that uses it, and remove its files."""
    from ._client_choice import choose_client
    from ._cycle import LOCK_WAIT, lock_is_taken
    from ._terminal import ask, can_ask

    store = FileStore(options.file)
    client = choose_client(options, load_token(store), revokes=True)
    if not options.yes:
        if not can_ask():
            raise ValueError("Revoking needs a confirmation: without a terminal, pass --yes")
        write_message(f"This ends the login in {options.file}, for every program that uses it.")
        if client.endpoints.is_google:
            write_message("Google ends every grant that you gave to the Cloud project, not this one alone.")
        if ask("Continue? [y/N] ").lower() not in {"y", "yes"}:
            raise EOFError("Nothing was revoked.")
    try:
        with store.lock(LOCK_WAIT):  # a concurrent refresh may rotate the refresh token
            before, token, done = store.read() or "", load_token(store), "Revoked."
            try:
                client.revoke_token(token["refresh_token"] or token["access_token"])
            except ServerError as error:
                if error.error != "invalid_token":
                    raise
                done = "The server does not know this login: it has already ended, or another server issued it."
            is_removed = _remove(store, before, done)
    except TimeoutError:
        raise located(store, lock_is_taken()) from None
    write_message(f"{done} {options.file} {'has no' if is_removed else 'was kept: it has another'} token now.")


def _remove(store: FileStore, before: str, done: str) -> bool:
    try:
        if is_removed := store.remove(before):
            store.forget_client()
    except TokenStoreError as error:
        problem = f"{done} But this file is left: {cause(error)}"
        raise TokenFileError(problem, path=error.path, advice="Remove it.") from None
    return is_removed
