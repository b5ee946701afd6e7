# SPDX-License-Identifier: MIT
"""OAuth for YouTube Music: device login, a token file, an access token that refreshes itself.

    >>> from ytmusic_oauth import OAuthCredentials, RefreshingToken
    >>> credentials = OAuthCredentials(client_id, client_secret)
    >>> token = RefreshingToken.prompt_for_token(credentials, to_file="oauth.json")  # once
    >>> token = RefreshingToken.load(credentials, "oauth.json")  # from then on
    >>> headers = {"Authorization": token.as_auth()}

It implements the documented API of `ytmusicapi.auth.oauth` with the standard library alone. Network modules are loaded
at the first request, not before.

The public API is this module and `credentials`, `device`, `exceptions`, `models`, `protocol`, `session`, `store`,
`token` and `transport`. Modules with a leading underscore may change in any release.
"""

import sys

# Older Pythons must be able to compile this file: its users see this message, not a SyntaxError.
if sys.hexversion < 0x03080000:
    _problem = "ytmusic_oauth needs Python 3.8 or later; this is Python " + sys.version.split()[0]
    if sys.argv[:1] in (["-m"], ["-c"]):  # Python 2.7 says -c for both
        sys.stderr.write(_problem + "\n")
        sys.exit(2)
    raise ImportError(_problem)

# fmt: off
__all__ = [
    "GOOGLE", "YOUTUBE", "AccessDenied", "AuthorizationPending", "BadOAuthClient", "Credentials",
    "DeviceCodeExpired", "Endpoints", "FileStore", "InvalidGrant", "LoginCancelled", "MalformedResponse",
    "OAuthCredentials", "OAuthError", "OAuthToken", "RateLimited", "RefreshingToken", "ServerError", "SlowDown",
    "TokenFileError", "TokenFileNotFound", "TokenStore", "TokenStoreError", "TransportError",
    "UnauthorizedOAuthClient", "UrllibSession", "setup_oauth",
]
# fmt: on

__version__ = "1.0.0"

# Type checkers take this as true, read the imports below, and so report a misspelled name; `__getattr__` would hide it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._file_store import FileStore
    from .credentials import Credentials, OAuthCredentials
    from .exceptions import (
        AccessDenied,
        AuthorizationPending,
        BadOAuthClient,
        DeviceCodeExpired,
        InvalidGrant,
        LoginCancelled,
        MalformedResponse,
        OAuthError,
        RateLimited,
        ServerError,
        SlowDown,
        TokenFileError,
        TokenFileNotFound,
        TokenStoreError,
        TransportError,
        UnauthorizedOAuthClient,
    )  # fmt: skip
    from .protocol import GOOGLE, YOUTUBE, Endpoints
    from .store import TokenStore
    from .token import OAuthToken, RefreshingToken, setup_oauth
    from .transport import UrllibSession
else:
    # In the order in which a name is looked for: those that a program loads anyway come first.
    _MODULES = ("exceptions", "protocol", "credentials", "token", "transport", "session", "store", "device", "models")

    def __getattr__(name):
        """Load a public name when it is first used, so that the command line starts faster."""
        from importlib import import_module

        if name in _MODULES:
            return import_module("." + name, __name__)
        if name not in __all__:
            raise AttributeError("module " + repr(__name__) + " has no attribute " + repr(name))
        module = next(module for module in map(__getattr__, _MODULES) if hasattr(module, name))
        return globals().setdefault(name, getattr(module, name))

    def __dir__():
        return sorted(set(globals()) | set(__all__))
