# SPDX-License-Identifier: MIT
"""What the command line does: one function for each command.

What was asked for goes to standard output, and all other words to standard error. Only `token` and `header` show a
secret: the one that they were asked for. Each raises what went wrong; `__main__` says it and chooses the exit status.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Final

from ._file_lock import locked
from ._file_store import check_writable, read_token
from ._messages import HttpResponse, Request
from ._snapshot import Snapshot
from ._terminal import say
from ._validation import FieldError, field, is_object, wire_seconds
from .credentials import OAuthCredentials
from .exceptions import ServerError
from .protocol import OAUTH_SCOPE, verification_link
from .token import OAuthToken, RefreshingToken

__all__ = ["Client", "Options", "can_ask", "event", "header", "login", "refresh", "revoke", "status", "tell", "token"]

# Seconds: for so long a login lives at Google while the app is in "Testing".
_WEEK: Final = 7 * 24 * 3600


class Options(ABC):
    """What a command is told."""

    file: str
    scope: str = OAUTH_SCOPE
    open_browser: bool = False
    json: bool = False
    yes: bool = False

    @abstractmethod
    def client(self) -> Client:
        """Make the OAuth client; it may have to be asked for, so nobody does that without need."""


class Client(OAuthCredentials):
    """Notes what a token has no room for: how long the server lets the login live, in seconds."""

    login_lives_for: int | None = None

    def _send(self, request: Request) -> HttpResponse:
        answer = super()._send(request)
        if is_object(answer.body):
            with suppress(FieldError):
                self.login_lives_for = field(answer.body, "refresh_token_expires_in", wire_seconds)
        return answer


def login(options: Options) -> None:
    """Log in with a code that is confirmed on another device, and write the token file."""
    check_writable(options.file)
    client = options.client()
    code = client.get_code()
    link = verification_link(code)
    if options.json:
        event("code", link=link, **{key: value for key, value in code.items() if key != "device_code"})
    else:
        for line in ("", f"  Go to   {link}", f"  Code    {code['user_code']}", ""):
            tell(line)
    if options.open_browser:
        _open_browser(link)
    on_terminal = sys.stderr is not None and sys.stderr.isatty()

    def waiting(seconds_left: float) -> None:
        if options.json:
            event("waiting", seconds_left=int(seconds_left))
        elif on_terminal or seconds_left == code["expires_in"]:
            tell(f"Waiting; the code lives for {_duration(seconds_left)} ", end="\r" if on_terminal else "\n")

    waiting(code["expires_in"])
    try:
        token = RefreshingToken(client, **client.wait_for_token(code, on_wait=waiting))
    finally:
        if on_terminal and not options.json:
            tell("")
    token.store_token(options.file)
    ends_at = None if client.login_lives_for is None else int(time.time()) + client.login_lives_for
    if options.json:
        event("token", file=os.path.abspath(options.file), expires_at=token.expires_at, login_ends_at=ends_at)
        return
    tell(f"Logged in. The token is in {options.file}, for your eyes only; `token` and `header` hand it out.")
    if ends_at is not None:
        tell(f"The server ends this login on {_date(ends_at)}.")
        if client.login_lives_for is not None and client.login_lives_for <= _WEEK:
            tell('Google does so after 7 days while the consent screen of the OAuth app is in "Testing":')
            tell("publish the app and log in again, and it lasts.")


def _open_browser(link: str) -> None:
    """Open a browser that neither holds up the login nor writes into what we say."""
    import subprocess

    with suppress(OSError):
        browser = subprocess.Popen(
            [sys.executable or "python3", "-I", "-m", "webbrowser", link],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        browser.returncode = 0  # nobody waits for it, and Python need not complain of that


def token(options: Options) -> None:
    """Print the access token, refreshed if it is due."""
    show(_usable(options).access_token)


def header(options: Options) -> None:
    """Print the Authorization header with the access token, refreshed if it is due."""
    show(f"Authorization: {_usable(options).as_auth()}")


def _usable(options: Options) -> OAuthToken:
    token = OAuthToken(**read_token(options.file))
    return RefreshingToken.load(options.client(), options.file) if token.is_expiring else token


def status(options: Options) -> None:
    """Tell what the file holds and how long it lasts: no secret, no network."""
    token = read_token(options.file)
    wall, monotonic = time.time(), time.monotonic()
    held = Snapshot(wall, monotonic, token)
    seconds_left = int(held.valid.seconds_left(wall, monotonic))
    is_expiring = not held.fresh.covers(wall, monotonic)
    if options.json:
        public = {key: value for key, value in token.items() if key not in {"access_token", "refresh_token"}}
        file = os.path.abspath(options.file)
        show(json.dumps({"file": file, **public, "seconds_left": seconds_left, "is_expiring": is_expiring}))
        return
    lives = (
        f"lives for {_duration(seconds_left)}, until {_date(token['expires_at'])}" if seconds_left else "has expired"
    )
    show(f"file           {options.file}")
    show(f"scope          {token['scope']}")
    show(f"access token   {lives}{'; the next use refreshes it' if is_expiring else ''}")
    show("refresh token  is there; whether it still counts, only the server knows")


def refresh(options: Options) -> None:
    """Get another access token now, whatever the clock says."""
    token = RefreshingToken.load(options.client(), options.file)
    token.refresh()
    token.store_token()  # again: to save it is what this is for, and a refresh only warns if that fails
    tell(f"Refreshed. The access token lives until {_date(token.expires_at)}.")


def revoke(options: Options) -> None:
    """End the login, for every program that uses it."""
    read_token(options.file)
    client = options.client()
    if not options.yes:
        if not can_ask():
            raise ValueError("revoke asks before it ends a login; where nobody can answer, add --yes")
        tell(f"This ends the login in {options.file}, for every program that uses it.")
        tell("Google ends every grant that you gave to the whole Cloud project. Go on? [y/N] ", end="")
        if input().strip().lower() not in {"y", "yes"}:
            raise KeyboardInterrupt
    with locked(options.file):  # a refresh that is under way may change the refresh token
        try:
            client.revoke_token(read_token(options.file)["refresh_token"])
        except ServerError as error:
            if error.error != "invalid_token":  # what Google says of a login that has ended already
                raise
    tell(f"The login has ended, and {options.file} is of no more use.")


# ---- words ---------------------------------------------------------------------------------------


def can_ask() -> bool:
    """Whether somebody sees a question, and can answer it."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def show(line: str) -> None:
    """Say what was asked for. Raises `OSError` if that cannot be."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    try:
        say(line)
    except OSError as error:
        error.filename = "standard output"
        raise


def tell(line: str, *, end: str = "\n") -> None:
    """Say something beside what was asked for, if anybody listens."""
    if sys.stderr is not None:
        with suppress(OSError):
            say(line, to=sys.stderr, end=end)


def event(kind: str, **parts: object) -> None:
    """Say what happens to whatever program drives a login: a line of JSON."""
    show(json.dumps({"event": kind, **parts}))


def _duration(seconds: float) -> str:
    from datetime import timedelta

    return str(timedelta(seconds=int(seconds)))


def _date(epoch: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(epoch, timezone.utc).astimezone().isoformat(" ", "minutes")
