# SPDX-License-Identifier: MIT
# The slice of requests that a `Session` needs: enough to prove that one fits, without installing it.

from collections.abc import Mapping

class RequestException(OSError): ...
class ConnectionError(RequestException): ...

class Response:
    status_code: int
    headers: Mapping[str, str]
    history: list[Response]
    def json(self) -> object: ...

class Session:
    proxies: dict[str, str]
    verify: bool | str | None
    def close(self) -> None: ...
    def get_redirect_target(self, resp: Response) -> str | None: ...
    def post(
        self,
        url: str | bytes,
        data: Mapping[str, str] | None = None,
        json: object = None,
        *,
        headers: Mapping[str, str | bytes] | None = None,
        timeout: float | tuple[float, float] | None = None,
        allow_redirects: bool = True,
    ) -> Response: ...
