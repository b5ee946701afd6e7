# SPDX-License-Identifier: MIT
"""Find out the endpoints of a server, once, while you write your program: they rarely change.

    python -m tests.recipes.discovery https://login.example.org

prints an `Endpoints(...)` to copy, and the same as options of the command line. The server's metadata (RFC 8414, or
OpenID Connect Discovery) does not say whether it rotates refresh tokens, so the safe default stays; nor how your client
is registered, so `--public` is for a client without a secret.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Final
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ytmusic_oauth import Endpoints
from ytmusic_oauth.models import ClientAuthentication

__all__ = ["as_code", "as_options", "discover", "fetch", "main", "metadata_urls"]

# Bytes and seconds; such a document has a few thousand bytes.
_LARGEST: Final = 2**20
_TIMEOUT: Final = 10.0
# The names of metadata for the ways to authenticate, the best one first.
_WAYS: Final[Mapping[str, ClientAuthentication]] = {
    "client_secret_basic": "basic",
    "client_secret_post": "post",
    "none": "none",
}


def discover(issuer: str, fetch: Callable[[str], object], *, public: bool = False) -> Endpoints:
    """Return the endpoints of the server. Raises `ValueError` if it has none for devices, or is another server."""
    try:
        Endpoints(issuer, issuer)  # https, or this machine
    except ValueError as error:
        raise ValueError(f"{error}".replace("device_code_url", "The issuer")) from None
    for url in metadata_urls(issuer):
        document = fetch(url)
        if isinstance(document, dict):
            return _endpoints(issuer, document, public=public)
    raise ValueError(f"No metadata could be read at {' or '.join(metadata_urls(issuer))}")


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return where the metadata is: RFC 8414 3.1 inserts its path, OpenID Connect Discovery 4 appends it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    return (
        parts._replace(path=f"/.well-known/oauth-authorization-server{path}").geturl(),
        parts._replace(path=f"{path}/.well-known/openid-configuration").geturl(),
    )


def _endpoints(issuer: str, document: Mapping[str, object], *, public: bool) -> Endpoints:
    # RFC 8414 3.3: "If these values are not identical, the data contained in the response MUST NOT be used."
    if document.get("issuer") != issuer:
        raise ValueError(f"the metadata is that of another issuer: {document.get('issuer')!a}")
    device_code_url, token_url = document.get("device_authorization_endpoint"), document.get("token_endpoint")
    if not isinstance(device_code_url, str) or not isinstance(token_url, str):
        raise ValueError(f"{issuer} does not support the device authorization grant")
    revoke_url = document.get("revocation_endpoint")
    # RFC 8414 2: "If omitted, the default is client_secret_basic".
    supported = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    names = [name for name in _WAYS if isinstance(supported, list) and name in supported]
    if public:
        names = ["none"]
    if not names:
        raise ValueError(f"{issuer} supports none of {', '.join(_WAYS)}")
    return Endpoints(
        device_code_url,
        token_url,
        revoke_url if isinstance(revoke_url, str) else None,
        client_authentication=_WAYS[names[0]],
    )


def as_code(endpoints: Endpoints) -> str:
    """Return Python code that makes these endpoints."""
    lines = [f"    {name}={value!r},\n" for name, value in _deviations(endpoints)]
    return f"Endpoints(\n{''.join(lines)})"


def as_options(endpoints: Endpoints) -> str:
    """Return the same as options of the command line."""
    urls = [endpoints.device_code_url, endpoints.token_url, *filter(None, [endpoints.revoke_url])]
    others = [(name, value) for name, value in _deviations(endpoints) if not name.endswith("_url")]
    options = [word for name, value in others for word in (f"--{name.replace('_', '-')}", str(value))]
    return shlex.join([*options, "--endpoints", *urls])


def _deviations(endpoints: Endpoints) -> Iterator[tuple[str, object]]:
    for field in fields(endpoints):
        value: object = getattr(endpoints, field.name)
        if value != field.default:
            yield field.name, value


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none: a redirect could lead to another server's metadata."""


def fetch(url: str) -> object:
    """Get a JSON document; None if there is none at this URL."""
    request = Request(url, headers={"Accept": "application/json"})
    try:
        with build_opener(_NoRedirects).open(request, timeout=_TIMEOUT) as response:
            document: object = json.loads(response.read(_LARGEST + 1))
    except (OSError, ValueError):
        return None
    return document


def main() -> int:
    """Print the endpoints of the server that is named on the command line."""
    parser = argparse.ArgumentParser(description="Find out the endpoints of an OAuth server.")
    parser.add_argument("issuer", help="the server, such as https://login.example.org")
    parser.add_argument("--public", action="store_true", help="the client has no secret")
    arguments = parser.parse_args()
    try:
        endpoints = discover(arguments.issuer, fetch, public=arguments.public)
    except ValueError as error:
        print(f"{error}.", file=sys.stderr)
        return 2
    print(as_code(endpoints))
    print(as_options(endpoints))
    return 0


if __name__ == "__main__":
    sys.exit(main())
