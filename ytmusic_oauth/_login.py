# SPDX-License-Identifier: MIT
"""The command `login`: a conversation at a terminal, or events for a program, that ends with a token file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Final

from ._client_choice import choose_client
from ._client_file import Client, client_document
from ._cycle import LOCK_WAIT
from ._file_owner import can_others_rename
from ._file_store import FileStore
from ._keyboard import keyboard
from ._options import Options
from ._output import duration, local_time, write_event, write_message
from ._store_access import cause, load_token
from ._terminal import StatusLine, can_ask, open_browser, stoppable, wait
from ._token_text import token_text
from .credentials import OAuthCredentials
from .exceptions import OAuthError, TokenFileError, TokenFileNotFound, TokenStoreError
from .models import AuthCodeDict
from .protocol import verification_link
from .token import RefreshingToken

# Seconds that a login lasts at Google while the app is in "Testing".
_WEEK: Final = 7 * 24 * 3600
# Seconds to keep trying to save a login without a terminal, and between two tries.
_PATIENCE: Final = 60.0
_PAUSE: Final = 2.0
# Seconds between two changes of the countdown.
_TICK: Final = 1.0


def login(options: Options) -> None:
    """Log in with a code that is confirmed on another device, and write the token file."""
    store, has_login = FileStore(options.file), False
    with suppress(TokenFileNotFound):
        has_login = bool(load_token(store))
    store.check_writable()
    client = choose_client(options)
    kept = Client(client.client_id, client.client_secret, client.endpoints, client.scope, client.parameters)
    document = client_document(kept) if options.remember else ""
    confirmed: list[RefreshingToken] = []  # a list, so that `finally` knows whether there is a token
    is_kept = False
    with stoppable(), closing(StatusLine(wanted=not options.json)) as line:
        try:
            line.show(f"Asking {client.endpoints.device_code_url} for a code")
            code = client.get_code()
            line.erase()
            conversation = _Conversation(options, code, line, client.client_secret)
            conversation.begin()
            confirmed.append(RefreshingToken(client, **wait(client, code, conversation.sleep, conversation.on_wait)))
        finally:
            for each in confirmed:
                is_kept = _save(each, options, document, line)
    [token] = confirmed
    if options.json:
        ends = {"expires_at": token.expires_at, "login_ends_at": client.login_ends_at}
        write_event("token", file=FileStore(options.file).absolute, **ends)
    else:
        _report(options, client, token, replaced=has_login, is_kept=is_kept)


class _Conversation:
    """What is said and done until the user has confirmed the code."""

    def __init__(self, options: Options, code: AuthCodeDict, line: StatusLine, client_secret: str) -> None:
        self._options = options
        self._code = code
        self._link = verification_link(code)
        self._secrets = code["device_code"], client_secret
        self._line = line
        self._keyboard = keyboard() if line.is_shown else None
        self._browser_failed: Callable[[], bool] | None = None
        self._told = ""

    def begin(self) -> None:
        """Show the link and the code."""
        code = self._code
        if self._options.json:
            write_event("code", link=self._link, **{key: value for key, value in code.items() if key != "device_code"})
            write_event("waiting", seconds_left=code["expires_in"])
        else:
            text = f"\nOn your phone or computer, go to\n\n    {code['verification_url']}\n\nand enter the code\n\n    "
            text += f"{code['user_code']}\n\nOr open this link, which has the code in it:\n{self._link}\n"
            text += "" if self._line.is_shown else f"\nWaiting; the code expires in {duration(code['expires_in'])}"
            for each in text.split("\n"):
                write_message(each)
        if self._options.open_browser:
            self._browser_failed = open_browser(self._link, *self._secrets)
        elif self._keyboard is not None:
            write_message("Press Enter to open the link in a browser on this machine, or Ctrl-C to stop.")

    def sleep(self, seconds: float, deadline: float) -> bool:
        """Count down. Enter opens the browser; once it was opened, Enter ends the wait, and True is returned."""
        give_up_at = time.monotonic() + seconds
        while (left := give_up_at - time.monotonic()) > 0:
            if self._browser_failed is not None and self._browser_failed():
                self._browser_failed = lambda: False  # told once
                self._tell("No browser could be opened on this machine: open the link yourself.")
            self._line.show(f"Waiting: {duration(deadline - time.monotonic())} left")
            pause = min(left, _TICK) if self._line.is_shown else left
            if self._keyboard is None:
                time.sleep(pause)
            elif self._keyboard.pressed(pause):
                self._line.entered()
                if self._browser_failed is not None:
                    return True
                self._browser_failed = open_browser(self._link, *self._secrets)
        return False

    def on_wait(self, seconds_left: float, failure: OAuthError | None) -> None:
        """Tell why a poll has failed, if it has."""
        problem = "" if failure is None else f"{failure.problem}. Trying again."
        if problem not in {"", self._told}:
            self._tell(problem)
        self._told = problem
        if self._options.json:
            write_event("waiting", seconds_left=int(seconds_left))

    def _tell(self, text: str) -> None:
        self._line.erase()
        write_message(text)


def _report(
    options: Options, client: OAuthCredentials, token: RefreshingToken, *, replaced: bool, is_kept: bool
) -> None:
    """Say how the login went, and what to do next."""
    from shlex import quote

    file, ends_at = FileStore(options.file).absolute, client.login_ends_at
    is_private = False  # on Windows, and for a file of another user, which is written in place
    with suppress(OSError):  # it was moved or removed since
        is_private = not os.stat(file).st_mode & 0o077
    write_message(f"Logged in. The token is in {file}{', readable only by its owner' if is_private else ''}.")
    if not {*client.scope.split()} <= {*token.scope.split()}:  # refused, or an alias: Google's `email` becomes a URL
        write_message(f"You asked for the scope {client.scope}. The scope of the login is {token.scope or 'empty'}.")
    if not token.refresh_token:
        write_message(f"The server gave no refresh token: this login ends on {local_time(token.expires_at)}.")
        write_message("To stay logged in, request one: many servers want the scope offline_access.")
    if ends_at is not None:
        write_message(f"The server ends this login on {local_time(ends_at)}.")
    if client.endpoints.is_google and ends_at is not None and ends_at - time.time() <= _WEEK:
        write_message('Google ends a login after 7 days while the consent screen of the OAuth app is in "Testing".')
        write_message("To keep a login for longer, publish the app and log in again.")
    if client.endpoints.is_google and replaced:
        write_message("The login that was in this file before may still be valid at Google.")
        write_message("`revoke` ends every grant that you gave to the Cloud project, including this login.")
    how = "run" if is_kept else "run this with the same client options"
    write_message(f"To print a header for curl -H @-, {how}:")
    write_message(f"    {options.program} header --file {quote(file)}")


# ---- a confirmed login is never thrown away ------------------------------------------------------


def _save(token: RefreshingToken, options: Options, document: str, line: StatusLine) -> bool:
    """Save a confirmed login and its client. Keeps trying: at a terminal until the user stops it, else for a minute.

    Returns whether the client is kept.
    """
    try:
        has_user = can_ask() and not options.json
        give_up_at = float("inf") if has_user else time.monotonic() + _PATIENCE
        told = ""
        line.erase()
        while True:
            try:
                if not told:
                    _check_lock(options.file)
                token.store_token(options.file)
            except TokenStoreError as error:
                if time.monotonic() >= give_up_at:
                    raise
                if str(error) != told:
                    how_long = "until you press Ctrl-C" if has_user else f"for {_PATIENCE:.0f} s"
                    write_message(f"{error} The login is confirmed; trying to save it {how_long}.")
                told = str(error)
            else:
                # From now on, it may be replaced there: by a refresh, or by another login.
                options.saved_in = FileStore(options.file).absolute
                return _keep(token, options.file, document, LOCK_WAIT)
            time.sleep(_PAUSE)
    except BaseException:
        _save_last(token, options, document)
        raise


def _save_last(token: RefreshingToken, options: Options, document: str) -> None:
    """Save a login before the program ends: first in a new folder, without a lock. SIGKILL may soon follow SIGTERM."""
    from shutil import rmtree

    path = file = options.file
    with suppress(TokenStoreError):  # the working directory was removed
        file = FileStore(path).absolute
    try:
        if not options.saved_in:
            rescued = _rescue(token, options, document)
            if not _is_stored(token, path):
                if rescued:
                    _check_lock(path)
                token.store_token(path)
            options.saved_in = file
            if rescued:
                rmtree(os.path.dirname(rescued), ignore_errors=True)
        _keep(token, path, document, 0.0)
    except (TokenStoreError, KeyboardInterrupt):
        if not options.saved_in and not _rescue(token, options, document):
            write_message("The login was confirmed, but it could not be saved anywhere: log in again.")
    kept_in = options.saved_in
    if kept_in not in {"", file}:
        is_kept = os.path.exists(f"{kept_in}.client")
        rest = f"{kept_in}.client to {path}.client" if is_kept else f"remove {path}.client if `login` wrote it"
        write_message(f"The login is kept in {kept_in}, readable only by you. Move that file to {path}, and {rest}.")


def _check_lock(file: str) -> None:
    """Raise `TokenFileError` if another process holds the lock for longer than a refresh usually takes."""
    try:
        with FileStore(file).lock(_TICK):
            pass
    except TimeoutError:
        problem, advice = "Another process holds the lock of the token", "Wait for it, or stop it."
        raise TokenFileError(problem, path=file, advice=advice) from None


def _keep(token: RefreshingToken, file: str, document: str, wait: float) -> bool:
    """Write the client beside the token file, but only while the file holds this login.

    It must not end up beside another one.
    """
    if not document:
        return False
    kept = FileStore(file).client()
    try:
        with FileStore(file).lock(wait):
            is_ours = _is_stored(token, file)
            # Kept already: an interrupt came just after the client was written.
            if is_ours and (kept.replace(None, document) or kept.read() == document):
                return True
        problem = f"{kept.path} is not a file of this program." if is_ours else f"{file} has another token now."
    except TimeoutError:
        problem = f"Another process holds the lock of {file}."
    except TokenStoreError as error:
        problem = f"{error.path}: {cause(error)}."
    write_message(f"{problem} The OAuth client is not kept: pass it to each command.")
    return False


def _is_stored(token: RefreshingToken, file: str) -> bool:
    with suppress(TokenStoreError):
        return load_token(FileStore(file)) == token.as_dict()
    return False


def _rescue(token: RefreshingToken, options: Options, document: str) -> str:
    """Save a login in a new private folder, never below one that other users can rename. Returns where, if anywhere."""
    for parent in _places():
        folder = os.path.join(parent, f"ytmusic_oauth-{os.urandom(8).hex()}")
        file = os.path.join(folder, "oauth.json")
        with suppress(OSError):
            if can_others_rename(parent):
                continue
            os.mkdir(folder, 0o700)
            try:
                FileStore(file).replace(None, token_text(token.as_dict()))
            except TokenStoreError:
                os.rmdir(folder)
                continue
            options.saved_in = file
            _keep(token, file, document, 0.0)
            return file
    return ""


def _places() -> Iterator[str]:
    named = map(os.environ.get, ("XDG_RUNTIME_DIR", "TMPDIR", "TEMP"))
    yield from filter(None, (os.path.expanduser("~"), *named, "/var/tmp", "/tmp", "/dev/shm"))
