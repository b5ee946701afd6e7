# SPDX-License-Identifier: MIT
"""The names that our errors have in every language, and the parts that a driver prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ytmusic_oauth.exceptions import (
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
)

if TYPE_CHECKING:
    from typing import TypeAlias  # Python 3.10

__all__ = ["ERROR_NAMES", "Object", "described", "made_from"]

Object: TypeAlias = "Mapping[str, object]"

ERROR_NAMES: Final[Mapping[type[OAuthError], str]] = {
    AuthorizationPending: "authorization_pending",
    SlowDown: "slow_down",
    AccessDenied: "access_denied",
    DeviceCodeExpired: "expired_token",
    InvalidGrant: "invalid_grant",
    BadOAuthClient: "invalid_client",
    UnauthorizedOAuthClient: "unauthorized_client",
    RateLimited: "rate_limited",
    ServerError: "server_error",
    TransportError: "transport",
    MalformedResponse: "malformed",
    TokenStoreError: "token_store",
    OAuthError: "no_valid_token",
    TokenFileError: "token_file",
    TokenFileNotFound: "token_file_not_found",
    LoginCancelled: "cancelled",
}


def described(error: OAuthError) -> dict[str, object]:
    """Return the name of an error and its known parts."""
    parts: dict[str, object] = {
        "raises": ERROR_NAMES[type(error)],
        "error": error.error,
        "error_description": error.error_description,
        "status": error.status,
        "retry_after": error.retry_after,
    }
    if isinstance(error, (ServerError, TransportError)) or type(error) is OAuthError:
        parts["retryable"] = error.retryable
    elif isinstance(error, TokenStoreError) and error.retryable:
        parts["retryable"] = True
    if isinstance(error, SlowDown):
        parts["interval"] = error.interval
    if isinstance(error, (MalformedResponse, TokenStoreError)):
        parts["key"] = error.key
    return {part: value for part, value in parts.items() if value is not None}


def made_from(parts: Object) -> OAuthError:
    """Return the error with these parts: the reverse of `described`."""
    [error_class] = (each for each, name in ERROR_NAMES.items() if name == parts["raises"])
    error = error_class()
    for part in parts.keys() - {"raises"}:
        setattr(error, part, parts[part])
    return error
