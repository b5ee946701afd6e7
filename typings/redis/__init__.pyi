# SPDX-License-Identifier: MIT
# The slice of redis-py that a `TokenStore` needs. What `get` returns is text with `decode_responses`.

class RedisError(Exception): ...

class Redis:
    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        decode_responses: bool = False,
        socket_connect_timeout: float | None = None,
        socket_timeout: float | None = None,
    ) -> Redis: ...
    def get(self, name: str) -> str | None: ...
    def set(self, name: str, value: str, *, nx: bool = False) -> bool | None: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: str | int) -> object: ...
