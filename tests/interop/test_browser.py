# SPDX-License-Identifier: MIT
"""A real browser opens the link of `login --open-browser`, and the user decides in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.interop.conftest import NODE_MODULES, ROOT, found
from tests.interop.test_servers import SECRET, oidc_provider
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, DIALECTS, FakeGoogle
from ytmusic_oauth import Endpoints, OAuthToken
from ytmusic_oauth._command_line import DONE, LOG_IN_AGAIN

pytestmark = pytest.mark.beside("playwright-core")

SCRIPT: Final = Path(__file__).with_name("chromium.mjs")


def login(
    endpoints: Endpoints, button: str, file: Path, *, client_id: str, client_secret: str, scope: str
) -> tuple[int, str]:
    """Log in while the user presses the button `button`. Returns the exit status and the text of the last page."""
    node, chromium = found("node"), found("chromium")
    if not (NODE_MODULES / "playwright-core").exists():
        pytest.skip("the npm packages are not installed")
    page = file.with_suffix(".page")
    command = [sys.executable, "-m", "ytmusic_oauth", "login", "--open-browser", "--file", str(file), "--scope", scope]
    command += ["--endpoints", endpoints.device_code_url, endpoints.token_url]
    environment = {
        **os.environ,
        "BROWSER": f"{node} {SCRIPT} {NODE_MODULES.parent} {chromium} {button} {page} %s",
        "YTMUSIC_OAUTH_CLIENT_ID": client_id,
        "YTMUSIC_OAUTH_CLIENT_SECRET": client_secret,
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    until = time.monotonic() + 60
    while not page.exists():  # the browser closes a moment after the login ends
        assert time.monotonic() < until, done.stderr
        time.sleep(0.05)
    return done.returncode, page.read_text("utf-8")


@pytest.mark.parametrize("links", [("verification_uri",), ("verification_uri", "verification_uri_complete")])
@pytest.mark.parametrize("button", ["Allow", "Deny"])
def test_the_user_decides_on_the_page_of_the_fake_server(button: str, links: tuple[str, ...], tmp_path: Path) -> None:
    dialect = replace(DIALECTS["rfc"], links=links)
    with FakeGoogle(interval=1, dialect=dialect) as server:
        endpoints = Endpoints(server.device_code_url, server.token_url)
        exit_status, page = login(
            endpoints,
            button,
            tmp_path / "oauth.json",
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            scope="fake-scope",
        )
        assert "Done with ABCD-0001" in page
        [decision] = [each for each in server.requests_to("page") if each.method == "POST"]
        assert decision.form == {"user_code": "ABCD-0001", "decision": button}
        assert "Chrome/" in decision.headers["user-agent"]
        assert exit_status == (DONE if button == "Allow" else LOG_IN_AGAIN)
        if button == "Allow":
            assert server.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)
        assert (tmp_path / "oauth.json").exists() == (button == "Allow")


@pytest.mark.beside("oidc-provider")
def test_the_user_decides_on_the_pages_of_a_real_server(tmp_path: Path) -> None:
    with oidc_provider(rotating=False) as server:
        file = tmp_path / "oauth.json"
        exit_status, page = login(
            server.endpoints, "Continue", file, client_id="device", client_secret=SECRET, scope="openid offline_access"
        )
        assert "Sign-in Success" in page
        assert exit_status == DONE
        assert server.accepts(OAuthToken.from_json(file).as_auth())
