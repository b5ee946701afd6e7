# SPDX-License-Identifier: MIT
"""asyncio: a login that does not block the event loop, and a header for each request.

Requests to the OAuth server run in a worker thread. Waiting needs no thread. `clients/` has recipes for httpx and
aiohttp. Python 3.9 or later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ytmusic_oauth import OAuthCredentials, OAuthError, RefreshingToken
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.protocol import verification_link
from ytmusic_oauth.session import Signable

__all__ = ["AsyncToken", "login"]

_Request = TypeVar("_Request", bound=Signable)


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


class AsyncToken:
    """A token for the tasks of one event loop: `authorization`, or `sign`, for each request.

    While the token is fresh, no thread is used. When it is due, one thread refreshes it, and while it is valid no task
    waits for that. Once it has expired, all tasks wait together; one that is cancelled does not disturb the others.
    """

    def __init__(self, token: RefreshingToken) -> None:
        self.token = token
        # What is under way: refreshes because of the time (None), or of a header that was rejected.
        self._tasks: dict[str | None, asyncio.Task[object]] = {}

    async def authorization(self) -> str:
        """Return the Authorization header for the next request."""
        if self.token.is_expiring or not self.token.is_saved:
            task = self._shared(None, self.token.as_auth)
            if self.token.as_dict()["expires_at"] <= time.time():
                await asyncio.shield(task)
        return f"Bearer {self.token.as_dict()['access_token']}"

    async def sign(self, request: _Request) -> _Request:
        """Set the Authorization header of a request, and return the request."""
        request.headers["Authorization"] = await self.authorization()
        return request

    async def refresh(self, rejected: str) -> None:
        """After a 401: get another access token than that of the header that was sent."""
        if rejected == f"Bearer {self.token.as_dict()['access_token']}":
            await asyncio.shield(self._shared(rejected, partial(self.token.refresh, rejected)))

    def _shared(self, key: str | None, work: Callable[[], object]) -> asyncio.Task[object]:
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(asyncio.to_thread(work))
            task.add_done_callback(partial(self._finished, key))
        return task

    def _finished(self, key: str | None, task: asyncio.Task[object]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # asyncio would log an error that no task has waited for
