# SPDX-License-Identifier: MIT
"""urllib: `with urlopen(token, Request(url), timeout=30) as response`, for programs without any package."""

from __future__ import annotations

import urllib.request
from http.client import HTTPResponse
from urllib.error import HTTPError

from ytmusic_oauth import RefreshingToken

__all__ = ["urlopen"]


def urlopen(token: RefreshingToken, request: urllib.request.Request, *, timeout: float) -> HTTPResponse:
    """Sign a request and send it; after a 401, once more. Raises what `urllib.request.urlopen` raises.

    urllib does not sign a request again that was redirected: use the address that the API has today.
    """
    try:
        return _open(token, request, timeout)
    except HTTPError as error:
        # A body that was read from a file is gone.
        can_repeat = error.code == 401 and isinstance(request.data, (bytes, type(None)))
        if not can_repeat or error.url != request.full_url:
            raise
        error.close()
    token.refresh(request.get_header("Authorization"))
    return _open(token, request, timeout)


def _open(token: RefreshingToken, request: urllib.request.Request, timeout: float) -> HTTPResponse:
    response: HTTPResponse = urllib.request.urlopen(token.sign(request), timeout=timeout)
    return response
