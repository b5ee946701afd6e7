# SPDX-License-Identifier: MIT
"""Nothing leaves this machine while it is tested: a look-up or connection that is not loopback is an error.

`conftest.py` calls `guard`. The Makefile also puts this file into the environments of the tests and tools. There, every
Python loads it at its start, so it guards the processes that tests start, too.
"""

from __future__ import annotations

import re
import sys

__all__ = ["Offline", "guard"]

_LOCAL = re.compile(r"(|::1?|127(\.\d+){3}|(.*\.)?localhost)", re.IGNORECASE)
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"})
_CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class Offline(BaseException):
    """Not an `Exception`, which the code under test might handle."""


def _check(event: str, arguments: tuple[object, ...]) -> None:
    if not event.startswith("socket."):
        return
    if event in _LOOKUPS:
        where = arguments[0]
    elif event in _CONNECTIONS:
        where = arguments[1]
    else:
        return
    host = where[0] if isinstance(where, tuple) else where
    # A name without an address is that of a UNIX socket.
    if (event in _CONNECTIONS and not isinstance(where, tuple)) or host is None:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if not _LOCAL.fullmatch(name):
        raise Offline(f"{event}: {name} is not this machine")


def guard() -> None:
    """Install the guard. It cannot be removed."""
    sys.addaudithook(_check)


if __name__ == "offline":  # the copy in an environment
    guard()
