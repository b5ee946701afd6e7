# SPDX-License-Identifier: MIT
# The slice of httpx that the tests need: enough to prove that it fits, without installing it.

from abc import ABCMeta
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from ssl import SSLContext
from types import TracebackType

from httpx._client import UseClientDefault
from typing_extensions import Self

class Response:
    status_code: int
    headers: Mapping[str, str]
    history: list[Response]
    @property
    def request(self) -> Request: ...
    def json(self) -> object: ...

class Headers(metaclass=ABCMeta):
    def __getitem__(self, key: str) -> str: ...
    def __setitem__(self, key: str, value: str) -> None: ...
    def get(self, key: str, default: str | None = None) -> str | None: ...

class Request:
    headers: Headers
    def read(self) -> bytes: ...
    async def aread(self) -> bytes: ...

class Auth:
    def auth_flow(self, request: Request) -> Generator[Request, Response]: ...
    def sync_auth_flow(self, request: Request) -> Generator[Request, Response]: ...
    def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]: ...

def get(
    url: str,
    *,
    auth: Callable[[Request], Request] | None = None,
    timeout: float | None = ...,
) -> Response: ...
def post(
    url: str,
    *,
    content: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    auth: Auth | None = None,
    follow_redirects: bool = False,
) -> Response: ...

class AsyncClient:
    def __init__(self, *, auth: Auth | None = None, follow_redirects: bool = False) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
    async def post(self, url: str, *, data: Mapping[str, object] | None = None) -> Response: ...

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
