# SPDX-License-Identifier: MIT
# The slice of Flask that the server in tests/interop is made of.

from collections.abc import Callable, Mapping

class Response: ...

class Request:
    method: str
    @property
    def args(self) -> Mapping[str, str]: ...
    @property
    def form(self) -> Mapping[str, str]: ...
    headers: Mapping[str, str]

class Flask:
    config: dict[str, object]
    def __init__(self, import_name: str) -> None: ...
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[[], str | tuple[str, int] | Response] | None = None,
        *,
        methods: list[str] = ...,
    ) -> None: ...

request: Request
