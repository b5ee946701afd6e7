# SPDX-License-Identifier: MIT
"""requests: `requests.get(url, auth=TokenAuth(token))`, or `session.auth = TokenAuth(token)`.

Without a second try, `auth=token.sign` does it.
"""

from __future__ import annotations

from functools import partial

from requests import PreparedRequest, Response
from requests.auth import AuthBase

from ytmusic_oauth import RefreshingToken

__all__ = ["TokenAuth"]


class TokenAuth(AuthBase):
    """Signs each request, and sends it again after a 401, once. Threads can share it."""

    def __init__(self, token: RefreshingToken) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign the request, and ask to see its response."""
        tell = getattr(request.body, "tell", None)  # a file, which may be sent from its middle
        request.register_hook("response", partial(self._again, start=tell() if callable(tell) else None))
        return self._token.sign(request)

    def _again(
        self,
        response: Response,
        *,
        start: object,
        stream: bool,
        timeout: float | tuple[float, float] | None,
        verify: bool | str,
        cert: str | tuple[str, str] | None,
        proxies: dict[str, str],
    ) -> Response:
        request = response.request
        rejected = request.headers.get("Authorization")
        if response.status_code != 401 or rejected is None:
            return response
        if not isinstance(request.body, (bytes, str, type(None))):
            seek = getattr(request.body, "seek", None)
            if not callable(seek):  # what a generator has sent is gone
                return response
            seek(start)
        response.close()
        self._token.refresh(str(rejected))
        # Unlike the session, the adapter does not call this again.
        return response.connection.send(
            self._token.sign(request), stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies
        )
