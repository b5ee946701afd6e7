# SPDX-License-Identifier: MIT
"""What a value must be: the checks that everything from outside passes once, and is trusted afterwards.

A kind is a function that takes a server's value, a file's or a caller's, and answers it or raises `ValueError` with the
reason. It never quotes the value, which may be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeGuard, TypeVar

from .models import Bearer, RefreshableTokenDict

# fmt: off
__all__ = [
    "FieldError", "bearer", "field", "is_object", "json_object", "printable", "stored_seconds", "text", "token_dict",
    "unix_time", "validate", "visible_ascii", "web_link", "wire_seconds",
]
# fmt: on

# Ten years: no server means more.
_LONGEST: Final = 10 * 365 * 24 * 3600
# The year 5138: today in milliseconds lies beyond it.
_LATEST: Final = 10**11
# One is enough for all that we read; the rest is for keys that nobody knows, and for texts.
_MOST_BRACKETS: Final = 100


def text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise ValueError("is not text")
    return value


def printable(value: object) -> str:
    """Text with something to see in it, and nothing that drives a terminal."""
    if not text(value).strip() or not text(value).isprintable():
        raise ValueError("is not printable text")
    return text(value)


def web_link(value: object) -> str:
    """A link that a browser may be sent to: http or https, no `file:` and no `javascript:`."""
    if not re.fullmatch(r"https?://[^/?#\s]\S*", printable(value), re.IGNORECASE):
        raise ValueError("is not a web link")
    return printable(value)


def visible_ascii(value: object) -> str:
    """Text that fits into a header and a form: visible ASCII, not empty (RFC 6749 appendix A)."""
    if not re.fullmatch(r"[!-~]+", text(value)):
        raise ValueError("is not visible ASCII")
    return text(value)


def bearer(value: object) -> Bearer:
    """`Bearer`, in any case: the one type of token that we know how to send (RFC 6749 7.1, RFC 6750)."""
    if text(value).lower() != "bearer":
        raise ValueError("is not Bearer")
    return "Bearer"


def wire_seconds(value: object) -> int:
    """A time to live or to wait, from 1 s to ten years. Servers write `3599`, `3599.7` and `"3599"`."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("is not a number of seconds")
    if not 1 <= value <= _LONGEST:  # false for NaN, too
        raise ValueError("is out of range")
    return int(value)


def stored_seconds(value: object) -> int:
    """A time to live as it is kept: whole seconds, 0 where nobody knows it."""
    return _whole(value, _LONGEST)


def unix_time(value: object) -> int:
    """A time on the wall clock: whole seconds since 1970."""
    return _whole(value, _LATEST)


def _whole(value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is not a whole number")
    if not 0 <= value <= most:
        raise ValueError("is out of range")
    return value


_T = TypeVar("_T")


class FieldError(ValueError):
    """The entry `key` is missing or of the wrong kind."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key} {reason}")
        self.key = key


def validate(name: str, value: object, kind: Callable[[object], _T]) -> _T:
    """Pass one value through its kind. Raises `FieldError`."""
    try:
        return kind(value)
    except ValueError as error:
        raise FieldError(name, str(error)) from None


def field(raw: Mapping[str, object], key: str, kind: Callable[[object], _T], default: _T | None = None) -> _T:
    """Take one entry, which has to be there unless there is a default; null counts as missing. Raises `FieldError`."""
    value = raw.get(key)
    if value is not None:
        return validate(key, value, kind)
    if default is None:
        raise FieldError(key, "is missing")
    return default


def token_dict(raw: Mapping[str, object]) -> RefreshableTokenDict:
    """Make a whole token, in the order of the seed's files; other keys are ignored. Raises `FieldError`."""
    return {
        "scope": field(raw, "scope", text),
        "token_type": field(raw, "token_type", bearer),
        "access_token": field(raw, "access_token", visible_ascii),
        "refresh_token": field(raw, "refresh_token", visible_ascii),
        "expires_at": field(raw, "expires_at", unix_time),
        "expires_in": field(raw, "expires_in", stored_seconds),
    }


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a piece of decoded JSON is an object."""
    return isinstance(value, dict)


def json_object(document: str) -> Mapping[str, object]:
    """Read a JSON object (RFC 8259) strictly. Raises `ValueError`, in bounded time, without quoting the document."""
    # Deep nesting raises RecursionError, but in WebAssembly it ends the whole interpreter.
    if document.count("{") + document.count("[") > _MOST_BRACKETS:
        raise ValueError("has too many brackets")
    try:
        value: object = json.loads(
            document, object_pairs_hook=_unique, parse_int=_short_int, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError:  # it carries the document
        raise ValueError("is not JSON") from None
    if not is_object(value):
        raise ValueError("is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("has a key twice")
    return result


def _short_int(digits: str) -> int:
    # To read n digits takes n squared steps, and no number that we want has more than a few.
    if len(digits) > 20:
        raise ValueError("has a number that is too long")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"has {name} for a number")
