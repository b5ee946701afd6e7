# SPDX-License-Identifier: MIT
"""asyncio: a login that waits without a thread, and a header for each request.

What asks a server runs in a worker thread; what only waits does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ytmusic_oauth import OAuthCredentials, OAuthError, RefreshingToken
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.protocol import verification_link

__all__ = ["authorization", "login"]


async def login(credentials: OAuthCredentials, show: Callable[[str, str], None]) -> RefreshingToken:
    """Show link and code, and wait for the user; to cancel it, cancel the task. Raises what ends a login."""
    asked = time.monotonic()
    code = await asyncio.to_thread(credentials.get_code)
    show(verification_link(code), code["user_code"])
    schedule = DevicePoll(code, asked)
    while True:
        while seconds := schedule.delay(time.monotonic()):
            await asyncio.sleep(seconds)
        try:
            granted = await asyncio.to_thread(credentials.token_from_code, code["device_code"])
        except OAuthError as error:
            schedule.failed(error, time.monotonic())
        else:
            return RefreshingToken(credentials, **granted)


async def authorization(token: RefreshingToken) -> str:
    """The Authorization header for the next request. However many tasks ask, one refresh is sent."""
    # Also when the token is fresh: it may still have to be saved, which is no work for the loop.
    return await asyncio.to_thread(token.as_auth)
