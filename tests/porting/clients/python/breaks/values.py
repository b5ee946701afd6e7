# SPDX-License-Identifier: MIT
"""Breaks in validation: an invalid value is accepted, or a valid one rejected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from ytmusic_oauth import _redaction
from ytmusic_oauth._validation import bearer, field, printable, text, validate, visible_ascii, web_link, wire_seconds
from ytmusic_oauth.models import Bearer

from .registry import constant, replaces

__all__: list[str] = []

_T = TypeVar("_T")


@replaces(web_link, "a browser is sent to javascript: and file: links", caught_by="invalid-fields/verification-url-*")
def _(value: object) -> str:
    if not re.fullmatch(r"[a-z]+:\S*", printable(value), re.IGNORECASE):
        raise ValueError("is not a link")
    return printable(value)


@replaces(
    visible_ascii,
    "a token that contains a line break adds a header to the request",
    caught_by="invalid-fields/*-header-injection",
)
def _(value: object) -> str:
    if not text(value):
        raise ValueError("is empty")
    return text(value)


@replaces(printable, "a user code can send escape sequences to the terminal", caught_by="invalid-fields/user-code-*")
def _(value: object) -> str:
    if not text(value).strip():
        raise ValueError("is blank")
    return text(value)


@replaces(wire_seconds, "an interval of 0 polls without a pause", caught_by="invalid-fields/interval-*")
def _(value: object) -> int:
    return 0 if value == 0 and not isinstance(value, bool) else wire_seconds(value)


@replaces(wire_seconds, "true is read as one second", caught_by="invalid-fields/expires-in-*")
def _(value: object) -> int:
    return wire_seconds(int(value) if isinstance(value, bool) else value)


@replaces(wire_seconds, "servers that send numbers as strings are not understood", caught_by="responses/expires-in-*")
def _(value: object) -> int:
    if isinstance(value, str):
        raise ValueError("is not a number")
    return wire_seconds(value)


@replaces(bearer, "servers that write bearer in lower case are not understood", caught_by="responses/token-type-*")
def _(value: object) -> Bearer:
    if value != "Bearer":
        raise ValueError("is not Bearer")
    return bearer(value)


@replaces(bearer, "a token of a type that is not supported is sent as Bearer", caught_by="invalid-fields/token-type-*")
def _(value: object) -> Bearer:
    return bearer(text(value) and "Bearer")


@replaces(field, "null is not the same as missing", caught_by="responses/*-null*")
def _(raw: Mapping[str, object], key: str, validator: Callable[[object], _T], default: _T | None = None) -> _T:
    return validate(key, raw[key], validator) if key in raw else field(raw, key, validator, default)


constant(_redaction, "_MAX_SECRETS", 10**9, "a response full of secrets stops the program", caught_by="redaction/*")
