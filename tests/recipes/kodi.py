# SPDX-License-Identifier: MIT
"""A login in a Kodi add-on, in the language of the user, and the add-on's settings as a token store.

    addon = xbmcaddon.Addon()
    profile = xbmcvfs.translatePath(addon.getAddonInfo("profile"))
    os.makedirs(profile, exist_ok=True)  # Kodi may not have made it yet
    store = os.path.join(profile, "oauth.json")  # or: SettingsStore(xbmcaddon.Addon, profile)
    credentials = OAuthCredentials(client_id, client_secret, UrllibSession(timeout=5))
    try:
        try:
            token = RefreshingToken.load(credentials, store)
        except TokenStoreError:
            token = login(addon, xbmc.Monitor(), xbmcgui.DialogProgress(), credentials, store)  # None: cancelled
    except OAuthError as error:
        xbmcgui.Dialog().ok(addon.getAddonInfo("name"), explanation(addon, error))

Prefer a file. Kodi lets every user of the device read the settings, and backups contain them. `STRINGS` belongs into
`strings.po`, and this into `settings.xml`:

    <setting id="token" type="string" label="30000">
        <level>4</level><default/><visible>false</visible>
        <constraints><allowempty>true</allowempty></constraints>
    </setting>
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

from tests.recipes.dialog import MESSAGE, Dialog, Login
from ytmusic_oauth import FileStore, LoginCancelled, OAuthCredentials, OAuthError, RefreshingToken, TokenStore

__all__ = ["REASONS", "STRINGS", "Addon", "DialogProgress", "Monitor", "SettingsStore", "explanation", "login"]

_HEADING: Final = 30000
_MESSAGE: Final = 30001

# The English of each string. {link} and {code} stay as they are.
STRINGS: Final[Mapping[int, str]] = {
    _HEADING: "Log in to YouTube Music",
    _MESSAGE: MESSAGE,
    30010: "The login has ended. Please log in again.",
    30011: "The login was denied.",
    30012: "The code has expired. Please try again.",
    30013: "There is no connection to the server. Please try again later.",
    30014: "The server has a problem. Please try again later.",
    30015: "The login could not be saved.",
    30016: "The add-on needs another client id and secret.",
    30017: "The date of this device is wrong. Please set it, and try again.",
}
# `error.reason` -> string. The words are the same in every release.
REASONS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("invalid_grant", "unauthorized_client", "no_refresh_token", "token_file_not_found"), 30010),
    **dict.fromkeys(("access_denied", "cancelled"), 30011),
    "expired_token": 30012,
    **dict.fromkeys(("network", "dns", "timeout", "refused", "cut_short", "tls", "proxy", "redirect", "url"), 30013),
    **dict.fromkeys(("rate_limited", "server_error", "malformed", "no_valid_token"), 30014),
    **dict.fromkeys(("token_store", "token_file"), 30015),
    "invalid_client": 30016,
    "clock": 30017,
}


class Addon(Protocol):
    """What is needed of `xbmcaddon.Addon`."""

    def getLocalizedString(self, id: int) -> str: ...
    def getSetting(self, id: str) -> str: ...
    def setSetting(self, id: str, value: str) -> None: ...


class Monitor(Protocol):
    """What is needed of `xbmc.Monitor`."""

    def waitForAbort(self, timeout: float) -> bool: ...


class DialogProgress(Dialog, Protocol):
    """What is needed of `xbmcgui.DialogProgress`."""

    def create(self, heading: str, message: str = "") -> None: ...
    def close(self) -> None: ...


def login(
    addon: Addon, monitor: Monitor, dialog: DialogProgress, credentials: OAuthCredentials, store: str | TokenStore
) -> RefreshingToken | None:
    """Log in, and keep the token in the store. Returns None if the user cancels, or Kodi shuts down.

    Raises the `OAuthError` that ends the login, or that says why the token cannot be saved.
    """
    if isinstance(store, str):
        FileStore(store).check_writable()  # before the user confirms a code
    outcomes: list[RefreshingToken | OAuthError] = []
    dialog.create(_localized(addon, _HEADING))
    try:
        attempt = Login(credentials, dialog, outcomes.append, message=_localized(addon, _MESSAGE))
        while (seconds := attempt.tick()) is not None:
            if monitor.waitForAbort(seconds):
                return None
    finally:
        dialog.close()
    [outcome] = outcomes
    if isinstance(outcome, RefreshingToken):
        outcome.keep_in(store)
        if not outcome.is_saved:
            outcome.store_token()  # raises why
        return outcome
    if isinstance(outcome, LoginCancelled):
        return None
    raise outcome


def explanation(addon: Addon, error: OAuthError) -> str:
    """Return what to tell the user, in their language; in English, if there is no string for the reason."""
    return _localized(addon, REASONS[error.reason]) if error.reason in REASONS else str(error)


def _localized(addon: Addon, string: int) -> str:
    return addon.getLocalizedString(string) or STRINGS[string]


class SettingsStore:
    """A setting of the add-on as a token store. The scripts and services of an add-on can share it."""

    def __init__(self, addon: Callable[[], Addon], profile: str, setting: str = "token") -> None:
        # An object keeps the settings as they were when it was made, so each look needs another one.
        self._addon, self._setting = addon, setting
        os.makedirs(profile, exist_ok=True)
        # Kodi has no lock. That of a file works among its scripts, too; the file itself is never made.
        self._file = FileStore(os.path.join(profile, "token-setting"))

    def read(self) -> str | None:
        """Return the setting; None if it is empty."""
        return self._addon().getSetting(self._setting) or None

    def replace(self, before: str | None, after: str) -> bool:
        """Compare and swap: nothing else writes the setting while the lock is held."""
        if self.read() != before:
            return False
        self._addon().setSetting(self._setting, after)
        if self.read() != after:
            raise OSError("Kodi did not save the setting")
        return True

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        """Lock the setting among the scripts of this device."""
        return self._file.lock(timeout)
