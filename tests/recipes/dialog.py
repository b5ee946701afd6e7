# SPDX-License-Identifier: MIT
"""A dialog with a cancel button, on the timer of a GUI: Tk, Qt, Kodi's monitor, a game loop.

The timer calls `tick`, which answers when to call it again. A tick that is due asks the server once, and so takes as
long as the session's time-out at the most: `UrllibSession(timeout=5)`. All others return at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from ytmusic_oauth import LoginCancelled, OAuthCredentials, OAuthError, RefreshingToken
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.protocol import verification_link

__all__ = ["Dialog", "Login"]

# Seconds between two looks at the cancel button.
_TICK = 0.1


class Dialog(Protocol):
    """What is on the screen. Kodi's `xbmcgui.DialogProgress` is nearly one."""

    def update(self, percent: int, message: str) -> None:
        """Show how much of the code's life is over."""
        ...

    def iscanceled(self) -> bool:
        """Whether the user has had enough."""
        ...


class Login:
    """One login; `done` is called at its end, with the token or with what ended it. Raises if there is no code."""

    def __init__(
        self, credentials: OAuthCredentials, dialog: Dialog, done: Callable[[RefreshingToken | OAuthError], None]
    ) -> None:
        self._credentials, self._dialog, self._done = credentials, dialog, done
        self._asked = time.monotonic()
        self._code = credentials.get_code()
        self._schedule = DevicePoll(self._code, self._asked)
        self._message = f"Go to {verification_link(self._code)}\nand confirm the code {self._code['user_code']}"

    def tick(self) -> float | None:
        """Do what is due, and answer in how many seconds to call again; None when it is over."""
        try:
            outcome = self._tick()
        except OAuthError as error:
            outcome = error
        if isinstance(outcome, float):
            return outcome
        self._done(outcome)
        return None

    def _tick(self) -> float | RefreshingToken | OAuthError:
        if self._dialog.iscanceled():
            raise LoginCancelled
        now = time.monotonic()
        self._dialog.update(min(100, int(100 * (now - self._asked) / self._code["expires_in"])), self._message)
        if seconds := self._schedule.delay(now):
            return min(seconds, _TICK)
        try:
            granted = self._credentials.token_from_code(self._code["device_code"])
        except OAuthError as error:
            self._schedule.failed(error, time.monotonic())  # raises it again if it ends the login
            return _TICK
        return RefreshingToken(self._credentials, **granted)
