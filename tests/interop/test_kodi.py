# SPDX-License-Identifier: MIT
"""Kodi's own classes fit the recipe, as their stubs say. Its methods do nothing there."""

from __future__ import annotations

from pathlib import Path

import pytest
import xbmc
import xbmcaddon
import xbmcgui

from tests.porting.fake_google import FakeGoogle
from tests.recipes.kodi import SettingsStore, explanation, login
from tests.support import client
from ytmusic_oauth import InvalidGrant, RefreshingToken, TokenStoreError

pytestmark = pytest.mark.beside("Kodistubs")


def test_kodis_classes_fit(server: FakeGoogle, tmp_path: Path) -> None:
    addon, store = xbmcaddon.Addon(), SettingsStore(xbmcaddon.Addon, str(tmp_path))
    with pytest.raises(TokenStoreError):
        RefreshingToken.load(client(server), store)
    # The stub of `waitForAbort` returns True, and that of `iscanceled`, too.
    assert login(addon, xbmc.Monitor(), xbmcgui.DialogProgress(), client(server), store) is None
    assert explanation(addon, InvalidGrant()) == "The login has ended. Please log in again."
