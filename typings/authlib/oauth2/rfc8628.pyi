# SPDX-License-Identifier: MIT
# The slice of Authlib that the server in tests/interop is made of.

from authlib.oauth2.rfc6749 import BaseGrant

class DeviceCredentialMixin: ...

class DeviceAuthorizationEndpoint:
    ENDPOINT_NAME: str
    EXPIRES_IN: int
    INTERVAL: int

class DeviceCodeGrant(BaseGrant): ...
