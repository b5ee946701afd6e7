# SPDX-License-Identifier: MIT
"""What our errors are called in every language, and which parts of them are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

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
    TransportError,
    UnauthorizedOAuthClient,
)

__all__ = ["KINDS_OF_ERRORS", "Object", "told"]

Object: TypeAlias = Mapping[str, object]

KINDS_OF_ERRORS: Final[Mapping[type[OAuthError], str]] = {
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
    TokenFileError: "token_file",
    TokenFileNotFound: "token_file_not_found",
    LoginCancelled: "cancelled",
}


def told(error: OAuthError) -> dict[str, object]:
    """Put an error into neutral words; a part that nobody knows is left out."""
    parts: dict[str, object] = {
        "raises": KINDS_OF_ERRORS[type(error)],
        "error": error.error,
        "error_description": error.error_description,
        "status": error.status,
        "retry_after": error.retry_after,
    }
    if isinstance(error, (ServerError, TransportError)):
        parts["retryable"] = error.retryable
    if isinstance(error, SlowDown):
        parts["interval"] = error.interval
    if isinstance(error, (MalformedResponse, TokenFileError)):
        parts["key"] = error.key
    return {part: value for part, value in parts.items() if value is not None}
