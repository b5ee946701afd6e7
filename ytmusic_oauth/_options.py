# SPDX-License-Identifier: MIT
"""The options of a command, and the OAuth client and server that they select.

An option wins over what `login` has remembered beside the token file, in `<token file>.client`. An environment variable
that differs from it is an error. Only what is not known then is asked for. What was remembered is used as a whole or
not at all, so that no token and no client secret is sent to a server other than its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from ._client_file import SERVERS, Client, endpoints_of, parse_client, parse_remembered
from ._file_store import FileStore
from ._terminal import ask, can_ask
from ._validation import FieldError, extra_parameters, printable, validate
from .credentials import OAuthCredentials
from .models import RefreshableTokenDict
from .protocol import YOUTUBE, Endpoints

# The environment variables of the client id and of the client secret.
_VARIABLES: Final = ("YTMUSIC_OAUTH_CLIENT_ID", "YTMUSIC_OAUTH_CLIENT_SECRET")
# Characters; a client_secret.json has about four hundred.
_LARGEST_FILE: Final = 2**20
# Takes the place of a client that is not sent.
_NOT_SENT: Final = Client("not-sent", "not-sent")


class Options:
    """The options of a command, as the parser sets them."""

    #: the function of the command
    run: Callable[[Options], None]
    #: how to call the command line
    program: str
    #: the path of the token file
    file: str
    #: the path of a client file
    client_secrets: str | None = None
    #: the name or the URLs of the server
    endpoints: Sequence[str] = ()
    #: the scope to request; None for the default
    scope: str | None = None
    #: the server's own parameters of the request for a code
    parameter: Sequence[str] = ()
    #: whether to open the link in a browser
    open_browser: bool = False
    #: whether to keep the client beside the token file
    remember: bool = True
    #: whether to print JSON
    json: bool = False
    #: whether to skip the confirmation
    yes: bool = False
    #: whether to ask the server
    check: bool = False

    def client(
        self, token: RefreshableTokenDict | None = None, *, revokes: bool = False, may_ask: bool = True
    ) -> OAuthCredentials:
        """Make the OAuth client, to send this token if there is one. May prompt for it: call this only when needed.

        Raises `ValueError` if it is not certain that the server is the one that the token came from.
        """
        parameters = validate("parameters", dict(map(_parameter, self.parameter)), extra_parameters)
        if self.scope:
            validate("scope", self.scope, printable)
        given = _read_client(self.client_secrets) if self.client_secrets else None
        stated = self._stated() or (given and given.endpoints)
        kept = self._kept(given, stated, sends_token=token is not None)
        if token is not None and stated is None and kept is None and not _is_googles(token):
            raise ValueError(f"The server that the token in {self.file} came from is unknown: pass --endpoints")
        server = self._adjusted(stated or (kept and kept.endpoints) or YOUTUBE)
        is_sent = server.authenticate_everywhere or not revokes
        client = given or kept or (_ask(server, may_ask=may_ask) if is_sent else _NOT_SENT)
        if given and kept:
            client = kept._replace(**{name: value for name, value in given._asdict().items() if value is not None})
        try:
            return OAuthCredentials(
                client.client_id,
                client.client_secret,
                endpoints=server,
                scope=client.scope if self.scope is None else self.scope,
                parameters={**(client.parameters or {}), **parameters},
            )
        except FieldError as error:
            if given is None or error.key not in {"client_id", "client_secret"}:
                raise
            raise ValueError(f"{self.client_secrets} is not the file of an OAuth client: {error}") from None

    def client_store(self) -> FileStore:
        """Return the file in which `login` keeps the client."""
        return FileStore(f"{self.file}.client")

    def remembered(self) -> Client | None:
        """Return what `login` has kept. Raises `ValueError` if the file is not ours."""
        document = self.client_store().read()
        try:
            return None if document is None else parse_remembered(document)
        except ValueError as error:
            problem = f"{self.file}.client was not written by `login`, or was changed: {_reason(error)}"
            raise ValueError(f"{problem}. Move it away, or log in with --no-remember") from None

    def forget(self, unless: str | None = None) -> str | None:
        """Remove what `login` has kept, unless it is this. Return what stays; a file that is not ours does."""
        store = self.client_store()
        before = store.read()
        with suppress(ValueError):
            if before is not None and before != unless and self.remembered() and store.remove(before):
                return None
        return before

    def _kept(self, given: Client | None, stated: Endpoints | None, *, sends_token: bool) -> Client | None:
        try:
            kept = self.remembered()
        except ValueError:
            if self.remember:
                raise
            return None
        if kept is None or kept.endpoints is None:
            return None
        if (given and given.client_id != kept.client_id) or (stated and not _urls(stated) <= _urls(kept.endpoints)):
            if sends_token and not self.endpoints:
                raise ValueError(
                    f"{self.client_secrets} is not the OAuth client of the login in {self.file}, which "
                    f"{self.file}.client has: omit --client-secrets, or log in again"
                )
            return None
        for name, value in ((_VARIABLES[0], kept.client_id), (_VARIABLES[1], kept.client_secret)):
            if given is None and os.environ.get(name, value) != value:
                raise ValueError(
                    f"{name} differs from what {self.file}.client has, of the last login: unset the variable, or pass "
                    "--client-secrets"
                )
        return kept

    def _stated(self) -> Endpoints | None:
        names = self.endpoints
        if len(names) == 1 and names[0] in SERVERS:
            return SERVERS[names[0]]
        if len(names) in {2, 3}:
            return Endpoints(*names)
        if names:
            raise ValueError("--endpoints takes youtube, google, or DEVICE_CODE_URL TOKEN_URL [REVOKE_URL]")
        return None

    def _adjusted(self, server: Endpoints) -> Endpoints:
        fields: Mapping[str, object] = vars(server)
        for name in fields.keys() & vars(self).keys():
            value: object = vars(self)[name]
            fields = {**fields, name: value == "yes" if isinstance(fields[name], bool) else value}
        return endpoints_of(fields)


def _read_client(path: str) -> Client:
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            document = file.read(_LARGEST_FILE)
    except FileNotFoundError as error:
        if not os.path.isabs(path):
            error.strerror = f"{error.strerror}, in {os.getcwd()}"
        raise
    try:
        return parse_client(document)
    except ValueError as error:
        raise ValueError(f"{path} is not the file of an OAuth client: {_reason(error)}") from None


def _reason(error: ValueError) -> str:
    return f"{error}" if isinstance(error, FieldError) else f"it {error}"


def _ask(server: Endpoints, *, may_ask: bool) -> Client:
    client_id, client_secret = map(os.environ.get, _VARIABLES)
    is_public = server.client_authentication == "none"
    if (client_id is None or (client_secret is None and not is_public)) and not (may_ask and can_ask()):
        problem = "The OAuth client is unknown: pass --client-secrets FILE, or set"
        raise ValueError(f"{problem} {' and '.join(_VARIABLES)}")
    if client_id is None:
        client_id = _answer("Client id: ")
    if client_secret is None:
        client_secret = "" if is_public else _answer("Client secret (not shown): ", hidden=True)
    return Client(client_id, client_secret)


def _answer(question: str, *, hidden: bool = False) -> str:
    while not (answer := ask(question, hidden=hidden)):
        pass
    return answer


def _parameter(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not name or not found:
        raise ValueError("--parameter takes NAME=VALUE")
    return name, value


def _urls(server: Endpoints) -> set[str | None]:
    return {server.device_code_url, server.token_url, server.revoke_url, None}


def _is_googles(token: RefreshableTokenDict) -> bool:
    return token["refresh_token"].startswith("1/") or "googleapis.com/" in token["scope"]
