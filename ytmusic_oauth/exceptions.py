# SPDX-License-Identifier: MIT
"""The exceptions of this package, and the table from OAuth error codes to them.

The base class is `OAuthError`. The classes below it are grouped by what the caller can do next. Details are attributes.
`OAuthError.__str__` composes the message from them and ends with the next step. Text from a server is redacted before
it gets here: the only attribute that holds a secret is `MalformedResponse.refresh_token`.

`reason` is one of these words; later versions may add some.

- Of a `TransportError`: `clock` (a certificate that has expired or is not valid yet: often, the date of this machine is
  wrong), `cut_short`, `dns`, `proxy`, `redirect`, `refused`, `timeout`, `tls`, `url`, or `network` for any other.
- Of an `InvalidGrant`: `invalid_grant`, `no_refresh_token`. Of a plain `OAuthError`: `no_valid_token`, `unknown`.
- Of the other classes: `access_denied`, `authorization_pending`, `cancelled`, `expired_token`, `invalid_client`,
  `malformed`, `rate_limited`, `server_error`, `slow_down`, `token_file`, `token_file_not_found`, `token_store`,
  `unauthorized_client`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import copy as _copy
from errno import ENOENT
from types import MappingProxyType
from typing import ClassVar, Final

# fmt: off
__all__ = [
    "ERROR_CLASSES", "AccessDenied", "AuthorizationPending", "BadOAuthClient", "DeviceCodeExpired", "InvalidGrant",
    "LoginCancelled", "MalformedResponse", "OAuthError", "RateLimited", "ServerError", "SlowDown", "TokenFileError",
    "TokenFileNotFound", "TokenStoreError", "TransportError", "UnauthorizedOAuthClient",
]
# fmt: on


class OAuthError(Exception):
    """The base class of the exceptions in this module.

    A detail that is not known is None.
    """

    summary: ClassVar[str] = "OAuth failed"
    """The first sentence of the message, unless the raiser gives a better one."""
    reason: str = "unknown"
    """The cause, as an identifier that stays the same in every release: for programs and for translators."""
    advice: str = "See the documentation of the OAuth server."
    """The last sentence of the message if trying again does not help."""
    retry_advice: ClassVar[str] = "Try again later."
    """The last sentence of the message if trying again may help."""
    retryable: bool = False
    """Whether the same call may succeed later with nothing changed."""
    lost: bool = False
    """Whether the server may have acted on the request although its response did not arrive."""

    def __init__(
        self,
        problem: str = "",
        *,
        error: str | None = None,
        error_description: str | None = None,
        error_uri: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
        reason: str | None = None,
        advice: str | None = None,
        key: str | None = None,
        path: str = "",
        sent: bool = True,
    ) -> None:
        super().__init__(problem or self.summary)
        self.problem: str = problem or self.summary
        """What went wrong, as a sentence without a full stop."""
        self.error = error
        """The OAuth error code that the server sent (RFC 6749 5.2)."""
        self.error_description = error_description
        """The server's own explanation, redacted: its `error_description` (RFC 6749 5.2) or `message`."""
        self.error_uri = error_uri
        """The page at which the server explains the error, redacted (RFC 6749 5.2)."""
        self.status = status
        """The status of the HTTP response."""
        self.retry_after = retry_after
        """The seconds that the server asked to wait (RFC 9110 10.2.3)."""
        self.key = key
        """The key of the JSON object that is missing or invalid."""
        self.path = path
        """The path of the file that the error is about, else empty.

        The token file, as the caller gave it, or the absolute path of a link to it or of the client file beside it.
        """
        self.retryable = self.retryable if retryable is None else retryable
        self.lost = self.lost and sent
        self.reason = reason or self.reason
        self.advice = advice or self.advice

    def copy(self) -> OAuthError:
        """Return a copy without the traceback, whose frames hold secrets.

        An error that cannot be copied is returned itself, with its traceback removed.
        """
        with suppress(Exception):  # whatever the constructor of a subclass raises
            return _copy(self)
        return self.with_traceback(None)

    def __str__(self) -> str:
        status = f"HTTP {self.status}" if self.status else ""
        parts = [part for part in (self.error, "" if status in self.problem else status) if part]
        codes = f" ({', '.join(parts)})" if parts else ""
        description = (self.error_description or "").rstrip(" .")
        sentences = [
            self.problem.rstrip(" .") + codes + (f': "{description}"' if description else ""),
            f"The server refers to <{self.error_uri}>" if self.error_uri else "",
            f"The server asks to wait {self.retry_after:.0f} s" if self.retry_after else "",
            self.retry_advice if self.retryable else self.advice,
        ]
        return " ".join(f"{sentence.rstrip(' .')}." for sentence in sentences if sentence)


# ---- try again later -----------------------------------------------------------------------------


class TransportError(OAuthError):
    """No usable response: a connection failure, a timeout, a TLS failure or a redirect."""

    summary = "No response from the server"
    reason = "network"
    advice = "Check the connection: URL, proxies, certificates."
    retry_advice = "Try again later. If that does not help, check the connection: URL, proxies, certificates."
    retryable = True
    lost = True

    @property
    def sent(self) -> bool:
        """Whether the request may have reached the server, which then may have acted on it."""
        return self.lost


class RateLimited(OAuthError):
    """Too many requests, or the quota of the project is used up."""

    summary = "The server is limiting requests"
    reason = "rate_limited"
    retryable = True


class ServerError(OAuthError):
    """Any other OAuth error (see `error`), or a transient failure of the server (then `retryable` is true)."""

    summary = "The server failed or rejected the request"
    reason = "server_error"
    advice = "Look up the error code in the documentation of the OAuth server."


# ---- keep polling (RFC 8628 3.5) -----------------------------------------------------------------


class AuthorizationPending(OAuthError):
    """The user has not responded yet: poll again after the interval."""

    summary = "The user has not responded yet"
    reason = "authorization_pending"
    retryable = True


class SlowDown(AuthorizationPending):
    """Still pending, and polled too often: increase the interval by 5 seconds, or to `interval` if that is longer."""

    summary = "The user has not responded yet, and the polls come too often"
    reason = "slow_down"
    interval: int | None = None
    """The interval that the server asks for, in seconds."""


# ---- log in again --------------------------------------------------------------------------------


class InvalidGrant(OAuthError):
    """The refresh token or the device code is revoked, expired, already used or unknown."""

    summary = "The login has ended"
    reason = "invalid_grant"
    advice = "Log in again."


class AccessDenied(OAuthError):
    """The user or an administrator denied the request."""

    summary = "The login was denied"
    reason = "access_denied"
    advice = "Log in again, and approve the request this time."


class DeviceCodeExpired(OAuthError):
    """The user did not respond before the code expired."""

    summary = "The code expired before it was confirmed"
    reason = "expired_token"
    advice = "Log in again to get a new code."


class LoginCancelled(OAuthError):
    """The caller's `cancelled` callback ended the wait."""

    summary = "The login was cancelled"
    reason = "cancelled"
    advice = "Log in again to get a new code."


# ---- fix the configuration -----------------------------------------------------------------------


class BadOAuthClient(OAuthError):
    """The client id is unknown, the secret is wrong, or the client has the wrong type."""

    summary = "The server does not accept this OAuth client"
    reason = "invalid_client"
    advice = "Check the client id and secret, and how the client authenticates: post, basic or none."


class UnauthorizedOAuthClient(OAuthError):
    """OAuth client lacks permissions for the token: only the client that obtained a token can refresh it."""

    summary = "The token belongs to another OAuth client"
    reason = "unauthorized_client"
    advice = "Use the client id and secret that the token was obtained with, or log in again."


# ---- fix the store -------------------------------------------------------------------------------


class TokenStoreError(OAuthError):
    """The token store cannot be read, written or locked, or does not hold a token."""

    summary = "The token store cannot be used"
    reason = "token_store"
    advice = "Check the store. If it holds something else, move that away and log in again."
    retry_advice = "Try again later. If that does not help, check the store."


class TokenFileError(TokenStoreError):
    """The token file cannot be read, written or locked, or is not a token file."""

    summary = "The token file cannot be used"
    reason = "token_file"
    advice = (
        "Check the path, the permissions and the disk. If the file is something else, move it away and log in again."
    )

    def __str__(self) -> str:
        return f"{self.path}: {super().__str__()}" if self.path else super().__str__()


class TokenFileNotFound(TokenFileError, FileNotFoundError):
    """The token file does not exist, or is empty."""

    summary = "There is no token file here"
    reason = "token_file_not_found"
    advice = "Log in to create one, or check the path."
    # OSError's own attributes do not survive pickling.
    errno: int | None = ENOENT
    filename: str = ""

    def __init__(self, problem: str = "", *, path: str = "", advice: str = "") -> None:
        super().__init__(problem, path=path, advice=advice)
        self.filename = path


# ---- report a bug of the server ------------------------------------------------------------------


class MalformedResponse(OAuthError):
    """The server's response is malformed. Its body is never quoted: it may contain secrets."""

    # A secret: neither `vars` nor a copy shows what is in a slot.
    __slots__ = ("refresh_token",)

    summary = "The server's response is malformed"
    reason = "malformed"
    advice = (
        "Check that nothing between this machine and the server, such as a captive portal, responds in its place. If "
        "nothing does, report it to the operator of the server."
    )

    def __init__(
        self,
        problem: str = "",
        *,
        key: str | None = None,
        status: int | None = None,
        has_token: bool = False,
        refresh_token: str | None = None,
    ) -> None:
        super().__init__(
            problem, status=status, key=key, advice="Report it to the operator of the server." if has_token else None
        )
        self.has_token = has_token
        """Whether a token came with it. Then a device code is used up."""
        self.refresh_token: str | None = refresh_token
        """The new refresh token that came with it, if it is valid: a secret.

        The one that was sent may be invalid now. A copy does not have it.
        """


ERROR_CLASSES: Final[Mapping[str, type[OAuthError]]] = MappingProxyType(
    {
        # RFC 6749 5.2, RFC 8628 3.5
        "authorization_pending": AuthorizationPending,
        "slow_down": SlowDown,
        "access_denied": AccessDenied,
        "expired_token": DeviceCodeExpired,
        "invalid_grant": InvalidGrant,
        "invalid_client": BadOAuthClient,
        "unauthorized_client": UnauthorizedOAuthClient,
        # Google
        "deleted_client": BadOAuthClient,
        "rate_limit_exceeded": RateLimited,
        # Entra ID; the first is OpenAM's, too
        "authorization_declined": AccessDenied,
        "code_expired": DeviceCodeExpired,
        "bad_verification_code": InvalidGrant,
        "interaction_required": InvalidGrant,
        "consent_required": InvalidGrant,
        "login_required": InvalidGrant,
        # GitHub
        "token_expired": DeviceCodeExpired,
        "incorrect_device_code": InvalidGrant,
        "bad_refresh_token": InvalidGrant,
        "incorrect_client_credentials": BadOAuthClient,
        # Twitch, as `message`
        "invalid device code": InvalidGrant,
        "Invalid refresh token": InvalidGrant,
        "invalid client": BadOAuthClient,
        "invalid client secret": BadOAuthClient,
        # other servers
        "disabled_client": BadOAuthClient,
    }
)
"""OAuth error code -> class. The status does not matter: servers disagree about statuses."""


def unexpected(what: str, error: Exception, advice: str) -> TransportError:
    """Return the error for an exception of the caller's own object, whose text may quote what was sent or received.

    After a mistake in its code, trying again does not help.
    """
    is_mistake = isinstance(error, (TypeError, AttributeError))
    return TransportError(f"{what} failed with {type(error).__name__}", retryable=not is_mistake, advice=advice)
