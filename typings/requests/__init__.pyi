# SPDX-License-Identifier: MIT
# The slice of requests that the tests need: enough to prove that it fits, without installing it.

from collections.abc import Callable, Iterable, Mapping

from requests._types import SupportsRead
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict

class RequestException(OSError): ...
class ConnectionError(RequestException): ...

class Response:
    status_code: int
    headers: Mapping[str, str]
    history: list[Response]
    request: PreparedRequest
    connection: HTTPAdapter
    def json(self) -> object: ...
    def close(self) -> None: ...

class PreparedRequest:
    headers: CaseInsensitiveDict[str | bytes]
    body: bytes | str | Iterable[bytes | str] | SupportsRead | None
    def register_hook(self, event: str, hook: Callable[[Response], object]) -> None: ...

def get(
    url: str | bytes,
    params: Mapping[str, str] | None = None,
    *,
    auth: AuthBase | Callable[[PreparedRequest], PreparedRequest] | None = None,
    timeout: float | None = None,
) -> Response: ...
def post(
    url: str | bytes,
    data: Mapping[str, str] | Iterable[bytes] | bytes | SupportsRead | None = None,
    json: object = None,
    *,
    headers: Mapping[str, str | bytes] | None = None,
    auth: AuthBase | None = None,
    timeout: float | None = None,
) -> Response: ...

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
