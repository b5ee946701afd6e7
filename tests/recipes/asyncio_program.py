# SPDX-License-Identifier: MIT
"""asyncio: a login that does not block the event loop, and a header for each request.

Requests to the server run in a worker thread. Waiting needs no thread.
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
    """Call `show` with the link and the code, and wait for the user. To cancel the login, cancel the task.

    Raises the `OAuthError` that ends the login, such as `AccessDenied` or `DeviceCodeExpired`.
    """
    sent = time.monotonic()
    code = await asyncio.to_thread(credentials.get_code)
    schedule = DevicePoll(code, sent, time.monotonic())
    show(verification_link(code), code["user_code"])
    while True:
        while seconds := schedule.delay(time.monotonic()):
            await asyncio.sleep(seconds)
        try:
            granted = await asyncio.to_thread(credentials.token_from_code, code["device_code"])
        except OAuthError as error:
            schedule.failed(error, time.monotonic())  # raises the error again if it ends the login
        else:
            return RefreshingToken(credentials, **granted)


async def authorization(token: RefreshingToken) -> str:
    """Return the Authorization header for the next request. Concurrent tasks share one refresh."""
    # In a thread even if the token is fresh: it may still have to be saved, which blocks.
    return await asyncio.to_thread(token.as_auth)
