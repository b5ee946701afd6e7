# SPDX-License-Identifier: MIT
"""A login by way of the terminal."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TextIO

from .credentials import OAuthCredentials
from .models import RefreshableTokenDict
from .protocol import verification_link

__all__ = ["prompt", "say"]


def prompt(credentials: OAuthCredentials, *, open_browser: bool) -> RefreshableTokenDict:
    """Show link and code, wait for Enter, then for the server. Raises what `get_code` and `wait_for_token` raise."""
    code = credentials.get_code()
    link = verification_link(code)
    say(f"Go to {link}")
    say(f"and confirm there that the code is {code['user_code']}")
    if open_browser:
        with suppress(Exception):  # there may be none; the link is on the screen anyway
            import webbrowser

            webbrowser.open(link)
    with suppress(EOFError, OSError, RuntimeError, ValueError):  # standard input is closed, or there is none
        input("Press Enter when it is done, Ctrl-C to abort. ")
    told = False

    def tell(seconds_left: float) -> None:
        nonlocal told
        if not told:
            say(f"Not confirmed yet. Waiting for it; the code lives for {seconds_left / 60:.0f} more minutes.")
        told = True

    return credentials.wait_for_token(code, on_wait=tell)


def say(text: str, *, to: TextIO | None = None, end: str = "\n") -> None:
    """Print a line, to standard output by default: whatever characters a terminal lacks, and nothing that drives it."""
    stream = to or sys.stdout
    encoding = getattr(stream, "encoding", None) or "ascii"
    shown = "".join(character if character.isprintable() else " " for character in text)
    print(shown.encode(encoding, "backslashreplace").decode(encoding), file=stream, end=end, flush=True)
