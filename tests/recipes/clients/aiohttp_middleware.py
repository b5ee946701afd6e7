# SPDX-License-Identifier: MIT
"""aiohttp 3.12 or later: `ClientSession(middlewares=[token_middleware(AsyncToken(token), "https://api.example.org")])`.

aiohttp calls a middleware for redirected requests, too. So it signs requests to one server alone.
"""

from __future__ import annotations

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse
from yarl import URL

from tests.recipes.asyncio_program import AsyncToken

__all__ = ["token_middleware"]


def token_middleware(token: AsyncToken, server: str) -> ClientMiddlewareType:
    """Return a middleware that signs each request to the server, and sends it again after a 401, once."""
    origin = URL(server).origin()

    async def signed(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if request.url.origin() != origin:
            return await handler(request)
        response = await handler(await token.sign(request))
        if response.status == 401:
            response.release()
            await token.refresh(request.headers["Authorization"])
            response = await handler(await token.sign(request))
        return response

    return signed
