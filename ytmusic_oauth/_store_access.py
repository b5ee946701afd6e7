# SPDX-License-Identifier: MIT
"""Reads a token from a store, turns the errors of a store into ours, and issues warnings."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager

from ._file_store import FileStore
from ._token_text import READ_INTERVAL, READ_PATIENCE, READS, parse_token_text
from .exceptions import OAuthError, TokenFileError, TokenStoreError
from .models import RefreshableTokenDict
from .store import TokenStore


def load_token(store: TokenStore) -> RefreshableTokenDict:
    """Return the token in a store. Raises `TokenStoreError`; for a missing or empty file, `TokenFileNotFound`."""
    give_up_at, reads, token = time.monotonic() + READ_PATIENCE, 0, None
    while token is None:
        reads += 1
        with translated(store):
            text = text_in(store)
            try:
                if text is None:
                    empty = TokenStoreError("There is no token in the store")
                    raise store.not_found() if isinstance(store, FileStore) else empty
                token = parse_token_text(text)
            except TokenStoreError:  # another program may be writing it: many empty a file first, but do not remove it
                exists = isinstance(store, FileStore) and store._content() is not None
                if reads == READS or time.monotonic() >= give_up_at or (text is None and not exists):
                    raise
                time.sleep(READ_INTERVAL)
    warn_of_file(store)
    return token


def text_in(store: TokenStore) -> str | None:
    """Return the text in a store. Raises `TokenStoreError` for anything else, such as the bytes of a driver."""
    text = store.read()
    if text is None or has_type(text, str):
        return text
    raise wrong_store(store, "read must return str or None")


def wrong_store(store: TokenStore, rule: str) -> TokenStoreError:
    """Return the error for a store that breaks a rule of `TokenStore`."""
    return TokenStoreError(f"{type(store).__name__}.{rule}", advice="Correct the class of the store.")


def has_type(value: object, *types: type[object]) -> bool:
    """Whether a value from a store has one of these types, whatever its annotation promises. A bool is not an int."""
    return isinstance(value, types) and not isinstance(value, bool)


@contextmanager
def translated(store: TokenStore | None = None) -> Generator[None, None, None]:
    """Turn what a store raises into a `TokenStoreError`; if `store` is a file, with its path."""
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


def cause(error: TokenStoreError) -> str:
    """Return the reason in an error of `FileStore`, without the beginning, which speaks of a token file."""
    return error.problem.partition(": ")[2] or error.problem


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
