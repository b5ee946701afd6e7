# SPDX-License-Identifier: MIT
# The slice of Authlib that the server in tests/interop is made of.

from authlib.oauth2.rfc6749 import TokenEndpoint

class RevocationEndpoint(TokenEndpoint):
    ENDPOINT_NAME: str
