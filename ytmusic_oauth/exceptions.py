# SPDX-License-Identifier: MIT
"""Everything that this package raises on purpose, and the table from OAuth error codes to classes.

One base, `OAuthError`; below it, one class for each thing that a caller can do next. The parts of what happened are
attributes. The sentence is composed from them in one place, `OAuthError.__str__`, and ends with the next step. No part
holds a secret: whoever puts a server's text into an error has taken the secrets out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from errno import ENOENT
from types import MappingProxyType
from typing import ClassVar, Final

# fmt: off
__all__ = [
    "ERROR_CLASSES", "AccessDenied", "AuthorizationPending", "BadOAuthClient", "DeviceCodeExpired", "InvalidGrant",
    "LoginCancelled", "MalformedResponse", "OAuthError", "RateLimited", "ServerError", "SlowDown", "TokenFileError",
    "TokenFileNotFound", "TransportError", "UnauthorizedOAuthClient",
]
# fmt: on


class OAuthError(Exception):
    """The base of every error of this package.

    The parts are None where nothing is known: `error` and `error_description` as the server sent them (RFC 6749 5.2),
    the `status` of the HTTP answer, and `retry_after`, the seconds for which the server asked to be left exclusive.
    `retryable` tells whether the same call may succeed later with nothing changed.
    """

    summary: ClassVar[str] = "OAuth failed"
    #: where the same call may succeed later
    retry_advice: ClassVar[str] = "Try again later."
    advice: ClassVar[str] = retry_advice
    retryable: bool = False

    def __init__(
        self,
        problem: str = "",
        *,
        error: str | None = None,
        error_description: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(problem or self.summary)
        self.problem: str = problem or self.summary
        self.error = error
        self.error_description = error_description
        self.status = status
        self.retry_after = retry_after
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        parts = [part for part in (self.error, self.status and f"HTTP {self.status}") if part]
        codes = f" ({', '.join(parts)})" if parts else ""
        words = f': "{self.error_description.rstrip(".")}"' if self.error_description else ""
        wait = f" The server asks to wait {self.retry_after:.0f} s." if self.retry_after else ""
        return f"{self.problem}{codes}{words}.{wait} {self.retry_advice if self.retryable else self.advice}"


# Try later.


class TransportError(OAuthError):
    """No answer that could be believed: no connection, a time-out, a TLS failure, or a redirect.

    `sent` is true where the request may have reached the server, which then may have acted on it.
    """

    summary = "There was no answer from the server"
    advice = "Check what stands between here and the server: the address, proxies, certificates."
    retry_advice = "Try again later; if that does not help, check the address, proxies and certificates."
    retryable = True

    def __init__(
        self, problem: str = "", *, sent: bool = True, status: int | None = None, retryable: bool = True
    ) -> None:
        super().__init__(problem, status=status, retryable=retryable)
        self.sent = sent


class RateLimited(OAuthError):
    """Too many requests, or the quota of the project is used up."""

    summary = "The server is limiting requests"
    retryable = True


class ServerError(OAuthError):
    """Any other refusal, named by `error`; or, where `retryable` is true, the server's own passing trouble."""

    summary = "The server failed or refused the request"
    advice = "Look up the code in the documentation of the OAuth server."


# Keep polling (RFC 8628 3.5).


class AuthorizationPending(OAuthError):
    """The user has not answered yet: ask again after the interval."""

    summary = "The user has not answered yet"
    retryable = True


class SlowDown(AuthorizationPending):
    """The same, and the polls come too fast: the interval is now 5 seconds longer, or `interval` if that is more."""

    summary = "The user has not answered yet, and the server is asked too often"
    interval: int | None = None


# Log in again.


class InvalidGrant(OAuthError):
    """The refresh token, or the device code, is revoked, expired, used up or unknown."""

    summary = "The login has ended"
    advice = (
        "Log in again. (Google ends a login when its user takes it back, after 6 months without use, and after 7 days "
        'while the consent screen of the OAuth app is in "Testing".)'
    )


class AccessDenied(OAuthError):
    """The user, or an administrator, said no."""

    summary = "The login was denied"
    advice = "Log in again, and approve the request this time."


class DeviceCodeExpired(OAuthError):
    """The user did not answer while the code lived."""

    summary = "The code has expired before it was confirmed"
    advice = "Log in again to get a new code."


class LoginCancelled(OAuthError):
    """The caller's own `cancelled` ended the wait."""

    summary = "The login was cancelled"
    advice = "Log in again to get a new code."


# Fix the configuration.


class BadOAuthClient(OAuthError):
    """OAuth client request failure: an unknown client id, a wrong secret, or the wrong type of client (seed)."""

    summary = "The server does not accept this OAuth client"
    advice = (
        'Check the client id and secret, that the client is of the type "TVs and Limited Input devices", and that the '
        "YouTube Data API is enabled in its project."
    )


class UnauthorizedOAuthClient(OAuthError):
    """OAuth client lacks permissions for the token: only the client that obtained it can refresh it (seed)."""

    summary = "The token belongs to another OAuth client"
    advice = "Use the client id and secret with which the token was made, or log in again."


# Fix the file.


class TokenFileError(OAuthError):
    """The token file cannot be read, written or locked, or is no token file: `path` names it, `key` the wrong entry."""

    summary = "The token file cannot be used"
    advice = "Check the path, the permissions and the disk; move away what is no token file, and log in again."

    def __init__(self, problem: str = "", *, path: str = "", key: str | None = None, retryable: bool = False) -> None:
        super().__init__(problem, retryable=retryable)
        self.path = path
        self.key = key

    def __str__(self) -> str:
        return f"{self.path}: {super().__str__()}"


class TokenFileNotFound(TokenFileError, FileNotFoundError):
    """There is no file at `path`, or nothing in it."""

    summary = "There is no token file here"
    advice = "Log in to make one, or check the path."
    # OSError's own two are lost when it is pickled.
    errno: int | None = ENOENT
    filename: str = ""

    def __init__(self, problem: str = "", *, path: str = "") -> None:
        super().__init__(problem, path=path)
        self.filename = path


# Report a bug of the server.


class MalformedResponse(OAuthError):
    """The answer makes no sense; `key` names the wrong entry, if it is one.

    What the answer says is not told, for it may be secret.
    """

    summary = "The server's answer makes no sense"
    advice = (
        "Check that nothing between here and the server, such as a captive portal, answers in its place; "
        "if nothing does, report it to whoever runs the server."
    )

    def __init__(self, problem: str = "", *, key: str | None = None, status: int | None = None) -> None:
        super().__init__(problem, status=status)
        self.key = key


# "The error in the body decides, not the status": servers disagree about statuses.
ERROR_CLASSES: Final[Mapping[str, type[OAuthError]]] = MappingProxyType(
    {
        "authorization_pending": AuthorizationPending,
        "slow_down": SlowDown,
        "access_denied": AccessDenied,
        "expired_token": DeviceCodeExpired,
        "invalid_grant": InvalidGrant,
        "invalid_client": BadOAuthClient,
        "deleted_client": BadOAuthClient,
        "unauthorized_client": UnauthorizedOAuthClient,
        "rate_limit_exceeded": RateLimited,
    }
)
