# SPDX-License-Identifier: MIT
# The slice of httpx2 that the tests need: enough to prove that it fits, without installing it.

from abc import ABCMeta
from collections.abc import Callable, Mapping
from ssl import SSLContext

from httpx2._client import UseClientDefault

class Response:
    status_code: int
    headers: Mapping[str, str]
    history: list[Response]
    def json(self) -> object: ...

class Headers(metaclass=ABCMeta):
    def __getitem__(self, key: str) -> str: ...
    def __setitem__(self, key: str, value: str) -> None: ...
    def get(self, key: str, default: str | None = None) -> str | None: ...

class Request:
    headers: Headers

def get(
    url: str,
    *,
    auth: Callable[[Request], Request] | None = None,
    timeout: float | None = ...,
) -> Response: ...

class Client:
    follow_redirects: bool
    def __init__(
        self,
        *,
        verify: SSLContext | bool = True,
        proxy: str | None = None,
        follow_redirects: bool = False,
        timeout: float | None = ...,
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

class AsyncClient: ...
