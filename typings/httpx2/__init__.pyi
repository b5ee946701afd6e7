# SPDX-License-Identifier: MIT
# The slice of httpx2 that a `Session` needs: enough to prove that one fits, without installing it.

from collections.abc import Mapping
from ssl import SSLContext

from httpx2._client import UseClientDefault

class Response:
    status_code: int
    headers: Mapping[str, str]
    history: list[Response]
    def json(self) -> object: ...

class Client:
    follow_redirects: bool
    def __init__(
        self, *, verify: SSLContext | bool = True, proxy: str | None = None, follow_redirects: bool = False
    ) -> None: ...
    def close(self) -> None: ...
    def post(
        self,
        url: str,
        *,
        content: bytes | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool | UseClientDefault = ...,
        timeout: float | UseClientDefault | None = ...,
    ) -> Response: ...
