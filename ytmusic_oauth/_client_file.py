# SPDX-License-Identifier: MIT
"""The OAuth client and the server of a command as values, parsed from a client file. Pure.

A client file is a JSON object of one of these forms:

- what the Google Cloud console writes: the client under "installed" or "web";
- `client_id` and `client_secret`, and if need be `endpoints` (a name in `SERVERS`, or an object with the fields of
  `Endpoints`), `scope` and `parameters` (an object);
- what the command `login` keeps beside the token file: the same, and `kept_by`, which marks the file as its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from ._validation import boolean, client_authentication, extra_parameters, field, is_object, json_object, text
from .protocol import GOOGLE, YOUTUBE, Endpoints

#: Servers that have a name.
SERVERS: Final[Mapping[str, Endpoints]] = MappingProxyType({"youtube": YOUTUBE, "google": GOOGLE})
_KEPT_BY: Final = "ytmusic_oauth login"


class Client(NamedTuple):
    """The content of a client file. A missing field is None; a missing secret is an empty string."""

    client_id: str
    client_secret: str
    endpoints: Endpoints | None = None
    scope: str | None = None
    parameters: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        return f"Client({self.client_id!r})"


def parse_client(document: str) -> Client:
    """Parse a client file. Raises `ValueError`, which quotes no value."""
    content = json_object(document)
    if content.get("type") == "service_account":
        raise ValueError("is the key of a service account, which YouTube Music does not accept")
    client = content.get("installed") or content.get("web") or content
    if not is_object(client) or "client_id" not in client:
        raise ValueError('has no client_id, neither at the top nor under "installed" or "web"')
    server = content.get("endpoints")
    return Client(
        field(client, "client_id", text),
        field(client, "client_secret", text, default=""),
        None if server is None else _server(server),
        None if content.get("scope") is None else field(content, "scope", text),
        None if content.get("parameters") is None else field(content, "parameters", extra_parameters),
    )


def parse_remembered(document: str) -> Client:
    """Parse what `login` has kept. Raises `ValueError`, which quotes no value."""
    if json_object(document).get("kept_by") != _KEPT_BY:
        raise ValueError(f'has no "kept_by": "{_KEPT_BY}"')
    return parse_client(document)


def client_document(client: Client) -> str:
    """Return what `login` keeps of a client."""
    return json.dumps({"kept_by": _KEPT_BY, **client._asdict()}, default=vars, indent=1)


def _server(value: object) -> Endpoints:
    if isinstance(value, str) and value in SERVERS:
        return SERVERS[value]
    if not is_object(value):
        raise ValueError(f"has endpoints that are neither an object nor one of {', '.join(SERVERS)}")
    known = vars(YOUTUBE)
    if not value.keys() <= known.keys():
        raise ValueError(f"has an unknown field in its endpoints; known are {', '.join(known)}")
    values: Mapping[str, object] = {**vars(Endpoints), **{k: v for k, v in value.items() if v is not None}}  # defaults
    return Endpoints(
        field(values, "device_code_url", text),
        field(values, "token_url", text),
        field(values, "revoke_url", text, default="") or None,
        client_authentication=field(values, "client_authentication", client_authentication),
        device_grant=field(values, "device_grant", text),
        device_code_parameter=field(values, "device_code_parameter", text),
        **{name: field(values, name, boolean) for name in known if isinstance(known[name], bool)},
    )
