# SPDX-License-Identifier: MIT
"""The default session: HTTP by the standard library. The network modules are loaded with the first request."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._single_flight import NO_FORK
from ._validation import json_value
from .session import TIMEOUT, check_proxies

if sys.version_info >= (3, 10):
    from dataclasses import KW_ONLY
if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["UrllibResponse", "UrllibSession"]


@dataclass(frozen=True)
class UrllibResponse:
    """A whole response in memory."""

    status_code: int
    """The HTTP status."""
    headers: Mapping[str, str] = field(repr=False)
    """The header fields, as received."""
    content: bytes = field(repr=False)
    """The body: at most 1 MiB."""

    def json(self) -> object:
        """Return the decoded body. Raises `ValueError` on anything but JSON in UTF-8."""
        with NO_FORK:  # the first use imports the decoder
            return json_value(self.content.decode("utf-8-sig"))  # some servers send a byte order mark


@dataclass(frozen=True)
class UrllibSession:
    """A session on top of the standard library, which threads may share. Raises `ValueError` on an invalid argument.

    Plain http goes to this machine only, and never takes a proxy.
    """

    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    """`{"https": "http://user:password@host:port"}`, used whatever NO_PROXY says; `{}` for no proxy.

    None for the proxies that the environment names.
    """
    if sys.version_info >= (3, 10):  # before Python 3.10, these may be given by position, too
        _: KW_ONLY
    timeout: float = TIMEOUT
    """Seconds for one request; at most 30, the limit of a call with all its tries."""
    ssl_context: SSLContext | None = None
    """Which certificates to trust; None for Python's default."""

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= TIMEOUT:
            raise ValueError(f"timeout must be more than 0 and at most {TIMEOUT:.0f} seconds, the limit of a call")
        check_proxies(self.proxies)

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float | None = None
    ) -> UrllibResponse:
        """Send a form. Responses of any status are returned.

        Raises `TransportError` or `MalformedResponse`, and `ValueError` if the form or a header field has a
        character that cannot be sent.
        """
        with NO_FORK:
            from ._http import post

        timeout = self.timeout if timeout is None else timeout
        return UrllibResponse(
            *post(url, data, headers, timeout=timeout, proxies=self.proxies, ssl_context=self.ssl_context)
        )
