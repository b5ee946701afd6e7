# SPDX-License-Identifier: MIT
"""Reads the JSON of the vectors; and the defaults that more than one kind has."""

from __future__ import annotations

import base64
import json
from typing import Final

from .errors import Object

__all__ = ["NOW", "TOKEN", "as_bytes", "as_list", "as_object", "as_seconds", "joined", "text_at", "whole_at"]

NOW: Final = 1_700_000_000
TOKEN: Final[Object] = {
    "scope": "music",
    "token_type": "Bearer",
    "access_token": "ya29.old",
    "refresh_token": "1//old",
    "expires_at": NOW,
    "expires_in": 3599,
}


def as_object(value: object) -> Object:
    assert isinstance(value, dict)
    return value


def as_list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def text_at(given: Object, key: str, default: str) -> str:
    value = given.get(key, default)
    assert isinstance(value, str)
    return value


def as_seconds(value: object) -> float:
    assert isinstance(value, (int, float))
    return value


def whole_at(given: Object, key: str, default: int) -> int:
    value = given.get(key, default)
    assert isinstance(value, int)
    return value


def joined(value: object) -> str:
    """Return the text of a string, or of a list of strings and `{"repeat": string, "times": n}`."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return text_at(value, "repeat", "") * whole_at(value, "times", 0)
    return "".join(joined(piece) for piece in as_list(value))


def as_bytes(given: Object) -> bytes:
    if "json" in given:
        return json.dumps(given["json"]).encode()
    if "base64" in given:
        return base64.b64decode(text_at(given, "base64", ""), validate=True)
    return joined(given.get("text", "")).encode()
