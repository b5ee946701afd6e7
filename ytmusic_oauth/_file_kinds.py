# SPDX-License-Identifier: MIT
"""What is there instead of a token, why a system call failed, and what to do next. Pure; loaded only for an error.

People have many credential files. An error that names the kind saves them a search.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ._validation import is_object, json_object

_ELSEWHERE: Final = "Log in, with another path for the token file."
#: A folder where the token file should be: the kind, and what to do next.
FOLDER: Final = (
    "this is a folder",
    "Name a file in it. Docker makes an empty folder for a missing file: remove that with rmdir, and create the file.",
)
_AUTHORIZED_USER: Final = (
    "this is a file in Google's authorized_user format",
    "Convert it (the recipe authorized_user.py shows how), or log in, with another path for the token file.",
)
_CLIENT: Final = ("this is the OAuth client, not the token", f"Pass it as the client (--client-secrets). {_ELSEWHERE}")
_COOKIES: Final = ("these are cookies, not an OAuth token", _ELSEWHERE)
_PAGE: Final = ("this is a web page, perhaps that of a failed download", _ELSEWHERE)
_PICKLE: Final = ("this is a Python pickle, which Google's older examples write", _ELSEWHERE)
_UTF16: Final = ("this is text in UTF-16, which PowerShell writes", "Save it as UTF-8.")
_DATABASE: Final = ("this is a database, such as a browser's cookies", _ELSEWHERE)

# How the text begins -> the kind.
_BEGINNINGS: Final = MappingProxyType(
    {"# Netscape HTTP Cookie File": _COOKIES, "# HTTP Cookie File": _COOKIES, "<": _PAGE, "SQLite format 3": _DATABASE}
)
# How the bytes begin -> the kind.
_MAGIC: Final = MappingProxyType({b"\xff\xfe": _UTF16, b"\xfe\xff": _UTF16, b"\x80": _PICKLE, b"SQLite ": _DATABASE})

# The error number of a failed system call -> what to do next.
_ADVICE: Final[Mapping[int | None, str]] = MappingProxyType(
    {
        errno.ENOSPC: "Make room on the disk.",
        errno.EDQUOT: "Make room: the quota of this user is used up.",
        errno.EROFS: "Mount the file system for writing, or use another path.",
        **dict.fromkeys((errno.EACCES, errno.EPERM), "Check the owner and the permissions of the file and its folder."),
        errno.ENOENT: "Create the folder first.",
        errno.EBADF: "Open it, for example with > FILE.",
        errno.ENOTDIR: "Check the path: a part of it is a file, not a folder.",
        errno.ENAMETOOLONG: "Use a shorter name.",
        errno.ELOOP: "Check the symbolic links: they lead in a circle.",
        errno.EIO: "Check the disk: it may be failing.",
        **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Look for what leaves files open, in this program or another."),
    }
)


def advice_for(number: int | None) -> str:
    """Return what to do about a failed system call."""
    return _ADVICE.get(number, "Check the path, the permissions and the disk.")


def kind_of_bytes(content: bytes) -> tuple[str, str]:
    """Return the kind of content that is not text, and what to do next."""
    return next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), ("it is not UTF-8", _ELSEWHERE))


def kind_of_text(text: str) -> tuple[str, str] | None:
    """Return the kind of a text that is not a token, and what to do next; None for an unknown kind."""
    for beginning, kind in _BEGINNINGS.items():
        if text.lstrip().startswith(beginning):
            return kind
    try:
        values = json_object(text)
    except ValueError:
        return None
    keys = {key.lower() for key in values}
    if values.get("type") == "service_account":
        return "this is the key of a service account, but YouTube Music needs a user's login", _ELSEWHERE
    if keys >= {"token", "refresh_token"}:
        return _AUTHORIZED_USER
    if is_object(values.get("installed")) or is_object(values.get("web")):
        return _CLIENT
    if "access_token" not in keys and keys >= {"client_id", "client_secret"}:
        return _AUTHORIZED_USER if "refresh_token" in keys else _CLIENT
    if "access_token" not in keys and "cookie" in keys:
        return "these are the headers of a browser (ytmusicapi's browser.json), not an OAuth token", _ELSEWHERE
    return None
