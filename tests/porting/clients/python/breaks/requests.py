# SPDX-License-Identifier: MIT
"""Breaks in what is sent: the wrong form, or a secret in the wrong place."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlencode

from ytmusic_oauth import _http, protocol, session
from ytmusic_oauth._messages import Kind, Request
from ytmusic_oauth._validation import client_name, credential
from ytmusic_oauth.models import ClientAuthentication
from ytmusic_oauth.protocol import YOUTUBE, Endpoints, device_authorization_request, revocation_request
from ytmusic_oauth.transport import UrllibResponse, UrllibSession

from .registry import constant, replaces

__all__: list[str] = []

build, check_endpoints, make_endpoints, post = (
    protocol._request,
    Endpoints.__post_init__,
    Endpoints.__init__,
    UrllibSession.post,
)

constant(
    protocol,
    "YOUTUBE",
    replace(YOUTUBE, device_grant="urn:ietf:params:oauth:grant-type:device_code"),
    "YouTube is sent Google's grant type",
    caught_by="requests/*",
)
constant(
    protocol,
    "YOUTUBE",
    replace(YOUTUBE, device_code_parameter="device_code"),
    "YouTube is sent the device code in a parameter that it does not know",
    caught_by="requests/*",
)
constant(
    session,
    "_HEADERS",
    {"User-Agent": "Mozilla/5.0 Firefox/88.0", "Accept": "application/json"},
    "YouTube does not recognize the User-Agent as a TV",
    caught_by="requests/*",
)


@replaces(client_name, "a client secret that was swapped with the id is shown", caught_by="requests/client-id-that-*")
def _(value: object) -> str:
    return credential(value)


@replaces(
    device_authorization_request, "a confidential client is rejected by the device endpoint", caught_by="requests/*"
)
def _(endpoints: Endpoints, client_id: str, client_secret: str, scope: str, parameters: Mapping[str, str]) -> Request:
    request = device_authorization_request(endpoints, client_id, client_secret, scope, parameters)
    return request._replace(form={"client_id": client_id, "scope": scope})


@replaces(device_authorization_request, "Google's device endpoint is sent the client secret", caught_by="requests/*")
def _(endpoints: Endpoints, client_id: str, client_secret: str, scope: str, parameters: Mapping[str, str]) -> Request:
    request = device_authorization_request(endpoints, client_id, client_secret, scope, parameters)
    return request._replace(form={**request.form, "client_secret": client_secret})


@replaces(device_authorization_request, "Auth0 gives no usable token without its audience", caught_by="requests/*")
def _(endpoints: Endpoints, client_id: str, client_secret: str, scope: str, parameters: Mapping[str, str]) -> Request:
    return device_authorization_request(endpoints, client_id, client_secret, scope)


@replaces(
    build, "the secret is in the header and in the form: servers reject two methods", caught_by="requests/basic-*"
)
def _(endpoints: Endpoints, kind: Kind, url: str, form: Mapping[str, str], client: tuple[str, str]) -> Request:
    request = build(endpoints, kind, url, form, client)
    return request._replace(form={**request.form, "client_secret": client[1]}) if request.basic else request


@replaces(build, "a public client sends a secret, and is rejected", caught_by="requests/public-*")
def _(endpoints: Endpoints, kind: Kind, url: str, form: Mapping[str, str], client: tuple[str, str]) -> Request:
    return build(replace(endpoints, client_authentication="post"), kind, url, form, client)


@replaces(revocation_request, "the token to revoke is in the query, and so in every access log", caught_by="requests/*")
def _(endpoints: Endpoints, client_id: str, client_secret: str, token: str) -> Request:
    request = revocation_request(endpoints, client_id, client_secret, token)
    return request._replace(url=f"{request.url}?token={token}")


@replaces(check_endpoints, "the client secret is sent over plain http", caught_by="endpoints/*")
def _(endpoints: Endpoints) -> None:
    with suppress(ValueError):
        check_endpoints(endpoints)


@replaces(
    make_endpoints,
    "every server is assumed to accept a second refresh with the same token",
    caught_by="polling/lost-refresh-response-*",
)
def _(
    endpoints: Endpoints,
    device_code_url: str,
    token_url: str,
    revoke_url: str | None = None,
    *,
    client_authentication: ClientAuthentication = "post",
    device_grant: str = Endpoints.device_grant,
    device_code_parameter: str = Endpoints.device_code_parameter,
    authenticate_everywhere: bool = True,
    rotates_refresh_tokens: bool = False,
    is_google: bool = False,
) -> None:
    make_endpoints(
        endpoints,
        device_code_url,
        token_url,
        revoke_url,
        client_authentication=client_authentication,
        device_grant=device_grant,
        device_code_parameter=device_code_parameter,
        authenticate_everywhere=authenticate_everywhere,
        rotates_refresh_tokens=rotates_refresh_tokens,
        is_google=is_google,
    )


@replaces(post, "client secret and tokens are in the query, and so in every access log", caught_by="requests/*")
def _(
    sender: UrllibSession,
    url: str,
    *,
    data: Mapping[str, str],
    headers: Mapping[str, str],
    timeout: float | None = None,
) -> UrllibResponse:
    return post(sender, f"{url}?{urlencode(data)}", data=data, headers=headers, timeout=timeout)


def _unencoded(form: Mapping[str, str]) -> str:
    return "&".join(f"{key}={value}" for key, value in form.items())


constant(
    _http,
    "urlencode",
    _unencoded,
    "a secret that contains a + arrives with a space",
    caught_by="requests/secret-with-reserved-characters",
)


constant(
    _http,
    "METHOD",
    "GET",
    "the device code is requested with GET",
    caught_by="requests/*",
)
