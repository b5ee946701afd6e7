# SPDX-License-Identifier: MIT
"""Validation of values that come from outside: from a server, a file or a caller.

A validator is a function that takes an untrusted value and returns it, converted if need be. It raises `ValueError`
with the reason, which never contains the value, because that may be a secret; of a URL, it may name the host. Past this
module, values are trusted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from .models import Bearer, ClientAuthentication, RefreshableTokenDict

if TYPE_CHECKING:
    from typing import TypeGuard  # Python 3.10

# Ten years, in seconds: longer is a mistake of the server.
_LONGEST: Final = 10 * 365 * 24 * 3600
# The year 5138, in UNIX time: catches timestamps in milliseconds.
_LATEST: Final = 10**11
# Opening brackets in a document, outside of strings. What we read has one, and `authorization_details` (RFC 9396) may
# have a hundred.
_MAX_BRACKETS: Final = 1000
_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # or its beginning: never fails, so linear
# Characters; what is longer would not fit into a header.
_LONGEST_TEXT: Final = 2**16
# A host name, or an IPv6 address. The underscore is not in RFC 1123, but in the names of internal hosts.
_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
_HOST: Final = rf"{_LABEL}(\.{_LABEL})*\.?|\[(?P<ipv6>[0-9a-f:.]+)\]"
_BYTE: Final = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"  # with a leading zero, it would be looked up
_LOOPBACK: Final = rf"({_LABEL}\.)*localhost|127(\.{_BYTE}){{3}}|\[::1\]"
# https to any host, http to this machine only; no user name, no fragment (RFC 3986 3).
_SAFE_URL: Final = re.compile(
    rf"(https://({_HOST})|http://({_LOOPBACK}))(:(?P<port>\d{{1,5}}))?([/?][!-\"$-~]*)?", re.ASCII | re.IGNORECASE
)


# ---- validators ----------------------------------------------------------------------------------


def text(value: object) -> str:
    """Any text, short enough that a token file with three of them is not too long to be read again."""
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
        return value
    raise ValueError("is too long" if isinstance(value, str) else "is not text")


def printable(value: object) -> str:
    """Printable, non-blank text: no control characters."""
    if not text(value).strip() or not text(value).isprintable():
        raise ValueError("is not printable text")
    return text(value)


def user_code(value: object) -> str:
    """What a user has to type, unchanged: printable text of at most 100 characters."""
    if len(printable(value)) > 100:
        raise ValueError("is too long for a code")
    return printable(value)


def visible_ascii(value: object) -> str:
    """An access token, for a header: visible ASCII, not empty (RFC 6750 2.1)."""
    if not re.fullmatch(r"[!-~]+", text(value)):
        raise ValueError("is not visible ASCII")
    return text(value)


def optional_secret(value: object) -> str:
    """A refresh token as stored: as `secret`, or empty if the server gave none."""
    if not re.fullmatch(r"[ -~]*", text(value)):
        raise ValueError("is not printable ASCII")
    return text(value)


def secret(value: object) -> str:
    """A refresh token or a device code, for a form: printable ASCII, not empty (VSCHAR, RFC 6749 appendix A)."""
    if not text(value):
        raise ValueError("is empty")
    return optional_secret(value)


def credential(value: object) -> str:
    """A client id or secret: as `secret`. Surrounding blanks are a copying mistake."""
    if text(value).strip() != value:
        raise ValueError("is surrounded by blanks or line breaks" if text(value).strip() else "is blank")
    return secret(value)


def client_name(value: object) -> str:
    """A client id: as `credential`. It may be shown, so it must not be Google's client secret, swapped with it."""
    if text(value).startswith("GOCSPX-"):
        raise ValueError("looks like a client secret")
    return credential(value)


def client_authentication(value: object) -> ClientAuthentication:
    """How a client authenticates."""
    ways: Mapping[object, ClientAuthentication] = {"post": "post", "basic": "basic", "none": "none"}
    if text(value) not in ways:
        raise ValueError("is not post, basic or none")
    return ways[value]


def boolean(value: object) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise ValueError("is not true or false")
    return value


def extra_parameters(value: object) -> Mapping[str, str]:
    """A server's own parameters for a device authorization request, which must not replace a standard one."""
    if not isinstance(value, Mapping):
        raise ValueError("is not a dictionary")
    if standard := {"client_id", "client_secret", "scope"} & value.keys():
        raise ValueError(f"must not set {min(standard)}: it is a standard parameter")
    parameters: dict[object, object] = {**value}
    if not all(isinstance(each, str) and each.isprintable() for each in (*parameters, *parameters.values())):
        raise ValueError("is not a dictionary of printable text")
    return {text(name): text(each) for name, each in parameters.items()}


def bearer(value: object) -> Bearer:
    """`Bearer`, in any case and with blanks around it: the only token type supported (RFC 6749 7.1, RFC 6750)."""
    if text(value).strip().lower() != "bearer":
        raise ValueError("is not Bearer")
    return "Bearer"


def wire_scope(value: object) -> str:
    """A scope as sent. Twitch and Logto send a list."""
    return text(" ".join(map(text, value)) if is_array(value) else value)


def web_link(value: object) -> str:
    """A link that a browser may open: http or https, never `file:` or `javascript:`."""
    if not re.fullmatch(r"https?://[^/?#\s]\S*", printable(value), re.IGNORECASE):
        raise ValueError("is not a web link")
    return printable(value)


def safe_url(value: object) -> str:
    """A URL to which secrets may be sent: https, or http to this machine."""
    parts = _SAFE_URL.fullmatch(text(value))
    if parts is None or int(parts["port"] or "0") > 65535 or (parts["ipv6"] and not _is_ipv6(parts["ipv6"])):
        raise ValueError(f"is not a valid endpoint: {_url_problem(text(value))}")
    return text(value)


def _url_problem(url: str) -> str:
    """Say what is wrong with a URL. Quotes nothing but a host: the rest may be a secret."""
    scheme, found, rest = url.partition("://")
    authority = re.split(r"[/?#\\]", rest)[0]
    host, _, port = authority.partition(":")
    if not url:
        return "it is empty"
    if not url.isprintable() or " " in url:
        return "it contains a blank, a line break or a control character"
    if not found or scheme.lower() not in {"https", "http"}:
        return "it does not begin with https://"
    if "@" in authority:
        return "it contains a user name"
    if "#" in url:
        return "it has a fragment, the part that begins with #"
    if not authority or authority.startswith(":"):
        return "it has no host"
    if not host.isascii():
        return f"its host is not ASCII: write it as {_punycode(host)}"
    if not url.isascii():
        return "it contains a character that is not ASCII: percent-encode it"
    if scheme.lower() == "http" and not re.fullmatch(rf"({_LOOPBACK})(:.*)?", authority, re.IGNORECASE):
        return "http is for this machine only (localhost, 127.0.0.1 or [::1]); use https"
    if not authority.startswith("[") and port and not (port.isdigit() and int(port) <= 65535):
        return "its port is not a number up to 65535"
    return "its host or its path contains a character that is not allowed there"


def _punycode(host: str) -> str:
    from unicodedata import normalize

    # Not the codec `idna`, which turns "ß" into "ss": that may be another host (RFC 5891).
    labels = normalize("NFKC", host.lower()).split(".")
    return ".".join(each if each.isascii() else f"xn--{each.encode('punycode').decode()}" for each in labels)


def _is_ipv6(address: str) -> bool:
    from ipaddress import IPv6Address

    with suppress(ValueError):
        IPv6Address(address)
        return True
    return False


def wire_seconds(value: object) -> int:
    """A duration that a server sent, from 1 s to ten years. Servers write `3599`, `3599.7` and `"3599"`."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("is not a number of seconds")
    if not 1 <= value <= _LONGEST:  # false for NaN, too
        raise ValueError("is out of range")
    return int(value)


def _whole_number(maximum: int, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is not a whole number")
    if not 0 <= value <= maximum:
        raise ValueError("is out of range")
    return value


# A lifetime as stored: whole seconds, 0 if unknown.
stored_seconds: Final = partial(_whole_number, _LONGEST)
# A time on the wall clock: whole seconds since 1970.
unix_time: Final = partial(_whole_number, _LATEST)


# ---- fields of an object -------------------------------------------------------------------------

_T = TypeVar("_T")


class FieldError(ValueError):
    """The field `key` is missing or invalid."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key} {reason}")
        self.key = key


def validate(name: str, value: object, validator: Callable[[object], _T]) -> _T:
    """Validate one value. Raises `FieldError`."""
    try:
        return validator(value)
    except ValueError as error:
        raise FieldError(name, str(error)) from None


def field(raw: Mapping[str, object], key: str, validator: Callable[[object], _T], default: _T | None = None) -> _T:
    """Return `raw[key]`, validated. A missing or null field gives `default`, or raises `FieldError` without one."""
    value = raw.get(key)
    if value is not None:
        return validate(key, value, validator)
    if default is None:
        raise FieldError(key, "is missing")
    return default


def optional(raw: Mapping[str, object], key: str, validator: Callable[[object], _T], default: _T) -> _T:
    """Return `raw[key]`, validated, or `default` if it is missing or invalid."""
    with suppress(ValueError):
        return validator(raw.get(key))
    return default


def token_dict(raw: Mapping[str, object]) -> RefreshableTokenDict:
    """Return an entire token, its keys in the order of ytmusicapi's files. Ignores other keys. Raises `FieldError`."""
    return {
        "scope": field(raw, "scope", text),
        "token_type": field(raw, "token_type", bearer),
        "access_token": field(raw, "access_token", visible_ascii),
        "refresh_token": field(raw, "refresh_token", optional_secret),
        "expires_at": field(raw, "expires_at", unix_time),
        "expires_in": field(raw, "expires_in", stored_seconds),
    }


def stored_token(raw: Mapping[str, object]) -> RefreshableTokenDict:
    """Return a token as another program may have stored it. Raises `FieldError`.

    Times may be floats, or whole numbers as text; without them, the token has expired. A list of scopes is joined.
    """
    missing = [key for key in ("scope", "token_type", "access_token", "refresh_token") if raw.get(key) is None]
    if missing:
        error = FieldError(", ".join(missing), "is missing" if len(missing) == 1 else "are missing")
        error.key = missing[0]
        raise error
    times = {key: _as_int(raw.get(key)) for key in ("expires_at", "expires_in")}
    return token_dict({**raw, "scope": field(raw, "scope", wire_scope), **times})


def _as_int(value: object) -> object:
    if value is None:
        return 0
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        return int(value)
    return int(value) if isinstance(value, float) and 0 <= value <= _LATEST else value


# ---- JSON ----------------------------------------------------------------------------------------


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether a value is a JSON object: a dict, or another mapping, from a caller's session or credentials."""
    return isinstance(value, (dict, Mapping))


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether a decoded JSON value is an array."""
    return isinstance(value, (list, tuple))


def json_value(document: str) -> object:
    """Parse JSON as `json.loads` does, in bounded time. The last of repeated keys counts.

    Raises `ValueError`, which never quotes the document.
    """
    # Deep nesting ends the whole interpreter in WebAssembly.
    structure = _STRING.sub("", document)
    if structure.count("{") + structure.count("[") > _MAX_BRACKETS:
        raise ValueError("has too many brackets")
    try:
        value: object = json.loads(document, parse_int=_number)
    except json.JSONDecodeError as error:  # its `doc` is the document
        raise ValueError(f"is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return value


def json_object(document: str) -> Mapping[str, object]:
    """Parse a JSON object: see `json_value`."""
    value = json_value(document)
    if not is_object(value):
        raise ValueError("is not a JSON object")
    return value


def _number(digits: str) -> float:
    # Parsing an int of n digits takes O(n²), and none that we need is long.
    return int(digits) if len(digits) <= 20 else float(digits)
