# SPDX-License-Identifier: MIT
"""glewlwyd as Debian packages it, set up through its own API, on a free port of 127.0.0.1."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Final, final
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, ProxyHandler, Request, build_opener

__all__ = ["SECRET", "Glewlwyd", "glewlwyd"]

SECRET: Final = "fake-secret"
#: what Debian's package creates its database with
SCHEMA: Final = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
_SCOPE: Final = "openid g_profile"
_CONFIGURATION: Final = """
port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="NONE"
cookie_secure=0
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3" path = "{database}" }};
"""
_PLUGIN: Final = {
    "iss": "https://glewlwyd.example",
    "jwt-type": "sha",
    "jwt-key-size": "256",
    "key": SECRET,
    "code-duration": 600,
    "refresh-token-duration": 1209600,
    "access-token-duration": 3600,
    "refresh-token-one-use": "always",
    "introspection-revocation-allowed": True,
    "introspection-revocation-allow-target-client": True,
    "introspection-revocation-auth-scope": [],
    "device-authorization-expiration": 600,
    "device-authorization-interval": 1,
    "allow-non-oidc": True,
    **{f"auth-type-{name}-enabled": name in {"code", "device", "refresh"} for name in ("client", "code", "device")},
    **{f"auth-type-{name}-enabled": name == "refresh" for name in ("implicit", "password", "refresh", "token")},
}


class _NotFollowed(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Return None: the redirect is the answer."""


@final
class Glewlwyd:
    """A running server, with the session of its administrator, who is the user, too."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api"
        self._opener = build_opener(ProxyHandler({}), _NotFollowed, HTTPCookieProcessor(CookieJar()))

    def call(self, method: str, path: str, body: object = None) -> str:
        """Call its API; return where it redirects to."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            response = self._opener.open(request, timeout=10)
        except HTTPError as error:
            response = error
        with response:
            assert response.status in {200, 302}, response.read()
            return str(response.headers.get("Location"))

    def set_up(self) -> None:
        """Log in, and add the plugin for device codes and a client for each way to authenticate."""
        self.call("POST", "/auth/", {"username": "admin", "password": "password"})
        plugin = {"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": True, "parameters": _PLUGIN}
        self.call("POST", "/mod/plugin/", plugin)
        for way in ("post", "basic", "none"):
            client = {
                "client_id": way,
                "name": way,
                "client_secret": SECRET,
                "confidential": way != "none",
                "authorization_type": ["device_authorization", "refresh_token", "delete_token"],
                "token_endpoint_auth_method": ["none" if way == "none" else f"client_secret_{way}"],
                "enabled": True,
            }
            self.call("POST", "/client/", client)
            self.call("PUT", f"/auth/grant/{way}", {"scope": _SCOPE})

    def allow(self, user_code: str) -> None:
        """Confirm a code. Its pages have no button to deny one."""
        assert "prompt=deviceComplete" in self.call("GET", f"/oidc/device?code={user_code}&g_continue")


def _is_listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def glewlwyd(program: str, folder: Path) -> Iterator[Glewlwyd]:
    """Start the server, with its files in `folder`."""
    with sqlite3.connect(folder / "database") as database:
        database.executescript(SCHEMA.read_text("utf-8"))
    database.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    configuration = folder / "configuration"
    configuration.write_text(_CONFIGURATION.format(port=port, database=folder / "database"), "utf-8")
    with subprocess.Popen([program, f"--config-file={configuration}"], stdout=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while not _is_listening(port):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
            server = Glewlwyd(port)
            server.set_up()
            yield server
        finally:
            process.kill()
