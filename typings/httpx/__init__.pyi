# SPDX-License-Identifier: MIT
# The slice of httpx that the tests need: enough to prove that it fits, without installing it.

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from ssl import SSLContext

from httpx._client import UseClientDefault

class Response:
    status_code: int
    headers: Mapping[str, str]
    history: list[Response]
    def json(self) -> object: ...

class Headers(MutableMapping[str, str]):
    def __getitem__(self, key: str) -> str: ...
    def __setitem__(self, key: str, value: str) -> None: ...
    def __delitem__(self, key: str) -> None: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

class Request:
    @property
    def headers(self) -> Headers: ...

def get(
    url: str,
    *,
    auth: Callable[[Request], Request] | None = None,
    timeout: float | None = ...,
) -> Response: ...

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
