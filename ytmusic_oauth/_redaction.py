# SPDX-License-Identifier: MIT
"""How much of a server's text may be shown: no secret, and nothing that controls a terminal. Pure.

A server may repeat a secret in any spelling: percent-encoded, as JSON inside JSON, with HTML entities, in several of
these at once, cut off, or broken into lines. So text and secrets are decoded until nothing changes, and compared
twice: without blanks, and by letters and digits alone. Eight characters of a secret in a row are enough to drop the
text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

# Characters. A sentence has about a hundred; searching a long text for secrets takes too long.
_MAX_SEARCHED: Final = 4000
_MAX_SHOWN: Final = 300
# The most secrets to search for, and their greatest length together, in characters. A response has about four, and a
# header field has no room for more characters.
_MAX_SECRETS: Final = 50
_MAX_SECRET: Final = 65_536
#: Characters of a secret in a row that must not be shown. A shorter secret is hidden where it is a word.
RUN: Final = 8
# More layers of encoding than any server adds by mistake.
_MAX_LAYERS: Final = 20
_REDACTED: Final = "[redacted]"

# A backslash escape: \uXXXX, \xXX or one character, with all the backslashes before it.
_ESCAPE: Final = r"(?is)\\+(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(.?))"
_CONTROL_ESCAPES: Final = "abfnrtv0"
# A line break in HTML, which may stand inside a word.
_LINE_BREAK: Final = r"(?i)<w?br\s*/?>"


def sanitized(text: str) -> str:
    """Make untrusted text safe to print: one short line without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)[:_MAX_SHOWN]


def redacted(text: object, secrets: Iterable[str], public: Iterable[str] = ()) -> str | None:
    """Return the text, sanitized, if it has no part of a secret; else "[redacted]".

    A secret of fewer than eight characters is replaced where it is a word. What a secret has in common with a `public`
    value, such as the client id, may be shown. Nothing is shown if there are too many secrets to search for. Returns
    None for a non-string, and for text that is empty or too long.
    """
    secrets = [*secrets]
    if not isinstance(text, str) or not 0 < len(text) <= _MAX_SEARCHED:
        return None
    decoded = _decoded(text)
    if decoded is None or len(secrets) > _MAX_SECRETS or sum(map(len, secrets)) > _MAX_SECRET:
        return _REDACTED
    # Right after a backslash or a %, decoding may swallow the first characters of a secret, so the undecoded text is
    # searched, too.
    runs = {*_runs(_solid(decoded)), *_runs(_solid(text))}.difference(*(_runs(_solid(value)) for value in public))
    for secret in secrets:
        plain = _decoded(secret) or secret
        solid = _solid(plain)
        if any(run in runs for form in {solid, _solid(secret)} for run in _runs(form)):
            return _REDACTED
        if 0 < len(solid) < RUN:
            text = _as_word(secret).sub(_REDACTED, text)
            if _as_word(plain).search(_decoded(text) or plain):
                return _REDACTED
    return sanitized(text)


def contains(text: str, *secrets: str) -> bool:
    """Whether a text contains the whole of a secret, also in escapes. A "+" counts as a blank, as in a form.

    True if its escapes cannot be undone, or if there are too many secrets.
    """
    decoded = _decoded(text)
    if decoded is None or len(secrets) > _MAX_SECRETS:
        return True
    whole = _solid(text + decoded).replace("+", "")
    forms = (form for secret in secrets for form in (secret, _decoded(secret) or secret))
    return any(_solid(form).replace("+", "") in whole for form in forms)


def _decoded(text: str) -> str | None:
    """Undo HTML, percent and backslash escapes, until nothing changes. Returns None if that is not possible."""
    if not re.search(r"[&%\\<]", text):
        return text
    from html import unescape
    from urllib.parse import unquote

    with suppress(ValueError):  # a character reference with more digits than Python reads
        for _ in range(_MAX_LAYERS):
            before = text
            text = re.sub(_ESCAPE, _unescaped, re.sub(_LINE_BREAK, " ", unescape(unquote(text))))
            if text == before:
                return text
    return None


def _unescaped(escape: re.Match[str]) -> str:
    if code := escape[1] or escape[2]:
        return chr(int(code, 16))
    return " " if escape[3] in _CONTROL_ESCAPES else escape[3]


def _solid(text: str) -> str:
    return "".join(text.casefold().split())


def _runs(solid: str) -> Iterator[str]:
    for form in (solid, re.sub("[^0-9a-z]", "", solid)):
        yield from (form[start : start + RUN] for start in range(len(form) - RUN + 1))


def _as_word(secret: str) -> re.Pattern[str]:
    # A hyphen or a full stop inside a word does not end it: `code` is not a word in `device-code`.
    return re.compile(rf"(?<![\w-])(?<!\w\.){re.escape(secret)}(?![\w-]|\.\w)", re.IGNORECASE)
