# SPDX-License-Identifier: MIT
"""The OAuth client and the server of a command.

An option wins over what `login` has kept beside the token file, in `<token file>.client`. What is still unknown comes
from the environment, or is asked for; a variable that contradicts that file is an error. If an option names another
client or server, nothing of that file is used, so that no client secret is sent to a server other than its own. A token
is sent to a server other than the one in that file only if `--endpoints` says so.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from ._client_file import SERVERS, Client, parse_client, parse_remembered
from ._file_store import FileStore
from ._options import Options, UnknownClient
from ._retries import TIMEOUT, TRIES
from ._store_access import cause
from ._terminal import ask, can_ask
from ._validation import FieldError, extra_parameters, printable, validate
from .credentials import OAuthCredentials
from .exceptions import TokenFileError, TokenStoreError
from .models import BaseTokenDict, RefreshableTokenDict
from .protocol import YOUTUBE, Endpoints

# The environment variables of the client id and of the client secret.
_VARIABLES: Final = {"client_id": "YTMUSIC_OAUTH_CLIENT_ID", "client_secret": "YTMUSIC_OAUTH_CLIENT_SECRET"}
# Characters; a client_secret.json has about four hundred.
_LARGEST_FILE: Final = 2**20
_CLIENT_FILE: Final = "Pass the JSON file of an OAuth client, such as the Google Cloud console offers for download"
_INCOMPLETE: Final = (
    "Get a new secret from the server: the Google Cloud console shows one only once. "
    "For a client without a secret, pass --client-authentication none"
)
# A placeholder, for a request without a client.
_NOT_SENT: Final = Client("not-sent", "not-sent")


class _Credentials(OAuthCredentials):
    """A client that sends only the token that it was chosen for: any other may belong to another server."""

    #: that token and its file; None for a login
    only: tuple[str, str] | None = None

    def refresh_within(self, refresh_token: str, *, tries: int = TRIES, seconds: float = TIMEOUT) -> BaseTokenDict:
        self._check(refresh_token)
        return super().refresh_within(refresh_token, tries=tries, seconds=seconds)

    def revoke_token(self, token: str) -> None:
        self._check(token)
        super().revoke_token(token)

    def _check(self, token: str) -> None:
        if self.only is not None and token != self.only[0]:
            problem = "The token was replaced meanwhile; nothing was sent"
            raise TokenFileError(problem, path=self.only[1], retryable=True)


def choose_client(
    options: Options, token: RefreshableTokenDict | None = None, *, revokes: bool = False, may_ask: bool = True
) -> _Credentials:
    """Return the OAuth client with which to send this token, if any. May ask the user: call it only when needed.

    Raises `UnknownClient` if the client is unknown, or if the token's server is unknown and the token does not look
    like one of Google's. Raises `ValueError` for wrong usage.
    """
    parameters = validate("parameters", dict(map(_parameter, options.parameter)), extra_parameters)
    if options.scope:
        validate("scope", options.scope, printable)
    # given: the client of --client-secrets. stated: the server of --endpoints or, failing that, of that client's file.
    # kept: what `login` has saved, or None if an option contradicts it.
    given = _read_client(options.client_secrets) if options.client_secrets else None
    stated = _stated(options) or (given and given.endpoints)
    kept = _kept(options, given, stated, sends_token=token is not None)
    if token and not (stated or kept or token["refresh_token"].startswith("1/") or "googleapis.com/" in token["scope"]):
        raise UnknownClient(f"The server that the token in {options.file} came from is unknown: pass --endpoints")
    # --endpoints gives URLs: take the other fields from `kept`, which has the same URLs. The endpoints of a client
    # file are complete, so they win.
    kept_server = kept.endpoints if kept and (options.endpoints or stated is None) else None
    server = kept_server or stated or YOUTUBE
    if options.client_authentication:
        server = replace(server, client_authentication=options.client_authentication)
    if revokes and server.revoke_url is None:  # before anything is asked
        raise ValueError("These endpoints have no revoke_url, so the token cannot be revoked")
    is_sent = server.authenticate_everywhere or not revokes
    client = given or kept or (_ask(server, may_ask=may_ask and not options.json) if is_sent else _NOT_SENT)
    if given and kept:
        client = kept._replace(**{name: value for name, value in given._asdict().items() if value})
    scope, parameters = options.scope, {**(client.parameters or {}), **parameters}
    scope = client.scope if scope is None else scope
    try:
        credentials = _Credentials(*client[:2], endpoints=server, scope=scope, parameters=parameters)
    except FieldError as error:
        variable = _VARIABLES.get(error.key, "")
        if given and variable:
            is_missing = error.key == "client_secret" and not client.client_secret
            why = ("it has no client_secret", _INCOMPLETE) if is_missing else (f"{error}",)
            raise _unusable(options.client_secrets, *why) from None
        if os.environ.get(variable):
            raise UnknownClient(f"{variable}: {error}") from None
        raise
    credentials.only = (token["refresh_token"] or token["access_token"], options.file) if token else None
    return credentials


def _kept(options: Options, given: Client | None, stated: Endpoints | None, *, sends_token: bool) -> Client | None:
    """Return what `login` has saved beside the token file.

    If an option names another client or server, returns None in a login or with `--endpoints`, and raises `ValueError`
    otherwise. Raises `UnknownClient` if it cannot be used, or if the environment contradicts it.
    """
    store = FileStore(options.file).client()
    try:
        document = store.read()
        kept = None if document is None else parse_remembered(document)
    except (TokenStoreError, ValueError) as error:
        if not options.remember or (sends_token and given and options.endpoints):  # it is not needed
            return None
        problem = "was not written by `login`, or was changed" if isinstance(error, ValueError) else "cannot be used"
        option = "both --client-secrets and --endpoints" if sends_token else "--no-remember"
        advice = f"Move it away, use another folder, or pass {option}"
        raise UnknownClient(f"{store.path} {problem}: {_reason(error)}. {advice}") from None
    if kept is None or kept.endpoints is None:
        return None
    if (given and given.client_id != kept.client_id) or (stated and not _urls(stated) <= _urls(kept.endpoints)):
        if sends_token and not options.endpoints:
            problem = f"{options.file} was obtained with the OAuth client in {store.path}, and {options.client_secrets}"
            raise ValueError(f"{problem} has another client or server: omit --client-secrets, or log in again")
        return None
    for name, value in zip(_VARIABLES.values(), kept):
        if given is None and os.environ.get(name) and os.environ[name] != value:
            problem = f"{name} differs from that of the last login, in {store.path}"
            raise UnknownClient(f"{problem}: unset the variable, pass --client-secrets, or remove that file")
    return kept


def _stated(options: Options) -> Endpoints | None:
    names = options.endpoints
    if len(names) == 1 and names[0] in SERVERS:
        return SERVERS[names[0]]
    if len(names) in {2, 3}:
        return Endpoints(*names)
    if names:
        raise ValueError("--endpoints takes youtube, google, or DEVICE_CODE_URL TOKEN_URL [REVOKE_URL]")
    return None


def _read_client(path: str) -> Client:
    file = FileStore(path).absolute  # it refuses a secret as a path. Absolute: an error says where it was looked for
    try:
        with open(file, encoding="utf-8-sig", errors="replace") as stream:
            return parse_client(stream.read(_LARGEST_FILE))
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}. {_CLIENT_FILE}") from None
    except ValueError as error:
        raise _unusable(path, _reason(error)) from None


def _unusable(path: str | None, reason: str, advice: str = _CLIENT_FILE) -> ValueError:
    return ValueError(f"{path} cannot be used as the OAuth client: {reason}. {advice}")


def _reason(error: TokenStoreError | ValueError) -> str:
    if isinstance(error, TokenStoreError):
        return cause(error)
    return f"{error}" if isinstance(error, FieldError) else f"it {error}"


def _ask(server: Endpoints, *, may_ask: bool) -> Client:
    client_id, client_secret = map(os.environ.get, _VARIABLES.values())  # an empty one is taken as missing
    is_public = server.client_authentication == "none"
    if not (client_id and (client_secret or is_public)) and not (may_ask and can_ask()):
        problem = "The OAuth client is unknown: pass --client-secrets FILE, or set"
        raise UnknownClient(f"{problem} {' and '.join(_VARIABLES.values())}")
    client_id = client_id or ask("Client id: ")
    return Client(client_id, client_secret or ("" if is_public else ask("Client secret (not shown): ", hidden=True)))


def _parameter(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not name or not found or not text.isprintable():
        raise ValueError("--parameter takes NAME=VALUE, both printable text")
    return name, value


def _urls(server: Endpoints) -> set[str | None]:
    return {server.device_code_url, server.token_url, server.revoke_url, None}
