# SPDX-License-Identifier: MIT
"""An OAuth server made with Authlib as its documentation shows: its grants and endpoints, memory, and one page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request, RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialMixin
from flask import Flask, request
from werkzeug.serving import make_server

__all__ = ["Authlib"]

# Authlib's own default here is the Authorization header only.
_IN_THE_FORM = ["client_secret_post"]


@dataclass(frozen=True)
class _Client(ClientMixin):
    name: str

    def get_client_id(self) -> str:
        return self.name

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == "fake-secret"

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_post"

    def check_grant_type(self, grant_type: str) -> bool:
        return True


@dataclass
class _Credential(DeviceCredentialMixin):
    client_id: str
    scope: str
    user_code: str
    expires_at: float
    clock: Callable[[], float]
    polled_at: float = -1e9
    allowed: bool | None = None

    def get_client_id(self) -> str:
        return self.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_user_code(self) -> str:
        return self.user_code

    def is_expired(self) -> bool:
        return self.clock() >= self.expires_at


@dataclass
class _Grant:
    """One consent with its tokens. Of the refresh tokens, only the last is valid."""

    client: object
    scope: str
    refresh_tokens: list[str] = field(default_factory=list)
    access_tokens: list[str] = field(default_factory=list)
    revoked: bool = False

    def get_scope(self) -> str:
        return self.scope

    def check_client(self, client: object) -> bool:
        return client == self.client


_PAGE = """<!doctype html><title>Device</title><p>{text}</p>
<form method="post"><input name="user_code" value="{user_code}"><button name="allow" value="yes">Allow</button>
<button name="allow" value="no">Deny</button></form>"""


@final
class Authlib:
    """Serves on a free port of 127.0.0.1 while in a `with` block. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float], *, rotating: bool) -> None:
        credentials: dict[str, _Credential] = {}
        grants: list[_Grant] = []
        app = Flask(__name__)
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        listener = make_server("127.0.0.1", 0, app, threaded=True)
        url = f"http://127.0.0.1:{listener.server_port}"

        def by_token(token: str) -> _Grant | None:
            found = [each for each in grants if token in each.refresh_tokens + each.access_tokens]
            return found[0] if found else None

        class Device(DeviceAuthorizationEndpoint):
            def get_verification_uri(self) -> str:
                return f"{url}/device"

            def save_device_credential(self, client_id: str, scope: str, data: dict[str, str]) -> None:
                ends_at = clock() + self.EXPIRES_IN
                credentials[data["device_code"]] = _Credential(client_id, scope, data["user_code"], ends_at, clock)

        class Poll(DeviceCodeGrant):
            def query_device_credential(self, device_code: str) -> _Credential | None:
                return credentials.get(device_code)

            def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
                [credential] = [each for each in credentials.values() if each.user_code == user_code]
                return None if credential.allowed is None else ("the user", credential.allowed)

            def should_slow_down(self, credential: _Credential) -> bool:
                before, credential.polled_at = credential.polled_at, clock()
                return credential.polled_at - before < Device.INTERVAL

        class Refresh(RefreshTokenGrant):
            INCLUDE_NEW_REFRESH_TOKEN = rotating
            TOKEN_ENDPOINT_AUTH_METHODS = _IN_THE_FORM

            def authenticate_refresh_token(self, refresh_token: str) -> _Grant | None:
                grant = by_token(refresh_token)
                if grant is not None and refresh_token != grant.refresh_tokens[-1]:
                    grant.revoked = True  # RFC 9700 4.14.2: it was stolen
                return None if grant is None or grant.revoked else grant

            def authenticate_user(self, refresh_token: _Grant) -> str:
                return "the user"

            def revoke_old_credential(self, refresh_token: _Grant) -> None:
                """Nothing: `save` adds the new one, and only the last is valid."""

        class Revoke(RevocationEndpoint):
            CLIENT_AUTH_METHODS = _IN_THE_FORM

            def query_token(self, token_string: str, token_type_hint: str | None) -> _Grant | None:
                return by_token(token_string)

            def revoke_token(self, token: _Grant, request: object) -> None:
                token.revoked = True

        def save(token: dict[str, str], request: OAuth2Request) -> None:
            if isinstance(request.refresh_token, _Grant):
                grant = request.refresh_token
            else:
                grant = _Grant(request.client, token["scope"])
                grants.append(grant)
                for code in [code for code, credential in credentials.items() if credential is request.credential]:
                    del credentials[code]
            grant.access_tokens.append(token["access_token"])
            if "refresh_token" in token:
                grant.refresh_tokens.append(token["refresh_token"])

        def client(client_id: str) -> _Client | None:
            return _Client(client_id) if client_id in {"device", "another"} else None

        def page() -> str:
            if request.method == "POST":
                user_code = request.form["user_code"]
                [credential] = [each for each in credentials.values() if each.user_code == user_code]
                credential.allowed = request.form["allow"] == "yes"
                return _PAGE.format(text="Done.", user_code="")
            return _PAGE.format(text="Is this you?", user_code=request.args.get("user_code", ""))

        def me() -> tuple[str, int]:
            grant = by_token(request.headers["Authorization"].removeprefix("Bearer "))
            return ("the user", 200) if grant is not None and not grant.revoked else ("", 401)

        server = AuthorizationServer(app, client, save)
        for grant in (Poll, Refresh):
            server.register_grant(grant)
        for endpoint in (Device, Revoke):
            server.register_endpoint(endpoint)
        device, revoke = Device.ENDPOINT_NAME, Revoke.ENDPOINT_NAME
        app.add_url_rule("/code", "code", lambda: server.create_endpoint_response(device), methods=["POST"])
        app.add_url_rule("/token", "token", server.create_token_response, methods=["POST"])
        app.add_url_rule("/revoke", "revoke", lambda: server.create_endpoint_response(revoke), methods=["POST"])
        app.add_url_rule("/device", "page", page, methods=["GET", "POST"])
        app.add_url_rule("/me", "me", me, methods=["GET"])
        self.url = url
        self._listener = listener

    def __enter__(self) -> Authlib:
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown()
        self._listener.server_close()
