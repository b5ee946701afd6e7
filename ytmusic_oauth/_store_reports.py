# SPDX-License-Identifier: MIT
"""Translates the errors of a store, adds the path of a file to them, and issues warnings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager

from ._file_store import FileStore
from ._state import State
from .exceptions import OAuthError, TokenFileError, TokenStoreError
from .store import TokenStore


@contextmanager
def translated(store: TokenStore) -> Generator[None, None, None]:
    """Turn what a store raises into a `TokenStoreError`, with the path if the store is a file."""
    try:
        yield
    except TokenStoreError as error:
        raise located(store, error) from None
    except Exception as error:  # a driver's message may quote its parameters
        problem = f"The token store failed with {type(error).__name__}"
        raise TokenStoreError(problem, retryable=True) from None


def located(store: TokenStore | None, error: OAuthError) -> OAuthError:
    """Return the error of a store; if the store is a file, with its path."""
    if isinstance(store, FileStore) and type(error) is TokenStoreError:
        advice = "" if error.advice == TokenStoreError.advice else error.advice
        return TokenFileError(error.problem, path=store.path, key=error.key, retryable=error.retryable, advice=advice)
    return error


def outlook(state: State) -> str:
    """Return a sentence that says what happens to a dirty token when the program ends."""
    if not state.is_dirty:
        return ""
    if state.last_read is None:
        return " If the program ends before the token is saved, the login is lost."
    if state.last_read["refresh_token"] != state.snapshot.refresh_token:
        return " The refresh token has changed: if the program ends before it is saved, the user has to log in again."
    return " The refresh token has not changed: after a restart, the program can refresh the token again."


def warn_of_file(store: TokenStore | None) -> None:
    """Warn of a problem with the file itself, if the store is a file and has one."""
    warning = store.new_warning() if isinstance(store, FileStore) else ""
    if warning:
        warn(warning)


def warn(message: str) -> None:
    """Warn, naming the caller's line: the first one outside of this package."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
    # Without a registry, a second outage is shown again: `warnings.warn` shows the same text once for each line.
    module = str(frame.f_globals.get("__name__"))
    warnings.warn_explicit(message, RuntimeWarning, frame.f_code.co_filename, frame.f_lineno, module)
