# SPDX-License-Identifier: MIT
"""The command `login`: a conversation at a terminal, or events for a program, that ends with a token file."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Final

from ._client_file import Client, client_document
from ._file_owner import can_others_rename
from ._file_store import FileStore
from ._options import Options
from ._refresher import load_token
from ._terminal import can_ask, duration, is_terminal, local_time, open_browser, write_event, write_message
from .exceptions import TokenFileNotFound, TokenStoreError
from .protocol import verification_link
from .token import RefreshingToken

# Seconds that a login lasts at Google while the app is in "Testing".
_WEEK: Final = 7 * 24 * 3600
# Seconds to keep trying to save a login without a terminal, and between two tries.
_PATIENCE: Final = 60.0
_PAUSE: Final = 2.0


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
    counts_down = not options.json and is_terminal(sys.stderr)

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
    kept = Client(client.client_id, client.client_secret, client.endpoints, client.scope, client.parameters)
    _save(token, options, client_document(kept) if options.remember else None)
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


# ---- a confirmed login is never thrown away ------------------------------------------------------


def _save(token: RefreshingToken, options: Options, client: str | None) -> None:
    """Save a confirmed login and its client. Keeps trying: at a terminal until the user stops it, else for a minute."""
    has_user = can_ask() and not options.json
    give_up_at = float("inf") if has_user else time.monotonic() + _PATIENCE
    told, before = "", None
    try:
        with _stoppable():
            while True:
                try:
                    # First: a crash must not leave the token of one server with the client of another.
                    before = options.forget(unless=client)
                    token.store_token(options.file)
                except TokenStoreError as error:
                    if time.monotonic() >= give_up_at:
                        raise
                    if str(error) != told:
                        how_long = "until you press Ctrl-C" if has_user else f"for {_PATIENCE:.0f} s"
                        write_message(f"{error} The login is confirmed; trying to save it {how_long}.")
                    told = str(error)
                else:
                    break
                time.sleep(_PAUSE)
    except BaseException:
        _rescue(token, options.file)
        raise
    try:
        if client is not None and client != before:
            options.client_store().for_login().replace(None, client)
    except TokenStoreError as error:
        write_message(f"{error} The OAuth client is not kept: pass it to each command.")


def _stoppable() -> ExitStack:
    """Let a terminal that closes, or a `kill`, interrupt as Ctrl-C does, until the stack is closed."""
    handlers = ExitStack()
    for each in (getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)):
        handlers.callback(signal.signal, each, signal.signal(each, signal.default_int_handler))
    return handlers


def _rescue(token: RefreshingToken, path: str) -> None:
    """Save a login in a new private folder, and say where. Never below a folder that other users can rename."""
    with suppress(TokenStoreError):
        if load_token(FileStore(path)) == token.as_dict():  # interrupted after it was saved
            return
    for parent in _places():
        folder = os.path.join(parent, f"ytmusic_oauth-{os.urandom(8).hex()}")
        file = os.path.join(folder, "oauth.json")
        with suppress(OSError):
            if can_others_rename(parent):
                continue
            os.mkdir(folder, 0o700)
            try:
                token.store_token(file)
            except TokenStoreError:
                os.rmdir(folder)
                continue
            write_message(f"The login is kept in {file}, readable only by you. Move that file to {path}.")
            return


def _places() -> Iterator[str]:
    yield os.path.expanduser("~")
    yield from filter(None, map(os.environ.get, ("XDG_RUNTIME_DIR", "TMPDIR", "TEMP")))
    yield from ("/var/tmp", "/tmp", "/dev/shm")
