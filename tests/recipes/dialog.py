# SPDX-License-Identifier: MIT
"""A dialog with a cancel button, on the timer of a GUI: Tk, Qt, a game loop. `kodi.py` uses it in a Kodi add-on.

The timer calls `tick`, which returns the seconds until the next call. A tick that polls the server blocks until it
responds, at most for the timeout of the session: `UrllibSession(timeout=5)`. All other ticks return at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from ytmusic_oauth import LoginCancelled, OAuthCredentials, OAuthError, RefreshingToken
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.protocol import verification_link

__all__ = ["MESSAGE", "Dialog", "Login"]

MESSAGE: Final = "Go to {link}\nand confirm the code {code}"
# Seconds between two checks of the cancel button.
_TICK = 0.1


class Dialog(Protocol):
    """The dialog on the screen. Kodi's `xbmcgui.DialogProgress` fits."""

    def update(self, percent: int, message: str) -> None:
        """Show the message, and how much of the code's lifetime has passed."""
        ...

    def iscanceled(self) -> bool:
        """Whether the user has pressed Cancel."""
        ...


class Login:
    """One login. At its end, `done` is called with the token or with the error that ended it.

    `message` is a translation of `MESSAGE`. For errors, translate the words that may be in `error.reason`.
    The constructor requests the code, and raises an `OAuthError` if that fails.
    """

    def __init__(
        self,
        credentials: OAuthCredentials,
        dialog: Dialog,
        done: Callable[[RefreshingToken | OAuthError], None],
        *,
        message: str = MESSAGE,
    ) -> None:
        self._credentials, self._dialog, self._done = credentials, dialog, done
        self._sent = time.monotonic()
        self._code = credentials.get_code()
        self._schedule = DevicePoll(self._code, self._sent, time.monotonic())
        # Not `format`: a mistake in a translation must not keep the user from logging in.
        message = message.replace("{link}", verification_link(self._code))
        self._message = message.replace("{code}", self._code["user_code"])

    def tick(self) -> float | None:
        """Poll if it is time to. Returns the seconds until the next call, or None at the end."""
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
        self._dialog.update(min(100, int(100 * (now - self._sent) / self._code["expires_in"])), self._message)
        if seconds := self._schedule.delay(now):
            return min(seconds, _TICK)
        try:
            granted = self._credentials.token_from_code(self._code["device_code"])
        except OAuthError as error:
            self._schedule.failed(error, time.monotonic())  # raises the error again if it ends the login
            return _TICK
        return RefreshingToken(self._credentials, **granted)
