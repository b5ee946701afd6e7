# SPDX-License-Identifier: MIT
"""The commands of the command line: one function each.

Results go to standard output, everything else to standard error. Only `token` and `header` print a secret, the access
token. Errors are raised; `__main__` prints them and chooses the exit status.
"""

from __future__ import annotations

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Final

from ._file_store import FileStore
from ._refresher import load_token
from ._snapshot import Snapshot
from ._terminal import ask, can_ask, duration, local_time, open_browser, write_event, write_message, write_result
from .credentials import OAuthCredentials
from .exceptions import ServerError, TokenFileNotFound
from .protocol import verification_link
from .token import OAuthToken, RefreshingToken

# Seconds to wait for a refresh by another process.
_LOCK_WAIT: Final = 40.0
# Seconds that a login lasts at Google while the app is in "Testing".
_WEEK: Final = 7 * 24 * 3600


class Options(ABC):
    """The options of a command, and the OAuth client that they select."""

    #: the path of the token file
    file: str
    #: the scope to request; None for the default
    scope: str | None = None
    #: whether to open the link in a browser
    open_browser: bool = False
    #: whether to print JSON
    json: bool = False
    #: whether to skip the confirmation
    yes: bool = False

    @abstractmethod
    def client(self) -> OAuthCredentials:
        """Make the OAuth client. May prompt for it, so call this only when needed."""


def login(options: Options) -> None:
    """Log in with a code that is confirmed on another device, and write the token file."""
    store = FileStore(options.file)
    with suppress(TokenFileNotFound):
        load_token(store)
    store.check_writable()
    client = options.client()
    code = client.get_code()
    link = verification_link(code)
    if options.json:
        write_event("code", link=link, **{key: value for key, value in code.items() if key != "device_code"})
    else:
        for line in ("", f"  Go to   {link}", f"  Code    {code['user_code']}", ""):
            write_message(line)
    if options.open_browser:
        open_browser(link)
    counts_down = not options.json and sys.stderr is not None and sys.stderr.isatty()

    def on_wait(seconds_left: float) -> None:
        if options.json:
            write_event("waiting", seconds_left=int(seconds_left))
        else:
            end = " \r" if counts_down else "\n"
            write_message(f"Waiting; the code expires in {duration(seconds_left)}", end=end)

    on_wait(code["expires_in"])
    try:
        granted = client.wait_for_token(code, on_wait=on_wait if options.json or counts_down else None)
    finally:
        if counts_down:
            write_message("")
    token = RefreshingToken(client, **granted)
    token.store_token(options.file)
    ends_at = client.login_ends_at
    if options.json:
        write_event("token", file=os.path.abspath(options.file), expires_at=token.expires_at, login_ends_at=ends_at)
        return
    write_message(f"Logged in. The token is in {options.file}, readable only by you; `token` and `header` print it.")
    if not token.refresh_token:
        write_message(f"The server gave no refresh token: this login ends on {local_time(token.expires_at)}.")
        write_message("For a longer one, ask for it: many servers want the scope offline_access.")
    if ends_at is not None:
        write_message(f"The server ends this login on {local_time(ends_at)}.")
        if client.endpoints.is_google and ends_at - time.time() <= _WEEK:
            write_message('Google ends a login after 7 days while the consent screen of the OAuth app is in "Testing".')
            write_message("To keep a login for longer, publish the app and log in again.")


def token(options: Options) -> None:
    """Print the access token, refreshed first if it is due."""
    write_result(_usable(options).access_token)


def header(options: Options) -> None:
    """Print the Authorization header with the access token, refreshed first if it is due."""
    write_result(f"Authorization: {_usable(options).as_auth()}")


def _usable(options: Options) -> OAuthToken:
    token = OAuthToken(**load_token(FileStore(options.file)))
    return RefreshingToken.load(options.client(), options.file) if token.is_expiring else token


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
    token = RefreshingToken.load(options.client(), options.file)
    token.refresh()
    token.store_token()  # save again: a failed save is an error here, and refresh() only warns
    write_message(f"Refreshed. The access token is valid until {local_time(token.expires_at)}.")


def revoke(options: Options) -> None:
    """End the login, for every program that uses it."""
    load_token(FileStore(options.file))
    client = options.client()
    if not options.yes:
        if not can_ask():
            raise ValueError("Revoking needs a confirmation: without a terminal, pass --yes")
        write_message(f"This ends the login in {options.file}, for every program that uses it.")
        if client.endpoints.is_google:
            write_message("Google ends every grant that you gave to the Cloud project, not this one alone.")
        if ask("Continue? [y/N] ").lower() not in {"y", "yes"}:
            raise KeyboardInterrupt
    with FileStore(options.file).lock(_LOCK_WAIT):  # a concurrent refresh may rotate the refresh token
        try:
            token = load_token(FileStore(options.file))
            client.revoke_token(token["refresh_token"] or token["access_token"])
        except ServerError as error:
            if error.error != "invalid_token":  # Google's, if the login has already ended
                raise
    write_message(f"Revoked. {options.file} can no longer be used.")
