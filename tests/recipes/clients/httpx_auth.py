# SPDX-License-Identifier: MIT
"""httpx: `httpx.get(url, auth=TokenAuth(token))`, or `Client(auth=...)`; `AsyncClient(auth=AsyncTokenAuth(...))`.

Without a second try, `auth=token.sign` does it, but not in an `AsyncClient`: a refresh would block the event loop.
Both read the body of a request into memory, to be able to send it again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import NoReturn

import httpx

from tests.recipes.asyncio_program import AsyncToken
from ytmusic_oauth import RefreshingToken

__all__ = ["AsyncTokenAuth", "TokenAuth"]


class TokenAuth(httpx.Auth):
    """Signs each request, and sends it again after a 401, once. Threads can share it."""

    def __init__(self, token: RefreshingToken) -> None:
        self._token = token

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign, and look at the response."""
        request.read()
        response = yield self._token.sign(request)
        rejected = response.request.headers.get("Authorization")  # None: it was redirected to another server
        if response.status_code == 401 and rejected is not None:
            self._token.refresh(rejected)
            yield self._token.sign(request)

    def auth_flow(self, request: httpx.Request) -> NoReturn:
        """Raise an error in an `AsyncClient`, which would send the request unsigned."""
        raise TypeError("an AsyncClient needs AsyncTokenAuth")


class AsyncTokenAuth(httpx.Auth):
    """The same for an `AsyncClient`."""

    def __init__(self, token: AsyncToken) -> None:
        self._token = token

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign, and look at the response."""
        await request.aread()
        response = yield await self._token.sign(request)
        rejected = response.request.headers.get("Authorization")
        if response.status_code == 401 and rejected is not None:
            await self._token.refresh(rejected)
            yield await self._token.sign(request)

    def auth_flow(self, request: httpx.Request) -> NoReturn:
        """Raise an error in a `Client`."""
        raise TypeError("a Client needs TokenAuth")
