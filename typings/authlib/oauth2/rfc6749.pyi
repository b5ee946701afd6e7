# SPDX-License-Identifier: MIT
# The slice of Authlib that the server in tests/interop is made of.

class ClientMixin: ...

class OAuth2Request:
    client: ClientMixin
    refresh_token: object
    credential: object

class BaseGrant:
    TOKEN_ENDPOINT_AUTH_METHODS: list[str]

class RefreshTokenGrant(BaseGrant):
    INCLUDE_NEW_REFRESH_TOKEN: bool

class TokenEndpoint:
    CLIENT_AUTH_METHODS: list[str]
