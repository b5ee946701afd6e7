# SPDX-License-Identifier: MIT
"""The errors of a store, translated and with the path of the file, and warnings."""

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
    """Turn what a store raises into a `TokenStoreError`, and name the file if it is one."""
    try:
        yield
    except TokenStoreError as error:
        raise located(store, error) from None
    except Exception as error:  # a driver's message may quote its parameters
        problem = f"The token store failed with {type(error).__name__}"
        raise TokenStoreError(problem, retryable=True) from None


def located(store: TokenStore | None, error: OAuthError) -> OAuthError:
    """Return the error of a store with the path, if it is a file."""
    if isinstance(store, FileStore) and type(error) is TokenStoreError:
        advice = "" if error.advice == TokenStoreError.advice else error.advice
        return TokenFileError(error.problem, path=store.path, key=error.key, retryable=error.retryable, advice=advice)
    return error


def outlook(state: State) -> str:
    """Return a sentence that says what happens to a dirty token when the program ends."""
    if not state.is_dirty:
        return ""
    if state.last_read is None:
        return " If the program ends before that, the login is lost."
    if state.last_read["refresh_token"] != state.snapshot.refresh_token:
        return " The refresh token has changed: if the program ends before that, the next start has to log in again."
    return " The refresh token has not changed: the next start can refresh the token again."


def warn_of_file(store: TokenStore | None) -> None:
    """Warn of a problem with the file itself, if there is one."""
    warning = store.new_warning() if isinstance(store, FileStore) else ""
    if warning:
        warn(warning)


def warn(message: str) -> None:
    """Warn, naming the caller's line: the first one outside of this package."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
    # Without a registry, a second outage is shown again: `warn` shows a text once for each line.
    module = str(frame.f_globals.get("__name__"))
    warnings.warn_explicit(message, RuntimeWarning, frame.f_code.co_filename, frame.f_lineno, module)
