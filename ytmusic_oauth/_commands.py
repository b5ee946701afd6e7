# SPDX-License-Identifier: MIT
"""The commands of the command line, one function each; `login` has a module of its own.

Results go to standard output, everything else to standard error. Only `token` and `header` print a secret, the access
token. Errors are raised; `_command_line` prints them and chooses the exit status.
"""

from __future__ import annotations

import json
import os
import time
from typing import Final

from ._file_store import FileStore
from ._options import Options
from ._refresher import load_token
from ._snapshot import Snapshot
from ._terminal import ask, can_ask, duration, local_time, write_message, write_result
from .exceptions import ServerError, TokenFileError
from .token import OAuthToken, RefreshingToken

# Seconds to wait for a refresh by another process.
_LOCK_WAIT: Final = 40.0


def token(options: Options) -> None:
    """Print the access token, refreshed first if it is due."""
    write_result(_usable(options).access_token)


def header(options: Options) -> None:
    """Print the Authorization header with the access token, refreshed first if it is due."""
    write_result(f"Authorization: {_usable(options).as_auth()}")


def _usable(options: Options) -> OAuthToken:
    values = load_token(FileStore(options.file))
    token = OAuthToken(**values)
    return RefreshingToken.load(options.client(values), options.file) if token.is_expiring else token


def status(options: Options) -> None:
    """Show the scope and the expiry of the stored token: no secret, no network."""
    token = load_token(FileStore(options.file))
    wall, monotonic = time.time(), time.monotonic()
    snapshot = Snapshot(wall, monotonic, token)
    seconds_left = int(snapshot.valid.seconds_left(wall, monotonic))
    is_expiring = not snapshot.fresh.covers(wall, monotonic)
    if options.json:
        public = {key: value for key, value in token.items() if key not in {"access_token", "refresh_token"}}
        file = os.path.abspath(options.file)
        write_result(json.dumps({"file": file, **public, "seconds_left": seconds_left, "is_expiring": is_expiring}))
        return
    has_refresh_token = bool(token["refresh_token"])
    expiry = f"expires in {duration(seconds_left)}, at {local_time(token['expires_at'])}" if seconds_left else "expired"
    next_use = "; the next use refreshes it" if is_expiring and has_refresh_token else ""
    present = "present (only the server knows whether it is still valid)" if has_refresh_token else "none"
    write_result(f"file           {options.file}")
    write_result(f"scope          {token['scope']}")
    write_result(f"access token   {expiry}{next_use}")
    write_result(f"refresh token  {present}")


def refresh(options: Options) -> None:
    """Get a new access token now, even if the old one is fresh."""
    client = options.client(load_token(FileStore(options.file)))
    token = RefreshingToken.load(client, options.file)
    token.refresh()
    token.store_token()  # save again: a failed save is an error here, and refresh() only warns
    write_message(f"Refreshed. The access token is valid until {local_time(token.expires_at)}.")


def revoke(options: Options) -> None:
    """End the login, for every program that uses it."""
    client = options.client(load_token(FileStore(options.file)), revokes=True)
    if not options.yes:
        if not can_ask():
            raise ValueError("Revoking needs a confirmation: without a terminal, pass --yes")
        write_message(f"This ends the login in {options.file}, for every program that uses it.")
        if client.endpoints.is_google:
            write_message("Google ends every grant that you gave to the Cloud project, not this one alone.")
        if ask("Continue? [y/N] ").lower() not in {"y", "yes"}:
            raise KeyboardInterrupt
    try:
        with FileStore(options.file).lock(_LOCK_WAIT):  # a concurrent refresh may rotate the refresh token
            token = load_token(FileStore(options.file))
            client.revoke_token(token["refresh_token"] or token["access_token"])
    except TimeoutError:
        problem = f"Another process has held the lock of the token for {_LOCK_WAIT:.0f} s"
        raise TokenFileError(problem, path=options.file, retryable=True) from None
    except ServerError as error:
        if error.error != "invalid_token":  # Google's, if the login has already ended
            raise
    write_message(f"Revoked. {options.file} can no longer be used.")
