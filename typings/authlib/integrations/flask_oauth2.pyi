# SPDX-License-Identifier: MIT
# The slice of Authlib that the server in tests/interop is made of.

from collections.abc import Callable

from authlib.oauth2.rfc6749 import BaseGrant, ClientMixin, OAuth2Request, TokenEndpoint
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint
from flask import Flask, Response

class AuthorizationServer:
    def __init__(
        self,
        app: Flask | None = None,
        query_client: Callable[[str], ClientMixin | None] | None = None,
        save_token: Callable[[dict[str, str], OAuth2Request], None] | None = None,
    ) -> None: ...
    def register_grant(self, grant_cls: type[BaseGrant]) -> None: ...
    def register_endpoint(self, endpoint: type[TokenEndpoint | DeviceAuthorizationEndpoint]) -> None: ...
    def create_endpoint_response(self, name: str) -> Response: ...
    def create_token_response(self) -> Response: ...
